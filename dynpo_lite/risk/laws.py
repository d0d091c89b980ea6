r"""Choquet integrals of the distributions of ``scipy.stats``.

.. math::
   I_k(X) = m + \int_m^\infty k(P(X > x))\,dx - \int_{-\infty}^m [1 - k(P(X > x))]\,dx

with the median :math:`m`: a closed form where a textbook has one, the sum over the
atoms of a discrete law, integration piece by piece between the kinks otherwise.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from dynpo_lite.base.types import Array
from dynpo_lite.risk.distortions import (
    Distortion,
    Expectation,
    ExpectedShortfall,
    ProportionalHazard,
    Wang,
)
from dynpo_lite.risk.samples import sample_integral

Function: TypeAlias = Callable[[Any], Any]

EDGE_TOL = 1e-6  # margin above tail index 1 within which no integral is trusted
EXACT_TOL = 1e-9  # a tail index this close to 1 is 1
TOLERANCE = 1e-9  # error of an integral, relative, above which it is refused
FAINTEST = 1e-290  # chances below lose digits
ROUNDING = 2.0**-53  # of 1 - cdf where the cdf is almost 1
OLD = ("sf", "cdf", "isf", "ppf")
NEW = ("ccdf", "cdf", "iccdf", "icdf")


@dataclass(frozen=True)
class Law:
    """A distribution of scipy, of the older or the newer kind, under one set of names.

    Attributes
    ----------
    sf, cdf, isf, ppf : callable
        P(X > x), P(X <= x) and their inverses.
    low, high : float
        The ends of the support.
    source : object
        The distribution itself.
    """

    sf: Function
    cdf: Function
    isf: Function
    ppf: Function
    low: float
    high: float
    source: Any

    @property
    def family(self) -> Any:
        """What was frozen, or the law itself."""
        return getattr(self.source, "dist", self.source)

    @property
    def is_discrete(self) -> bool:
        """Whether there is an atom at the median."""
        if not (hasattr(self.source, "pmf") and hasattr(self.source, "pdf")):
            return hasattr(self.source, "pmf")
        # laws of the newer kind have both; an atom has an infinite density
        at = self.ppf(0.5)
        return bool(np.isinf(self.source.pdf(at)) and self.source.pmf(at) > 0)

    @property
    def is_of_scipy(self) -> bool:
        """Whether the family is one of scipy's own."""
        return type(self.family).__module__.startswith("scipy.stats")

    @property
    def mean(self) -> float:
        """The mean that scipy states for a family of its own; nan for any other."""
        return float(self.source.mean()) if self.is_of_scipy else np.nan


def as_law(x: Any, name: str = "x") -> Law | None:
    """Return a distribution of ``scipy.stats`` as a Law; None if ``x`` is none.

    Raises
    ------
    ValueError
        If the parameters of the distribution are arrays.

    Examples
    --------
    >>> from scipy import stats
    >>> law = as_law(stats.Uniform(a=1, b=3))
    >>> law.low, law.high, float(law.isf(0.25))
    (1.0, 3.0, 2.5)
    """
    for names in (OLD, NEW):
        if not isinstance(x, type) and all(hasattr(x, n) for n in (*names, "support")):
            low, high = x.support()
            if np.ndim(low) or np.ndim(high):
                raise ValueError(
                    f"{name} = {x!r} holds several laws: give one, whose parameters "
                    "are numbers"
                )
            sf, cdf, isf, ppf = (getattr(x, n) for n in names)
            return Law(sf, cdf, isf, ppf, float(low), float(high), x)
    return None


