"""Certificates: right answers, faults seen where they are, trades that do improve."""

import dataclasses
from fractions import Fraction

import numpy as np
import oracles
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import (
    Exchange,
    as_preference,
    case_economy,
    children_of,
    exchanges,
    inner_nodes,
    near,
    refusal,
)

import dynpo_lite as dp
from dynpo_lite.economy import worst_scenarios

ES = dp.ExpectedShortfall
mean = dp.Expectation()
CASES = {case.id[:3]: case for case in oracles.exact_cases()}
coin = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
two_coins = dp.ScenarioTree([-1, 0, 0, 1, 1, 2, 2], [1] + [0.5] * 6)


# against a linear programme -------------------------------------------------------


@pytest.mark.parametrize("kind", ["linear", "suprema", "smooth"])
@settings(max_examples=30)
@given(data=st.data())
def test_no_trade_is_judged_as_by_a_linear_programme(kind, data):
    exchange = data.draw(exchanges(kind, agents=(1, 3), ties=kind != "suprema"))
    economy = exchange.economy
    tol = 1e-7 * economy.scale
    report = dp.check_allocation(economy, economy.endowments)
    totals = economy.risk_without_trade().sum(axis=0)
    z = economy.aggregate + totals
    savings = np.zeros_like(totals)
    for v in inner_nodes(economy.tree):
        least = exchange.least_total_at(v, z[children_of(economy.tree, v)])
        savings[v] = totals[v] - least
    assert report.gap == pytest.approx(max(savings.max(), 0), abs=tol)
    assert report.sums_to_aggregate
    assert report.individually_rational
    assert report.myopic_individually_rational
    assert (report.irrational_node, report.irrational_agents) == (None, ())
    if savings.max() > 10 * tol:
        assert not report.pareto_optimal
        assert savings[report.worst_node] == pytest.approx(savings.max(), abs=tol)
        check_trade(economy, economy.endowments, report)
    else:
        assume(savings.max() < tol / 1000)
        assert report.pareto_optimal
        assert (report.worst_node, report.improving_trade) == (None, None)
    myopic = totals[0] - exchange.least_totals()[0]
    assume(myopic < tol / 1000 or myopic > 10 * tol)
    assert report.myopic_pareto_optimal == (myopic < tol)


def check_trade(economy, allocation, report):
    """Make the trade: its agents gain what it says, nobody loses anything anywhere."""
    trade, v = report.improving_trade, report.worst_node
    assert trade.node == v
    assert list(trade.children) == children_of(economy.tree, v).tolist()
    assert trade.payments.sum(axis=0) == near(np.zeros(len(trade.children)), economy)
    assert (trade.gains > 0).all()
    assert trade.gains.sum() == near(report.gap, economy)
    better = allocation + 0.0
    better[:, list(trade.children)] += trade.payments
    before, after = economy.risk_to_go(allocation), economy.risk_to_go(better)
    assert before[:, v] - after[:, v] == near(trade.gains, economy)
    assert (after <= before + 1e-12 * economy.scale).all()
    again = dp.check_allocation(economy, better)
    if again.worst_node is not None:
        assert again.worst_node != v or again.gap <= report.gap / 2
    return better


# faults ---------------------------------------------------------------------------


def one_careful_node(v):
    """Means everywhere but at node ``v``, where agent 1 fears the worse half."""
    agents = [mean, {u: ES(0.5) if u == v else mean for u in range(3)}]
    x = [[0, 0, 4, 1, 5, 2, 6], [0, 0, 0, 0, 3, 0, 3]]
    return dp.Economy(two_coins, x, agents)


@pytest.mark.parametrize("v", [0, 1, 2])
@pytest.mark.parametrize("size", [1e-6, 1e-8, 1.0])
def test_a_small_fault_is_found_where_it_is(v, size):
    economy = one_careful_node(v)
    fault = size * economy.scale
    bad = dp.solve(economy).allocation.copy()
    # the careful agent 1 takes more of the larger loss
    bad[:, children_of(two_coins, v)[1]] += [-2 * fault, 2 * fault]
    report = dp.check_allocation(economy, bad)
    assert report.sums_to_aggregate
    assert not report.pareto_optimal
    assert not report.myopic_pareto_optimal
    assert report.worst_node == v
    assert report.gap == pytest.approx(fault, rel=1e-5)
    check_trade(economy, bad, report)
    assert f"a trade at node {v} saves {report.gap:.6g} in total" in str(report)


