"""Guards for what a comparison of outputs lets through, and proof that they bite.

nbval passes a notebook whose outputs were cleared, a cell marked to be skipped or to
raise, and never looks at a picture; none of the tools minds a missing text
alternative, a path or a time in an output, an assert that cannot fail. Each guard takes
a notebook and returns its findings. The second half of this file seeds a fault for
every guard and asks it to turn red.
"""

import ast
import base64
import inspect
import io
import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
build_book = pytest.importorskip("build_book")
inventory = pytest.importorskip("inventory")

NOTEBOOKS = sorted((ROOT / "notebooks").rglob("[!.]*.ipynb"))
NOTEBOOK_BUDGET = 300_000  # bytes
IMAGE_BUDGET = 80_000
COLUMNS = 88
SPEAKING = {"print", "record", "show", "display", "glue"}  # calls that have an output
UNCHECKED = re.compile(r"(?i)raises[-_]exception|nbval[-_]|pytest_validate|skip-exec")
TAG = re.compile(r"(checks|breaks):[a-z]+(-[a-z0-9]+)+")
SETTINGS = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
MACROS = SETTINGS["sphinx"]["config"]["mathjax3_config"]["tex"]["macros"]
MACRO = re.compile(rf"\\({'|'.join(MACROS)})(?![A-Za-z])")
UNITS = {"units of loss", "{}", "part of the rounds"}  # {}: the currency of an economy
PARAMETER = re.compile(r"([a-z]\w*): (int|float|str|bool) = (.+?)  # (.+)")
OF_MACHINE_OR_TIME = {
    "address": r"0x[0-9a-f]{6,}",
    "path": r"(?<![\w/.])/[A-Za-z]+/[\w.-]+|\b[A-Z]:\\|site-packages",
    "date or time": r"\b20\d\d-\d\d-\d\d\b|\b\d\d:\d\d:\d\d\b",
    "timing": r"\b\d+(\.\d+)? ?(ms|µs|us|s|sec|seconds)\b(?!\.)|[Ww]all time",
}


# --- what is in a notebook ------------------------------------------------------


def code_cells(notebook):
    """Return the code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    """Return the tags of a cell."""
    return cell.metadata.get("tags", [])


def name(cell):
    """Return how findings call a cell."""
    return f"cell {cell.get('id', '?')}"


def calls(source):
    """Return the names of the functions that a cell calls when it runs."""
    tree, found = [ast.parse(source)], set()
    for node in tree:  # grows while it is walked; what is only defined does not run
        if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Call):
            found.add(getattr(node.func, "attr", getattr(node.func, "id", "")))
        tree.extend(ast.iter_child_nodes(node))
    return found


def output_texts(cell):
    """Return all that a cell printed or showed, as text."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        for mime, content in output.get("data", {}).items():
            if not mime.startswith("image/"):
                yield content if isinstance(content, str) else json.dumps(content)


def images(cell):
    """Return the images that a cell shows, as bytes."""
    for output in cell.outputs:
        for mime, content in output.get("data", {}).items():
            if mime == "image/svg+xml":
                yield content.encode()
            elif mime.startswith("image/"):
                yield base64.b64decode(content)


# --- the guards -----------------------------------------------------------------


def executed_in_order(notebook):
    """Find code cells that were not executed once each, from top to bottom."""
    for number, cell in enumerate(code_cells(notebook), 1):
        if cell.execution_count != number:
            yield f"{name(cell)}: execution count {cell.execution_count}, not {number}"


