r"""Comonotone improvement: trading an allocation for one that everybody prefers.

Every way of sharing a loss is dominated in convex order by one in which all shares rise
with the total.  For two agents two isotonic regressions do it.  More agents are taken
one after the other: what an agent gives up, the next one takes over, and what the rest
averages over states, every member of the rest averages.
"""

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, ArrayLike, Integers

ROUNDING = 1e-14  # of sums of a few entries, relative


def comonotone_improvement(
    shares: ArrayLike, weights: ArrayLike | None = None
) -> Array:
    r"""Return comonotone shares of the same total, each lower in convex order.

    Parameters
    ----------
    shares : array_like of shape (n_agents, N)
        What each agent carries in each of N states.
    weights : array_like of shape (N,), optional
        Probabilities of the states, summing to 1; equal by default.

    Returns
    -------
    ndarray of shape (n_agents, N)
        Non-decreasing functions of the total, summing to it.

    Raises
    ------
    TypeError, ValueError
        If the shares are no finite matrix or the weights no probabilities.

    Notes
    -----
    States with equal totals are merged first; let the states stand in the order of the
    total ``s``, and PAVA be the isotonic regression.  Agent by agent, with ``c = 0`` at
    first: ``f1 = PAVA(x1 + c)``, ``f2 = PAVA(s - f1)``; the agent gets ``s - f2``, and
    the others, and ``c = x1 + c - f1`` for the next agent, are averaged over the blocks
    of ``f2``, which is the total of what is left.  The last agent gets that total.

    Why each share lies below the given one in convex order: the partial sums of ``c``
    are at least 0 (those of PAVA are the greatest convex minorant), so those of
    ``x + c`` lie above those of ``x``, and so above those of ``x`` sorted upwards,
    which are convex; then the convex minorant lies above them too.  Going from ``f1``
    to ``s - f2`` and taking means over blocks average states, which lowers the convex
    order.  O(n^2 M) after sorting, for M distinct totals.  States of weight 0 are
    interpolated.

    References
    ----------
    Lemma 5.3 and Proposition A.5 of the paper.

    Examples
    --------
    The agents bet against each other on the first state; the improvement cancels it.

    >>> comonotone_improvement([[3.0, 0.0], [-2.0, 2.0]]).tolist()
    [[1.5, 1.5], [-0.5, 0.5]]
    """
    shares = validate.finite_array("shares", shares, ndim=2)
    weights = validate.probabilities("weights", weights, shares.shape[1])
    total = shares.sum(axis=0)
    possible = np.flatnonzero(weights > 0)
    order = possible[np.argsort(total[possible], kind="stable")]
    s, w, x = total[order], weights[order], shares[:, order]
    start = np.flatnonzero(np.append(True, s[1:] != s[:-1]))
    if len(start) < len(s):  # states with one total: one state, with the mean shares
        mass = np.add.reduceat(w, start)
        s, x, w = s[start], np.add.reduceat(x * w, start, axis=1) / mass, mass
    improved = _improve(s, x, w)
    sizes = np.diff(np.append(start, len(order)))
    result = np.empty_like(shares)
    result[:, order] = np.repeat(improved, sizes, axis=1)
    off = np.flatnonzero(weights == 0)
    within = np.clip(total[off], s[0], s[-1])
    for row, shared in zip(result, improved):
        row[off] = np.interp(within, s, shared) + (total[off] - within) / len(x)
    return result


def _improve(s: Array, x: Array, w: Array) -> Array:
    """Improve shares ``x`` of rising totals ``s``, states weighted by ``w``."""
    shares, given = [], np.zeros_like(s)
    for j in range(len(x) - 1):
        first = x[j] + given
        f1, _ = _isotonic(first, w)
        f2, blocks = _isotonic(s - f1, w)
        shares.append(s - f2)
        s = f2
        if j == len(x) - 2:  # the last agent gets what is left
            break
        rest = np.vstack([x[j + 1 :], first - f1])
        mass = np.add.reduceat(w, blocks)
        means = np.add.reduceat(rest * w, blocks, axis=1) / mass
        rest = np.repeat(means, np.diff(np.append(blocks, len(s))), axis=1)
        x[j + 1 :], given = rest[:-1], rest[-1]
    return np.array([*shares, s])