def test_faults_below_the_tolerance_are_rounding():
    economy = one_careful_node(1)
    bad = dp.solve(economy).allocation.copy()
    bad[:, 4] += np.array([-1, 1]) * 1e-11
    assert dp.check_allocation(economy, bad).pareto_optimal


@given(exchanges(agents=(2, 4)), st.integers(0, 2**32))
def test_random_faults_at_a_node_before_the_leaves(exchange, seed):
    """Whatever is moved between the leaves of one node: the gap there is the loss."""
    economy, tree = exchange.economy, exchange.economy.tree
    rng = np.random.default_rng(seed)
    v = rng.choice(tree.nodes(tree.horizon - 1))
    children = children_of(tree, v)
    solution = dp.solve(economy)
    move = rng.normal(size=(economy.n_agents, len(children)))
    move -= move.mean(axis=0)
    bad = solution.allocation.copy()
    bad[:, children] += move * 1e-6 * economy.scale
    risk = economy.risk_to_go(bad)
    lost = risk.sum(axis=0) - solution.total_risk_to_go
    report = dp.check_allocation(economy, bad)
    assert report.sums_to_aggregate
    assert report.gap >= lost[v] - 1e-12 * economy.scale * economy.n_agents
    if lost[v] > 1e-8 * economy.scale:
        assert not report.pareto_optimal
        assert not dp.check_allocation(economy, bad).myopic_pareto_optimal or (
            lost[0] <= 1e-9 * economy.scale
        )
        check_trade(economy, bad, report)
    worse = risk > economy.risk_without_trade() + 1e-9 * economy.scale
    assert report.individually_rational == (not worse.any())


@pytest.mark.parametrize(
    ("law", "missing"),
    [
        ("conditional", 1.0),
        ("conditional", 1e-6),
        ("conditional", -1e-6),
        ("marginal", -1e-6),
        ("marginal", -1.0),
        ("marginal", 1e-6),
        ("marginal", 1.0),
    ],
)
def test_a_wrong_sum_is_no_allocation(law, missing):
    economy = one_careful_node(1)
    for v in (1, 3):
        bad = dp.solve(economy).allocation.copy()
        bad[0, v] -= missing
        report = dp.check_allocation(economy, bad, law)
        assert not report.sums_to_aggregate
        assert not report.pareto_optimal
        assert not report.myopic_pareto_optimal
        assert not report.comonotone


def test_no_trade_is_offered_where_the_sum_is_wrong():
    economy = dp.Economy(coin, [[0, 0, 0], [0, 0, 4]], [mean, ES(0.5)])
    report = dp.check_allocation(economy, dp.solve(economy).allocation + 5)
    trade = report.improving_trade
    assert trade is None or abs(trade.payments.sum()) < 1e-9


@pytest.mark.parametrize("law", ["conditional", "marginal"])
@pytest.mark.parametrize("size", [1e-6, 1.0])
def test_who_is_worse_off_and_where(law, size):
    agents = [mean, {0: mean, 1: ES(0.5), 2: mean}, mean]
    x = np.array([[0, 1, 2, 0, 4, 0, 4], [0, 1, 0, 3, 0, 3, 0], [0] * 7])
    economy = dp.Economy(two_coins, x, agents)
    good = dp.solve(economy, law=law).allocation
    bad = good.copy()
    room = economy.risk_without_trade(law) - economy.risk_to_go(good, law)
    after = slice(5, 7) if law == "conditional" else slice(3, 7)  # what node 2 sees
    bad[1:, after] += (room[1:, 2] + size)[:, None]
    bad[0, after] -= (room[1:, 2] + size).sum()
    report = dp.check_allocation(economy, bad, law)
    assert report.sums_to_aggregate
    assert not report.individually_rational
    assert not report.pareto_optimal
    assert report.gap <= 1e-9
    worse = report.risk_to_go > economy.risk_without_trade(law) + 1e-9
    first = np.flatnonzero(worse.any(axis=0))[0]
    assert report.irrational_node == first
    assert report.irrational_agents == tuple(np.flatnonzero(worse[:, first]))
    assert worse[1:, 2].all()
    names = ", ".join(map(str, report.irrational_agents))
    assert f"at node {first} worse off than without trade: {names}" in str(report)


