"""Recombining scenarios: nodes are what is known, arcs carry what happens."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, Integers, Kept
from dynpo_lite.scenarios.branches import Branches, branches, check_conditional
from dynpo_lite.scenarios.stages import Stages
from dynpo_lite.scenarios.tree import ScenarioTree


class Unrolled(NamedTuple):
    """A lattice as a tree.

    Attributes
    ----------
    tree : ScenarioTree
    node : ndarray of shape (tree.n_nodes,)
        The node of the lattice that each node of the tree is at.
    arc : ndarray of shape (tree.n_nodes,)
        The arc that led there; -1 at the root.
    """

    tree: ScenarioTree
    node: Integers
    arc: Integers


@dataclass(frozen=True, eq=False)
class ScenarioLattice(Stages):
    r"""Markov scenarios in which paths meet again.

    A node is what is known at its stage; node 0 is the root.  An arc is what may happen
    next: it leads to a node of the next stage, and what is paid is paid on arcs.
    Several arcs may join the same two nodes.  A :class:`ScenarioTree` is the case of
    one arc into each node.

    Parameters
    ----------
    source, target : array_like of shape (n_arcs,), integers
        Where each arc starts and ends.  Nodes are numbered stage by stage; arcs may
        come in any order.
    probability : array_like of shape (n_arcs,)
        Of each arc CONDITIONAL on its source, in (0, 1].  Arcs of probability 0 are
        refused: leave them out.

    Attributes
    ----------
    stage : ndarray of shape (n_nodes,)
        The time of each node.

    Raises
    ------
    TypeError, ValueError
        Naming the arc or node at fault and the cure.

    Notes
    -----
    Risk-to-go, totals and contracts of :math:`\mathcal F_t` depend on the path through
    the node alone, as the law of all that is to come does.

    Examples
    --------
    Two regimes, each of which may change: five nodes, seven in the tree.

    >>> lattice = ScenarioLattice(
    ...     [0, 0, 1, 1, 2, 2], [1, 2, 3, 4, 3, 4], [0.5, 0.5, 0.75, 0.25, 0.25, 0.75]
    ... )
    >>> lattice.stage.tolist(), lattice.unconditional.tolist()
    ([0, 1, 1, 2, 2], [1.0, 0.5, 0.5, 0.5, 0.5])
    >>> lattice.to_tree().tree.n_nodes
    7
    """

    kind: ClassVar[str] = "lattice"
    source: Kept
    target: Kept
    probability: Kept
    stage: Integers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        source = validate.integers("source", self.source)
        target = validate.integers("target", self.target, shape=source.shape)
        probability = validate.finite_array(
            "probability", self.probability, shape=source.shape
        )
        stage = _stages(source, target)
        total = check_conditional("arcs", source, probability)
        probability = probability / total[source]
        validate.keep(
            self, source=source, target=target, probability=probability, stage=stage
        )

    @classmethod
    def from_chain(cls, transitions: Sequence[Any]) -> "ScenarioLattice":
        """Return the lattice of a Markov chain.

        Parameters
        ----------
        transitions : sequence of array_like or scipy.sparse of shape (m_t, m_{t+1})
            ``transitions[t][i, j]`` is the probability to go from state ``i`` at time
            ``t`` to state ``j`` at ``t + 1``; the first has one row, what is known at
            time 0.  Rows sum to 1; a probability of 0 makes no arc.

        Returns
        -------
        ScenarioLattice
            State ``j`` of time ``t`` is node ``first[t] + j``; arcs are ordered by
            time, state and next state.

        Raises
        ------
        TypeError, ValueError
            If the matrices do not fit each other, hold what is no probability, or a
            state is never visited.

        Examples
        --------
        >>> stay = [[0.75, 0.25], [0.25, 0.75]]
        >>> lattice = ScenarioLattice.from_chain([[[0.5, 0.5]], stay, stay])
        >>> lattice.n_nodes, lattice.n_arcs, lattice.horizon
        (7, 10, 3)
        """
        found, low, rows = [], 0, 1
        for t, given in enumerate(validate.entries("transitions", transitions)):
            name = f"transitions[{t}]"
            source, target, chance, shape = _entries(name, given)
            if shape[0] != rows:
                raise ValueError(
                    f"{name} has {shape[0]} rows: give {rows}, one for each state of "
                    f"time {t} (time 0 has one)"
                )
            for what, axis, size in (
                ("way from", source, rows),
                ("way to", target, shape[1]),
            ):
                missing = np.flatnonzero(np.bincount(axis, minlength=size) == 0)
                if len(missing):
                    raise ValueError(
                        f"{name} has no {what} state {missing[0]}: leave out a state "
                        "that is never visited, and give each other one a way on"
                    )
            found.append((source + low, target + low + rows, chance))
            low, rows = low + rows, shape[1]
        arrays = [np.concatenate(parts) for parts in zip(*found, strict=True)]
        return cls(*arrays)

    @property
    def n_arcs(self) -> int:
        """The number of arcs."""
        return len(self.source)

    @cached_property
    def _order(self) -> Integers:
        """The arcs by their source."""
        sorted_already = (np.diff(self.source) >= 0).all()
        return (
            np.arange(self.n_arcs)
            if sorted_already
            else np.argsort(self.source, kind="stable")
        )

    def arcs(self, t: int) -> Integers:
        """Return the arcs from stage ``t`` to the next, those of one node together."""
        edges = self.first[t : t + 2]
        if t >= self.horizon:
            return np.empty(0, dtype=np.int64)
        low, high = np.searchsorted(self.source, edges, sorter=self._order)
        return self._order[low:high]

    @cached_property
    def unconditional(self) -> Array:
        """The probability of reaching each node."""
        return validate.frozen(self._forward(self.probability))

    def _forward(self, weights: Array) -> Array:
        """Return the sum over the paths to each node of the products of weights."""
        result = np.ones(self.n_nodes)
        for t in range(self.horizon):
            arcs, low = self.arcs(t), self.first[t + 1]
            reached = result[self.source[arcs]] * weights[arcs]
            size = self.first[t + 2] - low
            at = self.target[arcs] - low
            result[low : low + size] = np.bincount(at, reached, minlength=size)
        return result

    @cached_property
    def branches(self) -> tuple[tuple[Branches, ...], ...]:
        """For each stage before the last, the ways on: one entry a number of ways."""
        arrays = self.source, self.target, self.probability
        return tuple(
            tuple(branches(*arrays, self.arcs(t))) for t in range(self.horizon)
        )

    def to_tree(self, max_nodes: int = 1_000_000) -> Unrolled:
        """Return the tree of all paths.

        Parameters
        ----------
        max_nodes : int
            How large the tree may become.

        Returns
        -------
        Unrolled
            With ``.tree``, ``.node`` and ``.arc``: ``losses[..., arc]`` are the losses
            of the tree but at its root.

        Raises
        ------
        ValueError
            If the tree would have more nodes, naming how many.
        """
        paths = self._forward(np.ones(self.n_arcs))  # how many lead to each node
        if paths.sum() > max_nodes:
            raise ValueError(
                f"max_nodes = {max_nodes}: the tree has {paths.sum():.6g} nodes; allow "
                "as many, or stay with the lattice"
            )
        start = np.searchsorted(
            self.source, np.arange(self.n_nodes), sorter=self._order
        )
        ways = np.bincount(self.source, minlength=self.n_nodes)
        parents, nodes, used = [np.array([-1])], [np.array([0])], [np.array([-1])]
        begin = 0
        for _ in range(self.horizon):
            here = nodes[-1]
            count = ways[here]
            owner = np.repeat(np.arange(len(here)), count)
            place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
            arcs = self._order[start[here[owner]] + place]
            parents.append(owner + begin)
            begin += len(here)
            nodes.append(self.target[arcs])
            used.append(arcs)
        node, arc = np.concatenate(nodes), np.concatenate(used)
        chance = np.append(1.0, self.probability[arc[1:]])
        tree = ScenarioTree(np.concatenate(parents), chance)
        return Unrolled(tree, validate.frozen(node), validate.frozen(arc))


def _entries(name: str, given: Any) -> tuple[Integers, Integers, Array, tuple]:
    """Return where a matrix is positive, row by row, what it holds there, its shape."""
    if hasattr(given, "tocoo"):  # scipy.sparse
        coo = given.tocsr().tocoo()
        row, column = coo.coords
        values = validate.finite_array(name, np.append(coo.data, 0.0))[:-1]
        shape = coo.shape
    else:
        matrix = validate.finite_array(name, given, ndim=2)
        row, column = np.indices(matrix.shape).reshape(2, -1)
        values, shape = matrix.ravel(), matrix.shape
    bad = np.flatnonzero((values < 0) | (values > 1 + validate.PROBABILITY_TOL))
    if len(bad):
        j = bad[0]
        raise ValueError(
            f"{name}[{row[j]}, {column[j]}] = {values[j]} is no probability: give "
            "values in [0, 1]"
        )
    sums = np.bincount(row, values, minlength=shape[0])
    off = np.flatnonzero(np.abs(sums - 1) > validate.PROBABILITY_TOL)
    if len(off):
        raise ValueError(
            f"{name}: row {off[0]} sums to {sums[off[0]]:.10g}: divide it by its sum"
        )
    some = values > 0
    order = np.lexsort((column[some], row[some]))
    return row[some][order], column[some][order], values[some][order], shape


def _stages(source: Integers, target: Integers) -> Integers:
    """Return the stage of each node; refuse arcs that do not lead to the next stage."""
    for name, ends in (("source", source), ("target", target)):
        if ends.min() < (name == "target"):
            a = int(np.argmin(ends))
            raise ValueError(
                f"{name}[{a}] = {ends[a]}: nodes are numbered from 0, the root, to "
                "which no arc leads"
            )
    reached = np.unique(target)
    missing = np.flatnonzero(reached != np.arange(1, len(reached) + 1))
    if len(missing):
        raise ValueError(
            f"no arc leads to node {missing[0] + 1}: number the nodes without a gap, "
            "and leave out what is never visited"
        )
    n = len(reached) + 1
    if source.max() >= n:
        a = int(np.argmax(source))
        raise ValueError(
            f"arc {a} starts at node {source[a]}, to which no arc leads: number the "
            "nodes without a gap, and leave out what is never visited"
        )
    order = np.argsort(source, kind="stable")
    edges = np.searchsorted(source, np.arange(n + 1), sorter=order)
    stage = np.zeros(n, dtype=np.int64)
    low, high, t = 0, 1, 0
    while high < n:
        t += 1
        arcs = order[edges[low] : edges[high]]
        ends = target[arcs]
        ways = edges[low + 1 : high + 1] - edges[low:high]
        if (ways == 0).any():
            v = low + int(np.argmax(ways == 0))
            raise ValueError(
                f"no arc starts at node {v} of stage {t - 1}, but some lie further on: "
                "give it one (of probability 1) to each later stage"
            )
        back = np.flatnonzero(ends < high)
        if len(back):
            a = arcs[back[0]]
            raise ValueError(
                f"arc {a} leads from node {source[a]} of stage {t - 1} to node "
                f"{target[a]}, which is not later: an arc leads to the next stage"
            )
        top = int(ends.max()) + 1
        gap = np.flatnonzero(np.bincount(ends - high, minlength=top - high) == 0)
        if len(gap):
            a = arcs[np.argmax(ends)]
            raise ValueError(
                f"arc {a} leads from node {source[a]} of stage {t - 1} to node "
                f"{target[a]}, but no arc of that stage leads to node {high + gap[0]}: "
                "an arc leads to the next stage, and nodes are numbered stage by stage"
            )
        stage[high:top] = t
        low, high = high, top
    late = np.flatnonzero(source >= low)
    if len(late):
        a = late[0]
        raise ValueError(
            f"arc {a} leads from node {source[a]} to node {target[a]}, which is not "
            "later: an arc leads to the next stage"
        )
    return stage
