r"""Dynamic optima with deterministic contracts: one retention function for all states.

At each time ``t`` the total :math:`Z = S_t + \bar R_t` is shared by functions
:math:`g^i(Z)` and constants :math:`c^i` that are fixed at time 0.  The layer at height
``x`` costs agent ``i`` on average

.. math:: H_i(x) = E[k^i_{t-1}(P(Z > x \mid \cdot))],

with the law given :math:`\mathcal F_{t-1}` or the unconditional law, and goes to the
agents with the smallest :math:`H_i`.  Individual rationality may forbid that: then a
linear programme finds the best contract of this form, if there is any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from math import factorial, prod

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.lp import InfeasibleProgramme, solve_lp
from dynpo_lite.base.records import ReadOnly
from dynpo_lite.base.types import Array, Integers
from dynpo_lite.economy.deterministic_programme import Market, Sacrifice, best_contracts
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.solution import Solution
from dynpo_lite.risk.crossings import equal_shares
from dynpo_lite.scenarios.nested_risk import Parts, descending_order
from dynpo_lite.sharing.layers import Layer, stack

TOL = 1e-9  # individual rationality, relative to the size of the losses
MAX_ORDERS = 120  # of the totals of earlier times, tried before giving up


class Infeasible(ValueError):
    """No individually rational allocation of the requested form exists, or was found.

    Attributes
    ----------
    node : int
        A node at which the demands cannot be met together.
    agents : tuple of int
        The agents whose demands conflict.
    shortfall : float
        The least loss, in units of loss, that every agent would have to accept at some
        node.
    proved : bool
        Whether no allocation of this form exists.  True at the last time, and wherever
        all orders of the totals of earlier times were tried; else False: contracts are
        found backwards in time, and other ones at later times may leave more room.
    """

    def __init__(
        self, node: int, agents: tuple[int, ...], shortfall: float, proved: bool
    ) -> None:
        self.node, self.agents, self.shortfall = node, agents, shortfall
        self.proved, names = proved, ", ".join(map(str, agents))
        super().__init__(
            "no individually rational allocation with deterministic retention "
            f"{'exists' if proved else 'was found'}: at node {node} the demands of "
            f"agents {names} miss each other by {shortfall:.6g}; use "
            "retention='state-dependent' or individually_rational=False"
        )

    def __reduce__(self) -> tuple:
        return type(self), (self.node, self.agents, self.shortfall, self.proved)


@dataclass(frozen=True, eq=False, repr=False)
class DeterministicSolution(Solution):
    """Contracts of every time, found at once, backwards in time.

    ``constants`` of a time sum to the essential infimum of what is shared then; with
    ``premia="node"`` those of every node before the payment do.
    """

    def __post_init__(self) -> None:
        validate.keep(self, _contracts=_Contracts(self))

    @cached_property
    def constants(self) -> Mapping[int, Array]:
        """Time of payment -> what each agent pays beside its layers.

        (n_agents,), or (n_agents, n_nodes of the time before) with premia by node.
        """
        return ReadOnly(self._contracts.constants)


class _Contracts:
    """The contracts found so far, from the last time on."""

    def __init__(self, solution: Solution):
        self.economy, self.law = solution.economy, solution.law
        self.individually_rational = solution.individually_rational
        self.by_node = solution.premia == "node"
        self.split, self.alone = solution.surplus_split, solution.risk_without_trade
        shape = self.economy.endowments.shape
        self.risk, self.paid = np.zeros(shape), np.zeros(shape)
        self.layer_risk = np.full(shape, np.nan)
        self.layers: dict[int, tuple[Layer, ...]] = {}
        self.constants: dict[int, Array] = {}
        self.orders: dict[int, Integers] = {}
        for t in range(self.economy.tree.horizon, 0, -1):
            self._solve_stage(t)

    def _solve_stage(self, t: int) -> None:
        """Find the best contract of one time, given those of later times."""
        stage, limits = self._stage(t), self._limits(t)
        if self.by_node and limits is not None:
            self._keep(stage, *stage.by_node(limits, self.split))
            return
        self.orders[t] = stage.order
        shares = stage.cheapest_shares()
        if shares is None or not stage.leaves_room(shares, limits):
            found = best_contracts([stage.market(limits)], stage.tol)
            if isinstance(found, Sacrifice):
                return self._solve_together(stage, found)
            shares = stage.shares_of(found[0])
        self._keep(stage, shares, stage.constants(shares, limits, self.split))

    def _stage(self, t: int) -> "_Stage":
        nodes = self.economy.tree.nodes(t)
        later = self.risk[:, nodes].sum(axis=0)
        return _Stage(self.economy, self.law, t, self.economy.aggregate[nodes] + later)

    def _limits(self, t: int) -> Array | None:
        parents = self.economy.tree.nodes(t - 1)
        return self.alone[:, parents] if self.individually_rational else None

    def _keep(self, stage: "_Stage", shares: Array, constants: Array) -> None:
        risks = stage.risks(shares)
        self.orders[stage.t] = stage.order
        self.layers[stage.t] = stack(stage.levels, shares.T)
        self.constants[stage.t] = validate.frozen(constants)
        if constants.ndim == 1:
            constants = np.broadcast_to(constants[:, None], risks.shape)
        self.layer_risk[:, stage.parents] = risks
        self.risk[:, stage.parents] = risks + constants
        carried = stage.retained(shares)[:, stage.rank] + constants[:, stage.above]
        self.paid[:, stage.children] = carried - self.risk[:, stage.children]

    def _solve_together(self, stage: "_Stage", least: Sacrifice) -> None:
        """Find contracts of the times from ``first`` on that leave room for each other.

        With the order of the totals given at each time but the last, whose totals are
        known, contracts are solutions of one linear programme.
        """
        first, horizon, conflicts = stage.t, self.economy.tree.horizon, [(stage, least)]
        tried, exhaustive = self._possible_orders(range(first, horizon))
        last = self._stage(horizon)
        for orders in tried:
            stages, markets = [last], [last.market(self._limits(horizon))]
            for t in range(horizon - 1, first - 1, -1):
                place = np.argsort(orders[t]).astype(float)
                stages.append(_Stage(self.economy, self.law, t, place))
                markets.append(stages[-1].market(self._limits(t), stages[-2]))
            found = best_contracts(markets, last.tol)
            if isinstance(found, Sacrifice):
                conflicts.append((stages[found.market], found))
            elif self._keep_together(first, found):
                return
            else:
                exhaustive = False
        stage, least = min(conflicts, key=lambda pair: pair[1].shortfall)
        node = int(stage.parents[least.parent])
        raise Infeasible(node, least.agents, least.shortfall, exhaustive)

    def _possible_orders(self, times: range) -> tuple[list[dict[int, Integers]], bool]:
        """Return orders of the totals, time -> order, and whether these are all."""
        if not times:
            return [], True
        nodes = [self.economy.tree.nodes(t) for t in times]
        total = self.economy.aggregate + self.alone.sum(axis=0)
        alone = [np.argsort(total[own], kind="stable") for own in nodes]
        tried: list[dict] = [self.orders, dict(zip(times, alone, strict=True))]
        exhaustive = prod(factorial(len(own)) for own in nodes) <= MAX_ORDERS
        if exhaustive:
            every = product(*(permutations(range(len(own))) for own in nodes))
            tried += [dict(zip(times, map(np.array, one))) for one in every]
        return tried, exhaustive

    def _keep_together(self, first: int, retentions: Sequence[Array]) -> bool:
        """Store contracts of all times from ``first`` on; tell if they are rational.

        A programme only bounds the risk of a supremum from above, so its totals, and
        with them what is carried, may differ from the true ones.
        """
        times = range(self.economy.tree.horizon, first - 1, -1)
        for t, retention in zip(times, retentions, strict=True):
            stage, limits = self._stage(t), self._limits(t)
            shares = stage.shares_of(retention)
            if t == first:
                constants = stage.constants(shares, limits, self.split)
            else:
                missing = stage.levels[0] - retention[:, 0].sum()
                constants = retention[:, 0] + missing / len(retention)
            self._keep(stage, shares, constants)
            risk = self.risk[:, stage.parents]
            if limits is not None and (risk - limits).max() > stage.tol:
                return False
        return True


class _Stage:
    """What is shared at one time, and how every agent weighs it at every node."""

    def __init__(self, economy: Economy, law: str, t: int, total: Array):
        tree = economy.tree
        self.economy, self.t = economy, t
        self.parents, self.children = tree.nodes(t - 1), tree.nodes(t)
        self.above = tree.parent[self.children] - self.parents[0]
        self.levels, self.rank = np.unique(total, return_inverse=True)
        self.order = np.argsort(self.rank, kind="stable")
        self.widths = np.diff(self.levels)
        self.chance = tree.unconditional[self.parents]
        self.tol = TOL * economy.scale
        read = self._read_conditional if law == "conditional" else self._read_marginal
        found = [read(agent) for agent in range(economy.n_agents)]
        self.readers, self.rows = zip(*found, strict=True)

    def _read_conditional(self, agent: int) -> tuple[list, Integers]:
        """Return weights of the levels, one matrix a distortion, and parents' rows."""
        from scipy.sparse import csr_array

        tree, first = self.economy.tree, self.children[0]
        found = self.economy.measures_at(agent, self.parents)
        n_parts = max(len(parts) for parts, _ in found)
        weights = np.empty((n_parts, len(self.children)))
        for ways in tree.branches[self.t - 1]:
            own = ways.entry - first
            order, level = descending_order(ways, self.rank[own])
            places = np.take_along_axis(own, order, axis=1)
            for parts, rows in self.economy.measures_at(agent, ways.node):
                at = level if len(level) == 1 else level[rows]
                for j in range(n_parts):
                    weights[j, places[rows]] = _differences(parts, j, at)
        shape = len(self.parents), len(self.levels)
        readers = [
            csr_array((own, (self.above, self.rank)), shape=shape) for own in weights
        ]
        return readers, np.arange(len(self.parents))

    def _read_marginal(self, agent: int) -> tuple[list, Integers]:
        """The same for the unconditional law: nodes with one measure share a row."""
        from scipy.sparse import csr_array

        mass = np.bincount(self.rank, self.economy.tree.unconditional[self.children])
        level = np.minimum(np.cumsum(mass[::-1]), 1.0)[None]
        found = self.economy.measures_at(agent, self.parents)
        rows = np.empty(len(self.parents), dtype=np.int64)
        for j, (_, nodes) in enumerate(found):
            rows[nodes] = j
        readers = []
        for j in range(max(len(parts) for parts, _ in found)):
            weights = [_differences(parts, j, level) for parts, _ in found]
            readers.append(csr_array(np.vstack(weights)[:, ::-1]))
        return readers, rows

    def cheapest_shares(self) -> Array | None:
        """Return the shares of the layers, (n_agents, m - 1); None with a supremum."""
        if any(len(readers) > 1 for readers in self.readers):
            return None
        costs = []
        for (reader,), rows in zip(self.readers, self.rows, strict=True):
            weights = np.bincount(rows, self.chance) @ reader
            costs.append(np.cumsum(weights[::-1])[-2::-1])
        return equal_shares(np.array(costs))

    def shares_of(self, retention: Array) -> Array:
        """Return the shares of the layers under a retention of nearly these levels."""
        levels = retention.sum(axis=0)
        at = np.array([np.interp(self.levels, levels, own) for own in retention])
        parts = np.maximum(np.diff(at, axis=1), 0.0)
        parts[:, parts.sum(axis=0) == 0] = 1.0
        shares = parts / parts.sum(axis=0)
        shares[shares < 1e-9] = 0.0
        return shares / shares.sum(axis=0)

    def retained(self, shares: Array) -> Array:
        """Return what the layers leave each agent with at each level."""
        steps = np.cumsum(shares * self.widths, axis=1)
        return np.hstack([np.zeros((len(shares), 1)), steps])

    def risks(self, shares: Array) -> Array:
        """What the layers cost each agent at each parent, (n_agents, n_parents)."""
        each = zip(self.readers, self.rows, self.retained(shares), strict=True)
        risks = [np.max([r @ own for r in k], axis=0)[rows] for k, rows, own in each]
        return np.array(risks)

    def leaves_room(self, shares: Array, limits: Array | None) -> bool:
        """Tell whether constants exist that respect the limits."""
        return limits is None or self._spare(shares, limits)[1] >= -self.tol

    def constants(self, shares: Array, limits: Array | None, split: Array) -> Array:
        """Return constants that sum to the lowest level and split what is spare."""
        if limits is None:
            return np.full(len(shares), self.levels[0] / len(shares))
        room, spare = self._spare(shares, limits)
        return room - split * spare

    def _spare(self, shares: Array, limits: Array) -> tuple[Array, float]:
        room = (limits - self.risks(shares)).min(axis=1)
        return room, room.sum() - self.levels[0]

    def by_node(self, limits: Array, split: Array) -> tuple[Array, Array]:
        """Return shares, and premia of every node, that nobody would refuse."""
        shares = self.cheapest_shares()
        if shares is None:
            raise ValueError(
                "premia = 'node' needs one distortion an agent: with a Supremum use "
                "state-dependent retention"
            )
        most = limits.sum(axis=0) - self.levels[0]  # what the layers may cost
        if (self.risks(shares).sum(axis=0) > most + self.tol).any():
            shares = self._affordable(most)
        room = limits - self.risks(shares)
        return shares, room - split[:, None] * (room.sum(axis=0) - self.levels[0])

    def _affordable(self, most: Array) -> Array:
        """Return the cheapest shares whose total cost is affordable at every node."""
        from scipy.sparse import csr_array, eye_array, hstack

        n, m = len(self.readers), len(self.widths)
        # the layer above a level weighs what all higher levels do
        costs = [
            np.cumsum(reader.toarray()[rows, ::-1], axis=1)[:, -2::-1] * self.widths
            for (reader,), rows in zip(self.readers, self.rows, strict=True)
        ]
        scale = max(float(self.widths.sum()), self.tol)
        left, missing = np.hstack(costs) / scale, np.ones((len(most), 1))
        whole = hstack([eye_array(m)] * n + [csr_array((m, 1))], format="csr")
        limits = csr_array(np.hstack([left, -missing])), most / scale
        programme = *limits, whole, np.ones(m)
        bounds = [(0, 1)] * (n * m) + [(0, self.tol / 2 / scale)]
        try:
            cost = np.append(self.chance @ left, 0.0)
            found = solve_lp(cost, *programme, bounds)
        except InfeasibleProgramme:  # what all nodes have to miss
            found = solve_lp(np.append(np.zeros(n * m), 1.0), *programme)
            node = int(self.parents[np.argmax(found.upper_prices)])
            proved = self.t == self.economy.tree.horizon
            shortfall, agents = found.value * scale / n, tuple(range(n))
            raise Infeasible(node, agents, shortfall, proved) from None
        kept = self.retained(found.x[:-1].reshape(n, m))
        return self.shares_of(kept + self.levels[0] / n)

    def market(self, limits: Array | None, later: "_Stage | None" = None) -> Market:
        """Return the data of the linear programme, given the stage one time later.

        Then the levels of this stage are places in an order of the totals.
        """
        known, rows = self.levels, None
        if later is not None:
            known = self.economy.aggregate[self.children[self.order]]
            rows = [own[self.order] for own in later.rows]
        return Market(self.readers, self.rows, self.chance, known, rows, limits)


def _differences(parts: Parts, j: int, level: Array) -> Array:
    """Return the differences of the distorted levels along rows that end at 1."""
    k = parts[min(j, len(parts) - 1)].values(level)  # of fewer parts the last again
    k[:, -1] = 1.0
    return np.maximum(np.diff(k, axis=1, prepend=0.0), 0.0)
