"""From simulated paths, or a sampler, to scenarios."""

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, ArrayLike, Integers
from dynpo_lite.scenarios.lattice import ScenarioLattice
from dynpo_lite.scenarios.tree import ScenarioTree

FEWEST = 20  # paths in a node below which a one-step law is hardly known
MOST_LOST = 0.05  # of an agent's own risk, beyond which a tree is warned of
Sampler = Callable[[int, int, int, np.random.Generator], tuple[ArrayLike, ArrayLike]]


class PathTree(NamedTuple):
    """A tree made of paths.

    Attributes
    ----------
    tree : ScenarioTree
    endowments : ndarray of shape (n_agents, n_nodes)
        Losses of the path that stands for each node; 0 at the root.
    node_of_path : ndarray of shape (n_paths, T)
        The node in which each path is at times 1..T.
    lost : ndarray of shape (n_agents,)
        The part of the standard deviation of each agent's losses that the tree does
        not show, at the time at which it is largest; negative if it always shows more.
    """

    tree: ScenarioTree
    endowments: Array
    node_of_path: Integers
    lost: Array


class PathLattice(NamedTuple):
    """A lattice made of paths.

    Attributes
    ----------
    lattice : ScenarioLattice
    endowments : ndarray of shape (n_agents, n_arcs)
        Every path's own losses.
    node_of_path : ndarray of shape (n_paths, T + 1)
        The node in which each path is at times 0..T.
    arc_of_path : ndarray of shape (n_paths, T)
        The arc that each path takes to times 1..T.
    """

    lattice: ScenarioLattice
    endowments: Array
    node_of_path: Integers
    arc_of_path: Integers


class SampledLattice(NamedTuple):
    """A lattice made by a sampler.

    Attributes
    ----------
    lattice : ScenarioLattice
    endowments : ndarray of shape (n_agents, n_arcs)
    state : ndarray of shape (n_nodes,)
        The state that each node stands for; at the horizon, too.
    """

    lattice: ScenarioLattice
    endowments: Array
    state: Integers


