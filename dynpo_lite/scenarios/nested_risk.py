r"""Dynamic risk measures: conditional one-step measures, nested backwards in time.

The risk-to-go of losses :math:`Y` at a node of stage ``t`` is

.. math:: R_t = \rho_t(Y_{t+1} + R_{t+1}), \qquad R_T = 0,

with the one-step measure :math:`\rho_t` applied to the law given the node.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, ArrayLike, Integers
from dynpo_lite.risk.distortions import Distortion
from dynpo_lite.risk.measures import choquet, parts_of
from dynpo_lite.scenarios.branches import Branches, to_come
from dynpo_lite.scenarios.lattice import ScenarioLattice
from dynpo_lite.scenarios.tree import ScenarioTree

Scenarios: TypeAlias = ScenarioTree | ScenarioLattice


def risk_to_go(tree: Scenarios, losses: ArrayLike, measure: Any) -> Array:
    r"""Return the nested risk of the losses still to come, at every node.

    Parameters
    ----------
    tree : ScenarioTree or ScenarioLattice
    losses : array_like of shape (n_nodes,), or (n_arcs,) on a lattice
        The loss paid at each node, the root's entry is ignored; on a lattice at each
        arc, or at each node on arrival.
    measure : Distortion, Supremum or callable, or a mapping or sequence of them
        One measure for all nodes, or one for each non-terminal node.

    Returns
    -------
    ndarray of shape (n_nodes,)
        The risk-to-go, in the units of the losses; 0 at leaves.  The root's entry is
        the risk of the whole process at time 0.

    Raises
    ------
    TypeError, ValueError
        If the losses have the wrong shape or are not finite, or a non-terminal node
        has no measure.

    Notes
    -----
    Nested risk is in general not the measure of the sum: two fair coins paying 0 or 1
    have nested ES at level 1/2 of 2, and the ES of their sum is 1.5.

    References
    ----------
    Definition 3.8 and equation (1) of the paper.

    Examples
    --------
    >>> from dynpo_lite import ExpectedShortfall, ScenarioTree
    >>> tree = ScenarioTree([-1, 0, 0, 1, 1, 2, 2], [1] + [0.5] * 6)
    >>> risk_to_go(tree, [0, 0, 1, 0, 1, 0, 1], ExpectedShortfall(0.5)).tolist()
    [2.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    losses, at_node = _checked(tree, losses, measure)
    result = np.zeros(tree.n_nodes)
    for stage in tree.branches[::-1]:
        for ways in stage:
            z = to_come(ways, losses, result)
            result[ways.node] = conditional_risk(ways, z, at_node(ways.node))
    return result


def marginal_risk_to_go(tree: ScenarioTree, losses: ArrayLike, measure: Any) -> Array:
    """Return the nested risk with all laws taken unconditionally.

    Parameters, returns and errors are those of :func:`risk_to_go`.

    Notes
    -----
    The marginal reading, in which Section 6.2 of the paper computes: at a node of stage
    ``t`` its measure is applied to the unconditional law of the loss at ``t + 1`` plus
    the risk-to-go there.  Nodes of one stage with the same measure have the same risk.

    Examples
    --------
    >>> from dynpo_lite import Expectation, ScenarioTree
    >>> tree = ScenarioTree([-1, 0, 0, 1, 2], [1, 0.5, 0.5, 1, 1])
    >>> marginal_risk_to_go(tree, [0, 0, 0, 1, 3], Expectation()).tolist()
    [2.0, 2.0, 2.0, 0.0, 0.0]
    """
    validate.instance("tree", tree, ScenarioTree)
    losses, at_node = _checked(tree, losses, measure)
    result = np.zeros(tree.n_nodes)
    for t in range(tree.horizon - 1, -1, -1):
        nodes, following = tree.nodes(t), tree.nodes(t + 1)
        z = losses[following] + result[following]
        weights = tree.unconditional[following]
        for parts, rows in at_node(nodes):
            result[nodes[rows]] = max(choquet(z, k, weights) for k in parts)
    return result


Parts: TypeAlias = tuple[Distortion, ...]  # whose largest integral is the risk


@dataclass(frozen=True, eq=False)
class NodeMeasures:
    """Which distortions the nodes use: called with nodes, it returns groups of them.

    ``parts`` are the different measures, each a tuple of distortions; ``numbers`` says
    which of them each non-terminal node uses, None that all use the first.
    """

    parts: tuple[Parts, ...]
    numbers: Integers | None = None

    def __call__(self, nodes: Integers) -> list[tuple[Parts, Any]]:
        """Return pairs of distortions and the positions of the nodes that use them."""
        if self.numbers is None:
            return [(self.parts[0], slice(None))]
        used = self.numbers[nodes]
        order = np.argsort(used, kind="stable")
        start = np.flatnonzero(np.append(True, np.diff(used[order]) > 0))
        groups = np.split(order, start[1:])
        return [(self.parts[used[rows[0]]], rows) for rows in groups]


def node_measures(tree: Scenarios, measure: Any, name: str = "measure") -> NodeMeasures:
    """Return the distortions of every node.

    Parameters
    ----------
    tree : ScenarioTree or ScenarioLattice
    measure : Distortion, Supremum or callable, or a mapping or sequence of them
    name : str
        How errors call it.

    Returns
    -------
    NodeMeasures

    Raises
    ------
    TypeError, ValueError
        If a non-terminal node has no measure.
    """
    if not varies(measure):
        return NodeMeasures((parts_of(measure, name),))
    known = hasattr(measure, "keys")
    inner = tree.n_inner
    given = list(measure.keys()) if known else range(len(measure))
    missing = set(range(inner)) - set(given)
    if missing:
        raise ValueError(
            f"{name} has no entry for node {min(missing)}: "
            f"give one for each of the {inner} non-terminal nodes"
        )
    beyond = [v for v in given if v not in range(tree.n_nodes)]
    if beyond:
        raise ValueError(
            f"{name} has an entry for node {beyond[0]}: the {tree.kind} has "
            f"{tree.n_nodes} nodes, numbered from 0"
        )
    parts: list[Parts] = []
    kinds: dict[Any, int] = {}
    numbers = np.empty(inner, dtype=np.int64)
    kept = [measure[v] for v in range(inner)]  # made when asked for: outlive their ids
    for v, own in enumerate(kept):
        # equal measures are one kind; what cannot be hashed is told apart by identity
        key = own if isinstance(own, Distortion) else id(own)
        numbers[v] = kinds.setdefault(key, len(parts))
        if numbers[v] == len(parts):
            parts.append(parts_of(own, f"{name}[{v}]"))
    return NodeMeasures(tuple(parts), numbers)


def varies(measure: Any) -> bool:
    """Tell whether a measure is given node by node."""
    return hasattr(measure, "keys") or isinstance(measure, (list, tuple, np.ndarray))


def _checked(
    tree: Scenarios, losses: ArrayLike, measure: Any
) -> tuple[Array, NodeMeasures]:
    check_scenarios("tree", tree)
    return payments(tree, "losses", losses), node_measures(tree, measure)


def check_scenarios(name: str, value: object) -> None:
    """Refuse what is neither a tree nor a lattice."""
    if not isinstance(value, ScenarioLattice):
        validate.instance(name, value, ScenarioTree)


def payments(tree: Scenarios, name: str, value: ArrayLike, *lead: int) -> Array:
    """Return a copy of what is paid, of shape lead + (n_entries,).

    The root's entries are 0.  On a lattice also lead + (n_nodes,): paid on arrival.
    """
    array = validate.real_array(name, value)
    n, on_tree = tree.n_entries, isinstance(tree, ScenarioTree)
    if on_tree or array.shape != (*lead, tree.n_nodes):
        array = validate.real_array(name, array, shape=(*lead, n))
    array = array.copy()
    if on_tree or array.shape[-1] != n:
        array[..., 0] = 0.0  # ignored, whatever stands there
    return validate.finite_array(name, array)


def conditional_risk(ways: Branches, z: Array, measures: list) -> Array:
    """Return the one-step risk of ``z`` given each node.

    Parameters
    ----------
    ways : Branches
        ``m`` nodes with ``b`` ways on.
    z : ndarray of shape (m, b), or (1, b) where it is the same at every node
    measures : list of (parts, rows)
        Which nodes use which distortions, from :func:`node_measures`.

    Returns
    -------
    ndarray of shape (m,)
    """
    z, level = descending(ways, z)
    result = np.empty(len(ways.node))
    for parts, rows in measures:
        at = level if len(level) == 1 else level[rows]
        own = z if len(z) == 1 else z[rows]
        risks = [layer_sum(own, k.values(at)) for k in parts]
        result[rows] = risks[0] if len(risks) == 1 else np.max(risks, axis=0)
    return result


def descending(ways: Branches, z: Array) -> tuple[Array, Array]:
    """Sort each row of ``z`` downwards.

    Returns
    -------
    z : ndarray of the shape of z
    level : ndarray of shape (m, b), or (1, b) where all ways are equally likely
        The conditional probability of the ways up to each place; the last is 1.
    """
    if ways.equal:
        return -np.sort(-z, axis=1), _equal_levels(z.shape[1])
    order, level = descending_order(ways, z)
    return np.take_along_axis(z, order, axis=1), level


def descending_order(ways: Branches, z: Array) -> tuple[Integers, Array]:
    """Return the order and the levels of :func:`descending`."""
    order = np.argsort(-z, axis=1, kind="stable")
    if ways.equal:
        return order, _equal_levels(z.shape[1])
    chance = ways.probability
    one = len(order) == 1  # for all nodes
    chance = chance[:, order[0]] if one else np.take_along_axis(chance, order, axis=1)
    level = np.cumsum(chance, axis=1)
    np.minimum(level, 1.0, out=level)
    level[:, -1] = 1.0
    return order, level


def _equal_levels(b: int) -> Array:
    return np.arange(1, b + 1)[None] / b


def layer_sum(z: Array, k: Array) -> Array:
    """Return the Choquet sums of rows sorted downwards, ``k`` at their levels."""
    # Abel summation: sum_j k_j (z_j - z_{j+1}) + z_last, as k = 1 at the end
    return ((z[:, :-1] - z[:, 1:]) * k[:, :-1]).sum(axis=1) + z[:, -1]
