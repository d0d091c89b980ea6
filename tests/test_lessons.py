"""The form of a lesson: statements as cards, short code that shows, figures, few words.

What a lesson shows is public and short; what checks it stands in an audit notebook,
folded.  The rules are told in CONTRIBUTING.md.
"""

import ast
import re
from pathlib import Path

import ledger
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
AUDITS = sorted((ROOT / "notebooks" / "audit").glob("*.ipynb"))
LINES, COLUMNS = 12, 72  # of a visible cell
WORDS, WORDS_A_FIGURE = 3000, 600
FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
STATEMENT = r"(?:definition|assumption|lemma|proposition|theorem|corollary)"
PUBLIC = {"dynpo_lite", "dynpo_lite.plots", "numpy", "matplotlib", "matplotlib.pyplot"}


def read(path):
    """Return a notebook."""
    return nbformat.read(path, as_version=4)


def tags(cell):
    """Return the tags of a cell."""
    return set(cell.metadata.get("tags", []))


def code(notebook, folded=None):
    """Return the code cells; only those that are folded, or are not, if asked."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if folded is None:
        return cells
    return [cell for cell in cells if bool(tags(cell) & FOLDED) == folded]


def prose(notebook):
    """Return the text that stands open: no proofs, no solutions, no code."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    text, hidden = [], None
    for line in "\n".join(cells).splitlines():
        fence = re.match(r"\s*(`{3,}|:{3,})(.*)", line)
        if hidden:
            hidden = None if fence and fence[1] == hidden and not fence[2] else hidden
        elif fence and re.match(r"\{(prf:proof|solution|dropdown)|\w", fence[2]):
            hidden = fence[1]
        elif not fence and not re.match(r"\s*:[\w-]+:|\(.*\)=$", line):
            text.append(line)
    text = re.sub(
        r"(?s)````?\{solution-start\}.*?\{solution-end\}", "", "\n".join(text)
    )
    return re.sub(r"(?s)\$\$.*?\$\$", " ", text)


def figures(notebook):
    """Return the names of the numbered figures."""
    shown = [
        cell.metadata.get("mystnb", {}).get("figure", {}) for cell in code(notebook)
    ]
    return [figure["name"] for figure in shown if "name" in figure]


# --- the rules ------------------------------------------------------------------------


def code_is_short(notebook):
    """Find visible cells that are long, and lines that do not fit the box."""
    for cell in code(notebook, folded=False):
        lines = cell.source.splitlines()
        if len(lines) > LINES and "parameters" not in tags(cell):
            yield f"{cell.id}: {len(lines)} lines"
    for cell in code(notebook):
        for line in cell.source.splitlines():
            if len(line) > COLUMNS and "parameters" not in tags(cell):
                yield f"{cell.id}: {len(line)} columns"


def code_teaches(notebook):
    """Find asserts, records and private names in visible cells."""
    for cell in code(notebook, folded=False):
        for node in ast.walk(ast.parse(cell.source)):
            called = getattr(node, "func", None)
            if isinstance(node, ast.Assert):
                yield f"{cell.id}: an assert in sight"
            if getattr(called, "id", getattr(called, "attr", "")) == "record":
                yield f"{cell.id}: a record in sight"
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = [getattr(node, "module", None) or a.name for a in node.names]
                yield from (f"{cell.id}: imports {n}" for n in names if n not in PUBLIC)


def code_shows(notebook):
    """Find visible cells without an output."""
    for cell in code(notebook, folded=False):
        if not cell.outputs and "parameters" not in tags(cell):
            yield f"{cell.id}: shows nothing"


def figures_are_many(notebook):
    """Find too few numbered figures, and figures that the text does not speak of."""
    words, names = len(prose(notebook).split()), figures(notebook)
    if words > WORDS:
        yield f"{words} words"
    if words > WORDS_A_FIGURE * len(names):
        yield f"{words} words for {len(names)} figures"
    text = "".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    yield from (f"{n}: not in the text" for n in names if f"`{n}`" not in text)
    yield from (f"{n}: fig-..." for n in names if not n.startswith("fig-"))


