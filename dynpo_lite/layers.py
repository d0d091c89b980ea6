r"""Optimal sharing by layers: who sees the smallest distorted tail takes the layer.

For concave distortions :math:`k_1, \dots, k_n` the least total risk of splitting
:math:`X` is the Choquet integral under :math:`\min_i k_i`, and it is attained by
giving the layer at height ``x`` to the agents for whom :math:`k_i(P(X > x))` is
smallest.
"""

from dataclasses import dataclass

import numpy as np

from .distortions import Minimum, as_distortion, linear_crossings
from .measures import BLOCK, Supremum, choquet, is_frozen

TIE_TOL = 1e-12  # distorted tails closer than this, relatively, tie
FEW = 1 << 14  # samples up to which every survival level is looked at


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
    shares: tuple

    @property
    def width(self):
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
    """

    value: float
    layers: tuple
    allocation: np.ndarray | None
    sure: float

    def retention(self, x):
        """Return the shares of losses ``x``, shape (n_agents,) + shape of x."""
        return retained(self.layers, np.asarray(x, dtype=float), self.sure)


def share_layers(x, measures, weights=None):
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
    Crossings of piecewise linear distortions are exact.  Those of smooth ones are
    found on about 9,000 survival levels, and on every level of up to 16,384 samples,
    and then refined; two crossings between neighbouring levels go unseen.

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
    agents = _agents(measures)
    value = choquet(x, Minimum(agents), weights)
    if is_frozen(x):
        low, high = (float(end) for end in x.support())
        layers = _layers(level_bands(agents), x.isf, low, high)
        return SharedLoss(value, layers, None, low)
    x = np.asarray(x, dtype=float)
    low, high = float(x.min()), float(x.max())
    isf, levels = _sample_quantile(x, weights)
    layers = _layers(level_bands(agents, levels), isf, low, high)
    return SharedLoss(value, layers, retained(layers, x, low, len(agents)), low)


def retained(layers, x, sure, n_agents=None):
    """Return what each agent carries of losses ``x``, block by block.

    Parameters
    ----------
    layers : tuple of Layer
        Ascending and adjacent; the top one is continued upwards.
    x : ndarray
    sure : float
        The level up to which the agents share equally.
    n_agents : int, optional
        Needed only where there is no layer.

    Returns
    -------
    ndarray of shape (n_agents,) + x.shape, summing to ``x`` over agents.
    """
    n = len(layers[0].shares) if layers else n_agents
    flat = x.ravel()
    result = np.empty((n, flat.size))
    scratch = np.empty(min(BLOCK, flat.size))
    for start in range(0, flat.size, BLOCK):
        block = flat[start : start + BLOCK]
        rows = result[:, start : start + BLOCK]
        part = scratch[: block.size]
        _fill(rows, block, part, layers, sure)
    return result.reshape((n, *x.shape))


def _fill(rows, block, part, layers, sure):
    n = len(rows)
    bounded = sure > -np.inf
    rows[:] = np.minimum(block, sure) / n if bounded else 0.0
    for j, layer in enumerate(layers):
        low = layer.attachment
        high = np.inf if j == len(layers) - 1 else layer.exhaustion  # top: continued
        np.clip(block, low, high, out=part)
        # with no sure part, shares are counted from a loss of 0
        part -= low if bounded else min(max(0.0, low), high)
        for i, share in enumerate(layer.shares):
            if share:
                rows[i] += part if share == 1 else share * part


def _agents(measures):
    try:
        agents = list(measures)
    except TypeError:
        agents = []
    if not agents:
        raise ValueError(f"measures = {measures!r} holds no agent: give at least one")
    for i, measure in enumerate(agents):
        if isinstance(measure, Supremum):
            raise TypeError(
                f"measures[{i}] is a Supremum: layers need one distortion an agent"
            )
    return [as_distortion(measure) for measure in agents]


def _sample_quantile(x, weights):
    """Return the function u -> inf{y : P(X > y) <= u} and the levels to look at."""
    n = len(x)
    if weights is None:

        def isf(u):
            at = np.clip(n - 1 - np.floor(u * n + 1e-9).astype(np.int64), 0, n - 1)
            return np.partition(x, np.unique(at))[at]

        return isf, np.arange(1, n) / n if n <= FEW else np.empty(0)
    order = np.argsort(x, kind="stable")
    above = 1.0 - np.cumsum(np.asarray(weights, dtype=float)[order])

    def weighted_isf(u):
        at = np.searchsorted(-above, -u - 1e-14)
        return x[order[np.clip(at, 0, n - 1)]]

    return weighted_isf, above[(above > 0) & (above < 1)] if n <= FEW else np.empty(0)


def _layers(bands, isf, low, high):
    """Turn bands of survival levels, from 1 downwards, into layers of the loss."""
    edges, shares = bands
    inner = np.asarray(isf(edges[1:-1]), dtype=float) if len(edges) > 2 else []
    ends = np.clip(np.hstack([low, inner, high]), low, high)
    return merge(
        Layer(float(a), float(b), tuple(s.tolist()))
        for a, b, s in zip(ends[:-1], ends[1:], shares, strict=True)
    )


def merge(layers):
    """Drop empty layers and join neighbours with equal shares."""
    kept = []
    for layer in layers:
        if not layer.attachment < layer.exhaustion:
            continue
        if kept and kept[-1].shares == layer.shares:
            layer = Layer(kept.pop().attachment, layer.exhaustion, layer.shares)
        kept.append(layer)
    return tuple(kept)


def level_bands(distortions, levels=()):
    """Return the bands of survival levels on which the same agents are cheapest.

    Parameters
    ----------
    distortions : sequence of Distortion
        One for each agent.
    levels : array_like, optional
        Survival levels that must be looked at, besides a standard grid; they matter
        only where some distortion is smooth.

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
    if all(k.breakpoints is not None for k in distortions):
        kinks = [k.breakpoints for k in distortions]
        inner = np.unique(np.hstack([*kinks, linear_crossings(distortions)]))
    else:
        inner = _smooth_changes(distortions, levels)
    edges = np.hstack([1.0, inner[::-1], 0.0])
    shares = equal_shares(
        np.array([k._k((edges[:-1] + edges[1:]) / 2) for k in distortions])
    )
    keep = np.append(True, (np.diff(shares, axis=1) != 0).any(axis=0))
    return np.append(edges[:-1][keep], 0.0), shares.T[keep]


