"""Scenarios from paths: what is kept, what is lost and said to be; refusals."""

import itertools
import math
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import loss, measures, refusal

import dynpo_lite as dp

ES = dp.ExpectedShortfall


def quietly(make, *args, **options):
    """Return what is made, whatever it warns of."""
    with warnings.catch_warnings(action="ignore"):
        return make(*args, **options)


def warning(make, *args, **options):
    """Return the text of the one warning."""
    with pytest.warns(UserWarning, match="give more") as caught:
        make(*args, **options)
    (one,) = caught
    # it points at the call, unless mutants stand between
    assert one.filename == __file__ or "mutmut" in sys.modules
    return str(one.message)


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
    tree, _, visited, _ = quietly(dp.tree_from_paths, paths, bins)
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
def test_a_node_shows_its_middle_path(simulation):
    paths, bins = simulation
    made = quietly(dp.tree_from_paths, paths, bins)
    x, visited = made.endowments, made.node_of_path
    assert x.shape == (paths.shape[2], made.tree.n_nodes)
    assert (x[:, 0] == 0).all()
    total = paths.sum(axis=2)
    for t in range(made.tree.horizon):
        for v in made.tree.nodes(t + 1):
            inside = np.flatnonzero(visited[:, t] == v).tolist()
            inside.sort(key=lambda path: total[path, t])
            middle = inside[len(inside) // 2]
            assert (x[:, v] == paths[middle, t]).all()


@given(simulations())
def test_what_is_lost_is_measured_and_warned_of(simulation):
    paths, bins = simulation
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tree, x, _, lost = dp.tree_from_paths(paths, bins)
    for i, own in enumerate(np.moveaxis(paths, 2, 0)):
        parts = []
        for t in range(1, tree.horizon + 1):
            nodes = tree.nodes(t)
            p, y, z = tree.unconditional[nodes], x[i, nodes], own[:, t - 1]
            seen, true = np.sqrt(p @ (y - p @ y) ** 2), z.std()
            constant = true <= 1e-12 * np.abs(z).max()
            parts.append(0 if constant else 1 - seen / true)
        assert lost[i] == pytest.approx(max(parts), abs=1e-9)
    if abs(lost.max() - 0.05) > 1e-9:
        assert len(caught) == (lost.max() > 0.05)


def test_the_warning_of_what_is_lost():
    paths = [[[0.0, 0.0]], [[1.0, 3.0]], [[0.0, 8.0]], [[4.0, 8.0]]]
    text = warning(dp.tree_from_paths, paths, bins=2)
    assert text == (
        "bins = 2: the tree hides 27 % of the standard deviation of agent 1: give more "
        "bins, or keep every path with lattice_from_paths"
    )  # 2.5 of 3.42


@given(simulations())
def test_groups_are_ordered_and_of_nearly_equal_size(simulation):
    paths, bins = simulation
    tree, _, visited, _ = quietly(dp.tree_from_paths, paths, bins)
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
    made = quietly(dp.tree_from_paths, paths, bins)
    other = quietly(dp.tree_from_paths, paths[order], bins)
    totals = paths.sum(axis=2)
    if len(np.unique(totals)) == totals.size:
        assert (other.tree.parent == made.tree.parent).all()
        assert (other.node_of_path == made.node_of_path[order]).all()
        assert (other.endowments == made.endowments).all()
        assert other.lost == pytest.approx(made.lost, abs=1e-9)


def test_more_bins_than_paths():
    """Every path its own node from the first time on."""
    paths = np.arange(12.0).reshape(3, 2, 2)[::-1]
    tree, endowments, visited, lost = dp.tree_from_paths(paths, bins=99)
    assert tree.parent.tolist() == [-1, 0, 0, 0, 1, 2, 3]
    assert tree.probability[1:4] == pytest.approx([1 / 3] * 3)
    assert (tree.probability[4:] == 1).all()
    assert visited.tolist() == [[3, 6], [2, 5], [1, 4]]
    assert endowments[:, visited].tolist() == np.moveaxis(paths, 2, 0).tolist()
    assert lost == pytest.approx([0, 0], abs=1e-15)


def test_one_bin_is_a_middle_path_at_each_time():
    rng = np.random.default_rng(0)
    paths = rng.normal(size=(101, 3, 2))
    tree, endowments, visited, lost = quietly(dp.tree_from_paths, paths, bins=1)
    assert tree.parent.tolist() == [-1, 0, 1, 2]
    assert visited.tolist() == [[1, 2, 3]] * 101
    median = np.median(paths.sum(axis=2), axis=0)
    assert endowments.sum(axis=0)[1:] == pytest.approx(median, rel=1e-12)
    assert lost.tolist() == [1, 1]


def test_one_path():
    tree, endowments, visited, lost = dp.tree_from_paths([[[1.0, 2.0], [3.0, 4.0]]])
    assert tree.parent.tolist() == [-1, 0, 1]
    assert endowments.tolist() == [[0, 1, 3], [0, 2, 4]]
    assert visited.tolist() == [[1, 2]]
    assert lost.tolist() == [0, 0]


def test_four_bins_by_default_and_one_number_for_all_times():
    paths = np.random.default_rng(1).normal(size=(200, 2, 1))
    tree = quietly(dp.tree_from_paths, paths).tree
    assert np.bincount(tree.stage).tolist() == [1, 4, 16]
    for bins in (4, [4, 4], (4, 4), np.array([4, 4]), np.int64(4)):
        other = quietly(dp.tree_from_paths, paths, bins).tree
        assert (other.parent == tree.parent).all()


def test_uneven_groups():
    """Five paths in two bins, three and two."""
    made = quietly(dp.tree_from_paths, np.arange(5.0).reshape(5, 1, 1), bins=2)
    assert made.tree.probability.tolist() == [1, 0.6, 0.4]
    assert made.endowments.tolist() == [[0, 1, 4]]


def independent_losses(n_paths):
    return np.exp(np.random.default_rng(1).standard_normal((n_paths, 1, 6)))


def test_a_path_shows_the_gains_of_trade_that_means_hide():
    """Six alike, independent: 16.9 of 38.4 is saved; the means hide nearly all."""
    paths = independent_losses(100_000)
    made = quietly(dp.tree_from_paths, paths, bins=128)
    agents = [ES(0.9)] * 6
    solution = dp.solve(dp.Economy(made.tree, made.endowments, agents))
    assert solution.surplus[0] == pytest.approx(16.92, rel=0.05)
    assert made.lost.max() > 0.05
    groups = made.node_of_path[:, 0] - 1
    means = [np.bincount(groups, own) / np.bincount(groups) for own in paths[:, 0].T]
    means = np.append(np.zeros((6, 1)), means, axis=1)
    hidden = dp.solve(dp.Economy(made.tree, means, agents))
    assert hidden.surplus[0] < 0.1


def test_the_economy_of_paths_is_solved_and_certified():
    rng = np.random.default_rng(3)
    paths = rng.gamma(2.0, size=(500, 3, 3))
    tree, x, _, _ = quietly(dp.tree_from_paths, paths, bins=[5, 3, 4])
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


# lattices that keep every path ----------------------------------------------------


@given(measures, st.integers(20, 60), st.integers(0, 2**32))
def test_one_period_is_the_choquet_integral_of_the_samples(measure, size, seed):
    x = np.random.default_rng(seed).lognormal(size=(size, 1, 1))
    made = dp.lattice_from_paths(x)
    risk = dp.risk_to_go(made.lattice, made.endowments[0], measure)[0]
    assert risk == pytest.approx(dp.choquet(x[:, 0, 0], measure), rel=1e-13)


def test_one_period_of_independent_losses():
    """The case that averages spoil: 16.92 of 38.4 is saved."""
    paths = independent_losses(100_000)
    made = dp.lattice_from_paths(paths)
    agents = [ES(0.9)] * 6
    economy = dp.Economy(made.lattice, made.endowments, agents)
    solution = dp.solve(economy)
    alone = [dp.choquet(own, ES(0.9)) for own in paths[:, 0].T]
    shared = dp.share_layers(paths[:, 0].sum(axis=1), agents).value
    assert solution.risk_without_trade[:, 0] == pytest.approx(alone, rel=1e-12)
    assert solution.total_risk_to_go[0] == pytest.approx(shared, rel=1e-12)
    assert solution.surplus[0] == pytest.approx(16.92, abs=0.005)
    assert dp.check_allocation(economy, solution.allocation).pareto_optimal


@given(simulations())
def test_every_path_keeps_its_losses_and_its_nodes(simulation):
    paths, groups = simulation
    made = quietly(dp.lattice_from_paths, paths, groups=groups[1:])
    lattice, visited, taken = made.lattice, made.node_of_path, made.arc_of_path
    n_paths, horizon, _ = paths.shape
    assert (lattice.horizon, lattice.n_arcs) == (horizon, n_paths * horizon)
    assert sorted(taken.ravel().tolist()) == list(range(lattice.n_arcs))
    assert (made.endowments[:, taken] == np.moveaxis(paths, 2, 0)).all()
    assert (lattice.source[taken] == visited[:, :-1]).all()
    assert (lattice.target[taken] == visited[:, 1:]).all()
    assert (visited[:, 0] == 0).all()
    assert (visited[:, -1] == lattice.n_nodes - 1).all()
    count = np.bincount(visited.ravel())
    assert lattice.unconditional == pytest.approx(count / n_paths)
    assert lattice.probability == pytest.approx(1 / count[lattice.source], rel=1e-15)


@given(simulations())
def test_groups_of_a_lattice_are_those_of_the_tree(simulation):
    """By the aggregate at each time so far: groups of groups."""
    paths, bins = simulation
    lattice = quietly(dp.lattice_from_paths, paths, groups=bins[1:])
    tree = quietly(dp.tree_from_paths, paths, bins[1:] + bins[:1])
    ours, theirs = lattice.node_of_path[:, 1:-1], tree.node_of_path[:, :-1]
    assert (ours == theirs).all()


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([np.int64, np.int8, bool]))
def test_given_states_make_the_nodes(seed, kind):
    """What is known is the state, whatever came before: by a recursion of its own."""
    rng = np.random.default_rng(seed)
    n_paths, horizon = 300, rng.integers(2, 5)
    states = rng.integers(-1, 2, (n_paths, horizon)).astype(kind)
    paths = rng.normal(size=(n_paths, horizon, 1)) + states[:, :, None]
    made = dp.lattice_from_paths(paths, states)
    value = np.zeros(n_paths)  # of the node in which each path is
    for t in range(horizon - 1, -1, -1):
        z, before = paths[:, t, 0] + value, states[:, t - 1] if t else np.zeros(n_paths)
        for state in np.unique(before):
            here = before == state
            value[here] = dp.choquet(z[here], ES(0.75))
        assert len(np.unique(made.node_of_path[:, t])) == len(np.unique(before))
    ours = dp.risk_to_go(made.lattice, made.endowments[0], ES(0.75))
    assert ours[0] == pytest.approx(value[0], rel=1e-12)


