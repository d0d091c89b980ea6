"""Dynamic optima node by node: exact cases, a linear programme, invariants."""

import itertools
from fractions import Fraction

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import (
    as_preference,
    case_economy,
    check_layers,
    children_of,
    exchanges,
    inner_nodes,
    near,
)

import dynpo_lite as dp
from dynpo_lite.economy.suprema import saddle_shares

ES = dp.ExpectedShortfall
CASES = {case.id: case for case in oracles.exact_cases()}
coin = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
two_coins = dp.ScenarioTree([-1, 0, 0, 1, 1, 2, 2], [1] + [0.5] * 6)
mild_or_grim = dp.Supremum(
    [ES(0.5), dp.Mixture([dp.Expectation(), dp.WorstCase()], [0.5, 0.5])]
)


# the exact cases ------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_exact_totals(name):
    case, economy = CASES[name], case_economy(CASES[name]).economy
    solution = dp.solve(economy)
    rel = 1e-12 if case.is_linear else 1e-9
    answer = {case.number[v]: float(Fraction(x)) for v, x in case.answer["V"].items()}
    assert sorted(answer) == case.inner
    total = solution.total_risk_to_go
    assert total[case.inner] == pytest.approx([answer[v] for v in case.inner], rel=rel)
    assert (total[economy.tree.leaves] == 0).all()
    for t, mean in case.answer["E_V_by_time"].items():
        nodes = economy.tree.nodes(int(t))
        ours = economy.tree.unconditional[nodes] @ total[nodes]
        assert ours == pytest.approx(float(Fraction(mean)), rel=rel)


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.endowments])
def test_exact_surplus_and_intervals(name):
    case, economy = CASES[name], case_economy(CASES[name]).economy
    solution = dp.solve(economy)
    for v, surplus in case.answer["surplus"].items():
        node, answer = case.number[v], float(Fraction(surplus))
        assert solution.surplus[node] == pytest.approx(answer, rel=1e-12, abs=1e-12)
    for i, agent in enumerate(case.agents):
        for v, interval in case.answer["risk_interval"][agent].items():
            node, answer = case.number[v], [float(Fraction(x)) for x in interval]
            ours = solution.risk_interval[i, node].tolist()
            assert ours == pytest.approx(answer, rel=1e-12, abs=1e-12)
            alone = float(Fraction(case.answer["IR_level"][agent][v]))
            ours = economy.risk_without_trade()[i, node]
            assert ours == pytest.approx(alone, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_exact_layers(name):
    case = CASES[name]
    solution = dp.solve(case_economy(case).economy)
    assert list(solution.layers) == case.inner
    assert len(solution.layers) == len(case.inner)
    for v, exact in case.answer["layers"].items():
        layers = solution.layers[case.number[v]]
        check_layers(layers, exact, case.agents, equal=case.is_linear)


@pytest.mark.parametrize("name", CASES)
def test_exact_allocations_are_certified(name):
    economy = case_economy(CASES[name]).economy
    for rational in (True, False):
        solution = dp.solve(economy, individually_rational=rational)
        report = dp.check_allocation(economy, solution.allocation)
        assert report.sums_to_aggregate
        assert report.comonotone
        assert report.gap <= 1e-12 * economy.scale
        assert report.pareto_optimal == report.individually_rational
        assert report.pareto_optimal or not rational


def test_the_worst_mixture_lies_inside():
    """C08: weights 8/13 and 5/13; every other distortion of agent 1 gives less."""
    case = CASES["C08_static_coherent_sup"]
    exchange = case_economy(case)
    value = dp.solve(exchange.economy).total_risk_to_go[0]
    first, second = exchange.prefs[0][0], as_preference(exchange.prefs[1][0])
    parts = [as_preference([part]) for part in first]
    x, p = exchange.economy.aggregate[1:], exchange.economy.tree.probability[1:]

    def with_weight(w):
        return dp.share_layers(x, [dp.Mixture(parts, [w, 1 - w]), second], p).value

    assert with_weight(8 / 13) == pytest.approx(value, rel=1e-12)
    assert all(with_weight(w) < value - 1e-3 for w in (0, 0.5, 0.7, 1))
    for w, key in ((1, "0"), (0, "1")):
        alone = case.answer[f"value_if_agent1_used_only_mixture_{key}"]
        assert with_weight(w) == pytest.approx(float(Fraction(alone)), rel=1e-12)
    weights = dp.solve(exchange.economy).saddle_weights
    assert list(weights) == [0]
    assert weights[0][0] == pytest.approx([8 / 13, 5 / 13], rel=1e-9)
    assert weights[0][1].tolist() == [1]


def test_without_a_supremum_there_is_no_worst_mixture():
    assert (
        dp.solve(case_economy(CASES["C05_T2_discrete_62"]).economy).saddle_weights == {}
    )


@given(exchanges("suprema", agents=(2, 3)))
def test_the_worst_mixtures_bound_the_value_from_below(exchange):
    """The mixtures alone, as distortions, are worth as much: no sharing costs less."""
    economy = exchange.economy
    tree, solution = economy.tree, dp.solve(economy)
    for v, weights in solution.saddle_weights.items():
        children = np.flatnonzero(tree.parent == v)
        z = (economy.aggregate + solution.total_risk_to_go)[children]
        worst = []
        for agent, w in zip(exchange.economy.agents, weights, strict=True):
            own = agent[v] if hasattr(agent, "keys") else agent
            own = own.distortions if isinstance(own, dp.Supremum) else [own]
            worst.append(dp.Mixture(own, w / w.sum()))
        shared = dp.share_layers(z, worst, tree.probability[children])
        assert shared.value == near(solution.total_risk_to_go[v], economy, 1e-9)


def test_layers_too_thin_to_be_priced_go_to_the_cheapest():
    tails = [np.array([[0.5, 0.2], [0.4, 0.3]]), np.array([[0.6, 0.9]])]
    mixed, shares, _ = saddle_shares(tails, np.array([1.0, 1e-17]))
    assert mixed[0, 1] < mixed[1, 1]
    assert shares.tolist() == [[1, 1], [0, 0]]


def test_the_shares_of_a_supremum_attain_the_value():
    case = CASES["C08_static_coherent_sup"]
    economy = case_economy(case).economy
    solution = dp.solve(economy, individually_rational=False)
    costs = economy.risk_to_go(solution.allocation)[:, 0]
    assert costs.sum() == pytest.approx(1219 / 130, rel=1e-12)
    top = solution.layers[0][-1]
    assert (top.attachment, top.exhaustion) == (8, 20)
    assert top.shares == pytest.approx((1 / 52, 51 / 52), rel=1e-9)


def test_the_sure_part_may_lie_above_the_sum_of_the_minima():
    """C12: ess inf of S1 + V1 is 11, but 0 + 1 one by one."""
    case = CASES["C12_T2_essinf_gap"]
    economy = case_economy(case).economy
    solution, exact = dp.solve(economy), case.answer["essinf"]
    time1 = economy.tree.nodes(1)
    total = economy.aggregate[time1] + solution.total_risk_to_go[time1]
    assert total.min() == float(Fraction(exact["essinf_S1_plus_R1"]))
    apart = [economy.aggregate[time1].min(), solution.total_risk_to_go[time1].min()]
    assert apart == [float(Fraction(exact[key])) for key in ("s1", "r1")]
    assert solution.layers[0][0].attachment == total.min()
    deterministic = dp.solve(economy, "deterministic", individually_rational=False)
    assert deterministic.constants[1].sum() == deterministic.layers[1][0].attachment


def test_premia_known_at_time_1_make_trade_rational():
    """C06: agent 1 takes all of S2 and is paid at least what it costs."""
    case = CASES["C06_T2_IR_infeasible_constants"]
    solution = dp.solve(case_economy(case).economy)
    a, b = case.number["A"], case.number["B"]
    received = case.answer["F1_measurable_premium_received_by_agent_1"]
    low, high = (float(Fraction(x)) for x in received["B"])
    ours = solution.premium_interval[0, b]
    assert solution.layers[b][0].shares == (1, 0)
    assert ours == pytest.approx([-high, -low], abs=1e-12)
    # at A the agents tie and share: agent 1 receives half of 1/4 for half of the layer
    assert solution.layers[a][0].shares == (0.5, 0.5)
    assert solution.premium_interval[0, a] == pytest.approx([-1 / 8] * 2, abs=1e-12)


# a linear programme over all allocations ------------------------------------------


@settings(max_examples=80)
@given(exchanges(horizon=(1, 4), agents=(2, 5)))
def test_totals_of_mixtures_of_shortfalls(exchange):
    compare_with_programme(exchange)


@settings(max_examples=60)
@given(exchanges("suprema", horizon=(1, 4), agents=(2, 5), ties=False))
def test_totals_of_suprema(exchange):
    compare_with_programme(exchange)


@settings(max_examples=60)
@given(exchanges("smooth", horizon=(1, 4), agents=(2, 5)))
def test_totals_of_smooth_distortions(exchange):
    """Equal siblings see a distortion at j / b only, so the polygon there is exact."""
    compare_with_programme(exchange)


def compare_with_programme(exchange):
    economy = exchange.economy
    total = dp.solve(economy).total_risk_to_go
    close = pytest.approx(total, rel=1e-7, abs=1e-7 * economy.scale)
    assert exchange.least_totals() == close
    z = economy.aggregate + total
    one_by_one = np.zeros_like(total)
    for v in inner_nodes(economy.tree):
        below = z[children_of(economy.tree, v)]
        one_by_one[v] = exchange.least_total_at(v, below)
    assert one_by_one == close


def test_a_wide_tree_of_four_periods():
    parent = [-1] + [v for v in range(40) for _ in range(3)]
    rng = np.random.default_rng(8)
    p = rng.dirichlet(np.ones(3), 40).ravel()
    prefs = [[(0.5, 0.0), (0.5, 0.9)], [(1, 0.6)], [(0.8, 0.0), (0.2, 1.0)]]
    agents = [as_preference([pairs]) for pairs in prefs]
    tree = dp.ScenarioTree(parent, [1, *p])
    economy = dp.Economy(tree, rng.normal(size=(3, 121)), agents)
    everywhere = [[[pairs]] * 40 for pairs in prefs]
    answer = oracles.least_totals_by_lp(parent, [1, *p], economy.aggregate, everywhere)
    ours = dp.solve(economy).total_risk_to_go
    assert ours == pytest.approx(answer, rel=1e-7, abs=1e-7)


# what a solution promises ---------------------------------------------------------


def check_promises(economy, rel):
    solution = dp.solve(economy)
    tree, tol = economy.tree, rel * economy.scale * economy.n_agents
    inner, alone = inner_nodes(tree), economy.risk_without_trade()
    paid, risk = solution.allocation, solution.risk_to_go
    assert paid.sum(axis=0) == near(economy.aggregate, economy, rel)
    assert (paid[:, 0] == 0).all()
    assert economy.risk_to_go(paid) == near(risk, economy, rel)
    assert risk.sum(axis=0) == near(solution.total_risk_to_go, economy, rel)
    assert (risk <= alone).all()
    assert (solution.surplus >= 0).all()
    equal = alone - solution.surplus / economy.n_agents
    assert risk == near(equal, economy, rel)
    low, high = np.moveaxis(solution.risk_interval, -1, 0)
    assert np.isnan(low[:, tree.leaves]).all()
    assert np.isnan(solution.premium_interval[:, tree.leaves]).all()
    assert high[:, inner] == near(alone[:, inner], economy, rel)
    assert (high - low)[:, inner] == near(
        np.broadcast_to(solution.surplus[inner], risk[:, inner].shape), economy, rel
    )
    report = dp.check_allocation(economy, paid)
    assert report.individually_rational
    assert report.pareto_optimal
    assert report.myopic_individually_rational
    assert report.myopic_pareto_optimal
    assert report.comonotone
    assert report.gap <= tol
    return solution


@given(exchanges(agents=(1, 5)))
def test_promises_with_distortions(exchange):
    check_promises(exchange.economy, 1e-12)


@given(exchanges("smooth"))
def test_promises_with_smooth_distortions(exchange):
    check_promises(exchange.economy, 1e-12)


@given(exchanges("suprema", ties=False))
def test_promises_with_suprema(exchange):
    check_promises(exchange.economy, 1e-9)


@given(exchanges(), st.data())
def test_every_split_of_the_surplus_is_rational(exchange, data):
    economy = exchange.economy
    parts = data.draw(
        st.lists(
            st.integers(0, 5), min_size=economy.n_agents, max_size=economy.n_agents
        ).filter(any)
    )
    split = np.array(parts) / sum(parts)
    solution = dp.solve(economy, surplus_split=split)
    risk = economy.risk_without_trade() - split[:, None] * solution.surplus
    assert solution.risk_to_go == near(risk, economy)
    report = dp.check_allocation(economy, solution.allocation)
    assert report.pareto_optimal
    assert report.risk_to_go == near(risk, economy)


@given(exchanges(agents=(2, 4)), st.data())
def test_the_ends_of_the_premium_interval_attain_the_risks(exchange, data):
    """Give the whole surplus to one agent at one node, nothing to it at the others."""
    economy = exchange.economy
    solution = dp.solve(economy)
    v = data.draw(st.sampled_from(inner_nodes(economy.tree)))
    i = data.draw(st.integers(0, economy.n_agents - 1))
    children = children_of(economy.tree, v)
    for end in (0, 1):
        paid = solution.allocation.copy()
        more = solution.premium_interval[i, v, end] - solution.premium[i, v]
        paid[:, children] -= more / (economy.n_agents - 1)
        paid[i, children] += more * economy.n_agents / (economy.n_agents - 1)
        risk = economy.risk_to_go(paid)[i, v]
        assert risk == near(solution.risk_interval[i, v, end], economy)


@given(exchanges())
def test_layers_and_premia_make_the_allocation(exchange):
    """What an agent carries is its layers of the total above the minimum + premium."""
    economy = exchange.economy
    solution = dp.solve(economy)
    z = economy.aggregate + solution.total_risk_to_go
    carried = solution.allocation + solution.risk_to_go
    for v in inner_nodes(economy.tree):
        layers, children = solution.layers[v], children_of(economy.tree, v)
        for below, above in itertools.pairwise(layers):
            assert below.exhaustion == above.attachment
            assert below.shares != above.shares
        for w in children:
            kept = solution.premium[:, v].copy()
            for la in layers:
                within = np.clip(z[w], la.attachment, la.exhaustion) - la.attachment
                kept += within * np.array(la.shares)
            assert carried[:, w] == near(kept, economy)
        assert solution.premium[:, v].sum() == near(z[children].min(), economy)


@given(exchanges())
def test_layers_only_ignores_who_owns_what(exchange):
    economy = exchange.economy
    n = economy.n_agents
    solution = dp.solve(economy, individually_rational=False)
    moved = np.roll(economy.endowments, 1, axis=0)
    other = dp.solve(
        dp.Economy(economy.tree, moved, economy.agents), individually_rational=False
    )
    assert solution.allocation == near(other.allocation, economy)
    assert economy.risk_to_go(solution.allocation) == near(solution.risk_to_go, economy)
    z = economy.aggregate + solution.total_risk_to_go
    for v in inner_nodes(economy.tree):
        sure = z[children_of(economy.tree, v)].min()
        assert solution.premium[:, v] == near(np.full(n, sure / n), economy)


@given(exchanges(agents=(2, 4)), st.integers(0, 2**32))
def test_no_reallocation_lowers_any_total(exchange, seed):
    """The least-total theorem: not even one that some node would reject."""
    economy = exchange.economy
    total = dp.solve(economy).total_risk_to_go
    rng = np.random.default_rng(seed)
    tol = 1e-12 * economy.scale * economy.tree.horizon * economy.n_agents
    start = dp.solve(economy).allocation
    for size in (1e-6, 0.1, 3.0):
        change = rng.normal(size=start.shape) * size * economy.scale
        paid = start + change - change.mean(axis=0)
        assert (economy.risk_to_go(paid).sum(axis=0) >= total - 10 * tol).all()


# invariants -----------------------------------------------------------------------


@given(exchanges(agents=(2, 5)), st.randoms(use_true_random=False))
def test_agents_permuted(exchange, random):
    economy = exchange.economy
    order = list(range(economy.n_agents))
    random.shuffle(order)
    agents = [economy.agents[i] for i in order]
    other = dp.solve(dp.Economy(economy.tree, economy.endowments[order], agents))
    solution = dp.solve(economy)
    for name in ("total_risk_to_go", "surplus"):
        assert getattr(other, name) == near(getattr(solution, name), economy)
    for name in ("risk_to_go", "allocation"):
        assert getattr(other, name) == near(getattr(solution, name)[order], economy)


@given(exchanges(agents=(2, 4)), st.sampled_from([0.5, 3.0, 1e12, 1e-9, 1e-100]))
def test_losses_scaled(exchange, factor):
    economy = exchange.economy
    scaled = dp.Economy(economy.tree, factor * economy.endowments, economy.agents)
    solution, other = dp.solve(economy), dp.solve(scaled)
    for name in ("total_risk_to_go", "risk_to_go", "allocation", "surplus"):
        ours = getattr(other, name) / factor
        assert ours == near(getattr(solution, name), economy)
    assert dp.check_allocation(scaled, other.allocation).pareto_optimal


@given(exchanges("suprema", ties=False), st.sampled_from([0.5, 3.0, 1e12, 1e-9]))
def test_losses_of_suprema_scaled(exchange, factor):
    economy = exchange.economy
    scaled = dp.Economy(economy.tree, factor * economy.endowments, economy.agents)
    total = dp.solve(scaled).total_risk_to_go / factor
    assert total == near(dp.solve(economy).total_risk_to_go, economy, 1e-9)


@given(exchanges(agents=(1, 4)), st.data())
def test_cash_paid_one_step_later(exchange, data):
    """An amount moved from a node to all its children moves that node's risk only."""
    economy = exchange.economy
    v = data.draw(st.sampled_from(inner_nodes(economy.tree)))
    i = data.draw(st.integers(0, economy.n_agents - 1))
    cash = data.draw(st.sampled_from([-7.5, 0.25, 40.0]))
    x = economy.endowments.copy()
    x[i, v] -= cash
    x[i, children_of(economy.tree, v)] += cash
    moved = dp.Economy(economy.tree, x, economy.agents)
    solution, other = dp.solve(economy), dp.solve(moved)
    total, risk = solution.total_risk_to_go.copy(), solution.risk_to_go.copy()
    total[v] += cash
    risk[i, v] += cash
    assert other.total_risk_to_go == near(total, moved)
    assert other.risk_to_go == near(risk, moved)
    assert other.surplus == near(solution.surplus, moved)


@given(exchanges())
def test_an_agent_worse_than_all_others_changes_nothing(exchange):
    economy, nothing = exchange.economy, np.zeros(exchange.economy.tree.n_nodes)
    x = np.vstack([economy.endowments, nothing])
    larger = dp.Economy(economy.tree, x, [*economy.agents, dp.WorstCase()])
    solution, other = dp.solve(economy), dp.solve(larger)
    assert other.total_risk_to_go == near(solution.total_risk_to_go, economy)
    assert other.surplus == near(solution.surplus, economy)


@given(exchanges(agents=(1, 1)), st.integers(1, 5))
def test_agents_all_alike(exchange, n):
    """The economy's risk is that of one agent who owns everything."""
    economy = exchange.economy
    (agent,), x = economy.agents, np.tile(economy.endowments / n, (n, 1))
    crowd = dp.Economy(economy.tree, x, [agent] * n)
    solution = dp.solve(crowd)
    alone = dp.risk_to_go(economy.tree, economy.aggregate, agent)
    assert solution.total_risk_to_go == near(alone, economy)
    for v in inner_nodes(economy.tree):
        for la in solution.layers[v]:
            assert la.shares == pytest.approx([1 / n] * n)


@given(exchanges("suprema", agents=(1, 1), ties=False), st.integers(2, 4))
def test_suprema_all_alike(exchange, n):
    """A coherent measure shared with itself is the same measure."""
    economy = exchange.economy
    (agent,), x = economy.agents, np.tile(economy.endowments / n, (n, 1))
    solution = dp.solve(dp.Economy(economy.tree, x, [agent] * n))
    alone = dp.risk_to_go(economy.tree, economy.aggregate, agent)
    assert solution.total_risk_to_go == near(alone, economy, 1e-9)


@given(exchanges(agents=(1, 3)))
def test_a_supremum_of_one_distortion_or_of_copies_is_that_distortion(exchange):
    economy = exchange.economy
    total = dp.solve(economy).total_risk_to_go
    first = economy.agents[0]
    at = first if isinstance(first, dict) else dict.fromkeys(range(100), first)
    at = {v: at[v] for v in inner_nodes(economy.tree)}
    one = {v: dp.Supremum([k]) for v, k in at.items()}
    same = dp.Economy(economy.tree, economy.endowments, [one, *economy.agents[1:]])
    assert (dp.solve(same).total_risk_to_go == total).all()


def test_worst_case_agents_share_every_layer():
    agents = [dp.WorstCase()] * 3
    economy = dp.Economy(two_coins, [[0, 1, 2, 3, 4, 5, 6], [0] * 7, [0] * 7], agents)
    solution = dp.solve(economy)
    assert solution.total_risk_to_go.tolist() == [8, 4, 6, 0, 0, 0, 0]
    assert {la.shares for v in range(3) for la in solution.layers[v]} == {(1 / 3,) * 3}


# degenerate and large -------------------------------------------------------------


CHAIN = dp.ScenarioTree([-1, 0, 1, 2], np.ones(4))


@pytest.mark.parametrize("tree", [dp.ScenarioTree([-1, 0], [1, 1]), CHAIN, coin])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e12, 1e-9])
@pytest.mark.parametrize(
    "agents",
    [
        [dp.Expectation()],
        [mild_or_grim],
        [dp.WorstCase(), mild_or_grim, ES(0.9), dp.Wang(0.5)],
        [dp.Supremum([ES(0.5), ES(0.5)])] * 2,
    ],
)
def test_degenerate_economies(tree, size, agents):
    x = size * np.arange(len(agents) * tree.n_nodes).reshape(len(agents), -1)
    economy = dp.Economy(tree, x, agents)
    solution = check_promises(economy, 1e-12)
    if tree is not coin:  # nothing to share: sums along the only path
        s = economy.aggregate
        total = np.append(np.cumsum(s[::-1])[::-1][1:], 0)
        assert solution.total_risk_to_go == pytest.approx(total, rel=1e-12)
        assert solution.layers[0] == ()


