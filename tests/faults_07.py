"""Faults that the checks of chapter 07 must notice: (label, description, apply)."""

import numpy as np
from faults_06 import Example, agent_1_keeps_everything, returned

import dynpo_lite as dp
from dynpo_lite.section6.losses import ExponentialPair


def gains_do_not_count(patch):
    original = dp.choquet

    def choquet(x, measure, weights=None):
        return original(np.maximum(x, 0), measure, weights)

    patch.setattr(dp, "choquet", choquet)


def premium_is_the_share(patch):
    patch.setattr(
        Example, "premium_interval", lambda self, w1, attachment=None: (w1, w1)
    )


def agent_1_accepts_anything(interval):
    return interval[0], interval[1] + 1.0


def rationality_is_forgotten(patch):
    original = dp.solve

    def solve(economy, retention=None, **options):
        if retention == "deterministic":
            options["individually_rational"] = False
        return original(economy, retention, **options)

    patch.setattr(dp, "solve", solve)


def dearer_agent_keeps_all(patch):
    def dearer(self, law="marginal", *contract, **options):
        assessed = self.time0_assessments(law, *contract, **options)
        return max(assessed) if law == "marginal" else min(assessed)

    patch.setattr(Example, "time0_total_risk", dearer)


FAULTS = [
    ("proposition-cash-swaps", "gains do not count", gains_do_not_count),
    ("proposition-one-premium", "the premium is the share", premium_is_the_share),
    (
        "proposition-one-premium",
        "agent 1 accepts one unit more",
        returned(Example, "premium_interval", agent_1_accepts_anything),
    ),
    (
        "proposition-one-premium",
        "every endowment has a premium",
        returned(Example, "endowment_range", lambda window: (0.0, 1.0)),
    ),
    (
        "proposition-no-trade",
        "deterministic and not rational",
        rationality_is_forgotten,
    ),
    ("proposition-6-1", "the dearer agent keeps all", dearer_agent_keeps_all),
    ("proposition-6-1", "agent 1 keeps all of time 2", agent_1_keeps_everything),
    (
        "proposition-6-1",
        "large first losses 1 % too large",
        returned(ExponentialPair, "s1_beyond", lambda beyond: 1.01 * beyond),
    ),
]
