"""What else one may do: smooth premia, simpler arrangements, replications."""

import sys
from types import SimpleNamespace

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import exchanges, inner_nodes, near, recombining, refusal

import dynpo_lite as dp

ES = dp.ExpectedShortfall
mean = dp.Expectation()
TWO_COINS = dp.ScenarioTree([-1, 0, 0, 1, 1, 2, 2], [1] + [0.5] * 6)
any_exchange = st.one_of(
    recombining("smooth", agents=(1, 3)),
    recombining(agents=(1, 3)),
    exchanges(agents=(1, 3)),
    exchanges("suprema", agents=(2, 3), horizon=(1, 2), ties=False),
)


LOSSES = (0, 1, 5, 0, 4, 2, 3), (0, 0, 2, 7, 0, 1, 9)
AGENTS = mean, ES(0.5)


def small(x=LOSSES, agents=AGENTS):
    return dp.Economy(TWO_COINS, x, agents)


# smooth premia --------------------------------------------------------------------


def ways(scenarios):
    """Source, entry, target and the chance of being taken, for every payment."""
    lattice = isinstance(scenarios, dp.ScenarioLattice)
    entries = range(0 if lattice else 1, scenarios.n_entries)
    for e in entries:
        v = scenarios.source[e] if lattice else scenarios.parent[e]
        chance = scenarios.unconditional[v] * scenarios.probability[e]
        yield v, e, scenarios.target[e], chance


def cash(economy, paid):
    """The expected cash that is moved."""
    own = economy.scenarios.entries(economy.endowments)
    moved = np.abs(paid - own).sum(axis=0)
    return sum(p * moved[e] for _, e, _, p in ways(economy.scenarios))


def least_cash(solution):
    """A programme over risks-to-go, with the layers and the risks at time 0 given."""
    economy, scenarios = solution.economy, solution.economy.scenarios
    own = scenarios.entries(economy.endowments) / economy.scale
    inner, n = inner_nodes(scenarios), economy.n_agents
    alone = solution.risk_without_trade / economy.scale
    total = solution.total_risk_to_go / economy.scale
    lp = oracles.Programme()
    risk = lp.new(n, len(inner))
    for v in inner:
        for i in range(n):
            lp.add([(1.0, risk[i, v])], "<=", alone[i, v])
        lp.add([(1.0, r) for r in risk[:, v]], "=", total[v])
    for i in range(n):
        start = solution.risk_to_go[i, 0] / economy.scale
        lp.add([(1.0, risk[i, 0])], "=", start)
    every = list(ways(scenarios))
    for v, e, w, p in every:
        bills = solution.bills(v)
        way = [d for u, d, _, _ in every if u == v].index(e)
        for i in range(n):
            carried = bills.layer[i, way] + bills.price[i, way]
            (moved,) = lp.new(1)
            terms = [(1.0, risk[i, v])]
            if w in inner:
                terms.append((-1.0, risk[i, w]))
            off = own[i, e] - carried / economy.scale
            lp.add([*terms, (-1.0, moved)], "<=", off)
            lp.add([*((-c, r) for c, r in terms), (-1.0, moved)], "<=", -off)
            lp.cost[moved] = p
    x = lp.solve()
    return economy.scale * sum(c * x[v] for v, c in lp.cost.items())


@settings(max_examples=30)
@given(any_exchange, st.sampled_from(["equal", "load"]))
def test_smooth_premia_move_the_least_cash(exchange, split):
    economy = exchange.economy
    solution = dp.solve(economy, surplus_split=split)
    smooth = dp.smooth_premia(solution)
    tol = 1e-7 * economy.scale * economy.scenarios.horizon
    assert cash(economy, smooth.allocation) == pytest.approx(
        least_cash(solution), abs=tol
    )
    assert cash(economy, smooth.allocation) <= cash(economy, solution.allocation) + tol
    assert smooth.total_risk_to_go == near(solution.total_risk_to_go, economy)
    assert smooth.risk_to_go[:, 0] == near(solution.risk_to_go[:, 0], economy, 1e-9)
    assert smooth.layer_risk == pytest.approx(solution.layer_risk, abs=tol, nan_ok=True)
    report = dp.check_allocation(economy, smooth.allocation)
    assert report.pareto_optimal
    split = smooth.surplus_split
    assert split.shape == (economy.n_agents, economy.scenarios.n_nodes)
    assert split.sum(axis=0) == pytest.approx(1, abs=1e-9)
    assert (split >= 0).all()