def lattice_from_paths(
    paths: ArrayLike,
    states: ArrayLike | None = None,
    groups: int | Sequence[int] = 8,
) -> PathLattice:
    """Make scenarios of simulated paths, each of which keeps its own losses.

    A node is a group of paths that are taken to know the same; each path of the group
    is an arc, with its own losses, to its next group.  Nothing is averaged.

    Parameters
    ----------
    paths : array_like of shape (n_paths, T, n_agents)
        Losses of each agent at times 1..T, all paths equally likely.
    states : array_like of shape (n_paths, T) or (n_paths, T, k), optional
        What a Markov model knows at times 1..T.  Integers and truth values are taken as
        the state itself; other numbers are cut into ``groups`` groups of nearly equal
        size, one coordinate after the other.  Without states, what is known is the
        group of the aggregate loss at each time so far: groups of groups.
    groups : int or sequence of T - 1 ints
        Into how many groups; for times 1 to T - 1 (nothing is decided at T).

    Returns
    -------
    PathLattice
        With ``.lattice``, ``.endowments``, ``.node_of_path`` and ``.arc_of_path``.

    Warns
    -----
    UserWarning
        If a node has fewer than 20 paths.

    Raises
    ------
    TypeError, ValueError
        If an array has the wrong shape or is not finite, or a number of groups is no
        positive integer.

    Notes
    -----
    With one period the risks are those of :func:`choquet` for the samples.  Over
    several, the law given a node is that of its paths.  Few paths a node make the
    risk-to-go noisy, and noise looks like risk: risks come out too high.  Coarse groups
    forget what the path knows: risks come out too low or too high.  How far an answer
    is from its limit is measured by :func:`replicate`.

    Examples
    --------
    Two groups of two paths; given the group, the last year is still uncertain.

    >>> paths = [[[0.0], [1.0]], [[0.0], [3.0]], [[4.0], [5.0]], [[4.0], [9.0]]]
    >>> with warnings.catch_warnings(action="ignore"):  # so few paths
    ...     made = lattice_from_paths(paths, groups=2)
    >>> made.lattice.n_nodes, made.lattice.n_arcs, made.endowments.tolist()
    (4, 8, [[0.0, 0.0, 4.0, 4.0, 1.0, 3.0, 5.0, 9.0]])
    """
    paths = validate.finite_array("paths", paths, ndim=3)
    n_paths, horizon, n_agents = paths.shape
    counts = _counts("groups", groups, horizon - 1, n_paths)
    known = None if states is None else _states(states, n_paths, horizon)
    node = np.zeros(n_paths, dtype=np.int64)  # numbered within the stage
    visited, first = [node], 1
    for t, count in enumerate(counts):
        if known is None:
            node = _cut(node, paths[:, t].sum(axis=1), count)
        else:
            node = np.zeros_like(node)  # what came before does not matter
            for column in known[:, t].T:
                node = _cut(node, column, count)
        node = np.unique(node, return_inverse=True)[1]
        visited.append(node + first)
        first += int(node.max()) + 1
    visited.append(np.full(n_paths, first))
    nodes = np.stack(visited, axis=1)
    size = np.bincount(nodes[:, :-1].ravel())
    if size.min() < FEWEST:
        warnings.warn(
            f"paths: node {np.argmin(size)} is known by {size.min()} of the {n_paths} "
            f"paths only, {(size < FEWEST).sum()} of {len(size)} nodes by fewer than "
            f"{FEWEST}: what is noise there looks like risk; give more paths or fewer "
            "groups",
            stacklevel=2,
        )
    source, target = nodes[:, :-1].T.ravel(), nodes[:, 1:].T.ravel()
    lattice = ScenarioLattice(source, target, 1.0 / size[source])
    losses = validate.frozen(paths.transpose(2, 1, 0).reshape(n_agents, -1))
    arcs = np.arange(n_paths * horizon).reshape(horizon, n_paths).T
    return PathLattice(lattice, losses, validate.frozen(nodes), validate.frozen(arcs))


def lattice_from_sampler(
    sample: Sampler,
    n_states: int | Sequence[int],
    n_arcs: int,
    horizon: int,
    seed: int = 1,
) -> SampledLattice:
    """Make scenarios by drawing what happens from every state of a Markov model.

    Parameters
    ----------
    sample : callable
        ``sample(t, state, size, rng)`` draws ``size`` losses (size, n_agents) of time
        ``t + 1`` and states (size,) to be in then, given the state at time ``t``; at
        time 0 the state is 0.
    n_states : int or sequence of T ints
        How many states there are at times 1..T, numbered from 0.  States that no draw
        reaches get no node.
    n_arcs : int
        How many draws from each state, equally likely.
    horizon : int
        ``T``.
    seed : int
        Each state of each time has a generator of its own, so that the draws from one
        do not depend on the others.

    Returns
    -------
    SampledLattice
        With ``.lattice``, ``.endowments`` and ``.state``.

    Raises
    ------
    TypeError, ValueError
        If the draws have the wrong shape, a loss is not finite or a state is none of
        ``n_states``.

    Examples
    --------
    One insurer; a bad year makes the next one worse.

    >>> def sample(t, state, size, rng):
    ...     bad = rng.random(size) < 0.25
    ...     return (bad * (1.0 + state))[:, None], bad.astype(int)
    >>> made = lattice_from_sampler(sample, n_states=2, n_arcs=100, horizon=3)
    >>> made.lattice.n_nodes, made.lattice.n_arcs, made.state.tolist()
    (7, 500, [0, 0, 1, 0, 1, 0, 1])
    """
    horizon = validate.integer("horizon", horizon, 1)
    n_arcs = validate.integer("n_arcs", n_arcs, 1)
    seed = validate.integer("seed", seed, 0)
    limits = _counts("n_states", n_states, horizon, sys.maxsize)
    states, here, first = [np.zeros(1, dtype=np.int64)], 0, 1
    sources: list[Integers] = []
    targets: list[Integers] = []
    losses: list[Array] = []
    for t, limit in enumerate(limits):
        drawn, reached = [], []
        for state in states[-1].tolist():
            rng = np.random.default_rng([seed, t, state])
            paid, after = _drawn(sample, t, state, n_arcs, rng, limit)
            drawn.append(paid)
            reached.append(after)
        found, place = np.unique(np.concatenate(reached), return_inverse=True)
        if len({paid.shape[1] for paid in losses + drawn}) > 1:
            raise ValueError(
                "sample returned losses of different numbers of agents: give one "
                "column for each agent, from every state"
            )
        sources.append(here + np.repeat(np.arange(len(states[-1])), n_arcs))
        targets.append(first + place)
        losses += drawn
        states.append(found)
        here, first = first, first + len(found)
    source, target = np.concatenate(sources), np.concatenate(targets)
    lattice = ScenarioLattice(source, target, np.full(len(source), 1.0 / n_arcs))
    endowments = validate.frozen(np.concatenate(losses).T.copy())
    return SampledLattice(lattice, endowments, validate.frozen(np.concatenate(states)))