def test_rational_at_time_0_only():
    """Agent 0 is paid back at time 1 what it loses at node 2."""
    economy = dp.Economy(two_coins, np.zeros((2, 7)), [mean, mean])
    paid = np.array([[0, 0, -1, 0, 0, 1, 1], [0, 0, 1, 0, 0, -1, -1]])
    report = dp.check_allocation(economy, paid)
    assert (report.individually_rational, report.pareto_optimal) == (False, False)
    assert report.myopic_individually_rational
    assert report.myopic_pareto_optimal
    assert (report.irrational_node, report.irrational_agents) == (2, (0,))


# the marginal reading -------------------------------------------------------------


def test_no_trade_in_c06():
    """Optimal when laws are unconditional; given node B, agent 1 should insure."""
    case = CASES["C06"]
    economy = case_economy(case).economy
    marginal = dp.check_allocation(economy, economy.endowments, "marginal")
    assert marginal.pareto_optimal
    assert not marginal.myopic_pareto_optimal
    report = dp.check_allocation(economy, economy.endowments)
    assert not report.pareto_optimal
    assert report.worst_node == case.number["B"]
    assert report.gap == pytest.approx(1 / 2)
    check_trade(economy, economy.endowments, report)


def test_z_in_c14():
    """Comonotone, and no agent-wise improvement with unconditional laws: still no
    minimiser, and improved at once where premia may depend on the state."""
    case = CASES["C14"]
    economy = case_economy(case).economy
    paid = {}
    for name, split in (
        ("Z", lambda s: (s / 2 - 5 / 8, s / 2 + 5 / 8)),
        ("Y", lambda s: (s - 3 / 4, np.full_like(s, 3 / 4))),
    ):
        paid[name] = np.zeros_like(economy.endowments)
        leaves = economy.tree.leaves
        paid[name][:, leaves] = split(economy.aggregate[leaves])
        for law in ("conditional", "marginal"):
            risk = economy.risk_to_go(paid[name], law)
            for i, agent in enumerate(case.agents):
                for v, answer in case.answer[f"{name}_risks"][agent].items():
                    ours = risk[i, case.number[v]]
                    assert ours == pytest.approx(float(Fraction(answer)), abs=1e-12)
    z, y = paid["Z"], paid["Y"]
    marginal = dp.check_allocation(economy, z, "marginal")
    assert marginal.individually_rational
    assert marginal.comonotone
    assert marginal.pareto_optimal
    assert not marginal.myopic_pareto_optimal
    assert marginal.worst_node is None
    report = dp.check_allocation(economy, z)
    assert report.individually_rational
    assert report.comonotone
    assert not report.pareto_optimal
    assert not report.myopic_pareto_optimal
    assert report.worst_node in (case.number["A"], case.number["B"])
    assert report.gap == pytest.approx(1 / 8)
    check_trade(economy, z, report)
    for law in ("conditional", "marginal"):
        assert dp.check_allocation(economy, y, law).pareto_optimal
        assert dp.check_allocation(economy, y, law).myopic_pareto_optimal


@settings(max_examples=40)
@given(exchanges("suprema", horizon=(1, 2), agents=(1, 3), ties=False), st.booleans())
def test_marginal_optima_are_certified(exchange, rationally):
    economy = exchange.economy
    options = {"law": "marginal", "individually_rational": rationally}
    solution = dp.solve(economy, **options)
    report = dp.check_allocation(economy, solution.allocation, "marginal")
    assert report.gap <= 1e-9 * economy.scale
    assert report.pareto_optimal == report.individually_rational
    assert report.pareto_optimal or not rationally
    assert report.comonotone


