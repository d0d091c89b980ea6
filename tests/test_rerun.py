"""Reruns: parameters read and checked, numbers recorded, a notebook run in a kernel.

The notebook here holds one of everything a chapter may hold.  Real kernels start in
three fixtures only: a run, the same run in a hostile environment, a run that fails.
"""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from base64 import b64encode
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pytest
from chapter_runs import run_notebook

from dynpo_lite.companion.chapters.tables import Table
from dynpo_lite.companion.rerun import parameters
from dynpo_lite.companion.rerun import run as rerun
from dynpo_lite.companion.rerun.banner import banner
from dynpo_lite.companion.rerun.page import render_page
from dynpo_lite.companion.rerun.parameters import (
    check_parameters,
    find_notebook,
    parse_domain,
    parse_parameters,
    read_parameters,
)
from dynpo_lite.companion.rerun.record import GLUE_PREFIX, RECORD_MIME, harvest, record

CELL = """\
# the numbers of the example
mean: float = 200.0  # money; (0, inf); mean of S1; and of Y
level: float = 0.9  # probability; [0, 1); ES level of agent 1
n_samples: int = 1000  # paths; [100, inf); sample size
seed: int = 1  # none; [0, inf); seed of the samples
law: str = "marginal"  # none; one of: marginal, conditional; the reading
data_path: str = ""  # file; any; own data "#1", empty for none
folded: bool = False  # none; any; a switch
"""
DECLARED = parse_parameters(CELL)

TEXT = r"""# A tiny chapter

By {prf:ref}`lemma-3-11` and {prf:ref}`the
theorem <theorem-5-21>` of {cite}`someone2020`, {eq}`eq-b`, {math}`a_1^2`,
{glue:text}`value:.3f`, [the next page](07_other.ipynb#part), $\ES_\alpha(X)$.

(target)=
## Target

## What *follows*: one

[to a cell](#checks-lemma-3-11), [to a heading](#what-follows-one), [here](#target)

| | b |
| - | - |
| a | $\int_0^\infty a_1 + a_2 + a_3 + a_4 + a_5 + a_6 + a_7 + a_8 + a_9 + a_{10}\,dx$ |

Wide: $\int_0^\infty a_1 + a_2 + a_3 + a_4 + a_5 + a_6 + a_7 + a_8 + a_9 + a_{10}\,dx$

::::{prf:lemma} When $x < y$
:label: lemma-3-11
:nonumber:

$$
x = y
$$ (eq-a)

:::{prf:proof}
:class: dropdown
Swap the sides.

$$ y = x $$ (eq-b)
:::
::::

:::{note}
Mind the step.
:::

```python
untouched = "{eq}`eq-a`"
```

% a comment
"""

CHECK = """\
from dynpo_lite.companion.rerun.parameters import check_parameters
from dynpo_lite.companion.rerun.record import record

_ = check_parameters({path!r}, globals())
"""

RUN = """\
import os
import sys

record("value", mean / 3)
record("series", [mean, float("inf")], digits=3)
record("n_samples", n_samples)
record("law", law)
record("has_data", os.path.isfile(data_path))
record("own_interpreter", sys.executable)
record("startup", "startup_ran" in globals())
mean
"""

PICTURE = """\
import matplotlib.pyplot as plt

_ = plt.subplots(figsize=(1, 1))
plt.show()
"""

FAIL = 'if mean > 1000:\n    raise RuntimeError("too\\nlarge")'


def write_notebook(path, sources):
    """Write a notebook of (cell type, source, metadata) triples."""
    cells = []
    for number, (kind, source, metadata) in enumerate(sources):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": metadata}
        cell["source"] = source.splitlines(keepends=True)
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    content = {"cells": cells, "metadata": metadata}
    path.write_text(json.dumps(content | {"nbformat": 4, "nbformat_minor": 5}))
    return path


def write_chapter(path):
    """Write the notebook that has one of everything."""
    words = {"image": {"alt": "An empty picture"}, "figure": {"caption": "Caption."}}
    return write_notebook(
        path,
        [
            ("markdown", TEXT, {}),
            ("code", CELL, {"tags": ["parameters"]}),
            ("code", CHECK.format(path=str(path)), {"tags": ["remove-input"]}),
            ("code", RUN, {"tags": ["checks:lemma-3-11"]}),
            ("code", PICTURE, {"mystnb": words}),
            ("code", FAIL, {}),
        ],
    )


