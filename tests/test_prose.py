"""Every number in a sentence, a caption or an alternative text stands on something.

In a notebook: on an output, a literal of the code, an equation of numbers.  Numbers of
three digits and more are looked for on the whole page, shorter ones in their section
(exercises may use the whole page).  On pages without cells, and for what a sentence
works out by hand, the values are computed here.
"""

import re
import signal
from functools import cache
from pathlib import Path

import ledger
import measured
import nbformat
import numpy as np
import oracles
import prose
import pytest
import random_economies
import test_lessons
import test_repository
from scipy.stats import norm

import dynpo_lite as dp
from dynpo_lite.companion.chapters.small_economies import four_leaf_economy
from dynpo_lite.companion.files import csv_tables
from dynpo_lite.companion.files.economy_file import example_path
from dynpo_lite.companion.rerun.parameters import find_notebook

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("[!.]*.ipynb"))
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
PAGES += sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("book/*.md"))
GENERATED = {  # compared with the ledger by test_ledger.py, or sealed
    *("book/paper_map.md", "book/findings_agreement.md"),
    *("book/findings_deviations.md", "book/findings_table.md", "book/times.md"),
    "book/speed_table.md",
}
LEDGER = ledger.load()


# --- what sentences work out by hand --------------------------------------------------


def saddle():
    """Return the numbers of the example of the saddle: layers times distortions."""
    half, worse = dp.ExpectedShortfall(0.5), dp.ExpectedShortfall(0.9)
    first = [half, dp.Mixture([dp.Expectation(), worse], [0.6, 0.4])]
    second = dp.Mixture([dp.Expectation(), dp.ExpectedShortfall(0.8)], [0.5, 0.5])
    widths, tails = (5, 3, 12), (0.6, 0.3, 0.1)
    one, two = ([w * float(k(u)) for w, u in zip(widths, tails)] for k in first)
    seen = [float(second(u)) for u in tails]
    other = [w * k for w, k in zip(widths, seen)]
    slopes = [a - b for a, b in zip(one, two)]
    rising = slopes[0] + slopes[1]  # until agent 1's part of the first layer is free
    by_layer = [*one, *two, *other, *seen]
    weight = oracles.exact_cases()[4].answer["saddle_weights"]["0"]["1"][0]
    return [
        *(*by_layer, other[0] + other[2], rising, slopes[1], -slopes[2] - slopes[1]),
        *prose.printed(weight),
    ]


def number(path):
    """Return the number of a lesson, the name of an audit notebook."""
    first = path.stem.split("_")[0]
    return first if first.isdigit() else path.stem


@cache
def by_hand(chapter):
    """Return the numbers that sentences of a chapter derive from others."""
    example, leaves = dp.TwoPeriodExample(), four_leaf_economy()
    alone = leaves.risk_without_trade("conditional")[:, :3].sum(axis=0)
    saved = alone - dp.solve(leaves).total_risk_to_go[:3]
    quantiles = (example.agent1_threshold, example.agent2_threshold)
    return {
        "09": saddle(),
        "06": [
            *(1 - threshold for threshold in quantiles),  # the plateaus of Figure 4
            round(float(LEDGER.printed("crossing_level").ours), 3),
            round(20 * (norm.cdf(2) - norm.cdf(-2))),  # within two standard errors
        ],
        "10": [max(leaves.aggregate)],
        "12": [*alone, *(0.75 * saved), max(leaves.aggregate)],
    }.get(chapter, [])


# --- notebooks ------------------------------------------------------------------------


def texts(cell):
    """Return the prose of a cell: its text, or caption and alternative text."""
    if cell.cell_type == "markdown":
        return [cell.source]
    shown = cell.metadata.get("mystnb", {})
    caption = shown.get("figure", {}).get("caption", "")
    return [caption, shown.get("image", {}).get("alt", "")]


