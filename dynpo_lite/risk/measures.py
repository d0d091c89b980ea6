r"""Static risk measures: Choquet integrals of losses.

.. math::
   I_k(X) = \int_0^\infty k(P(X > x))\,dx + \int_{-\infty}^0 [k(P(X > x)) - 1]\,dx

(Definition 5.19).  A law is given by samples, with or without weights, or by a
distribution of ``scipy.stats``.
"""

import warnings
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import ArrayLike, Kept
from dynpo_lite.risk.distortions import (
    Distortion,
    DistortionLike,
    as_distortion,
    as_distortions,
)
from dynpo_lite.risk.laws import as_law, law_integral
from dynpo_lite.risk.samples import sample_integral


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

    Raises
    ------
    TypeError, ValueError
        If there is no distortion, or something that is none.

    Examples
    --------
    >>> from dynpo_lite import Expectation, ExpectedShortfall
    >>> either = Supremum([ExpectedShortfall(0.5), Expectation()])
    >>> choquet([0.0, 0.0, 3.0, 5.0], either)  # the mean of the worse half
    4.0
    """

    distortions: Kept

    def __post_init__(self) -> None:
        validate.keep(self, distortions=as_distortions(self.distortions))


Measure: TypeAlias = DistortionLike | Supremum


def parts_of(measure: Measure, name: str = "measure") -> tuple[Distortion, ...]:
    """Return the distortions whose largest Choquet integral ``measure`` is."""
    if isinstance(measure, Supremum):
        return measure.distortions
    return (as_distortion(measure, name),)


def choquet(x: Any, measure: Measure, weights: ArrayLike | None = None) -> float:
    r"""Risk of a loss: the Choquet integral of its survival function.

    For samples sorted downwards, with :math:`S_j` the weight of the ``j`` largest,
    it is :math:`\sum_j x_{(j)} [k(S_j) - k(S_{j-1})]`.

    Parameters
    ----------
    x : array_like of shape (N,), or distribution of scipy.stats
        Losses, positive values are bad.  Repeated samples are atoms.  A distribution
        is a frozen one, such as ``stats.norm(0, 1)``, or one of the newer kind, such
        as ``stats.Normal(mu=0, sigma=1)``.
    measure : Distortion, Supremum or callable
        A callable is checked as a distortion.
    weights : array_like of shape (N,), optional
        Probabilities of the samples, summing to 1; equal by default.

    Returns
    -------
    float
        In the units of ``x``; ``inf`` where the tail of a distribution is too heavy
        for the measure, above all where its mean is infinite already.

    Raises
    ------
    TypeError
        If ``measure`` is no distortion, or ``x`` holds no numbers.
    ValueError
        If ``x`` is empty, not finite or of the wrong shape, if the weights are no
        probabilities, or if the integral of a distribution does not converge.

    Notes
    -----
    Piecewise linear distortions cost a partial sort of the samples, O(N); all others
    a sort.  A loss whose gains have no mean, as a Cauchy law, is refused: no coherent
    measure is defined for it.

    References
    ----------
    Definition 5.19 of the paper.

    Examples
    --------
    The worst quarter of five outcomes is one and a quarter of them:
    (4 + 0.25 * 3) / 1.25 = 3.8.

    >>> from dynpo_lite import ExpectedShortfall
    >>> choquet([0, 1, 2, 3, 4], ExpectedShortfall(0.75))
    3.8
    >>> from scipy import stats
    >>> choquet(stats.uniform(), ExpectedShortfall(0.5))
    0.75
    """
    parts = parts_of(measure)
    if (law := as_law(x)) is not None:
        if weights is not None:
            raise ValueError("weights go with samples: leave them out for a law")
        # far out in the tails quantiles overflow, and scipy warns of its own integrals
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return max(law_integral(law, k) for k in parts)
    samples = validate.real_array("x", x, ndim=1)
    if weights is None:
        return max(sample_integral(samples, k) for k in parts)
    p = validate.probabilities("weights", weights, len(samples))
    return max(sample_integral(samples, k, p) for k in parts)