ECONOMY = """\
title = "t"
currency = "EUR"
nodes = "nodes.csv"
[[agent]]
name = "A"
measure = {kind = "expectation"}
"""


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    """A notebook in a folder whose name is hard to quote."""
    return write_chapter(tmp_path_factory.mktemp("my {book}") / "06_tiny.ipynb")


@pytest.fixture(scope="module")
def run(chapter, tmp_path_factory):
    """One run: the folder it wrote and what it returned."""
    folder = tmp_path_factory.mktemp("run") / "new" / "folder"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(chapter.parent)
        values = {"mean": 100, "data_path": chapter.name}
        results = run_notebook(chapter.name, values, folder, progress=False)
    return folder, results


@pytest.fixture
def no_kernel(monkeypatch):
    """Fail if a kernel is about to start."""
    import papermill

    def refuse(*arguments, **options):
        pytest.fail("a kernel was about to start")

    monkeypatch.setattr(papermill, "execute_notebook", refuse)


# --- parameters: grammar --------------------------------------------------------------


def test_every_field_of_the_cell_is_read():
    names = [p.name for p in DECLARED]
    assert names == ["mean", "level", "n_samples", "seed", "law", "data_path", "folded"]
    mean = DECLARED[0]
    assert (mean.type, mean.default, mean.unit) == (float, 200.0, "money")
    assert (mean.domain, mean.meaning) == ("(0, inf)", "mean of S1; and of Y")
    assert DECLARED[5].meaning == 'own data "#1", empty for none'
    assert DECLARED[6].default is False


@pytest.mark.parametrize(
    "line",
    [
        "mean = 200.0  # money; (0, inf); no type",
        "mean: float = 200.0",
        "mean: float = 200.0  # money; (0, inf)",
        "mean: float = 2 * 100.0  # money; (0, inf); no literal",
        "mean: list = []  # money; any; no type of ours",
        "import os",
        "  ; ; ",
        'mean: str = "open  # money; any; no literal',
    ],
)
def test_other_lines_are_refused(line):
    with pytest.raises(ValueError, match=r"cell, line 2 = .* is not understood"):
        parse_parameters("\n" + line)


def test_a_repeated_name_is_refused():
    line = "n: int = 1  # none; any; twice\n"
    with pytest.raises(ValueError, match=r"line 2 = .* repeats a name"):
        parse_parameters(line * 2)


def test_a_default_lies_in_its_domain():
    with pytest.raises(ValueError, match=r"parameter n = 0 is outside \[1, inf\)"):
        parse_parameters("n: int = 0  # none; [1, inf); count")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("(0, inf)", [1e-300, 1e300], [0.0, -1.0]),
        ("[0, 1)", [0.0, 0.5], [1.0, -1e-9]),
        ("[0, 1]", [0.0, 1.0], [1.1]),
        ("(-1, 1]", [1.0], [-1.0]),
        ("one of: 1, 2.5", [1.0, 2.5], [2.0]),
    ],
)
def test_domains(text, inside, outside):
    domain = parse_domain(text, float)
    assert all(value in domain for value in inside)
    assert not any(value in domain for value in outside)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[1, 0]", float),
        ("(0, nan)", float),
        ("0, 1", float),
        ("positive", float),
        ("one of: a, b", int),
        ("(0, 1)", str),
        ("one of: true", bool),
    ],
)
def test_what_is_no_domain_is_refused(text, kind):
    with pytest.raises(ValueError, match="does not fit the type"):
        parse_domain(text, kind)


# --- parameters: checks ---------------------------------------------------------------


def test_values_get_the_declared_types_and_order():
    checked = check_parameters(DECLARED, {"seed": np.int64(3), "mean": 150})
    assert list(checked) == ["mean", "seed"]
    assert [type(value) for value in checked.values()] == [float, int]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("level", 1.2, "is outside [0, 1): choose a number of at least 0 and below 1"),
        ("level", 1, "is outside [0, 1): choose a number of at least 0 and below 1"),
        ("mean", True, "is not a number: choose a number above 0"),
        ("mean", "150", "is not a number: choose a number above 0"),
        ("mean", math.nan, "is not finite: choose a number above 0"),
        ("mean", math.inf, "is not finite: choose a number above 0"),
        ("mean", 10**400, "is not finite: choose a number above 0"),
        ("n_samples", True, "is not an integer: choose an integer of at least 100"),
        ("n_samples", 1e3, "is not an integer: choose an integer of at least 100"),
        ("n_samples", None, "is not an integer: choose an integer of at least 100"),
        ("law", "other", "is outside one of: marginal, conditional: choose one of"),
        ("data_path", 3, "is not a string: write a string such as ''"),
        ("folded", 1, "is not a bool: write true or false"),
        ("seeed", 1, "is unknown: did you mean seed? allowed: mean, level, n_samples"),
        ("two\nlines", 1, "is unknown: allowed: mean"),
    ],
)
def test_bad_values_are_refused_in_one_line(name, value, message):
    with pytest.raises(ValueError, match=r"^parameter ") as caught:
        check_parameters(DECLARED, {name: value})
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_namespace_must_hold_every_parameter_and_may_hold_more():
    namespace = {p.name: p.default for p in DECLARED} | {"__name__": "x", "other": 1}
    assert check_parameters(DECLARED, namespace)["mean"] == 200.0
    with pytest.raises(ValueError, match=r"level = 1\.5 is outside"):
        check_parameters(DECLARED, namespace | {"level": 1.5})
    del namespace["mean"]
    with pytest.raises(ValueError, match="parameter mean is missing: run the cell"):
        check_parameters(DECLARED, namespace)


