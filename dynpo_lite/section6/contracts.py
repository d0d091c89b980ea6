"""The optimal layers of ``S2`` that do not depend on ``S1``, in closed form."""

from itertools import pairwise

import numpy as np

from dynpo_lite.risk.distortions import Distortion, ExpectedShortfall
from dynpo_lite.section6.losses import Array, ExponentialPair, log_tail, root
from dynpo_lite.sharing.layers import Layer, level_bands, stack

Layers = tuple[Layer, ...]

NEGLIGIBLE = 1e-9  # thresholds below count as 0 where contracts cannot see S1
OWNED, TIED = ((1.0, 0.0), (0.0, 1.0)), (0.5, 0.5)
WHOLES = tuple(Layer(0.0, np.inf, shares) for shares in OWNED)


def marginal_layers(
    losses: ExponentialPair, distortions: tuple[Distortion, ...]
) -> Layers:
    """Return the optimal layers where shares are judged by their unconditional law."""
    edges, shares = level_bands(distortions)
    return stack([losses.s2_quantile(u) for u in edges], shares)


def conditional_layers(
    losses: ExponentialPair,
    thresholds: tuple[float, float],
    levels: tuple[float, float],
) -> Layers:
    """Return the optimal layers where shares are judged by their law given ``S1``.

    The thresholds and the levels beyond them are those of agents 1 and 2.
    """
    # agent lo turns pessimistic first, agent hi second, at threshold 1 never
    lo, hi = (0, 1) if thresholds[0] <= thresholds[1] else (1, 0)
    level_lo, level_hi = (
        levels[i] if thresholds[i] < 1 and log_tail(levels[i]) > 0 else 0.0
        for i in (lo, hi)
    )
    q_lo, q_hi = losses.s1_quantile([thresholds[lo], thresholds[hi]])
    if q_hi < NEGLIGIBLE * losses.mean:
        q_lo = q_hi = 0.0
    if level_lo == level_hi and (q_lo == q_hi or level_lo == 0):
        return (Layer(0.0, np.inf, TIED),)
    if q_lo == q_hi:  # they differ only where the milder level is exceeded
        start = float(q_lo) * log_tail(min(level_lo, level_hi))
        mild = lo if level_lo < level_hi else hi
        return stack([0.0, start, np.inf], [TIED, OWNED[mild]])
    if level_lo == 0 or level_hi <= level_lo:
        return (WHOLES[lo if level_lo == 0 else hi],)
    change = deterministic_root(losses, q_lo, q_hi, level_lo, level_hi)
    return Layer(0.0, change, OWNED[hi]), Layer(change, np.inf, OWNED[lo])


def deterministic_root(
    losses: ExponentialPair, q_lo: float, q_hi: float, level_lo: float, level_hi: float
) -> float:
    """Return the one height at which both integrated tails of ``S2`` agree.

    One agent has the higher level where ``S1`` exceeds ``q_hi``, the other the lower
    level where it exceeds ``q_lo``, with ``q_lo < q_hi``.
    """

    def excess(s: Array, x: float, level: float) -> Array:
        """The distorted minus the plain tail of S2 given S1 = s."""
        plain = np.exp(-x / s)
        return np.minimum(plain / ExpectedShortfall(level).tail, 1.0) - plain

    def gap(x: float) -> float:
        kinks = [x / log_tail(level_lo), x / log_tail(level_hi)]
        first = losses.over_s1(lambda s: excess(s, x, level_lo), q_lo, q_hi, kinks)
        second = losses.over_s1(
            lambda s: excess(s, x, level_hi) - excess(s, x, level_lo),
            q_hi,
            np.inf,
            kinks,
        )
        return (first - second) / (first + second)

    low = q_hi * log_tail(level_lo)  # up to here the second integral vanishes
    high = 2 * low
    while gap(high) > 0:
        high *= 2
    return root(gap, low, high)


def moved(layers: Layers, attachment: float) -> Layers:
    """Return two layers that change hands at ``attachment``, the order kept.

    The agent with the lowest layer of its own keeps the lower one; where all is tied,
    agent 2 does.
    """
    below = next((layer.shares for layer in layers if layer.shares != TIED), OWNED[1])
    return stack([0.0, attachment, np.inf], [below, below[::-1]])


def changes_of_hands(layers: Layers) -> Array:
    """Return where one agent takes over from the other; edges of ties left out."""
    return np.array(
        [
            above.attachment
            for below, above in pairwise(layers)
            if {below.shares, above.shares} == set(OWNED)
        ]
    )
