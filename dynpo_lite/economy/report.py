"""What the check of an allocation tells: verdicts, gaps, and a trade that is better."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynpo_lite.base.records import ByValue
from dynpo_lite.base.types import Array


@dataclass(frozen=True, eq=False)
class Trade(ByValue):
    """An exchange at the children of a node that hurts nobody and helps somebody.

    ``payments`` (n_agents, n_children) are to be added to what the allocation pays at
    ``children``; ``gains`` (n_agents,) is by how much each agent's risk at the node
    falls: by the same for all under conditional laws, by at least 0 in the marginal
    reading.
    """

    node: int
    children: tuple[int, ...]
    payments: Array
    gains: Array


# at every node, at time 0, and the trade that saves at a node
Savings = tuple[Array, float, Callable[[int], Trade]]


@dataclass(frozen=True, eq=False)
class Report(ByValue):
    """What :func:`dynpo_lite.check_allocation` found; prints as a short text.

    Attributes
    ----------
    law : str
    sums_to_aggregate, individually_rational, pareto_optimal, comonotone : bool
        ``pareto_optimal`` is dynamic and includes individual rationality.
    myopic_individually_rational, myopic_pareto_optimal : bool
        The same as seen from time 0 only.
    gap : float
        The largest total risk-to-go, over nodes, that a trade could save: one at that
        node, for the marginal law one of its whole stage;
        nan where the payments do not sum to the aggregate.
    worst_node : int or None
        Where; None if nothing can be saved.
    irrational_node, irrational_agents
        A node at which some agents are worse off than without trade, and who; None and
        an empty tuple if there is none.
    improving_trade : Trade or None
        A trade at ``worst_node`` that makes every agent better off; for the marginal
        law one of the whole stage that makes nobody worse off and somebody better.
    risk_to_go : ndarray of shape (n_agents, n_nodes)
    """

    law: str
    sums_to_aggregate: bool
    individually_rational: bool
    pareto_optimal: bool
    comonotone: bool
    myopic_individually_rational: bool
    myopic_pareto_optimal: bool
    gap: float
    worst_node: int | None
    irrational_node: int | None
    irrational_agents: tuple[int, ...]
    improving_trade: Trade | None
    risk_to_go: Array

    def __str__(self) -> str:
        verdicts = {
            "sums to the aggregate": self.sums_to_aggregate,
            "individually rational": self.individually_rational,
            "dynamically Pareto optimal": self.pareto_optimal,
            "comonotone": self.comonotone,
            "myopically rational": self.myopic_individually_rational,
            "myopically Pareto optimal": self.myopic_pareto_optimal,
        }
        lines = [f"{what:30}{'yes' if so else 'no'}" for what, so in verdicts.items()]
        if (node := self.irrational_node) is not None:
            names = ", ".join(map(str, self.irrational_agents))
            lines.append(f"at node {node} worse off than without trade: {names}")
        if (node := self.worst_node) is not None:
            lines.append(f"a trade at node {node} saves {self.gap:.6g} in total")
        return "\n".join(lines)

    def summary(self) -> str:
        """Return the verdicts as a short text, which ``print`` shows, too."""
        return str(self)

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with a row for each agent and node.

        Columns: agent, node, risk_to_go, irrational (whether the agent is worse off
        there than without trade, at the one node that the report names).
        """
        from pandas import DataFrame  # optional

        n, n_nodes = self.risk_to_go.shape
        agent, node = np.repeat(np.arange(n), n_nodes), np.tile(np.arange(n_nodes), n)
        worse = np.isin(agent, self.irrational_agents) & (node == self.irrational_node)
        return DataFrame(
            {
                "agent": agent,
                "node": node,
                "risk_to_go": self.risk_to_go.ravel(),
                "irrational": worse,
            }
        )