# --- notebooks ------------------------------------------------------------------------


def test_a_notebook_is_found_by_any_name(tmp_path, monkeypatch):
    monkeypatch.setattr(parameters, "notebooks_folder", lambda: tmp_path)
    path = write_chapter(tmp_path / "06_tiny.ipynb")
    write_chapter(tmp_path / "10_other.ipynb")
    for name in ("06_tiny", "06_tiny.ipynb", "06", "6", str(path), path):
        assert find_notebook(name) == path
    for name in ("0", "60", "tiny", "\u0666", "x" * 400 + ".ipynb", ""):
        with pytest.raises(ValueError, match="choose one of 06_tiny, 10_other"):
            find_notebook(name)
    write_chapter(tmp_path / "6_again.ipynb")
    with pytest.raises(ValueError, match="several notebooks: choose one of 06_tiny, 6"):
        find_notebook("6")


def test_a_file_in_the_folder_of_the_user_comes_first(tmp_path, monkeypatch):
    book, own = tmp_path / "book", tmp_path / "own"
    book.mkdir()
    own.mkdir()
    write_chapter(book / "06_tiny.ipynb")
    write_chapter(own / "06_tiny.ipynb")
    monkeypatch.setattr(parameters, "notebooks_folder", lambda: book)
    monkeypatch.chdir(own)
    assert find_notebook("06_tiny.ipynb").resolve().parent == own
    assert find_notebook("06").parent == book


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"cells": [1], "nbformat": 4}', "[" * 100_000],
    ids=lambda content: content[:20],
)
def test_what_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "x.ipynb"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"is no notebook: give an \.ipynb"):
        read_parameters(path)


def places(content, path=()):
    """Yield the way to everything inside JSON."""
    entries = content.items() if isinstance(content, dict) else enumerate(content)
    for key, entry in entries:
        yield (*path, key)
        if isinstance(entry, (dict, list)):
            yield from places(entry, (*path, key))


def test_a_notebook_with_anything_anywhere_is_planned_or_refused(tmp_path, no_kernel):
    """What is not refused must be what the tools behind it take."""
    path = write_chapter(tmp_path / "x.ipynb")
    source, messages = json.loads(path.read_text()), []
    junk = [None, 3, "text", [3], {"a": []}]
    for *way, last in places(source):
        for value in junk:
            content = json.loads(json.dumps(source))
            inside = content
            for key in way:
                inside = inside[key]
            inside[last] = value
            path.write_text(json.dumps(content))
            try:
                plan = rerun.plan_run(path, {}, tmp_path / "out")
                (tmp_path / "out").rmdir()
                nbformat.write(nbformat.read(plan.notebook, 4), tmp_path / "copy.ipynb")
            except ValueError as error:
                messages.append(str(error))
    assert len(messages) > 150
    assert all(m.startswith(("notebook = ", "parameters cell, line")) for m in messages)
    assert max(map(len, messages)) < 500


def test_one_cell_holds_the_parameters(tmp_path):
    cell = ("code", CELL, {"tags": ["parameters"]})
    assert read_parameters(write_notebook(tmp_path / "a.ipynb", [])) == ()
    assert read_parameters(write_notebook(tmp_path / "b.ipynb", [cell])) == DECLARED
    path = write_notebook(tmp_path / "c.ipynb", [cell, cell])
    with pytest.raises(ValueError, match="has 2 cells tagged parameters: keep one"):
        read_parameters(path)


