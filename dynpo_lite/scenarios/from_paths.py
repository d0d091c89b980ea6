"""From simulated paths to a scenario tree."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, ArrayLike, Integers
from dynpo_lite.scenarios.tree import ScenarioTree


class PathTree(NamedTuple):
    """A tree made of paths.

    Attributes
    ----------
    tree : ScenarioTree
    endowments : ndarray of shape (n_agents, n_nodes)
        Mean losses of the paths in each node; 0 at the root.
    node_of_path : ndarray of shape (n_paths, T)
        The node in which each path is at times 1..T.
    """

    tree: ScenarioTree
    endowments: Array
    node_of_path: Integers


def tree_from_paths(paths: ArrayLike, bins: int | Sequence[int] = 4) -> PathTree:
    """Bin simulated paths into a scenario tree.

    At every time the paths in a node are sorted by their aggregate loss and cut into
    groups of (nearly) equal size; a group becomes a child, with the mean losses of its
    paths.

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
        With ``.tree``, ``.endowments`` and ``.node_of_path``.

    Raises
    ------
    TypeError, ValueError
        If the paths are no finite array of three axes, or a number of bins is not a
        positive integer.

    Notes
    -----
    What is lost: differences of losses within a group (means are kept, so every
    coherent risk is underestimated), and what the path tells beyond the group it is in.
    Aggregate losses at one time and one node keep their means.  Where equal aggregates
    meet the edge of a group, the paths listed first go to the lower group.

    Examples
    --------
    Four paths of one agent over two years, two groups a node.

    >>> paths = [[[0.0], [1.0]], [[2.0], [3.0]], [[4.0], [5.0]], [[6.0], [9.0]]]
    >>> made = tree_from_paths(paths, bins=2)
    >>> made.tree.parent.tolist(), made.endowments.tolist()
    ([-1, 0, 0, 1, 1, 2, 2], [[0.0, 1.0, 5.0, 1.0, 3.0, 5.0, 9.0]])
    """
    paths = validate.finite_array("paths", paths, ndim=3)
    n_paths, horizon, n_agents = paths.shape
    given: list = [bins] * horizon if np.ndim(bins) == 0 else list(bins)  # type: ignore[arg-type]
    bins = [min(validate.integer("bins", b, 1), n_paths) for b in given]
    if len(bins) != horizon:
        raise ValueError(
            f"bins = {bins} has {len(bins)} entries: give one number, or one for each "
            f"of the {horizon} times"
        )
    node, first = np.zeros(n_paths, dtype=np.int64), 0  # numbered within the stage
    parents, chances, means, visited = [[-1]], [[1.0]], [np.zeros((n_agents, 1))], []
    for t, b in enumerate(bins):
        order = np.lexsort((paths[:, t].sum(axis=1), node))
        sizes = np.bincount(node)
        sorted_node = node[order]
        place = np.arange(n_paths) - (np.cumsum(sizes) - sizes)[sorted_node]
        group = sorted_node * b + place * b // sizes[sorted_node]
        labels, child = np.unique(group, return_inverse=True)
        count = np.bincount(child)
        parent = labels // b
        parents.append((parent + first).tolist())
        chances.append(count / sizes[parent])
        sums = [np.bincount(child, losses) for losses in paths[order, t].T]
        means.append(np.array(sums) / count)
        first += len(sizes)
        node = np.empty(n_paths, dtype=np.int64)
        node[order] = child
        visited.append(node + first)
    tree = ScenarioTree(np.concatenate(parents), np.concatenate(chances))
    return PathTree(tree, np.concatenate(means, axis=1), np.stack(visited, axis=1))
