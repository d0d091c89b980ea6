"""The chapters' linear programmes against the solver and by hand."""

import numpy as np
import pytest

import dynpo_lite as dp
from dynpo_lite.companion.chapters.reference_programmes import (
    cash_swap,
    cheapest,
    largest_gain,
    scenarios,
)
from dynpo_lite.companion.chapters.small_economies import (
    four_leaf_economy,
    random_economy,
)


@pytest.mark.parametrize("seed", range(4))
def test_the_largest_mean_over_scenarios_is_the_risk(seed):
    rng = np.random.default_rng(seed)
    p, z = rng.dirichlet(np.ones(4)), rng.normal(0, 3, 4)
    for k in (dp.Wang(0.5), dp.Supremum([dp.ExpectedShortfall(0.6), dp.DualPower(2)])):
        q = scenarios(k, p)
        assert np.allclose(q.sum(axis=1), 1)
        assert (q @ z).max() == pytest.approx(dp.choquet(z, k, p))


@pytest.mark.parametrize("seed", range(4))
def test_the_least_totals_are_those_of_the_solver(seed):
    economy = random_economy(np.random.default_rng(seed), suprema=seed % 2 == 0)
    solution = dp.solve(economy)
    for t in (0, 1):
        at = economy.tree.nodes(t)
        weights = economy.tree.unconditional[at]
        value, paid = cheapest(economy, solution.allocation, t, weights)
        assert value == pytest.approx(weights @ solution.total_risk_to_go[at])
        assert np.allclose(paid.sum(axis=0), economy.aggregate)


def test_floors_and_the_largest_total_count():
    economy = four_leaf_economy()  # the least totals are 3 and 8
    start = economy.endowments
    assert cheapest(economy, start, 1, [1, 1], floor=[4, 0])[0] == pytest.approx(12)
    assert cheapest(economy, start, 1, [0, 0], w_max=2)[0] == pytest.approx(16)


def test_caps_that_nothing_meets_are_refused():
    economy = four_leaf_economy()
    with pytest.raises(RuntimeError, match="no payments at 2 stay within the caps"):
        cheapest(economy, economy.endowments, 1, [1, 1], totals=[2.9, 8])


def test_agents_may_be_given_as_lists_and_with_suprema():
    economy = four_leaf_economy()
    mean, worst = dp.Expectation(), dp.WorstCase()
    both = dp.Supremum([mean, dp.ExpectedShortfall(0.5)])
    agents = [[both] * 3, [mean, mean, worst]]
    listed = dp.Economy(economy.tree, economy.endowments, agents)
    nodes = dict(enumerate(agents[1]))
    mapped = dp.Economy(economy.tree, economy.endowments, [both, nodes])
    values = [cheapest(e, e.endowments, 1, [1, 1])[0] for e in (listed, mapped)]
    assert values == pytest.approx([11, 11])  # 3 for the mean, 8 for the average


@pytest.mark.parametrize("seed", range(4))
def test_an_optimum_leaves_no_gain_and_no_trade_leaves_the_surplus(seed):
    economy = random_economy(np.random.default_rng(seed), suprema=seed % 2 == 0)
    solution, inner = dp.solve(economy), range(economy.tree.n_inner)
    everywhere = range(1, economy.tree.n_nodes)
    gain, _ = largest_gain(economy, solution.allocation, inner, everywhere)
    assert gain == pytest.approx(0, abs=1e-7 * economy.scale)
    for watched, most in ((inner, solution.surplus.sum()), ([0], solution.surplus[0])):
        gain, better = largest_gain(economy, economy.endowments, watched, everywhere)
        assert gain == pytest.approx(most, abs=1e-7 * economy.scale)
        risk = economy.risk_to_go(better)[:, watched]
        alone = economy.risk_without_trade()[:, watched]
        assert (risk <= alone + 1e-7 * economy.scale).all()
        assert (alone - risk).sum() == pytest.approx(most, abs=1e-6 * economy.scale)
        assert np.allclose(better.sum(axis=0), economy.aggregate)


def test_only_what_is_movable_moves():
    economy = four_leaf_economy()
    start = economy.endowments
    for t, saved in ((0, 1.0), (1, 2.0)):  # at time 0: 9.5 to 8.5, the mean of 7, 10
        at, after = economy.tree.nodes(t), economy.tree.nodes(t + 1)
        gain, better = largest_gain(economy, start, at, after)
        assert gain == pytest.approx(saved)
        rest = np.setdiff1d(np.arange(7), after)
        assert np.array_equal(better[:, rest], start[:, rest])


def test_a_swap_of_cash_keeps_the_totals():
    economy = four_leaf_economy()
    moved = cash_swap(economy, economy.endowments, 3.0) - economy.endowments
    assert moved[0].tolist() == [0, -3, -3, 3, 3, 3, 3]
    assert moved[1].tolist() == [0, 3, 3, -3, -3, -3, -3]