def test_chapters_are_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(parameters, "notebooks_folder", lambda: tmp_path)
    write_chapter(tmp_path / "10_b.ipynb")
    write_notebook(tmp_path / "06_a.ipynb", [])
    first, second = rerun.list_notebooks()
    assert (first.number, first.title, first.parameters) == ("06", "06_a", ())
    assert (second.name, second.title) == ("10_b", "A tiny chapter")
    assert second.parameters == DECLARED


# --- recording ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "digits", "line"),
    [
        (776.6134761866054, 12, "776.613476187"),
        (776.6134761866054, 13, "776.6134761866"),
        (np.float64(2) / 3, 3, "0.667"),
        (np.array([1.0, -1e-20]), 12, "[1.0, -1e-20]"),
        (-0.0, 12, "0.0"),
        (math.inf, 12, "inf"),
        (np.int64(3), 12, "3"),
        (10**30, 12, str(10**30)),
        (np.bool_(True), 12, "True"),
        ((1, "a", 0.5), 12, "[1, 'a', 0.5]"),
    ],
)
def test_a_recorded_value_is_printed_rounded(capsys, value, digits, line):
    assert record("x", value, digits) is None
    assert capsys.readouterr().out == f"x = {line}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("two words", 1), "is not an identifier: write it like two_words"),
        (("class", 1), "is not an identifier: "),
        (("1st", 1), "is not an identifier: begin with a letter"),
        (("x", None), "cannot be recorded"),
        (("x", [[1.0], [2.0]]), "cannot be recorded"),
        (("x", 1j), "cannot be recorded"),
        (("x", 1.0, 0), "is not an integer from 1 to 17"),
        (("x", 1.0, True), "is not an integer from 1 to 17"),
    ],
)
def test_what_cannot_be_recorded_is_refused(capsys, arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        record(*arguments)
    assert len(str(caught.value).splitlines()) == 1
    assert capsys.readouterr().out == ""


def test_a_name_recorded_twice_is_refused():
    output = {"data": {RECORD_MIME: {"name": "x", "value": 1}}}
    with pytest.raises(ValueError, match="name = 'x' is recorded twice"):
        harvest({"cells": [{"outputs": [output, output]}]})


def test_records_are_strict_json_and_hold_no_address(run):
    notebook = nbformat.read(run[0] / "06_tiny.ipynb", as_version=4)
    outputs = [o for c in notebook.cells for o in c.get("outputs", ()) if "data" in o]
    records = [o for o in outputs if RECORD_MIME in o.data]
    assert len(records) == 7
    for output in records:
        assert set(output.data) == {RECORD_MIME, GLUE_PREFIX + "text/plain"}
        name = output.data[RECORD_MIME]["name"]
        assert output.metadata.scrapbook == {"name": name, "mime_prefix": GLUE_PREFIX}
        json.dumps(output.data, allow_nan=False)


def test_the_book_pastes_a_record_with_a_format(run):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the book's tools, on import
        from myst_nb.core.variables import format_plain_text
        from myst_nb.ext.glue import extract_glue_data_cell
    notebook = nbformat.read(run[0] / "06_tiny.ipynb", as_version=4)
    glued = dict(extract_glue_data_cell(notebook.cells[4]))
    texts = {name: output.data["text/plain"] for name, output in glued.items()}
    assert format_plain_text(texts["value"], ".6f") == "33.333333"
    assert format_plain_text(texts["n_samples"], "d") == "1000"
    assert format_plain_text(texts["law"], "s") == "marginal"
    assert format_plain_text("inf", ".2f") == "inf"
    shown = [output.output_type for output in notebook.cells[4].outputs]
    assert shown == ["execute_result"]  # the records themselves are taken out


# --- a run ----------------------------------------------------------------------------


def test_a_run_writes_three_files(run, chapter):
    folder, results = run
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["06_tiny.html", "06_tiny.ipynb", "results.json"]
    assert json.loads((folder / "results.json").read_text()) == results
    assert sorted(results) == [
        "notebook", "parameters", "results", "seed", "versions",
    ]  # fmt: skip
    assert results["notebook"] == "06_tiny"
    assert results["seed"] == 1
    assert set(results["versions"]) == {
        "dynpo-lite", "matplotlib", "numpy", "python", "scipy",
    }  # fmt: skip
    assert results["parameters"]["data_path"] == chapter.name  # as typed
    assert results["parameters"]["mean"] == 100.0
    assert results["parameters"]["law"] == "marginal"  # a default


def test_the_kernel_is_this_interpreter_and_gets_the_values(run):
    assert run[1]["results"] == {
        "value": 33.3333333333,
        "series": [100.0, "inf"],
        "n_samples": 1000,
        "law": "marginal",
        "has_data": True,  # found from the folder of the caller
        "own_interpreter": sys.executable,
        "startup": False,
    }


def test_the_executed_notebook_holds_no_accidents(run, chapter):
    text = (run[0] / "06_tiny.ipynb").read_text()
    notebook = nbformat.reads(text, as_version=4)
    source = nbformat.read(chapter, as_version=4)
    assert notebook.metadata == source.metadata
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags", "mystnb"}
    injected = notebook.cells[2]
    assert injected.id == "injected-parameters"
    assert injected.source.splitlines()[1:] == [
        "mean = 100.0",
        'data_path = "06_tiny.ipynb"',
    ]
    counts = [c.execution_count for c in notebook.cells if c.cell_type == "code"]
    assert counts == [1, 2, 3, 4, 5, 6]


class Addresses(HTMLParser):
    """What a page fetches, links to, and can be linked to by."""

    def __init__(self, page):
        super().__init__()
        self.fetched, self.linked, self.ids = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "href" and tag == "a":
                self.linked.append(value)
            elif name in ("href", "src", "srcset"):
                self.fetched.append(value)
            elif name == "id":
                self.ids.append(value)


def test_the_page_stands_alone(run):
    page = (run[0] / "06_tiny.html").read_text()
    found = Addresses(page)
    assert len(found.fetched) == 2  # the picture and the icon
    assert all(address.startswith("data:") for address in found.fetched)
    assert "MathJax = {" in page
    assert page.count("</script>") == 2


def test_the_page_says_at_its_top_what_differs(run):
    page = (run[0] / "06_tiny.html").read_text()
    top = page[page.index('<div class="command">') : page.index("<h1")]
    assert "This run has other values than the book." in top
    assert "<td>mean</td><td>200</td><td>100</td>" in top
    assert top.count("<table>") == 1  # the chapter holds no outputs to compare with


def test_the_top_of_a_page_compares_numbers_and_escapes_text():
    (mean,) = parameters.parse_parameters(
        "mean: float = 2.0  # money; (0, inf); <b>mean</b>"
    )
    before = {f"x{j}": float(j) for j in range(20)} | {"same": 1, "gone": 2}
    now = {f"x{j}": [j + 0.5] * 7 for j in range(20)} | {"same": 1}
    top = banner([mean], {"mean": 1 / 3}, before, now)
    assert "<td>mean</td><td>2</td><td>0.333333</td>" in top
    assert "&lt;b&gt;mean&lt;/b&gt;" in top
    assert "<td>x1</td><td>1</td><td>1.5, 1.5, 1.5, 1.5, 1.5, 1.5, ...</td>" in top
    assert "8 more differ" in top
    assert "same" not in top
    assert "gone" not in top


def test_the_links_of_the_page_lead_somewhere(run):
    found = Addresses((run[0] / "06_tiny.html").read_text())
    assert found.linked == [
        *("#lemma-3-11", "#equation-eq-b"),
        *("#checks-lemma-3-11", "#what-follows-one", "#target"),
    ]
    assert {link.removeprefix("#") for link in found.linked} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))


