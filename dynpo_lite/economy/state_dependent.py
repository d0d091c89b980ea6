r"""Dynamic optima with state-dependent contracts, judged by conditional laws.

At every node the aggregate of the children plus their least total risk-to-go is shared
by layers,

.. math:: V_v = z_v + \max_k \int_0^\infty \min_i k_i(P(Z > x + z_v \mid v))\,dx, \qquad
          Z = S + V, \quad z_v = \mathrm{ess\,inf}(Z \mid v),

the maximum over the distortions of agents who use a supremum.  An allocation is
dynamically Pareto optimal exactly if it is individually rational and attains every
:math:`V_v` (Theorem R of the companion).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, TypeAlias

import numpy as np

from dynpo_lite.base.records import ReadOnly
from dynpo_lite.base.types import Array
from dynpo_lite.base.validate import frozen
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.solution import Solution
from dynpo_lite.economy.suprema import saddle_shares
from dynpo_lite.risk.crossings import equal_shares
from dynpo_lite.scenarios.branches import Branches, to_come
from dynpo_lite.scenarios.nested_risk import descending
from dynpo_lite.sharing.layers import Layer, stack

_Value: TypeAlias = "Callable[[SharingProblem], Array]"


@dataclass(frozen=True, eq=False, repr=False)
class StateDependentSolution(Solution):
    """Contracts and premia of every node; ``total_risk_to_go`` is computed at once."""

    def __post_init__(self) -> None:
        _ = self.total_risk_to_go

    @cached_property
    def _families(self) -> "tuple[SharingProblem, ...]":
        """The sharing problems of all groups of nodes, from the last time on."""
        scenarios, families = self.economy.scenarios, []
        total = np.zeros(scenarios.n_nodes)
        for stage in scenarios.branches[::-1]:
            for ways in stage:
                z = to_come(ways, self.economy.aggregate, total)
                family = SharingProblem(self.economy, ways, z, self.ties)
                total[ways.node] = family.value
                families.append(family)
        return tuple(families)

    def _filled(
        self, result: Array, value: Callable[["SharingProblem"], Array]
    ) -> Array:
        """Return the array, filled at all parents."""
        for family in self._families:
            result[..., family.ways.node] = value(family)
        return frozen(result)

    @cached_property
    def total_risk_to_go(self) -> Array:
        return self._filled(np.zeros(self.economy.scenarios.n_nodes), lambda f: f.value)

    @property
    def _noise(self) -> float:
        # never negative but for rounding
        return 1e-12 * self.economy.scale

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
        for family in self._families:
            ways = family.ways
            carried = family.kept + self.premium[:, ways.node, None]
            paid[:, ways.entry] = carried - self.risk_to_go[:, ways.target]
        return frozen(paid)

    @cached_property
    def layers(self) -> Mapping[int, tuple[Layer, ...]]:
        where = {
            node: (family, row)
            for family in self._families
            for row, node in enumerate(family.ways.node.tolist())
        }
        return _NodeLayers({node: where[node] for node in sorted(where)})

    @cached_property
    def saddle_weights(self) -> Mapping[int, tuple[Array, ...]]:
        return ReadOnly(
            {
                int(family.ways.node[row]): tuple(map(frozen, weights))
                for family in self._families
                for row, (_, weights) in family.saddles.items()
            }
        )


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
        tails = [self._distorted(i) for i in range(economy.n_agents)]
        known = [tail for tail in tails if tail is not None]
        self._tails = known if len(known) == len(tails) else self._solve_saddles()
        least = reduce(np.minimum, self._tails)
        self.value = (self.width * least).sum(axis=1) + self.sure

    def _distorted(self, agent: int) -> Array | None:
        """The agent's distorted tails, (m or 1, b - 1); None with a supremum."""
        measures = self.economy.measures_at(agent, self.ways.node)
        if any(len(parts) > 1 for parts, _ in measures):
            return None
        level = self.level[:, :-1]
        if len(measures) == 1:
            return measures[0][0][0].values(level)
        tails = np.empty(self.shape)
        for (k,), rows in measures:
            tails[rows] = k.values(level if len(level) == 1 else level[rows])
        return tails

    def _solve_saddles(self) -> list[Array]:
        """Return the tails under the worst mixtures, found node by node."""
        m, n = len(self.ways.node), self.economy.n_agents
        level = np.broadcast_to(self.level[:, :-1], self.shape)
        width = np.broadcast_to(self.width, self.shape)
        parts: list[list] = [[None] * m for _ in range(n)]
        for i in range(n):
            for found, rows in self.economy.measures_at(i, self.ways.node):
                for row in np.arange(m)[rows]:
                    parts[i][row] = found
        tails = np.empty((n, *self.shape))
        for row in range(m):
            k = [np.array([d.values(level[row]) for d in own[row]]) for own in parts]
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


class _NodeLayers(ReadOnly[int, Any]):
    """Node -> layers, made when asked for."""

    def __getitem__(self, node: int) -> tuple[Layer, ...]:
        family, row = super().__getitem__(node)
        return family.layers(row)
