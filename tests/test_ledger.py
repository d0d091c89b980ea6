"""The ledger agrees with the package, the notebooks and the tests it names."""

import ast
import inspect
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import ledger
import nbformat
import numpy as np
import pytest
import yaml

import dynpo_lite as dp
from dynpo_lite.companion.chapters.printed_numbers import (
    PRINTED,
    STANDARD_ERROR,
    STANDARD_ERROR_AT_780,
)
from dynpo_lite.companion.rerun import record

ROOT = Path(__file__).resolve().parents[1]
LEDGER = ledger.load()
PAGES = {
    path.relative_to(ROOT).with_suffix("").as_posix(): nbformat.read(path, 4)
    for path in sorted((ROOT / "notebooks").rglob("[!.]*.ipynb"))
}


def cell_tags(page):
    """Return the tags of all cells of a page."""
    return [tag for cell in PAGES[page].cells for tag in cell.metadata.get("tags", [])]


def test_printed_numbers_are_recomputed():
    example = dp.TwoPeriodExample()
    middles = example.losses.s1_quantile([0.1, 0.4, 0.8])
    totals = example.total_risk_to_go(middles)
    (d,) = example.attachments()
    lines = {}
    for i, k in enumerate(example.distortions, 1):
        body = (k(0.9) - k(0.5)) / 0.4
        lines |= {f"slope_{i}_tail": k(0.005) / 0.005, f"slope_{i}_body": body}
        lines[f"intercept_{i}"] = k(0.5) - 0.5 * body
    ours = lines | {
        "crossing_level": float(example.losses.s2_tail(d)),
        "attachment": d,
        "total_low": totals[0],
        "total_middle": totals[1],
        "total_high": totals[2],
    }
    assert {row.key for row in LEDGER.numbers} == set(ours)
    for row in LEDGER.numbers:
        assert row.ours == pytest.approx(ours[row.key], rel=1e-12), row.key


def test_the_printed_numbers_of_the_chapter_are_those_of_the_ledger():
    for key, printed in PRINTED.items():
        assert printed == LEDGER.printed(key).printed, key
    for key, error in STANDARD_ERROR.items():
        assert error == LEDGER.printed(key).standard_error, key


def test_standard_errors_with_the_printed_attachment_are_those_of_fixed_layers():
    """Of 100,000 samples: of the shortfalls and means of two fixed layers."""
    example = dp.TwoPeriodExample()
    _, s2 = example.losses.sample(1_000_000, 1)
    kept = np.maximum(s2 - 780, 0), np.minimum(s2, 780)
    levels = {"total_middle": (0.9, 0.0), "total_high": (0.9, 0.99)}
    for key, pair in levels.items():
        effect = np.zeros(len(s2))
        for part, level in zip(kept, pair):
            q = np.quantile(part, level, method="inverted_cdf")
            effect += np.maximum(part, q) / (1 - level)
        error = effect.std() / np.sqrt(100_000)
        assert error == pytest.approx(STANDARD_ERROR_AT_780[key], rel=0.02), key


def test_standard_errors_are_the_sampled_ones():
    samples = [dp.TwoPeriodExample().simulate(100_000, seed) for seed in range(8)]
    names = ("total_low", "total_middle", "total_high")
    found = {
        name: [s.total_risk_to_go_marginal[j].standard_error for s in samples]
        for j, name in enumerate(names)
    }
    found["attachment"] = [s.attachments_marginal[0].standard_error for s in samples]
    for key, values in found.items():
        claimed = LEDGER.printed(key).standard_error
        assert np.mean(values) == pytest.approx(claimed, rel=0.05), key


def test_verdicts_follow_from_the_figures():
    for row in LEDGER.numbers:
        if row.printed == pytest.approx(row.ours, rel=1e-12):
            assert row.verdict == "exact"
        else:
            assert abs(row.z) < 2
            assert row.verdict == "agrees within the sampling error"


