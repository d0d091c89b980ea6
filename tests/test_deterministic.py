"""Contracts fixed at time 0: exact cases, the rule of H, rationality, infeasibility."""

import itertools
from fractions import Fraction

import numpy as np
import oracles
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from strategies import (
    as_preference,
    case_economy,
    check_layers,
    exchanges,
    inner_nodes,
    near,
    refusal,
)

import dynpo_lite as dp
from dynpo_lite.economy import deterministic
from dynpo_lite.economy import deterministic_programme as contracts

ES = dp.ExpectedShortfall
mean = dp.Expectation()
CASES = {case.id: case for case in oracles.exact_cases()}
C05, C06, C14 = (
    next(c for name, c in CASES.items() if name.startswith(key))
    for key in ("C05", "C06", "C14")
)
two_coins = dp.ScenarioTree([-1, 0, 0, 1, 1, 2, 2], [1] + [0.5] * 6)
READINGS = {
    "conditional": {"retention": "deterministic"},
    "marginal": {"law": "marginal"},
}
readings = pytest.mark.parametrize("law", READINGS)


def solve(economy, law, **options):
    return dp.solve(economy, **READINGS[law], **options)


def average_total(economy, solution, t):
    nodes = economy.tree.nodes(t)
    return economy.tree.unconditional[nodes] @ solution.total_risk_to_go[nodes]


def number(text):
    return float(Fraction(text))


# the exact cases ------------------------------------------------------------------


@pytest.mark.parametrize("case", [C05, C06, C14], ids=lambda case: case.id)
def test_exact_totals_and_layers(case):
    economy = case_economy(case).economy
    exact = case.answer["deterministic_g"]
    solution = solve(economy, "conditional", individually_rational=False)
    ours = average_total(economy, solution, 1)
    assert ours == pytest.approx(number(exact["E_total"]), rel=1e-12)
    check_layers(solution.layers[2], exact["layers"], case.agents)


@pytest.mark.parametrize("case", [C05, C06], ids=lambda case: case.id)
def test_exact_marginal_totals_and_layers(case):
    economy, exact = case_economy(case).economy, case.answer["marginal"]
    solution = solve(economy, "marginal", individually_rational=False)
    ours = average_total(economy, solution, 1)
    assert ours == pytest.approx(number(exact["E_total"]), rel=1e-12)
    check_layers(solution.layers[2], exact["layers"], case.agents)
    for v, total in exact.get("total_risk_by_regime", {}).items():
        ours = solution.total_risk_to_go[case.number[v]]
        assert ours == pytest.approx(number(total), rel=1e-12)


def test_the_readings_of_one_case():
    economy = case_economy(C05).economy
    totals = []
    for reading in ({}, *READINGS.values()):
        solution = dp.solve(economy, **reading, individually_rational=False)
        totals.append(average_total(economy, solution, 1))
    answer = [
        C05.answer["E_total_conditional_state_dependent"],
        C05.answer["deterministic_g"]["E_total"],
        C05.answer["marginal"]["E_total"],
    ]
    assert totals == pytest.approx([number(x) for x in answer], rel=1e-12)


def upper_bounds(economy, law):
    """The constants of (47): what each agent could pay at most for its layers."""
    solution = solve(economy, law, individually_rational=False)
    nodes = economy.tree.nodes(1)
    layers = solution.risk_to_go[:, nodes] - solution.constants[2][:, None]
    bounds = (economy.risk_without_trade(law)[:, nodes] - layers).min(axis=1)
    return bounds, solution.layers[2][0].attachment


@pytest.mark.parametrize(
    ("case", "key", "law"),
    [
        (C05, "(47)_for_deterministic_g", "conditional"),
        (C06, "(47)", "conditional"),
        (C06, "(47)", "marginal"),
    ],
    ids=["C05", "C06", "C06 marginal"],
)
def test_constants_that_do_not_exist(case, key, law):
    economy, exact = case_economy(case).economy, case.answer[key]
    bounds, base = upper_bounds(economy, law)
    answer = [number(exact["upper_bounds"][i]) for i in case.agents]
    assert bounds == pytest.approx(answer, abs=1e-12)
    assert bounds.sum() == pytest.approx(number(exact["sum"]), abs=1e-12)
    assert base == number(exact.get("required_sum", "0"))
    assert not exact["feasible"]
    assert bounds.sum() < base


