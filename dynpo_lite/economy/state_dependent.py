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
from typing import Any

import numpy as np

from dynpo_lite.base.records import ReadOnly
from dynpo_lite.base.types import Array
from dynpo_lite.base.validate import frozen, keep
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.solution import Solution
from dynpo_lite.economy.suprema import saddle_shares
from dynpo_lite.risk.crossings import equal_shares
from dynpo_lite.scenarios.nested_risk import Parts, descending
from dynpo_lite.scenarios.tree import Siblings
from dynpo_lite.sharing.layers import Layer, stack


@dataclass(frozen=True, eq=False, repr=False)
class StateDependentSolution(Solution):
    """Contracts and premia of every node; ``total_risk_to_go`` is computed at once."""

    def __post_init__(self) -> None:
        tree, families = self.economy.tree, []  # groups of nodes, from the last time on
        total = np.zeros(tree.n_nodes)
        for t in range(tree.horizon - 1, -1, -1):
            for siblings in tree.siblings[t]:
                z = self.economy.aggregate[siblings.children] + total[siblings.children]
                family = _Family(self.economy, siblings, z)
                total[siblings.parent] = family.value
                families.append(family)
        keep(self, _contracts=tuple(families), total_risk_to_go=total)

    def _filled(self, result: Array, value: Callable[["_Family"], Array]) -> Array:
        """Return the array, filled at all parents."""
        for family in self._contracts:
            result[..., family.siblings.parent] = value(family)
        return frozen(result)

    @cached_property
    def risk_to_go(self) -> Array:
        if self.individually_rational:
            saved = self.surplus_split[:, None] * self.surplus
            return frozen(self.risk_without_trade - saved)
        none, n = np.zeros_like(self.economy.endowments), self.economy.n_agents
        return self._filled(none, lambda f: f.layer_risks + f.sure / n)

    @cached_property
    def layer_risk(self) -> Array:
        unknown = np.full(self.economy.endowments.shape, np.nan)
        return self._filled(unknown, lambda f: f.layer_risks)

    @cached_property
    def allocation(self) -> Array:
        paid = np.zeros_like(self.economy.endowments)
        for family in self._contracts:
            children, parent = family.siblings.children, family.siblings.parent
            carried = family.kept + self.premium[:, parent, None]
            paid[:, children] = carried - self.risk_to_go[:, children]
        return frozen(paid)

    @cached_property
    def layers(self) -> Mapping[int, tuple[Layer, ...]]:
        where = {}
        for family in self._contracts:
            for row, node in enumerate(family.siblings.parent.tolist()):
                where[node] = family, row
        return _NodeLayers({node: where[node] for node in sorted(where)})

    @cached_property
    def saddle_weights(self) -> Mapping[int, tuple[Array, ...]]:
        found = {}
        for family in self._contracts:
            for row, (_, weights) in family.saddles.items():
                found[int(family.siblings.parent[row])] = tuple(map(frozen, weights))
        return ReadOnly(found)


class _Family:
    """The sharing problem of one group of nodes with equally many children."""

    def __init__(self, economy: Economy, siblings: Siblings, z: Array):
        self.economy, self.siblings, self._z = economy, siblings, z
        self.z, self.level = descending(siblings, z)
        self.width = self.z[:, :-1] - self.z[:, 1:]
        self.sure = self.z[:, -1]
        self.saddles: dict[int, list] = {}
        agents = range(economy.n_agents)
        measures = [economy.measures_at(i, siblings.parent) for i in agents]
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
        tails = np.empty(self.width.shape)
        for (k,), rows in measures:
            tails[rows] = k.values(level if len(level) == 1 else level[rows])
        return tails

    def _solve_saddles(self) -> list[Array]:
        """Return the tails under the worst mixtures, found node by node."""
        level = np.broadcast_to(self.level[:, :-1], self.width.shape)
        tails = np.empty((self.economy.n_agents, *self.width.shape))
        for row, node in enumerate(self.siblings.parent.tolist()):
            agents = self.economy.parts_at(node)
            k = [np.array([d.values(level[row]) for d in parts]) for parts in agents]
            if max(map(len, k)) == 1:
                tails[:, row] = np.concatenate(k)
            else:
                tails[:, row], *self.saddles[row] = saddle_shares(k, self.width[row])
        return list(tails)

    @cached_property
    def tails(self) -> Array:
        """All distorted tails, (n_agents, m, b - 1)."""
        return np.array([np.broadcast_to(k, self.width.shape) for k in self._tails])

    @cached_property
    def shares(self) -> Array:
        """Who carries the layer between neighbouring totals, (n_agents, m, b - 1)."""
        shares = equal_shares(self.tails)
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
        return stack(self.z[row, ::-1], self.shares[:, row, ::-1].T)


class _NodeLayers(ReadOnly):
    """Node -> layers, made when asked for."""

    def __getitem__(self, node: int) -> tuple[Layer, ...]:
        family, row = super().__getitem__(node)
        return family.layers(row)
