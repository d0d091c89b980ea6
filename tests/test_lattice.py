"""Lattices against their trees, recursions in fractions and linear programmes."""

import copy
import math
import pickle
import tracemalloc
from fractions import Fraction

import numpy as np
import oracles
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse
from strategies import (
    inner_nodes,
    lattices,
    loss,
    measures,
    near,
    piecewise_linear,
    recombining,
    refusal,
)

import dynpo_lite as dp

ES = dp.ExpectedShortfall
mean = dp.Expectation()
KINDS = ["linear", "suprema", "smooth"]
TWO_REGIMES = [0, 0, 1, 1, 2, 2], [1, 2, 3, 4, 3, 4], [0.5] * 6


def draw_losses(data, size):
    return np.array(data.draw(st.lists(loss, min_size=size, max_size=size)))


def ways_of(lattice, v):
    """The arcs that start at a node."""
    return np.flatnonzero(lattice.source == v)


def all_paths(drawn):
    """The arcs of every path to the horizon."""
    last = max(w for _, w, _ in drawn.arcs)
    ends = set(range(last + 1)) - set(drawn.inner)

    def onward(v):
        if v in ends:
            yield ()
        for a, (u, w, _) in enumerate(drawn.arcs):
            if u == v:
                yield from ((a, *rest) for rest in onward(w))

    return list(onward(0))


# what a lattice is ----------------------------------------------------------------


@given(lattices())
def test_stages_and_chances_are_those_of_the_paths(drawn):
    lattice, paths = drawn.lattice, all_paths(drawn)
    stage, chance = {0: 0}, {0: Fraction(1)}
    for path in {whole[: k + 1] for whole in paths for k in range(len(whole))}:
        end = drawn.arcs[path[-1]][1]
        stage[end] = len(path)
        probability = math.prod(drawn.arcs[a][2] for a in path)
        chance[end] = chance.get(end, 0) + probability
    nodes = sorted(stage)
    assert lattice.stage.tolist() == [stage[v] for v in nodes]
    exact = [float(chance[v]) for v in nodes]
    assert lattice.unconditional == pytest.approx(exact, rel=1e-12)
    assert (lattice.n_nodes, lattice.n_arcs) == (len(nodes), len(drawn.arcs))
    assert lattice.horizon == len(paths[0])
    assert set(nodes) - set(drawn.inner) == set(lattice.leaves.tolist())
    for t in range(lattice.horizon + 1):
        assert lattice.nodes(t).tolist() == [v for v in nodes if stage[v] == t]
        sources = lattice.source[lattice.arcs(t)].tolist()
        assert sources == sorted(u for u, _, _ in drawn.arcs if stage[u] == t)


@given(lattices())
def test_the_tree_holds_every_path_once(drawn):
    tree, node, arc = drawn.lattice.to_tree()
    assert (node[0], arc[0]) == (0, -1)
    assert (drawn.lattice.target[arc[1:]] == node[1:]).all()
    assert (drawn.lattice.source[arc[1:]] == node[tree.parent[1:]]).all()
    assert (drawn.lattice.probability[arc[1:]] == tree.probability[1:]).all()
    found = []
    for leaf in tree.leaves:
        path = [leaf]
        while tree.parent[path[0]] > 0:
            path.insert(0, tree.parent[path[0]])
        found.append(tuple(arc[path].tolist()))
    assert sorted(found) == sorted(all_paths(drawn))
    size = tree.n_nodes
    assert drawn.lattice.to_tree(max_nodes=size).tree.n_nodes == size
    assert refusal(lambda: drawn.lattice.to_tree(size - 1)) == (
        f"ValueError: max_nodes = {size - 1}: the tree has {size} nodes; allow as "
        "many, or stay with the lattice"
    )


def test_a_tree_too_large_is_refused_before_it_is_made():
    stay = np.full((2, 2), 0.5)
    lattice = dp.ScenarioLattice.from_chain([[[0.5, 0.5]], *[stay] * 60])
    assert refusal(lattice.to_tree) == (
        "ValueError: max_nodes = 1000000: the tree has 4.61169e+18 nodes; allow as "
        "many, or stay with the lattice"
    )
    economy = dp.Economy(lattice, np.ones((1, lattice.n_arcs)), [mean])
    assert refusal(economy.to_tree) == refusal(lattice.to_tree)