def sections(notebook):
    """Return the cells, section by section."""
    found = [[]]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"(?m)^## ", cell.source):
            found.append([])
        found[-1].append(cell)
    return found


def known(cells):
    """Return the numbers in the code and outputs of cells, and in printed commands."""
    found = set()
    for cell in cells:
        if cell.cell_type == "code":
            found.update(prose.values(cell))
        else:
            found.update(map(float, re.findall(r" -p \w+=([\d.]+)", cell.source)))
    return found


@cache
def read(path):
    """Return a notebook and the numbers known on it."""
    notebook = nbformat.read(path, as_version=4)
    return notebook, known(notebook.cells)


def unsupported(notebook, page, extra=()):
    """Yield the numbers in the prose of a notebook that nothing on it supports."""
    given = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    for cells in sections(notebook):
        near = known([*given, *cells])
        if any("## Exercises" in cell.source for cell in cells):
            near = page
        for text in (text for cell in cells for text in texts(cell)):
            try:
                proved = prose.proved(text)
            except ValueError as error:
                yield str(error)
                continue
            for number in set(prose.numbers(text)) - proved:
                there = page if prose.digits(number) > 2 else near
                if not prose.supports({*there, *extra}, number):
                    yield number


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_numbers_in_the_prose_of_notebooks(path):
    assert sorted(unsupported(*read(path), by_hand(number(path)))) == []


# --- pages without cells --------------------------------------------------------------


def printed_totals(attachment):
    """Return the exact totals of two regimes with the printed attachment.

    Its tail lies between 0.01 and 0.1, where both shortfalls are simple.
    """
    losses = dp.TwoPeriodExample().losses
    beyond = float(losses.s2_stop_loss(attachment))
    return [200 - beyond + 10 * beyond, attachment + 10 * beyond]


@cache
def facts(page):
    """Return what the numbers of a page may be, computed."""
    data = (example_path("weather").parent / "nodes.csv").read_text()
    seconds = re.findall(r"\| (\d+) s \|", (ROOT / "book" / "times.md").read_text())
    marginal, conditional = (
        float(dp.TwoPeriodExample().attachments(law, "deterministic")[0])
        for law in ("marginal", "conditional")
    )
    kinds = [item.kind for item in LEDGER.items]
    items = [len(kinds), *(kinds.count(kind) for kind in set(kinds))]
    said = [item.status for item in LEDGER.items]
    statuses = [said.count(status) for status in set(said)]
    samples, attachment = 100_000, LEDGER.printed("attachment").printed
    return {
        "README.md": [*map(float, seconds), len(kinds), marginal, conditional],
        "CHANGELOG.md": items,
        "CONTRIBUTING.md": [
            *test_repository.LONGEST.values(),
            *(test_lessons.LINES, test_lessons.COLUMNS),
            *(test_lessons.WORDS, test_lessons.WORDS_A_FIGURE),
        ],
        "book/api.md": [0.95],
        "book/rerun.md": [128 + signal.SIGINT, 128 + signal.SIGTERM],
        "book/findings.md": [
            *(*items, samples, attachment, *printed_totals(attachment)),
            LEDGER.printed("total_low").printed,
        ],
        "book/referees.md": [
            *(*items, *statuses, samples, attachment, 1000),
            len(kinds) - max(statuses),
        ],
        "book/intro.md": [samples, attachment],
        "book/economy_file.md": [
            *(len(data.splitlines()), random_economies.N_PATHS, 0.7, 10, 12),
            round(np.log10(csv_tables.LARGEST)),
            *(645.1, 649.6, 651.36, 105),  # held by test_economy_file.py
        ],
    }.get(page, [])


@pytest.mark.parametrize("page", [page for page in PAGES if page not in GENERATED])
def test_numbers_on_pages_without_cells(page):
    text = (ROOT / page).read_text("utf-8")
    prose.proved(text)
    found = prose.numbers(text)
    assert [n for n in found if not prose.supports(facts(page), n)] == []