ITEMS = LEDGER.items + LEDGER.vectors


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.label)
def test_items_have_a_statement_a_check_a_break_and_a_test(item):
    tags = cell_tags(item.page)
    assert tags.count(f"checks:{item.label}") == 1
    assert tags.count(f"breaks:{item.label}") == 1
    cells = [c for page in PAGES.values() for c in page.cells]
    text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    assert len(re.findall(rf":label: {item.label}\n", text)) == 1
    assert item.label == f"{item.kind}-{item.number.lower().replace('.', '-')}"
    for function in item.functions:
        target = dp
        for part in function.split("."):
            target = getattr(target, part)
        assert callable(target)


# --- a row names what its cells and its test use --------------------------------------


def names(node):
    """Return the names and attributes that occur in a piece of code."""
    found = (getattr(n, "attr", getattr(n, "id", None)) for n in ast.walk(node))
    return set(found) - {None}


@cache
def parsed(text):
    """Return the syntax tree of a file, and the names used by all it defines."""
    tree, found = ast.parse(text), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.setdefault(node.name, set()).update(names(node))
        elif isinstance(node, ast.Assign):
            for name in {name for target in node.targets for name in names(target)}:
                found.setdefault(name, set()).update(names(node.value))
    return tree, found


def reached(start, defined):
    """Return the names used, and those used by what is defined under these names."""
    seen, todo = set(), set(start)
    while todo:
        name = todo.pop()
        seen.add(name)
        todo |= defined.get(name, set()) - seen
    return seen


def in_cells(item):
    """Return the names that the item's cells reach within their page."""
    cells = [cell for cell in PAGES[item.page].cells if cell.cell_type == "code"]
    _, defined = parsed("\n".join(cell.source for cell in cells))
    wanted = {f"checks:{item.label}", f"breaks:{item.label}"}
    own = [c.source for c in cells if wanted & set(c.metadata.get("tags", []))]
    return reached(names(ast.parse("\n".join(own))), defined)


def in_test(item):
    """Return the names that the item's test reaches within its file, None if absent."""
    file, name = item.test.split("::")
    tree, defined = parsed((ROOT / file).read_text("utf-8"))
    (test,) = [n for n in tree.body if getattr(n, "name", None) == name] or (None,)
    return test and reached(names(test), defined)


def misnamed(item):
    """Yield what a row names that its cells or its test do not use."""
    used, last = in_cells(item), [name.split(".")[-1] for name in item.functions]
    yield from (name for name in last if name not in used)
    tested = in_test(item)
    if tested is None or not tested & set(last):
        yield item.test


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.label)
def test_rows_name_functions_that_their_cells_and_their_test_use(item):
    """Each function is used by the cells, and one at least by the test."""
    assert list(misnamed(item)) == []


def test_a_wrong_function_or_test_is_noticed():
    """However the pages made from the ledger are refreshed."""
    item = ITEMS[0]
    wrong = [
        {"functions": ("risk_to_go", "swap_interval")},
        {"test": "tests/test_dynamic.py::test_nothing"},
        {"test": "tests/test_vectors.py::test_conjugate_is_the_supremum"},
    ]
    for change in wrong:
        assert list(misnamed(replace(item, **change))), change


def test_every_tag_is_in_the_ledger_and_every_row_has_its_tag():
    known = {row.label for part in vars(LEDGER).values() for row in part}
    used = {
        tag.split(":")[1]
        for page in PAGES
        for tag in cell_tags(page)
        if tag.startswith(("checks:", "breaks:"))
        and not re.fullmatch(r"\w+:[a-z]+(-[a-z]+)+", tag)  # ours: a name, no row
    }
    assert used == known
    for row in LEDGER.figures:
        assert cell_tags(row.page).count(f"checks:{row.label}") == 1


def test_status_words_on_the_pages_are_those_of_the_ledger():
    for item in ITEMS:
        text = "".join(c.source for c in PAGES[item.page].cells)
        name = f"{item.kind.title()} {item.number}"
        if item in LEDGER.vectors:
            name = f"Relation ({item.number})"
        (row,) = [
            line
            for line in text.splitlines()
            if line.startswith(f"| {name} |")
            or (line.startswith("|") and f"`{item.label}`" in line.split("|")[1])
        ]
        assert f"| {item.status} |" in row, item.label