def statements_have_verdicts(notebook):
    """Find statements of the paper without a line from the ledger right below."""
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    known = {item.label for item in (*ledger.load().items, *ledger.load().vectors)}
    stated = re.findall(rf"(?m)^:::+\{{prf:{STATEMENT}\}}.*\n:label: (\S+)", text)
    said = re.findall(r"(?m)^:::+\{verdict\} (\S+)", text)
    yield from (f"{name}: no verdict" for name in stated if name not in said)
    order = [name for name in said if name in stated]
    if order != [name for name in stated if name in said]:
        yield "verdicts stand in another order than their statements"
    yield from (f"{name}: unknown" for name in said if name not in {*stated, *known})


def audits_stand_elsewhere(notebook):
    """Find cells that check or break a row of the ledger."""
    for cell in code(notebook):
        if any(tag.startswith(("checks:", "breaks:")) for tag in tags(cell)):
            yield f"{cell.id}: belongs in an audit notebook"


RULES = [
    *(code_is_short, code_teaches, code_shows, figures_are_many),
    *(statements_have_verdicts, audits_stand_elsewhere),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson(path, rule):
    assert list(rule(read(path))) == []


@pytest.mark.parametrize("path", AUDITS, ids=lambda path: path.stem)
def test_code_of_audits_is_folded(path):
    """Checks and breaks are folded, and each says in words what was seen."""
    for cell in code(read(path)):
        if any(tag.startswith(("checks:", "breaks:")) for tag in tags(cell)):
            assert "hide-input" in tags(cell), cell.id
            said = "".join(o.get("text", "") for o in cell.outputs)
            shown = any("text/markdown" in o.get("data", {}) for o in cell.outputs)
            assert shown or len(said.split()) > 3, cell.id


def test_every_statement_stands_once():
    """A label is stated on one page only."""
    pages = [*LESSONS, *AUDITS]
    text = "\n".join(c.source for p in pages for c in read(p).cells)
    labels = re.findall(rf"(?m)^:label: ({STATEMENT}-\S+|vectors-\S+)", text)
    assert sorted(labels) == sorted(set(labels))


# --- the rules bite -------------------------------------------------------------------

CARD = (
    ":::{prf:lemma} A\n:label: lemma-3-11\nText.\n:::\n\n:::{verdict} lemma-3-11\n:::"
)
TEXT, PLOT = range(2)


def good_lesson():
    """Return a lesson that keeps every rule."""
    shown = {"figure": {"caption": "C.", "name": "fig-a"}}
    plot = new_code_cell("plots.tree(e)", metadata={"mystnb": shown}, id="plot")
    plot.outputs = [nbformat.v4.new_output("stream", text="3\n")]
    cells = [new_markdown_cell(f"# Title\n\nSee {{numref}}`fig-a`.\n\n{CARD}"), plot]
    return new_notebook(cells=cells)


def source(cell, text):
    """Return a fault: other text in a cell."""
    return lambda notebook: notebook.cells[cell].update(source=text)


FAULTS = [
    (code_is_short, source(PLOT, 13 * "x = 1\n")),
    (code_is_short, source(PLOT, "x = " + 80 * "1")),
    (code_teaches, source(PLOT, "assert x")),
    (code_teaches, source(PLOT, "record('x', 1)")),
    (code_teaches, source(PLOT, "from dynpo_lite.companion import cli")),
    (code_shows, lambda notebook: notebook.cells[PLOT].update(outputs=[])),
    (figures_are_many, source(TEXT, "See `fig-a`" + 700 * " word")),
    (figures_are_many, source(TEXT, "No figure is spoken of.")),
    (statements_have_verdicts, source(TEXT, CARD.split("\n\n")[0])),
    (statements_have_verdicts, source(TEXT, f"{CARD}\n:::{{verdict}} lemma-9-9")),
    (
        audits_stand_elsewhere,
        lambda notebook: notebook.cells[PLOT].metadata.update(tags=["checks:lemma-a"]),
    ),
]


@pytest.mark.parametrize(("rule", "fault"), FAULTS)
def test_a_seeded_fault_breaks_its_rule(rule, fault):
    notebook = good_lesson()
    assert [found for each in RULES for found in each(notebook)] == []
    fault(notebook)
    assert list(rule(notebook))


def test_every_rule_has_a_fault():
    assert {rule for rule, _ in FAULTS} == set(RULES)
