r"""Concave distortion functions.

A distortion ``k`` acts on survival probabilities ``s = P(X > x)``: it is
non-decreasing and concave on [0, 1] with ``k(0) = 0`` and ``k(1) = 1``.  The risk
of a loss is the Choquet integral of :mod:`dynpo_lite.risk.measures` (Definition 5.19).
A pessimist exaggerates tails, ``k(s) >= s``; the mean takes them as they are.

Each distortion also knows its complement ``1 - k(1 - u)``, accurate for tiny ``u``,
and, where it is piecewise linear, its ``breakpoints``.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations

import numpy as np

from dynpo_lite.base import validate

TIE_TOL = 1e-12  # distorted tails closer than this, relatively, tie


class Distortion:
    """Base class: a concave distortion, called with survival probabilities.

    Attributes
    ----------
    breakpoints : ndarray or None
        Survival probabilities in (0, 1) at which a piecewise linear distortion has a
        kink, ascending; None where it is not piecewise linear.
    jump : float
        ``k(0+)``: the weight of the essential supremum.
    """

    breakpoints = None
    jump = 0.0
    smooth = True  # between its kinks
    noise = 0.0  # rounding of its values, absolute

    @property
    def kinks(self):
        """All levels in (0, 1) known to be no smooth points, for integration."""
        return np.empty(0) if self.breakpoints is None else self.breakpoints

    def __call__(self, s):
        """Return ``k(s)``; ``s`` any shape, probabilities in [0, 1]."""
        s = np.asarray(s, dtype=float)
        if s.size and not (s.min() >= 0 and s.max() <= 1):
            bad = s.ravel()[np.argmin((s.ravel() >= 0) & (s.ravel() <= 1))]
            raise ValueError(
                f"s = {bad} is no survival probability: give values in [0, 1]"
            )
        return self.values(s)

    def complement(self, u):
        """Return ``1 - k(1 - u)`` without cancellation for small ``u``."""
        return 1.0 - self.values(1.0 - np.asarray(u, dtype=float))

    def values(self, s):
        """Return ``k(s)`` for an array ``s`` in [0, 1], which is not checked again."""
        raise NotImplementedError


@dataclass(frozen=True)
class Expectation(Distortion):
    """The mean: ``k(s) = s``.

    Examples
    --------
    >>> float(Expectation()(0.25))
    0.25
    """

    @property
    def breakpoints(self):
        return np.empty(0)

    def values(self, s):
        return s + 0.0

    def complement(self, u):
        return np.asarray(u, dtype=float) + 0.0


@dataclass(frozen=True)
class ExpectedShortfall(Distortion):
    r"""Expected Shortfall: the mean of the worst part of the losses.

    .. math:: k(s) = \min\{s / (1 - a), 1\}, \qquad a = \text{level}.

    Parameters
    ----------
    level : float
        Confidence level in [0, 1): 0.95 averages the worst 5 %; 0 is the mean.

    Attributes
    ----------
    tail : float
        The probability ``1 - level`` that is averaged.

    Raises
    ------
    ValueError
        For a level outside [0, 1); level 1 is :class:`WorstCase`.

    References
    ----------
    The one-step measures of Section 6.2 of the paper.

    Examples
    --------
    >>> ExpectedShortfall(0.9)([0.05, 0.5]).tolist()
    [0.5, 1.0]
    >>> ExpectedShortfall(1.0)
    Traceback (most recent call last):
    ...
    ValueError: level = 1.0 is outside [0, 1): use WorstCase() for level 1
    """

    level: float = 0.9

    def __post_init__(self):
        cure = "choose a confidence level, such as 0.95 for the worst 5 %"
        if np.isscalar(self.level) and self.level == 1:
            cure = "use WorstCase() for level 1"
        level = validate.number("level", self.level, 0, 1, closed="left", cure=cure)
        object.__setattr__(self, "level", level)
        # 1 - 0.9 misses 0.1 by a rounding error: take the decimals as typed
        object.__setattr__(self, "tail", float(1 - Fraction(repr(level))))

    @property
    def breakpoints(self):
        return np.empty(0) if self.level == 0 else np.array([self.tail])

    def values(self, s):
        return np.minimum(s / self.tail, 1.0)

    def complement(self, u):
        u = np.asarray(u, dtype=float)
        return np.maximum(u - self.level, 0.0) / self.tail


@dataclass(frozen=True)
class WorstCase(Distortion):
    """The essential supremum: ``k(s) = 1`` for ``s > 0`` and ``k(0) = 0``.

    Examples
    --------
    >>> WorstCase()([0.0, 1e-9]).tolist()
    [0.0, 1.0]
    """

    jump = 1.0

    @property
    def breakpoints(self):
        return np.empty(0)

    def values(self, s):
        return np.where(s > 0, 1.0, 0.0)

    def complement(self, u):
        return np.where(np.asarray(u) >= 1, 1.0, 0.0)


@dataclass(frozen=True)
class ProportionalHazard(Distortion):
    """Proportional hazard: ``k(s) = s ** exponent``, ``0 < exponent <= 1``.

    Examples
    --------
    >>> float(ProportionalHazard(0.5)(0.25))
    0.5
    """

    exponent: float

    def __post_init__(self):
        cure = "the function is concave only there"
        value = validate.number(
            "exponent", self.exponent, 0, 1, closed="right", cure=cure
        )
        object.__setattr__(self, "exponent", value)

    def values(self, s):
        return s**self.exponent

    def complement(self, u):
        with np.errstate(divide="ignore"):  # u = 1: log1p(-1) = -inf gives 1
            return -np.expm1(self.exponent * np.log1p(-np.asarray(u, dtype=float)))


@dataclass(frozen=True)
class DualPower(Distortion):
    """Dual power: ``k(s) = 1 - (1 - s) ** power``, ``power >= 1``.

    For an integer power it is the mean of the maximum of that many independent copies.

    Examples
    --------
    >>> float(DualPower(2)(0.5)), float(DualPower(3)(1e-17))
    (0.75, 3e-17)
    """

    power: float

    def __post_init__(self):
        cure = "the function is concave only there"
        value = validate.number("power", self.power, 1, closed="left", cure=cure)
        object.__setattr__(self, "power", value)

    def values(self, s):
        with np.errstate(divide="ignore"):
            return -np.expm1(self.power * np.log1p(-s))

    def complement(self, u):
        return np.asarray(u, dtype=float) ** self.power


@dataclass(frozen=True)
class Wang(Distortion):
    r"""Wang's transform: ``k(s) = Phi(Phi^{-1}(s) + shift)``, ``shift >= 0``.

    A normal loss keeps its shape and its mean moves up by ``shift`` standard
    deviations.

    Examples
    --------
    >>> round(float(Wang(1.0)(0.5)), 6)  # Phi(1)
    0.841345
    """

    shift: float

    def __post_init__(self):
        cure = "the function is concave only there"
        value = validate.number("shift", self.shift, 0, closed="left", cure=cure)
        object.__setattr__(self, "shift", value)

    def values(self, s):
        return self._shifted(s, self.shift)

    def complement(self, u):
        return self._shifted(u, -self.shift)

    @staticmethod
    def _shifted(s, shift):
        from scipy.special import ndtr, ndtri  # a third of the package's import time

        return ndtr(ndtri(s) + shift)


@dataclass(frozen=True, eq=False)
class PiecewiseLinear(Distortion):
    """The distortion through the points ``(s[j], k[j])``.

    Parameters
    ----------
    s : array_like of shape (m,)
        Survival probabilities, strictly increasing from 0 to 1.
    k : array_like of shape (m,)
        Values, ending in 1; ``k[0]`` is the value just to the right of 0, normally 0;
        a positive one puts that weight on the essential supremum.

    Raises
    ------
    ValueError
        If the points are not increasing or not concave.

    Examples
    --------
    >>> k = PiecewiseLinear([0, 0.1, 1], [0, 0.82, 1])
    >>> float(k(0.05)), k.breakpoints.tolist()
    (0.41, [0.1])
    """

    s: np.ndarray
    k: np.ndarray

    def __post_init__(self):
        s = validate.finite_array("s", self.s, ndim=1)
        k = validate.finite_array("k", self.k, shape=s.shape)
        if len(s) < 2 or s[0] != 0 or s[-1] != 1 or (np.diff(s) <= 0).any():
            raise ValueError(
                f"s = {s.tolist()} is no grid: let it increase strictly from 0 to 1"
            )
        slopes = np.diff(k) / np.diff(s)
        slack = 1e-9 * np.abs(slopes).max()
        falls, bends = (slopes < -slack).any(), (np.diff(slopes) > slack).any()
        if k[-1] != 1 or k[0] < 0 or falls or bends:
            raise ValueError(
                f"k = {k.tolist()} is no concave distortion: "
                "let it increase with falling slopes and end in 1"
            )
        for name, value in (("s", s.copy()), ("k", k.copy())):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def jump(self):
        return float(self.k[0])

    @property
    def breakpoints(self):
        return self.s[1:-1]

    def values(self, s):
        return np.where(s > 0, np.interp(s, self.s, self.k), 0.0)

    def complement(self, u):
        u = np.asarray(u, dtype=float)
        values = np.interp(u, (1 - self.s)[::-1], (1 - self.k)[::-1])
        return np.where(u < 1, values, 1.0)


@dataclass(frozen=True, eq=False)
class _Combination(Distortion):
    distortions: tuple

    def __post_init__(self):
        object.__setattr__(self, "distortions", as_distortions(self.distortions))

    @property
    def kinks(self):
        return np.unique(np.hstack([d.kinks for d in self.distortions]))

    @property
    def smooth(self):
        return all(d.smooth for d in self.distortions)

    @property
    def noise(self):
        return max(d.noise for d in self.distortions)

    @property
    def _linear(self):
        return all(d.breakpoints is not None for d in self.distortions)


@dataclass(frozen=True, eq=False)
class Mixture(_Combination):
    """The weighted mean of distortions: ``k(s) = sum_j weights[j] * k_j(s)``.

    Parameters
    ----------
    distortions : sequence of Distortion
    weights : array_like of shape (m,)
        Non-negative, summing to 1.

    References
    ----------
    The measure that Section 6.2 uses at time 2 is such a mixture.

    Examples
    --------
    >>> k = Mixture([Expectation(), ExpectedShortfall(0.9)], [0.2, 0.8])
    >>> round(float(k(0.05)), 12)  # 0.2 * 0.05 + 0.8 * 0.5
    0.41
    """

    weights: np.ndarray

    def __post_init__(self):
        super().__post_init__()
        weights = validate.probabilities("weights", self.weights, len(self.distortions))
        object.__setattr__(self, "weights", weights)

    @property
    def jump(self):
        return float(sum(self._each(lambda d: d.jump)))

    @property
    def breakpoints(self):
        return self.kinks if self._linear else None

    def _each(self, value):
        return [w * value(d) for w, d in zip(self.weights, self.distortions)]

    def values(self, s):
        return sum(self._each(lambda d: d.values(s)))

    def complement(self, u):
        return sum(self._each(lambda d: d.complement(u)))


@dataclass(frozen=True, eq=False)
class Minimum(_Combination):
    r"""The pointwise minimum ``k(s) = min_j k_j(s)``: concave again.

    It is the distortion of the representative agent when agents share optimally
    (part (ii) of Theorem 5.21).

    Examples
    --------
    >>> k = Minimum([ExpectedShortfall(0.5), ProportionalHazard(0.5)])
    >>> k([0.04, 0.81]).tolist()
    [0.08, 0.9]
    """

    @property
    def breakpoints(self):
        return self.kinks if self._linear else None

    @cached_property
    def kinks(self):
        own = np.hstack([d.kinks for d in self.distortions])
        return np.union1d(own, crossings(self.distortions))

    @property
    def jump(self):
        return float(min(d.jump for d in self.distortions))

    def values(self, s):
        return np.minimum.reduce([d.values(s) for d in self.distortions])

    def complement(self, u):
        return np.maximum.reduce([d.complement(u) for d in self.distortions])


def crossings(distortions):
    """Return the levels in (0, 1) at which the order of distortions changes.

    Exact for piecewise linear distortions (:func:`linear_crossings`); otherwise found
    on about 9,000 levels and refined, changes of who is smallest only.
    """
    if all(d.breakpoints is not None for d in distortions):
        return linear_crossings(distortions)
    return _smooth_crossings(distortions)


def linear_crossings(distortions):
    """Return the levels in (0, 1) at which two piecewise linear distortions cross.

    Parameters
    ----------
    distortions : sequence of Distortion
        All with ``breakpoints``.

    Returns
    -------
    ndarray
        Levels inside a common linear piece where the sign of a difference changes,
        ascending and exact up to rounding.

    Examples
    --------
    >>> first = Mixture([Expectation(), ExpectedShortfall(0.9)], [0.2, 0.8])
    >>> second = Mixture([Expectation(), ExpectedShortfall(0.99)], [0.6, 0.4])
    >>> linear_crossings([first, second]) * 19  # 0.4 / 7.6 = 1 / 19
    array([1.])
    """
    s = np.unique(np.hstack([0.0, 1.0] + [d.breakpoints for d in distortions]))
    k = np.array([d.values(s) for d in distortions])
    k[:, 0] = [d.jump for d in distortions]
    crossings = []
    for i, j in combinations(range(len(k)), 2):
        gap = k[i] - k[j]
        at = np.flatnonzero(gap[:-1] * gap[1:] < 0)
        crossings.append(s[at] + np.diff(s)[at] * gap[at] / (gap[at] - gap[at + 1]))
    return np.unique(np.hstack([np.empty(0), *crossings]))


@dataclass(frozen=True, eq=False)
class UserDistortion(Distortion):
    """A user's own callable ``k``, checked once on a grid of 2,001 points."""

    function: object
    name: str = "function"
    smooth = False  # as far as we know
    noise = 1e-15

    def __post_init__(self):
        subject = f"{self.name} = {self.function!r}"
        s = np.linspace(0.0, 1.0, 2001)
        try:
            k = np.asarray(self.function(s), dtype=float)
        except Exception as error:
            raise ValueError(
                f"{subject} fails on an array of survival "
                f"probabilities ({type(error).__name__}: {error}): let it take an array"
            ) from None
        if k.shape != s.shape or not np.isfinite(k).all():
            raise ValueError(
                f"{subject} does not return a finite value for each "
                "survival probability: let it return an array of the same shape"
            )
        steps = np.diff(k)
        for fails, what, cure in (
            (abs(k[0]) > 1e-12, f"has k(0) = {k[0]:g}", "k(0) = 0"),
            (abs(k[-1] - 1) > 1e-12, f"has k(1) = {k[-1]:g}", "k(1) = 1"),
            ((steps < -1e-12).any(), "falls somewhere", "it increase"),
            # the first step is left out: a jump at 0 is concave on (0, 1]
            ((np.diff(steps) > 1e-11).any(), "is not concave", "its slopes fall"),
        ):
            if fails:
                raise ValueError(f"{subject} {what}: let {cure}")
        object.__setattr__(self, "jump", self._limit_at_zero())

    def _limit_at_zero(self):
        # a continuous concave k may rise steeply; a jump stays up however small s is
        tiny = np.asarray(self.function(np.array([1e-300, 1e-290])), dtype=float)
        return float(tiny[0]) if tiny[0] > 1e-3 and np.ptp(tiny) < 1e-9 else 0.0

    def values(self, s):
        s = np.asarray(s, dtype=float)
        # one axis, as when it was checked, and a copy of its own to write into
        return np.array(self.function(s.flatten()), dtype=float).reshape(s.shape)


