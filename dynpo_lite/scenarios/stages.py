"""What trees and lattices have in common: nodes, stage by stage."""

from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, Integers, Kept
from dynpo_lite.scenarios.branches import Branches, only


class Stages:
    """Nodes that are numbered stage by stage, the root first."""

    kind: ClassVar[str]  # what errors call it
    stage: Kept
    target: Kept  # the node at which each payment is made
    unconditional: Any
    branches: Any

    @property
    def n_nodes(self) -> int:
        """The number of nodes, root and leaves included."""
        return len(self.stage)

    @property
    def n_inner(self) -> int:
        """The number of nodes before the horizon, numbered from 0."""
        return int(self.first[self.horizon])

    @property
    def n_entries(self) -> int:
        """How many payments an allocation lists for each agent.

        One for each node of a tree, one for each arc of a lattice.
        """
        return len(self.target)

    @property
    def horizon(self) -> int:
        """The last time ``T``."""
        return int(self.stage[-1])

    @cached_property
    def first(self) -> Integers:
        """Where each stage begins; the nodes of stage t are first[t]:first[t + 1]."""
        return validate.frozen(np.searchsorted(self.stage, np.arange(self.horizon + 2)))

    def nodes(self, t: int) -> Integers:
        """Return the nodes of stage ``t``."""
        return np.arange(self.first[t], self.first[t + 1])

    @cached_property
    def leaves(self) -> Integers:
        """The nodes at the horizon."""
        return validate.frozen(self.nodes(self.horizon))

    def entries(self, payments: Array) -> Array:
        """Return payments (..., n_entries), also of those made on arrival at nodes.

        Examples
        --------
        >>> from dynpo_lite import ScenarioLattice
        >>> lattice = ScenarioLattice([0, 0, 0], [1, 1, 1], [0.5, 0.25, 0.25])
        >>> lattice.entries(np.array([0.0, 7.0])).tolist()
        [7.0, 7.0, 7.0]
        """
        listed = payments.shape[-1] == self.n_entries
        return payments if listed else payments[..., self.target]

    def ways_from(self, node: Any) -> Branches:
        """Return the ways on from one node, which lies before the horizon."""
        if not validate.is_integer(node) or not 0 <= node < self.n_inner:
            raise ValueError(
                f"node = {node!r}: choose a node before the horizon, 0 to "
                f"{self.n_inner - 1}"
            )
        stage = self.branches[self.stage[node]]
        return next(only(ways, node) for ways in stage if node in ways.node)
