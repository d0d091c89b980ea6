"""Finite filtered probability spaces as scenario trees."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, ArrayLike, Integers, Kept


@dataclass(frozen=True, eq=False)
class Siblings:
    """Families of one size at one stage: a row for each parent.

    ``parent`` (m,) are the parents, ``children`` (m, b) their children and
    ``probability`` (m, b) the conditional probabilities; ``equal`` tells whether all
    of these are 1 / b.
    """

    parent: Integers
    children: Integers
    probability: Array
    equal: bool


@dataclass(frozen=True, eq=False)
class ScenarioTree:
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

    parent: Kept
    probability: Kept
    stage: Integers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parent = _integers(self.parent)
        probability = validate.finite_array(
            "probability", self.probability, shape=parent.shape
        ).copy()
        stage = _stages(parent)
        probability[1:] /= _check_probabilities(parent, probability)[parent[1:]]
        probability[0] = 1.0
        validate.keep(self, parent=parent, probability=probability, stage=stage)
        childless = stage < stage[-1]
        childless[parent[1:]] = False
        if (v := validate.first(childless)) is not None:
            raise ValueError(
                f"parent: node {v} ends at stage {stage[v]} but the horizon is "
                f"{stage[-1]}: give it a child (of probability 1) at each later stage"
            )

    @property
    def n_nodes(self) -> int:
        """The number of nodes, root and leaves included."""
        return len(self.parent)

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
        return validate.frozen(np.arange(self.first[self.horizon], self.n_nodes))

    @cached_property
    def unconditional(self) -> Array:
        """The probability of reaching each node."""
        result = np.ones(self.n_nodes)
        for t in range(1, self.horizon + 1):
            nodes = slice(self.first[t], self.first[t + 1])
            result[nodes] = result[self.parent[nodes]] * self.probability[nodes]
        return validate.frozen(result)

    @cached_property
    def siblings(self) -> tuple[tuple[Siblings, ...], ...]:
        """For each stage ``t``, the families at ``t + 1``: one entry a family size."""
        return tuple(tuple(self._families(t)) for t in range(self.horizon))

    def _families(self, t: int) -> Iterator[Siblings]:
        low, high = self.first[t + 1], self.first[t + 2]
        order = np.argsort(self.parent[low:high], kind="stable") + low
        start = np.flatnonzero(np.diff(self.parent[order], prepend=-1))
        sizes = np.diff(np.append(start, len(order)))
        for size in np.unique(sizes):
            rows = start[sizes == size]
            children = order[rows[:, None] + np.arange(size)]
            probability = self.probability[children]
            equal = bool((np.abs(probability * size - 1) <= 1e-14).all())
            arrays = self.parent[children[:, 0]], children, probability
            parent, children, probability = map(validate.frozen, arrays)
            yield Siblings(parent, children, probability, equal)


def _integers(parent: ArrayLike) -> Integers:
    array = validate.real_array("parent", parent, ndim=1)
    if not (np.isfinite(array).all() and (array == np.round(array)).all()):
        raise TypeError("parent holds values that are no integers: give node numbers")
    return array.astype(np.int64)


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


def _check_probabilities(parent: Integers, p: Array) -> Array:
    if abs(p[0] - 1) > validate.PROBABILITY_TOL:
        raise ValueError(f"probability[0] = {p[0]}: the root has probability 1")
    wrong = (p <= 0) | (p > 1 + validate.PROBABILITY_TOL)
    if (v := validate.first(wrong)) is not None:
        raise ValueError(
            f"probability[{v}] = {p[v]} is outside (0, 1]: give conditional "
            "probabilities and leave out children of probability 0"
        )
    total = np.zeros(len(parent))
    np.add.at(total, parent[1:], p[1:])
    off = (total > 0) & (np.abs(total - 1) > validate.PROBABILITY_TOL)
    if (v := validate.first(off)) is not None:
        raise ValueError(
            f"probability: the children of node {v} sum to {total[v]:.10g}: "
            "divide them by their sum (they are conditional on the parent)"
        )
    return total
