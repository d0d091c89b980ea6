"""tools/mutants.py changes all of the mathematics and runs all tests of it."""

import ast
import tomllib
from pathlib import Path

import mutants
import pytest
import yaml

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
TESTS = SETTINGS["pytest_add_cli_args_test_selection"]
ELSEWHERE = ("companion", "subprocess", "nbformat", "tomllib")


def test_every_room_of_the_mathematics_is_changed_and_its_doctests_run():
    rooms = {path.parent.name for path in ROOT.glob("dynpo_lite/*/__init__.py")}
    assert rooms - {"companion", "plots"} == set(mutants.ROOMS)
    assert {f"dynpo_lite/{room}" for room in mutants.ROOMS} < set(TESTS)


def test_the_tests_are_those_that_need_the_mathematics_alone():
    alone = {
        f"tests/{path.name}"
        for path in ROOT.glob("tests/test_*.py")
        if "import dynpo_lite as dp" in path.read_text()
        and not any(word in path.read_text() for word in ELSEWHERE)
    }
    assert {name for name in TESTS if name.startswith("tests/")} == alone


def function(body):
    return ast.parse(f"def f(x, y):\n    '''Text.'''\n    {body}").body[0]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("return x + y", "return x - y", ("return x + y", "return x - y")),
        ("x = 1; return (x,\n  y)", "x = 2; return (x, y)", ("x = 1", "x = 2")),
        ("raise E('a')", "raise E('XXaXX')", None),
        ("raise E(f'{x} b')", "raise E(f'{x} B')", None),
        ("raise E(f'{x} b')", "raise E(f'{y} b')", True),
        ("f('left', x)", "f(None, x)", ("f('left', x)", "f(None, x)")),
    ],
)
def test_a_mutant_is_told_by_the_lines_it_changes(before, after, change):
    found = mutants.difference(function(before), function(after))
    assert found == change or (change is True and found)


def test_every_equivalent_mutant_has_a_reason():
    listed = tomllib.loads(mutants.EQUIVALENT.read_text())["mutant"]
    for mutant in listed:
        assert set(mutant) == {*mutants.KEYS, "reason"}
        assert len(mutant["reason"]) > 10
        assert mutant["function"].split(".")[1] in mutants.ROOMS
    assert len(mutants.read_equivalent(mutants.ROOMS)) == len(listed)  # none twice


def test_the_nightly_workflow_draws_new_mutants():
    text = (ROOT / ".github/workflows/nightly.yml").read_text()
    (job,) = [
        j for name, j in yaml.safe_load(text)["jobs"].items() if name == "mutants"
    ]
    commands = " ".join(step.get("run", "") for step in job["steps"])
    assert "tools/mutants.py" in commands
    assert "--seed ${{ github.run_number }}" in commands