def as_distortion(measure, name="measure"):
    """Return ``measure`` as a Distortion; a user's callable is checked once.

    Raises
    ------
    TypeError
        If it is neither a distortion nor callable.
    ValueError
        If the callable is no concave distortion.

    Examples
    --------
    >>> float(as_distortion(lambda s: s * (2 - s))(0.5))
    0.75
    >>> as_distortion(0.9)
    Traceback (most recent call last):
    ...
    TypeError: measure = 0.9 is no distortion: give ExpectedShortfall(0.9) or the like
    """
    if isinstance(measure, Distortion):
        return measure
    if callable(measure) and not isinstance(measure, type):
        return UserDistortion(measure, name)
    raise TypeError(
        f"{name} = {measure!r} is no distortion: give ExpectedShortfall(0.9) "
        "or the like"
    )


def as_distortions(distortions):
    """Return a sequence of distortions as a tuple of at least one."""
    try:
        parts = tuple(distortions)
    except TypeError:
        parts = ()
    if not parts:
        raise ValueError(f"distortions = {distortions!r} holds none: give at least one")
    return tuple(as_distortion(k, f"distortions[{i}]") for i, k in enumerate(parts))


def cheapest(k, noise=0.0):
    """Tell which agents tie for the smallest distorted tail; ``k`` (n_agents, ...)."""
    least = k.min(axis=0)
    return k - least <= TIE_TOL * np.maximum(least, 1e-300) + noise


