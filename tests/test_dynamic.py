"""Nested risk on trees against a plain recursion, and the exact cases."""

import math
from fractions import Fraction

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import (
    as_measure,
    distortions,
    loss,
    measures,
    piecewise_linear,
    refusal,
    trees,
)

import dynpo_lite as dp

ES = dp.ExpectedShortfall
CASES = {case.id: case for case in oracles.exact_cases()}


def draw_losses(data, tree):
    return np.array(
        data.draw(st.lists(loss, min_size=tree.n_nodes, max_size=tree.n_nodes))
    )


def close(answer, losses, horizon):
    tol = 1e-12 * max(1e-290, np.abs(losses).max()) * horizon
    return pytest.approx(np.array(answer, dtype=float), rel=1e-12, abs=tol)


# the plain recursion --------------------------------------------------------------


@settings(max_examples=150)
@given(trees(), st.data())
def test_node_dependent_measures(drawn, data):
    """Every node its own agent, in fractions; also a maximum of two at some nodes."""
    losses = draw_losses(data, drawn.tree)
    agents = {
        v: data.draw(st.lists(piecewise_linear, min_size=1, max_size=2))
        for v in drawn.inner
    }
    measure = {
        v: own[0].measure if len(own) == 1 else dp.Supremum([a.measure for a in own])
        for v, own in agents.items()
    }
    answer = oracles.nested_risk(
        drawn.parent,
        drawn.probability,
        [Fraction(x) for x in losses],
        lambda v, law: max(oracles.risk(law, a.exact) for a in agents[v]),
    )
    expected = close(answer, losses, drawn.tree.horizon)
    assert dp.risk_to_go(drawn.tree, losses, measure) == expected
    listed = [measure[v] for v in drawn.inner]
    assert dp.risk_to_go(drawn.tree, losses, listed) == expected
    assert dp.risk_to_go(drawn.tree, losses, np.array(listed)) == expected


@given(trees(), st.data())
def test_stage_dependent_measures(drawn, data):
    losses = draw_losses(data, drawn.tree)
    by_stage = [data.draw(piecewise_linear) for _ in range(drawn.tree.horizon)]
    stage = drawn.tree.stage
    answer = oracles.nested_risk(
        drawn.parent,
        drawn.probability,
        [Fraction(x) for x in losses],
        lambda v, law: oracles.risk(law, by_stage[stage[v]].exact),
    )
    measure = {v: by_stage[stage[v]].measure for v in drawn.inner}
    ours = dp.risk_to_go(drawn.tree, losses, measure)
    assert ours == close(answer, losses, drawn.tree.horizon)


@given(trees(), measures, st.data())
def test_one_step_is_choquet_of_the_children(drawn, measure, data):
    tree, losses = drawn.tree, draw_losses(data, drawn.tree)
    risk = dp.risk_to_go(tree, losses, measure)
    assert (risk[tree.leaves] == 0).all()
    for v in drawn.inner:
        children = np.flatnonzero(tree.parent == v)
        z = losses[children] + risk[children]
        answer = dp.choquet(z, measure, tree.probability[children])
        assert risk[v] == close(answer, np.append(losses, z), 1)


@given(trees(), st.data())
def test_the_mean_of_means_is_the_mean(drawn, data):
    tree, losses = drawn.tree, draw_losses(data, drawn.tree)
    answer = tree.unconditional[1:] @ losses[1:]
    root = dp.risk_to_go(tree, losses, dp.Expectation())[0]
    assert root == close(answer, losses, tree.horizon)


@given(trees(), st.data())
def test_the_worst_of_the_worst_is_the_worst_path(drawn, data):
    losses = draw_losses(data, drawn.tree)
    total = losses.copy()
    total[0] = 0
    for v in range(1, drawn.tree.n_nodes):
        total[v] += total[drawn.parent[v]]
    root = dp.risk_to_go(drawn.tree, losses, dp.WorstCase())[0]
    answer = max(total[drawn.tree.leaves])
    assert root == close(answer, losses, drawn.tree.horizon)


# axioms ---------------------------------------------------------------------------


@given(trees(), measures, st.data())
def test_amounts_known_at_a_node_add_to_its_risk(drawn, measure, data):
    """Conditional translation: pay c more in every child of one node."""
    tree, losses = drawn.tree, draw_losses(data, drawn.tree)
    v = data.draw(st.sampled_from(drawn.inner))
    c = data.draw(loss)
    moved = losses + c * (tree.parent == v)
    before, after = (dp.risk_to_go(tree, x, measure) for x in (losses, moved))
    expected = close(before[v] + c, np.append(losses, c), tree.horizon)
    assert after[v] == expected
    same = tree.stage > tree.stage[v]
    assert (after[same] == before[same]).all()


