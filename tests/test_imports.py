"""Import arrows: mathematics below, the companion above, everything light to load."""

import ast
import graphlib
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "dynpo_lite"

# A room may import rooms of lower rank only.  A new room needs a row here.
RANK = {
    "base": 0,
    "risk": 1,
    "vectors": 1,
    "scenarios": 2,
    "sharing": 2,
    "economy": 3,
    "section6": 3,
    "__init__": 4,  # the public face
    "plots": 5,  # public too, imported by name
    "companion.outputs": 5,
    "companion.files": 6,
    "companion.rerun": 7,
    "companion.chapters": 7,
    "companion.cli": 8,
}
# a proof shares no code with what it proves
APART = {
    "economy.certificate": ("economy.solve", "economy.suprema", "sharing.layers"),
    "economy.worst_scenarios": ("economy.state_dependent", "economy.suprema"),
}
HEAVY = (
    *("scipy.stats", "scipy.optimize", "scipy.integrate"),
    *("matplotlib", "pandas", "papermill"),
)
EXTRAS = {  # optional, imported where it is used
    "vectors.functionals": {"ot"},
    "economy.bills": {"pandas"},
    "economy.replicate": {"pandas"},
    "economy.report": {"pandas"},
    "economy.solution": {"pandas"},
}


def imports(path, package):
    """List the imports of a file as (dotted name, inside a function), lazy or not.

    Modules of the package are named from its top: ``dynpo_lite.sharing.layers``.
    """
    here = [package.name, *path.relative_to(package).with_suffix("").parts]
    found = []

    def read(node, lazy):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue  # never run
            inner = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            if isinstance(child, ast.Import):
                found.extend((alias.name, inner) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                start = ".".join(here[: len(here) - child.level]) if child.level else ""
                base = ".".join(filter(None, (start, child.module)))
                for alias in child.names:
                    full = f"{base}.{alias.name}"
                    inside = of(base, package.name)
                    named = base if inside and not is_module(full, package) else full
                    found.append((named, inner))
            read(child, inner)

    read(ast.parse(path.read_text()), False)
    return found


def is_module(name, package):
    path = package.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def modules(package):
    """Return the modules by their names below the package: ``risk.measures``."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts)
        if parts[-1] != "__init__" or path.read_text().strip() or len(parts) == 1:
            found[name] = path
    return found


def room(module):
    """Return the room of a module: its folder, or its own name above all folders."""
    parts = module.split(".")
    if parts[0] == "companion":
        return ".".join(parts[:2])
    return parts[0]


def arrows(package):
    """Return, for each module, the modules of the package that it imports."""
    top, known = package.name, modules(package)
    graph = {}
    for module, path in known.items():
        names = {name for name, _ in imports(path, package) if of(name, top)}
        inside = {n.removeprefix(top).removeprefix(".") or "__init__" for n in names}
        graph[module] = inside
    return graph


def of(name, parent):
    return name == parent or name.startswith(parent + ".")


def below(graph, module):
    """Return all modules that a module reaches."""
    seen, ahead = set(), [module]
    while ahead:
        for target in graph.get(ahead.pop(), ()):
            if target not in seen:
                seen.add(target)
                ahead.append(target)
    return seen


def faults(package):
    """Say what breaks the order of the rooms and modules."""
    graph, paths = arrows(package), modules(package)
    for module in graph:
        if room(module) not in RANK:
            yield f"{module}: give its room {room(module)} a row in RANK"
    for module, targets in graph.items():
        for target in targets:
            here, there = room(module), room(target)
            if here != there and RANK.get(there, 0) >= RANK.get(here, 99):
                yield f"{module} imports {target}, whose room is not below"
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        yield "cycle: " + " -> ".join(error.args[1])
    for module, others in APART.items():
        for other in sorted(below(graph, module) & set(others)):
            yield f"{module} reaches {other}: a proof shares no code with it"
    for module, path in paths.items():
        if RANK.get(room(module), 0) > RANK["__init__"]:
            continue
        for name, lazy in imports(path, package):
            root = name.split(".")[0]
            known = {package.name, "numpy", "scipy", *EXTRAS.get(module, ())}
            if root not in known and root not in sys.stdlib_module_names:
                yield f"{module} imports {name}: numpy and scipy only"
            if not lazy and any(of(name, heavy) for heavy in HEAVY):
                yield f"{module} imports {name} at once: do it where it is used"
            if of(name, "importlib"):
                yield f"{module} imports {name}: import by name hides an arrow"


def test_the_arrows_point_down():
    assert list(faults(PACKAGE)) == []


def test_every_module_is_looked_at():
    graph = arrows(PACKAGE)
    assert {
        "base.validate",
        "risk.measures",
        "plots.style",
        "companion.cli",
    } <= graph.keys()
    assert "risk.distortions" in graph["risk.measures"]
    assert "base.validate" in graph["risk.distortions"]  # from ... import validate
    assert "section6.simulation" in graph["section6.example"]
    assert "section6.example" not in graph["section6.simulation"]
    assert "risk.measures" in below(graph, "economy.solve")
    assert {room(module) for module in graph} == RANK.keys()


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        (
            "risk.measures",
            "from ..sharing.layers import Layer",
            "risk.measures imports sharing.layers, whose room is not below",
        ),
        (
            "scenarios.tree",
            "def f():\n    from dynpo_lite.economy import solve",
            "scenarios.tree imports economy.solve, whose room is not below",
        ),
        (
            "sharing.layers",
            "import dynpo_lite.scenarios.tree",
            "sharing.layers imports scenarios.tree, whose room is not below",
        ),
        (
            "section6.simulation",
            "def f():\n    from .example import g",
            "cycle: section6.simulation -> section6.example -> section6.simulation",
        ),
        (
            "sharing.layers",
            "from dynpo_lite import choquet",
            "sharing.layers imports __init__, whose room is not below",
        ),
        ("surplus", "import math", "surplus: give its room surplus a row in RANK"),
        (
            "sharing.layers",
            "def f():\n    from dynpo_lite.companion.rerun.record import record",
            "sharing.layers imports companion.rerun.record, whose room is not below",
        ),
        (
            "__init__",
            "def f():\n    from .companion.rerun.record import record",
            "__init__ imports companion.rerun.record, whose room is not below",
        ),
        (
            "sharing.layers",
            "def f():\n    import matplotlib.pyplot",
            "sharing.layers imports matplotlib.pyplot: numpy and scipy only",
        ),
        (
            "economy.solution",
            "def f():\n    from dynpo_lite.plots.payments import bills",
            "economy.solution imports plots.payments, whose room is not below",
        ),
        (
            "plots.style",
            "from dynpo_lite.companion.outputs import clean",
            "plots.style imports companion.outputs, whose room is not below",
        ),
        (
            "risk.measures",
            "from scipy import stats",
            "risk.measures imports scipy.stats at once: do it where it is used",
        ),
        (
            "risk.measures",
            "def f():\n    import importlib",
            "risk.measures imports importlib: import by name hides an arrow",
        ),
        (
            "economy.certificate",
            "from dynpo_lite.economy.suprema import saddle_shares",
            "economy.certificate reaches economy.suprema: a proof shares no code "
            "with it",
        ),
    ],
)
def test_a_wrong_arrow_is_seen(tmp_path, module, source, fault):
    package = tmp_path / "dynpo_lite"
    files = dict.fromkeys(arrows(PACKAGE), "")
    files["section6.example"] = "def f():\n    from . import simulation"
    files[module] = source
    for name, text in files.items():
        path = package.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    said = list(faults(package))
    if fault.startswith("cycle"):
        said = [s for s in said if s.startswith("cycle")]
        assert {"section6.simulation", "section6.example"} <= set(said[0].split()), said
    else:
        assert fault in said


def loaded_after(statement):
    """Names of all modules in a fresh interpreter after ``statement``."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@pytest.mark.parametrize(
    "statement",
    [
        "import dynpo_lite",
        "import dynpo_lite as dp; dp.choquet([1, 2], dp.ExpectedShortfall(0.5))",
        "import dynpo_lite as dp; dp.share_layers([1, 2], [dp.WorstCase()])",
        "import dynpo_lite as dp; dp.max_correlation_risk([[1], [2]], [[3], [4]])",
        "import dynpo_lite as dp; dp.vector_inf_convolution([[1], [2]], [[[3], [4]]])",
    ],
)
def test_importing_loads_nothing_heavy(statement):
    loaded = loaded_after(statement)
    assert "dynpo_lite.risk.measures" in loaded
    above = ("dynpo_lite.companion", "dynpo_lite.plots")
    heavy = (*HEAVY, *above, "ot", "IPython", "hypothesis", "dask")
    assert [n for n in loaded if any(of(n, h) for h in heavy)] == []


def test_public_names_exist_and_are_sorted():
    import dynpo_lite

    assert dynpo_lite.__all__ == sorted(dynpo_lite.__all__)
    assert set(dir(dynpo_lite)) == {*dynpo_lite.__all__, "__version__"}
    for name in dynpo_lite.__all__:
        assert getattr(dynpo_lite, name).__doc__, name
    with pytest.raises(AttributeError, match="'dynpo_lite' has no attribute 'nothing'"):
        _ = dynpo_lite.nothing