@readings
@pytest.mark.parametrize("case", [C06, C14], ids=lambda case: case.id)
def test_the_optimum_of_44_with_rationality(case, law):
    economy, exact = case_economy(case).economy, case.answer["(44)_optimum_with_IR"]
    solution = solve(economy, law)
    ours = average_total(economy, solution, 1)
    assert ours == pytest.approx(number(exact["E_total"]), abs=1e-12)
    (layer,) = solution.layers[2]
    shares = [number(exact["shares"][i][0]) for i in case.agents]
    assert layer.shares == pytest.approx(shares, abs=1e-12)
    report = dp.check_allocation(economy, solution.allocation, law)
    assert report.individually_rational
    if case is C06:  # no trade, and no other premia
        assert solution.constants[2] == pytest.approx([0, 0], abs=1e-12)
        leaves = economy.tree.leaves
        kept = economy.endowments[:, leaves]
        assert solution.allocation[:, leaves] == pytest.approx(kept, abs=1e-12)


# the rule of H --------------------------------------------------------------------


def laws_at(tree, t, law):
    """The probabilities of the nodes of ``t``, as each parent sees them."""
    nodes = tree.nodes(t)
    if law == "marginal":
        return np.tile(tree.unconditional[nodes], (len(tree.nodes(t - 1)), 1))
    parents = tree.nodes(t - 1)[:, None]
    return np.where(tree.parent[nodes] == parents, tree.probability[nodes], 0.0)


def carried_total(economy, solution, t):
    nodes = economy.tree.nodes(t)
    return economy.aggregate[nodes] + solution.total_risk_to_go[nodes]


@readings
@given(exchange=exchanges(agents=(2, 4)))
def test_layers_go_to_the_smallest_average_distorted_tail(law, exchange):
    economy, tree = exchange.economy, exchange.economy.tree
    solution = solve(economy, law, individually_rational=False)
    chance = tree.unconditional
    for t in range(1, tree.horizon + 1):
        z, parents = carried_total(economy, solution, t), tree.nodes(t - 1)
        ends, least = np.unique(z), 0.0
        for low, high in itertools.pairwise(ends):
            beyond = laws_at(tree, t, law) @ (z > low)
            h = np.array(
                [
                    sum(
                        chance[v] * oracles.mixture_of_shortfalls(own[v][0])(u)
                        for v, u in zip(parents, np.minimum(beyond, 1))
                    )
                    for own in exchange.prefs
                ]
            )
            least += (high - low) * h.min()
            if high - low > 1e-9 * economy.scale:  # else the ends are one and the same
                x = (low + high) / 2
                (shares,) = [
                    la.shares
                    for la in solution.layers[t]
                    if la.attachment < x < la.exhaustion
                ]
                ties = h - h.min() <= 1e-11 * h.min()
                clear = (ties == (h - h.min() <= 1e-13 * h.min())).all()
                assert not clear or shares == pytest.approx(ties / ties.sum())
        ours = average_total(economy, solution, t - 1)
        assert ours == near(least + z.min(), economy)
        equal = np.full(economy.n_agents, z.min() / economy.n_agents)
        assert solution.constants[t] == near(equal, economy)


@readings
@given(exchange=exchanges(agents=(1, 4)), rationally=st.booleans())
def test_what_a_solution_promises(law, exchange, rationally):
    economy, tree = exchange.economy, exchange.economy.tree
    try:
        solution = solve(economy, law, individually_rational=rationally)
    except dp.Infeasible:
        assert rationally
        return
    rel = 1e-9 if rationally else 1e-12
    assert solution.allocation.sum(axis=0) == near(economy.aggregate, economy, rel)
    risk = economy.risk_to_go(solution.allocation, law)
    assert risk == near(solution.risk_to_go, economy, rel)
    assert risk.sum(axis=0) == near(solution.total_risk_to_go, economy, rel)
    alone = economy.risk_without_trade(law)
    surplus = alone.sum(axis=0) - risk.sum(axis=0)
    assert solution.surplus == near(surplus, economy, rel)
    inner = list(inner_nodes(tree))
    interval = np.stack([alone - surplus, alone], axis=-1)[:, inner]
    assert solution.risk_interval[:, inner] == near(interval, economy, rel)
    assert np.isnan(solution.risk_interval[:, tree.leaves]).all()
    report = dp.check_allocation(economy, solution.allocation, law)
    assert report.sums_to_aggregate
    assert report.individually_rational or not rationally
    assert list(solution.layers) == list(solution.constants)
    assert sorted(solution.layers) == list(range(1, tree.horizon + 1))
    for t, layers in solution.layers.items():
        z = carried_total(economy, solution, t)
        assert solution.constants[t].sum() == near(z.min(), economy, rel)
        check_contract(economy, solution, layers, t, rel)