@given(trees(), measures, st.data())
def test_monotone_and_subadditive_at_every_node(drawn, measure, data):
    tree = drawn.tree
    x, y = draw_losses(data, tree), draw_losses(data, tree)
    tol = 1e-12 * (np.abs(x).max() + np.abs(y).max() + 1) * tree.horizon
    risk = [dp.risk_to_go(tree, z, measure) for z in (x, y, x + y, np.maximum(x, y))]
    assert (risk[2] <= risk[0] + risk[1] + tol).all()
    assert (risk[3] >= risk[0] - tol).all()


@given(trees(), distortions, st.data())
def test_the_losses_of_the_root_are_ignored(drawn, measure, data):
    losses = draw_losses(data, drawn.tree)
    moved = losses.copy()
    moved[0] += 1e6
    ours = dp.risk_to_go(drawn.tree, moved, measure)
    assert (ours == dp.risk_to_go(drawn.tree, losses, measure)).all()


def test_the_root_may_hold_nan():
    tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    assert dp.risk_to_go(tree, [math.nan, 0, 1], dp.WorstCase())[0] == 1


# nested is not static -------------------------------------------------------------


def two_coins():
    return dp.ScenarioTree([-1, 0, 0, 1, 1, 2, 2], [1] + [0.5] * 6)


def test_nested_risk_is_not_the_measure_of_the_sum():
    losses = [0, 0, 1, 0, 1, 0, 1]
    nested = dp.risk_to_go(two_coins(), losses, ES(0.5))[0]
    static = dp.choquet([0, 1, 1, 2], ES(0.5))
    assert (nested, static) == (2.0, 1.5)


def test_the_root_is_a_stage_of_the_recursion():
    tree, losses = two_coins(), [0, 0, 8, 0, 4, 0, 4]
    # at time 1 both nodes are worth 2 by the mean or 4 by the maximum
    for at_root, later, answer in (
        (dp.Expectation(), dp.Expectation(), 6.0),
        (dp.WorstCase(), dp.Expectation(), 10.0),
        (dp.Expectation(), dp.WorstCase(), 8.0),
        (dp.WorstCase(), dp.WorstCase(), 12.0),
    ):
        risk = dp.risk_to_go(tree, losses, {0: at_root, 1: later, 2: later})
        assert risk[0] == answer


def test_a_node_with_one_child_passes_its_loss_on():
    tree = dp.ScenarioTree([-1, 0, 1, 2], np.ones(4))
    assert dp.risk_to_go(tree, [9, 1, 2, 4], ES(0.9)).tolist() == [7, 6, 4, 0]


def test_a_large_tree_of_families_of_different_sizes():
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 6, 3000)
    parent = np.concatenate(
        [[-1], np.zeros(3000, int), np.repeat(np.arange(1, 3001), sizes)]
    )
    order = np.append(np.arange(3001), 3001 + rng.permutation(len(parent) - 3001))
    parent, p = parent[order], rng.random(len(parent))
    total = np.bincount(parent[1:], weights=p[1:], minlength=len(parent))
    p[1:] /= total[parent[1:]]
    p[0] = 1
    losses = rng.normal(size=len(parent))
    tree = dp.ScenarioTree(parent, p)
    k = dp.ProportionalHazard(0.6)
    risk = dp.risk_to_go(tree, losses, k)
    for v in rng.choice(np.arange(1, 3001), 50):
        children = parent == v
        assert risk[v] == pytest.approx(dp.choquet(losses[children], k, p[children]))
    first = slice(1, 3001)
    root = dp.choquet(losses[first] + risk[first], k, p[first])
    assert risk[0] == pytest.approx(root)


