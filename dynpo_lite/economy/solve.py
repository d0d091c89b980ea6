r"""Dynamic Pareto optima of an economy, backwards in time.

State-dependent retention (conditional laws): at every node the aggregate of the
children plus their least total risk-to-go is shared by layers,

.. math:: V_v = z_v + \max_k \int_0^\infty \min_i k_i(P(Z > x + z_v \mid v))\,dx, \qquad
          Z = S + V, \quad z_v = \mathrm{ess\,inf}(Z \mid v),

the maximum over the distortions of agents who use a supremum.  An allocation is
dynamically Pareto optimal exactly if it is individually rational and attains every
:math:`V_v` (Theorem R of the companion).  Deterministic retention is in
:mod:`dynpo_lite.economy.deterministic`.
"""

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.economy.deterministic import DeterministicSolution, rational_risks
from dynpo_lite.economy.suprema import saddle_shares
from dynpo_lite.risk.crossings import equal_shares
from dynpo_lite.scenarios.nested_risk import descending
from dynpo_lite.sharing.layers import stack


def solve(
    economy,
    retention=None,
    law="conditional",
    individually_rational=True,
    surplus_split=None,
):
    """Return a dynamically Pareto optimal allocation of an economy.

    Parameters
    ----------
    economy : Economy
    retention : {"state-dependent", "deterministic"}, optional
        Whether contracts and premia may depend on the node at which they are made.
        By default state-dependent for conditional laws, else deterministic.
    law : {"conditional", "marginal"}
        Which law the one-step measures look at: the law given the node, or the
        unconditional one (as Section 6.2 of the paper computes).
    individually_rational : bool
        Whether nobody may be worse off than without trade, at any node.  If False,
        layers only: the sure part is shared equally, nobody's endowment matters.
    surplus_split : array_like of shape (n_agents,), optional
        The parts that the agents get, at least 0, summing to 1, of the surplus at each
        node, or of what the bounds (47) on deterministic constants leave; equal by
        default.  Only with individual rationality.

    Returns
    -------
    Solution or DeterministicSolution
        With ``total_risk_to_go``, ``risk_to_go``, ``allocation``, ``surplus``,
        ``layers``, ``risk_interval`` and ``premium_interval``.

    Raises
    ------
    ValueError
        For the marginal law with state-dependent retention, or a split that is none.
    Infeasible
        Deterministic retention on conditional laws only: if no individually rational
        allocation of that form exists, or none was found; ``proved`` says which.

    Notes
    -----
    State-dependent: every part of the surplus is individually rational, so nothing is
    infeasible.  Deterministic: constants that satisfy (47) where they exist, else the
    optimum of (44) under individual rationality by a linear programme.  Contracts are
    found backwards in time; where the best ones of later times leave no room for one
    at this time, those of all times from here on are sought together: the least sum of
    expected total risks-to-go, for the order of the totals as found, as without trade,
    and, where there are at most 120, for all orders.  Where several contracts of a time
    are best, the one found may depend on the order of the agents, and with it the
    totals of earlier times.  On marginal laws a contract always exists: the comonotone
    improvement of ``X + R(X)`` is one.

    References
    ----------
    Theorem 5.21 of the paper and its conditional repair.

    Examples
    --------
    >>> from dynpo_lite import Economy, Expectation, ExpectedShortfall, ScenarioTree
    >>> tree = ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> agents = [Expectation(), ExpectedShortfall(0.5)]
    >>> solution = solve(Economy(tree, [[0, 0, 0], [0, 0, 4]], agents))
    >>> solution.total_risk_to_go.tolist(), solution.surplus.tolist()  # 2, not 4
    ([2.0, 0.0, 0.0], [2.0, 0.0, 0.0])
    >>> solution.allocation.tolist()  # agent 1 takes the risk for a premium of 3
    [[0.0, -3.0, 1.0], [0.0, 3.0, 3.0]]
    """
    validate.choice("law", law, ("conditional", "marginal"))
    if retention is None:
        retention = "state-dependent" if law == "conditional" else "deterministic"
    validate.choice("retention", retention, ("state-dependent", "deterministic"))
    if law == "marginal" and retention == "state-dependent":
        raise ValueError(
            "retention = 'state-dependent' does not go with law = 'marginal': choose "
            "'deterministic', or law = 'conditional'"
        )
    n = economy.n_agents
    split = np.full(n, 1.0 / n)
    if surplus_split is not None:
        if not individually_rational:
            raise ValueError(
                "surplus_split goes with individually_rational=True: leave it out"
            )
        split = validate.probabilities("surplus_split", surplus_split, n)
    if retention == "deterministic":
        return DeterministicSolution(economy, law, bool(individually_rational), split)
    return Solution(economy, bool(individually_rational), split)