def check_contract(economy, solution, layers, t, rel):
    """One function of the total for all nodes of a stage."""
    nodes = economy.tree.nodes(t)
    carried = (solution.allocation + solution.risk_to_go)[:, nodes]
    z = carried_total(economy, solution, t)
    for j in range(len(nodes)):
        kept = solution.constants[t].copy()
        for la in layers:
            within = np.clip(z[j], la.attachment, la.exhaustion) - la.attachment
            kept += within * np.array(la.shares)
        assert carried[:, j] == near(kept, economy, rel)
    assert dp.is_comonotone(carried - carried.min(axis=1)[:, None], tol=1e-7)


@given(exchanges(horizon=(1, 1), agents=(1, 4)), st.booleans())
def test_one_period_has_one_reading(exchange, rationally):
    economy = exchange.economy
    value = dp.solve(economy).total_risk_to_go[0]
    for law in READINGS:
        solution = solve(economy, law, individually_rational=rationally)
        assert solution.total_risk_to_go[0] == near(value, economy, 1e-11)


@given(exchanges(agents=(1, 4)))
def test_contracts_that_know_more_cost_less(exchange):
    economy = exchange.economy
    fixed = solve(economy, "conditional", individually_rational=False)
    free = dp.solve(economy).total_risk_to_go
    slack = 1e-12 * economy.scale * economy.n_agents * economy.tree.horizon
    t = economy.tree.horizon - 1
    nodes = economy.tree.nodes(t)
    assert (fixed.total_risk_to_go[nodes] >= free[nodes] - slack).all()
    assert fixed.total_risk_to_go[0] >= free[0] - slack


@pytest.mark.parametrize("law", READINGS)
@given(exchange=exchanges(agents=(2, 4)), factor=st.sampled_from([1e12, 1e-9]))
def test_losses_scaled(law, exchange, factor):
    economy = exchange.economy
    scaled = dp.Economy(economy.tree, factor * economy.endowments, economy.agents)
    for rationally in (True, False):
        one, other = (
            outcome(e, law, individually_rational=rationally) for e in (economy, scaled)
        )
        assert other / factor == near(one, economy, 1e-7 if rationally else 1e-11)


def outcome(economy, law, **options):
    try:
        solution = solve(economy, law, **options)
    except dp.Infeasible as error:
        return error.shortfall
    return average_total(economy, solution, economy.tree.horizon - 1)


# rationality, against a linear programme ------------------------------------------


def best_contract(exchange, law, t, z, limits):
    tree = exchange.economy.tree
    parents = tree.nodes(t - 1)
    agents = [[own[v] for v in parents] for own in exchange.prefs]
    chance = tree.unconditional[parents]
    return oracles.best_deterministic_contract(
        z, laws_at(tree, t, law), chance, agents, limits
    )


@readings
@pytest.mark.parametrize("kind", ["linear", "suprema"])
@settings(max_examples=100)
@given(data=st.data())
def test_rational_contracts_are_the_best_there_are(law, kind, data):
    exchange = data.draw(exchanges(kind, horizon=(2, 2), agents=(2, 3), ties=False))
    economy, tree = exchange.economy, exchange.economy.tree
    limits, slack = economy.risk_without_trade(law), 1e-7 * economy.scale
    solution = error = None
    try:
        solution = solve(economy, law)
    except dp.Infeasible as caught:
        error = caught
    for t in range(tree.horizon, 0, -1):
        nodes, parents = tree.nodes(t), tree.nodes(t - 1)
        z = economy.aggregate[nodes]
        if solution:
            z = carried_total(economy, solution, t)
        least, sacrifice = best_contract(exchange, law, t, z, limits[:, parents])
        if error:  # at time 0 one node demands, and that is always feasible
            assert error.node in parents
            assert least is None
            assert error.shortfall == pytest.approx(sacrifice, abs=slack)
            assert error.shortfall > 1e-9 * economy.scale
            break
        ours = average_total(economy, solution, t - 1)
        assert ours == pytest.approx(least, abs=slack)


