r"""Dynamic optima with deterministic contracts: one retention function for all states.

At each time ``t`` the total :math:`Z = S_t + \bar R_t` is shared by functions
:math:`g^i(Z)` and constants :math:`c^i` that are fixed at time 0.  The layer at height
``x`` costs agent ``i`` on average

.. math:: H_i(x) = E[k^i_{t-1}(P(Z > x \mid \cdot))],

with the law given :math:`\mathcal F_{t-1}` or the unconditional law, and goes to the
agents with the smallest :math:`H_i`.  Individual rationality may forbid that: then a
linear programme finds the best contract of this form, if there is any.
"""

from functools import cached_property

import numpy as np

from .layers import equal_shares, stack
from .saddle import TIGHT

TOL = 1e-9  # individual rationality, relative to the size of the losses


class Infeasible(ValueError):
    """No individually rational allocation of the requested form exists.

    Contracts are found backwards in time: what is refused is a contract at one time,
    given the best ones later.

    Attributes
    ----------
    node : int
        A node at which the demands cannot be met together.
    agents : tuple of int
        The agents whose demands conflict.
    shortfall : float
        The least loss, in units of loss, that every agent would have to accept at some
        node of that stage.
    """

    def __init__(self, node, agents, shortfall):
        self.node, self.agents, self.shortfall = node, agents, shortfall
        names = ", ".join(map(str, agents))
        super().__init__(
            f"no individually rational allocation with deterministic retention exists: "
            f"at node {node} the demands of agents {names} miss each other by "
            f"{shortfall:.6g}; use retention='state-dependent' or "
            "individually_rational=False"
        )


def solve_deterministic(economy, law, individually_rational):
    """Solve with deterministic retention; see :func:`dynpo_lite.optima.solve`."""
    return DeterministicSolution(economy, law, bool(individually_rational))


class DeterministicSolution:
    """A dynamic optimum with deterministic retention; see :func:`dynpo_lite.solve`.

    Attributes
    ----------
    total_risk_to_go : ndarray of shape (n_nodes,)
    risk_to_go, allocation : ndarray of shape (n_agents, n_nodes)
    surplus : ndarray of shape (n_nodes,)
        Against no trade from a node onward; negative where the contract, good on
        average, is worse there.
    layers : dict
        Time of payment ``t`` = 1..T -> tuple of Layer.
    constants : dict
        Time of payment -> ndarray of shape (n_agents,), summing to the essential
        infimum of what is shared.
    risk_interval, premium_interval : ndarray of shape (n_agents, n_nodes, 2)
        As for state-dependent retention, node by node.
    """

    def __init__(self, economy, law, individually_rational):
        self.economy, self.law = economy, law
        self.individually_rational = individually_rational
        tree, shape = economy.tree, economy.endowments.shape
        self.risk_to_go = np.zeros(shape)
        self.allocation = np.zeros(shape)
        self.layers, self.constants = {}, {}
        self._layer_risks = np.full(shape, np.nan)
        for t in range(tree.horizon, 0, -1):
            self._solve_stage(t)
        self.total_risk_to_go = self.risk_to_go.sum(axis=0)

    def _solve_stage(self, t):
        economy = self.economy
        parents, children = economy.tree.nodes(t - 1), economy.tree.nodes(t)
        total = economy.aggregate[children] + self.risk_to_go[:, children].sum(axis=0)
        stage = _Stage(economy, self.law, parents, children, total)
        limits = None
        if self.individually_rational:
            limits = economy.risk_without_trade(self.law)[:, parents]
        shares, constants = stage.contract(limits)
        risks = stage.risks(shares)
        self.layers[t] = stack(stage.levels, shares.T)
        self.constants[t] = constants
        self._layer_risks[:, parents] = risks
        self.risk_to_go[:, parents] = risks + constants[:, None]
        steps = np.cumsum(shares * stage.widths, axis=1)
        kept = np.hstack([np.zeros((len(shares), 1)), steps])[:, stage.rank]
        carried = kept + constants[:, None]
        self.allocation[:, children] = carried - self.risk_to_go[:, children]

    @property
    def _without_trade(self):
        return self.economy.risk_without_trade(self.law)

    @cached_property
    def surplus(self):
        return self._without_trade.sum(axis=0) - self.total_risk_to_go

    @cached_property
    def risk_interval(self):
        high = self._without_trade
        interval = np.stack([high - self.surplus, high], axis=-1)
        interval[:, self.economy.tree.leaves] = np.nan
        return interval

    @cached_property
    def premium_interval(self):
        return self.risk_interval - self._layer_risks[:, :, None]