def tree_from_paths(paths: ArrayLike, bins: int | Sequence[int] = 4) -> PathTree:
    """Bin simulated paths into a small tree, to be drawn and read.

    At every time the paths in a node are sorted by their aggregate loss and cut into
    groups of (nearly) equal size; a group becomes a child.  Its losses are those of one
    of its paths, the middle one by aggregate loss.  For numbers take
    :func:`lattice_from_paths`, which keeps every path.

    Parameters
    ----------
    paths : array_like of shape (n_paths, T, n_agents)
        Losses of each agent at times 1..T, all paths equally likely.
    bins : int or sequence of T ints
        Into how many groups a node is cut, at each time.  A node with fewer paths is
        cut into single paths.

    Returns
    -------
    PathTree
        With ``.tree``, ``.endowments``, ``.node_of_path`` and ``.lost``.

    Warns
    -----
    UserWarning
        If more than 5 % of an agent's own risk is lost.

    Raises
    ------
    TypeError, ValueError
        If the paths are no finite array of three axes, or a number of bins is not a
        positive integer.

    Notes
    -----
    Means would hide how the agents' losses differ within a group, and with it the gains
    of trade; so would the path nearest to the means.  Where equal aggregates meet the
    edge of a group, the paths listed first go to the lower group.

    Examples
    --------
    Four paths of one agent over two years, two groups a node.

    >>> paths = [[[0.0], [1.0]], [[0.0], [3.0]], [[4.0], [5.0]], [[4.0], [9.0]]]
    >>> made = tree_from_paths(paths, bins=2)
    >>> made.tree.parent.tolist(), made.endowments.tolist()
    ([-1, 0, 0, 1, 1, 2, 2], [[0.0, 0.0, 4.0, 1.0, 3.0, 5.0, 9.0]])
    >>> made.lost.tolist()  # every path has a node of its own in the end
    [0.0]
    """
    paths = validate.finite_array("paths", paths, ndim=3)
    n_paths, horizon, n_agents = paths.shape
    node, first = np.zeros(n_paths, dtype=np.int64), 0  # numbered within the stage
    parents, chances = [np.array([-1])], [np.ones(1)]
    losses, visited = [np.zeros((n_agents, 1))], []
    for t, count in enumerate(_counts("bins", bins, horizon, n_paths)):
        total = paths[:, t].sum(axis=1)
        child = _cut(node, total, count)
        size = np.bincount(child)
        middle = np.lexsort((total, child))[np.cumsum(size) - size + size // 2]
        parents.append(node[middle] + first)
        chances.append(size / np.bincount(node)[node[middle]])
        losses.append(paths[middle, t].T)
        first += int(node.max()) + 1
        node = child
        visited.append(node + first)
    tree = ScenarioTree(np.concatenate(parents), np.concatenate(chances))
    endowments = np.concatenate(losses, axis=1)
    lost = _lost(tree, endowments, paths)
    if lost.max() > MOST_LOST:
        i = int(np.argmax(lost))
        warnings.warn(
            f"bins = {bins}: the tree hides {100 * lost[i]:.0f} % of the standard "
            f"deviation of agent {i}: give more bins, or keep every path with "
            "lattice_from_paths",
            stacklevel=2,
        )
    return PathTree(tree, endowments, np.stack(visited, axis=1), validate.frozen(lost))


def _counts(name: str, given: int | Sequence[int], times: int, most: int) -> list[int]:
    """Return one positive integer for each time."""
    listed: list = [given] * times if np.ndim(given) == 0 else list(given)  # type: ignore[arg-type]
    counts = [min(validate.integer(name, count, 1), most) for count in listed]
    if len(counts) != times:
        raise ValueError(
            f"{name} = {given} has {len(counts)} entries: give one number, or one for "
            f"each of the {times} times"
        )
    return counts


def _states(states: ArrayLike, n_paths: int, horizon: int) -> np.ndarray:
    """Return the states as (n_paths, T, k), integers as they are."""
    checked = validate.finite_array("states", states)
    array = np.asarray(states)
    if array.dtype.kind not in "iub":
        array = checked
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[:2] != (n_paths, horizon) or array.ndim != 3:
        raise ValueError(
            f"states has shape {np.shape(states)}: give one state, or one row of "
            f"numbers, for each of {n_paths} paths and {horizon} times"
        )
    return array


def _cut(node: Integers, value: np.ndarray, count: int) -> Integers:
    """Cut the paths of each node into groups by value; integers are groups already.

    Returns the groups, numbered from 0 in the order of node and value.
    """
    if value.dtype.kind in "iub":
        group = np.unique(value, return_inverse=True)[1]
        key = node * (int(group.max()) + 1) + group
    else:
        order = np.lexsort((value, node))
        size = np.bincount(node)
        start = np.cumsum(size) - size
        at = node[order]
        place = np.arange(len(node)) - start[at]
        key = np.empty_like(node)
        key[order] = at * count + place * count // size[at]
    return np.unique(key, return_inverse=True)[1]


def _lost(tree: ScenarioTree, endowments: Array, paths: Array) -> Array:
    """Return what part of each agent's standard deviation the tree does not show."""
    parts = []
    for t in range(1, tree.horizon + 1):
        nodes = tree.nodes(t)
        chance, x = tree.unconditional[nodes], endowments[:, nodes]
        seen = np.sqrt(((x - (x @ chance)[:, None]) ** 2) @ chance)
        true = paths[:, t - 1].std(axis=0)
        some = true > 1e-12 * np.abs(paths[:, t - 1]).max(axis=0)
        parts.append(np.where(some, 1 - seen / np.where(some, true, 1.0), 0.0))
    return np.max(parts, axis=0)


def _drawn(
    sample: Sampler, t: int, state: int, size: int, rng: np.random.Generator, limit: int
) -> tuple[Array, Integers]:
    """Call the sampler and check what it returns."""
    where = f"sample({t}, {state}, {size}, rng)"
    try:
        losses, after = sample(t, state, size, rng)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{where} failed: {error}; it returns losses (size, n_agents) and states "
            "(size,)"
        ) from error
    paid = validate.finite_array(f"the losses of {where}", losses, shape=(size, None))
    known = validate.integers(f"the states of {where}", after, shape=(size,))
    if known.min() < 0 or known.max() >= limit:
        bad = known[(known < 0) | (known >= limit)][0]
        raise ValueError(
            f"{where} went to state {bad}: there are n_states = {limit}, numbered "
            "from 0"
        )
    return paid, known