def _isotonic(x: Array, w: Array) -> tuple[Array, Integers]:
    """Return the isotonic regression and where its blocks begin."""
    from scipy.optimize import isotonic_regression

    found = isotonic_regression(x, weights=w)
    return found.x, found.blocks[:-1]


def convex_order_gap(
    shares: ArrayLike, improved: ArrayLike, weights: ArrayLike | None = None
) -> float:
    r"""Return by how much ``improved`` fails to lie below ``shares`` in convex order.

    .. math:: \max_i \max_x\; E(Y_i - x)^+ - E(X_i - x)^+ , \quad
              \max_i |E Y_i - E X_i|

    Parameters
    ----------
    shares, improved : array_like of shape (n_agents, N)
        X and Y.
    weights : array_like of shape (N,), optional
        Probabilities of the states, summing to 1; equal by default.

    Returns
    -------
    float
        The larger of both, in units of loss; at most rounding certifies that every
        share is below the given one in convex order.

    Raises
    ------
    TypeError, ValueError
        If the shapes differ, entries are not finite, or weights no probabilities.

    Notes
    -----
    Both expectations are piecewise linear in x with kinks at the values, so the maximum
    is attained at one of them; O(n N log N).

    References
    ----------
    Definition 5.2 of the paper.

    Examples
    --------
    >>> convex_order_gap([[0.0, 4.0]], [[1.0, 3.0]])
    0.0
    >>> convex_order_gap([[1.0, 3.0]], [[0.0, 4.0]])
    0.5
    """
    shares = validate.finite_array("shares", shares, ndim=2)
    improved = validate.finite_array("improved", improved, shape=shares.shape)
    weights = validate.probabilities("weights", weights, shares.shape[1])
    gap = 0.0
    for x, y in zip(shares, improved, strict=True):
        means = abs(float(weights @ (y - x)))
        gap = max(gap, means, _largest_stop_loss_difference(x, y, weights))
    return gap


def _largest_stop_loss_difference(x: Array, y: Array, weights: Array) -> float:
    values = np.concatenate([y, x])
    order = np.argsort(-values)
    mass = np.concatenate([weights, -weights])[order]
    # between two neighbouring values the difference changes by their distance times
    # the difference of the probabilities beyond
    steps = -np.diff(values[order]) * np.cumsum(mass)[:-1]
    return float(max(np.cumsum(steps).max(initial=0.0), 0.0))


def is_comonotone(shares: ArrayLike, tol: float = 1e-9) -> bool:
    """Tell whether no two shares ever move in opposite directions.

    Parameters
    ----------
    shares : array_like of shape (n_agents, N)
        What each agent carries in each state.
    tol : float
        Movements up to ``tol`` times the widest range of a share do not count.

    Returns
    -------
    bool

    Notes
    -----
    Comonotone means: some order of the states lets every share rise.  The order of the
    sum is one, if there is any; O(n N log N).

    References
    ----------
    Section 5.1 of the paper.

    Examples
    --------
    >>> is_comonotone([[0, 1, 2], [0, 0, 5]]), is_comonotone([[0, 1], [1, 0]])
    (True, False)
    """
    shares = validate.finite_array("shares", shares, ndim=2)
    # constants do not matter, but for what they cost in rounding
    slack = tol * np.ptp(shares, axis=1).max() + ROUNDING * np.abs(shares).max()
    ordered = shares[:, np.argsort(shares.sum(axis=0), kind="stable")]
    return bool((np.maximum.accumulate(ordered, axis=1) - ordered <= slack).all())