def law_integral(law: Law, k: Distortion) -> float:
    """Return the Choquet integral of a law, which may be infinite."""
    if not _has_mean_of_gains(law):
        raise ValueError(
            "x is a law whose gains have no mean: no coherent measure is defined; "
            "bound it from below"
        )
    discrete = law.is_discrete
    known = None if discrete else _closed_form(law, k)
    if known is not None:
        return known
    if hasattr(law.family, "xk"):  # a finite list of values, not one apart
        atoms = np.asarray(law.family.xk, dtype=float) + law.low - law.family.a
        weights = law.source.pmf(atoms)
        return sample_integral(atoms, k, weights / weights.sum())
    if k.jump > 0 and law.high == np.inf:
        return np.inf
    try:
        return _discrete(law, k) if discrete else _continuous(law, k)
    except ValueError:
        if law.mean == np.inf:  # every concave distortion dominates the mean
            return np.inf
        raise


# tails ----------------------------------------------------------------------------


def _far_points(quantile: Function, tail: Function) -> tuple[Array, Array] | None:
    """Return rising far quantiles and their levels, or None for a light tail."""
    for start in (1e-30, 1e-15, 1e-9, 1e-4, 1e-2):
        levels = start ** np.array([1.0, 2.5, 5.0])
        points = np.array([quantile(u) for u in levels], dtype=float)
        found = np.array([tail(x) for x in points], dtype=float)
        # some quantile functions of scipy give up far out: believe the tail
        believable = np.isfinite(points).all() and (found > 0.5 * levels).all()
        if believable and (found < 2 * levels).all():
            points = np.abs(points)
            return None if (points[1:] < 2 * points[:-1]).any() else (points, levels)
    return None


def _indices(points: Array, values: Array) -> Array:
    """Return the powers with which ``values`` fall, from point to point."""
    # a tail of 0 is as light as can be: index inf
    return np.asarray(-np.diff(np.log(values)) / np.diff(np.log(points)))


def _has_mean_of_gains(law: Law) -> bool:
    if law.low > -np.inf:
        return True
    far = _far_points(law.ppf, law.cdf)
    return far is None or bool(_indices(*far)[1] > 1 + EDGE_TOL)


def _diverges(law: Law, k: Distortion) -> bool:
    """Tell whether the upper integral is infinite; refuse the edge of integrability."""
    far = _far_points(law.isf, law.sf)
    if far is None:
        return False
    points, levels = far
    # a distorted tail is never the lighter one
    for values in (levels, k.values(levels)):
        indices = _indices(points, values)
        if indices[1] > 1.02 * indices[0]:  # lighter and lighter: integrate and see
            continue
        if indices[1] < 1 + EXACT_TOL:
            return True
        if indices[1] < 1 + EDGE_TOL:
            raise ValueError(
                f"x has a tail at the edge of integrability under {k!r}: the integral "
                "does not converge numerically; choose a milder measure"
            )
    return False


def _is_rounded(law: Law) -> bool:
    """Tell whether the tail is computed as 1 - cdf: it then ends at 2 ** -53."""
    steps = law.sf(law.isf(np.array([1e-9, 2e-9, 3e-9]))) / ROUNDING
    return bool((np.abs(steps - np.rint(steps)) < 1e-4).all())


def _hidden(law: Law, k: Distortion, split: float) -> float:
    """Estimate the integral over the tail that rounding hides."""
    levels = np.array([1e-9, ROUNDING])
    points = np.asarray(law.isf(levels), dtype=float) - split
    values = k.values(levels)
    index = float(_indices(points, values)[0])
    return float(values[1] * points[1] / (index - 1)) if index > 1 else np.inf


# closed forms ---------------------------------------------------------------------


def _closed_form(law: Law, k: Distortion) -> float | None:
    """Return the integral where a textbook formula holds, else None."""
    if isinstance(k, Expectation) or (isinstance(k, ExpectedShortfall) and k.tail == 1):
        return None if np.isnan(law.mean) else law.mean
    standard = _standard_forms().get((getattr(law.family, "name", None), type(k)))
    if standard is None or not law.is_of_scipy:
        return None
    order = [*filter(None, (law.family.shapes or "").split(", ")), "loc", "scale"]
    given = {"loc": 0.0, "scale": 1.0}
    given |= dict(zip(order, getattr(law.source, "args", ())))
    given |= getattr(law.source, "kwds", {})
    shapes = [float(given[name]) for name in order[:-2]]
    return float(given["loc"] + given["scale"] * standard(k, *shapes))