@settings(max_examples=40)
@given(exchanges(horizon=(1, 2), agents=(2, 3)))
def test_marginal_trades_hurt_nobody(exchange):
    economy = exchange.economy
    report = dp.check_allocation(economy, economy.endowments, "marginal")
    assume(report.gap > 1e-6 * economy.scale)
    trade = report.improving_trade
    assert not report.pareto_optimal
    assert economy.tree.stage[trade.node] == economy.tree.stage[report.worst_node]
    better = economy.endowments + 0.0
    better[:, list(trade.children)] += trade.payments
    after = economy.risk_to_go(better, "marginal")
    saved = economy.risk_without_trade("marginal") - after
    assert (saved >= -1e-7 * economy.scale).all()
    assert saved[:, economy.tree.nodes(economy.tree.stage[trade.node])].max() > 0
    assert saved[:, trade.node] == near(trade.gains, economy, 1e-7)
    again = dp.check_allocation(economy, better, "marginal")
    assert again.individually_rational or again.gap < report.gap
    assert again.worst_node != report.worst_node or again.gap < report.gap / 1000


@pytest.mark.parametrize("chance", [1e-6, 1e-8, 1e-10, 1e-12, 1e-16])
@pytest.mark.parametrize("fear", [dp.ExpectedShortfall(0.5), dp.WorstCase()])
def test_marginal_optima_with_tiny_chances_are_certified(chance, fear):
    tree = dp.ScenarioTree([-1, 0, 0], [1, 1 - chance, chance])
    agents = [dp.Expectation(), fear]
    economy = dp.Economy(tree, [[0, 0, 1], [0, 1, 0]], agents)
    solution = dp.solve(economy, law="marginal")
    report = dp.check_allocation(economy, solution.allocation, law="marginal")
    assert report.pareto_optimal
    assert report.myopic_pareto_optimal
    assert report.gap <= 1e-12


def test_crossed_layers_are_seen_in_the_marginal_reading():
    economy = case_economy(CASES["C05"]).economy
    solution = dp.solve(economy, law="marginal", individually_rational=False)
    own = dp.Economy(economy.tree, solution.allocation, economy.agents)
    assert dp.check_allocation(own, solution.allocation, "marginal").pareto_optimal
    bad = solution.allocation.copy()
    top = np.argsort(economy.aggregate[economy.tree.leaves])[-1]
    bad[:, economy.tree.leaves[top]] += [-1, 1]  # agent 1 should carry the top
    report = dp.check_allocation(own, bad, "marginal")
    assert not report.pareto_optimal
    assert report.worst_node in own.tree.nodes(1)


# the report -----------------------------------------------------------------------


def test_the_report_reads_well():
    economy = dp.Economy(coin, [[0, 0, 0], [0, 0, 4]], [mean, ES(0.5)])
    assert str(dp.check_allocation(economy, economy.endowments)) == (
        "sums to the aggregate         yes\n"
        "individually rational         yes\n"
        "dynamically Pareto optimal    no\n"
        "comonotone                    yes\n"
        "myopically rational           yes\n"
        "myopically Pareto optimal     no\n"
        "a trade at node 0 saves 2 in total"
    )
    worse = dp.solve(economy, surplus_split=[1, 0]).allocation + np.array([[-1], [1]])
    assert str(dp.check_allocation(economy, worse)) == (
        "sums to the aggregate         yes\n"
        "individually rational         no\n"
        "dynamically Pareto optimal    no\n"
        "comonotone                    yes\n"
        "myopically rational           no\n"
        "myopically Pareto optimal     no\n"
        "at node 0 worse off than without trade: 1"
    )
    report = dp.check_allocation(economy, worse, "marginal")
    assert report.law == "marginal"
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.gap = 0


