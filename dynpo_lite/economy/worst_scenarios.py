r"""Scenarios that all agents accept: lower bounds on what any allocation costs.

At a node whose ways on carry the total ``Z``, let ``q`` be any reweighting of them that
every agent accepts as a scenario: :math:`E_q[W] \le \rho_i(W)` for all ``W``.  Then
**every** split of ``Z``, comonotone or not, costs at least :math:`E_q[Z]`.  That ``q``
is accepted is checked on its own: for a concave distortion, the mass of the n ways that
gain most must not exceed ``k`` of their probability, for every n.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dynpo_lite.base.lp import solve_lp
from dynpo_lite.base.types import Array, Integers
from dynpo_lite.economy.economy import Economy
from dynpo_lite.risk.distortions import Distortion
from dynpo_lite.scenarios.branches import Branches

Parts = tuple[Distortion, ...]
AT_ONCE = 64  # nodes whose worst mixtures are sought in one programme


class WorstScenarios(NamedTuple):
    """A scenario at each of some nodes, and who carries what at the least cost.

    Attributes
    ----------
    bound : ndarray of shape (m,)
        The mean of the total under the scenario: no split costs less.
    order : ndarray of shape (m, b)
        The ways from the largest total to the smallest.
    shares : ndarray of shape (n_agents, m, b)
        Of the layers below each total, in that order.
    """

    bound: Array
    order: Integers
    shares: Array


def worst_scenarios(economy: Economy, ways: Branches, z: Array) -> WorstScenarios:
    """Return an accepted scenario of each node under which the total ``z`` is largest.

    Raises
    ------
    ArithmeticError
        If a scenario is not accepted by some agent.
    """
    order = np.argsort(-z, axis=1, kind="stable")
    p = np.take_along_axis(ways.probability, order, axis=1)
    z = np.take_along_axis(z, order, axis=1)
    bound, shares = np.empty(len(z)), np.empty((economy.n_agents, *z.shape))
    for rows, agents in _kinds(economy, ways.node):
        q, shares[:, rows], accepted = _scenarios(agents, p[rows], z[rows])
        if not accepted.all():
            node = ways.node[rows][np.argmin(accepted)]
            raise ArithmeticError(f"the scenario at node {node} is not accepted")
        bound[rows] = (q * z[rows]).sum(axis=1)
    return WorstScenarios(bound, order, shares)


def _kinds(economy: Economy, nodes: Integers) -> Iterator[tuple[Integers, list[Parts]]]:
    """Return which nodes share the distortions of all agents, and these."""
    found = [economy.measures_at(i, nodes) for i in range(economy.n_agents)]
    labels = np.zeros((economy.n_agents, len(nodes)), dtype=np.int64)
    for i, groups in enumerate(found):
        for number, (_, rows) in enumerate(groups):
            labels[i, rows] = number
    kinds, place = np.unique(labels, axis=1, return_inverse=True)
    order, place = np.argsort(place, kind="stable"), place.ravel()
    ends = np.cumsum(np.bincount(place))[:-1]
    for kind, rows in zip(kinds.T, np.split(order, ends), strict=True):
        parts = [groups[number][0] for groups, number in zip(found, kind, strict=True)]
        yield rows, parts


def _scenarios(agents: list[Parts], p: Array, z: Array) -> tuple[Array, Array, Array]:
    """Return scenarios, shares of the layers and what was accepted; rows descend."""
    level = _up_to(p)
    weights, shares = _worst_mixtures(agents, level, z)
    tails = _mixed(agents, weights, level)
    least = tails.min(axis=0)
    least[:, -1] = 1.0
    q = np.diff(least, prepend=0.0, axis=1)
    gain = np.argsort(-q / p, axis=1, kind="stable")
    mass = np.cumsum(np.take_along_axis(q, gain, axis=1), axis=1)
    chance = _up_to(np.take_along_axis(p, gain, axis=1))
    within = (mass <= _mixed(agents, weights, chance) + 1e-9).all(axis=(0, 2))
    if shares is None:
        ties = tails - least <= 1e-12 * least
        shares = ties / ties.sum(axis=0)
    return q, shares, within & (q >= -1e-12).all(axis=1)


def _up_to(p: Array) -> Array:
    level = np.minimum(np.cumsum(p, axis=1), 1.0)
    level[:, -1] = 1.0
    return level


def _mixed(agents: list[Parts], weights: list[Array], level: Array) -> Array:
    """Return the mixtures of the distortions at the levels, (n_agents, m, b)."""
    values = (np.array([k.values(level) for k in parts]) for parts in agents)
    pairs = zip(weights, values, strict=True)
    return np.array([np.einsum("ml,lmb->mb", w, k) for w, k in pairs])


def _worst_mixtures(
    agents: list[Parts], level: Array, z: Array
) -> tuple[list[Array], Array | None]:
    """Return the weights of each agent's distortions, and shares of the layers.

    The layers lie between neighbouring sorted totals; with one distortion each there is
    nothing to choose, and the shares are left to the caller.
    """
    m = len(z)
    if all(len(parts) == 1 for parts in agents):
        return [np.ones((m, 1))] * len(agents), None
    starts = range(0, m, AT_ONCE)
    found = [
        _mixed_at_once(agents, level[a : a + AT_ONCE], z[a : a + AT_ONCE])
        for a in starts
    ]
    weights = [np.concatenate(own) for own in zip(*(w for w, _ in found), strict=True)]
    return weights, np.concatenate([shares for _, shares in found], axis=1)


def _mixed_at_once(
    agents: list[Parts], level: Array, z: Array
) -> tuple[list[Array], Array]:
    """Solve one programme for the nodes of all rows."""
    from scipy.sparse import block_diag, csr_array, eye_array, hstack

    n, (m, b) = len(agents), z.shape
    widths = z[:, :-1] - z[:, 1:]
    widths = widths / np.maximum(widths.max(axis=1, initial=0.0), 1e-300)[:, None]
    tails = [np.array([k.values(level[:, :-1]) for k in parts]) for parts in agents]
    # a node's shares of its layers, then everybody's risk: at least that of every part
    risks = block_diag([np.ones((len(parts), 1)) for parts in agents])
    caps = [
        hstack([block_diag([own[:, row] * widths[row] for own in tails]), -risks])
        for row in range(m)
    ]
    whole = hstack([*[eye_array(b - 1)] * n, csr_array((b - 1, n))])
    cost = np.tile(np.repeat([0.0, 1.0], [n * (b - 1), n]), m)
    bounds = ([(0, 1)] * (n * (b - 1)) + [(None, None)] * n) * m
    left, sums = block_diag(caps).tocsr(), block_diag([whole] * m).tocsr()
    found = solve_lp(
        cost, left, np.zeros(left.shape[0]), sums, np.ones(m * (b - 1)), bounds
    )
    duals = found.upper_prices.reshape(m, -1)
    split = np.split(duals, np.cumsum([len(parts) for parts in agents])[:-1], axis=1)
    shares = found.x.reshape(m, -1)[:, : n * (b - 1)].reshape(m, n, b - 1)
    last = np.full((n, m, 1), 1.0 / n)
    weights = [own / own.sum(axis=1, keepdims=True) for own in split]
    return weights, np.concatenate([shares.transpose(1, 0, 2), last], axis=2)
