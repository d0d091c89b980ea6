"""The two-period example by samples, with standard errors."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dynpo_lite.risk.distortions import ExpectedShortfall
from dynpo_lite.risk.measures import choquet
from dynpo_lite.section6.assessment import Regime
from dynpo_lite.section6.contracts import Layers, changes_of_hands
from dynpo_lite.section6.losses import Array, ExponentialPair
from dynpo_lite.sharing.layers import Layer

Cut = tuple[float, Array]  # where layers meet, and how each sample moves it


class Estimate(NamedTuple):
    """A number from samples, with its standard error.

    Attributes
    ----------
    value, standard_error : float
        In units of loss.

    Examples
    --------
    >>> Estimate(100.0, 2.0).z(103.0)
    1.5
    """

    value: float
    standard_error: float

    def z(self, other: float) -> float:
        """Return how many standard errors ``other`` lies above the value."""
        return (other - self.value) / self.standard_error


@dataclass(frozen=True)
class Simulation:
    """Sample versions of the numbers of Section 6.2, each with a standard error.

    Attributes
    ----------
    n_samples, seed : int
        As asked for.
    attachments_marginal : tuple of Estimate
        Where the layers change hands, marginal law: none or one.
    total_risk_to_go_marginal : tuple of Estimate
        In every regime of ``S1``, from low to high.
    expected_total_risk_to_go_marginal : Estimate
        The mean of these.
    expected_total_risk_to_go_conditional : Estimate
        Conditional law, state-dependent contract.
    expected_total_risk_to_go_deterministic : Estimate
        Conditional law, deterministic contract.
    """

    n_samples: int
    seed: int
    attachments_marginal: tuple[Estimate, ...]
    total_risk_to_go_marginal: tuple[Estimate, ...]
    expected_total_risk_to_go_marginal: Estimate
    expected_total_risk_to_go_conditional: Estimate
    expected_total_risk_to_go_deterministic: Estimate


def simulate(
    losses: ExponentialPair,
    regimes: tuple[Regime, ...],
    marginal: Layers,
    conditional: Layers,
    n_samples: int,
    seed: int,
) -> Simulation:
    """Estimate the numbers of Section 6.2; see ``TwoPeriodExample.simulate``.

    ``marginal`` and ``conditional`` are the optimal deterministic contracts.
    """
    s1, s2 = losses.sample(n_samples, seed)
    cuts = _sample_cuts(losses, marginal, s2)
    totals, influence = _sample_totals(regimes, marginal, cuts, s2)
    weights = np.array([regime.probability for regime in regimes])
    where = losses.s1_quantile([regime.low for regime in regimes[1:]]).searchsorted(s1)
    levels = np.array([regime.levels for regime in regimes])[where].T
    whole = (Layer(0.0, np.inf, (1.0,)),)
    strict = changes_of_hands(marginal).tolist()
    return Simulation(
        n_samples,
        seed,
        tuple(
            Estimate(cut, _standard_error(effect))
            for (cut, effect), layer in zip(cuts, marginal[1:])
            if layer.attachment in strict
        ),
        tuple(
            Estimate(float(r), _standard_error(f)) for r, f in zip(totals, influence)
        ),
        Estimate(float(weights @ totals), _standard_error(weights @ influence)),
        # where contracts see S1, the lower level carries everything
        _sample_conditional(levels.min(axis=0, keepdims=True), whole, s1, s2),
        _sample_conditional(levels, conditional, s1, s2),
    )


def _sample_cuts(losses: ExponentialPair, exact: Layers, s2: Array) -> list[Cut]:
    """Where the layers meet under the empirical law, each with its influence."""
    cuts = []
    for layer in exact[1:]:
        u = float(losses.s2_tail(layer.attachment))
        place = len(s2) - 1 - int(np.floor(u * len(s2) + 1e-9))
        cut = float(np.partition(s2, place)[place])
        cuts.append((cut, ((s2 > cut) - u) / losses.s2_density(cut)))
    return cuts


def _sample_totals(
    regimes: tuple[Regime, ...], exact: Layers, cuts: list[Cut], s2: Array
) -> tuple[Array, Array]:
    """The total in every regime, and how each sample moves it."""
    ends = [0.0, *(cut for cut, _ in cuts), np.inf]
    totals = np.zeros(len(regimes))
    influence = np.zeros((len(regimes), len(s2)))
    for j, regime in enumerate(regimes):
        for i, level in enumerate(regime.levels):
            measure = ExpectedShortfall(level)
            q = np.quantile(s2, level, method="inverted_cdf") if level else 0.0
            for a, b, layer in zip(ends[:-1], ends[1:], exact):
                share = layer.shares[i]
                if share:
                    totals[j] += share * choquet(np.clip(s2, a, b) - a, measure)
                    beyond = np.clip(s2, max(a, q), max(b, q))
                    influence[j] += share * beyond / measure.tail
            for (cut, effect), (below, above) in zip(cuts, pairwise(exact)):
                k = measure((s2 > cut).mean())
                influence[j] += (below.shares[i] - above.shares[i]) * k * effect
    return totals, influence


def _sample_conditional(
    levels: Array, layers: Layers, s1: Array, s2: Array
) -> Estimate:
    """The mean risk of the agents, whose levels come one row each, given S1."""
    value = np.zeros(len(s1))
    for i, level in enumerate(levels):
        q = -s1 * np.log1p(-level)
        for layer in layers:
            if layer.shares[i]:
                a, b = layer.attachment, layer.exhaustion
                kept, sure = np.clip(s2, a, b) - a, np.clip(q, a, b) - a
                excess = np.maximum(kept - sure, 0.0) / (1 - level)
                value += layer.shares[i] * (sure + excess)
    return Estimate(float(value.mean()), _standard_error(value))


def _standard_error(influence: Array) -> float:
    # by powers of 2, which are exact: squares of the samples may be out of range
    _, exponent = np.frexp(np.abs(influence).max())
    spread = np.ldexp(influence, -exponent).std() / np.sqrt(len(influence))
    return float(np.ldexp(spread, exponent))
