"""The optimal layers of ``S2`` that do not depend on ``S1``, in closed form."""

from itertools import pairwise

import numpy as np

from dynpo_lite.section6.losses import Array, ExponentialPair, log_tail, root
from dynpo_lite.sharing.layers import Layer, stack

Layers = tuple[Layer, ...]

FAR = 1e5  # in means: beyond any height at which layers change hands
NEGLIGIBLE = 1e-9  # thresholds below count as 0 where contracts cannot see S1
OWNED, TIED = ((1.0, 0.0), (0.0, 1.0)), (0.5, 0.5)
WHOLES = tuple(Layer(0.0, np.inf, shares) for shares in OWNED)


def conditional_layers(
    losses: ExponentialPair, thresholds: tuple[float, ...], levels: tuple[float, ...]
) -> Layers:
    """Return the optimal layers where shares are judged by their law given ``S1``.

    The thresholds and the levels beyond them are those of agents 1 and 2.
    """
    # agent lo turns pessimistic first, agent hi second, at threshold 1 never
    lo, hi = (0, 1) if thresholds[0] <= thresholds[1] else (1, 0)
    fear_lo, fear_hi = (log_tail(levels[i]) * (thresholds[i] < 1) for i in (lo, hi))
    q_lo, q_hi = losses.s1_quantile(sorted(thresholds))
    if q_hi < NEGLIGIBLE * losses.mean or fear_lo == fear_hi == 0:
        q_lo = q_hi = 0.0
    if q_lo == q_hi:  # they differ only where the milder level is exceeded
        mild = OWNED[lo if fear_lo < fear_hi else hi]
        beyond = TIED if fear_lo == fear_hi else mild
        return stack([0.0, q_lo * min(fear_lo, fear_hi), np.inf], [TIED, beyond])
    if fear_lo == 0 or fear_hi <= fear_lo:
        return (WHOLES[lo if fear_lo == 0 else hi],)
    change = deterministic_root(losses, q_lo, q_hi, fear_lo, fear_hi)
    return stack([0.0, change, np.inf], [OWNED[hi], OWNED[lo]])


def deterministic_root(
    losses: ExponentialPair, q_lo: float, q_hi: float, fear_lo: float, fear_hi: float
) -> float:
    """Return the one height at which both integrated tails of ``S2`` agree.

    One agent has the higher level where ``S1`` exceeds ``q_hi``, the other the lower
    level where it exceeds ``q_lo``, with ``q_lo < q_hi``; each level is given by its
    `log_tail`.
    """

    def gap(means: float) -> float:
        def excess(s: Array) -> Array:
            """The distorted tail of S2 given S1 = s: of agent lo less that of hi."""
            fears = (fear_lo, np.where(s > q_hi, fear_hi, 0.0))
            first, second = (np.exp(np.minimum(fear - x / s, 0.0)) for fear in fears)
            return first - second

        x = means * losses.mean
        kinks = [q_hi, x / fear_lo, x / fear_hi]
        return losses.over_s1(excess, q_lo, np.inf, kinks)

    # up to the lower end both agree wherever S1 exceeds q_hi
    return losses.mean * root(gap, q_hi * fear_lo / losses.mean, FAR)


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
        [b.attachment for a, b in pairwise(layers) if TIED not in (a.shares, b.shares)]
    )
