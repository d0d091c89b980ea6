r"""Static risk measures: Choquet integrals of losses.

.. math::
   I_k(X) = \int_0^\infty k(P(X > x))\,dx + \int_{-\infty}^0 [k(P(X > x)) - 1]\,dx

(Definition 5.19).  A law is given by samples, with or without weights, or by a frozen
distribution of ``scipy.stats``.
"""

import itertools
import warnings
from dataclasses import dataclass

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.risk.distortions import (
    Expectation,
    ExpectedShortfall,
    ProportionalHazard,
    Wang,
    as_distortion,
    as_distortions,
)

BLOCK = 1 << 16  # samples handled at once: fits the second-level cache
TAIL_TOL = 1e-6  # margin around tail index 1, where an integral neither way decides


@dataclass(frozen=True, eq=False)
class Supremum:
    r"""The largest of several Choquet integrals: coherent and law invariant.

    .. math:: \rho(X) = \max_j I_{k_j}(X)

    Every law-invariant coherent measure on bounded losses of an atomless space is a
    supremum of this kind (Lemma 5.20); it is not a distortion itself.

    Parameters
    ----------
    distortions : sequence of Distortion
        At least one; callables are checked as distortions.

    Examples
    --------
    >>> either = Supremum([ExpectedShortfall(0.5), Expectation()])
    >>> choquet([0.0, 0.0, 3.0, 5.0], either)  # the mean of the worse half
    4.0
    """

    distortions: tuple

    def __post_init__(self):
        object.__setattr__(self, "distortions", as_distortions(self.distortions))


def parts_of(measure, name="measure"):
    """Return the distortions whose largest Choquet integral ``measure`` is."""
    if isinstance(measure, Supremum):
        return measure.distortions
    return (as_distortion(measure, name),)


def is_frozen(x):
    """Tell whether ``x`` is a frozen continuous or discrete scipy.stats law."""
    return hasattr(x, "sf") and hasattr(x, "isf") and hasattr(x, "support")


def choquet(x, measure, weights=None):
    r"""Risk of a loss: the Choquet integral of its survival function.

    For samples sorted downwards, with :math:`S_j` the weight of the ``j`` largest,
    it is :math:`\sum_j x_{(j)} [k(S_j) - k(S_{j-1})]`.

    Parameters
    ----------
    x : array_like of shape (N,), or frozen scipy.stats distribution
        Losses, positive values are bad.  Repeated samples are atoms.
    measure : Distortion, Supremum or callable
        A callable is checked as a distortion.
    weights : array_like of shape (N,), optional
        Probabilities of the samples, summing to 1; equal by default.

    Returns
    -------
    float
        In the units of ``x``; ``inf`` where the tail of a frozen distribution is too
        heavy for the measure.

    Raises
    ------
    TypeError
        If ``measure`` is no distortion, or ``x`` holds no numbers.
    ValueError
        If ``x`` is empty, not finite or of the wrong shape, if the weights are no
        probabilities, or if the integral of a frozen distribution does not converge.

    Notes
    -----
    Piecewise linear distortions of equally weighted samples cost a partial sort, O(N);
    all others a sort.  A loss whose gains have no mean, as a Cauchy law, is refused:
    no coherent measure is defined for it.

    References
    ----------
    Definition 5.19 of the paper.

    Examples
    --------
    The worst quarter of five outcomes is one and a quarter of them:
    (4 + 0.25 * 3) / 1.25 = 3.8.

    >>> choquet([0, 1, 2, 3, 4], ExpectedShortfall(0.75))
    3.8
    >>> from scipy import stats
    >>> choquet(stats.uniform(), ExpectedShortfall(0.5))
    0.75
    """
    parts = parts_of(measure)
    if is_frozen(x):
        if weights is not None:
            raise ValueError("weights go with samples: leave them out for a law")
        with warnings.catch_warnings():  # of quantile functions, far out in the tails
            warnings.simplefilter("ignore", RuntimeWarning)
            return max(_law_integral(x, k) for k in parts)
    x = validate.real_array("x", x, ndim=1)
    if weights is not None:
        weights = validate.probabilities("weights", weights, len(x))
    return max(_sample_integral(x, k, weights) for k in parts)


# samples ------------------------------------------------------------------------


def _sample_integral(x, k, weights):
    if weights is not None:
        x = validate.finite_array("x", x)
        order, level = survival_levels(x, weights)
        return float(np.diff(k.values(level), prepend=0.0) @ x[order])
    if k.breakpoints is not None:
        return _piecewise_linear(x, k)
    return _smooth(x, k)


def survival_levels(x, weights):
    """Return the order of the possible samples, falling, and P(X >= sample) there.

    Samples of weight 0 are left out.
    """
    order = np.argsort(-x, kind="stable")
    order = order[weights[order] > 0]
    # extended precision: the sums of many weights must still reach 1
    level = np.cumsum(weights[order], dtype=np.longdouble)
    level = np.minimum(level / level[-1], 1.0).astype(float)
    level[-1] = 1.0
    return order, level