def test_equal_totals_leave_no_layer():
    economy = dp.Economy(coin, [[0, 1, 3], [0, 3, 1]], [mild_or_grim, ES(0.5)])
    solution = check_promises(economy, 1e-12)
    assert solution.layers[0] == ()
    assert solution.total_risk_to_go[0] == 4
    # 3.5 for the mean of the mean and the maximum, which is below 3
    assert economy.risk_without_trade()[:, 0].tolist() == [3, 3]
    assert solution.allocation[:, 1:].tolist() == [[2, 2], [2, 2]]


def test_fifty_agents():
    rng = np.random.default_rng(3)
    parent = [-1] + [v for v in range(31) for _ in range(5)]
    tree = dp.ScenarioTree(parent, [1] + [0.2] * 155)
    agents = [ES(i / 50) if i % 3 else dp.DualPower(1 + i / 10) for i in range(50)]
    economy = dp.Economy(tree, rng.normal(size=(50, 156)), agents)
    solution = check_promises(economy, 1e-12)
    # the mean is the mildest of all: agent 0 of power 1 carries every layer
    assert {la.shares[0] for v in range(31) for la in solution.layers[v]} == {1.0}
    assert solution.total_risk_to_go == pytest.approx(
        dp.risk_to_go(tree, economy.aggregate, dp.Expectation()), abs=1e-12
    )