def test_the_numbered_items_are_counted_in_words():
    """The report says how many items of each kind there are, small numbers too."""
    text = " ".join((ROOT / "book" / "findings.md").read_text("utf-8").split())
    kinds = [item.kind for item in LEDGER.items]
    plural = {"corollary": "corollaries", "hypothesis": "hypotheses"}
    said = [
        f"{kinds.count(kind)} {plural.get(kind, kind + 's')}"
        for kind in dict.fromkeys(sorted(kinds, key=kinds.count))
    ]
    for words in said:
        assert words in text, words
    for page in PAGES:
        text = " ".join((ROOT / page).read_text("utf-8").split())
        assert set(re.findall(r"(\d+) (?:numbered )?items", text)) <= {str(len(kinds))}
    for page in ("README.md", "book/findings.md"):
        text = " ".join((ROOT / page).read_text("utf-8").split())
        assert "eight small economies" in text
    assert len(oracles.exact_cases()) == 8


def test_printed_numbers_lie_within_one_standard_error():
    """Two pages say so in words."""
    sampled = [row.z for row in LEDGER.numbers if row.z is not None]
    assert max(map(abs, sampled)) < 1
    intro, findings = (
        " ".join((ROOT / "book" / name).read_text("utf-8").split())
        for name in ("intro.md", "findings.md")
    )
    assert "printed figures lie within one standard error of the exact ones" in intro
    assert "means $|z| < 2$, and all are below 1." in findings


@pytest.mark.parametrize("item", LEDGER.items + LEDGER.vectors, ids=lambda i: i.label)
def test_numbers_in_the_ledger(item):
    """A sentence of the ledger states no number that its page does not print."""
    _, page = read(ROOT / f"{item.page}.ipynb")
    said = [item.title, item.sentence]
    if item.deviation:
        said += [item.deviation.counterexample, item.deviation.repair]
    for number in prose.numbers(" ".join(said)):
        assert prose.supports(page, number), number


# --- measured pages -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["times.md", "speed_table.md"])
def test_measured_pages_are_as_measured(name):
    """Times cannot be recomputed; a figure typed over breaks the seal."""
    text = (ROOT / "book" / name).read_text("utf-8")
    assert measured.is_sealed(text)
    for old in re.findall(r"\| (\d+)", text):
        assert not measured.is_sealed(text.replace(f"| {old}", f"| {old}0", 1))


# --- the gate can fail ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("chapter", "old", "new"),
    [
        ("05", "its optimum near 776.6", "its optimum near 676.6"),
        ("06", "51/55", "53/55"),
        ("06", "near 0.053", "near 0.063"),
        ("06", "conditional law at 574.3", "conditional law at 547.3"),
        ("10", "about 9.377", "about 9.733"),
        ("09", "5.52 a$", "5.25 a$"),
        ("07", "0.328 to 0.724", "0.382 to 0.724"),
    ],
)
def test_a_wrong_number_in_a_notebook_is_found(chapter, old, new):
    path = find_notebook(chapter)
    text = path.read_text("utf-8")
    assert old in text
    wrong = nbformat.reads(text.replace(old, new), as_version=4)
    assert list(unsupported(wrong, read(path)[1], by_hand(chapter)))


@pytest.mark.parametrize(
    ("page", "old", "new"),
    [
        ("README.md", "(minimum at 574.3)", "(minimum at 547.3)"),
        ("book/findings.md", "23 definitions", "24 definitions"),
        ("book/economy_file.md", "its 107 lines", "its 170 lines"),
        ("book/intro.md", "printed as 780", "printed as 870"),
    ],
)
def test_a_wrong_number_on_a_page_is_found(page, old, new):
    text = (ROOT / page).read_text("utf-8")
    assert old in text
    found = prose.numbers(text.replace(old, new))
    assert not all(prose.supports(facts(page), number) for number in found)
