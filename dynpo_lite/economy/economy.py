"""Pure-exchange economies: who owes what, and who fears what."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.reading import LAWS
from dynpo_lite.base.types import Array, ArrayLike, Integers, Kept
from dynpo_lite.risk.distortions import Expectation
from dynpo_lite.scenarios import nested_risk as nested
from dynpo_lite.scenarios.nested_risk import NodeMeasures, Parts
from dynpo_lite.scenarios.tree import ScenarioTree

SMALLEST = 1e-300  # size of losses that can still be divided by


@dataclass(frozen=True, eq=False)
class Economy:
    r"""Agents with endowments and dynamic preferences on the same scenarios.

    Parameters
    ----------
    scenarios : ScenarioTree or ScenarioLattice
    endowments : array_like of shape (n_agents, n_nodes), or (n_agents, n_arcs)
        What each agent pays at each node without trade, positive is a loss; the
        root's entries are ignored.  On a lattice what it pays on each arc, or at each
        node on arrival (as many nodes as arcs: the entries are those of arcs).
    agents : sequence
        For each agent a measure for all nodes (Distortion, Supremum or callable), or a
        mapping or sequence with one for every non-terminal node.

    Attributes
    ----------
    aggregate : ndarray of shape (n_nodes,) or (n_arcs,)
        The total :math:`S` of each payment; 0 at the root.

    Raises
    ------
    TypeError, ValueError
        If a shape is wrong, an endowment is not finite, or an agent has no measure at
        some node.

    Notes
    -----
    Sections 2 and 3 of the paper: the measure of an agent at a node is its one-step
    measure, applied to the law of what is paid at the children plus what follows.

    Examples
    --------
    >>> from dynpo_lite import Expectation, ExpectedShortfall, ScenarioTree
    >>> tree = ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> economy = Economy(
    ...     tree, [[0, 0, 4], [0, 2, 2]], [Expectation(), ExpectedShortfall(0.5)]
    ... )
    >>> economy.aggregate.tolist()
    [0.0, 2.0, 6.0]
    >>> economy.risk_without_trade("conditional")[:, 0].tolist()
    [2.0, 2.0]
    """

    scenarios: Kept
    endowments: Kept
    agents: Kept
    _measures: tuple[NodeMeasures, ...] = field(init=False, repr=False)
    _without_trade: dict[str, Array] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        nested.check_scenarios("scenarios", self.scenarios)
        try:
            agents = tuple(self.agents)
        except TypeError:
            raise TypeError(
                f"agents = {self.agents!r} is not a sequence: give a list with one "
                "measure for each agent"
            ) from None
        if not agents:
            raise ValueError(f"agents = {self.agents!r} holds none: give at least one")
        validate.keep(self, agents=agents, _without_trade={})
        endowments = self.allocation("endowments", self.endowments)
        _check_size(self.scenarios, endowments)
        measures = tuple(
            nested.node_measures(self.scenarios, measure, f"agents[{i}]")
            for i, measure in enumerate(agents)
        )
        validate.keep(self, endowments=endowments, _measures=measures)

    @property
    def tree(self) -> ScenarioTree:
        """The scenarios, where they are a tree."""
        if not isinstance(self.scenarios, ScenarioTree):
            raise ValueError(
                "economy lives on a lattice, and this needs a tree: use "
                "economy.to_tree() if the lattice is small"
            )
        return self.scenarios

    def to_tree(self, max_nodes: int = 1_000_000) -> "Economy":
        """Return the same economy on the tree of all paths of its lattice.

        Parameters
        ----------
        max_nodes : int
            How large the tree may become.

        Returns
        -------
        Economy

        Raises
        ------
        ValueError
            If the tree would be larger.

        Examples
        --------
        >>> from dynpo_lite import Expectation, ScenarioLattice
        >>> lattice = ScenarioLattice([0, 0, 1, 1], [1, 1, 2, 2], [0.5] * 4)
        >>> economy = Economy(lattice, [[0, 2, 0, 4]], [Expectation()])
        >>> economy.to_tree().endowments.tolist()
        [[0.0, 0.0, 2.0, 0.0, 4.0, 0.0, 4.0]]
        """
        if isinstance(self.scenarios, ScenarioTree):
            return self
        tree, node, arc = self.scenarios.to_tree(max_nodes)
        inner = node[: tree.n_inner].tolist()
        agents = [
            [agent[v] for v in inner] if nested.varies(agent) else agent
            for agent in self.agents
        ]
        return Economy(tree, self.scenarios.entries(self.endowments)[:, arc], agents)

    @property
    def n_agents(self) -> int:
        """The number of agents."""
        return len(self.agents)

    @cached_property
    def aggregate(self) -> Array:
        """The total of each payment, of the last axis of the endowments."""
        return validate.frozen(self.endowments.sum(axis=0))

    @property
    def scale(self) -> float:
        """The size of the losses: the largest endowment in absolute value, or 1."""
        return float(np.abs(self.endowments).max()) or 1.0

    def measures_at(self, agent: int, nodes: Integers) -> list[tuple[Parts, Any]]:
        """Return which of ``nodes`` use which distortions, for one agent."""
        return self._measures[agent](nodes)

    def parts_at(self, node: int) -> list[Parts]:
        """Return the distortions that every agent uses at one node."""
        return [at(np.array([node]))[0][0] for at in self._measures]

    def risk_to_go(self, allocation: ArrayLike, law: str = "conditional") -> Array:
        """Return every agent's risk-to-go of an allocation.

        Parameters
        ----------
        allocation : array_like of the shape of the endowments
        law : {"conditional", "marginal"}

        Returns
        -------
        ndarray of shape (n_agents, n_nodes)
        """
        validate.choice("law", law, LAWS)
        allocation = self.allocation("allocation", allocation)
        pairs = zip(allocation, self.agents, strict=True)
        if law == "marginal":
            risks = [nested.marginal_risk_to_go(self.tree, *pair) for pair in pairs]
        else:
            risks = [nested.risk_to_go(self.scenarios, *pair) for pair in pairs]
        return np.array(risks)

    def risk_without_trade(self, law: str = "conditional") -> Array:
        """Return every agent's risk-to-go of its endowment, (n_agents, n_nodes)."""
        if law not in self._without_trade:
            risk = self.risk_to_go(self.endowments, law)
            self._without_trade[law] = validate.frozen(risk)
        return self._without_trade[law]

    def loads(self, law: str = "conditional") -> Array:
        """Return by how much risks without trade exceed expected losses, at least 0.

        Shape (n_agents, n_nodes).
        """
        means = [
            nested.risk_to_go(self.scenarios, x, Expectation()) for x in self.endowments
        ]
        spare = self.risk_without_trade(law) - np.array(means)
        return np.where(spare > 1e-12 * self.scale, spare, 0.0)

    def allocation(self, name: str, value: ArrayLike) -> Array:
        """Return ``value`` as an allocation array, the root's entries 0."""
        return nested.payments(self.scenarios, name, value, self.n_agents)


def _check_size(scenarios: nested.Scenarios, endowments: Array) -> None:
    """Refuse losses whose sums leave the range of double precision."""
    size = np.abs(endowments)
    by_node = endowments.shape[-1] == scenarios.n_nodes != scenarios.n_entries
    stage = scenarios.stage if by_node else scenarios.stage[scenarios.target]
    peaks = np.zeros(scenarios.horizon + 1)
    with np.errstate(over="ignore"):
        np.maximum.at(peaks, stage, size.sum(axis=0))
        reach = 2 * peaks.sum()
    if not np.isfinite(reach):
        raise ValueError(
            f"endowments of up to {size.max():g} sum to more than a float can hold: "
            "give them in a larger unit"
        )
    if 0 < size.max() < SMALLEST:
        raise ValueError(
            f"endowments of at most {size.max():g} are too small to be shared: give "
            "them in a smaller unit"
        )
