r"""Proof of optimality in the marginal reading: linear programmes over all allocations.

The risk of what an agent carries is written as the least value that mixtures of
Expected Shortfalls allow (Rockafellar and Uryasev), so the largest saving at a time,
and the least sum of time-0 risks, are linear programmes.

Every variable has a bound, without which a solver may take tiny chances for none and
call a programme unbounded.  The bounds cut off no best value.  Comonotone improvement
lowers the risk of all nodes of a time at once, so some best allocation has shares that
rise with the total.  At one time let M be the largest total or risk in size: shares
spread by at most 2 M together, each costs at most M somewhere, and so each lies
between -n M and 3 M.  Over all times let M be the sum over times of the largest
aggregate in size: constants can be moved to earlier times until the lowest shares of a
later one are equal; then shares of a time sum to at most M, risks too, and payments,
their differences, stay within 6 M.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.lp import INTERIOR, SIMPLEX, SolverError, solve_lp
from dynpo_lite.base.types import Array, Integers
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.report import Savings, Trade
from dynpo_lite.risk.distortions import Distortion

_Row = tuple[list[tuple[int, float]], float]  # terms (variable, factor), limit
RAISED = (0.0, 1e-9, 1e-7)  # limits, in units of the losses
SMALLEST = 1e-7  # half weight: smaller factors are nothing to the solver


def marginal_savings(economy: Economy, allocation: Array, risk: Array) -> Savings:
    """Return the possible savings at all nodes, at time 0, and the trade at a node.

    Parameters
    ----------
    economy : Economy
    allocation, risk : ndarray of shape (n_agents, n_nodes)
        What is paid, and every agent's marginal risk-to-go of it.

    Returns
    -------
    savings : ndarray of shape (n_nodes,)
        By how much a trade at the next time lowers the risks of the nodes of a stage
        together; stands at the first node of the stage.
    myopic_saving : float
        How much the sum of time-0 risks exceeds the least over all allocations.
    trade_at : callable
        Node -> the trade found at its stage.
    """
    tree, n = economy.tree, economy.n_agents
    savings, payments = np.zeros(tree.n_nodes), {}
    for t in range(1, tree.horizon + 1):
        nodes, parents = tree.nodes(t), tree.nodes(t - 1)
        z = economy.aggregate[nodes] + risk[:, nodes].sum(axis=0)
        unit = max(np.abs(z).max(), np.abs(risk[:, parents]).max())
        programme = _Programme(unit, n + 2)
        carried = programme.free(n, len(nodes))
        programme.sum_to(carried, z)
        slack: dict[int, int] = {}  # variable -> its row
        for i in range(n):
            for parts, rows in economy.measures_at(i, parents):
                value = programme.risk(carried[i], parts, tree.unconditional[nodes])
                at = parents[rows]
                for v in at[np.unique(risk[i, at], return_index=True)[1]]:
                    s = programme.positive()
                    slack[s] = programme.at_most([(value, 1.0), (s, 1.0)], risk[i, v])
        x, savings[parents[0]] = programme.largest_slack(slack)
        new = x[carried] - risk[:, nodes]
        payments[int(parents[0])] = nodes, new - allocation[:, nodes]

    def trade_at(v: int) -> Trade:
        nodes, change = payments[v]
        new = allocation.copy()
        new[:, nodes] += change
        gains = (risk - economy.risk_to_go(new, "marginal"))[:, v]
        frozen = validate.frozen(change), validate.frozen(gains.copy())
        return Trade(v, tuple(nodes.tolist()), *frozen)

    return savings, _myopic_saving(economy, risk), trade_at


def _myopic_saving(economy: Economy, risk: Array) -> float:
    """How much the sum of time-0 risks exceeds the least over all allocations."""
    tree = economy.tree
    largest = np.maximum.reduceat(np.abs(economy.aggregate), tree.first[:-1])
    programme = _Programme(largest.sum(), 8)
    to_go = np.full((economy.n_agents, tree.n_nodes), -1)
    for t in range(tree.horizon, 0, -1):
        nodes, parents = tree.nodes(t), tree.nodes(t - 1)
        paid = programme.free(economy.n_agents, len(nodes))
        programme.sum_to(paid, economy.aggregate[nodes])
        for i in range(economy.n_agents):
            carried = paid[i]
            if t < tree.horizon:
                carried = programme.free(len(nodes))
                for c, y, v in zip(carried, paid[i], nodes):  # c = y + risk-to-go
                    programme.equal([(c, 1.0), (y, -1.0), (to_go[i, v], -1.0)], 0.0)
            for parts, rows in economy.measures_at(i, parents):
                weights = tree.unconditional[nodes]
                to_go[i, parents[rows]] = programme.risk(carried, parts, weights)
    x, _ = programme.solve(to_go[:, 0], 1.0)
    return float(risk[:, 0].sum() - x[to_go[:, 0]].sum())


class _Programme:
    """A small linear programme, row by row, with free variables of up to ``box``.

    Numbers are counted in ``unit``.
    """

    def __init__(self, unit: float, box: float):
        self.unit, self.box = float(unit) or 1.0, box
        self.bounds: list[tuple[float, float | None]] = []
        self.upper: list[_Row] = []
        self.equals: list[_Row] = []

    def free(self, *shape: int) -> Integers:
        start = len(self.bounds)
        self.bounds += [(-self.box, self.box)] * prod(shape)
        return np.arange(start, len(self.bounds)).reshape(shape)

    def positive(self) -> int:
        self.bounds.append((0, None))
        return len(self.bounds) - 1

    def at_most(self, terms: list[tuple[int, float]], limit: float) -> int:
        self.upper.append((terms, limit / self.unit))
        return len(self.upper) - 1

    def equal(self, terms: list[tuple[int, float]], value: float) -> None:
        self.equals.append((terms, value / self.unit))

    def sum_to(self, carried: Integers, total: Array) -> None:
        for column, value in zip(carried.T, total, strict=True):
            self.equal([(v, 1.0) for v in column], value)

    def risk(self, carried: Integers, parts: Sequence[Distortion], p: Array) -> int:
        """Return a variable at least the risk of ``carried`` (Rockafellar-Uryasev)."""
        value = int(self.free())
        for k in parts:
            terms = [(value, -1.0)]
            for tail, mass in _shortfalls(k):
                q = int(self.free())
                terms.append((q, mass))
                for v, chance in zip(carried, p, strict=True):
                    excess = [(v, 1.0), (q, -1.0)]
                    if tail > 0:  # without: the maximum, which nothing may exceed
                        # half of the weight on each side: as a whole the solver
                        # would drop a tiny one
                        e, half = self.positive(), np.sqrt(mass * chance / tail)
                        excess.append((e, -1.0 / max(half, SMALLEST)))
                        terms.append((e, half))
                    self.at_most(excess, 0.0)
            self.at_most(terms, 0.0)
        return value

    def largest_slack(self, slack: dict[int, int]) -> tuple[Array, float]:
        """Return a solution with the largest sum of slacks, and a bound of that sum.

        At an optimal allocation the slack is 0, and rounding may leave no feasible
        point: then the limits are raised a little, and what that earns, by the prices
        of the limits, is taken off again: what is left bounds the sum by duality.
        """
        variables, rows = list(slack), list(slack.values())
        for raised in RAISED:
            try:
                x, prices = self.solve(variables, -1.0, rows, raised)
                break
            except SolverError:
                if raised == RAISED[-1]:
                    raise
        return x, float(x[variables].sum() - raised * self.unit * prices[rows].sum())

    def solve(
        self, variables: Any, cost: float, rows: Any = (), raised: float = 0.0
    ) -> tuple[Array, Array]:
        """Return a solution and the prices of the limits, those of ``rows`` raised."""
        from scipy.sparse import coo_array

        def matrix(rows: list[_Row]) -> tuple[Any, Array]:
            entries = [(c, i, v) for i, (terms, _) in enumerate(rows) for v, c in terms]
            c, i, v = zip(*entries, strict=True)
            array = coo_array((c, (i, v)), (len(rows), len(self.bounds))).tocsr()
            return array, np.array([limit for _, limit in rows])

        costs = np.zeros(len(self.bounds))
        costs[variables] = cost
        upper, limits = matrix(self.upper)
        limits[list(rows)] += raised
        equal, methods = matrix(self.equals), (SIMPLEX, INTERIOR)
        found = solve_lp(costs, upper, limits, *equal, self.bounds, methods=methods)
        return found.x * self.unit, found.upper_prices


def _shortfalls(k: Distortion) -> list[tuple[float, float]]:
    """Write a piecewise linear distortion as a mixture: pairs (tail, weight)."""
    if k.breakpoints is None:
        raise ValueError(
            f"{k!r} is not piecewise linear: the marginal law is certified by linear "
            "programming; use law='conditional' or piecewise linear distortions"
        )
    s = np.hstack([0.0, k.breakpoints, 1.0])
    values = k.values(s)
    values[0] = k.jump
    slopes = np.append(np.diff(values) / np.diff(s), 0.0)
    drops = zip(s[1:], slopes[:-1] - slopes[1:])
    mixture = [(0.0, k.jump)] if k.jump > 0 else []
    return mixture + [(tail, tail * drop) for tail, drop in drops if drop > 1e-15]