def test_a_large_tree_of_unequal_families():
    """Vectorised by family size and by measure; some nodes recomputed one by one."""
    rng = np.random.default_rng(4)
    sizes = rng.integers(1, 6, 2000)
    parent = np.concatenate([[-1], np.zeros(2000), np.repeat(range(1, 2001), sizes)])
    p = rng.random(len(parent))
    total = np.bincount(parent[1:].astype(int), weights=p[1:])
    p[1:] /= total[parent[1:].astype(int)]
    p[0] = 1
    tree = dp.ScenarioTree(parent, p)
    kinds = [ES(0.8), dp.ProportionalHazard(0.5), dp.Expectation(), dp.WorstCase()]
    at = [{v: kinds[rng.integers(4)] for v in range(2001)} for _ in range(3)]
    economy = dp.Economy(tree, rng.normal(size=(3, len(parent))), at)
    solution = dp.solve(economy)
    z = economy.aggregate + solution.total_risk_to_go
    for v in [0, *rng.choice(range(1, 2001), 60)]:
        children = children_of(tree, v)
        agents = [own[v] for own in at]
        shared = dp.share_layers(z[children], agents, tree.probability[children])
        assert solution.total_risk_to_go[v] == pytest.approx(shared.value, rel=1e-12)
        ours = [la.shares for la in solution.layers[v]]
        assert ours == [la.shares for la in shared.layers]
    paid = economy.risk_to_go(solution.allocation)
    assert paid == pytest.approx(solution.risk_to_go, rel=1e-12, abs=1e-11)


