"""Linear programmes: the one door to the solver.

Every answer is looked at: a programme has a solution, has none, has no bound, or was
not solved, and each of the last three is an error of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
SIMPLEX, INTERIOR = "highs-ds", "highs-ipm"
MANY = 2000  # columns, from which interior points are faster than the simplex method
INFEASIBLE, UNBOUNDED = 2, 3  # as scipy counts

BlockRow = tuple[dict[Any, Any], np.ndarray]  # group of columns -> block; right sides


class SolverError(RuntimeError):
    """A linear programme was not solved; the message says what the solver said."""


class InfeasibleProgramme(SolverError):
    """No point satisfies the constraints."""


class UnboundedProgramme(SolverError):
    """The objective falls without end."""


@dataclass(frozen=True, eq=False)
class LinearSolution:
    """The solution of a linear programme.

    Attributes
    ----------
    x : ndarray of shape (n,)
    value : float
        The least cost.
    upper_prices : ndarray of shape (n_ub,)
        By how much the cost falls with each unit more on the right of an inequality;
        at least 0.
    """

    x: np.ndarray
    value: float
    upper_prices: np.ndarray


def solve_lp(
    cost: Any,
    a_ub: Any = None,
    b_ub: Any = None,
    a_eq: Any = None,
    b_eq: Any = None,
    bounds: Any = (0, None),
    *,
    methods: Sequence[str] | None = None,
) -> LinearSolution:
    r"""Minimise a linear cost.

    .. math:: \min c \cdot x \quad\text{subject to}\quad
              A_{ub} x \le b_{ub}, \; A_{eq} x = b_{eq}, \; l \le x \le u

    Parameters
    ----------
    cost : array_like of shape (n,)
    a_ub, a_eq : array_like or sparse array, optional
    b_ub, b_eq : array_like, optional
    bounds : pair, or sequence of n pairs
        None stands for no bound; at least 0 by default.
    methods : sequence of str, optional
        Methods of HiGHS, tried in this order, with presolve and without; by default
        the simplex method first for small programmes and interior points for large.

    Returns
    -------
    LinearSolution

    Raises
    ------
    InfeasibleProgramme, UnboundedProgramme
        If two attempts say so and none found a solution.
    SolverError
        If no attempt decides.

    Examples
    --------
    >>> solve_lp([1.0, 2.0], a_eq=[[1.0, 1.0]], b_eq=[3.0]).x.tolist()
    [3.0, 0.0]
    >>> solve_lp([1.0], bounds=(None, None))
    Traceback (most recent call last):
    ...
    dynpo_lite.base.lp.UnboundedProgramme: the linear programme has no lower bound
    """
    from scipy.optimize import linprog

    cost = np.asarray(cost, dtype=float)
    if methods is None:
        methods = (SIMPLEX, INTERIOR) if len(cost) < MANY else (INTERIOR, SIMPLEX)
    limits = np.array(bounds, dtype=float).reshape(-1, 2)  # None becomes nan
    unbounded = np.where(np.isnan(limits), [[-np.inf, np.inf]], limits)
    programme = cost, a_ub, b_ub, a_eq, b_eq, unbounded
    said = []
    for presolve, method in product((True, False), methods):
        options = TIGHT | {"presolve": presolve}
        found = linprog(*programme, method=method, options=options)
        if found.status == 0:
            prices = np.maximum(-found.ineqlin.marginals, 0.0)
            return LinearSolution(found.x, float(found.fun), prices)
        said.append(found.status)
        if found.status == INFEASIBLE and said.count(INFEASIBLE) == 2:
            raise InfeasibleProgramme("the linear programme has no feasible point")
        if found.status == UNBOUNDED and said.count(UNBOUNDED) == 2:
            raise UnboundedProgramme("the linear programme has no lower bound")
    raise SolverError(f"the linear programme was not solved: {found.message}")


def assembled(rows: list[BlockRow], widths: Mapping[Any, int]) -> tuple[Any, Any]:
    """Return rows of blocks as one sparse matrix, and all their right-hand sides.

    Parameters
    ----------
    rows : list of (dict, ndarray)
        The blocks of some constraints by groups of columns, and the right-hand sides.
    widths : mapping
        Group of columns -> how many, in the order of the columns.

    Examples
    --------
    >>> rows = [({"y": [[2.0]]}, np.array([3.0]))]
    >>> matrix, right = assembled(rows, {"x": 2, "y": 1})
    >>> matrix.toarray().tolist(), right.tolist()
    ([[0.0, 0.0, 2.0]], [3.0])
    """
    from scipy.sparse import coo_array

    start = dict(zip(widths, np.cumsum([0, *widths.values()])))
    top, found = 0, []
    for row, side in rows:
        for group, block in row.items():
            own = coo_array(block)
            found.append((own.data, top + own.row, start[group] + own.col))
        top += len(side)
    data, *places = map(np.concatenate, zip(*found))
    matrix = coo_array((data, tuple(places)), (top, sum(widths.values()))).tocsr()
    return matrix, np.concatenate([side for _, side in rows])