def no_error(notebook):
    """Find outputs that are errors or warnings."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                yield f"{name(cell)}: error output"


def outputs_present(notebook):
    """Find cells that print, show or record and have no output."""
    for cell in code_cells(notebook):
        if SPEAKING & calls(cell.source) and not cell.outputs:
            yield f"{name(cell)}: no output"


def nothing_unchecked(notebook):
    """Find tags, comments and semicolons that take an output out of the comparison."""
    for cell in code_cells(notebook):
        comments = [line for line in cell.source.splitlines() if "#" in line]
        for text in tags(cell) + comments:
            if UNCHECKED.search(text):
                yield f"{name(cell)}: {text}"
        if any(line.rstrip().endswith(";") for line in cell.source.splitlines()):
            yield f"{name(cell)}: a line ends with a semicolon"


def parameters_declared(notebook):
    """Find parameters that are not `name: type = literal  # unit; domain; meaning`.

    A lesson worked by hand has none; who checks parameters has one cell of them.
    """
    found = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    checked = any("check_parameters" in calls(c.source) for c in code_cells(notebook))
    if len(found) != checked:
        yield f"{len(found)} cells tagged parameters, {int(checked)} wanted"
    for line in "\n".join(cell.source for cell in found).splitlines():
        try:
            _, kind, literal, comment = PARAMETER.fullmatch(line).groups()
            value = ast.literal_eval(literal)
        except (AttributeError, ValueError, SyntaxError):
            yield f"not a parameter: {line}"
            continue
        if type(value).__name__ != kind:
            yield f"not a {kind}: {line}"
        parts = comment.split(";", 2)
        if len(parts) < 3 or not all(part.strip() for part in parts):
            yield f"not unit; domain; meaning: {line}"


def metadata_complete(notebook):
    """Find a missing name of kernel or language, and what is left of a run."""
    for key, value in build_book.METADATA.items():
        if notebook.metadata.get(key) != value:
            yield f"metadata {key}: {notebook.metadata.get(key)}, not {value}"
    for part in [notebook, *notebook.cells]:
        for key in {"papermill", "execution", "widgets"} & set(part.metadata):
            yield f"metadata {key}"


def within_budgets(notebook):
    """Find a notebook, images or lines of code that are too large."""
    size = len(nbformat.writes(notebook).encode())
    if size > NOTEBOOK_BUDGET:
        yield f"{size:,} bytes"
    for cell in code_cells(notebook):
        for image in images(cell):
            if len(image) > IMAGE_BUDGET:
                yield f"{name(cell)}: image of {len(image):,} bytes"
        for line in cell.source.splitlines():
            if len(line) > COLUMNS:
                yield f"{name(cell)}: line of {len(line)} columns"


def words(text):
    """Return the words of four letters and more, without their endings."""
    return {word[:6].lower() for word in re.findall(r"[A-Za-z]{4,}", text)}


def images_described(notebook):
    """Find images whose caption or alternative text is short, or of something else.

    Both speak in the words of their section, code included.
    """
    section, near = 0, {}
    for cell in notebook.cells:
        section += bool(re.search(r"(?m)^## ", cell.source))
        near[section] = near.get(section, set()) | words(cell.source)
        cell["section"] = section
    for cell in notebook.cells:
        section = cell.pop("section")
        if cell.cell_type != "code" or not any(images(cell)):
            continue
        shown = cell.metadata.get("mystnb", {})
        for kind, key, least in (("figure", "caption", 15), ("image", "alt", 20)):
            text = shown.get(kind, {}).get(key, "")
            if len(text.split()) < least:
                yield f"{name(cell)}: {key} of {len(text.split())} words"
            elif len(words(text) & near[section]) < 5:
                yield f"{name(cell)}: {key} without the words of its section"


def axes_in_units(notebook):
    """Find axes labelled with a unit that the book does not use."""
    for cell in code_cells(notebook):
        for label in axis_labels(cell.source):
            if set(re.findall(r" \(([^)]*)\)$", label)) - UNITS:
                yield f"{name(cell)}: {label}"


def axis_labels(source):
    """Return the labels of axes in a piece of code; what is inserted is {}."""
    for node in ast.walk(ast.parse(source)):
        found = []
        if isinstance(node, ast.keyword) and node.arg in ("xlabel", "ylabel"):
            found = [node.value]
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", "")
            found = node.args[:1] if called in ("set_xlabel", "set_ylabel") else []
        for value in found:
            parts = getattr(value, "values", [value])
            yield "".join(
                getattr(part, "value", "") if isinstance(part, ast.Constant) else "{}"
                for part in parts
            )


def images_in_numbers(notebook):
    """Find images in sections that print no number."""
    for cells in sections(notebook):
        texts = [text for cell in cells for text in output_texts(cell)]
        for cell in cells:
            if any(images(cell)) and not re.search(r"\d", "".join(texts)):
                yield f"{name(cell)}: pixels are hardly compared, so print its numbers"


def sections(notebook):
    """Return the code cells, section by section."""
    found = [[]]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found[-1].append(cell)
        elif re.search(r"(?m)^## ", cell.source):
            found.append([])
    return found


def nothing_of_machine_or_time(notebook):
    """Find addresses, paths, dates and timings in outputs."""
    for cell in code_cells(notebook):
        for text in output_texts(cell):
            for what, pattern in OF_MACHINE_OR_TIME.items():
                if match := re.search(pattern, text):
                    yield f"{name(cell)}: {what}: {match[0]}"


def checks_can_fail(notebook):
    """Find cells tagged checks: or breaks: that assert nothing or say nothing."""
    for cell in code_cells(notebook):
        for tag in tags(cell):
            if not tag.startswith(("checks:", "breaks:")):
                continue
            if not TAG.fullmatch(tag):
                yield f"{name(cell)}: tag {tag}"
            if not inventory.asserted(cell.source):
                yield f"{name(cell)}: {tag} asserts nothing"
            if not {"print", "record"} & calls(cell.source):
                yield f"{name(cell)}: {tag} says nothing"


def asserts_depend_on_something(notebook):
    """Find asserts with a part that is constant, or that compares a thing to itself."""
    for cell in code_cells(notebook):
        for test in inventory.asserted(cell.source):
            for node in ast.walk(test):
                same = sides(node)
                if any(a == b for a, b in pairwise(same)):
                    yield f"{name(cell)}: {ast.unparse(node)} compares alike"
            parts = [n.values for n in ast.walk(test) if isinstance(n, ast.BoolOp)]
            for part in [test, *(value for values in parts for value in values)]:
                named = any(isinstance(n, ast.Name) for n in ast.walk(part))
                if not named or isinstance(part, ast.Tuple):
                    yield f"{name(cell)}: {ast.unparse(part)} is constant"


def formulas_need_no_macros(notebook):
    """Find macros of the book: JupyterLab knows none and would show them in red."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for macro in MACRO.findall(cell.source):
                yield f"{name(cell)}: \\{macro} is the book's own, write it out"