def _standard_forms() -> dict[Any, Callable[..., Any]]:
    """Return the risks of laws with location 0 and scale 1, given their shapes."""
    from scipy.special import ndtr, ndtri

    def mean_of_pareto(b: float) -> float:
        return b / (b - 1) if b > 1 else np.inf

    es, root = ExpectedShortfall, np.sqrt(2 * np.pi)
    return {
        ("expon", es): lambda k: 1 - np.log(k.tail),
        ("uniform", es): lambda k: (1 + k.level) / 2,
        ("norm", es): lambda k: np.exp(-(ndtri(k.tail) ** 2) / 2) / root / k.tail,
        ("lognorm", es): lambda k, sigma: (
            np.exp(sigma**2 / 2) * ndtr(sigma - ndtri(k.level)) / k.tail
        ),
        ("pareto", es): lambda k, b: mean_of_pareto(b) * k.tail ** (-1 / b),
        ("expon", ProportionalHazard): lambda k: 1 / k.exponent,
        ("uniform", ProportionalHazard): lambda k: 1 / (1 + k.exponent),
        ("pareto", ProportionalHazard): lambda k, b: mean_of_pareto(b * k.exponent),
        ("norm", Wang): lambda k: k.shift,
        ("lognorm", Wang): lambda k, sigma: np.exp(sigma * k.shift + sigma**2 / 2),
    }


# discrete laws --------------------------------------------------------------------


def _discrete(law: Law, k: Distortion) -> float:
    """Sum over the atoms, one apart, out to where the tails carry no more weight."""
    centre = float(law.ppf(0.5))
    up = _atoms_to(lambda x: k.values(law.sf(centre + x)), centre, law.high - centre)
    down = _atoms_to(
        lambda x: k.complement(law.cdf(centre - x)), centre, centre - law.low
    )
    atoms = centre + np.arange(-down, up + 1)
    levels = k.values(np.clip(law.sf(np.append(atoms[0] - 1, atoms)), 0, 1))
    return centre + float((levels[:-1] - levels[1:]) @ (atoms - centre))


def _atoms_to(weight: Function, centre: float, end: float) -> float:
    """Return how far from the centre atoms must be counted."""
    reach = min(64.0, end)
    while reach < end and weight(reach) * (reach + abs(centre)) > 1e-18:
        reach = min(2 * reach, end)
        if reach > 1e7:
            raise ValueError("x spreads over too many atoms: give samples with weights")
    return reach


# integration ----------------------------------------------------------------------


def _continuous(law: Law, k: Distortion) -> float:
    if law.high == np.inf and _is_rounded(law) and hasattr(law.source, "logcdf"):
        other = replace(law, sf=lambda x: -np.expm1(law.source.logcdf(x)))
        law = law if _is_rounded(other) else other
    if law.high == np.inf and _diverges(law, k):
        return np.inf
    if k.smooth:
        return _by_pieces(law, k, k.kinks)
    # kinks that we do not know spoil the integration: two ways of cutting must agree
    one, two = (
        _by_pieces(law, k, np.union1d(k.kinks, base ** -np.arange(1.0, n)))
        for base, n in ((2.0, 40), (3.0, 26))
    )
    if abs(one - two) > 1e-9 * max(abs(one), abs(two)):
        raise ValueError(
            f"x: the integral under {k!r} does not converge (two attempts differ by "
            f"{abs(one - two):.2g}): build the distortion of PiecewiseLinear, Mixture "
            "and Minimum, so that its kinks are known"
        )
    return two