@given(lattices())
def test_a_tree_is_a_lattice_with_one_arc_into_each_node(drawn):
    tree, _, _ = drawn.lattice.to_tree()
    chances = tree.probability[1:]
    same = dp.ScenarioLattice(tree.parent[1:], np.arange(1, tree.n_nodes), chances)
    again, node, arc = same.to_tree()
    assert (same.stage == tree.stage).all()
    assert same.unconditional == pytest.approx(tree.unconditional, rel=1e-12)
    # siblings that were apart stand together
    assert (tree.parent[node[1:]] == node[again.parent[1:]]).all()
    assert sorted(node.tolist()) == list(range(tree.n_nodes))
    assert (arc[1:] == node[1:] - 1).all()


@pytest.mark.parametrize("again", [lambda x: pickle.loads(pickle.dumps(x)), copy.copy])
def test_lattices_survive_a_copy(again):
    lattice = dp.ScenarioLattice(*TWO_REGIMES)
    economy = dp.Economy(lattice, np.arange(12.0).reshape(2, 6), [mean, ES(0.5)])
    solution = dp.solve(economy)
    paid = solution.allocation.copy()
    for made in (lattice, again(lattice)):
        for name in ("source", "target", "probability", "stage", "unconditional"):
            assert (getattr(made, name) == getattr(lattice, name)).all(), name
    assert (again(solution).allocation == paid).all()
    assert (dp.solve(again(economy)).allocation == paid).all()
    assert (
        again(dp.solve(economy)).bills(2).payment == solution.bills(2).payment
    ).all()


def test_probabilities_are_divided_by_their_sum():
    lattice = dp.ScenarioLattice([0, 0], [1, 1], [0.5, 0.5 + 1e-10])
    assert lattice.probability.sum() == pytest.approx(1, abs=1e-15)
    text = refusal(lambda: dp.ScenarioLattice([0, 0], [1, 1], [0.5, 0.5 + 1e-8]))
    assert text == (
        "ValueError: probability: the arcs of node 0 sum to 1.00000001: divide them "
        "by their sum (they are conditional on the source)"
    )


# chains ---------------------------------------------------------------------------