def test_states_of_several_coordinates_and_of_any_numbers():
    rng = np.random.default_rng(0)
    paths = rng.normal(size=(400, 2, 1))
    two = rng.integers(0, 2, (400, 2, 2))
    made = dp.lattice_from_paths(paths, two)
    one = dp.lattice_from_paths(paths, two @ [2, 1])
    assert (made.node_of_path == one.node_of_path).all()
    level = rng.normal(size=(400, 2))
    made = dp.lattice_from_paths(paths, level, groups=5)
    assert np.bincount(made.node_of_path[:, 1]).tolist() == [0] + [80] * 5
    for low, high in itertools.pairwise(range(1, 6)):
        groups = (level[made.node_of_path[:, 1] == v, 0] for v in (low, high))
        below, above = groups
        assert below.max() <= above.min()
    pair = np.stack([level, -level], axis=2)  # cut once, then again in each group
    made = dp.lattice_from_paths(paths, pair, groups=2)
    assert np.bincount(made.node_of_path[:, 1]).tolist() == [0] + [100] * 4


def test_few_paths_in_a_node_take_noise_for_risk():
    """Two independent lognormal years: the risk is twice that of one, 12.83."""
    risks = []
    for seed in range(10):
        paths = np.exp(np.random.default_rng(seed).standard_normal((1000, 2, 1)))
        made = dp.lattice_from_paths(paths, groups=50)  # 20 paths a node
        risks.append(dp.risk_to_go(made.lattice, made.endowments[0], ES(0.9))[0])
    error = np.std(risks) / np.sqrt(len(risks))
    assert np.mean(risks) - 12.83 > 5 * error
    paths = np.exp(np.random.default_rng(0).standard_normal((100_000, 2, 1)))
    made = dp.lattice_from_paths(paths, groups=2)
    risk = dp.risk_to_go(made.lattice, made.endowments[0], ES(0.9))[0]
    assert risk == pytest.approx(12.83, rel=0.01)


