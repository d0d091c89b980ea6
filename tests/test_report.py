"""The page of a solution: what it says, and that nothing in a file becomes markup."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import dynpo_lite as dp
from dynpo_lite.companion.chapters import weather
from dynpo_lite.companion.files import comparisons, report, report_figures
from dynpo_lite.companion.files.economy_file import (
    EXAMPLES,
    example_path,
    load_economy,
)
from dynpo_lite.companion.files.path_table import Paths
from dynpo_lite.companion.files.report import report_page
from dynpo_lite.companion.files.solution_files import summarise

VOID = {"meta", "path", "use", "br", "rect"}


class Reader(HTMLParser):
    """Collects tags, attributes and texts, and sees that tags are closed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def page_of(file, certify=True):
    solution = file.solve()
    return report_page(file, solution, summarise(file, solution, certify))


@pytest.fixture(scope="module")
def pages():
    return {name: page_of(load_economy(example_path(name))) for name in EXAMPLES}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_page_is_complete_and_stands_alone(pages, name):
    found = Reader(pages[name])
    assert found.tags.count("h1") == 1
    assert "<th></th>" not in re.sub(" [^>]*", "", pages[name])
    assert found.tags.count("svg") == 4
    assert found.tags.count("section") == 6 + (name == "paths")
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    for key, value in found.attributes:
        assert not key.startswith("on")
        if key.endswith("href") or key == "src":
            assert value.startswith("#")
        assert "http" not in (value or "") or key.startswith("xmlns")
    ids = [value for key, value in found.attributes if key == "id"]
    assert len(ids) == len(set(ids)) > 10
    used = {value[1:] for key, value in found.attributes if key == "xlink:href"}
    assert used <= set(ids)


def test_colours_are_those_of_the_scheme(pages):
    for page in pages.values():
        pictures = "".join(re.findall("<svg.*?</svg>", page, re.DOTALL))
        assert pictures.count("var(--c") > 50
        assert not re.search(r'[:"]\s*#[0-9a-fA-F]{3,6}\b', pictures)
        used = set(re.findall(r"var\((--\w+)\)", page))
        light, dark = page.split("prefers-color-scheme: dark", 1)
        for name in used:
            assert f"{name}: #" in light
            assert f"{name}: #" in dark


def test_what_the_page_says(pages):
    page = pages["weather"]
    text = " ".join("".join(Reader(page).texts).split())
    assert "sum to 1,128.19 EUR million today; with trade to 955.78" in text
    assert "Trade saves 172.41 (15.3 %)." in text
    assert "Checked by a second route: nobody is worse off than without" in text
    cells = re.findall(
        r'<th scope="row">Coast</th><td>616.96</td><td>559.49</td>', page
    )
    assert len(cells) == 1
    names = re.findall(r'<th scope="row">(\w+)</th><td>20 %</td>', page)
    assert names == ["calm", "mild", "usual", "rough", "stormy"]  # by the total
    assert "There is no comparison: it is made for conditional laws." in "".join(
        Reader(pages["two_period"]).texts
    )


def test_nothing_of_the_user_becomes_markup():
    evil = '<script>alert("$x$")</script>&amp;<!-- -->'
    file = load_economy(example_path("paths"))
    names = (f"{evil}1", "$\\frac{1}{", "--><b>3</b>")
    file = replace(file, title=evil, currency=f"{evil}€", names=names, notes=(evil,))
    page = page_of(file)
    found = Reader(page)
    assert not {"script", "b"} & set(found.tags)
    assert evil in "".join(found.texts)
    assert "$\\frac{1}{" in "".join(found.texts)


def test_letters_that_matplotlib_cannot_draw(recwarn):
    file = load_economy(example_path("chain"))
    page = page_of(replace(file, names=("\u6e2f", "\u5c71", "\u539f")))
    assert page.count("\u6e2f") > 3
    assert not recwarn.list


