r"""Choquet integrals of samples.

For samples sorted downwards, with :math:`S_j` the weight of the ``j`` largest, the
integral is :math:`\sum_j x_{(j)} [k(S_j) - k(S_{j-1})]`.
"""

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, Integers
from dynpo_lite.risk.distortions import Distortion

BLOCK = 1 << 16  # samples handled at once: fits the second-level cache
ROW = 256  # weights summed one after the other: rounding does not grow beyond it


def sample_integral(x: Array, k: Distortion, weights: Array | None = None) -> float:
    """Return the Choquet integral of samples; ``x`` may still hold what is no loss."""
    if weights is not None:
        return _weighted(validate.finite_array("x", x), k, weights)
    return _smooth(x, k) if k.breakpoints is None else _piecewise_linear(x, k)


def partitioned(x: Array, places: Integers) -> Array:
    """Return ``x`` with the entries at the rising ``places`` where a sort puts them.

    One place at a time: numpy's partition is several times slower with a list.
    """
    part, low = x.copy(), 0
    for place in places.tolist():
        part[low:].partition(place - low)
        low = place + 1
    return part


# equally likely samples -----------------------------------------------------------


def _piecewise_linear(x: Array, k: Distortion) -> float:
    """Sum of top-mean terms: ``k`` is a mixture of maximum, shortfalls and mean."""
    n = len(x)
    s = np.hstack([0.0, k.kinks, 1.0])
    values = k.values(s)
    values[0] = k.jump
    if k.jump == 1:
        return float(validate.finite_array("x", x).max())
    slopes = np.diff(values) / np.diff(s)
    bends = np.append(np.abs(np.diff(slopes)) > 1e-13 * slopes[:-1], True)
    s, values = s[np.append(True, bends)], values[np.append(True, bends)]
    slopes = np.diff(values) / np.diff(s)
    drops = slopes - np.append(slopes[1:], 0.0)  # k(s) = jump + sum drop_j min(s, s_j)
    mass = s[1:] * n  # samples in each top part, not an integer in general
    whole = np.clip(np.floor(mass).astype(np.int64), 0, n)
    cuts = n - whole[:-1] - 1  # the sample that is partly inside; the last part is all
    part = partitioned(x, np.unique(cuts[cuts >= 0])) if len(cuts) else x
    edges = np.unique(np.hstack([0, n - whole, n]))
    sums = np.add.reduceat(part, edges[:-1]) if len(edges) > 2 else [part.sum()]
    if not np.isfinite(sums).all():
        validate.finite_array("x", x)  # names the culprit, if losses do not overflow
    above = dict(zip(edges[:-1].tolist(), np.cumsum(np.asarray(sums)[::-1])[::-1]))
    above[n] = 0.0
    total = k.jump * part.max() if k.jump else 0.0
    for drop, m, w in zip(drops, mass, whole.tolist()):
        partly = (m - w) * part[n - w - 1] if w < n else 0.0
        total += drop * (above[n - w] + partly) / n
    return float(total)


def _smooth(x: Array, k: Distortion) -> float:
    losses, x = x, np.sort(x)
    if not (np.isfinite(x[0]) and np.isfinite(x[-1])):
        validate.finite_array("x", losses)
    n = len(x)
    total = 0.0
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        # survival levels (n - start)/n, ..., (n - stop)/n around the samples
        level = np.arange(n - start, n - stop - 1, -1, dtype=float) / n
        total -= _sum_of_products(np.diff(k.values(level)), x[start:stop])
    return float(total)


def _sum_of_products(mass: Array, x: Array) -> float:
    mass *= x  # no dot product: BLAS would start threads for it
    return float(mass.sum())


# weighted samples -----------------------------------------------------------------


def running_sums(weights: Array) -> Array:
    """Return the cumulative sums, rows of rows at a time.

    The rounding of one long chain of sums grows with its length, and equal weights
    round alike.

    Examples
    --------
    >>> running_sums(np.full(10**6, 1e-6))[[0, -1]].round(14).tolist()
    [1e-06, 1.0]
    """
    n = len(weights)
    if n <= ROW:
        return np.cumsum(weights)
    sums, whole = np.empty(n), n - n % ROW
    rows = sums[:whole].reshape(-1, ROW)
    np.cumsum(weights[:whole].reshape(-1, ROW), axis=1, out=rows)
    ends = running_sums(rows[:, -1])
    rows[1:] += ends[:-1, None]
    np.cumsum(weights[whole:], out=sums[whole:])
    sums[whole:] += ends[-1]
    return sums


def _weighted(x: Array, k: Distortion, weights: Array) -> float:
    """Sum over the samples from the largest one down.

    Where ``k`` ends in a straight line of slope ``b``, it is ``b`` times the mean and
    a rest that only the samples above that line's start need be sorted for.
    """
    if weights.min() == 0:
        x, weights = x[weights > 0], weights[weights > 0]
    n, slope, total = len(x), 0.0, 0.0
    if k.breakpoints is not None:
        start = float(k.breakpoints[-1]) if len(k.breakpoints) else 0.0
        at_start = float(k.values(np.array(start))) if start else k.jump
        slope = (1.0 - at_start) / (1.0 - start)
        total = slope * float((x * weights).sum()) if slope else 0.0
        if slope == 1:
            return total
        places = _largest(x, weights, start)
        x, weights = x[places], weights[places]
    order, above = np.argsort(x), 0.0
    for begin in range(0, len(x), BLOCK):  # from the largest down
        end = min(begin + BLOCK, len(x))
        here = order[len(x) - end : len(x) - begin]
        level = np.append(above, running_sums(weights.take(here)[::-1]))
        level[1:] += above
        np.minimum(level, 1.0, out=level)
        above = level[-1]
        if end == n:
            level[-1] = 1.0
        values = k.values(level)
        if slope:
            values -= slope * level
        total += _sum_of_products(np.diff(values), x.take(here)[::-1])
    return total


def _largest(x: Array, weights: Array, mass: float) -> Integers | slice:
    """Return the places of largest samples that weigh more than ``mass``, or of all."""
    n, count = len(x), int(2 * mass * len(x)) + ROW
    if count < n // 2:
        places = np.argpartition(x, n - count)[n - count :]
        if weights[places].sum() > mass:
            return places
    return slice(None)
