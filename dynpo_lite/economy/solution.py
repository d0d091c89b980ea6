"""What :func:`dynpo_lite.solve` returns, in every reading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dynpo_lite.base.records import ReadOnly
from dynpo_lite.base.types import Array, ArrayLike
from dynpo_lite.base.validate import frozen
from dynpo_lite.economy.bills import (
    Bills,
    Followed,
    PremiumParts,
    bills_at,
    follow,
    premium_parts,
)
from dynpo_lite.economy.economy import Economy
from dynpo_lite.sharing.layers import Layer

# a surplus below this is rounding: by nodes it is never negative
NOISE = {"state-dependent": 1e-12, "deterministic": 0.0}


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """A dynamic Pareto optimum; see :func:`dynpo_lite.solve`.

    Everything it holds is read-only; what is not asked for is not computed.

    Attributes
    ----------
    economy : Economy
    law, retention : str
        The reading, as given to ``solve`` or its default.
    individually_rational : bool
    surplus_split : ndarray of shape (n_agents,) or (n_agents, n_nodes)
    ties : ndarray of shape (n_agents,)
    premia : str

    Examples
    --------
    >>> import dynpo_lite as dp
    >>> tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> agents = [dp.Expectation(), dp.ExpectedShortfall(0.5)]
    >>> economy = dp.Economy(tree, [[0, 0, 0], [0, 0, 4]], agents)
    >>> for law in ("conditional", "marginal"):  # one period: the laws agree
    ...     solution = dp.solve(economy, law=law)
    ...     print(solution.retention, solution.premium[:, 0].tolist())
    state-dependent [-3.0, 3.0]
    deterministic [-3.0, 3.0]
    """

    economy: Economy
    law: str
    retention: str
    individually_rational: bool
    surplus_split: Array
    ties: Array
    premia: str = "stage"

    @cached_property
    def _contracts(self) -> Any:
        """What was found at once, unless a reading finds it when asked for."""
        raise NotImplementedError

    @cached_property
    def total_risk_to_go(self) -> Array:
        """The least total risk-to-go at every node, (n_nodes,); 0 at leaves."""
        return frozen(self.risk_to_go.sum(axis=0))

    @cached_property
    def risk_to_go(self) -> Array:
        """Every agent's risk-to-go at every node, (n_agents, n_nodes)."""
        return frozen(self._contracts.risk)

    @cached_property
    def allocation(self) -> Array:
        """What every agent pays at every node, (n_agents, n_nodes); 0 at the root."""
        return frozen(self._contracts.paid)

    @cached_property
    def layers(self) -> Mapping[int, tuple[Layer, ...]]:
        """The layers of the total that is shared.

        By the node before the payment where contracts depend on it; by the time of
        payment 1..T where they are deterministic.
        """
        return ReadOnly(self._contracts.layers)

    @cached_property
    def layer_risk(self) -> Array:
        """What its layers cost each agent, premium left out; nan at leaves."""
        return frozen(self._contracts.layer_risk)

    @cached_property
    def saddle_weights(self) -> Mapping[int, tuple[Array, ...]]:
        """Node -> each agent's weights of its distortions in the worst mixture.

        Only nodes at which somebody uses a supremum; empty for deterministic retention.
        """
        return ReadOnly({})

    @cached_property
    def surplus(self) -> Array:
        """What trade from a node onward saves against no trade, (n_nodes,).

        Negative where a deterministic contract, good on average, is worse there.
        """
        noise = NOISE[self.retention] * self.economy.scale
        surplus = self.risk_without_trade.sum(axis=0) - self.total_risk_to_go
        return frozen(np.where(np.abs(surplus) <= noise, 0.0, surplus))

    @property
    def risk_without_trade(self) -> Array:
        """Every agent's risk-to-go of its endowment, (n_agents, n_nodes)."""
        return self.economy.risk_without_trade(self.law)

    @cached_property
    def risk_interval(self) -> Array:
        """The risks that individual rationality allows, (n_agents, n_nodes, 2).

        nan at leaves.
        """
        high = self.risk_without_trade
        interval = np.stack([high - self.surplus, high], axis=-1)
        interval[:, self.economy.scenarios.leaves] = np.nan
        return frozen(interval)

    @cached_property
    def premium_interval(self) -> Array:
        """The premia that attain ``risk_interval``, (n_agents, n_nodes, 2)."""
        return frozen(self.risk_interval - self.layer_risk[:, :, None])

    @cached_property
    def premium(self) -> Array:
        """What each agent pays beside its layers, (n_agents, n_nodes); nan at leaves.

        Paid at the node's children; risk-to-go less the cost of the layers.
        """
        return frozen(self.risk_to_go - self.layer_risk)

    @property
    def premium_parts(self) -> PremiumParts:
        """The premium in its parts: sure, expected, loading and transfer.

        Examples
        --------
        >>> import dynpo_lite as dp
        >>> tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
        >>> agents = [dp.Expectation(), dp.ExpectedShortfall(0.5)]
        >>> solution = dp.solve(dp.Economy(tree, [[0, 0, 0], [0, 0, 4]], agents))
        >>> [part[:, 0].tolist() for part in solution.premium_parts]
        [[0.0, 0.0], [-2.0, 0.0], [0.0, 0.0], [-1.0, 3.0]]
        """
        return premium_parts(self)

    def bills(self, node: int = 0) -> Bills:
        """Return what each agent pays on each way from a node, in parts.

        Parameters
        ----------
        node : int
            Before the horizon.

        Returns
        -------
        Bills

        Raises
        ------
        ValueError
            If there is no such node.

        Examples
        --------
        Agent 1 carries the risk, and gets 2 for that and 1 of the surplus.

        >>> import dynpo_lite as dp
        >>> tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
        >>> agents = [dp.Expectation(), dp.ExpectedShortfall(0.5)]
        >>> economy = dp.Economy(tree, [[0, 0, 0], [0, 0, 4]], agents)
        >>> bills = dp.solve(economy).bills()
        >>> bills.layer.tolist(), bills.price[:, 0].tolist()
        ([[0.0, 4.0], [0.0, 0.0]], [-2.0, -0.0])
        >>> bills.transfer[:, 0].tolist(), bills.payment.tolist()
        ([-1.0, 3.0], [[-3.0, 1.0], [3.0, 3.0]])
        """
        return bills_at(self, node)

    def follow(self, path: ArrayLike, nodes: Sequence[int] | None = None) -> Followed:
        """Return the payments along one observed path of losses.

        Parameters
        ----------
        path : array_like of shape (T, n_agents)
            What each agent lost at times 1..T.
        nodes : sequence of T ints, optional
            The nodes at times 1..T, where what is known says more than the losses; by
            default each step is taken along the way with the nearest losses.

        Returns
        -------
        Followed

        Raises
        ------
        ValueError
            If the path has the wrong shape, or no way leads along the nodes.

        Notes
        -----
        Contracts are functions of the total, so they tell what is paid for losses that
        are no scenario; payments sum to what was lost.

        Examples
        --------
        >>> import dynpo_lite as dp
        >>> tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
        >>> agents = [dp.Expectation(), dp.ExpectedShortfall(0.5)]
        >>> solution = dp.solve(dp.Economy(tree, [[0, 0, 0], [0, 0, 4]], agents))
        >>> followed = solution.follow([[0, 5]])
        >>> followed.payments.tolist(), followed.distance.tolist(), followed.outside
        ([[2.0], [3.0]], [1.0], (1,))
        """
        return follow(self, path, nodes)

    def __repr__(self) -> str:
        economy = self.economy
        return (
            f"<Solution: {economy.n_agents} agents, {economy.scenarios.kind} of "
            f"{economy.scenarios.n_nodes} nodes, law {self.law}, contracts "
            f"{self.retention}, total risk {self.total_risk_to_go[0]:.6g}, saves "
            f"{self.surplus[0]:.6g}>"
        )

    def summary(self, names: Sequence[str] | None = None) -> str:
        """Return a short text: what each agent's risk is alone, with trade, and saved.

        Examples
        --------
        >>> import dynpo_lite as dp
        >>> tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
        >>> agents = [dp.Expectation(), dp.ExpectedShortfall(0.5)]
        >>> solution = dp.solve(dp.Economy(tree, [[0, 0, 0], [0, 0, 4]], agents))
        >>> print(solution.summary(["Reinsurer", "Insurer"]))
        risk at time 0       alone       traded        saved
        Reinsurer                0           -1            1
        Insurer                  4            3            1
        total                    4            2            2
        """
        n = self.economy.n_agents
        given = [f"agent {i}" for i in range(n)] if names is None else list(names)
        if len(given) != n:
            raise ValueError(f"names = {given} are {len(given)}: give {n}")
        alone, traded = self.risk_without_trade[:, 0], self.risk_to_go[:, 0]
        rows = [*zip(given, alone, traded), ("total", alone.sum(), traded.sum())]
        wide = max(14, *map(len, given))
        lines = [
            f"{'risk at time 0':{wide}} {'alone':>11} {'traded':>12} {'saved':>12}"
        ]
        for name, before, after in rows:
            saved = before - after
            lines.append(f"{name:{wide}} {before:11.6g} {after:12.6g} {saved:12.6g}")
        return "\n".join(lines)

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with a row for each agent and node.

        Columns: agent, node, stage, probability, risk_to_go, risk_without_trade,
        premium, and on a tree payment.
        """
        from pandas import DataFrame  # optional

        scenarios, n = self.economy.scenarios, self.economy.n_agents
        columns = {
            "agent": np.repeat(np.arange(n), scenarios.n_nodes),
            "node": np.tile(np.arange(scenarios.n_nodes), n),
            "stage": np.tile(scenarios.stage, n),
            "probability": np.tile(scenarios.unconditional, n),
            "risk_to_go": self.risk_to_go.ravel(),
            "risk_without_trade": self.risk_without_trade.ravel(),
            "premium": self.premium.ravel(),
        }
        if scenarios.kind == "tree":
            columns["payment"] = self.allocation.ravel()
        return DataFrame(columns)
