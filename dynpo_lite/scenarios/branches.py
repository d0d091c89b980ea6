"""Where a scenario goes on: the ways out of the nodes of one stage."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, Integers


@dataclass(frozen=True, eq=False)
class Branches:
    """Nodes of one stage with equally many ways on: a row for each node.

    Attributes
    ----------
    node : ndarray of shape (m,)
    entry : ndarray of shape (m, b)
        Where what is paid on each way stands in arrays of payments: the child's number
        in a tree, the arc's in a lattice.
    target : ndarray of shape (m, b)
        The nodes that the ways lead to.
    probability : ndarray of shape (m, b)
        Of each way, conditional on the node; rows sum to 1.
    equal : bool
        Whether all ways are equally likely.
    n_entries : int
        How many payments there are in all.
    """

    node: Integers
    entry: Integers
    target: Integers
    probability: Array
    equal: bool
    n_entries: int

    @cached_property
    def alike(self) -> bool:
        """Whether the ways of all nodes lead to the same nodes, in the same order."""
        return bool((self.target == self.target[0]).all())


def to_come(ways: Branches, payments: Array, later: Array) -> Array:
    """Return what is paid on each way and what follows, (..., m, b).

    ``payments`` (..., n_entries), or (..., n_nodes) where paid on arrival; then, if all
    nodes lead to the same ones, one row does for all.  ``later`` (..., n_nodes).
    """
    if payments.shape[-1] == ways.n_entries:
        return payments[..., ways.entry] + later[..., ways.target]
    target = ways.target[:1] if ways.alike else ways.target
    return payments[..., target] + later[..., target]


def only(ways: Branches, node: int) -> Branches:
    """Return the ways on from one of the nodes."""
    row = ways.node == node
    arrays = ways.node, ways.entry, ways.target, ways.probability
    at, entries, ends, chances = (array[row] for array in arrays)
    return replace(ways, node=at, entry=entries, target=ends, probability=chances)


def branches(
    source: Integers, target: Integers, probability: Array, entry: Integers
) -> Iterator[Branches]:
    """Group the ways of one stage by how many their node has.

    ``entry`` are the ways, those of one node side by side; the other arrays are
    indexed with it.
    """
    node = source[entry]
    start = np.flatnonzero(np.diff(node, prepend=-1))
    sizes = np.diff(np.append(start, len(entry)))
    for size in np.unique(sizes):
        rows = start[sizes == size]
        ways = entry[rows[:, None] + np.arange(size)]
        chance = probability[ways]
        equal = bool((np.abs(chance * size - 1) <= 1e-14).all())
        arrays = node[rows], ways, target[ways], chance
        at, entries, ends, chances = map(validate.frozen, arrays)
        yield Branches(at, entries, ends, chances, equal, len(source))


def check_conditional(
    what: str, source: Integers, probability: Array, first: int = 0
) -> Array:
    """Return the sum of the probabilities out of each node; refuse what is off 1.

    ``what`` leads on from nodes, children or arcs; entries before ``first`` do not.
    """
    whose = "parent" if what == "children" else "source"
    wrong = (probability <= 0) | (probability > 1 + validate.PROBABILITY_TOL)
    if (v := validate.first(wrong)) is not None:
        raise ValueError(
            f"probability[{v}] = {probability[v]} is outside (0, 1]: give conditional "
            f"probabilities and leave out {what} of probability 0"
        )
    total = np.bincount(source[first:], probability[first:]).astype(float)
    has = np.bincount(source[first:]) > 0
    off = has & (np.abs(total - 1) > validate.PROBABILITY_TOL)
    if (v := validate.first(off)) is not None:
        raise ValueError(
            f"probability: the {what} of node {v} sum to {total[v]:.10g}: "
            f"divide them by their sum (they are conditional on the {whose})"
        )
    return total
