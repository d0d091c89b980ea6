"""The two-period example by samples, with standard errors."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.risk.distortions import ExpectedShortfall
from dynpo_lite.risk.measures import choquet
from dynpo_lite.sharing.layers import Layer


class Estimate(NamedTuple):
    """A number from samples, with its standard error."""

    value: float
    standard_error: float

    def z(self, other):
        """Return how many standard errors ``other`` lies above the value."""
        return (other - self.value) / self.standard_error


@dataclass(frozen=True)
class Simulation:
    """Sample versions of the numbers of Section 6.2, each with a standard error."""

    n_samples: int
    seed: int
    attachments_marginal: tuple
    total_risk_to_go_marginal: tuple
    expected_total_risk_to_go_marginal: Estimate
    expected_total_risk_to_go_conditional: Estimate
    expected_total_risk_to_go_deterministic: Estimate


def simulate(example, n_samples, seed):
    """Estimate the numbers of ``example``; see ``TwoPeriodExample.simulate``."""
    n_samples = validate.integer("n_samples", n_samples, 100)
    seed = validate.integer("seed", seed, 0)
    s1, s2 = example.losses.sample(n_samples, seed)
    cuts, layers = _sample_layers(example, s2)
    totals, influence = _sample_totals(example, s2, layers, cuts)
    weights = np.array([regime.probability for regime in example.regimes])
    strict = set(example.attachments().tolist())
    exact = [layer.attachment for layer in example._marginal_layers[1:]]
    return Simulation(
        n_samples,
        seed,
        tuple(
            Estimate(float(cut), _standard_error(effect))
            for (cut, effect), x in zip(cuts, exact, strict=True)
            if x in strict
        ),
        tuple(
            Estimate(float(r), _standard_error(f)) for r, f in zip(totals, influence)
        ),
        Estimate(float(weights @ totals), _standard_error(weights @ influence)),
        _sample_conditional(example, s1, s2, None),
        _sample_conditional(example, s1, s2, example._conditional_layers),
    )


def _sample_layers(example, s2):
    """The optimal layers of the empirical law, each cut with its influence."""
    exact = example._marginal_layers
    levels = example.losses.s2_tail([layer.attachment for layer in exact[1:]])
    cuts = []
    for u in np.atleast_1d(levels):
        place = len(s2) - 1 - int(np.floor(u * len(s2) + 1e-9))
        cut = np.partition(s2, place)[place]
        cuts.append((cut, ((s2 > cut) - u) / example.losses.s2_density(cut)))
    ends = [0.0, *(float(cut) for cut, _ in cuts), np.inf]
    return cuts, [
        Layer(a, b, layer.shares)
        for a, b, layer in zip(ends[:-1], ends[1:], exact, strict=True)
    ]


def _sample_totals(example, s2, layers, cuts):
    totals = np.zeros(len(example.regimes))
    influence = np.zeros((len(example.regimes), len(s2)))
    for j, regime in enumerate(example.regimes):
        for i, level in enumerate(regime.levels):
            measure = ExpectedShortfall(level)
            q = np.quantile(s2, level, method="inverted_cdf") if level else 0.0
            for layer in layers:
                share, a, b = layer.shares[i], layer.attachment, layer.exhaustion
                if share:
                    totals[j] += share * choquet(np.clip(s2, a, b) - a, measure)
                    beyond = np.clip(s2, max(a, q), max(b, q))
                    influence[j] += share * beyond / measure.tail
            for (cut, effect), below, above in zip(cuts, layers, layers[1:]):
                k = measure((s2 > cut).mean())
                influence[j] += (below.shares[i] - above.shares[i]) * k * effect
    return totals, influence


def _sample_conditional(example, s1, s2, layers):
    cuts = example.losses.s1_quantile([regime.low for regime in example.regimes[1:]])
    where = np.searchsorted(cuts, s1, side="left")
    levels = np.array([regime.levels for regime in example.regimes])[where].T
    if layers is None:  # the lower level carries everything
        levels = levels.min(axis=0, keepdims=True)
        layers = [Layer(0.0, np.inf, (1.0,))]
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


def _standard_error(influence):
    return float(influence.std() / np.sqrt(len(influence)))