def sides(node):
    """Return what stands side by side in a comparison or a difference, as text."""
    found = []
    if isinstance(node, ast.Compare):
        found = [node.left, *node.comparators]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        found = [node.left, node.right]
    elif isinstance(node, ast.Call):
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        found = (
            node.args[:2] if called in ("allclose", "array_equal", "isclose") else []
        )
    return [ast.dump(side) for side in found]


GUARDS = [
    *(executed_in_order, no_error, outputs_present, nothing_unchecked),
    *(parameters_declared, metadata_complete, within_budgets, images_described),
    *(images_in_numbers, nothing_of_machine_or_time, checks_can_fail),
    *(asserts_depend_on_something, axes_in_units, formulas_need_no_macros),
]


def test_there_are_notebooks():
    """Guards over no notebooks at all would pass."""
    assert NOTEBOOKS


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path, guard):
    """Every committed notebook passes every guard."""
    assert list(guard(build_book.read(path))) == []


def test_every_guard_is_used():
    """A generator of findings in this file is in the list, and has a fault."""
    here = {k: v for k, v in globals().items() if inspect.isgeneratorfunction(v)}
    guards = {
        k for k, v in here.items() if "notebook" in inspect.signature(v).parameters
    }
    assert {guard.__name__ for guard in GUARDS} == guards
    assert {guard for guard, _ in FAULTS} == set(GUARDS)


