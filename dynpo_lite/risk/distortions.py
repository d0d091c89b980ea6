r"""Concave distortion functions.

A distortion ``k`` acts on survival probabilities ``s = P(X > x)``: it is
non-decreasing and concave on [0, 1] with ``k(0) = 0`` and ``k(1) = 1``.  The risk
of a loss is the Choquet integral of :mod:`dynpo_lite.risk.measures` (Definition 5.19).
A pessimist exaggerates tails, ``k(s) >= s``; the mean takes them as they are.

Each distortion also knows its complement ``1 - k(1 - u)``, accurate for tiny ``u``,
and, where it is piecewise linear, its ``breakpoints``.  Their pointwise minimum is in
:mod:`dynpo_lite.risk.crossings`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from operator import mul
from typing import TypeAlias

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, ArrayLike, Kept

_concave = partial(validate.number, cure="the function is concave only there")


class Distortion:
    r"""A concave distortion, called with survival probabilities.

    A function of your own can be passed wherever a distortion is asked for.  It is
    called with arrays of survival probabilities, of one axis and never empty, and is
    checked on a grid of 2,001 points.  To tell more about it than its values, write a
    subclass: it needs :meth:`values` only, and is trusted without a check.  Give it
    also what differs from the default among

    * ``breakpoints``: with them a piecewise linear distortion is handled exactly;
    * ``jump``: a weight on the essential supremum;
    * ``kinks`` and ``smooth``: where laws are integrated piece by piece;
    * ``noise``: the absolute rounding of its values, within which agents tie;
    * ``complement``: where ``1 - k(1 - u)`` would cancel.

    Notes
    -----
    Concave means averse to risk: sharing between agents who are not is another
    problem.

    References
    ----------
    Definition 5.19 of the paper.

    Examples
    --------
    Gini's distortion, the mean of the larger of two independent copies:

    >>> class Gini(Distortion):
    ...     def values(self, s):
    ...         return s * (2 - s)
    >>> float(Gini()(0.5))
    0.75
    """

    @property
    def breakpoints(self) -> Array | None:
        """The levels in (0, 1) at which a piecewise linear distortion bends.

        Ascending; None where the distortion is not piecewise linear.
        """
        return None

    @property
    def jump(self) -> float:
        """``k(0+)``: the weight of the essential supremum."""
        return 0.0

    @property
    def kinks(self) -> Array:
        """All levels in (0, 1) known to be no smooth points, for integration."""
        return np.empty(0) if self.breakpoints is None else self.breakpoints

    @property
    def smooth(self) -> bool:
        """Whether the distortion is smooth between its kinks."""
        return True

    @property
    def noise(self) -> float:
        """The rounding of its values, absolute."""
        return 0.0

    def __call__(self, s: ArrayLike) -> Array:
        """Return ``k(s)``; ``s`` any shape, probabilities in [0, 1]."""
        s = np.asarray(s, dtype=float)
        if not s.size or (s.min() >= 0 and s.max() <= 1):
            return self.values(s)
        bad = s[~((s >= 0) & (s <= 1))][0]
        raise ValueError(f"s = {bad} is no survival probability: give values in [0, 1]")

    def values(self, s: Array) -> Array:
        """Return ``k(s)``; ``s`` any shape, in [0, 1], which is not checked again."""
        raise NotImplementedError

    def complement(self, u: ArrayLike) -> Array:
        """Return ``1 - k(1 - u)`` without cancellation for small ``u``."""
        return 1.0 - self.values(1.0 - np.asarray(u, dtype=float))


DistortionLike: TypeAlias = Distortion | Callable[[Array], ArrayLike]


@dataclass(frozen=True)
class Expectation(Distortion):
    """The mean: ``k(s) = s``.

    Examples
    --------
    >>> float(Expectation()(0.25))
    0.25
    """

    @property
    def breakpoints(self) -> Array:
        """None inside (0, 1)."""
        return np.empty(0)

    def values(self, s: Array) -> Array:
        """Return ``s``."""
        return s + 0.0

    def complement(self, u: ArrayLike) -> Array:
        """Return ``u``."""
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

    def __post_init__(self) -> None:
        cure = "choose a confidence level, such as 0.95 for the worst 5 %"
        if np.isscalar(self.level) and self.level == 1:
            cure = "use WorstCase() for level 1"
        level = validate.number("level", self.level, 0, 1, closed="left", cure=cure)
        validate.keep(self, level=level)

    @cached_property
    def tail(self) -> float:
        """The probability ``1 - level`` that is averaged."""
        # 1 - 0.9 misses 0.1 by a rounding error: take the decimals as typed
        return float(1 - Fraction(repr(self.level)))

    @property
    def breakpoints(self) -> Array:
        """The tail, unless it is everything."""
        return np.empty(0) if self.tail == 1 else np.array([self.tail])

    def values(self, s: Array) -> Array:
        """Return ``min(s / tail, 1)``."""
        return np.minimum(s / self.tail, 1.0)

    def complement(self, u: ArrayLike) -> Array:
        """Return ``max(u - level, 0) / tail``."""
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

    @property
    def jump(self) -> float:
        """All weight is on the essential supremum."""
        return 1.0

    @property
    def breakpoints(self) -> Array:
        """None inside (0, 1)."""
        return np.empty(0)

    def values(self, s: Array) -> Array:
        """Return 1 where ``s > 0``."""
        return np.where(s > 0, 1.0, 0.0)

    def complement(self, u: ArrayLike) -> Array:
        """Return 1 where ``u = 1``."""
        return np.where(np.asarray(u) >= 1, 1.0, 0.0)


@dataclass(frozen=True)
class ProportionalHazard(Distortion):
    """Proportional hazard: ``k(s) = s ** exponent``.

    Parameters
    ----------
    exponent : float
        In (0, 1]; 1 is the mean.

    Raises
    ------
    TypeError, ValueError
        If the exponent is no number or lies outside its domain.

    Examples
    --------
    >>> float(ProportionalHazard(0.5)(0.25))
    0.5
    """

    exponent: float

    def __post_init__(self) -> None:
        value = _concave("exponent", self.exponent, 0, 1, closed="right")
        validate.keep(self, exponent=value)

    def values(self, s: Array) -> Array:
        """Return ``s ** exponent``."""
        return s**self.exponent

    def complement(self, u: ArrayLike) -> Array:
        """Return ``1 - (1 - u) ** exponent``."""
        with np.errstate(divide="ignore"):  # u = 1: log1p(-1) = -inf gives 1
            return -np.expm1(self.exponent * np.log1p(-np.asarray(u, dtype=float)))


@dataclass(frozen=True)
class DualPower(Distortion):
    """Dual power: ``k(s) = 1 - (1 - s) ** power``.

    For an integer power it is the mean of the maximum of that many independent copies.

    Parameters
    ----------
    power : float
        At least 1, which is the mean.

    Raises
    ------
    TypeError, ValueError
        If the power is no number or lies outside its domain.

    Examples
    --------
    >>> float(DualPower(2)(0.5)), float(DualPower(3)(1e-17))
    (0.75, 3e-17)
    """

    power: float

    def __post_init__(self) -> None:
        validate.keep(self, power=_concave("power", self.power, 1, closed="left"))

    def values(self, s: Array) -> Array:
        """Return ``1 - (1 - s) ** power``."""
        with np.errstate(divide="ignore"):
            return -np.expm1(self.power * np.log1p(-s))

    def complement(self, u: ArrayLike) -> Array:
        """Return ``u ** power``."""
        return np.asarray(u, dtype=float) ** self.power


@dataclass(frozen=True)
class Wang(Distortion):
    r"""Wang's transform: ``k(s) = Phi(Phi^{-1}(s) + shift)``.

    A normal loss keeps its shape and its mean moves up by ``shift`` standard
    deviations.

    Parameters
    ----------
    shift : float
        At least 0, which is the mean.

    Raises
    ------
    TypeError, ValueError
        If the shift is no number or lies outside its domain.

    Examples
    --------
    >>> round(float(Wang(1.0)(0.5)), 6)  # Phi(1)
    0.841345
    """

    shift: float

    def __post_init__(self) -> None:
        validate.keep(self, shift=_concave("shift", self.shift, 0, closed="left"))

    def values(self, s: Array) -> Array:
        """Return ``Phi(Phi^{-1}(s) + shift)``."""
        return self._shifted(s, self.shift)

    def complement(self, u: ArrayLike) -> Array:
        """Return ``Phi(Phi^{-1}(u) - shift)``."""
        return self._shifted(u, -self.shift)

    @staticmethod
    def _shifted(s: ArrayLike, shift: float) -> Array:
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

    s: Kept
    k: Kept

    def __post_init__(self) -> None:
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
        validate.keep(self, s=s.copy(), k=k.copy())

    @property
    def jump(self) -> float:
        """The first value."""
        return float(self.k[0])

    @property
    def breakpoints(self) -> Array:
        """The points between 0 and 1."""
        return self.s[1:-1]

    def values(self, s: Array) -> Array:
        """Return ``k`` on the lines between the points."""
        return np.where(s > 0, np.interp(s, self.s, self.k), 0.0)

    def complement(self, u: ArrayLike) -> Array:
        """Return ``1 - k(1 - u)`` on the lines between the points."""
        u = np.asarray(u, dtype=float)
        values = np.interp(u, (1 - self.s)[::-1], (1 - self.k)[::-1])
        return np.where(u < 1, values, 1.0)


@dataclass(frozen=True, eq=False)
class Combination(Distortion):
    """Base class of what is made of several distortions."""

    distortions: Kept

    def __post_init__(self) -> None:
        validate.keep(self, distortions=as_distortions(self.distortions))

    @property
    def breakpoints(self) -> Array | None:
        """The kinks, if all parts are piecewise linear."""
        linear = all(d.breakpoints is not None for d in self.distortions)
        return self.kinks if linear else None

    @property
    def kinks(self) -> Array:
        """The kinks of the parts."""
        return np.unique(np.hstack([d.kinks for d in self.distortions]))

    @property
    def smooth(self) -> bool:
        """Whether all parts are smooth between their kinks."""
        return all(d.smooth for d in self.distortions)

    @property
    def noise(self) -> float:
        """The largest rounding among the parts."""
        return max(d.noise for d in self.distortions)


@dataclass(frozen=True, eq=False)
class Mixture(Combination):
    """The weighted mean of distortions: ``k(s) = sum_j weights[j] * k_j(s)``.

    Parameters
    ----------
    distortions : sequence of Distortion
        At least one; callables are checked as distortions.
    weights : array_like of shape (m,)
        Non-negative, summing to 1.

    Raises
    ------
    TypeError, ValueError
        If there is no distortion, or the weights are no probabilities.

    References
    ----------
    The measure that Section 6.2 uses at time 2 is such a mixture.

    Examples
    --------
    >>> k = Mixture([Expectation(), ExpectedShortfall(0.9)], [0.2, 0.8])
    >>> round(float(k(0.05)), 12)  # 0.2 * 0.05 + 0.8 * 0.5
    0.41
    """

    weights: Kept

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = validate.probabilities("weights", self.weights, len(self.distortions))
        validate.keep(self, weights=weights)

    @property
    def jump(self) -> float:
        """The weighted mean of the jumps."""
        return float(self._mean(d.jump for d in self.distortions))

    def _mean(self, values: Iterable) -> Array:
        return np.asarray(sum(map(mul, self.weights, values)))

    def values(self, s: Array) -> Array:
        """Return the weighted mean of the values."""
        return self._mean(d.values(s) for d in self.distortions)

    def complement(self, u: ArrayLike) -> Array:
        """Return the weighted mean of the complements."""
        return self._mean(d.complement(u) for d in self.distortions)


@dataclass(frozen=True, eq=False)
class UserDistortion(Distortion):
    """A user's own callable ``k``, checked once on a grid of 2,001 points."""

    function: Callable[[Array], ArrayLike]
    name: str = "function"
    smooth = False  # as far as we know
    noise = 1e-15

    def __post_init__(self) -> None:
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

    @cached_property
    def jump(self) -> float:
        """``k(0+)``, read off two tiny survival probabilities."""
        # a continuous concave k may rise steeply; a jump stays up however small s is
        tiny = np.asarray(self.function(np.array([1e-300, 1e-290])), dtype=float)
        return float(tiny[0]) if tiny[0] > 1e-3 and np.ptp(tiny) < 1e-9 else 0.0

    def values(self, s: Array) -> Array:
        """Return what the function says."""
        s = np.asarray(s, dtype=float)
        if s.size == 0:  # it was never asked about nothing
            return s
        # one axis, as when it was checked, and a copy of its own to write into
        return np.array(self.function(s.flatten()), dtype=float).reshape(s.shape)


def as_distortion(given: DistortionLike, name: str = "measure") -> Distortion:
    """Return ``given`` as a Distortion; a user's callable is checked once.

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
    if isinstance(given, Distortion):
        return given
    if callable(given) and not isinstance(given, type):
        return UserDistortion(given, name)
    raise TypeError(
        f"{name} = {given!r} is no distortion: give ExpectedShortfall(0.9) or the like"
    )


def as_distortions(distortions: Iterable[DistortionLike]) -> tuple[Distortion, ...]:
    """Return a sequence of distortions as a tuple of at least one."""
    parts = validate.entries("distortions", distortions)
    return tuple(as_distortion(k, f"distortions[{i}]") for i, k in enumerate(parts))