def test_all_47_items_are_there():
    kinds = [item.kind for item in LEDGER.items]
    count = {kind: kinds.count(kind) for kind in set(kinds)}
    assert count == {
        "definition": 23,
        "assumption": 2,
        "lemma": 7,
        "proposition": 6,
        "theorem": 5,
        "corollary": 4,
    }


def test_the_relations_of_the_second_document_stand_apart():
    assert {item.kind for item in LEDGER.vectors} == {"vectors"}
    numbers = [tuple(map(int, item.number.split("."))) for item in LEDGER.vectors]
    assert numbers == sorted(set(numbers))
    chapter = {f"checks:{item.label}" for item in LEDGER.vectors}
    for page in PAGES:
        found = {tag for tag in cell_tags(page) if tag.startswith("checks:vectors-")}
        assert found == (chapter if page.endswith("audit/risk_vectors") else set())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("figures"), "has the parts"),
        (lambda d: d["vectors"][0].update(status="good"), "status = 'good' is unknown"),
        (lambda d: d["items"][0].pop("status"), r"missing \['status'\]"),
        (lambda d: d["items"][0].update(colour="red"), r"unknown \['colour'\]"),
        (lambda d: d["items"][0].update(status="fine"), "status = 'fine' is unknown"),
        (lambda d: d["items"][0].update(status="fails as printed"), "with a deviation"),
        (lambda d: d["items"][1].update(status="holds"), "goes with no deviation"),
        (lambda d: d["items"][1]["deviation"].pop("repair"), r"missing \['repair'\]"),
        (lambda d: d["items"][1]["deviation"].update(kind="bad"), "kind = 'bad' is un"),
    ],
)
def test_a_malformed_ledger_is_refused(tmp_path, change, message):
    data = yaml.safe_load(ledger.LEDGER.read_text())
    change(data)
    path = tmp_path / "items.yml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(ValueError, match=message):
        ledger.load(path)


def test_a_missing_ledger_or_number_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="the ledger is not there"):
        ledger.load(tmp_path / "none.yml")
    with pytest.raises(ValueError, match="'nothing' is no printed number: choose"):
        LEDGER.printed("nothing")


def test_deviations_are_shown_by_cells_and_recorded_numbers():
    items = (*LEDGER.items, *LEDGER.vectors)
    deviating = [item for item in items if item.status != "holds"]
    assert deviating
    tags = {tag for page in PAGES for tag in cell_tags(page)}
    text = "".join(c.source for page in PAGES.values() for c in page.cells)
    for item in deviating:
        found = item.deviation
        assert found.cell in tags, item.label
        stored = record.harvest(PAGES[item.page])
        assert set(found.recorded) <= set(stored), item.label
        assert found.repaired_as is None or f":label: {found.repaired_as}\n" in text


def test_the_paper_map_shows_the_ledger(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import paper_map

    for path, text in paper_map.files(LEDGER).items():
        assert path.read_text(encoding="utf-8") == text, path.name


# --- names of items, wherever they stand ----------------------------------------------

NAMED = re.compile(
    r"(?<!\")\b(Definition|Assumption|Lemma|Proposition|Theorem|Corollary)"
    r" ((?:[A-Z]|\d+)\.\d+)"
)
TEXTS = [
    *ROOT.glob("dynpo_lite/**/*.py"),
    *(
        path
        for folder in ("book", "notebooks", "notebooks/audit")
        for path in ROOT.glob(f"{folder}/*.*")
    ),
    *ROOT.glob("*.md"),
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_item_named_in_words_exists(path):
    """No docstring and no page refers to a Definition 99.9; quotations apart."""
    known = {(item.kind, item.number) for item in LEDGER.items}
    named = NAMED.findall(path.read_text("utf-8"))
    assert {(kind.lower(), number) for kind, number in named} <= known


def test_public_functions_show_an_example():
    functions = {n: getattr(dp, n) for n in dp.__all__}
    functions = {n: f for n, f in functions.items() if inspect.isfunction(f)}
    assert functions
    assert [n for n, f in functions.items() if ">>> " not in (f.__doc__ or "")] == []