def test_the_page_reads_like_the_book(run):
    page = (run[0] / "06_tiny.html").read_text()
    body = page[page.index("<main") :]
    assert "<title>A tiny chapter</title>" in page
    assert "dynpo run 06_tiny -p mean=100.0 -p data_path=06_tiny.ipynb" in body
    shown = " ".join(re.sub("<[^>]*>", "", body).split())
    for text in (
        r"By Lemma 3.11 and the theorem of [someone2020], (2), \(a_1^2\),",
        r"33.333, the next page, \(\ES_\alpha(X)\).",
        r"Lemma 3.11 (When \(x &lt; y\)) (1)\[ x = y \] Proof",
        r"Swap the sides. (2)\[ y = x \]",
        "Note Mind the step.",
        "plt.show() Figure 1 Caption. if mean",
    ):
        assert text in shown
    for markup in (
        ' id="lemma-3-11">',
        ' id="checks-lemma-3-11">',
        "<details",
        'alt="An empty picture"',
    ):
        assert markup in body
    assert "<th></th>" not in body
    for text in (":label:", ":::", "{prf:", "a comment", "check_parameters", "7_other"):
        assert text not in body
    assert "eq-a" in body  # in the code, which stays as it is


RENDER = """
import nbformat, sys
from pathlib import Path
from dynpo_lite.companion.rerun.page import render_page

path = Path(sys.argv[1])
print(render_page(nbformat.read(path, 4), path, "dynpo run"))
"""


