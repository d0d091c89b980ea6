r"""The losses of Section 6.2: ``S1`` exponential, ``S2`` exponential with mean ``S1``.

.. math:: P(S_2 > x) = z K_1(z), \qquad E(S_2 - x)^+ = \tfrac m2 z^2 K_2(z), \qquad
          z = 2\sqrt{x/m}

with the modified Bessel functions of the second kind.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynpo_lite.risk.distortions import ExpectedShortfall

Array = NDArray[np.float64]

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(32)


@dataclass(frozen=True)
class ExponentialPair:
    """The law of ``(S1, S2)``.

    Parameters
    ----------
    mean : float
        Mean of both, in units of loss, positive.

    Examples
    --------
    >>> ExponentialPair(200.0).s1_quantile(0.5).round(6).tolist()  # 200 log(2)
    138.629436
    """

    mean: float

    def s1_quantile(self, p: ArrayLike) -> Array:
        """Return the quantile of ``S1`` at ``p``, any shape.

        Parameters
        ----------
        p : array_like
            Probabilities in [0, 1]; at 1 the quantile is inf.

        Returns
        -------
        ndarray
            Of the shape of ``p``, in units of loss.
        """
        with np.errstate(divide="ignore"):
            return -self.mean * np.log1p(-np.asarray(p, dtype=float))

    def s2_tail(self, x: ArrayLike) -> Array:
        r"""Return :math:`P(S_2 > x) = z K_1(z)`, any shape; 1 for ``x <= 0``.

        Parameters
        ----------
        x : array_like
            Losses.

        Returns
        -------
        ndarray
            Of the shape of ``x``.

        Examples
        --------
        >>> round(float(ExponentialPair(200.0).s2_tail(200.0)), 12)  # 2 K_1(2)
        0.279731763633
        """
        z = 2 * np.sqrt(np.maximum(x, 0.0) / self.mean)
        with np.errstate(invalid="ignore"):
            return np.where(z > 0, np.where(z < np.inf, z * _bessel(1, z), 0.0), 1.0)

    def s2_density(self, x: ArrayLike) -> Array:
        r"""Return the density :math:`2 K_0(z) / m` of ``S2`` at ``x > 0``.

        Parameters
        ----------
        x : array_like
            Losses, positive.

        Returns
        -------
        ndarray
            Of the shape of ``x``, per unit of loss.
        """
        return 2 * _bessel(0, 2 * np.sqrt(np.asarray(x) / self.mean)) / self.mean

    def s2_stop_loss(self, x: ArrayLike) -> Array:
        r"""Return :math:`E(S_2 - x)^+ = (m/2) z^2 K_2(z)` for ``x >= 0``.

        Parameters
        ----------
        x : array_like
            Losses, at least 0.

        Returns
        -------
        ndarray
            Of the shape of ``x``, in units of loss.
        """
        z = 2 * np.sqrt(np.asarray(x) / self.mean)
        with np.errstate(invalid="ignore"):
            inner = np.where(z < np.inf, z**2 * _bessel(2, z), 0.0)
        return self.mean / 2 * np.where(z > 1e-100, inner, 2.0)

    def s2_quantile(self, u: float) -> float:
        """Return the ``x`` with ``P(S2 > x) = u``.

        Parameters
        ----------
        u : float
            One survival level in [0, 1].

        Returns
        -------
        float
            In units of loss; inf at 0.
        """
        if u >= 1:
            return 0.0
        if u <= 0:
            return np.inf
        z = root(lambda z: float(z * _bessel(1, z)) - u, 1e-300, 800.0)
        return self.mean * z**2 / 4

    def s1_beyond(self, p: float) -> float:
        """Return E[S1; S1 > its quantile at p].

        Parameters
        ----------
        p : float
            A probability in [0, 1].

        Returns
        -------
        float
            In units of loss.
        """
        return float(self.mean * (1 - p) * (1 - np.log1p(-p))) if p < 1 else 0.0

    def over_s1(
        self,
        f: Callable[[Array], Array],
        low: float,
        high: float,
        kinks: ArrayLike = (),
    ) -> float:
        """Integrate ``f`` against the law of S1 from ``low`` to ``high``.

        Parameters
        ----------
        f : callable
            From values of S1 to numbers, array by array.
        low, high : float
            In units of loss; ``high`` may be inf.
        kinks : array_like
            Where ``f`` is not smooth.

        Returns
        -------
        float

        Notes
        -----
        Gauss-Legendre on the scale of log S1, in pieces of at most a quarter that
        break at the kinks of ``f``.  What lies below 1e-12 or beyond 800 means is
        too little to count in double precision.
        """
        low, high = np.clip([low, high], 1e-12 * self.mean, 800 * self.mean)
        steps = int(np.ceil(4 * np.log(high / low)))
        grid = np.linspace(np.log(low), np.log(high), steps + 1)
        inner = np.log(np.clip(kinks, low, high))
        ends = np.unique(np.hstack([grid, inner]))
        half = np.diff(ends)[:, None] / 2
        s = np.exp(half * NODES + (ends[:-1] + ends[1:])[:, None] / 2)
        density = np.exp(-s / self.mean) * (s / self.mean)
        return float((half * NODE_WEIGHTS * density * f(s)).sum())

    def sample(self, n_samples: int, seed: int) -> tuple[Array, Array]:
        """Return samples of ``S1`` and ``S2``, each of shape (n_samples,).

        Parameters
        ----------
        n_samples : int
        seed : int
            Of ``numpy.random.default_rng``.

        Returns
        -------
        s1, s2 : ndarray of shape (n_samples,)
            In units of loss.
        """
        rng = np.random.default_rng(seed)
        s1 = self.mean * rng.standard_exponential(n_samples)
        return s1, s1 * rng.standard_exponential(n_samples)


def root(f: Callable[[float], float], low: float, high: float) -> float:
    """Return the root of ``f`` between ``low`` and ``high``, to rounding."""
    from scipy.optimize import brentq

    tiny = np.finfo(float).tiny  # no absolute tolerance: losses may have any scale
    return float(brentq(f, low, high, xtol=tiny, rtol=8.9e-16, maxiter=500))


def log_tail(level: float) -> float:
    """``-log(1 - level)``: the shortfall of an exponential exceeds its mean by this."""
    return float(-np.log(ExpectedShortfall(level).tail)) + 0.0


def _bessel(order: int, z: Array | float) -> Array:
    """The modified Bessel function of the second kind."""
    from scipy.special import k0, k1, kv

    return k0(z) if order == 0 else k1(z) if order == 1 else kv(order, z)