def test_nothing_has_gone_missing():
    """No assert and no recorded number was dropped unseen: see tools/inventory.py."""
    assert inventory.differences() == []


def test_every_picture_is_shown_once():
    """A picture in the place of another one would be there twice."""
    shown = [
        (name(cell), image)
        for path in NOTEBOOKS
        for cell in code_cells(build_book.read(path))
        for image in images(cell)
    ]
    first = {}
    twice = [cell for cell, image in shown if first.setdefault(image, cell) != cell]
    assert twice == []


@pytest.mark.parametrize(
    "module",
    [
        "companion/chapters/example_figures",
        "companion/chapters/economy_figures",
        "plots/scenarios",
        "plots/sharing",
        "plots/payments",
        "plots/risks",
    ],
)
def test_figures_of_the_package_are_in_units(module):
    source = (ROOT / f"dynpo_lite/{module}.py").read_text("utf-8")
    assert list(axis_labels(source))
    good = new_notebook(cells=[new_code_cell(source)])
    assert list(axes_in_units(good)) == []


def test_every_label_is_referenced():
    """A statement or figure that bears a label is referred to somewhere."""
    texts = [path.read_text("utf-8") for path in (ROOT / "book").glob("*.md")]
    notebooks = [build_book.read(path) for path in NOTEBOOKS]
    cells = [cell for notebook in notebooks for cell in notebook.cells]
    texts += [cell.source for cell in cells if cell.cell_type == "markdown"]
    text = "\n".join(texts)
    labels = set(re.findall(r"(?m)^\s*:(?:label|name): (\S+)$", text))
    used = set(re.findall(r"\}`(?:[^`<]*<)?([\w:.-]+)>?`|\(#([\w:.-]+)\)", text))
    used = {name for pair in used for name in pair}
    used |= set(re.findall(r"\{solution(?:-start)?\} ([\w-]+)", text))
    used |= {tag.partition(":")[2] for cell in cells for tag in tags(cell)}
    assert labels - used == set()


# --- the guards bite ------------------------------------------------------------


TITLE, PARAMETERS, FIGURE, CHECK = range(4)  # the cells of the good notebook
CAPTION = (
    "The risk of the first payment (solid) and of the second one (dashed) grows with "
    "the mean of the payments."
)
ALT = (
    "Two rising lines against the mean of the payments: the solid one is the risk of "
    "the first payment and lies below the dashed one, the risk of the second."
)


def picture(shade=0, height=48):
    """Return a picture of a dark square on a light ground, as outputs hold it."""
    image, content = Image.new("L", (64, height), 255), io.BytesIO()
    image.paste(shade, (16, 16, 40, 32))
    image.save(content, "png")
    return base64.b64encode(content.getvalue()).decode()


def good_notebook():
    """Return a notebook that passes every guard."""
    shown = new_output(
        "display_data", {"image/png": picture(), "text/plain": "<Figure>"}
    )
    parameter = "mean: float = 200.0  # money; > 0; mean of the first payment"
    described = {"figure": {"caption": CAPTION}, "image": {"alt": ALT}}
    check = "risk = 3.8\nprint(f'risk {risk:.6f}')\nassert risk > 3"
    cells = [
        new_markdown_cell(f"# A title\n\n{ALT}"),
        new_code_cell(parameter, metadata={"tags": ["parameters"]}),
        new_code_cell(
            "check_parameters('06', globals())\nplt.show()",
            metadata={"mystnb": described},
            outputs=[shown],
        ),
        new_code_cell(check, metadata={"tags": ["checks:lemma-3-11"]}),
    ]
    cells[CHECK].outputs = [printed("risk 3.800000\n")]
    for count, cell in enumerate(cells[1:], 1):
        cell.execution_count = count
    return new_notebook(cells=cells, metadata=build_book.METADATA)