def test_coarse_groups_forget_risk():
    """A random walk: its nested risk is 3 times that of a step, 5.265."""
    steps = np.random.default_rng(3).standard_normal((40_000, 2, 1))
    walk = np.cumsum(steps, axis=1)
    risks = []
    for groups in (1, 2, 4, 50):
        made = dp.lattice_from_paths(walk, groups=groups)
        risks.append(dp.risk_to_go(made.lattice, made.endowments[0], ES(0.9))[0])
    # with one group, the risk of each year for itself: 1 + sqrt(2) steps
    assert risks[0] == pytest.approx(5.265 * (1 + math.sqrt(2)) / 3, rel=0.01)
    assert (np.diff(risks[:3]) > 0.1).all()
    assert risks[1] < 0.95 * 5.265
    assert risks[3] == pytest.approx(5.265, rel=0.01)


def test_the_warning_of_few_paths():
    paths = np.arange(42.0).reshape(42, 1, 1) + np.zeros((1, 2, 1))
    dp.lattice_from_paths(paths, groups=2)  # 21 each
    assert warning(dp.lattice_from_paths, paths, groups=3) == (
        "paths: node 1 is known by 14 of the 42 paths only, 3 of 4 nodes by fewer than "
        "20: what is noise there looks like risk; give more paths or fewer groups"
    )
    states = np.zeros((42, 2), dtype=int)
    states[:19, 0] = 1
    assert warning(dp.lattice_from_paths, paths, states) == (
        "paths: node 2 is known by 19 of the 42 paths only, 1 of 3 nodes by fewer than "
        "20: what is noise there looks like risk; give more paths or fewer groups"
    )