def test_comonotone_given_every_node():
    """Rising with the total at each node, at once over all nodes, or not even that."""
    for last, answer in (
        ([[0, 1, 9, 9], [0, 0, 0, 1]], (True, True)),
        ([[0, 1, 0, 0], [0, 0, 0, 1]], (True, False)),
        ([[0, 1, 0, 0], [1, 0, 0, 1]], (False, False)),
    ):
        x = np.zeros((2, 7))
        x[:, 3:] = last
        # at time 1 nothing but risk-to-go, here the same at both nodes
        x[:, 1:3] = -np.mean(np.reshape(last, (2, 2, 2)), axis=2)
        economy = dp.Economy(two_coins, x, [mean, mean])
        assert dp.check_allocation(economy, x).comonotone == answer[0]
        x[:, 1:3] = 0
        economy = dp.Economy(two_coins, x, [mean, mean])
        assert dp.check_allocation(economy, x, "marginal").comonotone == answer[1]


@pytest.mark.parametrize(
    ("allocation", "law", "text"),
    [
        (
            np.zeros((2, 3)),
            "conditional",
            "allocation has shape (2, 3): give an array with shape (2, 7)",
        ),
        (
            np.full((2, 7), np.nan),
            "conditional",
            "allocation holds nan at position (0, 1): remove or replace it",
        ),
        (
            np.zeros((2, 7)),
            "joint",
            "law = 'joint' is unknown: choose 'conditional' or 'marginal'",
        ),
    ],
)
def test_bad_arguments_are_refused(allocation, law, text):
    economy = one_careful_node(1)
    call = refusal(lambda: dp.check_allocation(economy, allocation, law))
    assert call == f"ValueError: {text}"


def test_the_marginal_reading_needs_piecewise_linear_distortions():
    economy = dp.Economy(coin, [[0, 1, 2]], [dp.Wang(0.5)])
    assert dp.check_allocation(economy, economy.endowments).pareto_optimal
    text = (
        "ValueError: Wang(shift=0.5) is not piecewise linear: the marginal law is "
        "certified by linear programming; use law='conditional' or piecewise linear "
        "distortions"
    )
    call = refusal(lambda: dp.check_allocation(economy, economy.endowments, "marginal"))
    assert call == text


def test_one_agent_alone_is_always_optimal():
    z, p = [0, 1, 1.0001, 1.00010008], [0.1, 0.3, 0.3, 0.3]
    tree = dp.ScenarioTree([-1, 0, 0, 0, 0], [1, *p])
    economy = dp.Economy(tree, [[0, *z]], [dp.Supremum([ES(0.2), ES(0.7), ES(0.4)])])
    assert dp.check_allocation(economy, economy.endowments).pareto_optimal


# the view from time 0 -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["linear", "suprema", "smooth"])
@settings(max_examples=30)
@given(data=st.data())
def test_myopic_optima_attain_the_least_composed_risk(kind, data):
    exchange = data.draw(exchanges(kind, agents=(1, 3), ties=kind != "suprema"))
    economy, tree = exchange.economy, exchange.economy.tree
    totals, value = dp.myopic_optimum(economy)
    rel = 1e-9 if kind == "suprema" else 1e-12
    assert exchange.least_totals()[0] == pytest.approx(value, abs=1e-7 * economy.scale)
    paid = economy.aggregate.copy()
    for v in range(1, tree.n_nodes):
        paid[v] += paid[tree.parent[v]]
    assert totals.sum(axis=0) == near(paid[tree.leaves], economy, rel)
    at_the_end = np.zeros_like(economy.endowments)
    at_the_end[:, tree.leaves] = totals
    composed = economy.risk_to_go(at_the_end)[:, 0]
    assert composed.sum() == near(value, economy, rel)
    report = dp.check_allocation(economy, dp.solve(economy).allocation)
    assert report.myopic_pareto_optimal


