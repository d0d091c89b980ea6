"""Where the order of distortions changes, and who ties for the smallest.

Optimal sharing gives a layer to the agents whose distorted tail is the smallest; the
distortion of all of them together is the pointwise :class:`Minimum`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from dynpo_lite.base.types import Array, ArrayLike, Bools
from dynpo_lite.risk.distortions import Combination, Distortion

_End = tuple[float, Bools]  # a survival level, and who is cheapest there
TIE_TOL = 1e-12  # distorted tails closer than this, relatively, tie


@dataclass(frozen=True, eq=False)
class Minimum(Combination):
    r"""The pointwise minimum ``k(s) = min_j k_j(s)``: concave again.

    It is the distortion of the representative agent when agents share optimally
    (part (ii) of Theorem 5.21).

    Parameters
    ----------
    distortions : sequence of Distortion
        At least one; callables are checked as distortions.

    Raises
    ------
    TypeError, ValueError
        If there is no distortion, or something that is none.

    Examples
    --------
    >>> from dynpo_lite import ExpectedShortfall, ProportionalHazard
    >>> k = Minimum([ExpectedShortfall(0.5), ProportionalHazard(0.5)])
    >>> k([0.04, 0.81]).tolist()
    [0.08, 0.9]
    """

    @cached_property
    def kinks(self) -> Array:
        """The kinks of the parts and the levels at which the smallest one changes."""
        return np.union1d(super().kinks, crossings(self.distortions))

    @property
    def jump(self) -> float:
        """The smallest jump."""
        return float(min(d.jump for d in self.distortions))

    def values(self, s: Array) -> Array:
        """Return the smallest value."""
        return np.asarray(np.minimum.reduce([d.values(s) for d in self.distortions]))

    def complement(self, u: ArrayLike) -> Array:
        """Return the largest complement."""
        return np.asarray(np.max([d.complement(u) for d in self.distortions], axis=0))


def crossings(distortions: Sequence[Distortion]) -> Array:
    """Return the levels in (0, 1) at which the order of distortions changes.

    Exact for piecewise linear distortions (:func:`linear_crossings`); otherwise found
    on about 9,000 levels and refined, changes of who is smallest only.
    """
    linear = all(d.breakpoints is not None for d in distortions)
    return linear_crossings(distortions) if linear else _smooth_crossings(distortions)


def linear_crossings(distortions: Sequence[Distortion]) -> Array:
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
    >>> from dynpo_lite import Expectation, ExpectedShortfall, Mixture
    >>> first = Mixture([Expectation(), ExpectedShortfall(0.9)], [0.2, 0.8])
    >>> second = Mixture([Expectation(), ExpectedShortfall(0.99)], [0.6, 0.4])
    >>> linear_crossings([first, second]) * 19  # 0.4 / 7.6 = 1 / 19
    array([1.])
    """
    s = np.unique(np.hstack([0.0, 1.0, *(d.kinks for d in distortions)]))
    k = np.array([d.values(s) for d in distortions])
    k[:, 0] = [d.jump for d in distortions]
    found = [np.empty(0)]
    for i, j in combinations(range(len(k)), 2):
        gap = k[i] - k[j]
        at = np.flatnonzero(gap[:-1] * gap[1:] < 0)
        found.append(s[at] + np.diff(s)[at] * gap[at] / (gap[at] - gap[at + 1]))
    return np.unique(np.hstack(found))


def cheapest(k: Array, noise: float = 0.0) -> Bools:
    """Tell which agents tie for the smallest distorted tail; ``k`` (n_agents, ...)."""
    least = k.min(axis=0)
    return k - least <= TIE_TOL * np.maximum(least, 1e-300) + noise


def equal_shares(k: Array, noise: float = 0.0) -> Array:
    """Return the equal shares of the cheapest agents, of the shape of ``k``."""
    ties = cheapest(k, noise)
    return ties / ties.sum(axis=0)


def level_grid(distortions: Sequence[Distortion]) -> Array:
    """Return survival levels in (0, 1) dense towards both ends, kinks included."""
    from scipy.special import expit

    grid = [np.geomspace(1e-300, 1e-17, 600), expit(np.linspace(-39, 36, 8192))]
    s = np.unique(np.hstack([*grid, *(k.kinks for k in distortions)]))
    return s[(s > 0) & (s < 1)]


def tails(distortions: Sequence[Distortion], s: ArrayLike) -> tuple[Array, float]:
    """Return the distorted levels, (n_agents, ...), and the noise of the values."""
    level = np.asarray(s, dtype=float)
    values = np.array([k.values(level) for k in distortions])
    return values, max(k.noise for k in distortions)


def _smooth_crossings(distortions: Sequence[Distortion]) -> Array:
    """Return the levels at which the set of cheapest agents changes."""
    s = level_grid(distortions)
    ties = cheapest(*tails(distortions, s))
    found: list[float] = []
    for j in np.flatnonzero((ties[:, :-1] != ties[:, 1:]).any(axis=0)):
        found += _refine(distortions, (s[j], ties[:, j]), (s[j + 1], ties[:, j + 1]))
    return np.unique(found)


def _refine(
    distortions: Sequence[Distortion], start: _End, stop: _End, depth: int = 0
) -> list[float]:
    """Locate the change between two levels, to rounding; several if agents follow."""
    from scipy.optimize import brentq

    (low, tie_low), (high, tie_high) = start, stop
    a, b = int(np.argmax(tie_low)), int(np.argmax(tie_high))
    if not tie_high[a] and not tie_low[b]:

        def gap(s: float) -> float:
            one, other = (distortions[i].values(np.asarray(s)) for i in (a, b))
            return float(one - other)

        middle = brentq(gap, low, high, xtol=1e-300, rtol=8.9e-16)
        tie = cheapest(*tails(distortions, middle))
        if tie[a] or depth > 50:
            return [middle]
    elif high - low <= 4e-16 * high or depth > 2000:
        return [high]
    else:  # one of them ties on one side only: halve the cell
        middle = (low + high) / 2
        tie = cheapest(*tails(distortions, middle))
    changes = []
    for one, other in ((start, (middle, tie)), ((middle, tie), stop)):
        if (one[1] != other[1]).any():
            changes += _refine(distortions, one, other, depth + 1)
    return changes
