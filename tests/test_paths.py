"""Trees from paths: means and probabilities kept, paths followed, refusals."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import loss, refusal

import dynpo_lite as dp


@st.composite
def simulations(draw):
    """Paths, often tied, and a number of bins for each time."""
    n_paths = draw(st.integers(1, 20))
    horizon, n_agents = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size = n_paths * horizon * n_agents
    values = draw(st.lists(loss, min_size=size, max_size=size))
    bins = draw(st.lists(st.integers(1, 6), min_size=horizon, max_size=horizon))
    return np.array(values).reshape(n_paths, horizon, n_agents), bins


def close(paths):
    return {"rel": 1e-12, "abs": 1e-13 * max(np.abs(paths).max(), 1e-290)}


@given(simulations())
def test_probabilities_are_counts_of_paths(simulation):
    paths, bins = simulation
    tree, _, visited = dp.tree_from_paths(paths, bins)
    n_paths, horizon, _ = paths.shape
    assert tree.horizon == horizon
    assert visited.shape == (n_paths, horizon)
    for t in range(1, horizon + 1):
        nodes = tree.nodes(t)
        count = np.bincount(visited[:, t - 1], minlength=tree.n_nodes)
        assert count[nodes].sum() == n_paths
        assert (count[nodes] > 0).all()
        assert tree.unconditional[nodes] == pytest.approx(count[nodes] / n_paths)
        before = np.zeros(n_paths, dtype=int) if t == 1 else visited[:, t - 2]
        assert (tree.parent[visited[:, t - 1]] == before).all()


@given(simulations())
def test_losses_are_means_of_the_paths_in_a_node(simulation):
    paths, bins = simulation
    tree, endowments, visited = dp.tree_from_paths(paths, bins)
    assert endowments.shape == (paths.shape[2], tree.n_nodes)
    assert (endowments[:, 0] == 0).all()
    for t in range(1, tree.horizon + 1):
        for v in tree.nodes(t):
            mean = paths[visited[:, t - 1] == v, t - 1].mean(axis=0)
            assert endowments[:, v] == pytest.approx(mean, **close(paths))
        nodes = tree.nodes(t)
        kept = endowments[:, nodes] @ tree.unconditional[nodes]
        assert kept == pytest.approx(paths[:, t - 1].mean(axis=0), **close(paths))


@given(simulations())
def test_groups_are_ordered_and_of_nearly_equal_size(simulation):
    paths, bins = simulation
    tree, _, visited = dp.tree_from_paths(paths, bins)
    total = paths.sum(axis=2)
    for t, b in enumerate(bins):
        before = np.zeros(len(paths), dtype=int) if t == 0 else visited[:, t - 1]
        for v in np.unique(before):
            inside = np.flatnonzero(before == v)
            children = np.unique(visited[inside, t])
            assert (children == np.flatnonzero(tree.parent == v)).all()
            assert len(children) == min(b, len(inside))
            groups = [inside[visited[inside, t] == w] for w in children]
            sizes = [len(g) for g in groups]
            assert max(sizes) - min(sizes) <= 1
            for low, high in itertools.pairwise(groups):
                assert total[low, t].max() <= total[high, t].min()


@given(simulations(), st.randoms(use_true_random=False))
def test_the_order_of_the_paths_does_not_matter(simulation, random):
    paths, bins = simulation
    paths = paths + np.arange(len(paths))[:, None, None] * math.pi * 1e-3  # no ties
    order = list(range(len(paths)))
    random.shuffle(order)
    made = dp.tree_from_paths(paths, bins)
    other = dp.tree_from_paths(paths[order], bins)
    totals = paths.sum(axis=2)
    if len(np.unique(totals)) == totals.size:
        assert (other.tree.parent == made.tree.parent).all()
        assert (other.node_of_path == made.node_of_path[order]).all()
        assert other.endowments == pytest.approx(made.endowments, **close(paths))


def test_more_bins_than_paths():
    """Every path its own node from the first time on."""
    paths = np.arange(12.0).reshape(3, 2, 2)[::-1]
    tree, endowments, visited = dp.tree_from_paths(paths, bins=99)
    assert tree.parent.tolist() == [-1, 0, 0, 0, 1, 2, 3]
    assert tree.probability[1:4] == pytest.approx([1 / 3] * 3)
    assert (tree.probability[4:] == 1).all()
    assert visited.tolist() == [[3, 6], [2, 5], [1, 4]]
    assert endowments[:, visited].tolist() == np.moveaxis(paths, 2, 0).tolist()


def test_one_bin_is_the_mean_path():
    rng = np.random.default_rng(0)
    paths = rng.normal(size=(100, 3, 2))
    tree, endowments, visited = dp.tree_from_paths(paths, bins=1)
    assert tree.parent.tolist() == [-1, 0, 1, 2]
    assert visited.tolist() == [[1, 2, 3]] * 100
    assert endowments[:, 1:] == pytest.approx(paths.mean(axis=0).T)


def test_one_path():
    tree, endowments, visited = dp.tree_from_paths([[[1.0, 2.0], [3.0, 4.0]]])
    assert tree.parent.tolist() == [-1, 0, 1]
    assert endowments.tolist() == [[0, 1, 3], [0, 2, 4]]
    assert visited.tolist() == [[1, 2]]


def test_four_bins_by_default_and_one_number_for_all_times():
    paths = np.random.default_rng(1).normal(size=(200, 2, 1))
    tree = dp.tree_from_paths(paths).tree
    assert np.bincount(tree.stage).tolist() == [1, 4, 16]
    for bins in (4, [4, 4], (4, 4), np.array([4, 4]), np.int64(4)):
        assert (dp.tree_from_paths(paths, bins).tree.parent == tree.parent).all()


def test_uneven_groups():
    """Five paths in two bins, three and two."""
    made = dp.tree_from_paths(np.arange(5.0).reshape(5, 1, 1), bins=2)
    assert made.tree.probability.tolist() == [1, 0.6, 0.4]
    assert made.endowments.tolist() == [[0, 1, 3.5]]


def test_finer_trees_show_more_risk():
    """Groups hide what differs inside, so the risk of a coarse tree is too low."""
    paths = np.random.default_rng(2).lognormal(size=(4096, 1, 1))
    risks = []
    for bins in (1, 4, 16, 64, 4096):
        tree, x, _ = dp.tree_from_paths(paths, bins)
        risks.append(dp.risk_to_go(tree, x[0], dp.ExpectedShortfall(0.9))[0])
    assert (np.diff(risks) >= -1e-12).all()
    exact = dp.choquet(paths[:, 0, 0], dp.ExpectedShortfall(0.9))
    assert risks[-1] == pytest.approx(exact, rel=1e-12)


def test_the_economy_of_paths_is_solved_and_certified():
    rng = np.random.default_rng(3)
    paths = rng.gamma(2.0, size=(500, 3, 3))
    tree, x, _ = dp.tree_from_paths(paths, bins=[5, 3, 4])
    agents = [dp.ExpectedShortfall(0.8), dp.Expectation(), dp.ProportionalHazard(0.7)]
    economy = dp.Economy(tree, x, agents)
    solution = dp.solve(economy)
    assert dp.check_allocation(economy, solution.allocation).pareto_optimal


@pytest.mark.parametrize(
    ("paths", "bins", "text"),
    [
        (
            [[[0.0], [math.nan]]],
            2,
            "ValueError: paths holds nan at position (0, 1, 0): remove or replace it",
        ),
        (
            np.zeros((0, 2, 1)),
            2,
            "ValueError: paths is empty: give at least one number",
        ),
        (
            "paths",
            2,
            "TypeError: paths is not an array of numbers: give real numbers in a "
            "regular array",
        ),
        (
            np.zeros((3, 2, 1)),
            0,
            "ValueError: bins = 0 is too small: choose an integer of at least 1",
        ),
        (
            np.zeros((3, 2, 1)),
            [2, -1],
            "ValueError: bins = -1 is too small: choose an integer of at least 1",
        ),
        (
            np.zeros((3, 2, 1)),
            2.0,
            "TypeError: bins = 2.0 is not an integer: give an integer",
        ),
        (
            np.zeros((3, 2, 1)),
            [2, 2, 2],
            "ValueError: bins = [2, 2, 2] has 3 entries: give one number, or one for "
            "each of the 2 times",
        ),
    ],
)
def test_bad_arguments_are_refused(paths, bins, text):
    assert refusal(lambda: dp.tree_from_paths(paths, bins)) == text


def test_bins_that_are_no_numbers_are_named():
    text = refusal(lambda: dp.tree_from_paths(np.zeros((3, 2, 1)), None))
    assert text.startswith("TypeError: bins = None")


def test_any_number_of_bins():
    paths = np.arange(40.0).reshape(40, 1, 1)
    many = dp.tree_from_paths(paths, bins=10**18).tree
    assert many.n_nodes == 41