@readings
@settings(max_examples=40)
@given(exchange=exchanges("suprema", agents=(1, 3)))
def test_layers_of_suprema_are_the_best_there_are(law, exchange):
    economy, tree = exchange.economy, exchange.economy.tree
    solution = solve(economy, law, individually_rational=False)
    for t in range(1, tree.horizon + 1):
        z = carried_total(economy, solution, t)
        least, _ = best_contract(exchange, law, t, z, None)
        ours = average_total(economy, solution, t - 1)
        assert ours == pytest.approx(least, abs=1e-7 * economy.scale)


@readings
@given(exchange=exchanges(agents=(2, 4)))
def test_what_is_left_of_the_bounds_is_shared_equally(law, exchange):
    """Where constants of (47) exist, all agents are as far from the largest ones."""
    economy, tree = exchange.economy, exchange.economy.tree
    layers_only = solve(economy, law, individually_rational=False)
    t, alone = tree.horizon, economy.risk_without_trade(law)
    nodes = tree.nodes(t - 1)
    cost = layers_only.risk_to_go[:, nodes] - layers_only.constants[t][:, None]
    bounds = (alone[:, nodes] - cost).min(axis=1)
    spare = bounds.sum() - layers_only.constants[t].sum()
    assume(spare > 1e-6 * economy.scale)
    node = None
    try:
        constants = solve(economy, law).constants[t]
    except dp.Infeasible as error:  # at an earlier time
        node = error.node
    assert node not in nodes
    assume(node is None)
    assert constants == near(bounds - spare / economy.n_agents, economy)


# infeasible -----------------------------------------------------------------------


def split_ownership():
    """At time 1 agent 0 owns all that follows at node 1, agent 1 at node 2.

    Both take means.  A contract for both nodes must give agent 0 as much at node 1 as
    at node 2; it owns 1 more at the one than at the other, so each must give way 1/2.
    """
    x = np.zeros((2, 7))
    x[0, 4] = x[1, 6] = 2
    return dp.Economy(two_coins, x, [mean, mean])


@readings
def test_who_cannot_agree_and_by_how_much(law):
    economy = split_ownership()
    if law == "marginal":  # all nodes of a stage see the same law: no conflict
        solution = solve(economy, law)
        assert solution.total_risk_to_go.tolist() == [1, 1, 1, 0, 0, 0, 0]
        return
    with pytest.raises(dp.Infeasible) as caught:
        solve(economy, law)
    error = caught.value
    assert isinstance(error, ValueError)
    assert error.node in (1, 2)
    assert error.agents == (0, 1)
    assert error.shortfall == pytest.approx(0.5)
    assert str(error) == (
        "no individually rational allocation with deterministic retention exists: "
        f"at node {error.node} the demands of agents 0, 1 miss each other by 0.5; "
        "use retention='state-dependent' or individually_rational=False"
    )
    means = [[[[(1, 0)]]] * 2] * 2
    limits = economy.risk_without_trade()[:, 1:3]
    least, sacrifice = oracles.best_deterministic_contract(
        economy.aggregate[3:], laws_at(two_coins, 2, law), [0.5, 0.5], means, limits
    )
    assert least is None
    assert sacrifice == pytest.approx(0.5)


def beside_a_sure_loss(economy, size):
    """The same with all later losses times ``size``, and a sure loss of 1 at first."""
    x = size * economy.endowments
    x[:, economy.tree.nodes(1)] = 1 / economy.n_agents
    return dp.Economy(economy.tree, x, economy.agents)


@pytest.mark.parametrize("size", [1e-3, 1e-5])
def test_what_is_infeasible_in_a_small_second_period(size):
    economy = beside_a_sure_loss(split_ownership(), size)
    with pytest.raises(dp.Infeasible) as caught:
        solve(economy, "conditional")
    assert caught.value.shortfall == pytest.approx(size / 2, rel=1e-6)


def test_what_is_infeasible_in_a_smaller_second_period():
    economy = beside_a_sure_loss(split_ownership(), 2e-8)
    with pytest.raises(dp.Infeasible):
        solve(economy, "conditional")


