"""Scenario trees: stages, families, probabilities, refusals."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from strategies import refusal, trees

import dynpo_lite as dp

HALF = [1, 0.5, 0.5]


@given(trees())
def test_stages_count_the_steps_from_the_root(drawn):
    tree = drawn.tree
    for v in range(tree.n_nodes):
        steps, u = 0, v
        while u != 0:
            steps, u = steps + 1, drawn.parent[u]
        assert tree.stage[v] == steps
    assert tree.horizon == max(tree.stage)
    assert tree.n_nodes == len(drawn.parent)


@given(trees())
def test_unconditional_probabilities_multiply_along_the_path(drawn):
    for v in range(drawn.tree.n_nodes):
        answer, u = drawn.probability[v], drawn.parent[v]
        while u >= 0:
            answer, u = answer * drawn.probability[u], drawn.parent[u]
        assert drawn.tree.unconditional[v] == pytest.approx(float(answer), rel=1e-14)


@given(trees())
def test_every_stage_has_probability_one(drawn):
    tree = drawn.tree
    for t in range(tree.horizon + 1):
        nodes = slice(tree.first[t], tree.first[t + 1])
        assert (tree.stage[nodes] == t).all()
        assert tree.unconditional[nodes].sum() == pytest.approx(1, rel=1e-14)


@given(trees())
def test_leaves_are_the_nodes_without_children(drawn):
    childless = set(range(drawn.tree.n_nodes)) - set(drawn.parent)
    assert drawn.tree.leaves.tolist() == sorted(childless)


@given(trees())
def test_families_hold_every_child_once_beside_its_own_parent(drawn):
    tree, seen = drawn.tree, []
    assert len(tree.branches) == tree.horizon
    for t, families in enumerate(tree.branches):
        for family in families:
            size = family.entry.shape[1]
            assert family.probability.shape == family.entry.shape
            for v, children, p in zip(family.node, family.entry, family.probability):
                assert tree.stage[v] == t
                assert [drawn.parent[c] for c in children] == [v] * size
                assert p.tolist() == pytest.approx(
                    [float(drawn.probability[c]) for c in children], rel=1e-14
                )
            equal = np.abs(family.probability * size - 1).max() <= 1e-14
            assert family.equal == equal
            seen += family.entry.ravel().tolist()
    assert sorted(seen) == list(range(1, tree.n_nodes))


def test_siblings_need_not_be_adjacent():
    tree = dp.ScenarioTree([-1, 0, 0, 2, 1, 2, 1], [1, 0.3, 0.7, 0.1, 0.2, 0.9, 0.8])
    assert tree.stage.tolist() == [0, 1, 1, 2, 2, 2, 2]
    (family,) = tree.branches[1]
    assert family.node.tolist() == [1, 2]
    assert family.entry.tolist() == [[4, 6], [3, 5]]
    assert family.probability.tolist() == [[0.2, 0.8], [0.1, 0.9]]


def test_a_chain_of_single_children():
    tree = dp.ScenarioTree(range(-1, 5), np.ones(6))
    assert tree.horizon == 5
    assert tree.leaves.tolist() == [5]
    assert tree.unconditional.tolist() == [1.0] * 6


def test_the_tree_keeps_its_own_copy():
    parent, probability = np.array([-1, 0, 0]), np.array([1.0, 0.5, 0.5])
    tree = dp.ScenarioTree(parent, probability)
    parent[1], probability[1] = 7, 0.9
    assert tree.parent.tolist() == [-1, 0, 0]
    assert tree.probability.tolist() == [1.0, 0.5, 0.5]
    for array in (tree.parent, tree.probability, tree.stage):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        tree.parent = parent


def test_derived_arrays_cannot_be_written_to():
    tree = dp.ScenarioTree([-1, 0, 0], HALF)
    flags = [a.flags.writeable for a in (tree.leaves, tree.unconditional, tree.first)]
    assert not any(flags)


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_any_sequence_will_do(kind):
    tree = dp.ScenarioTree(kind([-1, 0, 0]), kind(HALF))
    assert tree.stage.tolist() == [0, 1, 1]
    assert dp.ScenarioTree([-1.0, 0.0, 0.0], HALF).parent.dtype == np.int64


def test_probabilities_may_miss_one_by_rounding():
    thirds = [1, 1 / 3, 1 / 3, 1 / 3]
    assert dp.ScenarioTree([-1, 0, 0, 0], thirds).n_nodes == 4
    tenths = dp.ScenarioTree([-1] + [0] * 10, [1] + [0.1] * 10)
    assert tenths.branches[0][0].equal


ORDER = "a parent comes before its children (no cycles); order nodes by stage"
ONE_ROOT = "a tree has one root, node 0; give every other node its parent"
SKIPS = (
    "skips a stage or comes out of order: list all nodes of one stage before those of "
    "the next"
)
IS_ROOT = "node 0 is the root, with parent -1, and needs children"
LATER = "give it a child (of probability 1) at each later stage"
OPEN = (
    "is outside (0, 1]: give conditional probabilities and leave out children of "
    "probability 0"
)
SUM = "divide them by their sum (they are conditional on the parent)"
FIVE = [1, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("parent", "probability", "text"),
    [
        ([-1, 2, 1], HALF, f"parent[1] = 2: {ORDER}"),  # a cycle
        ([-1, 1], [1, 1], f"parent[1] = 1: {ORDER}"),
        ([-1, 0, 9], HALF, f"parent[2] = 9: {ORDER}"),
        ([-1, -1, 0], HALF, f"parent[1] = -1: {ONE_ROOT}"),
        ([-1, 0, -2], HALF, f"parent[2] = -2: {ONE_ROOT}"),
        ([0, 0, 0], HALF, f"parent[0] = 0 in a tree of 3 node(s): {IS_ROOT}"),
        ([-1], [1], f"parent[0] = -1 in a tree of 1 node(s): {IS_ROOT}"),
        ([-1, 0, 1, 0], [1, 0.5, 1, 0.5], f"parent[3] = 0 {SKIPS}"),
        (
            [-1, 0, 0, 1, 1],
            FIVE,
            f"parent: node 2 ends at stage 1 but the horizon is 2: {LATER}",
        ),
        (
            [-1, 0, 0],
            [0.5, 0.5, 0.5],
            "probability[0] = 0.5: the root has probability 1",
        ),
        ([-1, 0, 0], [1, 0, 1], f"probability[1] = 0.0 {OPEN}"),
        ([-1, 0, 0], [1, -0.5, 1.5], f"probability[1] = -0.5 {OPEN}"),
        (
            [-1, 0, 0],
            [1, 0.5, 0.6],
            f"probability: the children of node 0 sum to 1.1: {SUM}",
        ),
        (
            [-1, 0, 0, 1, 1, 2],
            [1, 0.5, 0.5, 0.5, 0.4, 1],
            f"probability: the children of node 1 sum to 0.9: {SUM}",
        ),
        (
            [-1, 0, 0],
            [1, math.nan, 0.5],
            "probability holds nan at position 1: remove or replace it",
        ),
        (
            [-1, 0, 0],
            [1, 1],
            "probability has shape (2,): give an array with shape (3,)",
        ),
        ([], [], "parent is empty: give at least one number"),
        ([[-1, 0]], [1, 1], "parent has shape (1, 2): give an array with 1 axis"),
    ],
)
def test_what_is_no_tree_is_refused_with_the_node_at_fault(parent, probability, text):
    assert (
        refusal(lambda: dp.ScenarioTree(parent, probability)) == "ValueError: " + text
    )


@pytest.mark.parametrize("parent", [[-1, 0, 0.5], [-1, 0, math.nan], [None, 0, 0]])
def test_parents_are_integers(parent):
    text = "TypeError: parent holds values that are no integers: give node numbers"
    assert refusal(lambda: dp.ScenarioTree(parent, HALF)) == text


def test_names_of_nodes_are_refused():
    text = (
        "TypeError: parent is not an array of numbers: give real numbers in a regular "
        "array"
    )
    assert refusal(lambda: dp.ScenarioTree(["root", "a"], [1, 1])) == text
