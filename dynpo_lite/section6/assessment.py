"""What contracts on ``S2`` cost: risks at time 1, their mean, and risks at time 0."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from dynpo_lite.risk.distortions import ExpectedShortfall
from dynpo_lite.section6.contracts import Layers
from dynpo_lite.section6.losses import Array, ExponentialPair, log_tail, root
from dynpo_lite.sharing.layers import Layer


class Regime(NamedTuple):
    """Values of ``S1`` between two of its quantiles, and the levels used there.

    Attributes
    ----------
    low, high : float
        Probabilities; the regime is where ``S1`` lies between its quantiles at them.
    levels : tuple of float
        The confidence levels of the agents at time 1.
    """

    low: float
    high: float
    levels: tuple[float, ...]

    @property
    def probability(self) -> float:
        """The probability of the regime."""
        return self.high - self.low


@dataclass(frozen=True)
class Assessment:
    """How both agents assess contracts on ``S2`` under one law.

    Contracts are layers, or None for the one that depends on ``S1``: there, given
    ``S1``, the agent with the lower level carries all of ``S2``.

    Parameters
    ----------
    losses : ExponentialPair
    regimes : tuple of Regime
        From low to high.
    law : {"marginal", "conditional"}
        Of the shares of ``S2``: unconditional, or given ``S1``.
    """

    losses: ExponentialPair
    regimes: tuple[Regime, ...]
    law: str

    def total(self, s1: Array, layers: Layers | None) -> Array:
        """Return the sum of both risks at time 1 given ``S1 = s1``."""
        cuts = self.losses.s1_quantile([regime.low for regime in self.regimes[1:]])
        where = np.searchsorted(cuts, s1, side="left")
        result = np.empty(s1.shape)
        for j, regime in enumerate(self.regimes):
            at = where == j
            result[at] = self._in_regime(regime, s1[at], layers)
        return result

    def mean(self, layers: Layers | None, above: float = 0.0) -> float:
        """Return E[total at time 1; S1 beyond its quantile at ``above``]."""
        losses, result = self.losses, 0.0
        for regime in self.regimes:
            low, high = max(regime.low, above), regime.high
            if low >= high:
                continue
            if layers is None:
                growth = 1 + log_tail(min(regime.levels))
                result += growth * (losses.s1_beyond(low) - losses.s1_beyond(high))
            elif self.law == "marginal":
                total = self._in_regime(regime, np.empty(0), layers)
                result += (high - low) * float(total)
            else:
                start, end = losses.s1_quantile([low, high])
                logs = [log_tail(level) for level in regime.levels]
                edges = [layer.attachment for layer in layers[1:]]
                result += losses.over_s1(
                    partial(self._in_regime, regime, layers=layers),
                    start,
                    end,
                    [edge / log for edge in edges for log in logs if log],
                )
        return result

    def at_time0(self, level: float, layers: Layers | None) -> float:
        """Return the Expected Shortfall of ``S1`` plus the total at time 1."""
        beyond = self.losses.s1_beyond(level) + self.mean(layers, above=level)
        return beyond / ExpectedShortfall(level).tail

    def tail(self, x: Array, layers: Layers | None) -> Array:
        """Return the probability that ``S1`` plus the total at time 1 exceeds ``x``."""
        low, high = np.zeros(x.shape), np.maximum(x, 0.0)
        for _ in range(100):  # halving to rounding; the range is at most x
            middle = (low + high) / 2
            above = middle + self.total(middle, layers) > x
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return np.exp(-high / self.losses.mean)

    def of_each(self, layers: Iterable[Layer]) -> Array:
        """Return each agent's risk of its layers in every regime, marginal law.

        Shape (2, n_regimes).
        """
        result = np.zeros((2, len(self.regimes)))
        for layer, (j, regime) in product(layers, enumerate(self.regimes)):
            for i, (share, level) in enumerate(zip(layer.shares, regime.levels)):
                if share:
                    result[i, j] += share * self._shortfall(level, layer, np.empty(0))
        return result

    def _in_regime(self, regime: Regime, s1: Array, layers: Layers | None) -> Array:
        if layers is None:
            return s1 * (1 + log_tail(min(regime.levels)))
        parts = (
            share * self._shortfall(level, layer, s1)
            for layer in layers
            for share, level in zip(layer.shares, regime.levels)
            if share
        )
        return np.asarray(sum(parts))

    def _shortfall(self, level: float, layer: Layer, s1: Array) -> Array:
        """Expected Shortfall of the part of S2 in a layer: one number, or given S1."""
        a, b = layer.attachment, layer.exhaustion
        tail = ExpectedShortfall(level).tail
        if self.law == "marginal":
            q = np.asarray(self.losses.s2_quantile(tail))
            excess = self.losses.s2_stop_loss
        else:
            q, excess = s1 * log_tail(level), partial(_excess, s1)
        full = np.minimum(q, b) - np.minimum(q, a)
        rest = excess(np.maximum(q, a)) - excess(np.maximum(q, b))
        return full + rest / tail


def _excess(s1: Array, x: Array) -> Array:
    """``E[(S2 - x)^+]`` given ``S1 = s1``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(s1 > 0, s1 * np.exp(-x / s1), 0.0)


def state_dependent_by_marginal_law(
    losses: ExponentialPair, regimes: tuple[Regime, ...]
) -> float:
    """Return the expected total risk of the state-dependent contract, marginal law."""
    owners = [0 if r.levels[0] < r.levels[1] else 1 for r in regimes]
    own = [[r for r, o in zip(regimes, owners) if o == i] for i in (0, 1)]
    return sum(
        regime.probability * _shortfall_on(losses, own[i], level)
        for regime in regimes
        for i, level in enumerate(regime.levels)
    )


def _shortfall_on(
    losses: ExponentialPair, regimes: Iterable[Regime], level: float
) -> float:
    """Expected Shortfall of S2 where S1 lies in the regimes, and 0 elsewhere."""

    def over(f: Callable[[Array], Array]) -> float:
        return sum(
            losses.over_s1(f, *losses.s1_quantile([r.low, r.high])) for r in regimes
        )

    tail = ExpectedShortfall(level).tail
    if sum(r.probability for r in regimes) <= tail:
        return over(lambda s: s) / tail

    def too_likely(x: float) -> float:
        return over(lambda s: np.exp(-x / s)) - tail

    high = losses.mean
    while too_likely(high) > 0:
        high *= 2
    q = root(too_likely, 0.0, high)
    return q + over(lambda s: s * np.exp(-q / s)) / tail
