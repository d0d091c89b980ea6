"""Faults that must turn checks of audit/appendix_a red: (label, description, apply)."""

import dataclasses

import numpy as np

import dynpo_lite as dp
from dynpo_lite.companion.chapters import small_economies as economies

_check, _improve, _share = (
    dp.check_allocation,
    dp.comonotone_improvement,
    dp.share_layers,
)


def _report(**values):
    """Return a fault: a report with fields computed from the true report."""

    def check(economy, allocation, law="conditional"):
        report = _check(economy, allocation, law)
        found = {name: value(report) for name, value in values.items()}
        return dataclasses.replace(report, **found)

    return lambda patch: patch.setattr(dp, "check_allocation", check)


def _noise_that_adds_up(patch):
    def allocation(rng, economy, spread=2.0):
        noise = rng.normal(0.0, spread, economy.endowments.shape)
        noise[:, 0] = 0.0
        return economy.endowments + noise

    patch.setattr(economies, "random_allocation", allocation)


def _many_states(improve):
    """Return a fault: another improvement where there are more than four states."""

    def improvement(shares, weights=None):
        shares = np.asarray(shares, dtype=float)
        small = shares.shape[1] <= 4
        return _improve(shares, weights) if small else improve(shares, weights)

    return lambda patch: patch.setattr(dp, "comonotone_improvement", improvement)


def _cheap_layers(patch):
    def share(x, measures, weights=None):
        shared = _share(x, measures, weights)
        return dataclasses.replace(shared, value=shared.value - 0.01)

    patch.setattr(dp, "share_layers", share)


FAULTS = [
    ("definition-a-1", "the noise between agents adds up", _noise_that_adds_up),
    (
        "definition-a-1",
        "a report takes every allocation for one with missing money",
        _report(sums_to_aggregate=lambda report: False),
    ),
    (
        "definition-a-2",
        "everything is called rational",
        _report(individually_rational=lambda report: True),
    ),
    (
        "definition-a-3",
        "everything rational is called Pareto optimal",
        _report(pareto_optimal=lambda report: report.individually_rational),
    ),
    (
        "definition-a-4",
        "the improvement leaves shares as they are",
        lambda patch: patch.setattr(
            dp, "comonotone_improvement", lambda shares, weights=None: np.array(shares)
        ),
    ),
    ("proposition-a-5", "the value of the layers is too small", _cheap_layers),
    (
        "proposition-a-5",
        "shares are rearranged to rise together and do not sum to the total",
        _many_states(lambda shares, weights: np.sort(shares, axis=1)),
    ),
    (
        "proposition-a-5",
        "the improvement ignores the probabilities",
        _many_states(lambda shares, weights: _improve(shares)),
    ),
    (
        "proposition-a-5",
        "the total is shared equally: comonotone, but means move",
        _many_states(
            lambda shares, weights: np.tile(shares.mean(axis=0), (len(shares), 1))
        ),
    ),
]