def printed(text, stream="stdout"):
    """Return a printed output."""
    return new_output("stream", name=stream, text=text)


def change(cell, **values):
    """Return a fault: other values in a cell."""
    return lambda notebook: notebook.cells[cell].update(values)


def tag(cell, text):
    """Return a fault: one more tag."""
    return lambda notebook: tags(notebook.cells[cell]).append(text)


def output(cell, new):
    """Return a fault: one more output."""
    return lambda notebook: notebook.cells[cell].outputs.append(new)


def data(mime, content):
    """Return a fault: other data in the figure's output."""
    return lambda notebook: (
        notebook.cells[FIGURE].outputs[0].data.update({mime: content})
    )


def described(caption=CAPTION, alt=ALT):
    """Return a fault: another description of the figure."""
    shown = {"figure": {"caption": caption}, "image": {"alt": alt}}
    return change(FIGURE, metadata={"mystnb": shown})


def caption(text):
    """Return a fault: another caption."""
    return described(caption=text)


def asserted(condition):
    """Return a fault: another condition in the check."""
    return change(CHECK, source=f"print(1)\nassert {condition}")


def metadata(**values):
    """Return a fault: other metadata of the notebook."""
    return lambda notebook: notebook.metadata.update(values)


def seed(fault):
    """Return the good notebook with a fault."""
    notebook = nbformat.from_dict(good_notebook())
    fault(notebook)
    return notebook


FAULTS = [
    (formulas_need_no_macros, change(TITLE, source=r"$\P(X > x) = \ES$")),
    (executed_in_order, change(CHECK, execution_count=7)),
    (executed_in_order, change(CHECK, execution_count=None)),
    (no_error, output(CHECK, new_output("error"))),
    (no_error, output(CHECK, printed("careful", "stderr"))),
    (outputs_present, change(CHECK, outputs=[])),
    (outputs_present, change(FIGURE, outputs=[])),
    (nothing_unchecked, change(CHECK, source="x = 1;")),
    (nothing_unchecked, change(CHECK, source="# NBVAL_SKIP\nx = 1")),
    (nothing_unchecked, tag(CHECK, "raises-exception")),
    (nothing_unchecked, tag(CHECK, "nbval-ignore-output")),
    (parameters_declared, change(PARAMETERS, metadata={})),
    (parameters_declared, change(FIGURE, source="plt.show()")),
    (parameters_declared, tag(CHECK, "parameters")),
    (parameters_declared, change(PARAMETERS, source="mean = 200.0")),
    (parameters_declared, change(PARAMETERS, source="m: int = 2.0  # -; -; m")),
    (parameters_declared, change(PARAMETERS, source="m: int = 1 + 1  # a; b; c")),
    (parameters_declared, change(PARAMETERS, source="m: int = 2  # the mean")),
    (metadata_complete, metadata(kernelspec={"name": "ir"})),
    (metadata_complete, metadata(language_info={"name": "python", "version": "3"})),
    (metadata_complete, metadata(papermill={})),
    (metadata_complete, change(CHECK, metadata={"execution": {}})),
    (within_budgets, change(CHECK, source="x = " + 90 * "1")),
    (within_budgets, output(CHECK, printed(300_000 * "x"))),
    (within_budgets, data("image/png", 120_000 * "A")),
    (images_described, change(FIGURE, metadata={})),
    (images_described, caption("A cat.")),
    (images_described, caption(" ".join(5 * ["A cat and a dog sit there."]))),
    (images_described, described(alt="Two cats and a dog.")),
    (axes_in_units, change(FIGURE, source='axes.set(xlabel="S1 (years)")')),
    (axes_in_units, change(FIGURE, source='axes.set_ylabel(f"{a} (years)")')),
    (images_in_numbers, change(CHECK, outputs=[])),
    (checks_can_fail, change(CHECK, source="print(1)")),
    (checks_can_fail, change(CHECK, source="assert risk > 3")),
    (asserts_depend_on_something, asserted("True")),
    (asserts_depend_on_something, asserted("(risk > 3, 'a tuple is true')")),
    (asserts_depend_on_something, asserted("(risk > 3) == (risk > 3) == (risk > 3)")),
    (asserts_depend_on_something, asserted("0 < 1 < 2 or risk > 3")),
    (asserts_depend_on_something, asserted("abs(risk - risk) < tolerance")),
    (asserts_depend_on_something, asserted("np.allclose(risk, risk)")),
    (checks_can_fail, tag(CHECK, "checks:Lemma 3.11")),
    (nothing_of_machine_or_time, output(CHECK, printed("<at 0x7f00aa11bb22>"))),
    (nothing_of_machine_or_time, output(CHECK, printed("see /home/someone/book.py"))),
    (nothing_of_machine_or_time, output(CHECK, printed("on 2026-01-31"))),
    (nothing_of_machine_or_time, output(CHECK, printed("at 12:30:45"))),
    (nothing_of_machine_or_time, output(CHECK, printed("done in 2.3 s"))),
]


