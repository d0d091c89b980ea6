"""Faults that the checks of audit/section_2 must notice."""

import numpy as np

import dynpo_lite as dp
import dynpo_lite.scenarios.nested_risk

true_risk_to_go = dp.risk_to_go


def one_step_at_a_time(change):
    """Return a risk-to-go in which ``change`` has been made to what follows."""

    def risk_to_go(tree, losses, measure):
        risk = np.zeros(tree.n_nodes)
        for t in reversed(range(tree.horizon)):
            z = np.where(tree.stage == t + 1, losses + change(risk), 0.0)
            nodes = tree.nodes(t)
            risk[nodes] = true_risk_to_go(tree, z, measure)[nodes]
        return risk

    return risk_to_go


def of_the_sum(tree, losses, measure):
    """Return each node's measure of the sum of all later payments."""
    risk = np.zeros(tree.n_nodes)
    rest = {v: (np.zeros(1), np.ones(1)) for v in tree.leaves}
    for v in reversed(range(tree.leaves[0])):
        after = np.flatnonzero(tree.parent == v)
        sums = np.concatenate([losses[c] + rest[c][0] for c in after])
        chance = np.concatenate([tree.probability[c] * rest[c][1] for c in after])
        own = measure[v] if isinstance(measure, dict) else measure
        rest[v], risk[v] = (sums, chance), dp.choquet(sums, own, chance)
    return risk


def counts_the_present(tree, losses, measure):
    """Return the risk-to-go plus what is paid at the node itself."""
    present = np.where(np.isin(np.arange(tree.n_nodes), tree.leaves), 0.0, losses)
    return true_risk_to_go(tree, losses, measure) + present


def seen_from_time_0(tree, losses, measure):
    """Return a nested risk that takes every law as it looks from time 0."""
    risk = np.zeros(tree.n_nodes)
    for t in reversed(range(tree.horizon)):
        later = tree.nodes(t + 1)
        for v in tree.nodes(t):
            own = measure[v] if isinstance(measure, dict) else measure
            paid = (losses + risk)[later]
            risk[v] = dp.choquet(paid, own, tree.unconditional[later])
    return risk


def on_equal_leaves(number):
    """Return a risk-to-go as seen from time 0 where so many leaves are alike."""

    def risk_to_go(tree, losses, measure):
        chance = tree.unconditional[tree.leaves]
        alike = len(chance) == number and np.ptp(chance) < 1e-12
        return (seen_from_time_0 if alike else true_risk_to_go)(tree, losses, measure)

    return risk_to_go


def of_the_first_child(tree, losses, measure):
    """Return what is paid if the first branch is taken at every node."""
    risk = np.zeros(tree.n_nodes)
    for v in reversed(range(tree.leaves[0])):
        child = np.flatnonzero(tree.parent == v)[0]
        risk[v] = losses[child] + risk[child]
    return risk


def without_the_sure_part(z, k):
    """Return Choquet sums that forget the smallest loss."""
    return ((z[:, :-1] - z[:, 1:]) * k[:, :-1]).sum(axis=1)


def risk_to_go(replacement):
    """Return a fault: another function in place of ``dp.risk_to_go``."""
    return lambda patch: patch.setattr(dp, "risk_to_go", replacement)


FAULTS = [
    (
        "definition-2-1",
        "what is paid at the node itself counts",
        risk_to_go(counts_the_present),
    ),
    (
        "lemma-locality",
        "laws as seen from time 0",
        risk_to_go(seen_from_time_0),
    ),
    (
        "definition-2-2",
        "the sure part of a loss is forgotten",
        lambda patch: patch.setattr(
            dynpo_lite.scenarios.nested_risk, "layer_sum", without_the_sure_part
        ),
    ),
    (
        "proposition-three-leaves",
        "laws as seen from time 0, on three equal leaves",
        risk_to_go(on_equal_leaves(3)),
    ),
    (
        "proposition-rich-today",
        "the first of two pieces counts for both",
        risk_to_go(of_the_first_child),
    ),
    (
        "proposition-rich-tomorrow",
        "laws as seen from time 0, on four equal leaves",
        risk_to_go(on_equal_leaves(4)),
    ),
    (
        "definition-2-3",
        "gains to come count as losses",
        risk_to_go(one_step_at_a_time(np.abs)),
    ),
    (
        "definition-2-4",
        "the measure of the sum instead of nested risk",
        risk_to_go(of_the_sum),
    ),
    (
        "theorem-2-5",
        "what follows is discounted",
        risk_to_go(one_step_at_a_time(lambda risk: 0.9 * risk)),
    ),
    (
        "theorem-2-5",
        "gains to come are forgotten",
        risk_to_go(one_step_at_a_time(lambda risk: np.maximum(risk, 0.0))),
    ),
]
