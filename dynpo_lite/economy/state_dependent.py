r"""Dynamic optima with state-dependent contracts, judged by conditional laws.

At every node the aggregate of the children plus their least total risk-to-go is shared
by layers,

.. math:: V_v = z_v + \max_k \int_0^\infty \min_i k_i(P(Z > x + z_v \mid v))\,dx, \qquad
          Z = S + V, \quad z_v = \mathrm{ess\,inf}(Z \mid v),

the maximum over the distortions of agents who use a supremum.  An allocation is
dynamically Pareto optimal exactly if it is individually rational and attains every
:math:`V_v` (Theorem "least total").
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, TypeAlias

import numpy as np

from dynpo_lite.base.records import ReadOnly
from dynpo_lite.base.types import Array
from dynpo_lite.base.validate import frozen, keep
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.solution import Solution
from dynpo_lite.economy.suprema import saddle_shares
from dynpo_lite.risk.crossings import equal_shares
from dynpo_lite.scenarios.branches import Branches, to_come
from dynpo_lite.scenarios.nested_risk import Parts, descending
from dynpo_lite.sharing.layers import Layer, stack

_Value: TypeAlias = "Callable[[SharingProblem], Array]"


@dataclass(frozen=True, eq=False, repr=False)
class StateDependentSolution(Solution):
    """Contracts and premia of every node; ``total_risk_to_go`` is computed at once."""

    def __post_init__(self) -> None:
        scenarios, problems = self.economy.scenarios, []  # from the last time on
        total = np.zeros(scenarios.n_nodes)
        for stage in scenarios.branches[::-1]:
            for ways in stage:
                z = to_come(ways, self.economy.aggregate, total)
                problem = SharingProblem(self.economy, ways, z, self.ties)
                total[ways.node] = problem.value
                problems.append(problem)
        keep(self, _contracts=tuple(problems), total_risk_to_go=total)

    def _filled(self, result: Array, value: _Value) -> Array:
        """Return the array, filled at all nodes before the last time."""
        for problem in self._contracts:
            result[..., problem.ways.node] = value(problem)
        return frozen(result)

    @cached_property
    def risk_to_go(self) -> Array:
        if self.individually_rational:
            split = self.surplus_split
            saved = (split if split.ndim == 2 else split[:, None]) * self.surplus
            return frozen(self.risk_without_trade - saved)
        none, ties = np.zeros_like(self.risk_without_trade), self.ties[:, None]
        return self._filled(none, lambda f: f.layer_risks + f.sure * ties)

    @cached_property
    def layer_risk(self) -> Array:
        unknown = np.full(self.risk_without_trade.shape, np.nan)
        return self._filled(unknown, lambda f: f.layer_risks)

    @cached_property
    def allocation(self) -> Array:
        paid = np.zeros((self.economy.n_agents, self.economy.scenarios.n_entries))
        for problem in self._contracts:
            ways = problem.ways
            carried = problem.kept + self.premium[:, ways.node, None]
            paid[:, ways.entry] = carried - self.risk_to_go[:, ways.target]
        return frozen(paid)

    @cached_property
    def layers(self) -> Mapping[int, tuple[Layer, ...]]:
        where = {}
        for problem in self._contracts:
            for row, node in enumerate(problem.ways.node.tolist()):
                where[node] = problem, row
        return _NodeLayers({node: where[node] for node in sorted(where)})

    @cached_property
    def saddle_weights(self) -> Mapping[int, tuple[Array, ...]]:
        found = {}
        for problem in self._contracts:
            for row, (_, weights) in problem.saddles.items():
                found[int(problem.ways.node[row])] = tuple(map(frozen, weights))
        return ReadOnly(found)


class SharingProblem:
    """The sharing problem of one group of nodes with equally many children."""

    def __init__(self, economy: Economy, ways: Branches, z: Array, ties: Array):
        self.ties = None if np.ptp(ties) == 0 else ties
        self.economy, self.ways, self._z = economy, ways, z  # z: a row may do for all
        self.shape = len(ways.node), z.shape[1] - 1  # of the layers
        self.z, self.level = descending(ways, z)
        self.width = self.z[:, :-1] - self.z[:, 1:]
        self.sure = self.z[:, -1]
        self.saddles: dict[int, list] = {}
        agents = range(economy.n_agents)
        measures = [economy.measures_at(i, ways.node) for i in agents]
        if all(len(parts) == 1 for found in measures for parts, _ in found):
            self._tails = [self._distorted(found) for found in measures]
        else:
            self._tails = self._solve_saddles()
        least = reduce(np.minimum, self._tails)
        self.value = (self.width * least).sum(axis=1) + self.sure

    def _distorted(self, measures: list[tuple[Parts, Any]]) -> Array:
        """Return the distorted tails of one distortion a node, (m or 1, b - 1)."""
        level = self.level[:, :-1]
        if len(measures) == 1:
            return measures[0][0][0].values(level)
        tails = np.empty(self.shape)
        for (k,), rows in measures:
            tails[rows] = k.values(level if len(level) == 1 else level[rows])
        return tails

    def _solve_saddles(self) -> list[Array]:
        """Return the tails under the worst mixtures, found node by node."""
        level = np.broadcast_to(self.level[:, :-1], self.shape)
        width = np.broadcast_to(self.width, self.shape)
        tails = np.empty((self.economy.n_agents, *self.shape))
        for row, node in enumerate(self.ways.node.tolist()):
            agents = self.economy.parts_at(node)
            k = [np.array([d.values(level[row]) for d in parts]) for parts in agents]
            if max(map(len, k)) == 1:
                tails[:, row] = np.concatenate(k)
            else:
                tails[:, row], *self.saddles[row] = saddle_shares(k, width[row])
        return list(tails)

    @cached_property
    def tails(self) -> Array:
        """All distorted tails, (n_agents, m, b - 1)."""
        return np.array([np.broadcast_to(k, self.shape) for k in self._tails])

    @cached_property
    def shares(self) -> Array:
        """Who carries the layer between neighbouring totals, (n_agents, m, b - 1)."""
        shares = equal_shares(self.tails, weights=self.ties)
        for row, (mixed, _) in self.saddles.items():
            shares[:, row] = mixed
        return shares

    @cached_property
    def layer_risks(self) -> Array:
        """What the layers cost each agent at each parent, (n_agents, m)."""
        return (self.shares * self.tails * self.width).sum(axis=2)

    @cached_property
    def kept(self) -> Array:
        """What the layers leave each agent with at each child, (n_agents, m, b)."""
        parts = self.shares * self.width
        sums = np.cumsum(parts[:, :, ::-1], axis=2)[:, :, ::-1]
        sums = np.concatenate([sums, np.zeros((*sums.shape[:2], 1))], axis=2)
        order = np.argsort(-self._z, axis=1, kind="stable")
        kept = np.empty_like(sums)
        np.put_along_axis(kept, np.broadcast_to(order, sums.shape), sums, axis=2)
        return kept

    def layers(self, row: int) -> tuple[Layer, ...]:
        """The layers of one node, as a tuple of Layer."""
        return stack(
            self.z[min(row, len(self.z) - 1), ::-1], self.shares[:, row, ::-1].T
        )


class _NodeLayers(ReadOnly):
    """Node -> layers, made when asked for."""

    def __getitem__(self, node: int) -> tuple[Layer, ...]:
        family, row = super().__getitem__(node)
        return family.layers(row)