def test_the_good_notebook_passes():
    """A notebook without a fault passes every guard."""
    assert [f for guard in GUARDS for f in guard(good_notebook())] == []


@pytest.mark.parametrize(("guard", "fault"), FAULTS)
def test_a_seeded_fault_turns_the_guard_red(guard, fault):
    """Each guard sees the fault that is its own."""
    assert list(guard(seed(fault)))


# --- so does the comparison of outputs ------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        change(CHECK, outputs=[printed("risk 3.800001\n")]),
        change(CHECK, outputs=[printed("risk 3.800000\n", "stderr")]),
        change(CHECK, outputs=[]),
        change(CHECK, execution_count=None),
        change(FIGURE, outputs=[]),
        change(
            FIGURE, outputs=[new_output("display_data", {"text/plain": "<Figure>"})]
        ),
        data("text/plain", "<Axes>"),
        data("text/html", "<b>more</b>"),
        data("image/png", picture(shade=255)),
        data("image/png", picture(height=60)),
    ],
)
def test_a_changed_output_is_a_difference(fault):
    """A changed digit, a cleared output, a lost figure: all are reported."""
    assert build_book.differences(seed(fault), good_notebook())


def test_pixels_and_flushes_are_no_difference():
    """A figure is compared as a whole; nor does the cutting of a stream matter."""
    changed = seed(data("image/png", picture(shade=4)))
    changed.cells[CHECK].outputs = [printed("risk 3."), printed("800000\n")]
    assert build_book.differences(changed, good_notebook()) == []


def test_execution_compares_with_what_is_stored(tmp_path, monkeypatch):
    """A refreshed notebook is equal; a wrong formula or a failing cell is not."""
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")  # of a user; no assert would count
    for key, value in build_book.environment(tmp_path).items():
        monkeypatch.setenv(key, value)
    path = tmp_path / "small.ipynb"
    source = "risk = 2 * 1.9\nprint(f'{risk:.3f}', __debug__)"
    cells = [new_code_cell(source, id="risk")]
    path.write_text(nbformat.writes(new_notebook(cells=cells)))
    assert build_book.run_one(path, refresh=True) == ([], True)
    stored = path.read_text()
    assert build_book.run_one(path, refresh=False) == ([], False)

    path.write_text(stored.replace("2 * 1.9", "2 + 1.9"))
    problems, _ = build_book.run_one(path, refresh=False)
    assert {"-3.800 True", "+3.900 True"} <= set(problems)

    path.write_text(stored.replace("2 * 1.9", "1 / 0"))
    problems, _ = build_book.run_one(path, refresh=False)
    assert "raised ZeroDivisionError" in problems[0]