def equal_shares(k, noise=0.0):
    """Return the equal shares of the cheapest agents, of the shape of ``k``."""
    ties = cheapest(k, noise)
    return ties / ties.sum(axis=0)


def _smooth_crossings(distortions):
    """Return the levels at which the set of cheapest agents changes."""
    s = level_grid(distortions)
    noise = max(k.noise for k in distortions)
    ties = cheapest(np.array([k.values(s) for k in distortions]), noise)
    changed = np.flatnonzero((ties[:, :-1] != ties[:, 1:]).any(axis=0))
    found = []
    for j in changed:
        found += _refine(distortions, s[j], s[j + 1], ties[:, j], ties[:, j + 1])
    return np.unique(found)


def _refine(distortions, low, high, tie_low, tie_high, depth=0):
    """Locate the change between two levels, to rounding; several if agents follow."""
    noise = max(k.noise for k in distortions)
    from scipy.optimize import brentq

    a, b = int(np.argmax(tie_low)), int(np.argmax(tie_high))
    if not tie_high[a] and not tie_low[b]:

        def gap(s):
            return float(
                distortions[a].values(np.float64(s))
                - distortions[b].values(np.float64(s))
            )

        root = brentq(gap, low, high, xtol=1e-300, rtol=8.9e-16)
        at = np.array([k.values(np.float64(root)) for k in distortions])
        if cheapest(at, noise)[a] or depth > 50:
            return [root]
        middle = root
    elif high - low <= 4e-16 * high or depth > 2000:
        return [high]
    else:  # one of them ties on one side only: halve the cell
        middle = (low + high) / 2
        at = np.array([k.values(np.float64(middle)) for k in distortions])
    tie = cheapest(at, noise)
    changes = []
    if (tie_low != tie).any():
        changes += _refine(distortions, low, middle, tie_low, tie, depth + 1)
    if (tie != tie_high).any():
        changes += _refine(distortions, middle, high, tie, tie_high, depth + 1)
    return changes


def level_grid(distortions):
    """Return survival levels in (0, 1) dense towards both ends, kinks included."""
    from scipy.special import expit

    grid = [np.geomspace(1e-300, 1e-17, 600), expit(np.linspace(-39, 36, 8192))]
    s = np.unique(np.hstack([*grid, *(k.kinks for k in distortions)]))
    return s[(s > 0) & (s < 1)]