def test_less_cash_moves():
    """By hand: what is certain at node 1 need not be paid a year early.

    Nothing is paid at time 1; half of the 2 that are saved go to each agent, today's
    way by a risk-to-go shared equally, or with no cash moved at time 1 at all.
    """
    tree = dp.ScenarioTree([-1, 0, 1, 1], [1, 1, 0.5, 0.5])
    economy = dp.Economy(tree, [[0, 0, 0, 0], [0, 0, 0, 4]], [mean, ES(0.5)])
    solution = dp.solve(economy, surplus_split=[[0.5, 1, 0, 0], [0.5, 0, 0, 0]])
    assert solution.allocation[:, 1].tolist() == [1, -1]
    smooth = dp.smooth_premia(solution)
    assert smooth.allocation.tolist() == [[0, 0, -3, 1], [0, 0, 3, 3]]
    assert (cash(economy, solution.allocation), cash(economy, smooth.allocation)) == (
        2 + 4,
        4,
    )


def test_ties_stay_as_they_were():
    economy = small(agents=(ES(0.5), ES(0.5)))
    solution = dp.solve(economy, ties=[0.25, 0.75])
    smooth = dp.smooth_premia(solution)
    assert (smooth.ties == solution.ties).all()
    assert smooth.layers == solution.layers


def test_what_cannot_be_smoothed_is_refused(monkeypatch):
    text = (
        "ValueError: solution is deterministic or ignores rationality: only premia "
        "that may depend on the node, within rational bounds, can be smoothed"
    )
    for options in (
        {"law": "marginal"},
        {"individually_rational": False},
        {"retention": "deterministic", "individually_rational": False},
    ):
        solution = dp.solve(small(), **options)
        assert refusal(lambda s=solution: dp.smooth_premia(s)) == text
    call = refusal(lambda: dp.smooth_premia("it"))
    assert call == "TypeError: solution = 'it' is no Solution: give one"
    monkeypatch.setattr("dynpo_lite.economy.smooth.MOST", 11)
    call = refusal(lambda: dp.smooth_premia(dp.solve(small())))
    assert call == ("ValueError: solution has 12 payments: at most 11 can be smoothed")
    monkeypatch.setattr("dynpo_lite.economy.smooth.MOST", 12)
    assert dp.smooth_premia(dp.solve(small())).surplus[0] > 0


# arrangements ---------------------------------------------------------------------

NAMES = ["no trade", "quota share", "yearly layers", "myopic", "dynamic optimum"]


@given(any_exchange)
def test_arrangements_are_judged_by_the_risks_of_the_agents(exchange):
    economy = exchange.economy
    found = dp.baselines(economy)
    assert list(found) == NAMES
    aggregate = economy.scenarios.entries(economy.aggregate)
    tol = 1e-9 * economy.scale
    value = dp.solve(economy).total_risk_to_go[0]
    for name, each in found.items():
        assert each.name == name
        assert each.allocation.sum(axis=0) == near(aggregate, economy)
        risk = economy.risk_to_go(each.allocation)
        assert each.risk_to_go == near(risk, economy)
        assert each.total == near(risk[:, 0].sum(), economy)
        assert each.total >= value - tol
        worse = (risk - economy.risk_without_trade()).max(axis=0)
        assert set(np.flatnonzero(worse > 2 * tol)) <= set(each.leaving.tolist())
        assert set(each.leaving.tolist()) <= set(np.flatnonzero(worse > tol / 2))
    own = economy.scenarios.entries(economy.endowments)
    assert (found["no trade"].allocation == own).all()
    assert len(found["no trade"].leaving) == len(found["dynamic optimum"].leaving) == 0
    best = dp.check_allocation(economy, found["dynamic optimum"].allocation)
    assert best.pareto_optimal
    from_today = dp.check_allocation(economy, found["myopic"].allocation)
    assert from_today.myopic_pareto_optimal
    assert from_today.gap <= tol  # layers are those of the optimum
    assert found["myopic"].total == near(value, economy, 1e-9)


