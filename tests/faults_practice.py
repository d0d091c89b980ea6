"""Faults that the checks of audit/practice must notice."""

from dataclasses import replace

import dynpo_lite as dp
import dynpo_lite.economy.solution
from dynpo_lite.companion.chapters import climate, insurers
from dynpo_lite.companion.files import csv_tables
from dynpo_lite.economy.solution import Solution
from dynpo_lite.economy.state_dependent import StateDependentSolution

true_attitudes = insurers.attitudes
true_baselines = dp.baselines
true_bills_at = dynpo_lite.economy.solution.bills_at
true_improvement = dp.comonotone_improvement
true_interval = Solution.premium_interval.func
true_lattice = dp.lattice_from_paths
true_nodes_csv = csv_tables.nodes_csv
true_retained = insurers.retained


def payments_inflated(patch):
    """Let the solver pay out one per cent too much."""
    true = StateDependentSolution.allocation.func
    inflated = property(lambda self: 1.01 * true(self))
    patch.setattr(StateDependentSolution, "allocation", inflated)


def bills_at(change):
    """Return a fault: some parts of every bill are others."""

    def apply(patch):
        def changed(solution, node):
            bills = true_bills_at(solution, node)
            return replace(bills, **change(bills))

        patch.setattr(dynpo_lite.economy.solution, "bills_at", changed)

    return apply


def interval_narrow(patch):
    """Leave out a tenth of the premia that rationality allows."""

    def narrow(self):
        interval = true_interval(self).copy()
        interval[..., 0] += 0.1 * (interval[..., 1] - interval[..., 0])
        return interval

    patch.setattr(Solution, "premium_interval", property(narrow))


def arranged(name, **changed):
    """Return a fault: one arrangement is said to be another."""

    def apply(patch):
        def baselines(economy):
            found = true_baselines(economy)
            new = {key: change(found[name]) for key, change in changed.items()}
            return found | {name: replace(found[name], **new)}

        patch.setattr(dp, "baselines", baselines)

    return apply


def one_group(patch):
    """Let no path know anything."""
    patch.setattr(
        dp,
        "lattice_from_paths",
        lambda paths, states=None, groups=4: true_lattice(paths, states, 1),
    )


def cautious(patch):
    """Give all insurers the attitude of C."""
    patch.setattr(
        insurers,
        "attitudes",
        lambda: dict.fromkeys(true_attitudes(), true_attitudes()["C"]),
    )


FAULTS = [
    ("practice-solution", "payments one per cent too large", payments_inflated),
    (
        "practice-bills",
        "transfers go the other way",
        bills_at(lambda bills: {"transfer": -bills.transfer}),
    ),
    (
        "practice-bills",
        "the first agent pays twice",
        bills_at(
            lambda bills: {
                "payment": bills.payment + bills.payment[:1],
                "reserve": bills.reserve + bills.payment[:1],
            }
        ),
    ),
    ("practice-premia", "premium intervals too narrow", interval_narrow),
    (
        "practice-instead",
        "yearly layers are said to cost nothing",
        arranged("yearly layers", total=lambda found: 0.5 * found.total),
    ),
    (
        "practice-instead",
        "nobody is said to leave a quota share",
        arranged("quota share", leaving=lambda found: found.leaving[:0]),
    ),
    ("practice-paths", "groups are ignored", one_group),
    (
        "practice-improvement",
        "the shares are not improved",
        lambda patch: patch.setattr(
            dp, "comonotone_improvement", lambda shares: shares.copy()
        ),
    ),
    (
        "practice-exercises",
        "the file swaps the losses of the agents",
        lambda patch: patch.setattr(
            csv_tables,
            "nodes_csv",
            lambda names, nodes, tree, owed: true_nodes_csv(
                names, nodes, tree, owed[::-1]
            ),
        ),
    ),
    ("practice-insurers", "all insurers are as cautious as C", cautious),
    (
        "practice-insurers",
        "the replay ignores what is sure",
        lambda patch: patch.setattr(
            insurers,
            "retained",
            lambda layers, x, sure, n: true_retained(layers, x, 0.9 * sure, n),
        ),
    ),
    (
        "practice-lattices",
        "the insurers of the climate are less cautious",
        lambda patch: patch.setattr(
            climate, "ATTITUDES", (*climate.ATTITUDES[:3], dp.Wang(0.1))
        ),
    ),
]