class _Stage:
    """What is shared at one time, and what its layers cost whom and where."""

    def __init__(self, economy, law, parents, children, total):
        self.economy, self.parents = economy, parents
        tree = economy.tree
        self.levels, self.rank = np.unique(total, return_inverse=True)
        self.widths = np.diff(self.levels)
        self.chance = tree.unconditional[parents]
        n_layers = len(self.widths)
        if law == "marginal":
            mass = np.bincount(self.rank, tree.unconditional[children], n_layers + 1)
            rows = mass[None]
        else:
            owner = tree.parent[children] - parents[0]
            rows = np.zeros((len(parents), n_layers + 1))
            np.add.at(rows, (owner, self.rank), tree.probability[children])
        beyond = np.cumsum(rows[:, ::-1], axis=1)[:, ::-1][:, 1:]
        self.beyond = np.broadcast_to(
            np.clip(beyond, 0.0, 1.0), (len(parents), n_layers)
        )
        self.tails = [self._tails(i) for i in range(economy.n_agents)]
        self.single = all(len(tails) == 1 for tails in self.tails)

    def _tails(self, agent):
        """Distorted tails (n_parts, n_parents, n_layers); parts padded by the last."""
        measures = self.economy.measures_at(agent, self.parents)
        n_parts = max(len(parts) for parts, _ in measures)
        tails = np.empty((n_parts, *self.beyond.shape))
        for parts, rows in measures:
            for j in range(n_parts):
                k = parts[min(j, len(parts) - 1)]
                tails[j, rows] = k._k(self.beyond[rows])
        return tails

    def risks(self, shares):
        """What the layers cost each agent at each parent, (n_agents, n_parents)."""
        return np.array(
            [
                (tails @ (row * self.widths)).max(axis=0)
                for tails, row in zip(self.tails, shares, strict=True)
            ]
        )

    def contract(self, limits):
        """Return the shares of the layers and the constants."""
        n, base = self.economy.n_agents, float(self.levels[0])
        if self.single:
            costs = np.array([self.chance @ tails[0] for tails in self.tails])
            shares = equal_shares(costs)
        else:
            shares, _ = self._programme(None)
        if limits is None:
            return shares, np.full(n, base / n)
        room = (limits - self.risks(shares)).min(axis=1)
        spare = room.sum() - base
        if spare < -TOL * self.economy.scale:
            return self._programme(limits)
        return shares, room - spare / n

    def _programme(self, limits):
        """The best contract by linear programming, rational where limits are given."""
        from scipy.optimize import linprog
        from scipy.sparse import block_diag, csr_matrix, eye, hstack, kron, vstack

        n, m = self.economy.n_agents, len(self.widths)
        n_parents, base = len(self.parents), float(self.levels[0])
        # in units of this time's own spread, constants counted from a first guess
        scale = float(self.levels[-1]) - base or 1.0
        guess = np.full(n, base / n) if limits is None else limits.min(axis=1)
        d = self.widths / scale
        # variables: shares (n * m), risks of layers (n * n_parents), constants (n)
        risk = -eye(n_parents)
        rows = []
        for i, tails in enumerate(self.tails):
            for k in tails:
                cost = csr_matrix(k * d)
                left = csr_matrix((n_parents, i * m))
                right = csr_matrix((n_parents, (n - 1 - i) * m))
                select = csr_matrix(([1.0], ([0], [i])), shape=(1, n))
                blocks = [left, cost, right, kron(select, risk)]
                rows.append(hstack([*blocks, csr_matrix((n_parents, n))]))
        upper, caps = vstack(rows).tocsr(), np.zeros(len(rows) * n_parents)
        whole = hstack([eye(m)] * n + [csr_matrix((m, n * n_parents + n))])
        cash = hstack([csr_matrix((1, n * (m + n_parents))), np.ones((1, n))])
        equal = vstack([whole, cash]).tocsr()
        equals = np.append(np.ones(m), (base - guess.sum()) / scale)
        objective = np.concatenate(
            [np.zeros(n * m), np.tile(self.chance, n), np.zeros(n)]
        )
        bounds = [(0, 1)] * (n * m) + [(None, None)] * (n * n_parents + n)
        if limits is not None:
            each = block_diag([np.ones((n_parents, 1))] * n)
            rational = hstack(
                [csr_matrix((n * n_parents, n * m)), eye(n * n_parents), each]
            )
            upper = vstack([upper, rational]).tocsr()
            caps = np.append(caps, (limits - guess[:, None]).ravel() / scale)
        found = linprog(
            objective,
            upper,
            caps,
            equal,
            equals,
            bounds=bounds,
            method="highs",
            options=TIGHT,
        )
        if found.status == 2:
            self._raise_infeasible(
                upper, caps, equal, equals, bounds, n * n_parents, scale
            )
        if found.status != 0:
            raise RuntimeError(f"the linear programme failed: {found.message}")
        shares = np.clip(found.x[: n * m].reshape(n, m), 0.0, 1.0)
        shares[shares < 1e-9] = 0.0
        shares /= shares.sum(axis=0)
        constants = found.x[-n:] * scale + guess
        constants += (base - constants.sum()) / n
        return shares, constants

    def _raise_infeasible(self, upper, caps, equal, equals, bounds, n_rational, scale):
        """Find the least common sacrifice and who forces it, and raise."""
        from scipy.optimize import linprog
        from scipy.sparse import hstack

        slack = np.zeros((upper.shape[0], 1))
        slack[-n_rational:] = -1.0
        upper = hstack([upper, slack]).tocsr()
        equal = hstack([equal, np.zeros((equal.shape[0], 1))]).tocsr()
        objective = np.append(np.zeros(upper.shape[1] - 1), 1.0)
        found = linprog(
            objective,
            upper,
            caps,
            equal,
            equals,
            bounds=[*bounds, (0, None)],
            method="highs-ds",
            options=TIGHT,
        )
        dual = -found.ineqlin.marginals[-n_rational:]
        dual = dual.reshape(self.economy.n_agents, len(self.parents))
        node = int(self.parents[np.argmax(dual.sum(axis=0))])
        agents = tuple(np.flatnonzero(dual.max(axis=1) > 1e-9).tolist())
        raise Infeasible(node, agents, float(found.fun) * scale)
