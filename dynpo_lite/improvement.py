r"""Comonotone improvement: trading an allocation for one that everybody prefers.

Every way of sharing a loss is dominated in convex order by one in which all shares rise
with the total.  For two agents two isotonic regressions do it.  More agents are taken
one after the other: when the first agent and the rest trade, the rest passes the change
on to its members by averaging states, which lowers everybody's risk.
"""

import numpy as np

from . import validate


def comonotone_improvement(shares, weights=None):
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
    States with equal totals are merged first.  With the states in the order of the
    total ``s`` and PAVA the isotonic regression, two agents get ``(s - f2, f2)`` where
    ``f1 = PAVA(x1)`` and ``f2 = PAVA(s - f1)``; summation by parts shows both lie below
    ``x1`` and ``x2`` in convex order.  With more agents, ``x1`` and the sum ``r`` of
    the others trade in this way; ``r`` becomes ``f2`` by a doubly stochastic averaging
    of states, which is then applied to the others one by one.  O(n^2 M log M) for M
    distinct totals.  States of weight 0 are interpolated.

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
    n_states = shares.shape[1]
    if weights is None:
        weights = np.full(n_states, 1.0 / n_states)
    else:
        weights = validate.probabilities("weights", weights, n_states)
    total = shares.sum(axis=0)
    possible = np.flatnonzero(weights > 0)
    order = possible[np.argsort(total[possible], kind="stable")]
    s, w, x = total[order], weights[order], shares[:, order]
    start = np.flatnonzero(np.append(True, s[1:] != s[:-1]))
    if len(start) < len(s):  # states with one total: one state, with the mean shares
        mass = np.add.reduceat(w, start)
        s, x = s[start], np.add.reduceat(x * w, start, axis=1) / mass
        w = mass
    improved = _improve(s, x, w)
    sizes = np.diff(np.append(start, len(order)))
    result = np.empty_like(shares)
    result[:, order] = np.repeat(improved, sizes, axis=1)
    off = np.flatnonzero(weights == 0)
    if len(off):
        within = np.clip(total[off], s[0], s[-1])
        for row, shared in zip(result, improved):
            row[off] = np.interp(within, s, shared) + (total[off] - within) / len(x)
    return result


def _improve(s, x, w):
    """Improve shares ``x`` of rising totals ``s``, states weighted by ``w``."""
    shares = []
    while len(x) > 1:
        first, rest = x[0], x[1:]
        f1, _ = _isotonic(first, w)
        if len(rest) > 1:
            rest = _pass_on(rest, first - f1, w)
        f2, blocks = _isotonic(s - f1, w)
        shares.append(s - f2)
        if len(rest) > 1:
            mass = np.add.reduceat(w, blocks)
            means = np.add.reduceat(rest * w, blocks, axis=1) / mass
            rest = np.repeat(means, np.diff(np.append(blocks, len(s))), axis=1)
        s, x = f2, rest
    return np.array([*shares, s])


def _isotonic(x, w):
    """Return the isotonic regression and where its blocks begin."""
    from scipy.optimize import isotonic_regression

    found = isotonic_regression(x, weights=w)
    return found.x, found.blocks[:-1]


def _pass_on(x, change, w):
    """Average states so that the sum of the rows of ``x`` moves by ``change``.

    The change takes from states on the right and gives to states on the left, and
    leaves the sum rising.  What crosses the middle is done first: the states concerned
    give part of themselves to a pool and take its mean.  Then both halves do the same,
    all parts of one size at once.  The level of the pool lies between those of takers
    and givers, so every part given lies between 0 and 1.
    """
    n, n_states = x.shape
    size = 1 << max(n_states - 1, 1).bit_length()
    pad = (0, size - n_states)
    flow = np.maximum(np.cumsum(change * w), 0.0)  # from j + 1 to j
    flow[flow <= 1e-15 * (w @ np.abs(x).sum(axis=0))] = 0.0  # rounding
    flow[-1] = 0.0
    flow, target = np.pad(flow, pad), np.pad(x.sum(axis=0) + change, pad, mode="edge")
    x, w = np.pad(x, [(0, 0), pad], mode="edge"), np.pad(w, pad, mode="edge")
    while size > 1:
        flow, half = flow.reshape(-1, size), size // 2
        busy = np.flatnonzero(flow[:, half - 1] > 0)
        if len(busy):
            part = flow[busy]
            gives = np.minimum.accumulate(part[:, half - 1 :], axis=1)
            takes = np.minimum.accumulate(part[:, half - 1 :: -1], axis=1)[:, ::-1]
            moved = np.hstack(
                [np.diff(takes, axis=1, prepend=0.0), np.diff(gives, axis=1)]
            )
            flow[busy] = np.hstack(
                [part[:, :half] - takes, part[:, half:] - gives[:, 1:]]
            )
            level = target.reshape(-1, size)[busy, half - 1 : half + 1].mean(axis=1)
            rows, weight = x.reshape(n, -1, size)[:, busy], w.reshape(-1, size)[busy]
            distance = level[:, None] - rows.sum(axis=0)
            with np.errstate(divide="ignore", invalid="ignore"):
                given = np.clip(moved / (weight * distance), 0.0, 1.0)
            given[moved == 0] = 0.0
            mass = weight * given
            total = np.maximum(mass.sum(axis=1), 1e-300)
            pool = np.einsum("ijk,jk->ij", rows, mass) / total
            rows += given * (pool[:, :, None] - rows)
            x.reshape(n, -1, size)[:, busy] = rows
        size = half
    return x[:, :n_states]


def convex_order_gap(shares, improved, weights=None):
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
    n_states = shares.shape[1]
    if weights is None:
        weights = np.full(n_states, 1.0 / n_states)
    else:
        weights = validate.probabilities("weights", weights, n_states)
    gap = 0.0
    for x, y in zip(shares, improved, strict=True):
        gap = max(gap, abs(float(weights @ (y - x))))
        gap = max(gap, _largest_stop_loss_difference(x, y, weights))
    return gap


def _largest_stop_loss_difference(x, y, weights):
    values = np.concatenate([y, x])
    order = np.argsort(-values)
    mass = np.concatenate([weights, -weights])[order]
    # between two neighbouring values the difference changes by their distance times
    # the difference of the probabilities beyond
    steps = -np.diff(values[order]) * np.cumsum(mass)[:-1]
    return float(max(np.cumsum(steps).max(initial=0.0), 0.0))
