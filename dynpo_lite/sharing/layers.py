r"""Optimal sharing by layers: who sees the smallest distorted tail takes the layer.

For concave distortions :math:`k_1, \dots, k_n` the least total risk of splitting
:math:`X` is the Choquet integral under :math:`\min_i k_i`, and it is attained by
giving the layer at height ``x`` to the agents for whom :math:`k_i(P(X > x))` is
smallest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, ArrayLike
from dynpo_lite.risk.crossings import Minimum, equal_shares, level_grid, tails
from dynpo_lite.risk.distortions import Distortion, as_distortion
from dynpo_lite.risk.laws import as_law
from dynpo_lite.risk.measures import Supremum, choquet
from dynpo_lite.risk.samples import BLOCK, partitioned, running_sums

FEW = 1 << 14  # samples up to which every survival level is compared


@dataclass(frozen=True)
class Layer:
    """A layer of a loss and who carries it.

    Parameters
    ----------
    attachment, exhaustion : float
        The layer covers the loss between these levels, absolute and in the units of
        the loss.
    shares : tuple of float
        The part of the layer each agent carries; they sum to 1.

    Examples
    --------
    >>> Layer(100.0, 300.0, (0.0, 1.0)).width
    200.0
    """

    attachment: float
    exhaustion: float
    shares: tuple[float, ...]

    @property
    def width(self) -> float:
        """``exhaustion - attachment``."""
        return self.exhaustion - self.attachment


@dataclass(frozen=True, eq=False)
class SharedLoss:
    """The optimal sharing of one loss, as :func:`share_layers` returns it.

    Attributes
    ----------
    value : float
        The least total risk.
    layers : tuple of Layer
        From the essential infimum upwards; neighbours differ in their shares.
    allocation : ndarray of shape (n_agents, N) or None
        The share of every agent in every sample; None for a frozen distribution.
    sure : float
        What is certain, the essential infimum: shared equally.  Where it is -inf,
        nobody carries anything at a loss of 0 instead.
    n_agents : int
        How many agents share.
    """

    value: float
    layers: tuple[Layer, ...]
    allocation: Array | None
    sure: float
    n_agents: int

    def retention(self, x: ArrayLike) -> Array:
        """Return the shares of losses ``x``, shape (n_agents,) + shape of x."""
        x = validate.finite_array("x", x)
        return retained(self.layers, x, self.sure, self.n_agents)


def share_layers(
    x: Any, measures: Sequence[Any], weights: ArrayLike | None = None
) -> SharedLoss:
    r"""Share one loss optimally between agents.

    .. math:: \inf\Bigl\{\sum_i I_{k_i}(Y_i) : \sum_i Y_i = X\Bigr\}
              = I_{\min_i k_i}(X)

    Parameters
    ----------
    x : array_like of shape (N,), or frozen scipy.stats distribution
        The aggregate loss.
    measures : sequence of Distortion or callable
        One for each agent.
    weights : array_like of shape (N,), optional
        Probabilities of the samples, summing to 1; equal by default.

    Returns
    -------
    SharedLoss
        With ``.value``, ``.layers``, ``.allocation`` and ``.retention(x)``.

    Raises
    ------
    TypeError, ValueError
        As :func:`choquet`; also if there is no agent, or one with a Supremum.

    Notes
    -----
    Agents tie where their distorted tails agree up to 1e-12, relatively; ties and the
    sure part are shared equally.  The value is unique, the layers only up to ties.
    Weighted samples, and up to 16,384 others, are compared at every survival level.
    Otherwise the levels at which the order changes are found first: exactly for
    piecewise linear distortions, for smooth ones on about 9,000 levels, then refined;
    two crossings between neighbouring levels go unseen (the allocation then costs what
    the agents on both sides of them ask), and a tie at a single level is not told.

    References
    ----------
    Theorem 5.21 and Proposition A.5 of the paper, for one period.

    Examples
    --------
    The mean exaggerates no tail, so the agent who uses it carries everything.

    >>> from dynpo_lite import Expectation, ExpectedShortfall
    >>> agents = [ExpectedShortfall(0.9), Expectation()]
    >>> shared = share_layers([0.0, 1.0, 2.0, 6.0], agents)
    >>> shared.value, shared.allocation.tolist()
    (2.25, [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 6.0]])
    """
    given = validate.entries("measures", measures, "no agent")
    for i, measure in enumerate(given):
        if isinstance(measure, Supremum):
            raise TypeError(
                f"measures[{i}] is a Supremum: layers need one distortion an agent"
            )
    agents = [as_distortion(k, f"measures[{i}]") for i, k in enumerate(given)]
    value, n = choquet(x, Minimum(agents), weights), len(agents)
    if (law := as_law(x)) is not None:
        layers = _layers(*level_bands(agents), law.isf, law.low, law.high)
        return SharedLoss(value, layers, None, law.low, n)
    x = np.asarray(x, dtype=float)
    if weights is not None or len(x) <= FEW:
        sure, layers = _layers_of_every_level(x, agents, weights)
    else:
        sure, high = float(x.min()), float(x.max())
        layers = _layers(*level_bands(agents), partial(_upper_quantile, x), sure, high)
    allocation = validate.frozen(retained(layers, x, sure, n))
    return SharedLoss(value, layers, allocation, sure, n)


def _layers_of_every_level(
    x: Array, agents: list[Distortion], weights: ArrayLike | None
) -> tuple[float, tuple[Layer, ...]]:
    """Compare the distorted tails between all neighbouring samples."""
    if weights is None:
        order, level = np.argsort(-x)[::-1], np.arange(1, len(x) + 1) / len(x)
    else:
        p, order = np.asarray(weights, dtype=float), np.argsort(x)
        order = order[p[order] > 0]  # without impossible samples
        level = np.minimum(running_sums((p / p.sum())[order[::-1]]), 1.0)
    x = x[order]
    return float(x[0]), stack(x, equal_shares(*tails(agents, level[-2::-1])).T)


def _upper_quantile(x: Array, u: Array) -> Array:
    """Return inf{y : P(X > y) <= u} for equally likely samples ``x``."""
    n = len(x)
    at = np.clip(n - 1 - np.floor(u * n + 1e-9).astype(np.int64), 0, n - 1)
    return partitioned(x, np.unique(at))[at]


def stack(ends: ArrayLike, shares: ArrayLike) -> tuple[Layer, ...]:
    """Return adjacent layers, empty ones dropped and equal neighbours joined.

    Parameters
    ----------
    ends : ndarray of shape (m + 1,)
        Ascending levels of the loss.
    shares : ndarray of shape (m, n_agents)

    Returns
    -------
    tuple of Layer
    """
    ends, shares = np.asarray(ends), np.asarray(shares)
    wide = ends[1:] > ends[:-1]
    low, high, shares = ends[:-1][wide], ends[1:][wide], shares[wide]
    if not len(low):
        return ()
    first = np.flatnonzero(np.append(True, (shares[1:] != shares[:-1]).any(axis=1)))
    last = np.append(first[1:], len(low)) - 1
    return tuple(
        Layer(float(low[i]), float(high[j]), tuple(shares[i].tolist()))
        for i, j in zip(first, last, strict=True)
    )


def retained(layers: Sequence[Layer], x: Array, sure: float, n_agents: int) -> Array:
    """Return what each agent carries of losses ``x``, block by block.

    Parameters
    ----------
    layers : tuple of Layer
        Ascending and adjacent; the top one is continued upwards.
    x : ndarray
    sure : float
        The level up to which the agents share equally.
    n_agents : int

    Returns
    -------
    ndarray of shape (n_agents,) + x.shape, summing to ``x`` over agents.
    """
    flat = x.ravel()
    result = np.empty((n_agents, flat.size))
    scratch = np.empty(min(BLOCK, flat.size))
    sure = sure if layers else np.inf  # a constant loss: equal shares of all
    bounded = sure > -np.inf
    for start in range(0, flat.size, BLOCK):
        block, rows = flat[start : start + BLOCK], result[:, start : start + BLOCK]
        part = scratch[: block.size]
        rows[:] = np.minimum(block, sure) / n_agents if bounded else 0.0
        for j, layer in enumerate(layers):
            low = layer.attachment
            high = np.inf if j == len(layers) - 1 else layer.exhaustion  # continued
            np.clip(block, low, high, out=part)
            # with no sure part, shares are counted from a loss of 0
            part -= low if bounded else min(max(0.0, low), high)
            for i, share in enumerate(layer.shares):
                if share:
                    rows[i] += part if share == 1 else share * part
    return result.reshape((n_agents, *x.shape))


def _layers(
    edges: Array, shares: Array, isf: Callable[[Array], Array], low: float, high: float
) -> tuple[Layer, ...]:
    """Turn bands of survival levels, from 1 downwards, into layers of the loss."""
    inner = np.asarray(isf(edges[1:-1]), dtype=float) if len(edges) > 2 else ()
    return stack(np.clip(np.hstack([low, inner, high]), low, high), shares)


def level_bands(distortions: Sequence[Distortion]) -> tuple[Array, Array]:
    """Return the bands of survival levels on which the same agents are cheapest.

    Parameters
    ----------
    distortions : sequence of Distortion
        One for each agent.

    Returns
    -------
    edges : ndarray of shape (m + 1,)
        Survival levels from 1 down to 0.
    shares : ndarray of shape (m, n_agents)
        The equal shares of the cheapest agents in each band.

    Examples
    --------
    >>> from dynpo_lite import Expectation, ExpectedShortfall, Mixture
    >>> half = Mixture([Expectation(), ExpectedShortfall(0.75)], [0.5, 0.5])
    >>> edges, shares = level_bands([ExpectedShortfall(0.5), half])
    >>> edges.tolist(), shares.tolist()  # 2 s meets (s + 1) / 2 at 1/3
    ([1.0, 0.3333333333333333, 0.0], [[0.0, 1.0], [1.0, 0.0]])
    """
    inner = Minimum(distortions).kinks
    edges = np.hstack([1.0, inner[::-1], 0.0])
    inside = (edges[:-1] + edges[1:]) / 2
    if any(k.breakpoints is None for k in distortions):
        # crossings that went unseen lie between grid levels: judge a band on the grid
        grid = level_grid(distortions)
        near = grid[np.clip(np.searchsorted(grid, inside), 0, len(grid) - 1)]
        inside = np.where((near > edges[1:]) & (near < edges[:-1]), near, inside)
    shares = equal_shares(*tails(distortions, inside))
    keep = np.append(True, (np.diff(shares, axis=1) != 0).any(axis=0))
    return np.append(edges[:-1][keep], 0.0), shares.T[keep]
