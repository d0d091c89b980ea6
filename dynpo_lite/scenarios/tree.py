"""Finite filtered probability spaces as scenario trees."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, Integers, Kept
from dynpo_lite.scenarios.branches import Branches, branches, check_conditional
from dynpo_lite.scenarios.stages import Stages


@dataclass(frozen=True, eq=False)
class ScenarioTree(Stages):
    r"""A filtration on finitely many scenarios.

    Node 0 is the root (time 0); a node at stage ``t`` is an atom of the information
    :math:`\mathcal F_t`; every leaf lies at the horizon ``T``.

    Parameters
    ----------
    parent : array_like of shape (n_nodes,), integers
        The parent of each node; -1 for the root.  Nodes are ordered by stage;
        siblings need not be adjacent.
    probability : array_like of shape (n_nodes,)
        Probability of each node CONDITIONAL on its parent, in (0, 1]; the root's
        entry is 1.  Children of probability 0 are refused: leave them out.

    Attributes
    ----------
    stage : ndarray of shape (n_nodes,)
        The time of each node.
    unconditional : ndarray of shape (n_nodes,)
        The probability of reaching each node.
    leaves : ndarray
        The nodes at the horizon.
    horizon : int
        The last time ``T``, at least 1.

    Raises
    ------
    TypeError, ValueError
        Naming the node at fault and the cure.

    Notes
    -----
    The filtered space of Section 2.1 of the paper, with finitely many atoms.

    Examples
    --------
    >>> tree = ScenarioTree([-1, 0, 0, 1, 1, 2], [1, 0.5, 0.5, 0.25, 0.75, 1])
    >>> tree.horizon, tree.stage.tolist(), tree.leaves.tolist()
    (2, [0, 1, 1, 2, 2, 2], [3, 4, 5])
    >>> tree.unconditional.tolist()
    [1.0, 0.5, 0.5, 0.125, 0.375, 0.5]
    """

    kind: ClassVar[str] = "tree"
    parent: Kept
    probability: Kept
    stage: Integers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parent = validate.integers("parent", self.parent)
        probability = validate.finite_array(
            "probability", self.probability, shape=parent.shape
        ).copy()
        stage = _stages(parent)
        if abs(probability[0] - 1) > validate.PROBABILITY_TOL:
            raise ValueError(
                f"probability[0] = {probability[0]}: the root has probability 1"
            )
        total = check_conditional("children", parent, probability, 1)
        probability[1:] /= total[parent[1:]]
        probability[0] = 1.0
        validate.keep(self, parent=parent, probability=probability, stage=stage)
        childless = stage < stage[-1]
        childless[parent[1:]] = False
        if (v := validate.first(childless)) is not None:
            raise ValueError(
                f"parent: node {v} ends at stage {stage[v]} but the horizon is "
                f"{stage[-1]}: give it a child (of probability 1) at each later stage"
            )

    @cached_property
    def unconditional(self) -> Array:
        """The probability of reaching each node."""
        result = np.ones(self.n_nodes)
        for t in range(1, self.horizon + 1):
            nodes = slice(self.first[t], self.first[t + 1])
            result[nodes] = result[self.parent[nodes]] * self.probability[nodes]
        return validate.frozen(result)

    @cached_property
    def target(self) -> Integers:
        """The node at which each payment is made: itself."""
        return validate.frozen(np.arange(self.n_nodes))

    @cached_property
    def branches(self) -> tuple[tuple[Branches, ...], ...]:
        """For each stage before the last, the ways on: one entry a number of ways."""
        arrays = self.parent, self.target, self.probability
        found = []
        for t in range(1, self.horizon + 1):
            order = np.argsort(
                self.parent[slice(*self.first[t : t + 2])], kind="stable"
            )
            found.append(tuple(branches(*arrays, order + self.first[t])))
        return tuple(found)


def _stages(parent: Integers) -> Integers:
    n = len(parent)
    if parent[0] != -1 or n == 1:
        raise ValueError(
            f"parent[0] = {parent[0]} in a tree of {n} node(s): node 0 is the root, "
            "with parent -1, and needs children"
        )
    place = np.arange(n)
    roots = "a tree has one root, node 0; give every other node its parent"
    late = "a parent comes before its children (no cycles); order nodes by stage"
    for wrong, cure in (((parent < 0) & (place > 0), roots), (parent >= place, late)):
        if (v := validate.first(wrong)) is not None:
            raise ValueError(f"parent[{v}] = {parent[v]}: {cure}")
    # nodes of the next stage are those before the first whose parent is itself new
    latest, start = np.maximum.accumulate(parent), [0, 1]
    while start[-1] < n:
        start.append(int(np.searchsorted(latest, start[-1])))
    stage = np.repeat(np.arange(len(start) - 1), np.diff(start))
    if (early := validate.first(stage[parent[1:]] + 1 < stage[1:])) is not None:
        v = early + 1
        raise ValueError(
            f"parent[{v}] = {parent[v]} skips a stage or comes out of order: "
            "list all nodes of one stage before those of the next"
        )
    return stage