@given(exchanges(horizon=(2, 3), agents=(2, 4)), st.data())
def test_swaps_that_keep_everybody_rational(exchange, data):
    """Try amounts: what the worse agent misses is the distance to the interval."""
    economy, tree = exchange.economy, exchange.economy.tree
    agents = data.draw(st.permutations(range(economy.n_agents)))[:2]
    stage = data.draw(st.integers(1, tree.horizon - 1))
    alone = economy.risk_without_trade()
    start = data.draw(st.sampled_from(["optimal", "no trade", "all to one"]))
    paid = {
        "optimal": dp.solve(economy).allocation,
        "no trade": economy.endowments,
        "all to one": np.vstack([economy.aggregate, 0 * economy.endowments[1:]]),
    }[start]
    low, high = dp.swap_interval(economy, paid, stage, agents)
    before, tol = economy.risk_to_go(paid), 1e-9 * economy.scale
    nodes, later = tree.nodes(stage), tree.nodes(stage + 1)
    middle = (low + high) / 2
    for c in [low, high, middle, 0.0, low - 1, high + 1, low + 1e-6, high - 1e-6]:
        swapped = paid.copy()
        swapped[np.ix_(agents, nodes)] += np.array([[-c], [c]])
        swapped[np.ix_(agents, later)] += np.array([[c], [-c]])
        risk = economy.risk_to_go(swapped)
        others = np.setdiff1d(range(tree.n_nodes), nodes)
        assert risk[:, others] == near(before[:, others], economy, 1e-10)
        worse = risk[np.ix_(agents, nodes)] - alone[np.ix_(agents, nodes)]
        inside = max(low - c, c - high)  # at most 0 inside
        assert worse.max() == pytest.approx(inside, abs=tol)


def test_intervals_of_swaps_by_hand():
    """The surplus of 2 at node 1 and 4 at node 2, half of it to each agent."""
    agents = [mean, ES(0.5)]
    x = [[0] * 7, [0, 0, 0, 0, 4, 0, 8]]
    economy = dp.Economy(two_coins, x, agents)
    solution = dp.solve(economy)
    assert solution.surplus[1:3].tolist() == [2, 4]
    assert dp.swap_interval(economy, solution.allocation, 1) == (-1, 1)
    assert dp.swap_interval(economy, solution.allocation, 1, (1, 0)) == (-1, 1)
    all_to_0 = dp.solve(economy, surplus_split=[1, 0]).allocation
    assert dp.swap_interval(economy, all_to_0, 1) == (0, 2)
    assert dp.swap_interval(economy, all_to_0, 1, (1, 0)) == (-2, 0)
    assert dp.swap_interval(economy, economy.endowments, 1) == (0, 0)
    moved = solution.allocation.copy()
    moved[:, 3:] += [[3, 3, -7, -7], [-3, -3, 7, 7]]
    # agent 0 needs 2 more at node 1, agent 1 needs 5 more at node 2
    assert dp.swap_interval(economy, moved, 1) == (5, -2)


SWAPS = dp.Economy(two_coins, np.zeros((2, 7)), [mean, mean])


@pytest.mark.parametrize(
    ("stage", "agents", "text"),
    [
        (
            0,
            (0, 1),
            "ValueError: stage = 0 is too small: choose an integer of at least 1",
        ),
        (2, (0, 1), "ValueError: stage = 2 leaves no later payment: choose 1 to 1"),
        (1.0, (0, 1), "TypeError: stage = 1.0 is not an integer: give an integer"),
        (
            1,
            (0, 0),
            "ValueError: agents = (0, 0): choose two different agents of 0 to 1",
        ),
        (
            1,
            (0, 2),
            "ValueError: agents = (0, 2): choose two different agents of 0 to 1",
        ),
    ],
)
def test_bad_swaps_are_refused(stage, agents, text):
    call = refusal(lambda: dp.swap_interval(SWAPS, SWAPS.endowments, stage, agents))
    assert call == text


@pytest.mark.parametrize("agents", [(0,), (0, 1, 0), 0, (0.0, 1.0), (True, False)])
def test_pairs_that_are_none_are_refused(agents):
    call = refusal(lambda: dp.swap_interval(SWAPS, SWAPS.endowments, 1, agents))
    assert call == (
        f"ValueError: agents = {agents!r}: choose two different agents of 0 to 1"
    )


@pytest.mark.parametrize("pair", [(0, 1), (2, 0), (1, 2)])
def test_any_two_agents_may_swap(pair):
    economy = dp.Economy(two_coins, np.zeros((3, 7)), [mean] * 3)
    assert dp.swap_interval(economy, economy.endowments, 1, pair) == (0, 0)
    assert dp.swap_interval(economy, economy.endowments, 1, list(pair)) == (0, 0)