def cheapest(k):
    """Tell which agents tie for the smallest distorted tail; ``k`` (n_agents, ...)."""
    least = k.min(axis=0)
    return k - least <= TIE_TOL * np.maximum(least, 1e-300)


def equal_shares(k):
    """Return the equal shares of the cheapest agents, of the shape of ``k``."""
    ties = cheapest(k)
    return ties / ties.sum(axis=0)


def _smooth_changes(distortions, levels):
    """Return the levels at which the set of cheapest agents changes."""
    from scipy.special import expit

    kinks = [k.breakpoints for k in distortions if k.breakpoints is not None]
    grid = np.hstack(
        [np.geomspace(1e-300, 1e-17, 600), expit(np.linspace(-39, 36, 8192)), levels]
    )
    s = np.unique(np.hstack([grid, *kinks]))
    s = s[(s > 0) & (s < 1)]
    ties = cheapest(np.array([k._k(s) for k in distortions]))
    changed = np.flatnonzero((ties[:, :-1] != ties[:, 1:]).any(axis=0))
    found = []
    for j in changed:
        found += _refine(distortions, s[j], s[j + 1], ties[:, j], ties[:, j + 1])
    return np.unique(found)


def _refine(distortions, low, high, tie_low, tie_high, depth=0):
    """Locate the change between two levels, to rounding; several if agents follow."""
    from scipy.optimize import brentq

    a, b = int(np.argmax(tie_low)), int(np.argmax(tie_high))
    if not tie_high[a] and not tie_low[b]:

        def gap(s):
            return float(
                distortions[a]._k(np.float64(s)) - distortions[b]._k(np.float64(s))
            )

        root = brentq(gap, low, high, xtol=1e-300, rtol=8.9e-16)
        at = np.array([k._k(np.float64(root)) for k in distortions])
        if cheapest(at)[a] or depth > 50:
            return [root]
        middle = root
    elif high - low <= 4e-16 * high or depth > 2000:
        return [high]
    else:  # one of them ties on one side only: halve the cell
        middle = (low + high) / 2
        at = np.array([k._k(np.float64(middle)) for k in distortions])
    tie = cheapest(at)
    changes = []
    if (tie_low != tie).any():
        changes += _refine(distortions, low, middle, tie_low, tie, depth + 1)
    if (tie != tie_high).any():
        changes += _refine(distortions, middle, high, tie, tie_high, depth + 1)
    return changes