def test_a_page_is_the_same_whenever_it_is_made_and_nothing_is_said(tmp_path):
    tagged = [
        ("code", "1", {"tags": [f"{what}:lemma-3-{n}", "hide-input"]})
        for n in range(3)
        for what in ("checks", "breaks")
    ]
    text = "# Many\n\n{cite}`tam2026` [a](#checks-lemma-3-2) [b](#three-readings)\n"
    path = write_notebook(tmp_path / "many.ipynb", [("markdown", text, {}), *tagged])
    pages = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", RENDER, path],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        pages.add(done.stdout)
    (page,) = pages
    assert pages == {render_page(nbformat.read(path, 4), path, "dynpo run") + "\n"}
    found = Addresses(page)
    assert len(found.ids) == len(set(found.ids))
    assert {tag.replace(":", "-") for _, _, m in tagged for tag in m["tags"][:1]} <= (
        set(found.ids)
    )
    assert len(found.linked) == 3  # and not to the readings, on another page
    assert {link.removeprefix("#") for link in found.linked} <= set(found.ids)
    assert page.count("<details") == len(tagged)  # hidden code is folded
    assert "Tam <em>et al.</em>, 2026" in page
    assert "Dynamic" in page[page.index('class="citation-list"') :]


ODD = {
    "nothing": [],
    "no heading": [("markdown", "text", {}), ("code", "1", {})],
    "unknown words": [
        ("markdown", ":::{frob} A\nbody\n:::\n\n{frob}`x` {glue:text}`no:.3f`", {}),
        (
            "markdown",
            "{ref}`a` {doc}`b` {eq}`c` {numref}`d` {term}`e` {download}`f`",
            {},
        ),
        ("markdown", "```{include} none.md\n```\n\n![words](none.png) {cite}`x,y`", {}),
    ],
    "odd cells": [
        ("raw", "<script>raw</script>", {}),
        ("markdown", "", {}),
        ("code", "", {"tags": ["checks:x", "checks:x"], "mystnb": {"figure": 3}}),
        ("markdown", "# A\n\n# B\n\n### C <script>x</script>", {}),
    ],
    "own front matter": [("markdown", "---\nmyst: {a: 1}\n---\n# Title $x$", {})],
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_notebook_still_gets_a_page(tmp_path, name):
    path = write_notebook(tmp_path / "odd.ipynb", ODD[name])
    page = render_page(nbformat.read(path, 4), path, "dynpo run")
    ids = Addresses(page).ids
    assert len(ids) == len(set(ids))
    assert page.endswith("</html>\n")


def test_a_page_needs_the_tools_but_not_the_repository(tmp_path, monkeypatch):
    monkeypatch.setattr("dynpo_lite.companion.rerun.page.REPOSITORY", tmp_path)
    monkeypatch.delitem(sys.modules, "dynpo_sphinx", raising=False)
    path = write_notebook(tmp_path / "a.ipynb", [("markdown", TEXT, {})])
    page = render_page(nbformat.read(path, 4), path, "dynpo run")
    assert "Mind the step." in page
    assert r"\(a_1^2\)" in page


def test_pictures_of_the_text_are_inside(tmp_path):
    (tmp_path / "my pics").mkdir()
    picture = b"\x89PNG\r\n\x1a\n"
    (tmp_path / "my pics" / "a.png").write_bytes(picture)
    path = write_notebook(
        tmp_path / "a.ipynb",
        [("markdown", "# T\n\n![words](<my pics/a.png>) ![none](no.png)", {})],
    )
    page = render_page(nbformat.read(path, 4), path, "dynpo run")
    inside = f"data:image/png;base64,{b64encode(picture).decode()}"
    assert set(Addresses(page).fetched) == {"data:,", inside, "no.png"}


# what a file or a command line may hold, and what a page must show letter by letter
HOSTILE = (
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "[click](javascript:window.pwned=1)",
    "[click][a] [a]{onclick=x}",
    "![click](javascript:window.pwned=1)",
    "<javascript:window.pwned=1>",
    "a | b",
    r"$\href{javascript:window.pwned=1}{x}$",
    r"\(\href{javascript:window.pwned=1}{x}\)",
    "$$x$$",
    "*a* __b__ `c` ~~d~~ &amp; {math}`x` {{x}} ^a^",
    "back\\",
    "# 1. - +",
)


class Shown(HTMLParser):
    """The elements of a page's main part, and the text of each cell of its tables."""

    def __init__(self, page):
        super().__init__()
        self.scripts, self.alive, self.cells, self.inside = 0, [], [], False
        self.tags = set()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        self.tags.add(tag)
        for name, value in attributes:
            words = (value or "").split()
            if name.startswith("on") or "javascript:" in str(value) or "math" in words:
                self.alive.append((tag, name, value))
        if tag in ("td", "th"):
            self.inside = True
            self.cells.append("")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.cells[-1] += data


def table_page(tmp_path, table, stream=""):
    """Return the page of an executed notebook that displays a table."""
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    data = {"text/markdown": table._repr_markdown_(), "text/plain": repr(table)}
    outputs = [new_output("display_data", data)]
    if stream:
        outputs.append(new_output("stream", name="stdout", text=stream))
    cell = new_code_cell("display(table)", execution_count=1, outputs=outputs)
    return render_page(new_notebook(cells=[cell]), tmp_path / "x.ipynb", "dynpo run x")


def test_no_text_of_a_table_or_an_output_becomes_markup(tmp_path):
    table = Table(["name", *HOSTILE], [[name, *HOSTILE] for name in HOSTILE])
    page = table_page(tmp_path, table, "\n".join(HOSTILE) + "\n")
    usual = Shown(table_page(tmp_path, Table(["name", "b"], [["a", "b"]]), "text\n"))
    found = Shown(page)
    assert found.scripts == usual.scripts == 2
    assert found.alive == []
    assert found.tags == usual.tags
    width = 1 + len(HOSTILE)
    cells = [text.strip() for text in found.cells]
    assert cells[:width] == ["name", *HOSTILE]
    assert cells[width::width] == list(HOSTILE)
    assert len(cells) == width**2


def test_ordinary_entries_of_a_table_stay_as_they_are():
    ordinary = ["d*", "E[total]", "-3.5", "(16, 1, 1)", "Agent 1", "5 %", "2 * 3", "a:"]
    assert Table(["", *ordinary], [])._repr_markdown_().splitlines()[0] == (
        "|  | " + " | ".join(ordinary) + " |"
    )


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's Chromium")
def test_a_browser_shows_the_page_without_the_network(run):
    from playwright.sync_api import sync_playwright

    requests, complaints = [], []
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((run[0] / "06_tiny.html").as_uri())
        page.wait_for_selector("mjx-container")
        page.evaluate("MathJax.startup.promise")
        errors = page.locator("[data-mjx-error]").count()
        width = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert [url[:5] for url in requests] == ["file:"]
    assert (complaints, errors, width) == ([], 0, 390)


def test_a_second_run_is_identical_whatever_the_user_has_installed(
    run, chapter, tmp_path, monkeypatch, capsys
):
    """Neither a foreign kernel of that name nor start-up files reach the run."""
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {"argv": ["false"], "display_name": "x", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("startup_ran = True")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(chapter.parent)

    values = {"mean": 100, "data_path": chapter.name}
    run_notebook(chapter, values, tmp_path / "out")
    for path in run[0].iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "06_tiny" in shown.err  # the progress bar
    assert "100%" in shown.err


def test_a_failing_cell_keeps_the_notebook_and_nothing_else(chapter, tmp_path):
    folder = tmp_path / "out"
    kept = folder / "06_tiny.failed.ipynb"
    with pytest.raises(rerun.NotebookFailed) as caught:
        run_notebook(chapter, {"mean": 2000.0}, folder, progress=False)
    assert str(caught.value) == (
        "06_tiny failed in cell [6]: RuntimeError: too ... large; "
        f"kept as far as it ran: {kept}"
    )
    assert list(folder.iterdir()) == [kept]
    notebook = nbformat.read(kept, as_version=4)
    assert "papermill" not in notebook.metadata
    assert any(o.output_type == "error" for o in notebook.cells[-1].outputs)


# --- what ends before a kernel starts -------------------------------------------------


def test_paths_must_exist(chapter, tmp_path, no_kernel):
    with pytest.raises(ValueError, match=r"data_path = 'no\.csv' does not exist"):
        run_notebook(chapter, {"data_path": "no.csv"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_economy_must_be_one(tmp_path, no_kernel):
    line = 'economy_path: str = ""  # file; any; an economy'
    cell = ("code", line, {"tags": ["parameters"]})
    notebook = write_notebook(tmp_path / "own.ipynb", [cell])
    (tmp_path / "empty.toml").write_text("")
    (tmp_path / "binary.toml").write_bytes(b"\xff")
    (tmp_path / "half.toml").write_text(ECONOMY)
    (tmp_path / "nodes.csv").write_text("node,parent,probability,A\na,,1,\nb,a,0.5,1\n")
    for name, why in {
        "own.ipynb": "own.ipynb is no TOML: Invalid statement",
        ".": "cannot be read (Is a directory): give a text file",
        "binary.toml": "cannot be read (it is not UTF-8)",
        "empty.toml": "empty.toml: title is missing",
        "half.toml": "nodes.csv, line 2, column probability: the children of node 'a'",
    }.items():
        with pytest.raises(ValueError, match=r"^parameter economy_path = ") as caught:
            run_notebook(
                notebook, {"economy_path": str(tmp_path / name)}, tmp_path / "out"
            )
        assert why in str(caught.value)
        assert not (tmp_path / "out").exists()
    (tmp_path / "nodes.csv").write_text("node,parent,probability,A\na,,1,\nb,a,1,1\n")
    path = str(tmp_path / "half.toml")
    plan = rerun.plan_run(notebook, {"economy_path": path}, tmp_path / "out")
    assert plan.resolved == {"economy_path": path}


def test_the_notebook_is_not_overwritten(chapter, no_kernel):
    before = chapter.read_bytes()
    with pytest.raises(ValueError, match="holds the notebook itself: choose another"):
        run_notebook(chapter, {}, chapter.parent)
    assert chapter.read_bytes() == before


@pytest.mark.parametrize(
    "name", ["results.json", "06_tiny.html", "06_tiny.failed.ipynb"]
)
def test_a_folder_in_the_place_of_a_file_is_refused(chapter, tmp_path, no_kernel, name):
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=rf"\({name} is a folder there\)"):
        run_notebook(chapter, {}, tmp_path)


def test_asserts_hold_whatever_the_settings_say(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    path = write_notebook(tmp_path / "check.ipynb", [("code", "assert False", {})])
    with pytest.raises(
        rerun.NotebookFailed, match=r"failed in cell \[1\]: AssertionError"
    ):
        run_notebook(path, {}, tmp_path / "out", progress=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_stopped_leaves_no_trace(tmp_path, number):
    cell = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))"
    cells = [("code", cell + "\ntime.sleep(60)", {})]
    path = write_notebook(tmp_path / "sleep.ipynb", cells)
    (tmp_path / "scratch").mkdir()
    command = [sys.executable, "-m", "dynpo_lite.companion.cli", "run", path]
    done = subprocess.Popen(
        [*command, "-o", tmp_path / "new" / "out"],
        env=os.environ | {"TMPDIR": str(tmp_path / "scratch")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started = []
    for _ in range(600):
        started = [p for p in tmp_path.glob("scratch/*/pid") if p.read_text()]
        if started or done.poll() is not None:
            break
        time.sleep(0.1)
    kernel = int(started[0].read_text())
    done.send_signal(number)
    out, err = done.communicate(timeout=60)
    assert (done.returncode, out) == (128 + number, "")
    assert err.splitlines()[-1] == "dynpo: interrupted: nothing was written"
    assert "Traceback" not in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scratch", "sleep.ipynb"]
    assert list((tmp_path / "scratch").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


def test_a_run_without_a_page_keeps_the_notebook(chapter, tmp_path, monkeypatch):
    def fail(*arguments):
        raise KeyError("two\nlines")

    monkeypatch.setattr(rerun, "render_page", fail)
    source = nbformat.read(chapter, as_version=4)
    monkeypatch.setattr(rerun, "_run_kernel", lambda *arguments: source)
    with pytest.raises(rerun.NotebookFailed, match="ran, but no page can be made of i"):
        run_notebook(chapter, {}, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["06_tiny.failed.ipynb"]


def test_missing_tools_are_named(chapter, tmp_path, monkeypatch, no_kernel):
    monkeypatch.setattr(rerun, "mathjax_file", lambda: None)
    with pytest.raises(ValueError, match=r"needs sphinx-mathjax-offline: install it w"):
        run_notebook(chapter, {}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_made_for_an_interrupted_run_is_removed(
    chapter, tmp_path, monkeypatch
):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(rerun, "_run_kernel", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_notebook(chapter, {}, tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_dead_kernel_is_said_in_one_line(chapter, tmp_path, monkeypatch):
    import papermill
    from nbclient.exceptions import DeadKernelError

    def die(*arguments, **options):
        raise DeadKernelError("Kernel died")

    monkeypatch.setattr(papermill, "execute_notebook", die)
    with pytest.raises(rerun.NotebookFailed, match=r"Kernel died \(is memory short"):
        run_notebook(chapter, {}, tmp_path / "out")
    assert not Path(tmp_path, "out").exists()
