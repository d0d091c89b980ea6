"""Economies: what they refuse, what risk they see without trade, comonotonicity."""

import itertools
import math
from collections.abc import Mapping

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import case_economy, exchanges, loss, near, refusal

import dynpo_lite as dp

ES = dp.ExpectedShortfall
mean = dp.Expectation()
two_coins = dp.ScenarioTree([-1, 0, 0, 1, 1, 2, 2], [1] + [0.5] * 6)


# endowments and preferences -------------------------------------------------------


def test_what_an_economy_holds():
    x = np.arange(14.0).reshape(2, 7)
    economy = dp.Economy(two_coins, x, [mean, ES(0.5)])
    x[:] = 9
    assert economy.n_agents == 2
    assert economy.endowments.tolist() == [[0, *range(1, 7)], [0, *range(8, 14)]]
    assert economy.aggregate.tolist() == [0, 9, 11, 13, 15, 17, 19]
    assert economy.scale == 13
    for array in (economy.endowments, economy.aggregate):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_the_root_may_hold_anything():
    x = np.zeros((2, 7))
    x[:, 0] = math.nan, math.inf
    economy = dp.Economy(two_coins, x, [mean, mean])
    assert economy.endowments[:, 0].tolist() == [0, 0]
    assert economy.scale == 1
    allocation = x + 0.0
    assert (economy.risk_to_go(allocation) == 0).all()
    assert dp.check_allocation(economy, allocation).pareto_optimal


def test_agents_in_every_shape():
    """One measure, a mapping, a sequence; callables and suprema among them."""
    x = np.arange(7.0)
    measures = [ES(0.5), dp.Supremum([mean, dp.Wang(0.3)]), np.sqrt]
    answer = dp.risk_to_go(two_coins, x, measures)
    for agent in (measures, tuple(measures), dict(enumerate(measures))):
        economy = dp.Economy(two_coins, [x], (agent,))
        assert (economy.risk_without_trade()[0] == answer).all()
    economy = dp.Economy(two_coins, [x], iter([np.sqrt]))
    assert (economy.risk_to_go([x])[0] == dp.risk_to_go(two_coins, x, np.sqrt)).all()