def test_a_small_second_period_has_the_conflict_of_a_large_one():
    p = [1, 0.5, 0.5] + [0.25, 0.25, 0.5] * 2
    tree = dp.ScenarioTree([-1, 0, 0, 1, 1, 1, 2, 2, 2], p)
    x = np.zeros((2, 9))
    x[:, 3:] = [[2, 3, 2, 1, 1, 3], [3, 1, 0, 2, 3, 3]]
    agents = [[mean, ES(0.75), mean], [mean, ES(0.25), ES(0.5)]]
    large = dp.Economy(tree, x, agents)
    shortfalls = []
    for economy in (large, beside_a_sure_loss(large, 1e-8)):
        with pytest.raises(dp.Infeasible) as caught:
            solve(economy, "conditional")
        shortfalls.append(caught.value.shortfall)
    assert shortfalls[1] == pytest.approx(1e-8 * shortfalls[0], rel=1e-6)


@readings
@given(exchange=exchanges("suprema", agents=(1, 4), ties=False))
def test_without_rationality_nothing_is_infeasible(law, exchange):
    economy = exchange.economy
    solution = solve(economy, law, individually_rational=False)
    assert np.isfinite(solution.allocation).all()
    risk = economy.risk_to_go(solution.allocation, law)
    assert risk == near(solution.risk_to_go, economy, 1e-9)


def test_state_dependent_premia_cure_what_is_infeasible():
    economy = split_ownership()
    solution = dp.solve(economy)
    assert dp.check_allocation(economy, solution.allocation).pareto_optimal


def three_periods():
    """Deterministic contracts that exist, but not after the best one of time 3.

    Time 1: nodes 1, 2, 3.  Time 2: 0 or 1/20, owned by agent 0 at node 1 and by agent 1
    at node 2; both take means, so what is left at time 3 must make room for that.
    Time 3: 0 or 1.  Agent 1 should carry it after nodes 1 and 2, agent 0 after node 3,
    and on average agent 0; then nothing is saved after nodes 1 and 2.
    """
    parent = [-1, 0, 0, 0, 1, 1, 2, 2, 3, 3] + [v for v in range(4, 10) for _ in "01"]
    tree = dp.ScenarioTree(parent, [1] + [1 / 3] * 3 + [0.5] * 18)
    x = np.zeros((2, 22))
    x[0, [5, 9]] = x[1, 7] = 0.05
    x[:, [8, 9]] += [[0.1], [-0.1]]
    x[0, [11, 13, 15, 17]] = 1
    x[0, 18:], x[1, 18:] = 0.5, [-0.5, 0.5] * 2

    def grim(w):
        return as_preference([[(1 - w, 0), (w, 1)]])

    first = {v: grim(0.1) if v in (4, 5, 6, 7) else mean for v in range(10)}
    second = {v: grim(0.5) if v in (8, 9) else mean for v in range(10)}
    return dp.Economy(tree, x, [first, second])


def rational_contract(economy):
    """At time 3 agent 1 carries all for 1/2; then functions of the total."""
    tree, s = economy.tree, economy.aggregate
    carried = np.zeros_like(economy.endowments)
    carried[0, 10:] = 0.5
    third = s[10:] - 0.5
    carried[1, 10:] = third
    paid = carried.copy()
    for t in (2, 1):
        nodes = tree.nodes(t)
        risk = economy.risk_to_go(paid)[:, nodes]
        z = s[nodes] + risk.sum(axis=0)
        if t == 2:
            carried[0, nodes] = np.minimum(z, 0.55) + 0.0625 * (z > 0.6) + 0.0125
        else:
            carried[0, nodes] = economy.risk_without_trade()[0, 0] - 0.001
        carried[1, nodes] = z - carried[0, nodes]
        paid[:, nodes] = carried[:, nodes] - risk
    return paid, carried


def test_a_rational_contract_of_three_periods():
    economy = three_periods()
    paid, carried = rational_contract(economy)
    report = dp.check_allocation(economy, paid)
    assert report.sums_to_aggregate
    assert report.individually_rational
    for t in (1, 2, 3):  # at each time one non-decreasing function of the total
        assert dp.is_comonotone(carried[:, economy.tree.nodes(t)], tol=1e-12)


