"""What contracts on ``S2`` cost: risks at time 1, their mean, and risks at time 0."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from dynpo_lite.base.lp import InfeasibleProgramme, solve_lp
from dynpo_lite.base.types import Integers
from dynpo_lite.risk.distortions import ExpectedShortfall
from dynpo_lite.section6.contracts import FAR, TIED, WHOLES, Layers
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

    @property
    def owner(self) -> int:
        """Who carries all of ``S2`` where contracts see ``S1``: the lower level."""
        return 0 if self.levels[0] < self.levels[1] else 1


@dataclass(frozen=True)
class Assessment:
    """How both agents assess a contract on ``S2`` under one law.

    Parameters
    ----------
    losses : ExponentialPair
    regimes : tuple of Regime
        From low to high.
    law : {"marginal", "conditional"}
        Of the shares of ``S2``: unconditional, or given ``S1``.
    layers : tuple of Layer
        The contract; empty for the one that depends on ``S1``.
    """

    losses: ExponentialPair
    regimes: tuple[Regime, ...]
    law: str
    layers: Layers

    @property
    def cuts(self) -> Array:
        """Where the regimes of ``S1`` meet."""
        return self.losses.s1_quantile([regime.low for regime in self.regimes[1:]])

    def regime_of(self, s1: Array) -> Integers:
        """Return the number of the regime in which each value of ``S1`` lies."""
        return np.searchsorted(self.cuts, s1)

    def total(self, s1: Array) -> Array:
        """Return the sum of both risks at time 1 given ``S1 = s1``."""
        totals = [self._risks(regime, s1).sum(axis=0) for regime in self.regimes]
        return np.asarray(np.choose(self.regime_of(s1), totals))

    def mean(self, above: float = 0.0) -> float:
        """Return E[total at time 1; S1 beyond its quantile at ``above``]."""
        if self.law == "marginal":
            weights = [max(r.high - max(r.low, above), 0.0) for r in self.regimes]
            return float(self.of_each().sum(axis=0) @ weights)
        start = float(self.losses.s1_quantile(above))
        edges = [layer.attachment for layer in self.layers]
        logs = [log_tail(level) for regime in self.regimes for level in regime.levels]
        kinks = [edge / log for edge in edges for log in logs if log]
        return self.losses.over_s1(self.total, start, np.inf, [*self.cuts, *kinks])

    def at_time0(self, level: float) -> float:
        """Return the Expected Shortfall of ``S1`` plus the total at time 1."""
        beyond = self.losses.s1_beyond(level) + self.mean(above=level)
        return beyond / ExpectedShortfall(level).tail

    def tail(self, x: Array) -> Array:
        """Return the probability that ``S1`` plus the total at time 1 exceeds ``x``."""
        low, high = np.zeros(x.shape), np.maximum(x, 0.0)
        for _ in range(100):  # halving to rounding; the range is at most x
            middle = (low + high) / 2
            above = middle + self.total(middle) > x
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return np.exp(-high / self.losses.mean)

    def of_each(self) -> Array:
        """Return each agent's risk of its layers in every regime, marginal law.

        Shape (2, n_regimes).
        """
        return np.column_stack([self._risks(regime) for regime in self.regimes])

    def endowment_range(self) -> tuple[float, float]:
        """Return the least and the largest ``w1`` for which premia exist, marginal law.

        Layers in which the agents tie are shared in any one proportion; both ends are
        nan where no endowments admit premia.
        """
        none, mean = (0.0, 0.0), self.losses.mean
        ties = [y if y.shares == TIED else replace(y, shares=none) for y in self.layers]
        parts = (replace(self, layers=y) for y in (WHOLES, self.layers, tuple(ties)))
        whole, kept, tied = (part.of_each() / mean for part in parts)
        # variables w1, q (agent 1's part of the ties), c:  kept + ... + c <= endowed
        rows = np.stack([-whole, 2 * tied, np.ones(whole.shape)], axis=-1)
        rows[1] *= -1
        limits = np.hstack([tied[0] - kept[0], whole[1] - kept[1] - tied[1]])
        bounds = [(0, 1), (0, 1), (None, None)]
        solve = partial(solve_lp, a_ub=rows.reshape(-1, 3), b_ub=limits, bounds=bounds)
        try:
            low, high = (float(solve([sign, 0, 0]).x[0]) for sign in (1, -1))
        except InfeasibleProgramme:
            return np.nan, np.nan
        return low + 0.0, high + 0.0

    def state_dependent_by_marginal_law(self) -> float:
        """Return what the contract that depends on ``S1`` costs by the marginal law."""
        result = 0.0
        for i, regime in product((0, 1), self.regimes):
            own = [other for other in self.regimes if other.owner == i]
            result += regime.probability * self._shortfall_on(own, regime.levels[i])
        return result

    def _shortfall_on(self, regimes: Iterable[Regime], level: float) -> float:
        """Expected Shortfall of S2 where S1 lies in the regimes, and 0 elsewhere."""
        losses, tail = self.losses, ExpectedShortfall(level).tail
        ends = [losses.s1_quantile([r.low, r.high]) for r in regimes]

        def beyond(x: float, power: int) -> float:
            """Return P(S2 > x) there for power 0, E(S2 - x)^+ for 1."""
            given = partial(_excess, x=x, power=power)
            return sum(losses.over_s1(given, *pair) for pair in ends)

        q = 0.0
        if beyond(0.0, 0) > tail:
            q = root(lambda x: beyond(x, 0) - tail, 0.0, FAR * losses.mean)
        return q + beyond(q, 1) / tail

    def _risks(self, regime: Regime, s1: Any = 0.0) -> Array:
        """Each agent's risk of its layers, one row each; by the marginal law any S1."""
        layers = self.layers or WHOLES[regime.owner : regime.owner + 1]
        shares = [layer.shares for layer in layers]
        risks = [[self._shortfall(a, y, s1) for y in layers] for a in regime.levels]
        return np.einsum("ji,ij...->i...", shares, np.array(risks))

    def _shortfall(self, level: float, layer: Layer, s1: Any) -> Array:
        """Expected Shortfall of the part of S2 in a layer: one number, or given S1."""
        a, b = layer.attachment, layer.exhaustion
        tail = ExpectedShortfall(level).tail
        if self.law == "marginal":
            q, excess = self.losses.s2_quantile(tail), self.losses.s2_stop_loss
        else:
            q, excess = np.asarray(s1) * log_tail(level), partial(_excess, s1)
        full = np.minimum(q, b) - np.minimum(q, a)
        rest = excess(np.maximum(q, a)) - excess(np.maximum(q, b))
        return full + rest / tail


def _excess(s1: Any, x: Any, power: int = 1) -> Array:
    """``E[(S2 - x)^+]`` given ``S1 = s1``; for power 0 instead ``P(S2 > x)``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(s1 > 0, s1**power * np.exp(-x / s1), 0.0)