def _piecewise_linear(x, k):
    """Sum of top-mean terms: ``k`` is a mixture of maximum, shortfalls and mean."""
    n = len(x)
    s = np.hstack([0.0, k.breakpoints, 1.0])
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


def partitioned(x, places):
    """Return ``x`` with the entries at the rising ``places`` where a sort puts them.

    One place at a time: numpy's partition is several times slower with a list.
    """
    part, low = x.copy(), 0
    for place in places.tolist():
        part[low:].partition(place - low)
        low = place + 1
    return part


def _smooth(x, k):
    losses, x = x, np.sort(x)
    if not (np.isfinite(x[0]) and np.isfinite(x[-1])):
        validate.finite_array("x", losses)
    n = len(x)
    total = 0.0
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        # survival levels (n - start)/n, ..., (n - stop)/n around the samples
        level = np.arange(n - start, n - stop - 1, -1, dtype=float)
        level /= n
        k_level = k.values(level)
        mass = k_level[:-1] - k_level[1:]
        mass *= x[start:stop]  # no dot product: BLAS would start threads for it
        total += mass.sum()
    return float(total)


# frozen distributions -----------------------------------------------------------


def _law_integral(law, k):
    """Closed form where there is one, integration otherwise."""
    low, high = (float(end) for end in law.support())
    if not _has_mean_of_gains(law, low):
        raise ValueError(
            "x is a law whose gains have no mean: no coherent measure is defined; "
            "bound it from below"
        )
    known = _closed_form(law, k)
    if known is not None:
        return float(known)
    if _is_discrete(law):
        return _discrete(law, k, low, high)
    if k.jump > 0 and high == np.inf:
        return np.inf
    return _continuous(law, k, low, high)


def _is_discrete(law):
    return hasattr(getattr(law, "dist", law), "pmf")


def _far_points(quantile, tail):
    """Return rising far quantiles and their levels, or None for a light tail."""
    for start in (1e-30, 1e-15, 1e-9, 1e-4, 1e-2):
        levels = start ** np.array([1.0, 2.5, 5.0])
        with np.errstate(all="ignore"):
            points = np.array([quantile(u) for u in levels], dtype=float)
            found = np.array([tail(x) for x in points], dtype=float)
            # some quantile functions of scipy give up far out: believe the tail
            believable = np.isfinite(points).all() and (found > 0.5 * levels).all()
        if believable and (found < 2 * levels).all():
            points = np.abs(points)
            return None if (points[1:] < 2 * points[:-1]).any() else (points, levels)
    return None


def _indices(points, values):
    """Return the powers with which ``values`` fall, far out and farther out."""
    with np.errstate(all="ignore"):  # a tail of 0 is as light as can be: index inf
        return -np.diff(np.log(values)) / np.diff(np.log(points))


def _has_mean_of_gains(law, low):
    if low > -np.inf:
        return True
    far = _far_points(law.ppf, law.cdf)
    return far is None or _indices(*far)[1] > 1 + TAIL_TOL


def _diverges(law, k):
    """Tell whether the upper integral is infinite; refuse the edge of integrability."""
    far = _far_points(law.isf, law.sf)
    if far is None:
        return False
    points, levels = far
    for values in (
        levels,
        k.values(levels),
    ):  # a distorted tail is never the lighter one
        indices = _indices(points, values)
        if indices[1] > 1.02 * indices[0]:  # lighter and lighter: integrate and see
            continue
        if indices[1] < 1 - TAIL_TOL:
            return True
        if indices[1] < 1 + TAIL_TOL:
            raise ValueError(
                f"x has a tail at the edge of integrability under {k!r}: the integral "
                "does not converge numerically; choose a milder measure"
            )
    return False


def _law_name(law):
    dist = getattr(law, "dist", None)
    if dist is None or not hasattr(dist, "_parse_args"):
        return None, (), 0.0, 1.0
    try:
        shapes, loc, scale = dist._parse_args(*law.args, **law.kwds)
    except (TypeError, ValueError):  # discrete laws have no scale
        return None, (), 0.0, 1.0
    return dist.name, shapes, float(loc), float(scale)


def _closed_form(law, k):
    """Return the integral where a textbook formula holds, else None."""
    name, shapes, loc, scale = _law_name(law)
    if isinstance(k, Expectation) or (
        isinstance(k, ExpectedShortfall) and k.level == 0
    ):
        # scipy knows the means of its own families; elsewhere it would integrate badly
        own = type(getattr(law, "dist", law)).__module__.startswith("scipy.stats")
        mean = float(law.mean()) if own and not _is_discrete(law) else np.nan
        return mean if not np.isnan(mean) else None
    standard = None
    if isinstance(k, ExpectedShortfall):
        standard = _shortfall(name, shapes, k.level, k.tail)
    elif isinstance(k, Wang):
        if name == "norm":
            standard = k.shift
        elif name == "lognorm":
            standard = np.exp(shapes[0] * k.shift + shapes[0] ** 2 / 2)
    elif isinstance(k, ProportionalHazard):
        r = k.exponent
        if name == "expon":
            standard = 1 / r
        elif name == "uniform":
            standard = 1 / (1 + r)
        elif name == "pareto":
            power = shapes[0] * r
            standard = power / (power - 1) if power > 1 else np.inf
    return None if standard is None else loc + scale * standard