def _by_pieces(law: Law, k: Distortion, kinks: Array) -> float:
    """Integrate from the median up and down, piece by piece between the kinks."""
    split = float(law.isf(0.5))
    unit = abs(split) + float(law.isf(0.25) - law.isf(0.75))
    cuts = np.unique(law.isf(kinks)) if len(kinks) else np.empty(0)

    def distorted(s: Array) -> Array:  # less the jump, counted where the law ends
        return np.where(s > 0, k.values(s) - k.jump, 0.0)

    ends = [split, *cuts[cuts > split].tolist(), law.high]
    upper = _integrate(distorted, law.sf, ends, unit)
    if law.high == np.inf and _is_rounded(law):
        hidden = _hidden(law, k, split)
        if not hidden <= TOLERANCE * max(upper, unit):
            raise ValueError(
                f"x: P(X > x) is rounded to multiples of {ROUNDING:.1e}, which hides "
                f"about {hidden:.1g} of the integral under {k!r}: give samples, or a "
                "law with an accurate survival function"
            )
    if k.jump > 0:
        upper += k.jump * (law.high - split)
    ends = [law.low, *cuts[cuts < split].tolist(), split]
    return split + upper - _integrate(k.complement, law.cdf, ends, unit)


def _integrate(
    weight: Function, chance: Function, ends: list[float], unit: float
) -> float:
    """Integrate the weight of the chance of ``x``, piece by piece."""
    total = 0.0

    def f(x: Array) -> Any:
        return weight(np.clip(chance(x), 0, 1))

    for a, b in itertools.pairwise(ends):
        found = _quadrature(f, a, b, unit) if a < b else (0.0, 0.0)
        if found[1] > 1e-12 * max(abs(found[0]), unit) and np.isinf(b - a):
            other = _in_logarithms(f, chance, a, b, unit)
            found = min(found, other, key=lambda each: each[1])
        value, error = found
        if not error <= TOLERANCE * max(abs(total), abs(value), unit):
            raise ValueError(
                f"x: the integral over ({a:g}, {b:g}) does not converge "
                f"(estimated error {error:.2g}): give samples, or a "
                "measure that the tail of the law can bear"
            )
        total += value
    return total


def _quadrature(f: Function, a: float, b: float, unit: float) -> tuple[float, float]:
    """Return an integral and its estimated error, infinite where there is no value."""
    from scipy.integrate import tanhsinh

    # what bends an infinite way onto a finite one takes a step of 1 for a common loss
    size = unit if np.isinf(b - a) else 1.0
    start = a if np.isfinite(a) else b

    def g(way: Array) -> Any:
        return f(start + size * way)

    low, high = (a - start) / size, (b - start) / size
    atol = 1e-14 * unit / size
    result = tanhsinh(g, low, high, maxlevel=12, atol=atol, rtol=1e-12)
    value, error = size * float(result.integral), size * float(result.error)
    if not (np.isfinite(value) and np.isfinite(error)):
        return 0.0, np.inf
    return value, 0.0 if result.success else error


def _in_logarithms(
    f: Function, chance: Function, a: float, b: float, unit: float
) -> tuple[float, float]:
    """Integrate a function that falls like a power over the logarithm of the way."""
    start, sign = (a, 1.0) if b == np.inf else (b, -1.0)
    u = np.arange(1.0, np.log(np.finfo(float).max) - max(np.log(unit), 0.0))
    seen = u[chance(start + sign * unit * np.exp(u)) > FAINTEST]
    if len(seen) < 4:
        return 0.0, np.inf

    def g(u: Array) -> Array:
        way = np.exp(u) * unit
        return np.asarray(f(start + sign * way) * way)

    value, error = _quadrature(g, -45.0, seen[-1], unit)
    half = seen[len(seen) // 2]
    # beyond, it falls on as it fell before: at a steady rate or not
    at = g(np.array([half - 1, half, seen[-1] - 1, seen[-1]]))
    steady, rate = np.log(at[::2] / at[1::2])
    rest = at[3] / rate
    return value + rest, error + rest * abs(rate / steady - 1) if rest > 0 else np.inf