def test_a_page_without_matplotlib(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    file = load_economy(example_path("chain"))
    found = Reader(page_of(file))
    assert "svg" not in found.tags
    assert "figure" not in found.tags
    assert found.tags.count("section") == 6


def test_pages_are_stable(pages):
    for name in ("chain", "paths"):
        assert page_of(load_economy(example_path(name))) == pages[name]


def test_many_scenarios_are_summarised():
    total = np.arange(100.0)[::-1]
    group = report._groups(total, np.full(100, 0.01))
    assert np.bincount(group).tolist() == [10] * 10
    assert group[:10].tolist() == [9] * 10  # the largest losses
    few = report._groups(np.zeros(12), np.full(12, 1 / 12))
    assert sorted(few) == list(range(12))
    heavy = report._groups(np.arange(13.0), np.array([0.88] + [0.01] * 12))
    assert heavy.max() == len(np.unique(heavy)) - 1  # no empty group


def test_the_range_holds_eighty_percent():
    x, chance = np.arange(10.0), np.full(10, 0.1)
    assert report._range(x[::-1], chance) == (0.0, 8.0)
    assert report._range(np.array([7.0]), np.ones(1)) == (7.0, 7.0)


def test_certain_losses_and_many_agents(tmp_path):
    agents = "".join(
        f"[[agent]]\nname = 'a{i}'\nmeasure = {{kind = 'expectation'}}\n"
        for i in range(14)
    )
    names = ",".join(f"a{i}" for i in range(14))
    (tmp_path / "nodes.csv").write_text(
        f"node,parent,probability,{names}\nnow,,1,{',' * 13}\n"
        f"then,now,1,{','.join(['2'] * 14)}\n"
    )
    (tmp_path / "e.toml").write_text(
        f"title = 'sure'\ncurrency = 'x'\nnodes = 'nodes.csv'\n{agents}"
    )
    text = "".join(Reader(page_of(load_economy(tmp_path / "e.toml"))).texts)
    assert "certain: no layers" in text
    assert "2 more agents are in the table." in text


def test_a_page_without_certificate():
    file = load_economy(example_path("chain"))
    text = "".join(Reader(page_of(file, certify=False)).texts)
    assert "There is no independent check: it was not asked for." in text


# --- comparisons ----------------------------------------------------------------------


def test_arrangements_count_the_nodes_that_are_left():
    file = load_economy(example_path("chain"))
    rows = {row["name"]: row for row in comparisons.arrangements(file, file.solve())}
    economy = file.economy
    quota = economy.scenarios.entries(economy.endowments)
    reach = economy.scenarios.unconditional[economy.scenarios.source]
    mean = quota @ (reach * economy.scenarios.probability)
    quota = np.outer(mean / mean.sum(), quota.sum(axis=0))
    risk, alone = economy.risk_to_go(quota), economy.risk_without_trade()
    left = (risk > alone + 1e-9 * economy.scale).any(axis=0).sum()
    assert rows["quota share"]["nodes_left"] == left > 0
    total = risk[:, 0].sum()
    assert rows["quota share"]["total_risk"] == pytest.approx(total)
    assert {row["nodes"] for row in rows.values()} == {10}


def test_the_error_bar_is_what_other_paths_change():
    """The spread of random halves against that of independent simulations."""
    file = load_economy(example_path("paths"))
    names = tuple(map(str, range(1000)))

    def simulated(seed):
        return Paths(weather.simulate(1000, seed), None, names)

    values = [
        dp.solve(file.of_paths(simulated(seed))).total_risk_to_go[0]
        for seed in range(40)
    ]
    bars = [
        comparisons.error_bar(
            replace(file, paths=simulated(s), economy=file.of_paths(simulated(s)))
        )["rows"][0]["standard_error"]
        for s in range(5)
    ]
    assert np.mean(bars) == pytest.approx(np.std(values, ddof=1), rel=0.35)


def test_no_error_bar_without_enough_paths():
    file = load_economy(example_path("paths"))
    few = replace(file, paths=file.paths.some(np.arange(39)))
    assert comparisons.error_bar(few) is None
    assert "there are too few paths" in page_of(few)
    assert comparisons.error_bar(load_economy(example_path("arcs"))) is None


def test_short_names():
    assert report_figures.short("x" * 18) == "x" * 18
    assert len(report_figures.short("x" * 19)) == 18