THREE = np.zeros((3, 2, 1))


@pytest.mark.parametrize(
    ("paths", "options", "text"),
    [
        (
            [[[0.0], [math.nan]]],
            {},
            "ValueError: paths holds nan at position (0, 1, 0): remove or replace it",
        ),
        (
            np.zeros((3, 2)),
            {},
            "ValueError: paths has shape (3, 2): give an array with 3 axes",
        ),
        (
            THREE,
            {"groups": 0},
            "ValueError: groups = 0 is too small: choose an integer of at least 1",
        ),
        (
            THREE,
            {"groups": 2.5},
            "TypeError: groups = 2.5 is not an integer: give an integer",
        ),
        (
            THREE,
            {"groups": [2, 2]},
            "ValueError: groups = [2, 2] has 2 entries: give one number, or "
            "one for each of the 1 times",
        ),
        (
            THREE,
            {"states": np.zeros((3, 3), int)},
            "ValueError: states has shape (3, 3): give one state, or one row "
            "of numbers, for each of 3 paths and 2 times",
        ),
        (
            THREE,
            {"states": np.zeros((2, 2))},
            "ValueError: states has shape (2, 2): give one state, or one row "
            "of numbers, for each of 3 paths and 2 times",
        ),
        (
            THREE,
            {"states": np.zeros(3, int)},
            "ValueError: states has shape (3,): give one state, or one row of "
            "numbers, for each of 3 paths and 2 times",
        ),
        (
            THREE,
            {"states": np.zeros(3)},
            "ValueError: states has shape (3,): give one state, or one row of "
            "numbers, for each of 3 paths and 2 times",
        ),
        (
            THREE,
            {"states": np.full((3, 2), math.nan)},
            "ValueError: states holds nan at position (0, 0): remove or replace it",
        ),
        (
            THREE,
            {"states": [["a", "b"]] * 3},
            "TypeError: states is not an array of numbers: give real numbers "
            "in a regular array",
        ),
    ],
)
def test_bad_arguments_of_a_lattice_are_refused(paths, options, text):
    assert refusal(lambda: dp.lattice_from_paths(paths, **options)) == text