# tiny chances in the marginal reading -------------------------------------------------


def tree_with_chances(q):
    """Two periods, every node with children of chances 1 - q - q^2, q and q^2."""
    chances = [1 - q - q * q, q, q * q]
    return dp.ScenarioTree(
        [-1, 0, 0, 0] + [1] * 3 + [2] * 3 + [3] * 3, [1] + chances * 4
    )


@pytest.mark.parametrize("q", [5e-3, 2e-3, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8])
def test_marginal_certificates_take_tiny_chances(q):
    agents = [dp.Expectation(), dp.ExpectedShortfall(0.99)]
    for seed in range(15):
        losses = np.random.default_rng(seed).lognormal(size=(2, 13))
        economy = dp.Economy(tree_with_chances(q), losses, agents)
        solution = dp.solve(economy, law="marginal")
        report = dp.check_allocation(economy, solution.allocation, "marginal")
        assert report.pareto_optimal, seed
        alone = dp.check_allocation(economy, economy.endowments, "marginal")
        # no trade costs at time 0 what the optimum saves there
        saved = economy.risk_without_trade("marginal")[:, 0].sum()
        saved -= solution.total_risk_to_go[0]
        assert alone.pareto_optimal == (alone.gap <= 1e-9 * economy.scale)
        assert alone.myopic_pareto_optimal == (saved <= 1e-9 * economy.scale)


def test_the_gap_of_a_marginal_check_is_what_a_trade_saves():
    """One period: all of what sharing saves can be saved by one trade."""
    tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    agents = [dp.Expectation(), dp.ExpectedShortfall(0.5)]
    economy = dp.Economy(tree, [[0, 0, 0], [0, 0, 4]], agents)
    report = dp.check_allocation(economy, economy.endowments, "marginal")
    assert report.gap == pytest.approx(2.0)  # 4 alone, 2 for the mean
    assert report.worst_node == 0
    assert report.improving_trade.gains.sum() == pytest.approx(2.0)


def test_a_marginal_check_looks_at_every_time():
    """Only the first payments can be shared better."""
    tree = dp.ScenarioTree([-1, 0, 0, 1, 2], [1, 0.5, 0.5, 1, 1])
    agents = [dp.Expectation(), dp.ExpectedShortfall(0.5)]
    economy = dp.Economy(tree, [[0, 0, 0, 1, 1], [0, 0, 4, 1, 1]], agents)
    report = dp.check_allocation(economy, economy.endowments, "marginal")
    assert (report.worst_node, report.gap) == (0, pytest.approx(2.0))
    assert not report.myopic_pareto_optimal


# many nodes at once -------------------------------------------------------------------