# suprema and their linear programmes ----------------------------------------------


def test_a_layer_much_thinner_than_the_others():
    """One agent: the risk is the largest of three integrals, known without solving."""
    economy, answer = thin_layers()
    solution = dp.solve(economy)
    assert solution.total_risk_to_go[0] == pytest.approx(answer, rel=1e-12)
    assert solution.surplus[0] == 0


def thin_layers():
    z, p = [0, 1, 1.0001, 1.00010008], [0.1, 0.3, 0.3, 0.3]
    worst = dp.Supremum([ES(0.2), ES(0.7), ES(0.4)])
    tree = dp.ScenarioTree([-1, 0, 0, 0, 0], [1, *p])
    return dp.Economy(tree, [[0, *z]], [worst]), dp.choquet(z, worst, p)


def test_totals_that_differ_by_rounding():
    """0.1 + 0.2 is not 0.3 but a layer of width 6e-17 above it."""
    tree = dp.ScenarioTree([-1, 0, 0, 0], [1, 0.25, 0.25, 0.5])
    x = [[0, 0.1, 0.3, 1], [0, 0.2, 0, 0]]
    economy = dp.Economy(tree, x, [mild_or_grim, dp.Expectation()])
    solution = check_promises(economy, 1e-9)
    assert solution.total_risk_to_go[0] == pytest.approx(0.65)


@given(exchanges("suprema"))
def test_suprema_and_ties_up_to_rounding(exchange):
    economy = exchange.economy
    x = np.round(economy.endowments) / 10
    check_promises(dp.Economy(economy.tree, x, economy.agents), 1e-9)


def test_a_supremum_elsewhere_does_not_move_a_tie():
    """Two agents with the mean share equally, whatever happens at a sister node."""
    mean = dp.Expectation()
    agents = [{0: mean, 1: mild_or_grim, 2: mean}, mean]
    economy = dp.Economy(two_coins, [[0, 1, 2, 3, 4, 5, 6], [0] * 7], agents)
    layers = dp.solve(economy).layers
    assert layers[0][0].shares == layers[2][0].shares == (0.5, 0.5)