@given(exchanges(agents=(1, 3)) | recombining("smooth", agents=(1, 3)))
def test_yearly_layers_are_the_optimum_of_each_year_for_itself(exchange):
    economy = exchange.economy
    scenarios, own = economy.scenarios, economy.scenarios.entries(economy.endowments)
    paid = dp.baselines(economy)["yearly layers"].allocation
    for v in inner_nodes(scenarios):
        entry = [e for u, e, _, _ in ways(scenarios) if u == v]
        year = dp.ScenarioTree(
            [-1] + [0] * len(entry), [1, *scenarios.probability[entry]]
        )
        losses = np.hstack([np.zeros((economy.n_agents, 1)), own[:, entry]])
        agents = [k[v] if isinstance(k, dict) else k for k in economy.agents]
        answer = dp.solve(dp.Economy(year, losses, agents)).allocation[:, 1:]
        assert paid[:, entry] == near(answer, economy)


@given(exchanges("smooth", agents=(2, 3)) | recombining(agents=(2, 3)))
def test_a_quota_share_is_in_proportion_to_expected_losses(exchange):
    economy = exchange.economy
    own = economy.scenarios.entries(economy.endowments)
    expected = sum(p * own[:, e] for _, e, _, p in ways(economy.scenarios))
    part = np.full(economy.n_agents, 1 / economy.n_agents)
    if expected.min() >= 0 and expected.sum() > 0:
        part = expected / expected.sum()
    paid = dp.baselines(economy)["quota share"].allocation
    at = [e for _, e, _, _ in ways(economy.scenarios)]
    if abs(expected.min()) > 1e-9 * economy.scale:  # else either is right
        aggregate = economy.scenarios.entries(economy.aggregate)[at]
        assert paid[:, at] == near(np.outer(part, aggregate), economy, 1e-10)


def test_myopic_optima_share_what_is_sure_later_equally():
    """Agent 0 owes 8 at node 2 for certain; equal shares make agent 1 leave there."""
    x = [[0, 0, 0, 0, 0, 8, 8], [0, 0, 0, 0, 0, 0, 0]]
    found = dp.baselines(small(x))["myopic"]
    assert found.risk_to_go[:, 1:3].tolist() == [[0, 4], [0, 4]]
    assert found.leaving.tolist() == [2]
    assert found.total == dp.baselines(small(x))["dynamic optimum"].total


def test_arrangements_are_compared_by_value():
    first, second = dp.baselines(small()), dp.baselines(small())
    assert first == second
    assert len({*first.values(), *second.values()}) == 5
    assert not any(each.allocation.flags.writeable for each in first.values())
    assert refusal(lambda: dp.baselines("it")) == (
        "TypeError: economy = 'it' is no Economy: give one"
    )


# replications ---------------------------------------------------------------------


def insurers(seed, size=None):
    losses = np.random.default_rng(seed).exponential(size=(size or 500, 1, 2))
    made = dp.lattice_from_paths(losses)
    return dp.Economy(made.lattice, made.endowments, [ES(0.9), ES(0.5)])


def test_replications_hold_the_answers_of_all_seeds():
    found = dp.replicate(insurers, range(4), sizes=[200, 800])
    assert found.sizes == (200, 800)
    assert found.alone.shape == found.traded.shape == (2, 2, 4)
    for j, size in enumerate((200, 800)):
        for seed in range(4):
            solution = dp.solve(insurers(seed, size))
            assert found.value[j, seed] == solution.total_risk_to_go[0]
            assert found.surplus[j, seed] == solution.surplus[0]
            alone, traded = solution.risk_without_trade, solution.risk_to_go
            assert (found.alone[:, j, seed] == alone[:, 0]).all()
            assert (found.traded[:, j, seed] == traded[:, 0]).all()