def fearful_economy(n_nodes, kinds, seed=0):
    """Two periods; at time 1 nodes with 2 or 3 children, and suprema of some kinds."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 4, n_nodes)
    parent = np.append(-1, np.repeat(np.arange(n_nodes + 1), [n_nodes, *sizes]))
    chances = rng.dirichlet(np.ones(n_nodes)).tolist()
    chances += [p for size in sizes for p in rng.dirichlet(np.full(size, 2.0))]
    tree = dp.ScenarioTree(parent, [1, *chances])
    parts = [
        [[[(0.5, 0.0), (0.5, float(a))], [(1.0, float(b))]] for a, b in pairs]
        for pairs in rng.uniform(0, 0.9, (2, kinds, 2))
    ]
    which = rng.integers(0, kinds, n_nodes + 1)
    prefs = [{v: own[which[v]] for v in range(n_nodes + 1)} for own in parts]
    measures = [[as_preference(part) for part in own] for own in parts]
    agents = [{v: own[which[v]] for v in range(n_nodes + 1)} for own in measures]
    x = rng.lognormal(size=(2, tree.n_nodes))
    return Exchange(dp.Economy(tree, x, agents), prefs)


@pytest.mark.parametrize("kinds", [1, 3])
def test_worst_mixtures_of_many_nodes_are_those_of_each(kinds, monkeypatch):
    exchange = fearful_economy(140, kinds)
    economy, tree = exchange.economy, exchange.economy.tree
    found = {}
    for at_once in (64, 7, 1000):
        monkeypatch.setattr(worst_scenarios, "AT_ONCE", at_once)
        bounds = np.empty(141)
        for family in tree.branches[1]:
            z = economy.aggregate[family.entry]
            worst = worst_scenarios.worst_scenarios(economy, family, z)
            bounds[family.node] = worst.bound
            assert worst.shares.sum(axis=0) == pytest.approx(1, abs=1e-9)
            # the shares cost no more than the scenario says any sharing does
            down = np.take_along_axis(z, worst.order, axis=1)
            steps = np.append(-np.diff(down, axis=1), down[:, -1:], axis=1)
            kept = np.cumsum((worst.shares * steps)[:, :, ::-1], axis=2)[:, :, ::-1]
            p = np.take_along_axis(family.probability, worst.order, axis=1)
            for row, v in enumerate(family.node.tolist()):
                pairs = zip(kept[:, row], economy.agents)
                cost = sum(dp.choquet(own, k[v], p[row]) for own, k in pairs)
                assert cost == pytest.approx(worst.bound[row], rel=1e-8)
        found[at_once] = bounds[1:]
    for bounds in found.values():
        assert bounds == pytest.approx(found[64], rel=1e-9)
    for v in (1, 64, 65, 140):
        z = economy.aggregate[children_of(tree, v)]
        assert found[64][v - 1] == pytest.approx(
            exchange.least_total_at(v, z), rel=1e-7
        )


@pytest.mark.parametrize("kinds", [1, 3])
def test_an_optimum_with_suprema_at_many_nodes_is_certified(kinds):
    economy = fearful_economy(140, kinds).economy
    optimum = dp.solve(economy).allocation
    report = dp.check_allocation(economy, optimum)
    assert report.pareto_optimal
    assert report.gap <= 1e-9 * economy.scale
    for v in (1, 65, 140):  # wherever it is, a fault is found
        children = children_of(economy.tree, v)
        bad = optimum.copy()
        top = children[np.argmax(economy.aggregate[children])]
        fault = 9 * economy.scale * np.array([[-1.0], [1.0]])  # agent 0 falls
        bad[:, [top]] += fault
        bad[:, children] -= fault * economy.tree.probability[top]
        report = dp.check_allocation(economy, bad)
        assert report.worst_node == v
        check_trade(economy, bad, report)


class Seeking(dp.Distortion):
    """Convex: it likes risk.  Subclasses are trusted, certificates are not."""

    def values(self, s):
        return np.asarray(s) ** 2


@pytest.mark.parametrize("other", [[], [mean], [dp.Supremum([mean, ES(0.5)])]])
@pytest.mark.parametrize("node", [0, 1, 2])
def test_a_scenario_that_somebody_does_not_accept_is_refused(other, node):
    likes_risk = {v: Seeking() if v == node else ES(0.5) for v in range(3)}
    agents = [likes_risk, *other]
    x = np.zeros((len(agents), 7))
    x[0] = [0, 0, 9, 0, 3, 0, 5]
    economy = dp.Economy(two_coins, x, agents)
    with pytest.raises(ArithmeticError) as caught:
        dp.check_allocation(economy, economy.endowments)
    assert str(caught.value) == f"the scenario at node {node} is not accepted"


@pytest.mark.parametrize("shift", [1e-6, 0.1])
def test_a_wrong_scenario_is_refused(shift, monkeypatch):
    """Tails that are off where scenarios are made, and right where they are checked."""
    economy = one_careful_node(1)
    assert dp.check_allocation(economy, dp.solve(economy).allocation).pareto_optimal
    right, calls = worst_scenarios._mixed, []

    def wrong(agents, weights, level):
        calls.append(level)
        tails = right(agents, weights, level)
        return tails if len(calls) % 2 == 0 else tails + shift * (level < 1)

    monkeypatch.setattr(worst_scenarios, "_mixed", wrong)
    with pytest.raises(
        ArithmeticError, match=r"the scenario at node [12] is not accepted"
    ):
        dp.check_allocation(economy, economy.endowments)