class Solution:
    """A dynamic Pareto optimum with state-dependent retention; see :func:`solve`.

    Attributes
    ----------
    total_risk_to_go : ndarray of shape (n_nodes,)
        The least total risk-to-go ``V``; 0 at leaves.  Computed at once, the rest on
        first access.
    surplus : ndarray of shape (n_nodes,)
        What trade from a node onward saves, against no trade from there onward.
    risk_to_go, allocation : ndarray of shape (n_agents, n_nodes)
        Every agent's risk and payments; the allocation is 0 at the root.
    layers : mapping
        Node -> tuple of Layer, of the total to be shared at the node's children.
    risk_interval, premium_interval : ndarray of shape (n_agents, n_nodes, 2)
        The risks that individual rationality allows, and the premia, paid at the
        node's children, that attain them; nan at leaves.
    premium : ndarray of shape (n_agents, n_nodes)
        The premia of this solution; nan at leaves.
    saddle_weights : dict
        Node -> for each agent the weights of its distortions in the worst mixture, of
        the nodes where somebody uses a supremum.
    """

    def __init__(self, economy, individually_rational, split):
        self.economy = economy
        self.individually_rational = individually_rational
        self._split = split
        tree = economy.tree
        total = np.zeros(tree.n_nodes)
        self._families = []  # stage, siblings, sorted totals, levels, tails, weights
        for t in range(tree.horizon - 1, -1, -1):
            for siblings in tree.siblings[t]:
                z = economy.aggregate[siblings.children] + total[siblings.children]
                family = _Family(economy, siblings, z)
                total[siblings.parent] = family.value
                self._families.append(family)
        self.total_risk_to_go = validate.frozen(total)

    @cached_property
    def surplus(self):
        surplus = self._without_trade.sum(axis=0) - self.total_risk_to_go
        # never negative but for rounding
        return validate.frozen(
            np.where(np.abs(surplus) <= 1e-12 * self.economy.scale, 0.0, surplus)
        )

    @property
    def _without_trade(self):
        return self.economy.risk_without_trade("conditional")

    @cached_property
    def risk_to_go(self):
        if self.individually_rational:
            saved = self._split[:, None] * self.surplus
            return validate.frozen(self._without_trade - saved)
        risk = np.zeros_like(self.economy.endowments)
        for family in self._families:
            equal = family.sure / self.economy.n_agents
            risk[:, family.siblings.parent] = family.layer_risks + equal
        return validate.frozen(risk)

    @cached_property
    def risk_interval(self):
        return rational_risks(self.economy, "conditional", self.surplus)

    @cached_property
    def _layer_risks(self):
        """What each agent's layers cost it at each node, premia left out."""
        risks = np.full(self.economy.endowments.shape, np.nan)
        for family in self._families:
            risks[:, family.siblings.parent] = family.layer_risks
        return risks

    @cached_property
    def premium_interval(self):
        return self.risk_interval - self._layer_risks[:, :, None]

    @cached_property
    def premium(self):
        return self.risk_to_go - self._layer_risks

    @cached_property
    def allocation(self):
        paid = np.zeros_like(self.economy.endowments)
        for family in self._families:
            children, parent = family.siblings.children, family.siblings.parent
            carried = family.kept + self.premium[:, parent, None]
            paid[:, children] = carried - self.risk_to_go[:, children]
        return validate.frozen(paid)

    @cached_property
    def layers(self):
        return _NodeLayers(self._families)

    @cached_property
    def saddle_weights(self):
        return {
            int(family.siblings.parent[row]): tuple(weights)
            for family in self._families
            for row, (_, weights) in family.saddles.items()
        }


