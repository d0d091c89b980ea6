"""Faults that must turn checks of audit/section_4 red: (label, description, apply)."""

import dataclasses

import numpy as np

import dynpo_lite as dp

_check, _solve, _choquet = dp.check_allocation, dp.solve, dp.choquet


def _certificate(change):
    """Return a fault: change(economy, law, report) instead of the report."""

    def check(economy, allocation, law="conditional"):
        report = _check(economy, allocation, law)
        return change(economy, law, report)

    return lambda patch: patch.setattr(dp, "check_allocation", check)


def _no_gap(when):
    def change(economy, law, report):
        if when(economy, report):
            return dataclasses.replace(report, gap=0.0)
        return report

    return _certificate(change)


def _blind_to_rationality(economy, law, report):
    if law == "marginal" or economy.tree.horizon == 1:
        return report
    capped = np.minimum(report.risk_to_go, economy.risk_without_trade())
    return dataclasses.replace(report, risk_to_go=capped)


def _totals(change):
    """Return a fault: the solver reports other totals, the allocation stays."""

    def solve(economy, *arguments, **options):
        solution = _solve(economy, *arguments, **options)
        _ = solution.allocation, solution.risk_to_go, solution.surplus
        wrong = change(solution.total_risk_to_go.copy(), economy)
        vars(solution)["total_risk_to_go"] = wrong  # where a cached property is kept
        return solution

    return lambda patch: patch.setattr(dp, "solve", solve)


def _irrational(patch):
    def solve(economy, surplus_split=None, **options):
        return _solve(economy, individually_rational=False)

    patch.setattr(dp, "solve", solve)


def _raised_root(totals, economy):
    totals[0] += 0.01 * economy.scale
    return totals


FAULTS = [
    (
        "lemma-4-1",
        "the certificate of one period finds nothing to save",
        _no_gap(lambda economy, report: economy.tree.horizon == 1),
    ),
    ("lemma-4-1", "the solver forgets individual rationality", _irrational),
    (
        "proposition-4-2",
        "psi is the largest total, not strictly monotone",
        lambda patch: patch.setattr(
            dp, "choquet", lambda x, measure, weights=None: float(np.max(x))
        ),
    ),
    (
        "proposition-4-2",
        "the mean of the totals ignores the probabilities of the nodes",
        lambda patch: patch.setattr(
            dp, "choquet", lambda x, measure, weights=None: _choquet(x, measure)
        ),
    ),
    (
        "theorem-4-3",
        "the certificate looks at the root only",
        _no_gap(
            lambda economy, report: economy.tree.horizon > 1 and report.worst_node != 0
        ),
    ),
    (
        "theorem-4-3",
        "the certificate does not see who is worse off",
        _certificate(_blind_to_rationality),
    ),
    (
        "corollary-4-4",
        "the least totals in closed form are one per cent too small",
        _totals(lambda totals, economy: 0.99 * totals),
    ),
    (
        "corollary-4-4",
        "the least total at the root is too large",
        _totals(_raised_root),
    ),
]