# the exact cases ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [n for n, c in CASES.items() if "IR_level" in c.answer]
)
def test_risk_of_the_endowments_in_the_exact_cases(name):
    case = CASES[name]
    tree = dp.ScenarioTree(case.parent, [float(p) for p in case.probability])
    for agent, levels in case.answer["IR_level"].items():
        losses = [float(x) for x in case.endowments[agent]]
        measure = {case.number[v]: as_measure(case.prefs[agent, v][0]) for v in levels}
        assert sorted(measure) == case.inner
        risk = dp.risk_to_go(tree, losses, measure)
        for v, level in levels.items():
            answer = pytest.approx(float(Fraction(level)), rel=1e-12, abs=1e-12)
            assert risk[case.number[v]] == answer


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.is_linear])
def test_the_representative_agent_in_the_exact_cases(name):
    """V is the nested risk of the aggregate under the smallest distortion."""
    case = CASES[name]
    tree = dp.ScenarioTree(case.parent, [float(p) for p in case.probability])
    least = {
        v: dp.Minimum(
            [as_measure(case.prefs[i, case.names[v]][0]) for i in case.agents]
        )
        for v in case.inner
    }
    value = dp.risk_to_go(tree, [float(s) for s in case.aggregate], least)
    for v, answer in case.answer["V"].items():
        expected = pytest.approx(float(Fraction(answer)), rel=1e-12, abs=1e-12)
        assert value[case.number[v]] == expected


# inputs and refusals --------------------------------------------------------------


def test_mappings_and_sequences_of_measures():
    tree, losses = two_coins(), np.arange(7.0)
    at = {0: ES(0.5), 1: dp.WorstCase(), 2: dp.Expectation()}
    answer = dp.risk_to_go(tree, losses, at)
    for same in (
        list(at.values()),
        tuple(at.values()),
        np.array(list(at.values()), dtype=object),
        [*at.values(), None, None, None, None],  # leaves need none
        {np.int64(v): k for v, k in at.items()},
        {**at, 5: dp.WorstCase()},
    ):
        assert (dp.risk_to_go(tree, losses, same) == answer).all()


def test_arguments_are_left_as_they_are():
    tree, losses = two_coins(), np.arange(7.0)
    losses.setflags(write=False)
    for k in (ES(0.5), dp.Wang(0.5), dp.Supremum([ES(0.1), dp.Expectation()])):
        dp.risk_to_go(tree, losses, k)
    assert dp.risk_to_go(tree, range(7), ES(0.5)).dtype == float
    assert losses.tolist() == list(range(7))


KIND = "is no distortion: give ExpectedShortfall(0.9) or the like"


@pytest.mark.parametrize(
    ("losses", "measure", "text"),
    [
        (
            [1, 2],
            ES(0.5),
            "ValueError: losses has shape (2,): give an array with shape (7,)",
        ),
        (
            [[0] * 7],
            ES(0.5),
            "ValueError: losses has shape (1, 7): give an array with shape (7,)",
        ),
        (
            [0, 1, 2, 3, 4, 5, math.inf],
            ES(0.5),
            "ValueError: losses holds inf at position 6: remove or replace it",
        ),
        (
            [0] * 7,
            {0: ES(0.5), 2: ES(0.5)},
            "ValueError: measure has no entry for node 1: give one for each of the 3 "
            "non-terminal nodes",
        ),
        (
            [0] * 7,
            [ES(0.5)] * 2,
            "ValueError: measure has no entry for node 2: give one for each of the 3 "
            "non-terminal nodes",
        ),
        (
            [0] * 7,
            {},
            "ValueError: measure has no entry for node 0: give one for each of the 3 "
            "non-terminal nodes",
        ),
        (
            [0] * 7,
            {0: ES(0.5), 1: ES(0.5), 2: ES(0.5), 17: ES(0.5)},
            "ValueError: measure has an entry for node 17: the tree has 7 nodes, "
            "numbered from 0",
        ),
        (
            [0] * 7,
            [ES(0.5)] * 8,
            "ValueError: measure has an entry for node 7: the tree has 7 nodes, "
            "numbered from 0",
        ),
        (
            [0] * 7,
            {0: ES(0.5), 1: 0.9, 2: ES(0.5)},
            f"TypeError: measure[1] = 0.9 {KIND}",
        ),
        ([0] * 7, 0.9, f"TypeError: measure = 0.9 {KIND}"),
        ([0] * 7, None, f"TypeError: measure = None {KIND}"),
        (
            "losses",
            ES(0.5),
            "TypeError: losses is not an array of numbers: give real numbers in a "
            "regular array",
        ),
    ],
)
def test_bad_arguments_are_refused(losses, measure, text):
    assert refusal(lambda: dp.risk_to_go(two_coins(), losses, measure)) == text


def test_a_node_with_a_bad_measure_is_named():
    measure = {0: ES(0.5), 1: 0.9, 2: ES(0.5)}
    text = refusal(lambda: dp.risk_to_go(two_coins(), [0] * 7, measure))
    assert text.startswith("TypeError: measure[1] = 0.9 is no distortion")
