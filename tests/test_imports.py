"""Import arrows: mathematics below, the companion above, everything light to load."""

import ast
import graphlib
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "dynpo_lite"

# A module may import modules of lower rank only.  A new module needs a row here.
RANK = {
    "tiles": 0,
    "validate": 0,
    "distortions": 1,
    "exponential_pair": 1,
    "improvement": 1,
    "transport_path": 1,
    "tree": 1,
    "vectors": 1,
    "measures": 2,
    "paths": 2,
    "saddle": 2,
    "vector_sharing": 2,
    "contracts": 3,
    "dynamic": 3,
    "layers": 3,
    "deterministic": 4,
    "economy": 4,
    "simulation": 4,
    "certificates": 5,  # beside optima: a proof that shares no code with the solver
    "optima": 5,
    "two_period": 5,
    "myopic": 6,
    "__init__": 7,
}
HEAVY = ("scipy.stats", "scipy.optimize", "scipy.integrate", "matplotlib", "papermill")
EXTRAS = {"vectors": {"ot"}}  # optional, imported where it is used


def imports(path, package):
    """List the imports of a file as (dotted name, inside a function), lazy or not.

    Modules of the package are named from its top: ``dynpo_lite.layers``.
    """
    here = [package.name, *path.relative_to(package).with_suffix("").parts]
    found = []

    def read(node, lazy):
        for child in ast.iter_child_nodes(node):
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


def mathematics(package):
    return sorted(package.glob("*.py"))


def arrows(package):
    """Return, for each module of the mathematics, the modules of it that it imports."""
    top = package.name
    graph = {}
    for path in mathematics(package):
        names = {name for name, _ in imports(path, package)}
        inside = {n.removeprefix(top).removeprefix(".") for n in names if of(n, top)}
        graph[path.stem] = {n or "__init__" for n in inside if not of(n, "companion")}
    return graph


def of(name, parent):
    return name == parent or name.startswith(parent + ".")


def faults(package):
    """Say what breaks the order of the modules."""
    graph = arrows(package)
    for module in graph.keys() - RANK.keys():
        yield f"{module}: give it a row in RANK"
    for module, targets in graph.items():
        for target in targets:
            if RANK.get(target, 0) >= RANK.get(module, 0):
                yield f"{module} imports {target}, which is not below it"
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        yield "cycle: " + " -> ".join(error.args[1])
    for path in mathematics(package):
        for name, lazy in imports(path, package):
            if of(name, package.name + ".companion") and not (
                path.stem == "__init__" and lazy  # the public face of record
            ):
                yield f"{path.stem} imports {name}: mathematics never needs it"
            root = name.split(".")[0]
            known = {package.name, "numpy", "scipy", *EXTRAS.get(path.stem, ())}
            if root not in known and root not in sys.stdlib_module_names:
                yield f"{path.stem} imports {name}: numpy and scipy only"
            if not lazy and any(of(name, heavy) for heavy in HEAVY):
                yield f"{path.stem} imports {name} at once: do it where it is used"
            if of(name, "importlib"):
                yield f"{path.stem} imports {name}: import by name hides an arrow"


def test_the_arrows_of_the_mathematics_point_down():
    assert list(faults(PACKAGE)) == []


def test_every_module_is_looked_at():
    graph = arrows(PACKAGE)
    assert {"validate", "distortions", "measures", "layers", "tree"} <= graph.keys()
    assert "distortions" in graph["measures"]
    assert "validate" in graph["distortions"]  # from . import validate
    assert "simulation" in graph["two_period"]  # inside a method
    assert "two_period" not in graph["simulation"]


def test_the_companion_does_not_import_itself_in_circles():
    graph = {
        path.stem: {
            name.rsplit(".", 1)[-1]
            for name, _ in imports(path, PACKAGE)
            if of(name, "dynpo_lite.companion") and name.count(".") == 2
        }
        for path in (PACKAGE / "companion").glob("*.py")
    }
    assert graph
    tuple(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        (
            "measures",
            "from .layers import Layer",
            "measures imports layers, which is not below it",
        ),
        (
            "tree",
            "def f():\n    from . import dynamic",
            "tree imports dynamic, which is not below it",
        ),
        (
            "layers",
            "import dynpo_lite.dynamic",
            "layers imports dynamic, which is not below it",
        ),
        (
            "simulation",
            "def f():\n    from .two_period import g",
            "cycle: simulation -> two_period -> simulation",
        ),
        (
            "layers",
            "from dynpo_lite import choquet",
            "layers imports __init__, which is not below it",
        ),
        ("surplus", "import math", "surplus: give it a row in RANK"),
        (
            "layers",
            "def f():\n    from .companion.record import record",
            "layers imports dynpo_lite.companion.record: mathematics never needs it",
        ),
        (
            "layers",
            "def f():\n    import matplotlib.pyplot",
            "layers imports matplotlib.pyplot: numpy and scipy only",
        ),
        (
            "measures",
            "from scipy import stats",
            "measures imports scipy.stats at once: do it where it is used",
        ),
        (
            "measures",
            "def f():\n    import importlib",
            "measures imports importlib: import by name hides an arrow",
        ),
    ],
)
def test_a_wrong_arrow_is_seen(tmp_path, module, source, fault):
    package = tmp_path / "dynpo_lite"
    (package / "companion").mkdir(parents=True)
    for name in ("__init__", *RANK, "companion/__init__", "companion/record"):
        (package / f"{name}.py").write_text("")
    (package / "two_period.py").write_text("def f():\n    from . import simulation")
    (package / f"{module}.py").write_text(source)
    said = list(faults(package))
    if fault.startswith("cycle"):
        said = [s for s in said if s.startswith("cycle")]
        assert {"simulation", "two_period"} <= set(said[0].split()), said
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
    assert "dynpo_lite.measures" in loaded
    heavy = (*HEAVY, "ot", "dynpo_lite.companion", "IPython", "hypothesis", "dask")
    assert [n for n in loaded if any(of(n, h) for h in heavy)] == []


def test_public_names_exist_and_are_sorted():
    import dynpo_lite

    assert dynpo_lite.__all__ == sorted(dynpo_lite.__all__)
    assert dir(dynpo_lite) == dynpo_lite.__all__
    for name in dynpo_lite.__all__:
        assert getattr(dynpo_lite, name).__doc__, name
    with pytest.raises(AttributeError, match="'dynpo_lite' has no attribute 'nothing'"):
        _ = dynpo_lite.nothing