def test_the_table_tells_spread_and_drift():
    found = dp.replicate(insurers, range(5), sizes=[100, 400])
    table = {name: numbers for name, *numbers in found.table()}
    assert list(table) == [
        *("total risk", "saved by trade", "agent 0 alone", "agent 1 alone"),
        *("agent 0 with trade", "agent 1 with trade"),
    ]
    arrays = found.value, found.surplus, *found.alone, *found.traded
    for (average, error, drift), own in zip(table.values(), arrays):
        coarse, fine = own.tolist()
        m = sum(fine) / 5
        assert average == pytest.approx(m, rel=1e-12)
        spread = sum((x - m) ** 2 for x in fine) / 4
        assert error == pytest.approx((spread / 5) ** 0.5, rel=1e-12)
        assert drift == pytest.approx(m - sum(coarse) / 5, abs=1e-12)
    lines = str(found).splitlines()
    assert lines[0].split() == ["mean", "std.", "error", "drift"]
    assert len(lines) == 7
    assert lines[1].startswith("total risk")
    assert float(lines[1].split()[2]) == pytest.approx(table["total risk"][0], rel=1e-5)


def test_one_resolution_has_no_drift():
    found = dp.replicate(insurers, [3, 1, 2])
    assert found.sizes == ()
    assert found.value.shape == (1, 3)
    assert found.value[0, 1] == dp.solve(insurers(1)).total_risk_to_go[0]
    assert all(np.isnan(drift) for *_, drift in found.table())
    assert found == dp.replicate(insurers, (3, 1, 2))
    assert found != dp.replicate(insurers, (3, 2, 1))


def test_the_standard_error_is_that_of_the_mean():
    """Many replications of ten: two of three means lie within one standard error."""
    truth = 1 + np.log(10)  # ES 0.9 of an exponential law

    def alone(seed):
        losses = np.random.default_rng(seed).exponential(size=(2000, 1, 1))
        made = dp.lattice_from_paths(losses)
        return dp.Economy(made.lattice, made.endowments, [ES(0.9)])

    off = []
    for k in range(60):
        (_, average, error, _), *_ = dp.replicate(
            alone, range(10 * k, 10 * k + 10)
        ).table()
        off.append((average - truth) / error)
    assert 0.5 < np.mean(np.abs(off) < 1) < 0.8
    assert 0.85 < np.mean(np.abs(off) < 2) < 1


def test_the_frame_of_replications(monkeypatch):
    def frame(rows, columns):
        return [dict(zip(columns, row, strict=True)) for row in rows]

    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=frame))
    found = dp.replicate(insurers, range(3), sizes=[100, 200])
    rows = found.to_frame()
    assert [tuple(row.values()) for row in rows] == found.table()
    assert list(rows[0]) == ["what", "mean", "standard_error", "drift"]


@pytest.mark.parametrize(
    ("build", "seeds", "sizes", "text"),
    [
        (
            insurers,
            [1],
            (),
            "ValueError: seeds = [1]: give at least two, all different",
        ),
        (
            insurers,
            [1, 2, 1],
            (),
            "ValueError: seeds = [1, 2, 1]: give at least two, all different",
        ),
        (
            insurers,
            [1, -2],
            (),
            "ValueError: seeds = -2 is too small: choose an integer of at least 0",
        ),
        (
            insurers,
            [1, 2.0],
            (),
            "TypeError: seeds = 2.0 is not an integer: give an integer",
        ),
        (
            insurers,
            [1, 2],
            [100],
            "ValueError: sizes = (100,): give two resolutions, or none",
        ),
        (
            insurers,
            [1, 2],
            [1, 2, 3],
            "ValueError: sizes = (1, 2, 3): give two resolutions, or none",
        ),
        (
            lambda seed: seed,
            [1, 2],
            (),
            "TypeError: build(...) = 1 is no Economy: give one",
        ),
    ],
)
def test_bad_replications_are_refused(build, seeds, sizes, text):
    assert refusal(lambda: dp.replicate(build, seeds, sizes)) == text
