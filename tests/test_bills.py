"""Bills, parts of premia, observed paths; how the surplus and ties are split."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import exchanges, inner_nodes, near, recombining, refusal

import dynpo_lite as dp

ES = dp.ExpectedShortfall
mean = dp.Expectation()
COIN = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
TWO_COINS = dp.ScenarioTree([-1, 0, 0, 1, 1, 2, 2], [1] + [0.5] * 6)
READINGS = {
    "state-dependent": {},
    "load": {"surplus_split": "load", "ties": "load"},
    "layers only": {"individually_rational": False},
    "deterministic": {"retention": "deterministic", "individually_rational": False},
    "marginal": {"law": "marginal"},
}


@st.composite
def solutions(draw):
    """Optima of all readings: on trees; on lattices of the readings that know them."""
    name = draw(st.sampled_from(list(READINGS)))
    kind = draw(st.sampled_from(["linear", "smooth"]))  # smooth: equal chances
    reads_lattices = name in ("state-dependent", "load", "layers only")
    if reads_lattices and draw(st.booleans()):
        economy = draw(recombining(kind, agents=(1, 3))).economy
    else:
        economy = draw(exchanges(kind, agents=(1, 3))).economy
    return dp.solve(economy, **READINGS[name])


def ways_of(scenarios, v):
    """Entries of the payments, nodes and chances of the ways on from a node."""
    if isinstance(scenarios, dp.ScenarioLattice):
        arcs = np.flatnonzero(scenarios.source == v)
        return arcs, scenarios.target[arcs], scenarios.probability[arcs]
    children = np.flatnonzero(scenarios.parent == v)
    return children, children, scenarios.probability[children]


def own_losses(economy):
    """Endowments of the shape of the payments, by a loop."""
    x, scenarios = economy.endowments, economy.scenarios
    if isinstance(scenarios, dp.ScenarioTree) or x.shape[1] == scenarios.n_arcs:
        return x
    return np.array([[row[v] for v in scenarios.target] for row in x])


def due(solution, v):
    """What is shared on the ways on from a node: total and total risk after it."""
    entry, target, _ = ways_of(solution.economy.scenarios, v)
    total = own_losses(solution.economy)[:, entry].sum(axis=0)
    return total + solution.total_risk_to_go[target]


def layer_losses(solution, v, z):
    """What the layers of a node leave each agent with, layer by layer."""
    stage = solution.economy.scenarios.stage[v]
    key = stage + 1 if solution.retention == "deterministic" else v
    kept = np.zeros((solution.economy.n_agents, len(z)))
    for layer in solution.layers[key]:
        inside = np.clip(z, layer.attachment, layer.exhaustion) - layer.attachment
        kept += np.outer(layer.shares, inside)
    return kept


# bills ----------------------------------------------------------------------------


@settings(max_examples=80)
@given(solutions())
def test_bills_are_what_they_say(solution):
    economy, own = solution.economy, own_losses(solution.economy)
    for v in inner_nodes(economy.scenarios):
        bills = solution.bills(v)
        entry, target, chance = ways_of(economy.scenarios, v)
        assert bills.node == v
        assert bills.target.tolist() == target.tolist()
        assert bills.probability.tolist() == chance.tolist()
        assert (bills.own == own[:, entry]).all()
        assert (bills.payment == solution.allocation[:, entry]).all()
        parts = bills.layer + bills.price + bills.sure + bills.transfer + bills.reserve
        assert parts == near(bills.payment, economy)
        z = due(solution, v)
        assert bills.layer == near(layer_losses(solution, v, z), economy, 1e-11)
        assert (bills.reserve == -solution.risk_to_go[:, target]).all()
        sure = solution.premium[:, v].sum()
        assert bills.sure == near(np.outer(solution.ties, sure * (z == z)), economy)
        balance = (bills.price + bills.transfer).sum(axis=0)
        assert balance == near(np.zeros_like(z), economy)
        assert bills.payment.sum(axis=0) == near(bills.own.sum(axis=0), economy)
        if solution.retention == "state-dependent":
            assert sure == near(z.min(), economy)
        if solution.law == "conditional":
            for i, agent in enumerate(economy.agents):
                k = agent[v] if isinstance(agent, dict) else agent
                price = dp.choquet(bills.layer[i], k, chance)
                assert bills.price[i] == near(np.full_like(z, -price), economy)


@settings(max_examples=80)
@given(solutions())
def test_parts_of_premia_are_those_of_the_bills(solution):
    economy, parts = solution.economy, solution.premium_parts
    inner = list(inner_nodes(economy.scenarios))
    assert np.isnan(np.stack(parts)[..., economy.scenarios.leaves]).all()
    total = sum(parts)[:, inner]
    assert total == near(solution.premium[:, inner], economy)
    for v in inner:
        bills = solution.bills(v)
        expected = bills.layer @ bills.probability
        assert parts.expected[:, v] == near(-expected, economy)
        assert parts.sure[:, v] == near(bills.sure[:, 0], economy)
        assert parts.transfer[:, v] == near(bills.transfer[:, 0], economy)
        loading = parts.expected[:, v] + parts.loading[:, v]
        assert loading == near(bills.price[:, 0], economy)
    assert (parts.expected[:, inner] <= 1e-11 * economy.scale).all()
    if solution.law == "conditional":
        assert (parts.loading[:, inner] <= 1e-11 * economy.scale).all()


def test_the_price_of_a_marginal_law_does_not_know_the_node():
    """A layer of 8, sure to be lost at node 1 and never at node 2, costs 5 at both."""
    x = [[0, 0, 0, 8, 8, 0, 0], [0] * 7]
    economy = dp.Economy(TWO_COINS, x, [ES(0.2), ES(0.5)])
    parts = dp.solve(economy, law="marginal").premium_parts
    assert parts.expected[0, 1:3].tolist() == [-8, 0]
    assert parts.loading[0, 1:3].tolist() == [3, -5]


def test_bills_with_a_supremum():
    feared = dp.Supremum([ES(0.25), dp.Mixture([mean, dp.WorstCase()], [0.5, 0.5])])
    x = [[0, 1, 5, 0, 4, 2, 3], [0, 0, 2, 7, 0, 1, 9]]
    economy = dp.Economy(TWO_COINS, x, [feared, ES(0.5)])
    solution = dp.solve(economy)
    assert dp.check_allocation(economy, solution.allocation).pareto_optimal
    for v in range(3):
        bills = solution.bills(v)
        for i, k in enumerate((feared, ES(0.5))):
            risk = dp.choquet(bills.layer[i], k, bills.probability)
            assert bills.price[i, 0] == pytest.approx(-risk, abs=1e-9)
        total = bills.payment.sum(axis=0)
        assert total == pytest.approx(economy.aggregate[bills.target], abs=1e-9)


def test_premia_by_node_are_billed_too():
    x = [[0, 0, 0, 9, 9, 0, 0], [0, 0, 0, 0, 0, 9, 9]]
    economy = dp.Economy(TWO_COINS, x, [mean, ES(0.5)])
    solution = dp.solve(economy, "deterministic", premia="node")
    first, second = solution.bills(1), solution.bills(2)
    assert first.payment.tolist() == [[9, 9], [0, 0]]
    assert second.payment.tolist() == [[0, 0], [9, 9]]
    assert first.sure.tolist() == second.sure.tolist() == [[4.5] * 2] * 2
    assert first.transfer.tolist() == [[4.5] * 2, [-4.5] * 2]
    found = solution.follow([[0, 0], [1, 10]], nodes=[2, 5])  # 2 more than expected
    # of 13.5 alone 4.5 are saved: agent 0 fears 2.25 and 0 later, agent 1 6.75 and 9
    assert found.payments.tolist() == [[2.25, 1], [-2.25, 10]]
    assert found.outside == (2,)


@pytest.mark.parametrize("node", [3, -1, 7, 1.0, True, "a", None])
def test_bills_of_no_node_are_refused(node):
    solution = dp.solve(dp.Economy(TWO_COINS, np.ones((1, 7)), [mean]))
    assert refusal(lambda: solution.bills(node)) == (
        f"ValueError: node = {node!r}: choose a node before the horizon, 0 to 2"
    )


# observed paths -------------------------------------------------------------------


def random_path(scenarios, rng):
    """Entries and nodes along a way to the horizon."""
    v, entries, nodes = 0, [], []
    while v < scenarios.first[scenarios.horizon]:
        entry, target, _ = ways_of(scenarios, v)
        way = rng.integers(len(entry))
        entries.append(entry[way])
        v = target[way]
        nodes.append(int(v))
    return entries, nodes


@settings(max_examples=80)
@given(solutions(), st.integers(0, 2**32))
def test_a_path_of_the_scenarios_pays_what_is_allocated(solution, seed):
    economy, own = solution.economy, own_losses(solution.economy)
    entries, nodes = random_path(economy.scenarios, np.random.default_rng(seed))
    path = own[:, entries].T
    # arcs side by side: of those to one node the first with these losses is taken
    found = solution.follow(path, nodes)
    assert found.node.tolist() == [0, *nodes]
    assert (found.distance == 0).all()
    assert found.outside == ()
    assert found.payments == near(solution.allocation[:, entries], economy, 1e-11)
    alike = False
    for v, w in zip([0, *nodes], entries):
        ways = ways_of(economy.scenarios, v)[0]
        alike |= (own[:, ways] == own[:, [w]]).all(axis=0).sum() > 1
    if not alike:
        assert solution.follow(path).node.tolist() == [0, *nodes]


@settings(max_examples=80)
@given(solutions(), st.integers(0, 2**32))
def test_any_losses_are_paid_in_full(solution, seed):
    """The nearest ways, and what layers, continued at both ends, say there."""
    economy, own = solution.economy, own_losses(solution.economy)
    scenarios, n = economy.scenarios, economy.n_agents
    path = np.random.default_rng(seed).normal(2, 8, (scenarios.horizon, n))
    found = solution.follow(path)
    assert found.payments.sum(axis=0) == near(path.sum(axis=1), economy, 1e-11)
    v, outside = 0, []
    for t, losses in enumerate(path):
        entry, target, _ = ways_of(scenarios, v)
        apart = [max(abs(own[:, e] - losses)) for e in entry]
        way = int(np.argmin(apart))
        assert found.distance[t] == apart[way]
        totals = own[:, entry].sum(axis=0)
        if not totals.min() <= losses.sum() <= totals.max():
            outside.append(t + 1)
        after = target[way]
        z = losses.sum() + solution.total_risk_to_go[after]
        sure = solution.premium[:, v].sum()
        base = solution.premium[:, v] - solution.risk_to_go[:, after]
        stage = scenarios.stage[v]
        by_time = solution.retention == "deterministic"
        layers = solution.layers[stage + 1 if by_time else v]
        if layers and sure <= z <= layers[-1].exhaustion:
            due = base + layer_losses(solution, v, np.array([z]))[:, 0]
            assert found.payments[:, t] == near(due, economy, 1e-10)
        elif not layers or z < sure:  # less than what is sure: shared equally
            due = base + (z - sure) / n
            assert found.payments[:, t] == near(due, economy, 1e-10)
        v = after
    assert found.outside == tuple(outside)


def test_the_top_layer_goes_on():
    economy = dp.Economy(COIN, [[0, 0, 0], [0, 0, 4]], [mean, ES(0.5)])
    solution = dp.solve(economy)
    usual = solution.follow([[0, 4]]).payments[:, 0]
    more = solution.follow([[0, 10]])
    assert (more.payments[:, 0] - usual).tolist() == [6, 0]
    assert (more.distance.tolist(), more.outside) == ([6.0], (1,))
    less = solution.follow([[0, -2]]).payments[:, 0]
    assert (less - solution.follow([[0, 0]]).payments[:, 0]).tolist() == [-1, -1]


def test_nodes_tell_more_than_losses():
    """The same losses in both regimes; only the node tells how bad the next year is."""
    x = [[0, 1, 1, 0, 0, 4, 4], [0, 0, 0, 0, 0, 0, 4]]
    economy = dp.Economy(TWO_COINS, x, [mean, ES(0.5)])
    solution = dp.solve(economy)
    path = [[1, 0], [4, 4]]
    told = solution.follow(path, nodes=[2, 6])
    assert told.payments == pytest.approx(solution.allocation[:, [2, 6]], abs=1e-12)
    guessed = solution.follow(path)
    assert guessed.node.tolist() == [0, 1, 3]
    assert guessed.distance.tolist() == [0, 4]
    assert guessed.outside == (2,)


PATH = [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("path", "nodes", "text"),
    [
        (
            [[0.0, 0.0]],
            None,
            "ValueError: path has shape (1, 2): give an array with shape (2, 2)",
        ),
        (
            np.zeros((2, 3)),
            None,
            "ValueError: path has shape (2, 3): give an array with shape (2, 2)",
        ),
        (
            [[0.0, 0.0], [0.0, np.nan]],
            None,
            "ValueError: path holds nan at position (1, 1): remove or replace it",
        ),
        (PATH, [1], "ValueError: nodes has shape (1,): give an array with shape (2,)"),
        (
            PATH,
            [1, 5],
            "ValueError: nodes[1] = 5: no way leads there from node 1; choose "
            "one of [3, 4]",
        ),
        (
            PATH,
            [3, 3],
            "ValueError: nodes[0] = 3: no way leads there from node 0; choose "
            "one of [1, 2]",
        ),
        (
            PATH,
            [1, 3.5],
            "TypeError: nodes holds values that are no integers: give node numbers",
        ),
    ],
)
def test_bad_paths_are_refused(path, nodes, text):
    solution = dp.solve(dp.Economy(TWO_COINS, np.ones((2, 7)), [mean, mean]))
    assert refusal(lambda: solution.follow(path, nodes)) == text


# how the surplus is split ---------------------------------------------------------


@given(recombining(agents=(1, 4)) | exchanges(agents=(1, 4)), st.integers(0, 2**32))
def test_every_split_of_the_surplus(exchange, seed):
    economy, rng = exchange.economy, np.random.default_rng(seed)
    n, n_nodes = economy.n_agents, economy.scenarios.n_nodes
    equal, inner = dp.solve(economy), list(inner_nodes(economy.scenarios))
    own = rng.dirichlet(np.ones(n))
    by_node = rng.dirichlet(np.ones(n), n_nodes).T
    means = [dp.risk_to_go(economy.scenarios, x, mean) for x in economy.endowments]
    load = np.maximum(economy.risk_without_trade() - means, 0.0)
    load[load <= 1e-12 * economy.scale] = 0.0
    parts = [row / row.sum() if row.sum() else np.full(n, 1 / n) for row in load.T]
    for split, part in (
        (None, np.full((n, n_nodes), 1 / n)),
        ("equal", np.full((n, n_nodes), 1 / n)),
        ("load", np.transpose(parts)),
        (own.tolist(), np.outer(own, np.ones(n_nodes))),
        (by_node, by_node),
    ):
        solution = dp.solve(economy, surplus_split=split)
        saved = solution.risk_without_trade - solution.risk_to_go
        expected = part[:, inner] * equal.surplus[inner]
        assert saved[:, inner] == near(expected, economy)
        assert dp.check_allocation(economy, solution.allocation).pareto_optimal
        assert (solution.total_risk_to_go == equal.total_risk_to_go).all()


def test_a_fixed_contract_splits_by_the_load_at_the_root():
    """Alone 4 and 12, expected 2 and 6: of what is spare a quarter and three."""
    economy = dp.Economy(
        COIN, [[0, 0, 4], [0, 0, 12], [0, 0, 0]], [ES(0.5)] * 2 + [mean]
    )
    for law in ("marginal", "conditional"):
        for split in ("load", [0.25, 0.75, 0]):
            solution = dp.solve(economy, "deterministic", law, surplus_split=split)
            assert solution.surplus[0] == 8
            assert solution.risk_to_go[:, 0].tolist() == [2, 6, 0]


def test_without_any_load_the_surplus_is_split_equally():
    economy = dp.Economy(COIN, [[0, 1, 1], [0, 2, 2]], [ES(0.5), ES(0.5)])
    assert dp.solve(economy, surplus_split="load").surplus_split[:, 0].tolist() == [
        0.5,
        0.5,
    ]


TIED = dp.Economy(COIN, [[0, 0, 4], [0, 0, 12], [0, 8, 0]], [ES(0.5)] * 3)


@pytest.mark.parametrize(
    ("ties", "shares"),
    [
        ("equal", [1 / 3, 1 / 3, 1 / 3]),
        ("load", [2 / 12, 6 / 12, 4 / 12]),
        ([0.5, 0.25, 0.25], [0.5, 0.25, 0.25]),
        ([1, 0, 0], [1, 0, 0]),
    ],
)
@pytest.mark.parametrize("rational", [True, False])
def test_ties_are_split_as_asked(ties, shares, rational):
    solution = dp.solve(TIED, ties=ties, individually_rational=rational)
    (layer,) = solution.layers[0]
    assert layer.shares == pytest.approx(shares, abs=1e-15)
    assert solution.total_risk_to_go[0] == 16  # the total rises from 8 to 16
    own = dp.Economy(COIN, solution.allocation, TIED.agents)
    report = dp.check_allocation(own if not rational else TIED, solution.allocation)
    assert report.pareto_optimal
    assert solution.bills().sure[:, 0] == pytest.approx(8 * np.array(shares))
    if not rational:
        assert solution.risk_to_go[:, 0] == pytest.approx(16 * np.array(shares))


@given(recombining(agents=(2, 4)) | exchanges(agents=(2, 4)), st.integers(0, 2**32))
def test_ties_change_no_value_and_shares_among_the_cheapest_only(exchange, seed):
    economy = exchange.economy
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(economy.n_agents))
    weights[rng.integers(len(weights))] = 0.0
    weights /= weights.sum()
    equal = dp.solve(economy)
    for ties in (weights, "load"):
        solution = dp.solve(economy, ties=ties)
        assert dp.check_allocation(economy, solution.allocation).pareto_optimal
        assert solution.total_risk_to_go == near(equal.total_risk_to_go, economy)
        assert solution.risk_to_go == near(equal.risk_to_go, economy)
        for v in inner_nodes(economy.scenarios):
            edges = {la.attachment: la.shares for la in equal.layers[v]}
            for layer in solution.layers[v]:
                low = max(e for e in edges if e <= layer.attachment)
                tied = np.array(edges[low]) > 0
                part = solution.ties * tied
                part = part / part.sum() if part.sum() else tied / tied.sum()
                assert layer.shares == pytest.approx(part, abs=1e-12)


SUMS = "give each non-terminal node parts of at least 0 that sum to 1"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"surplus_split": "fair"},
            "surplus_split = 'fair' is unknown: choose 'equal' or 'load'",
        ),
        ({"ties": "fair"}, "ties = 'fair' is unknown: choose 'equal' or 'load'"),
        (
            {"surplus_split": [0.5, 0.6]},
            "surplus_split sum to 1.1: divide them by their sum",
        ),
        (
            {"surplus_split": [1.5, -0.5]},
            "surplus_split holds -0.5 at position 1: probabilities are at least 0",
        ),
        (
            {"surplus_split": [1.0]},
            "surplus_split has shape (1,): give an array with shape (2,)",
        ),
        (
            {"surplus_split": np.ones((2, 3))},
            "surplus_split has shape (2, 3): give an array with shape (2, 7)",
        ),
        (
            {"surplus_split": np.full((2, 7), 0.4)},
            f"surplus_split[:, 0] = [0.4, 0.4]: {SUMS}",
        ),
        (
            {"surplus_split": [[0.5, 0.5, 2, 0, 0, 0, 0], [0.5, 0.5, -1, 0, 0, 0, 0]]},
            f"surplus_split[:, 2] = [2.0, -1.0]: {SUMS}",
        ),
        (
            {"ties": np.full((2, 7), 0.5)},
            "ties has shape (2, 7): give an array with shape (2,)",
        ),
        ({"ties": [0, 0]}, "ties sum to 0: divide them by their sum"),
        (
            {"surplus_split": "load", "individually_rational": False},
            "surplus_split goes with individually_rational=True: leave it out",
        ),
        (
            {"ties": "load", "retention": "deterministic"},
            "ties go with state-dependent retention: leave them out, contracts "
            "that are fixed share them equally",
        ),
        (
            {"ties": [0.5, 0.5], "law": "marginal"},
            "ties go with state-dependent retention: leave them out, contracts "
            "that are fixed share them equally",
        ),
        (
            {"surplus_split": np.full((2, 7), 0.5), "law": "marginal"},
            "surplus_split has shape (2, 7): give an array with shape (2,)",
        ),
    ],
)
def test_bad_splits_are_refused(options, text):
    economy = dp.Economy(TWO_COINS, np.ones((2, 7)), [mean, ES(0.5)])
    assert refusal(lambda: dp.solve(economy, **options)) == f"ValueError: {text}"


# for people -----------------------------------------------------------------------


def test_a_solution_says_what_it_is():
    economy = dp.Economy(COIN, [[0, 0, 0], [0, 0, 4]], [mean, ES(0.5)])
    assert repr(dp.solve(economy)) == (
        "<Solution: 2 agents, tree of 3 nodes, law conditional, contracts "
        "state-dependent, total risk 2, saves 2>"
    )
    lattice = dp.ScenarioLattice([0, 0], [1, 1], [0.5, 0.5])
    other = dp.Economy(lattice, [[0, 0], [0, 4]], [mean, ES(0.5)])
    assert repr(dp.solve(other)) == (
        "<Solution: 2 agents, lattice of 2 nodes, law conditional, contracts "
        "state-dependent, total risk 2, saves 2>"
    )


def test_a_summary_names_the_agents():
    economy = dp.Economy(COIN, [[0, 0, 0], [0, 0, 4e9]], [mean, ES(0.5)])
    lines = dp.solve(economy).summary().splitlines()
    assert lines[0] == "risk at time 0       alone       traded        saved"
    assert lines[1] == "agent 0                  0       -1e+09        1e+09"
    assert lines[3] == "total                4e+09        2e+09        2e+09"
    long = "A company with quite a long name"
    lines = dp.solve(economy).summary(["B", long]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2].startswith(f"{long}       4e+09")
    assert refusal(lambda: dp.solve(economy).summary(["B"])) == (
        "ValueError: names = ['B'] are 1: give 2"
    )


def test_frames_have_a_row_for_each_agent_and_node_or_way(monkeypatch):
    """The columns, whether pandas is there or not."""
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))
    economy = dp.Economy(TWO_COINS, np.arange(14.0).reshape(2, 7), [mean, ES(0.5)])
    solution = dp.solve(economy)
    frame = solution.to_frame()
    assert {len(column) for column in frame.values()} == {14}
    for row in range(14):
        i, v = frame["agent"][row], frame["node"][row]
        assert (i, v) == (row // 7, row % 7)
        assert frame["stage"][row] == TWO_COINS.stage[v]
        assert frame["probability"][row] == TWO_COINS.unconditional[v]
        assert frame["payment"][row] == solution.allocation[i, v]
        for name in ("risk_to_go", "risk_without_trade", "premium"):
            ours = getattr(solution, name)[i, v]
            np.testing.assert_equal(frame[name][row], ours)
    bills = solution.bills(1)
    frame = bills.to_frame()
    assert frame["way"].tolist() == [0, 1, 0, 1]
    assert frame["target"].tolist() == [3, 4, 3, 4]
    assert frame["agent"].tolist() == [0, 0, 1, 1]
    assert list(frame)[4:] == (
        ["own", "layer", "price", "sure", "transfer", "reserve", "payment"]
    )
    for name in list(frame)[4:]:
        assert frame[name].tolist() == getattr(bills, name).ravel().tolist()
    unrolled = dp.ScenarioLattice([0, 0], [1, 1], [0.5, 0.5])
    other = dp.Economy(unrolled, [[0, 0], [0, 4]], [mean, ES(0.5)])
    assert "payment" not in dp.solve(other).to_frame()


def test_a_report_says_who_would_leave_where(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))
    economy = dp.Economy(TWO_COINS, np.arange(14.0).reshape(2, 7), [mean, ES(0.5)])
    report = dp.check_allocation(economy, economy.endowments[::-1])
    frame = report.to_frame()
    worse = zip(frame["agent"], frame["node"], frame["irrational"], strict=True)
    found = [(int(i), int(v)) for i, v, left in worse if left]
    assert found == [(i, report.irrational_node) for i in report.irrational_agents]
    assert found
    assert frame["risk_to_go"].tolist() == report.risk_to_go.ravel().tolist()
    good = dp.check_allocation(economy, dp.solve(economy).allocation).to_frame()
    assert not good["irrational"].any()


def test_frames_are_those_of_pandas():
    pandas = pytest.importorskip("pandas")
    solution = dp.solve(dp.Economy(TWO_COINS, np.ones((2, 7)), [mean, ES(0.5)]))
    for frame, rows in ((solution.to_frame(), 14), (solution.bills().to_frame(), 4)):
        assert isinstance(frame, pandas.DataFrame)
        assert len(frame) == rows
