"""The one door to the solver: every status is looked at."""

import ast
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
from scipy.sparse import csr_array

import dynpo_lite as dp
from dynpo_lite.base import lp
from dynpo_lite.base.lp import solve_lp

PACKAGE = Path(dp.__file__).parent


def test_only_one_module_calls_the_solver():
    callers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Name, ast.alias, ast.Attribute))
        and "linprog" in {getattr(node, a, "") for a in ("id", "name", "attr")}
    }
    assert callers == {"base/lp.py"}


@pytest.mark.parametrize("sparse", [False, True])
def test_solution_and_prices(sparse):
    """Cheapest 4 units from three suppliers, two of whom have little to give."""
    cost, caps = np.array([1.0, 2.0, 5.0]), np.array([[1.0, 0, 0], [0, 1.0, 0]])
    caps = csr_array(caps) if sparse else caps
    found = solve_lp(cost, caps, [1.0, 2.0], [[1.0] * 3], [4.0])
    np.testing.assert_allclose(found.x, [1.0, 2.0, 1.0])
    assert found.value == pytest.approx(10.0)
    np.testing.assert_allclose(found.upper_prices, [4.0, 3.0])  # a unit more saves


def test_bounds_may_be_missing():
    found = solve_lp([1.0, -1.0], bounds=[(-3.0, None), (None, 2.0)])
    np.testing.assert_allclose(found.x, [-3.0, 2.0])


@pytest.mark.parametrize("methods", [None, (lp.INTERIOR, lp.SIMPLEX)])
def test_what_is_infeasible_or_unbounded_is_told_apart(methods):
    with pytest.raises(lp.InfeasibleProgramme, match="has no feasible point"):
        solve_lp([1.0], [[1.0]], [-1.0], methods=methods)
    with pytest.raises(lp.UnboundedProgramme, match="has no lower bound"):
        solve_lp([-1.0, 0.0], [[0.0, 1.0]], [1.0], methods=methods)
    assert issubclass(lp.InfeasibleProgramme, lp.SolverError)
    assert issubclass(lp.SolverError, RuntimeError)


def answers(monkeypatch, *statuses):
    """Let the solver answer these statuses in turn; return the options it got."""
    asked, real = [], scipy.optimize.linprog

    def linprog(*programme, method, options):
        asked.append((method, options["presolve"]))
        found = real(*programme, method=method, options=options)
        status = statuses[len(asked) - 1]
        if status:
            found.status, found.message, found.x = status, f"says {status}", None
        return found

    monkeypatch.setattr(scipy.optimize, "linprog", linprog)
    return asked


def test_where_one_attempt_fails_the_next_one_is_tried(monkeypatch):
    asked = answers(monkeypatch, 4, 2, 3, 0)
    assert solve_lp([1.0], bounds=(2, None)).value == 2.0
    assert asked == [
        (lp.SIMPLEX, True),
        (lp.INTERIOR, True),
        (lp.SIMPLEX, False),
        (lp.INTERIOR, False),
    ]


@pytest.mark.parametrize(
    ("statuses", "error", "message"),
    [
        ((2, 2), lp.InfeasibleProgramme, "no feasible point"),
        ((3, 4, 3), lp.UnboundedProgramme, "no lower bound"),
        ((2, 3, 4, 4), lp.SolverError, "was not solved: says 4"),
        ((4, 4, 4, 2), lp.SolverError, "was not solved: says 2"),
        ((1, 1, 1, 1), lp.SolverError, "was not solved: says 1"),
    ],
)
def test_a_verdict_needs_two_attempts(monkeypatch, statuses, error, message):
    asked = answers(monkeypatch, *statuses)
    with pytest.raises(lp.SolverError, match=message) as caught:
        solve_lp([1.0])
    assert type(caught.value) is error
    assert len(asked) == len(statuses)


def test_large_programmes_start_with_interior_points(monkeypatch):
    asked = answers(monkeypatch, 0)
    assert solve_lp(np.ones(lp.MANY)).value == 0.0
    assert asked == [(lp.INTERIOR, True)]
