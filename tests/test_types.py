"""Every public name says what it does and its types; users' code passes a checker."""

import inspect
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import dynpo_lite

ROOT = Path(__file__).resolve().parents[1]


def members(owner):
    """Yield the name and value of what a class of ours offers, also by its bases."""
    for base in inspect.getmro(owner):
        if base.__module__.partition(".")[0] == "dynpo_lite":
            for name, value in vars(base).items():
                if not name.startswith("_") or name in ("__init__", "__call__"):
                    yield base, name, value


def function_of(value):
    """Return the function behind a member of a class; None if there is none."""
    if isinstance(value, property):
        return value.fget
    if isinstance(value, cached_property):
        return value.func
    value = getattr(value, "__func__", value)
    return value if callable(value) else None


def untyped(function):
    """Return the parameters without a type, and "return" where that is missing."""
    signature = inspect.signature(function)
    found = [
        name
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls") and parameter.annotation is parameter.empty
    ]
    if signature.return_annotation is signature.empty:
        found += [] if function.__name__ == "__init__" else ["return"]
    return found


def documented(owner):
    """Return the documented members of a class and of its bases that are not public."""
    functions = {
        name: function_of(value)
        for base, name, value in members(owner)
        if base is owner or getattr(dynpo_lite, base.__name__, None) is not base
    }
    return {name for name, f in functions.items() if f is not None and f.__doc__}


def gaps(name, thing):
    """Return what of a public function or class has no type."""
    if not inspect.isclass(thing):
        return [f"{name}: {gap}" for gap in untyped(thing)]
    found = []
    for base, member, value in members(thing):
        function = function_of(value)
        if function is not None:
            found += [f"{name}.{member}: {gap}" for gap in untyped(function)]
        elif member not in inspect.get_annotations(base):
            found.append(f"{name}.{member}")
    return found


@pytest.mark.parametrize("name", dynpo_lite.__all__)
def test_all_that_a_name_offers_is_documented(name):
    thing = getattr(dynpo_lite, name)
    assert thing.__doc__
    if inspect.isclass(thing):
        told = documented(thing)
        for base in inspect.getmro(thing)[1:]:
            attributes = NumpyDocString(inspect.getdoc(base))["Attributes"]
            told |= documented(base) | {attribute.name for attribute in attributes}
        offered = {m for _, m, value in members(thing) if function_of(value)}
        assert offered - told - {"__init__"} == set()


@pytest.mark.parametrize("name", dynpo_lite.__all__)
def test_no_docstring_tells_of_an_argument_that_is_not_there(name):
    thing = getattr(dynpo_lite, name)
    inner = documented(thing) if inspect.isclass(thing) else ()
    for full in (name, *(f"{name}.{member}" for member in inner)):
        errors = dict(validate(f"dynpo_lite.{full}")["errors"])
        assert "PR02" not in errors, f"{full}: {errors['PR02']}"


@pytest.mark.parametrize("name", dynpo_lite.__all__)
def test_public_names_are_typed(name):
    assert gaps(name, getattr(dynpo_lite, name)) == []


class _Example:
    bare = 1
    known: int = 1

    def __init__(self, x: int):
        self._x = x

    def __call__(self, y) -> int:
        return y

    @property
    def width(self):
        return self._x

    @cached_property
    def height(self) -> int:
        return self._x

    @classmethod
    def make(cls, x: int, *more: int, **rest):
        return cls(x)

    def _inner(self, z):
        return z


def test_gaps_are_seen(monkeypatch):
    monkeypatch.setattr(_Example, "__module__", "dynpo_lite.example")
    assert gaps("E", _Example) == [
        "E.bare",
        "E.__call__: y",
        "E.width: return",
        "E.make: rest",
        "E.make: return",
    ]
    assert gaps("f", lambda x, y=1: x) == ["f: x", "f: y", "f: return"]


USER = """
import numpy as np
import dynpo_lite as dp

tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
mixture = dp.Mixture([dp.WorstCase(), dp.Expectation()], [0.5, 0.5])
shortfall = dp.ExpectedShortfall(0.95)
agents = [dp.Expectation(), shortfall, dp.Supremum([mixture])]
economy = dp.Economy(tree, [[0, 0, 0], [0, 0, 4], [0, 1.5, 0]], agents)
solution = dp.solve(economy)
total: np.ndarray = solution.total_risk_to_go
report = dp.check_allocation(economy, solution.allocation)
risk: float = dp.choquet([1.0, 2.0], shortfall)
dp.share_layers([0, 3, 10, 80], agents[:2])
attachments: np.ndarray = dp.TwoPeriodExample(agent1_level=0.95).attachments()
"""


def check(code, folder):
    """Return what mypy says of a user's code, and its exit code."""
    (folder / "user.py").write_text(code)
    options = ("--strict", "--follow-imports=silent", "--config-file=")
    command = (sys.executable, "-m", "mypy", *options, folder / "user.py")
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr, done.returncode


def test_a_users_code_passes_a_type_checker(tmp_path):
    said, code = check(USER, tmp_path)
    assert code == 0, said


def test_a_users_mistake_is_seen(tmp_path):
    said, code = check('import dynpo_lite as dp\ndp.ExpectedShortfall("a")', tmp_path)
    assert code == 1
    assert '"ExpectedShortfall" has incompatible type "str"; expected "float"' in said