def test_what_exists_is_found():
    """The best contract of time 3 leaves none at time 2: they are sought together."""
    economy = three_periods()
    solution = solve(economy, "conditional")
    report = dp.check_allocation(economy, solution.allocation)
    assert report.sums_to_aggregate
    assert report.individually_rational
    for t in (1, 2, 3):
        check_contract(economy, solution, solution.layers[t], t, 1e-9)
    found, given = (
        economy.risk_to_go(each)[:, 4:10].sum(axis=0).mean()
        for each in (solution.allocation, rational_contract(economy)[0])
    )
    assert found <= given + 1e-9
    # an earlier time that leaves no room starts from the orders of what was found
    for t in (1, 2):
        z = carried_total(economy, solution, t)
        assert (np.diff(z[solution._contracts.orders[t]]) >= -1e-12).all()


def carried_by_contracts(exchange, seed):
    """Endow the agents with what random deterministic contracts leave them."""
    economy, rng = exchange.economy, np.random.default_rng(seed)
    tree, x = economy.tree, np.zeros_like(economy.endowments)
    for t in range(tree.horizon, 0, -1):
        nodes = tree.nodes(t)
        later = economy.risk_to_go(x)[:, nodes]
        levels, rank = np.unique(
            economy.aggregate[nodes] + later.sum(axis=0), return_inverse=True
        )
        parts = rng.dirichlet(np.full(len(x), 0.5), len(levels)).T
        steps = parts * np.diff(levels, prepend=levels[0])
        carried = np.cumsum(steps, axis=1) + parts[:, :1] * levels[0]
        x[:, nodes] = carried[:, rank] - later
    return dp.Economy(tree, x, economy.agents)


@settings(max_examples=100)
@given(exchange=exchanges(horizon=(3, 3), agents=(2, 3)), seed=st.integers(0, 10**6))
def test_endowments_that_are_contracts_are_never_infeasible(exchange, seed):
    economy = carried_by_contracts(exchange, seed)
    solution = solve(economy, "conditional")
    slack = 2e-9 * economy.scale
    limits = economy.risk_without_trade()
    assert (economy.risk_to_go(solution.allocation) <= limits + slack).all()


@pytest.mark.parametrize("kind", ["linear", "suprema"])
@given(data=st.data())
def test_marginal_laws_are_never_infeasible(kind, data):
    """The comonotone improvement of what is carried without trade is a contract."""
    economy = data.draw(exchanges(kind, horizon=(1, 3), agents=(2, 4))).economy
    solution = solve(economy, "marginal")
    risk = economy.risk_to_go(solution.allocation, "marginal")
    limits = economy.risk_without_trade("marginal")
    assert (risk <= limits + 2e-9 * economy.scale).all()


def followed_by_nothing(economy):
    """The same with one more time, at which nobody loses anything."""
    tree = economy.tree
    parent = np.append(tree.parent, tree.leaves)
    longer = dp.ScenarioTree(parent, np.append(tree.probability, np.ones(4)))
    return dp.Economy(longer, np.pad(economy.endowments, [(0, 0), (0, 4)]), [mean] * 2)


@pytest.mark.parametrize("proved", [True, False])
def test_what_is_not_found_is_not_said_not_to_exist(proved, monkeypatch):
    """There are 4! orders of the totals of time 2."""
    monkeypatch.setattr(deterministic, "MAX_ORDERS", 24 if proved else 23)
    with pytest.raises(dp.Infeasible) as caught:
        solve(followed_by_nothing(split_ownership()), "conditional")
    assert caught.value.proved == proved
    assert caught.value.shortfall == pytest.approx(0.5)
    words = "exists" if proved else "was found"
    text = f"no individually rational allocation with deterministic retention {words}: "
    assert str(caught.value).startswith(text)


@readings
def test_what_is_spare_is_split_as_asked(law):
    x = np.zeros((2, 7))
    x[1, 3:] = [0, 4, 0, 4]
    economy = dp.Economy(two_coins, x, [mean, ES(0.5)])
    equal, first, second = (
        solve(economy, law, surplus_split=split) for split in (None, [1, 0], [0, 1])
    )
    # agent 1 pays 4 without trade, agent 0 carries it for 2
    assert first.risk_to_go[:, 1].tolist() == [-2, 4]
    assert second.risk_to_go[:, 1].tolist() == [0, 2]
    assert equal.risk_to_go[:, 1].tolist() == [-1, 3]


