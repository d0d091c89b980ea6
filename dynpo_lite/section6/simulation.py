"""The two-period example by samples, with standard errors."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dynpo_lite.risk.distortions import ExpectedShortfall
from dynpo_lite.risk.measures import choquet
from dynpo_lite.section6.assessment import Assessment
from dynpo_lite.section6.contracts import Layers, changes_of_hands
from dynpo_lite.section6.losses import Array, ExponentialPair
from dynpo_lite.sharing.layers import Layer, retained, stack

Cut = tuple[float, Array]  # where layers meet, and how each sample moves it
WHOLE = (Layer(0.0, np.inf, (1.0,)),)


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
    marginal: Assessment, conditional: Assessment, n_samples: int, seed: int
) -> Simulation:
    """Estimate the numbers of Section 6.2; see ``TwoPeriodExample.simulate``.

    ``marginal`` and ``conditional`` assess the optimal deterministic contracts.
    """
    losses, exact, regimes = marginal.losses, marginal.layers, marginal.regimes
    s1, s2 = losses.sample(n_samples, seed)
    edges = [layer.attachment for layer in exact[1:]]
    cuts = [_sample_cut(losses, edge, s2) for edge in edges]
    totals, influence = _sample_totals(marginal, cuts, s2)
    weights = np.array([regime.probability for regime in regimes])
    levels = np.array([regime.levels for regime in regimes])[marginal.regime_of(s1)].T
    strict = changes_of_hands(exact)
    return Simulation(
        n_samples,
        seed,
        tuple(_estimate(*cut) for cut, edge in zip(cuts, edges) if edge in strict),
        tuple(map(_estimate, totals.tolist(), influence)),
        _estimate(float(weights @ totals), weights @ influence),
        # where contracts see S1, the lower level carries everything
        _given_s1(levels.min(axis=0, keepdims=True), WHOLE, s1, s2),
        _given_s1(levels, conditional.layers, s1, s2),
    )


def _sample_cut(losses: ExponentialPair, attachment: float, s2: Array) -> Cut:
    """Where layers meet under the empirical law, and how each sample moves it."""
    u = float(losses.s2_tail(attachment))
    place = len(s2) - 1 - int(np.floor(u * len(s2) + 1e-9))
    cut = float(np.partition(s2, place)[place])
    return cut, ((s2 > cut) - u) / losses.s2_density(cut)


def _sample_totals(
    marginal: Assessment, cuts: list[Cut], s2: Array
) -> tuple[Array, Array]:
    """The total in every regime, and how each sample moves it."""
    shares = [layer.shares for layer in marginal.layers]
    kept = retained(stack([0.0, *(cut for cut, _ in cuts), np.inf], shares), s2, 0.0, 2)
    totals = np.zeros(len(marginal.regimes))
    influence = np.zeros((len(totals), len(s2)))
    for j, regime in enumerate(marginal.regimes):
        for i, level in enumerate(regime.levels):
            measure = ExpectedShortfall(level)
            q = np.quantile(kept[i], level, method="inverted_cdf")
            totals[j] += choquet(kept[i], measure)
            influence[j] += np.maximum(kept[i], q) / measure.tail
            for (cut, effect), (below, above) in zip(cuts, pairwise(shares)):
                k = measure((s2 > cut).mean())
                influence[j] += (below[i] - above[i]) * k * effect
    return totals, influence


def _given_s1(levels: Array, layers: Layers, s1: Array, s2: Array) -> Estimate:
    """The mean risk of the agents, whose levels come one row each, given S1."""
    value = np.zeros(len(s1))
    for i, level in enumerate(levels):
        q = -s1 * np.log1p(-level)
        kept, sure = (retained(layers, x, 0.0, len(levels))[i] for x in (s2, q))
        value += sure + np.maximum(kept - sure, 0.0) / (1 - level)
    return _estimate(float(value.mean()), value)


def _estimate(value: float, influence: Array) -> Estimate:
    # by powers of 2, which are exact: squares of the samples may be out of range
    _, exponent = np.frexp(np.abs(influence).max())
    spread = np.ldexp(influence, -exponent).std() / np.sqrt(len(influence))
    return Estimate(value, float(np.ldexp(spread, exponent)))
