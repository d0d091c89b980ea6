"""What :func:`dynpo_lite.solve` returns, in every reading."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from dynpo_lite.base.records import ReadOnly
from dynpo_lite.base.types import Array
from dynpo_lite.base.validate import frozen
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
    surplus_split : ndarray of shape (n_agents,)

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
    _contracts: Any = field(init=False, repr=False)  # what was found at once

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
        interval[:, self.economy.tree.leaves] = np.nan
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