@st.composite
def chains(draw):
    """Matrices of a chain without a state that is never visited."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, matrices = 1, []
    for _ in range(draw(st.integers(1, 4))):
        columns = draw(st.integers(1, 4))
        matrix = rng.random((rows, columns)) * (rng.random((rows, columns)) < 0.6)
        matrix[rng.integers(rows), matrix.sum(axis=0) == 0] = 0.5
        matrix[matrix.sum(axis=1) == 0, rng.integers(columns)] = 0.5
        matrices.append(matrix / matrix.sum(axis=1, keepdims=True))
        rows = columns
    return matrices


@given(chains(), st.sampled_from(["csr_array", "coo_array", "csc_matrix", "lil_array"]))
def test_a_chain_dense_or_sparse(matrices, kind):
    lattice = dp.ScenarioLattice.from_chain(matrices)
    arcs, low = [], 0
    for matrix in matrices:
        high = low + len(matrix)
        arcs += [
            (low + i, high + j, matrix[i, j])
            for i, j in np.ndindex(matrix.shape)
            if matrix[i, j]
        ]
        low = high
    source, target, chance = zip(*arcs)
    other = dp.ScenarioLattice.from_chain([getattr(sparse, kind)(m) for m in matrices])
    for made in (lattice, other):
        assert made.source.tolist() == list(source)
        assert made.target.tolist() == list(target)
        assert made.probability == pytest.approx(chance, rel=1e-15)
    state = np.ones(1)
    for t, matrix in enumerate(matrices):
        state = state @ matrix
        assert lattice.unconditional[lattice.nodes(t + 1)] == pytest.approx(state)


def test_entries_of_a_sparse_matrix_that_are_given_twice_or_as_0():
    entries = [0.25, 0.5, 0.25, 0.0], ([0, 0, 0, 0], [1, 0, 1, 2])
    last = sparse.csr_array([[0.5, 0.5]] * 2)
    matrix = sparse.coo_array(entries, shape=(1, 3))
    assert refusal(lambda: dp.ScenarioLattice.from_chain([matrix, last])) == (
        "ValueError: transitions[0] has no way to state 2: leave out a state that is "
        "never visited, and give each other one a way on"
    )
    matrix = sparse.coo_array(entries, shape=(1, 3)).tocsr()[:, :2]
    lattice = dp.ScenarioLattice.from_chain([matrix, last])
    assert lattice.source.tolist() == [0, 0, 1, 1, 2, 2]
    assert lattice.probability.tolist() == [0.5] * 6


HALVES = [[0.5, 0.5]]


@pytest.mark.parametrize("form", [np.array, sparse.csr_array])
@pytest.mark.parametrize(
    ("matrices", "text"),
    [
        (
            [HALVES, HALVES],
            "[1] has 1 rows: give 2, one for each state of time 1 (time 0 has one)",
        ),
        (
            [HALVES * 2],
            "[0] has 2 rows: give 1, one for each state of time 0 (time 0 has one)",
        ),
        (
            [HALVES, [[1.0, 0.0]] * 2],
            "[1] has no way to state 1: leave out a state that is never "
            "visited, and give each other one a way on",
        ),
        ([[[0.5, 0.4]]], "[0]: row 0 sums to 0.9: divide it by its sum"),
        ([HALVES, [[1.0], [0.0]]], "[1]: row 1 sums to 0: divide it by its sum"),
        (
            [[[0.75, -0.25, 0.5]]],
            "[0][0, 1] = -0.25 is no probability: give values in [0, 1]",
        ),
        (
            [HALVES, [[1.0], [1.5]]],
            "[1][1, 0] = 1.5 is no probability: give values in [0, 1]",
        ),
    ],
)
def test_what_is_no_chain_is_refused(matrices, form, text):
    given = [form(matrix) for matrix in matrices]
    error = refusal(lambda: dp.ScenarioLattice.from_chain(given))
    assert error == f"ValueError: transitions{text}"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (5, "ValueError: transitions = 5 holds none: give at least one"),
        ([], "ValueError: transitions = [] holds none: give at least one"),
        (
            HALVES,
            "ValueError: transitions[0] has shape (2,): give an array with 2 axes",
        ),
        (
            [[["a"]]],
            "TypeError: transitions[0] is not an array of numbers: give real "
            "numbers in a regular array",
        ),
        (
            [[[0.5, math.nan]]],
            "ValueError: transitions[0] holds nan at position (0, 1): remove "
            "or replace it",
        ),
    ],
)
def test_what_is_no_matrix_is_refused(given, text):
    assert refusal(lambda: dp.ScenarioLattice.from_chain(given)) == text


# what is no lattice ---------------------------------------------------------------

TO_NEXT = "an arc leads to the next stage"
ORDERED = f"{TO_NEXT}, and nodes are numbered stage by stage"
NO_GAP = "number the nodes without a gap, and leave out what is never visited"
FROM_0 = "nodes are numbered from 0, the root, to which no arc leads"


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        # skips a stage, directly, or on one of two ways to the same node
        (
            [0, 0, 1],
            [1, 3, 2],
            "arc 1 leads from node 0 of stage 0 to node 3, but no arc of that "
            f"stage leads to node 2: {ORDERED}",
        ),
        (
            [0, 1, 0],
            [1, 2, 2],
            f"arc 1 leads from node 1 to node 2, which is not later: {TO_NEXT}",
        ),
        (
            [0, 0, 1, 2, 3],
            [1, 2, 3, 4, 4],
            f"arc 4 leads from node 3 to node 4, which is not later: {TO_NEXT}",
        ),
        (
            [0, 1, 1, 2],
            [1, 2, 1, 3],
            "arc 2 leads from node 1 of stage 1 to node 1, which is not later: "
            f"{TO_NEXT}",
        ),
        (
            [0, 1],
            [1, 1],
            f"arc 1 leads from node 1 to node 1, which is not later: {TO_NEXT}",
        ),
        (
            [0, 0, 1],
            [1, 2, 3],
            "no arc starts at node 2 of stage 1, but some lie further on: give "
            "it one (of probability 1) to each later stage",
        ),
        (
            [0, 0, 2, 3],
            [1, 2, 3, 4],
            "no arc starts at node 1 of stage 1, but some lie further on: give "
            "it one (of probability 1) to each later stage",
        ),
        ([0], [2], f"no arc leads to node 1: {NO_GAP}"),
        ([0, 1, 1], [1, 2, 4], f"no arc leads to node 3: {NO_GAP}"),
        ([0, 7], [1, 2], f"arc 1 starts at node 7, to which no arc leads: {NO_GAP}"),
        ([0, -1], [1, 2], f"source[1] = -1: {FROM_0}"),
        ([0, 1], [1, 0], f"target[1] = 0: {FROM_0}"),
        ([0, 1], [1, -3], f"target[1] = -3: {FROM_0}"),
    ],
)
def test_what_is_no_lattice_is_refused_with_the_arc_at_fault(source, target, text):
    chances = np.ones(len(source))
    error = refusal(lambda: dp.ScenarioLattice(source, target, chances))
    assert error == f"ValueError: {text}"


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (
            [0.5, 0.4, 1.0],
            "probability: the arcs of node 0 sum to 0.9: divide them by their "
            "sum (they are conditional on the source)",
        ),
        (
            [0.5, 0.5, 0.9],
            "probability: the arcs of node 1 sum to 0.9: divide them by their "
            "sum (they are conditional on the source)",
        ),
        (
            [1.0, 0.0, 1.0],
            "probability[1] = 0.0 is outside (0, 1]: give conditional "
            "probabilities and leave out arcs of probability 0",
        ),
        (
            [1.5, -0.5, 1.0],
            "probability[0] = 1.5 is outside (0, 1]: give conditional "
            "probabilities and leave out arcs of probability 0",
        ),
        (
            [0.5, math.nan, 1.0],
            "probability holds nan at position 1: remove or replace it",
        ),
        ([0.5, 0.5], "probability has shape (2,): give an array with shape (3,)"),
    ],
)
def test_chances_that_are_none_are_refused(probability, text):
    error = refusal(lambda: dp.ScenarioLattice([0, 0, 1], [1, 1, 2], probability))
    assert error == f"ValueError: {text}"


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        ([], [], "ValueError: source is empty: give at least one number"),
        (
            [0, 0],
            [1],
            "ValueError: target has shape (1,): give an array with shape (2,)",
        ),
        (
            [0.5],
            [1],
            "TypeError: source holds values that are no integers: give node numbers",
        ),
        (
            [0],
            [1e300],
            "TypeError: target holds values that are no integers: give node numbers",
        ),
        (
            [0],
            [math.inf],
            "TypeError: target holds values that are no integers: give node numbers",
        ),
        (
            ["a"],
            [1],
            "TypeError: source is not an array of numbers: give real numbers "
            "in a regular array",
        ),
    ],
)
def test_what_are_no_nodes_is_refused(source, target, text):
    chances = np.ones(len(source))
    assert refusal(lambda: dp.ScenarioLattice(source, target, chances)) == text


@pytest.mark.parametrize("size", [10**6, 10**12])
@pytest.mark.parametrize("end", ["source", "target"])
def test_a_huge_number_of_a_node_costs_no_memory(end, size):
    arcs = {"source": [0, 1], "target": [1, 2]}
    arcs[end][1] = size
    tracemalloc.start()
    error = refusal(lambda: dp.ScenarioLattice(**arcs, probability=[1, 1]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.endswith(NO_GAP)
    assert peak < 1e6


# nested risk ----------------------------------------------------------------------


@settings(max_examples=100)
@given(lattices(), st.data())
def test_nested_risk_is_the_recursion_over_arcs(drawn, data):
    """Every node its own agent, in fractions; also a maximum of two at some nodes."""
    lattice = drawn.lattice
    losses = draw_losses(data, lattice.n_arcs)
    agents = {
        v: data.draw(st.lists(piecewise_linear, min_size=1, max_size=2))
        for v in drawn.inner
    }
    measure = {
        v: own[0].measure if len(own) == 1 else dp.Supremum([a.measure for a in own])
        for v, own in agents.items()
    }
    answer = {v: Fraction(0) for v in lattice.leaves.tolist()}
    for v in reversed(drawn.inner):
        law = [
            (Fraction(losses[a]) + answer[w], p)
            for a, (u, w, p) in enumerate(drawn.arcs)
            if u == v
        ]
        answer[v] = max(oracles.risk(law, agent.exact) for agent in agents[v])
    exact = [float(answer[v]) for v in range(lattice.n_nodes)]
    tol = 1e-12 * max(1e-290, np.abs(losses).max()) * lattice.horizon
    ours = dp.risk_to_go(lattice, losses, measure)
    assert ours == pytest.approx(exact, rel=1e-12, abs=tol)


@given(lattices(), measures, st.data())
def test_nested_risk_is_that_of_the_tree(drawn, measure, data):
    losses = draw_losses(data, drawn.lattice.n_arcs)
    tree, node, arc = drawn.lattice.to_tree()
    ours = dp.risk_to_go(drawn.lattice, losses, measure)
    theirs = dp.risk_to_go(tree, losses[arc], measure)
    assert ours[node] == pytest.approx(theirs, rel=1e-12, abs=1e-11)


@given(lattices(), measures, st.data())
def test_losses_on_arrival_are_losses_of_arcs(drawn, measure, data):
    lattice = drawn.lattice
    losses = draw_losses(data, lattice.n_nodes)
    assume(lattice.n_nodes != lattice.n_arcs)
    arrival = dp.risk_to_go(lattice, losses, measure)
    on_arcs = dp.risk_to_go(lattice, losses[lattice.target], measure)
    assert arrival == pytest.approx(on_arcs, rel=1e-12, abs=1e-12)
    losses[0] = math.nan  # the root's entry is ignored, whatever it is
    assert (dp.risk_to_go(lattice, losses, measure) == arrival).all()


def test_a_lattice_of_as_many_arcs_as_nodes_takes_losses_of_arcs():
    lattice = dp.ScenarioLattice([0, 0, 1, 2], [1, 2, 3, 3], [0.5, 0.5, 1, 1])
    assert lattice.n_nodes == lattice.n_arcs == 4
    assert dp.risk_to_go(lattice, [8, 4, 1, 3], mean).tolist() == [8, 1, 3, 0]


@given(recombining("smooth"), st.randoms(use_true_random=False))
def test_the_order_of_the_arcs_does_not_matter(exchange, random):
    economy, lattice = exchange.economy, exchange.economy.scenarios
    order = np.array(random.sample(range(lattice.n_arcs), lattice.n_arcs))
    arrays = lattice.source, lattice.target, lattice.probability
    other = dp.ScenarioLattice(*(array[order] for array in arrays))
    paid = lattice.entries(economy.endowments)[:, order]
    twin = dp.Economy(other, paid, economy.agents)
    solution, again = dp.solve(economy), dp.solve(twin)
    assert again.risk_to_go == near(solution.risk_to_go, economy)
    assert again.allocation == near(solution.allocation[:, order], economy)


def test_a_thousand_stages():
    """Two regimes, losses on arrival, and a plain loop over the stages."""
    horizon, rng = 1000, np.random.default_rng(0)
    stay = rng.dirichlet([2.0, 1.0], size=(horizon - 1, 2))
    lattice = dp.ScenarioLattice.from_chain([[[0.5, 0.5]], *stay])
    losses = rng.gamma(2.0, size=(2, lattice.n_nodes))
    economy = dp.Economy(lattice, losses, [mean, ES(0.5)])
    value = np.zeros(2)  # the mean carries everything
    for t in range(horizon, 0, -1):
        z = losses[:, lattice.nodes(t)].sum(axis=0) + value
        value = z @ stay[t - 2].T if t > 1 else np.array([z.mean()])
    solution = dp.solve(economy)
    assert solution.total_risk_to_go[0] == pytest.approx(value[0], rel=1e-12)
    assert dp.check_allocation(economy, solution.allocation).pareto_optimal
    path = np.tile(losses[:, 1], (horizon, 1))
    paid = solution.follow(path, nodes=range(1, 2 * horizon, 2)).payments
    assert paid.sum(axis=0) == pytest.approx(path.sum(axis=1), rel=1e-9)


# economies ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(data=st.data())
def test_an_optimum_is_that_of_the_tree(kind, data):
    exchange = data.draw(recombining(kind, ties=kind != "suprema"))
    economy, (whole, node, arc) = exchange.economy, exchange.unrolled()
    rel = 1e-9 if kind == "suprema" else 1e-12
    split = data.draw(st.sampled_from([None, "load"]))
    solution = dp.solve(economy, surplus_split=split)
    other = dp.solve(whole.economy, surplus_split=split)
    for name in ("total_risk_to_go", "surplus", "risk_without_trade", "risk_to_go"):
        if name == "risk_to_go" and split == "load":
            continue  # a load of 0 is told from one of rounding on either side
        ours, theirs = getattr(solution, name), getattr(other, name)
        assert ours[..., node] == near(theirs, economy, rel), name
    inner = tuple(inner_nodes(whole.economy.tree))
    if split is None:
        ours = solution.risk_interval[:, node[list(inner)]]
        assert ours == near(other.risk_interval[:, list(inner)], economy, rel)
    for one, own in ((solution, economy), (other, whole.economy)):
        report = dp.check_allocation(own, one.allocation)
        assert report.pareto_optimal
        assert report.comonotone
    if kind == "suprema" or split == "load":  # shares of ties are any
        return
    assert solution.allocation[:, arc[1:]] == near(other.allocation[:, 1:], economy)
    premium = other.premium[:, list(inner)]
    assert solution.premium[:, node[list(inner)]] == near(premium, economy)
    for v in inner:
        ours, theirs = solution.bills(node[v]), other.bills(v)
        assert (ours.target == node[theirs.target]).all()
        for part in ("own", "layer", "price", "sure", "transfer", "reserve"):
            expected = near(getattr(theirs, part), economy, 1e-11)
            assert getattr(ours, part) == expected, part


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(data=st.data())
def test_no_allocation_costs_less(kind, data):
    """One programme over all allocations, which may remember the path."""
    exchange = data.draw(recombining(kind, agents=(1, 3), ties=kind != "suprema"))
    economy, (whole, _, _) = exchange.economy, exchange.unrolled()
    least = whole.least_totals()
    ours = dp.solve(economy).total_risk_to_go
    assert ours[0] == pytest.approx(least[0], abs=1e-7 * economy.scale)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(data=st.data())
def test_no_allocation_costs_less_at_any_node(kind, data):
    """A programme a node, over all that its ways on may carry."""
    exchange = data.draw(recombining(kind, agents=(1, 3), ties=kind != "suprema"))
    economy, lattice = exchange.economy, exchange.economy.scenarios
    total = dp.solve(economy).total_risk_to_go
    z = lattice.entries(economy.aggregate) + total[lattice.target]
    for v in inner_nodes(lattice):
        least = least_at(exchange, v, z)
        assert total[v] == pytest.approx(least, abs=1e-7 * economy.scale)


def least_at(exchange, v, z):
    arcs = ways_of(exchange.economy.scenarios, v)
    star = [-1] + [0] * len(arcs)
    p = [1, *exchange.economy.scenarios.probability[arcs]]
    prefs = [[own[v]] for own in exchange.prefs]
    return oracles.least_totals_by_lp(star, p, [0, *z[arcs]], prefs)[0]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(data=st.data())
def test_no_trade_is_judged_as_by_a_linear_programme(kind, data):
    exchange = data.draw(recombining(kind, agents=(2, 3), ties=kind != "suprema"))
    economy, lattice = exchange.economy, exchange.economy.scenarios
    tol = 1e-7 * economy.scale
    totals = economy.risk_without_trade().sum(axis=0)
    z = lattice.entries(economy.aggregate) + totals[lattice.target]
    savings = [totals[v] - least_at(exchange, v, z) for v in inner_nodes(lattice)]
    report = dp.check_allocation(economy, economy.endowments)
    assert report.gap == pytest.approx(max(*savings, 0), abs=tol)
    assume(max(savings) < tol / 1000 or max(savings) > 10 * tol)
    assert report.pareto_optimal == (max(savings) < tol)
    if not report.pareto_optimal:
        check_trade(economy, economy.endowments, report)


def check_trade(economy, allocation, report):
    """Make the trade: everybody gains what it says at its node, nobody loses."""
    trade, lattice = report.improving_trade, economy.scenarios
    arcs = list(trade.children)
    assert arcs == ways_of(lattice, trade.node).tolist()
    assert trade.payments.sum(axis=0) == near(np.zeros(len(arcs)), economy)
    assert trade.gains.sum() == near(report.gap, economy, 1e-11)
    assert (trade.gains > 0).all()
    better = lattice.entries(economy.allocation("allocation", allocation)).copy()
    better[:, arcs] += trade.payments
    before, after = economy.risk_to_go(allocation), economy.risk_to_go(better)
    gained = before[:, trade.node] - after[:, trade.node]
    assert gained == near(trade.gains, economy, 1e-11)
    assert (after <= before + 1e-12 * economy.scale).all()


@given(recombining(agents=(2, 4)), st.integers(0, 2**32))
def test_any_allocation_is_judged_as_on_the_tree(exchange, seed):
    """Payments moved at random, some of them off the total or irrational."""
    economy, (whole, node, arc) = exchange.economy, exchange.unrolled()
    rng = np.random.default_rng(seed)
    paid = dp.solve(economy).allocation.copy()
    move = rng.normal(size=paid.shape) * (rng.random(paid.shape[1]) < 0.4)
    paid += move - move.mean(axis=0) * (rng.random() < 0.8)
    ours = dp.check_allocation(economy, paid)
    theirs = dp.check_allocation(whole.economy, paid[:, arc])
    assert ours.risk_to_go[:, node] == near(theirs.risk_to_go, economy)
    assert ours.gap == pytest.approx(theirs.gap, abs=1e-10, nan_ok=True)
    verdicts = (
        "sums_to_aggregate individually_rational pareto_optimal comonotone "
        "myopic_individually_rational myopic_pareto_optimal irrational_agents"
    )
    for name in verdicts.split():
        assert getattr(ours, name) == getattr(theirs, name), name
    if ours.worst_node is not None:
        check_trade(economy, paid, ours)


@given(recombining(agents=(2, 3)), st.data())
def test_swaps_are_those_of_the_tree(exchange, data):
    economy, (whole, _, arc) = exchange.economy, exchange.unrolled()
    assume(economy.scenarios.horizon > 1)
    stage = data.draw(st.integers(1, economy.scenarios.horizon - 1))
    paid = data.draw(
        st.sampled_from([dp.solve(economy).allocation, economy.endowments])
    )
    on_tree = economy.scenarios.entries(paid)[:, arc]
    ours = dp.swap_interval(economy, paid, stage)
    assert ours == near(dp.swap_interval(whole.economy, on_tree, stage), economy)


# other readings -------------------------------------------------------------------


def small_economy():
    lattice = dp.ScenarioLattice(*TWO_REGIMES)
    return dp.Economy(lattice, np.arange(12.0).reshape(2, 6), [mean, ES(0.5)])


ON_A_TREE = (
    "ValueError: economy lives on a lattice, and this needs a tree: use "
    "economy.to_tree() if the lattice is small"
)


@pytest.mark.parametrize(
    "call",
    [
        lambda e: dp.solve(e, law="marginal"),
        lambda e: dp.solve(e, retention="deterministic"),
        lambda e: dp.solve(e, retention="deterministic", premia="node"),
        lambda e: e.tree,
        dp.myopic_optimum,
    ],
)
def test_other_readings_need_a_tree(call):
    assert refusal(lambda: call(small_economy())) == ON_A_TREE
    assert call(small_economy().to_tree()) is not None


def test_no_certificate_for_marginal_laws():
    economy = small_economy()
    call = refusal(
        lambda: dp.check_allocation(economy, economy.endowments, law="marginal")
    )
    assert call == ON_A_TREE
    assert refusal(lambda: economy.risk_to_go(economy.endowments, "marginal")) == (
        ON_A_TREE
    )


def test_endowments_of_another_shape_are_refused():
    lattice = dp.ScenarioLattice(*TWO_REGIMES)
    for shape in ((2, 7), (3, 6), (6,)):
        text = refusal(lambda s=shape: dp.Economy(lattice, np.ones(s), [mean] * 2))
        assert text == (
            f"ValueError: endowments has shape {shape}: give an array with shape (2, 6)"
        )
    bad = np.ones((2, 5))
    bad[1, 2] = math.nan
    assert refusal(lambda: dp.Economy(lattice, bad, [mean] * 2)) == (
        "ValueError: endowments holds nan at position (1, 2): remove or replace it"
    )


def test_measures_of_nodes_that_are_missing_or_too_many():
    lattice = dp.ScenarioLattice(*TWO_REGIMES)
    text = refusal(lambda: dp.risk_to_go(lattice, np.ones(6), {0: mean, 1: mean}))
    assert text == (
        "ValueError: measure has no entry for node 2: give one for each of the 3 "
        "non-terminal nodes"
    )
    text = refusal(lambda: dp.risk_to_go(lattice, np.ones(6), [mean] * 6))
    assert text == (
        "ValueError: measure has an entry for node 5: the lattice has 5 nodes, "
        "numbered from 0"
    )
