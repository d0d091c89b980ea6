"""Faults that the checks of audit/readings must notice."""

from dataclasses import replace

import numpy as np

import dynpo_lite as dp
from dynpo_lite.economy import certificate as certificates
from dynpo_lite.economy import deterministic, state_dependent
from dynpo_lite.economy.solution import Solution
from dynpo_lite.scenarios import nested_risk as dynamic


def gap_without_weights(patch):
    original = dp.convex_order_gap
    patch.setattr(dp, "convex_order_gap", lambda s, y, weights=None: original(s, y))


def everything_comonotone(patch):
    patch.setattr(certificates, "rows_comonotone", lambda shares: np.True_)


def a_breath_of_the_cousins(patch):
    original = dynamic.conditional_risk

    def risk(ways, z, measures):
        found = original(ways, z, measures)
        return found + 1e-11 * found.sum()

    patch.setattr(dynamic, "conditional_risk", risk)


def equal_parts(patch):
    def improvement(shares, weights=None):
        shares = np.asarray(shares)
        return np.tile(shares.mean(axis=0), (len(shares), 1))

    patch.setattr(dp, "comonotone_improvement", improvement)


def improvement_without_weights(patch):
    original = dp.comonotone_improvement
    patch.setattr(dp, "comonotone_improvement", lambda s, weights=None: original(s))


def totals_too_large(patch):
    original = dp.solve

    def solve(economy, *arguments, **options):
        found = original(economy, *arguments, **options)
        _ = found.allocation, found.surplus  # the allocation stays right
        vars(found)["total_risk_to_go"] = found.total_risk_to_go * 1.0001
        return found

    patch.setattr(dp, "solve", solve)


def nothing_can_be_saved(patch):
    original = certificates._conditional_savings

    def savings(*arguments):
        found, myopic, trade = original(*arguments)
        return np.zeros_like(found), myopic, trade

    patch.setattr(certificates, "_conditional_savings", savings)


def myopic_bound_too_low(patch):
    original = certificates._conditional_savings

    def savings(*arguments):
        found, myopic, trade = original(*arguments)
        return found, myopic + 0.01, trade

    patch.setattr(certificates, "_conditional_savings", savings)


def risks_reported_too_large(patch):
    original = dp.check_allocation

    def check(*arguments, **options):
        report = original(*arguments, **options)
        return replace(report, risk_to_go=report.risk_to_go + 1e-6)

    patch.setattr(dp, "check_allocation", check)


def layers_of_somebody_else(patch):
    original = state_dependent.stack
    patch.setattr(
        state_dependent, "stack", lambda ends, shares: original(ends, shares[:, ::-1])
    )


def premia_too_small(patch):
    original = Solution.premium_interval.func
    interval = property(lambda self: original(self) - 5.0)
    patch.setattr(Solution, "premium_interval", interval)


def representative_takes_the_mean(patch):
    def mean(distortions):
        n = len(distortions)
        return dp.Mixture(distortions, np.full(n, 1 / n))

    patch.setattr(dp, "Minimum", mean)


def layers_to_the_wrong_agent(patch):
    original = deterministic.equal_shares
    patch.setattr(deterministic, "equal_shares", lambda k: original(k)[::-1])


def laws_seen_from_time_0(patch):
    original = deterministic._Stage.__init__

    def init(self, economy, law, *arguments):
        original(self, economy, "marginal", *arguments)

    patch.setattr(deterministic._Stage, "__init__", init)


FAULTS = [
    (
        "definition-conditional-order",
        "the order ignores probabilities",
        gap_without_weights,
    ),
    (
        "definition-comonotone-given-node",
        "everything counts as comonotone",
        everything_comonotone,
    ),
    ("lemma-what-follows", "risk at a node feels other nodes", a_breath_of_the_cousins),
    ("lemma-conditional-improvement", "improvement by equal parts", equal_parts),
    (
        "lemma-conditional-improvement",
        "improvement ignores probabilities",
        improvement_without_weights,
    ),
    ("theorem-least-total", "least totals 0.01 % too large", totals_too_large),
    ("theorem-least-total", "the certificate finds no savings", nothing_can_be_saved),
    (
        "corollary-dynamic-is-myopic",
        "the myopic bound is too low",
        myopic_bound_too_low,
    ),
    ("corollary-attained-risks", "risks reported too large", risks_reported_too_large),
    ("theorem-node-layers", "layers listed for other agents", layers_of_somebody_else),
    ("theorem-node-layers", "premia reported too small", premia_too_small),
    (
        "corollary-representative-agent",
        "the mean for the minimum",
        representative_takes_the_mean,
    ),
    (
        "proposition-deterministic-contracts",
        "layers to the wrong agent",
        layers_to_the_wrong_agent,
    ),
    (
        "proposition-deterministic-contracts",
        "laws seen from time 0",
        laws_seen_from_time_0,
    ),
]
