"""Every check can fail: faults seeded into the package must turn their check red.

Each module ``faults_NAME.py`` lists faults of the notebook NAME as (label, description,
apply); ``apply(patch)`` seeds one.  The cells then run in order, and the one tagged
``checks:label``, no earlier one, must raise AssertionError.  ``make faults`` tries all;
``make test`` a sample of eight.
"""

import ast
import importlib
import os
from pathlib import Path

import ledger
import nbformat
import pytest
import yaml

from dynpo_lite.companion.chapters import example_figures as figures
from dynpo_lite.companion.rerun import parameters, record

HERE = Path(__file__).parent
MODULES = sorted(path.stem for path in HERE.glob("faults_*.py"))
FAULTS = [
    (module.removeprefix("faults_"), *fault)
    for module in MODULES
    for fault in importlib.import_module(module).FAULTS
]
SAMPLE = 8


def chosen():
    """Return all faults, or eight of them, evenly spread."""
    if os.environ.get("DYNPO_FAULTS") == "all":
        return FAULTS
    step = max(len(FAULTS) // SAMPLE, 1)
    return FAULTS[::step][:SAMPLE]


@pytest.fixture
def quiet(monkeypatch):
    import matplotlib as mpl

    mpl.use("agg")
    monkeypatch.setattr(figures, "show", lambda: figures.plt.close("all"))
    monkeypatch.setattr("IPython.display.display", lambda *args, **kwargs: None)
    monkeypatch.setattr(record, "record", lambda *args, **kwargs: None)


@pytest.mark.parametrize(
    ("chapter", "label", "description", "apply"),
    chosen(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_seeded_fault_turns_its_check_red(
    quiet, monkeypatch, chapter, label, description, apply
):
    path = parameters.find_notebook(chapter)
    cells = [c for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
    namespace = {"__name__": "__main__"}
    apply(monkeypatch)
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        if f"checks:{label}" in tags:
            with pytest.raises(AssertionError):
                exec(compile(cell.source, chapter, "exec"), namespace)
            return
        exec(compile(cell.source, chapter, "exec"), namespace)
    pytest.fail(f"no cell checks {label}")


class Recorder(pytest.MonkeyPatch):
    """Notes what a fault replaces, and by what."""

    def __init__(self):
        super().__init__()
        self.replaced = []

    def setattr(self, owner, name, value, *rest):
        self.replaced.append((getattr(owner, name), value))
        heirs = owner.__subclasses__() if isinstance(owner, type) else []
        assert not any(name in vars(heir) for heir in heirs), f"{name} is overridden"
        super().setattr(owner, name, value, *rest)

    def setitem(self, mapping, name, value):
        self.replaced.append((mapping.get(name), value))
        super().setitem(mapping, name, value)


@pytest.mark.parametrize(("chapter", "label", "description", "apply"), FAULTS)
def test_a_fault_replaces_something(chapter, label, description, apply):
    """Each fault puts another thing in the place of what is there."""
    patch = Recorder()
    try:
        apply(patch)
        assert patch.replaced
        assert all(new is not old and new != old for old, new in patch.replaced)
    finally:
        patch.undo()


def harmless(source):
    """Yield the products with 1 and the sums with 0 in a piece of code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp):
            left, right = (getattr(s, "value", None) for s in (node.left, node.right))
            neutral = 0 if isinstance(node.op, ast.Add | ast.Sub) else 1
            either = isinstance(node.op, ast.Add | ast.Mult)
            if right == neutral or (either and left == neutral):
                yield ast.unparse(node)


@pytest.mark.parametrize("module", MODULES)
def test_no_fault_multiplies_by_one(module):
    """Whether a check turns red is tried for a sample here, for all in make faults."""
    source = (HERE / f"{module}.py").read_text("utf-8")
    assert list(harmless(source)) == []
    assert list(harmless("lambda x: 1.00 * x + 0"))


def test_every_item_that_states_something_has_a_fault():
    tried = {label for _, label, *_ in FAULTS}
    for item in ledger.load().items:
        assert item.label in tried or item.kind == "definition", item.label
    assert len(FAULTS) >= 40


def test_the_nightly_workflow_tries_every_fault():
    root = HERE.parent
    workflow = yaml.safe_load((root / ".github/workflows/nightly.yml").read_text())
    assert {"schedule", "workflow_dispatch"} <= set(workflow[True])  # YAML's "on"
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = "\n".join(step.get("run", "") for step in steps)
    assert "make faults" in commands
    assert "tests/test_reruns.py" in commands
