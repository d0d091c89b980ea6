"""Layers fixed for all states of a time, premia by node: rational wherever possible."""

import itertools

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Exchange, exchanges, inner_nodes, near, refusal

import dynpo_lite as dp

ES = dp.ExpectedShortfall
TREE = dp.ScenarioTree([-1, 0, 0, 1, 1, 2, 2], [1] + [0.5] * 6)
# found by a search over 200 seeds
CHEAPEST = (0, 5)  # the cheapest layers leave room at all nodes; no constants for 5
DEARER = (11, 22)  # others have to be taken; no constants for 11
NONE = (179,)  # no layers are good at both nodes


def small(seed):
    """Two agents with few losses and levels, who differ from node to node."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 5, (2, 7)).astype(float)
    levels = rng.choice([0, 0.25, 0.5], (2, 3))
    agents = [{v: ES(float(a)) for v, a in enumerate(row)} for row in levels]
    prefs = [{v: [[(1, a)]] for v, a in enumerate(row)} for row in levels]
    return Exchange(dp.Economy(TREE, x, agents), prefs)


def by_node(economy, **options):
    return dp.solve(economy, "deterministic", premia="node", **options)


def programme(exchange, t, later):
    """The least mean total risk just before time ``t`` of functions of its total.

    They rise with the total, and at no node cost more in all than no trade does. Return
    None without one, and by how much the dearest node has to cost more, at least.
    """
    economy, tree = exchange.economy, exchange.economy.tree
    children, parents = tree.nodes(t), tree.nodes(t - 1)
    z = economy.aggregate[children] + later[children]
    levels, rank = np.unique(z, return_inverse=True)
    most = economy.risk_without_trade()[:, parents].sum(axis=0)

    def solve(excess):
        lp = oracles.Programme()
        kept, (more,) = lp.new(economy.n_agents, len(levels)), lp.new(1, low=0)
        for column, level in zip(kept.T, levels):
            lp.add([(1.0, k) for k in column], "=", level)
        for low, high in itertools.pairwise(kept.T):
            for below, above in zip(low, high):
                lp.add([(1.0, below), (-1.0, above)], "<=", 0)
        for v, limit in zip(parents, most):
            below = np.flatnonzero(tree.parent[children] == v)
            p = tree.probability[children[below]]
            costs = [
                lp.risk(row[rank[below]], p, own[v])
                for row, own in zip(kept, exchange.prefs)
            ]
            lp.add([*((1.0, c) for c in costs), (-1.0 * excess, more)], "<=", limit)
            if not excess:
                lp.cost.update(dict.fromkeys(costs, tree.unconditional[v]))
        if excess:
            lp.cost[more] = 1.0
        x = lp.solve()
        return None if x is None else sum(c * x[v] for v, c in lp.cost.items())

    return solve(False), solve(True)


def check(exchange, split=None):
    """Look at all that a solution promises; return it, or the error."""
    economy, tree = exchange.economy, exchange.economy.tree
    tol = 1e-7 * economy.scale
    try:
        solution = by_node(economy, surplus_split=split)
    except dp.Infeasible as error:
        return error
    report = dp.check_allocation(economy, solution.allocation)
    assert report.sums_to_aggregate
    assert report.individually_rational
    assert solution.risk_to_go == near(report.risk_to_go, economy)
    total = solution.total_risk_to_go
    for t in range(1, tree.horizon + 1):
        least, _ = programme(exchange, t, total)
        nodes = tree.nodes(t - 1)
        ours = tree.unconditional[nodes] @ total[nodes]
        assert ours == pytest.approx(least, abs=tol)
        sums = solution.constants[t].sum(axis=0)
        lowest = (economy.aggregate + total)[tree.nodes(t)].min()
        assert sums == near(np.full(len(nodes), lowest), economy)
        assert solution.premium[:, nodes] == near(solution.constants[t], economy)
    inner = list(inner_nodes(tree))
    saved = (solution.risk_without_trade - solution.risk_to_go)[:, inner]
    part = np.full(economy.n_agents, 1 / economy.n_agents) if split is None else split
    assert saved == near(np.outer(part, solution.surplus[inner]), economy)
    return solution


@pytest.mark.parametrize("seed", [*CHEAPEST, *DEARER, *NONE])
def test_small_economies_that_reach_every_way(seed):
    exchange = small(seed)
    found = check(exchange)
    assert isinstance(found, dp.Infeasible) == (seed in NONE)
    if seed in (0, 22):  # constants would do
        assert dp.solve(exchange.economy, "deterministic").constants[2].shape == (2,)
    else:
        with pytest.raises(dp.Infeasible, match="retention exists"):
            dp.solve(exchange.economy, "deterministic")
    if seed in NONE:
        least, more = programme(exchange, 2, np.zeros(7))
        assert least is None
        assert found.proved
        assert found.shortfall == pytest.approx(more / 2, abs=1e-9)
        assert found.node in (1, 2)
        assert found.agents == (0, 1)
        assert f"miss each other by {found.shortfall:.6g}" in str(found)
        return
    layers = dp.solve(exchange.economy, "deterministic", individually_rational=False)
    assert (found.layers[2] == layers.layers[2]) == (seed in CHEAPEST)


def test_constants_that_fail_where_premia_by_node_do_not():
    """Two agents who take turns: at node 1 one of them loses 9, at node 2 the other.

    A constant would have to please both at both nodes.
    """
    x = [[0, 0, 0, 9, 9, 0, 0], [0, 0, 0, 0, 0, 9, 9]]
    economy = dp.Economy(TREE, x, [dp.Expectation(), ES(0.5)])
    with pytest.raises(dp.Infeasible) as caught:
        dp.solve(economy, "deterministic")
    assert caught.value.proved
    assert caught.value.shortfall == pytest.approx(4.5)
    solution = by_node(economy)
    assert solution.constants[2].tolist() == [[9, 0], [0, 9]]
    assert solution.allocation[:, 3:].tolist() == [[9, 9, 0, 0], [0, 0, 9, 9]]
    # at the root agent 0 takes the layer
    assert dp.check_allocation(economy, solution.allocation).pareto_optimal


@pytest.mark.parametrize("kind", ["linear", "smooth"])
@settings(max_examples=25)
@given(data=st.data())
def test_any_economy(kind, data):
    exchange = data.draw(exchanges(kind, horizon=(1, 3), agents=(1, 3)))
    n = exchange.economy.n_agents
    split = data.draw(st.none() | st.just(np.eye(n)[-1]))
    check(exchange, split)


@pytest.mark.parametrize("factor", [1e-9, 1e6])
@pytest.mark.parametrize("seed", DEARER)
def test_the_unit_of_the_losses_does_not_matter(seed, factor):
    own = small(seed).economy
    ours = by_node(own).risk_to_go
    other = dp.Economy(TREE, own.endowments * factor, own.agents)
    theirs = by_node(other).risk_to_go / factor
    assert theirs == pytest.approx(ours, abs=1e-7)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"retention": "state-dependent"},
        {"law": "marginal"},
        {"retention": "deterministic", "individually_rational": False},
    ],
)
def test_premia_by_node_belong_to_one_reading(options):
    call = refusal(lambda: dp.solve(small(0).economy, premia="node", **options))
    assert call == (
        "ValueError: premia = 'node' goes with retention='deterministic', the "
        "conditional law and individual rationality: leave it out"
    )


def test_other_premia_are_refused():
    economy = small(0).economy
    text = "ValueError: premia = 'state' is unknown: choose 'stage' or 'node'"
    assert refusal(lambda: dp.solve(economy, premia="state")) == text
    fearful = dp.Economy(TREE, np.ones((1, 7)), [dp.Supremum([ES(0.5), ES(0.2)])])
    assert refusal(lambda: by_node(fearful)) == (
        "ValueError: premia = 'node' needs one distortion an agent: with a Supremum "
        "use state-dependent retention"
    )