# lattices that are sampled --------------------------------------------------------


def recorded(log):
    """A sampler of a walk between three states that writes down what it draws."""

    def sample(t, state, size, rng):
        after = np.clip(state + rng.integers(-1, 2, size), 0, 2)
        losses = rng.normal(size=(size, 2)) + after[:, None]
        log[t, state] = losses, after
        return losses, after

    return sample


def test_every_draw_is_an_arc():
    log = {}
    made = dp.lattice_from_sampler(recorded(log), 3, n_arcs=25, horizon=4, seed=7)
    lattice = made.lattice
    known = list(zip(lattice.stage.tolist(), made.state.tolist()))
    assert known == sorted(set(known))  # no state twice
    assert set(log) == {at for at in known if at[0] < 4}
    assert lattice.probability == pytest.approx(1 / 25, rel=1e-15)
    for v, at in enumerate(known[: lattice.first[4]]):
        arcs = np.flatnonzero(lattice.source == v)
        losses, after = log[at]
        assert (losses == made.endowments[:, arcs].T).all()
        assert (made.state[lattice.target[arcs]] == after).all()
        rng = np.random.default_rng([7, *at])  # of its own
        assert (np.clip(at[1] + rng.integers(-1, 2, 25), 0, 2) == after).all()


def test_states_that_no_draw_reaches_get_no_node():
    def sample(t, state, size, rng):
        return np.zeros((size, 1)), np.full(size, 5)

    made = dp.lattice_from_sampler(sample, 9, n_arcs=2, horizon=3)
    assert made.state.tolist() == [0, 5, 5, 5]
    assert made.lattice.target.tolist() == [1, 1, 2, 2, 3, 3]


def test_a_sampler_without_chance_gives_the_chain():
    """Of four draws one goes down: the transitions are 3/4 and 1/4, exactly."""

    def sample(t, state, size, rng):
        after = np.where(np.arange(size) % 4 == 0, 1 - state, state)
        return (2.0 * after - t)[:, None], after

    made = dp.lattice_from_sampler(sample, 2, n_arcs=8, horizon=3)
    stay = [[0.75, 0.25], [0.25, 0.75]]
    chain = dp.ScenarioLattice.from_chain([stay[:1], stay, stay])
    losses = 2.0 * np.array([0, 0, 1, 0, 1, 0, 1]) - chain.stage + 1
    for measure in (dp.Expectation(), ES(0.6), dp.Wang(0.5)):
        ours = dp.risk_to_go(made.lattice, made.endowments[0], measure)
        theirs = dp.risk_to_go(chain, losses, measure)
        assert ours == pytest.approx(theirs, rel=1e-12)