# arguments ------------------------------------------------------------------------


ECONOMY = case_economy(C05).economy


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"retention": "state-dependent", "law": "marginal"},
            "retention = 'state-dependent' does not go with law = 'marginal': choose "
            "'deterministic', or law = 'conditional'",
        ),
        (
            {"retention": "fixed"},
            "retention = 'fixed' is unknown: choose 'state-dependent' or "
            "'deterministic'",
        ),
        (
            {"law": "joint"},
            "law = 'joint' is unknown: choose 'conditional' or 'marginal'",
        ),
        (
            {"retention": "deterministic", "surplus_split": [0.5, 0.6]},
            "surplus_split sum to 1.1: divide them by their sum",
        ),
        (
            {"surplus_split": [1.0]},
            "surplus_split has shape (1,): give an array with shape (2,)",
        ),
        (
            {"surplus_split": [0.5, 0.4]},
            "surplus_split sum to 0.9: divide them by their sum",
        ),
        (
            {"surplus_split": [1.5, -0.5]},
            "surplus_split holds -0.5 at position 1: probabilities are at least 0",
        ),
        (
            {"surplus_split": [np.nan, 1]},
            "surplus_split holds nan at position 0: remove or replace it",
        ),
    ],
)
def test_bad_arguments_are_refused(options, text):
    assert refusal(lambda: dp.solve(ECONOMY, **options)) == f"ValueError: {text}"


def test_a_split_without_rationality_is_refused():
    refusal(
        lambda: dp.solve(ECONOMY, individually_rational=False, surplus_split=[1, 0])
    )


def test_the_reading_decides_the_retention():
    assert dp.solve(ECONOMY).layers.keys() == dict.fromkeys(C05.inner).keys()
    assert dp.solve(ECONOMY, law="marginal").layers.keys() == {1, 2}
    explicit = dp.solve(ECONOMY, "deterministic", "marginal")
    assert explicit.law == "marginal"


# degenerate -----------------------------------------------------------------------


mild_or_grim = dp.Supremum([ES(0.5), dp.Mixture([mean, dp.WorstCase()], [0.5, 0.5])])


@readings
@pytest.mark.parametrize("rationally", [True, False])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e12, 1e-9])
@pytest.mark.parametrize(
    "tree",
    [
        dp.ScenarioTree([-1, 0], [1, 1]),
        dp.ScenarioTree([-1, 0, 1, 2], np.ones(4)),
        two_coins,
    ],
    ids=["one step", "chain", "two coins"],
)
@pytest.mark.parametrize(
    "agents",
    [[mild_or_grim], [dp.WorstCase()] * 2, [mild_or_grim, mean, mild_or_grim]],
    ids=["one", "worst", "suprema"],
)
def test_degenerate_economies(tree, size, agents, rationally, law):
    x = size * np.arange(len(agents) * tree.n_nodes).reshape(len(agents), -1)
    economy = dp.Economy(tree, x, agents)
    solution = solve(economy, law, individually_rational=rationally)
    assert solution.allocation.sum(axis=0) == near(economy.aggregate, economy)
    risk = economy.risk_to_go(solution.allocation, law)
    assert risk == near(solution.risk_to_go, economy, 1e-10)
    report = dp.check_allocation(economy, solution.allocation, law)
    assert report.individually_rational or not rationally


@readings
def test_equal_totals_leave_no_layer(law):
    x = np.zeros((2, 7))
    x[:, 3:] = [[1, 3, 2, 0], [3, 1, 2, 4]]
    economy = dp.Economy(two_coins, x, [mild_or_grim, mild_or_grim])
    solution = solve(economy, law)
    assert solution.layers == {2: (), 1: ()}
    assert solution.total_risk_to_go.tolist() == [4, 4, 4, 0, 0, 0, 0]
    assert dp.check_allocation(economy, solution.allocation, law).pareto_optimal


@readings
def test_many_agents(law):
    rng = np.random.default_rng(1)
    agents = [ES(i / 50) for i in range(50)]
    economy = dp.Economy(two_coins, rng.normal(size=(50, 7)), agents)
    solution = solve(economy, law, individually_rational=False)
    assert {la.shares[0] for t in (1, 2) for la in solution.layers[t]} == {1.0}
    answer = dp.risk_to_go(two_coins, economy.aggregate, mean)
    if law == "conditional":
        assert solution.total_risk_to_go == pytest.approx(answer, abs=1e-12)


