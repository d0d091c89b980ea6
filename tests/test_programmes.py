"""The chapters' linear programmes against the solver and by hand."""

import numpy as np
import pytest

import dynpo_lite as dp
from dynpo_lite.companion.chapters.reference_programmes import cheapest, scenarios
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
