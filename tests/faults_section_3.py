"""Faults that the checks of audit/section_3 must notice."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

import dynpo_lite as dp
import dynpo_lite.economy.certificate
import dynpo_lite.economy.economy
import dynpo_lite.economy.myopic
import dynpo_lite.scenarios.nested_risk
from dynpo_lite.economy.state_dependent import StateDependentSolution

true_check = dp.check_allocation
true_solve = dp.solve
true_risk_to_go = dp.risk_to_go
true_savings = dynpo_lite.economy.certificate._conditional_savings


def reported(change):
    """Return a fault: some entries of every report are others."""

    def apply(patch):
        def check_allocation(economy, allocation, law="conditional"):
            report = true_check(economy, allocation, law)
            return replace(report, **change(economy, report))

        patch.setattr(dp, "check_allocation", check_allocation)

    return apply


def payments_inflated(patch):
    """Let the solver pay out one per cent too much."""
    true = StateDependentSolution.allocation.func
    inflated = property(lambda self: 1.01 * true(self))
    patch.setattr(StateDependentSolution, "allocation", inflated)


def sure_part_forgotten(patch):
    """Let Choquet sums forget the smallest loss."""

    def layer_sum(z, k):
        return ((z[:, :-1] - z[:, 1:]) * k[:, :-1]).sum(axis=1)

    patch.setattr(dynpo_lite.scenarios.nested_risk, "layer_sum", layer_sum)


def future_discounted(patch):
    """Let what follows the next payment count for nine tenths."""

    def risk_to_go(tree, losses, measure):
        risk = np.zeros(tree.n_nodes)
        for t in reversed(range(tree.horizon)):
            z = np.where(tree.stage == t + 1, losses + 0.9 * risk, 0.0)
            nodes = tree.nodes(t)
            risk[nodes] = true_risk_to_go(tree, z, measure)[nodes]
        return risk

    patch.setattr(dynpo_lite.scenarios.nested_risk, "risk_to_go", risk_to_go)


def totals_of_the_end(patch):
    """Let the totals of a myopic optimum hold the last payments only."""

    def path_totals(tree, payments):
        return np.array(payments)[..., tree.leaves]

    patch.setattr(dynpo_lite.economy.myopic, "path_totals", path_totals)


def one_period_too_dear(patch):
    """Let the least total of one-period economies come out too high."""

    def solve(economy, *args, **kwargs):
        solution = true_solve(economy, *args, **kwargs)
        if economy.tree.horizon > 1:
            return solution
        return SimpleNamespace(total_risk_to_go=solution.total_risk_to_go + 0.5)

    patch.setattr(dp, "solve", solve)


def blind_to_the_last_step(patch):
    """Let the certificate overlook what the last of three steps could save."""

    def savings(economy, allocation, risk):
        found, myopic, trade_at = true_savings(economy, allocation, risk)
        if economy.tree.horizon == 3:
            found = np.where(economy.tree.stage == 2, 0.0, found)
        return found, myopic, trade_at

    patch.setattr(dynpo_lite.economy.certificate, "_conditional_savings", savings)


def gap_at_the_root(economy, report):
    """Return a gap that looks at the first step only."""
    savings = true_savings(economy, economy.endowments, report.risk_to_go)[0]
    return {"gap": max(float(savings[0]), 0.0)}


def myopic_is_dynamic_from_three_periods(economy, report):
    """Return the dynamic verdict for the myopic one, with three periods."""
    if economy.tree.horizon < 3:
        return {}
    return {"myopic_pareto_optimal": report.pareto_optimal}


FAULTS = [
    ("definition-3-1", "the optimum pays out too much", payments_inflated),
    ("assumption-3-2", "the sure part of a loss is forgotten", sure_part_forgotten),
    ("assumption-3-2", "what follows is discounted", future_discounted),
    (
        "definition-3-3",
        "myopic rationality asks for every time",
        reported(
            lambda _, r: {"myopic_individually_rational": r.individually_rational}
        ),
    ),
    (
        "definition-3-4",
        "myopic optimality asks for every time",
        reported(lambda _, r: {"myopic_pareto_optimal": r.pareto_optimal}),
    ),
    ("proposition-3-5", "totals leave out early payments", totals_of_the_end),
    (
        "proposition-3-5",
        "with three periods the timing of payments counts at time 0",
        reported(myopic_is_dynamic_from_three_periods),
    ),
    (
        "definition-3-6",
        "dynamic rationality asks for time 0 only",
        reported(
            lambda _, r: {"individually_rational": r.myopic_individually_rational}
        ),
    ),
    (
        "definition-3-7",
        "dynamic optimality asks for time 0 only",
        reported(lambda _, r: {"pareto_optimal": r.myopic_pareto_optimal}),
    ),
    ("definition-3-10", "one period is too dear", one_period_too_dear),
    ("lemma-3-11", "the last of three steps is overlooked", blind_to_the_last_step),
    ("lemma-3-11", "the gap looks at the first step only", reported(gap_at_the_root)),
]