# the tolerance --------------------------------------------------------------------


def test_demands_that_miss_by_less_than_the_tolerance_are_met():
    """1e-9 of the losses is rounding: in a report, so also here."""
    p = [1, 0.5, 0.5] + [0.25, 0.25, 0.5] * 2
    tree = dp.ScenarioTree([-1, 0, 0, 1, 1, 1, 2, 2, 2], p)
    x = np.zeros((3, 9))
    x[:, 3:] = [[0, 0, 1, 2, 3, 3], [1, 3, 2, 3, 1, 2], [1, 3, 2, 3, 2, 0]]
    x *= 1e-9
    x[0, 1] = 1
    third = [mean, ES(0.25), ES(0.25)]
    agents = [[mean, ES(0.75), ES(0.25)], [mean, ES(0.5), mean], third]
    economy = dp.Economy(tree, x, agents)
    solution = solve(economy, "conditional")
    assert dp.check_allocation(economy, solution.allocation).individually_rational


BETS = [
    ([1, 2, -2, 0], [1, 1, 1, 1], dp.WorstCase(), 1.0),
    ([-2, -1, 2, 2], [2, 2, 1, 2], dp.WorstCase(), 1.75),
    ([1, 2, -1, 0], [0, 1, 2, 1], ES(0.5), 0.75),
]


@pytest.mark.parametrize(("own", "total", "fear", "shortfall"), BETS)
@pytest.mark.parametrize("spread", [0.0, 1e-16, 1e-12, 1e-10, 1e-9, 1e-8])
def test_large_bets_on_a_nearly_constant_total(own, total, fear, shortfall, spread):
    """What the first agent owns the second owes, but for a total that hardly moves."""
    x = np.zeros((2, 7))
    x[0, 3:] = own
    x[1, 3:] = spread * np.array(total, dtype=float) - x[0, 3:]
    with pytest.raises(dp.Infeasible) as caught:
        solve(dp.Economy(two_coins, x, [mean, fear]), "conditional")
    assert caught.value.shortfall == pytest.approx(shortfall, abs=1e-7)
    assert caught.value.agents == (0, 1)


def test_limits_far_above_a_total_that_hardly_moves():
    """Nobody minds: any contract will do, so one is found."""
    weights = [
        [[[0.006, 0.217, 0.777], [0.012, 0.861, 0.127]]],
        [[[0.012, 0.867, 0.121]] * 2],
        [[[0.025, 0.867, 0.108], [0, 0, 1]]] * 2
        + [[[0.025, 0.867, 0.108], [0, 0.88, 0.12]]],
        [[[0, 0, 1]] * 2],
    ]
    readers = [[csr_array(np.array(part)) for part in parts] for parts in weights]
    limits = np.array([[0.24, 0.09], [-0.04, -0.04], [-0.04, 0.3], [0.4, 0.4]])
    known = np.array([0.0, 2.0**-55, 2.0**-54])
    rows, chance = [np.array([0, 1])] * 4, np.array([0.5, 0.5])
    market = contracts.Market(readers, rows, chance, known, None, limits)
    (retention,) = contracts.best_contracts([market], 8e-10)
    assert (retention.max(axis=1) <= limits.min(axis=1) + 1e-9).all()
    assert retention.sum(axis=0) == pytest.approx(known, abs=1e-9)


def test_chances_that_defeat_one_method_of_the_solver():
    """In one period the contract costs what state-dependent sharing costs."""
    p = np.array([1e-6, 1e-9, 1.0, 1e-9])
    tree = dp.ScenarioTree([-1, 0, 0, 0, 0], [1, *(p / p.sum())])
    either = dp.Supremum([ES(0.5), dp.Mixture([mean, dp.WorstCase()], [0.5, 0.5])])
    x = [[0, 2, 3, 1, 0], [0, 0, 0, 0, 0]]
    economy = dp.Economy(tree, x, [either, dp.ProportionalHazard(0.5)])
    solution = solve(economy, "conditional", individually_rational=False)
    least = dp.solve(economy).total_risk_to_go
    assert solution.total_risk_to_go == near(least, economy)