class _Family:
    """The sharing problem of one group of nodes with equally many children."""

    def __init__(self, economy, siblings, z):
        self.economy, self.siblings, self._z = economy, siblings, z
        self.z, self.level = descending(siblings, z)
        self.width = self.z[:, :-1] - self.z[:, 1:]
        self.sure = self.z[:, -1]
        self._tails = []
        for i in range(economy.n_agents):
            self._tails.append(self._distorted(i))
        self.saddles = {}
        if any(tail is None for tail in self._tails):
            self._solve_saddles()
        k = self._tails[0]
        for tail in self._tails[1:]:
            k = np.minimum(k, tail)
        self.value = (self.width * k).sum(axis=1) + self.sure

    def _distorted(self, agent):
        """The agent's distorted tails, (m or 1, b - 1); None with a supremum."""
        measures = self.economy.measures_at(agent, self.siblings.parent)
        if any(len(parts) > 1 for parts, _ in measures):
            return None
        level = self.level[:, :-1]
        if len(measures) == 1 or len(level) > 1:
            shape = (len(self.z), level.shape[1])
            if len(measures) == 1:
                return measures[0][0][0].values(level)
            tails = np.empty(shape)
            for (k,), rows in measures:
                tails[rows] = k.values(level[rows])
            return tails
        tails = np.empty((len(self.z), level.shape[1]))
        for (k,), rows in measures:
            tails[rows] = k.values(level[0])
        return tails

    def _solve_saddles(self):
        """Fill in the worst mixtures of agents with a supremum, node by node."""
        m, n = len(self.z), self.economy.n_agents
        level = np.broadcast_to(self.level[:, :-1], self.width.shape)
        parts = [[None] * m for _ in range(n)]
        for i in range(n):
            for found, rows in self.economy.measures_at(i, self.siblings.parent):
                for row in np.arange(m)[rows]:
                    parts[i][row] = found
        tails = np.empty((n, *self.width.shape))
        for row in range(m):
            if all(len(parts[i][row]) == 1 for i in range(n)):
                tails[:, row] = [parts[i][row][0].values(level[row]) for i in range(n)]
                continue
            k = [
                np.array([d.values(level[row]) for d in parts[i][row]])
                for i in range(n)
            ]
            tails[:, row], shares, weights = saddle_shares(k, self.width[row])
            self.saddles[row] = shares, weights
        self._tails = list(tails)

    @cached_property
    def tails(self):
        """All distorted tails, (n_agents, m, b - 1)."""
        return np.array([np.broadcast_to(k, self.width.shape) for k in self._tails])

    @cached_property
    def shares(self):
        """Who carries the layer between neighbouring totals, (n_agents, m, b - 1)."""
        shares = equal_shares(self.tails)
        for row, (mixed, _) in self.saddles.items():
            shares[:, row] = mixed
        return shares

    @cached_property
    def layer_risks(self):
        """What the layers cost each agent at each parent, (n_agents, m)."""
        return (self.shares * self.tails * self.width).sum(axis=2)

    @cached_property
    def kept(self):
        """What the layers leave each agent with at each child, (n_agents, m, b)."""
        parts = self.shares * self.width
        sums = np.cumsum(parts[:, :, ::-1], axis=2)[:, :, ::-1]
        sums = np.concatenate([sums, np.zeros((*sums.shape[:2], 1))], axis=2)
        order = np.argsort(-self._z, axis=1, kind="stable")
        kept = np.empty_like(sums)
        np.put_along_axis(kept, np.broadcast_to(order, sums.shape), sums, axis=2)
        return kept

    def layers(self, row):
        """The layers of one node, as a tuple of Layer."""
        return stack(self.z[row, ::-1], self.shares[:, row, ::-1].T)


class _NodeLayers(Mapping):
    """Node -> layers, made when asked for."""

    def __init__(self, families):
        self._where = {
            int(node): (family, row)
            for family in families
            for row, node in enumerate(family.siblings.parent.tolist())
        }

    def __getitem__(self, node):
        family, row = self._where[node]
        return family.layers(row)

    def __iter__(self):
        return iter(sorted(self._where))

    def __len__(self):
        return len(self._where)