def test_draws_are_those_of_the_seed():
    first, second, other = (
        dp.lattice_from_sampler(recorded({}), 3, 10, 2, seed) for seed in (1, 1, 2)
    )
    assert (first.endowments == second.endowments).all()
    assert not (first.endowments[:, :10] == other.endowments[:, :10]).any()
    usual = dp.lattice_from_sampler(recorded({}), 3, 10, 2)
    assert (usual.endowments == first.endowments).all()


def constant(losses, states):
    return lambda t, state, size, rng: (losses, states)


def growing(t, state, size, rng):
    return np.zeros((size, 1 + t)), np.zeros(size, int)


CALL = "sample(0, 0, 3, rng)"
GOOD = np.zeros((3, 1)), np.zeros(3, int)


@pytest.mark.parametrize(
    ("sample", "options", "text"),
    [
        (
            constant(np.zeros(3), GOOD[1]),
            {},
            f"ValueError: the losses of {CALL} has shape (3,): give an array "
            "with shape (3, 'any')",
        ),
        (
            constant(np.zeros((2, 1)), GOOD[1]),
            {},
            f"ValueError: the losses of {CALL} has shape (2, 1): give an array "
            "with shape (3, 'any')",
        ),
        (
            constant(GOOD[0], np.zeros(2)),
            {},
            f"ValueError: the states of {CALL} has shape (2,): give an array "
            "with shape (3,)",
        ),
        (
            constant(np.full((3, 1), math.inf), GOOD[1]),
            {},
            f"ValueError: the losses of {CALL} holds inf at position (0, 0): "
            "remove or replace it",
        ),
        (
            constant(GOOD[0], [0, 0.5, 1]),
            {},
            f"TypeError: the states of {CALL} holds values that are no "
            "integers: give node numbers",
        ),
        (
            constant(GOOD[0], [0, 4, 5]),
            {},
            f"ValueError: {CALL} went to state 4: there are n_states = 4, "
            "numbered from 0",
        ),
        (
            constant(GOOD[0], [0, -1, 0]),
            {},
            f"ValueError: {CALL} went to state -1: there are n_states = 4, "
            "numbered from 0",
        ),
        (
            lambda t, state, size, rng: GOOD[0],
            {},
            f"ValueError: {CALL} failed: too many values to unpack (expected "
            "2); it returns losses (size, n_agents) and states (size,)",
        ),
        (
            lambda t, state, size, rng: None,
            {},
            f"TypeError: {CALL} failed: cannot unpack non-iterable NoneType "
            "object; it returns losses (size, n_agents) and states (size,)",
        ),
        (
            growing,
            {},
            "ValueError: sample returned losses of different numbers of "
            "agents: give one column for each agent, from every state",
        ),
        (
            constant(*GOOD),
            {"n_arcs": 0},
            "ValueError: n_arcs = 0 is too small: choose an integer of at least 1",
        ),
        (
            constant(*GOOD),
            {"horizon": 0},
            "ValueError: horizon = 0 is too small: choose an integer of at least 1",
        ),
        (
            constant(*GOOD),
            {"seed": -1},
            "ValueError: seed = -1 is too small: choose an integer of at least 0",
        ),
        (
            constant(*GOOD),
            {"n_states": 0},
            "ValueError: n_states = 0 is too small: choose an integer of at least 1",
        ),
        (
            constant(*GOOD),
            {"n_states": [4]},
            "ValueError: n_states = [4] has 1 entries: give one number, or one "
            "for each of the 2 times",
        ),
    ],
)
def test_bad_samplers_are_refused(sample, options, text):
    options = {"n_states": 4, "n_arcs": 3, "horizon": 2} | options
    assert refusal(lambda: dp.lattice_from_sampler(sample, **options)) == text


def test_an_error_of_a_sampler_is_told_with_the_call():
    def sample(t, state, size, rng):
        if t == 1:
            raise KeyError("no such state")
        return np.zeros((size, 1)), np.zeros(size, int)

    with pytest.raises(KeyError, match="no such state"):
        dp.lattice_from_sampler(sample, 1, 3, 2)