def _shortfall(name, shapes, level, tail):
    """Expected Shortfall of a standard law (location 0, scale 1)."""
    from scipy.special import ndtr, ndtri

    if name == "expon":
        return 1 - np.log(tail)
    if name == "uniform":
        return (1 + level) / 2
    if name == "norm":
        return np.exp(-(ndtri(tail) ** 2) / 2) / np.sqrt(2 * np.pi) / tail
    if name == "lognorm":
        sigma = shapes[0]
        return np.exp(sigma**2 / 2) * ndtr(sigma - ndtri(level)) / tail
    if name == "pareto":
        b = shapes[0]
        return b / (b - 1) * tail ** (-1 / b) if b > 1 else np.inf
    return None


def _discrete(law, k, low, high):
    """Sum over the atoms, out to where the tails carry no more weight."""
    family = getattr(law, "dist", law)
    if hasattr(family, "xk"):  # a finite list of values, not one apart
        atoms = np.asarray(family.xk, dtype=float) + low - family.a
        weights = law.pmf(atoms)
        return _sample_integral(atoms, k, weights / weights.sum())
    if k.jump > 0 and high == np.inf:
        return np.inf
    centre = float(law.ppf(0.5))  # the atoms are one apart
    up = _atoms_to(lambda x: k.values(law.sf(centre + x)), centre, high - centre)
    down = _atoms_to(lambda x: k.complement(law.cdf(centre - x)), centre, centre - low)
    atoms = centre + np.arange(-down, up + 1)
    levels = k.values(np.clip(law.sf(np.append(atoms[0] - 1, atoms)), 0, 1))
    return centre + float((levels[:-1] - levels[1:]) @ (atoms - centre))


def _atoms_to(weight, centre, end):
    """Return how far from the centre atoms must be counted."""
    reach = min(64.0, end)
    while reach < end and weight(reach) * (reach + abs(centre)) > 1e-18:
        reach = min(2 * reach, end)
        if reach > 1e7:
            raise ValueError("x spreads over too many atoms: give samples with weights")
    return reach


def _continuous(law, k, low, high):
    if high == np.inf and _diverges(law, k):
        return np.inf
    if k.smooth:
        return _by_pieces(law, k, low, high, k.kinks)
    # kinks that we do not know spoil the integration: two ways of cutting must agree
    one, two = (
        _by_pieces(law, k, low, high, np.union1d(k.kinks, base ** -np.arange(1.0, n)))
        for base, n in ((2.0, 40), (3.0, 26))
    )
    if abs(one - two) > 1e-9 * max(abs(one), abs(two)):
        raise ValueError(
            f"x: the integral under {k!r} does not converge (two attempts differ by "
            f"{abs(one - two):.2g}): build the distortion of PiecewiseLinear, Mixture "
            "and Minimum, so that its kinks are known"
        )
    return two


def _by_pieces(law, k, low, high, kinks):
    """Integrate from the median up and down, piece by piece between the kinks."""
    split = float(law.isf(0.5))
    unit = abs(split) + float(law.isf(0.25) - law.isf(0.75))
    cuts = np.unique(law.isf(kinks)) if len(kinks) else np.empty(0)
    above = _pieces(split, cuts[cuts > split], high)
    below = _pieces(low, cuts[cuts < split], split)

    def distorted(x):  # less the jump, which is counted at the end of the support
        tail = np.clip(law.sf(x), 0, 1)
        return np.where(tail > 0, k.values(tail) - k.jump, 0.0)

    upper = _integrate(distorted, above, unit)
    if k.jump > 0:
        upper += k.jump * (high - split)
    lower = _integrate(lambda x: k.complement(np.clip(law.cdf(x), 0, 1)), below, unit)
    return split + upper - lower


def _pieces(start, cuts, stop):
    ends = np.hstack([start, cuts, stop])
    return [(a, b) for a, b in itertools.pairwise(ends) if a < b]


def _integrate(f, pieces, unit):
    from scipy.integrate import tanhsinh

    total = 0.0
    for a, b in pieces:
        with np.errstate(all="ignore"):
            result = tanhsinh(f, a, b, maxlevel=12, atol=1e-14 * unit, rtol=1e-12)
        if not result.success and not _negligible(result, total, unit):
            raise ValueError(
                f"x: the integral over ({a:g}, {b:g}) does not converge "
                f"(estimated error {float(result.error):.2g}): give samples, or a "
                "measure that the tail of the law can bear"
            )
        total += float(result.integral)
    return total


def _negligible(result, total, unit):
    size = max(abs(total), abs(float(result.integral)), unit)
    return bool(np.isfinite(result.integral)) and float(result.error) <= 1e-9 * size