class Computed(Mapping):
    """Node -> a new measure at every look."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __iter__(self):
        return iter(range(self.n))

    def __getitem__(self, v):
        return dp.Supremum([ES(v / self.n), mean])


def test_measures_made_when_asked_for():
    n = 50
    below = [v for v in range(1, n + 1) for _ in range(2)]
    tree = dp.ScenarioTree([-1] + [0] * n + below, [1] + [1 / n] * n + [0.5] * 2 * n)
    x = np.arange(float(tree.n_nodes))
    at = Computed(n + 1)
    economy = dp.Economy(tree, [x], [at])
    listed = dp.Economy(tree, [x], [[at[v] for v in range(n + 1)]])
    assert economy.risk_without_trade() == near(listed.risk_without_trade(), listed)


@given(exchanges(agents=(1, 3)))
def test_risk_without_trade_by_recursion(exchange):
    economy, tree = exchange.economy, exchange.economy.tree
    for i, own in enumerate(exchange.prefs):
        answer = oracles.nested_risk(
            tree.parent.tolist(),
            tree.probability,
            economy.endowments[i],
            lambda v, law, own=own: max(
                oracles.risk(law, oracles.mixture_of_shortfalls(part))
                for part in own[v]
            ),
        )
        assert economy.risk_without_trade()[i] == near(answer, economy, 1e-11)
    assert (
        economy.risk_to_go(economy.endowments) == economy.risk_without_trade()
    ).all()


@given(exchanges(agents=(1, 3)), st.sampled_from(["conditional", "marginal"]))
def test_risk_without_trade_is_found_once(exchange, law):
    economy = exchange.economy
    first = economy.risk_without_trade(law)
    assert economy.risk_without_trade(law) is first
    assert (first == economy.risk_to_go(economy.endowments, law)).all()


@given(exchanges(agents=(1, 3)))
def test_the_marginal_reading_by_recursion(exchange):
    """The unconditional law of what is paid next, seen from every node of a stage."""
    economy, tree = exchange.economy, exchange.economy.tree
    for i, own in enumerate(exchange.prefs):
        risk = np.zeros(tree.n_nodes)
        for t in range(tree.horizon - 1, -1, -1):
            nodes = tree.nodes(t + 1)
            z = economy.endowments[i, nodes] + risk[nodes]
            law = list(zip(z, tree.unconditional[nodes]))
            for v in tree.nodes(t):
                k = (oracles.mixture_of_shortfalls(part) for part in own[v])
                risk[v] = max(oracles.risk(law, part) for part in k)
        assert economy.risk_without_trade("marginal")[i] == near(risk, economy, 1e-11)


def test_probabilities_within_the_tolerance_of_a_tree():
    """Each family may miss 1 by 1e-9, so two of them in a row by more."""
    p = [1] + [0.5, 0.5 + 0.9e-9] * 3
    economy = dp.Economy(dp.ScenarioTree(two_coins.parent, p), [range(7)], [ES(0.5)])
    exact = dp.Economy(two_coins, [range(7)], [ES(0.5)]).risk_without_trade("marginal")
    assert economy.risk_without_trade("marginal") == pytest.approx(exact, abs=1e-7)


def test_nobody_can_change_what_is_stored():
    economy = dp.Economy(two_coins, np.ones((2, 7)), [mean, mean])
    free, fixed = dp.solve(economy), dp.solve(economy, "deterministic")
    stored = [economy.risk_without_trade(), economy.aggregate]
    for solution in (free, fixed):
        stored += [solution.surplus, solution.risk_to_go, solution.allocation]
        stored += [solution.total_risk_to_go, solution.risk_interval]
    for array in stored:
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 9


# comonotone -----------------------------------------------------------------------


@given(st.data(), st.integers(1, 4), st.integers(1, 6))
def test_comonotone_means_no_two_shares_move_apart(data, n, size):
    row = st.lists(loss.map(round), min_size=size, max_size=size)
    shares = np.array(data.draw(st.lists(row, min_size=n, max_size=n)), dtype=float)
    if data.draw(st.booleans()):
        shares = np.sort(shares, axis=1)[:, data.draw(st.permutations(range(size)))]
    apart = [
        (x[s] - x[t]) * (y[s] - y[t]) < 0
        for x, y in itertools.combinations(shares, 2)
        for s, t in itertools.combinations(range(size), 2)
    ]
    assert dp.is_comonotone(shares) == (not any(apart))


def test_the_tolerance_of_comonotonicity():
    shares = np.array([[0.0, 1.0, 2.0], [1.0, 1.0 - 1e-7, 1.0]])
    assert not dp.is_comonotone(shares)
    assert not dp.is_comonotone(1e12 * shares)
    assert dp.is_comonotone(shares, tol=1e-6)
    assert dp.is_comonotone(1e-12 * shares, tol=1e-6)
    assert dp.is_comonotone(np.zeros((2, 3)), tol=0)


# refusals -------------------------------------------------------------------------


def convex(s):
    return s**2


CASE = case_economy(oracles.exact_cases()[0]).economy
at_all = {0: mean, 1: mean, 2: mean}


@pytest.mark.parametrize(
    ("endowments", "agents", "text"),
    [
        (
            np.zeros((3, 7)),
            [mean, mean],
            "ValueError: endowments has shape (3, 7): give an array with shape (2, 7)",
        ),
        (
            np.zeros((2, 6)),
            [mean, mean],
            "ValueError: endowments has shape (2, 6): give an array with shape (2, 7)",
        ),
        (
            np.zeros(7),
            [mean],
            "ValueError: endowments has shape (7,): give an array with shape (1, 7)",
        ),
        (
            [[0, 1, 2, 3, math.nan, 5, 6]],
            [mean],
            "ValueError: endowments holds nan at position (0, 4): remove or replace it",
        ),
        (
            [[0] * 7, [0, 1, -math.inf, 3, 4, 5, 6]],
            [mean, mean],
            "ValueError: endowments holds -inf at position (1, 2): remove or replace "
            "it",
        ),
        (
            [[1], [2, 3]],
            [mean, mean],
            "TypeError: endowments is not an array of numbers: give real numbers in a "
            "regular array",
        ),
        (
            np.zeros((2, 7)),
            [mean, {0: mean, 2: mean}],
            "ValueError: agents[1] has no entry for node 1: give one for each of the 3 "
            "non-terminal nodes",
        ),
        (
            np.zeros((1, 7)),
            [[mean, mean]],
            "ValueError: agents[0] has no entry for node 2: give one for each of the 3 "
            "non-terminal nodes",
        ),
        (
            np.zeros((2, 7)),
            [mean, {**at_all, 7: mean}],
            "ValueError: agents[1] has an entry for node 7: the tree has 7 nodes, "
            "numbered from 0",
        ),
        (
            np.zeros((1, 7)),
            [{**at_all, "root": mean}],
            "ValueError: agents[0] has an entry for node root: the tree has 7 nodes, "
            "numbered from 0",
        ),
        (
            np.zeros((2, 7)),
            [mean, 0.9],
            "TypeError: agents[1] = 0.9 is no distortion: give ExpectedShortfall(0.9) "
            "or the like",
        ),
        (
            np.zeros((1, 7)),
            [{**at_all, 1: None}],
            "TypeError: agents[0][1] = None is no distortion: give "
            "ExpectedShortfall(0.9) or the like",
        ),
        (
            np.zeros((1, 7)),
            [],
            "ValueError: agents = [] holds none: give at least one",
        ),
    ],
)
def test_a_bad_economy_is_refused(endowments, agents, text):
    assert refusal(lambda: dp.Economy(two_coins, endowments, agents)) == text


@pytest.mark.parametrize(
    ("agent", "place"), [(convex, "agents[1]"), ({**at_all, 2: convex}, "agents[1][2]")]
)
def test_a_distortion_that_is_not_concave_is_placed(agent, place):
    text = f"ValueError: {place} = {convex!r} is not concave: let its slopes fall"
    x = np.zeros((2, 7))
    assert refusal(lambda: dp.Economy(two_coins, x, [mean, agent])) == text


def test_an_agent_outside_a_list_is_named():
    text = refusal(lambda: dp.Economy(two_coins, [[0] * 7], mean))
    assert text.startswith("TypeError: agents = Expectation() is not a sequence")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: CASE.risk_to_go(np.zeros((2, 5))),
            "ValueError: allocation has shape (2, 5): give an array with shape (2, 6)",
        ),
        (
            lambda: CASE.risk_to_go(CASE.endowments, "joint"),
            "ValueError: law = 'joint' is unknown: choose 'conditional' or 'marginal'",
        ),
        (
            lambda: CASE.risk_without_trade("joint"),
            "ValueError: law = 'joint' is unknown: choose 'conditional' or 'marginal'",
        ),
        (
            lambda: dp.is_comonotone([[0, math.nan]]),
            "ValueError: shares holds nan at position (0, 1): remove or replace it",
        ),
        (
            lambda: dp.is_comonotone([[]]),
            "ValueError: shares is empty: give at least one number",
        ),
    ],
)
def test_bad_arguments_are_refused(call, text):
    assert refusal(call) == text


def test_the_plural_of_axis():
    text = "ValueError: shares has shape (3,): give an array with 2 axes"
    assert refusal(lambda: dp.is_comonotone([1, 2, 3])) == text
