"""Risk vectors against brute force, other solvers and the layer rule."""

import sys

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import refusal

import dynpo_lite as dp
from dynpo_lite.base.lp import SolverError
from dynpo_lite.vectors import functionals as vectors
from dynpo_lite.vectors import sharing as vector_sharing

seeds = st.integers(0, 2**32).map(np.random.default_rng)


def pairing(z, x, p=None):
    p = np.full(len(x), 1 / len(x)) if p is None else p
    return float(sum(q * (a @ b) for q, a, b in zip(p, z, x)))


def drawn_laws(rng, n, d, n_states):
    """Baselines of one mean, some of a length of their own, some with ties."""
    sizes = [
        n_states if rng.random() < 0.6 else int(rng.integers(1, 40)) for _ in range(n)
    ]
    laws = [rng.normal(0, 2, (m, d)) for m in sizes]
    if rng.random() < 0.3:
        laws = [np.round(law) for law in laws]
    return [law - law.mean(axis=0) + 1 for law in laws]


def drawn_pieces(rng, x, mean, p=None, m=5):
    """A Polyhedral that admits the constant scenario ``mean``."""
    vertices = np.concatenate([[mean + 0 * x], rng.normal(1, 2, (m - 1, *x.shape))])
    return dp.Polyhedral(vertices, np.append(0.0, rng.uniform(0, 1, m - 1)), p)


def risk_of(agent, x, p=None):
    if isinstance(agent, dp.Polyhedral):
        return agent.value(x)
    return dp.max_correlation_risk(x, agent, p)


def penalty(agent, z):
    return agent.conjugate(z) if isinstance(agent, dp.Polyhedral) else 0.0


# the max-correlation measure ------------------------------------------------------


@given(seeds)
def test_max_correlation_is_the_best_permutation(rng):
    n, d = rng.integers(1, 8), rng.integers(1, 4)
    x, y = rng.normal(0, 3, (2, n, d))
    if rng.random() < 0.3:
        x, y = np.round(x), np.round(y)
    expected = oracles.largest_correlation(x, y)
    assert dp.max_correlation_risk(x, y) == pytest.approx(expected, abs=1e-12)


@given(seeds)
def test_the_three_routes_agree(rng):
    n, d = rng.integers(1, 15), rng.integers(1, 4)
    x, y = rng.normal(0, 3, (2, n, d))
    p = np.full(n, 1 / n)
    gain = x @ y.T
    expected = vectors._by_assignment(gain)
    assert vectors._by_linear_programme(gain, p, p) == pytest.approx(expected, abs=1e-9)
    pytest.importorskip("ot")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "SMALL", 0)
        patch.setattr(vectors, "_by_assignment", None)
        patch.setattr(vectors, "_by_linear_programme", None)
        by_pot = vectors._best_coupling(gain, p, p, True)
    assert by_pot == pytest.approx(expected, abs=1e-9)
    if d == 1:
        sorted_ = vectors._by_sorting(x[:, 0], y[:, 0], None, None)
        assert sorted_ == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("missing", [False, True])
def test_sizes_and_weights_may_differ(monkeypatch, d, missing):
    if missing:
        monkeypatch.setitem(sys.modules, "ot", None)  # import ot fails
    rng = np.random.default_rng(d)
    for n, m in ((4, 6), (5, 5), (1, 3), (210, 210)):
        x, y = rng.normal(0, 3, (n, d)), rng.normal(0, 2, (m, d))
        p, q = rng.multinomial(24, np.ones(n) / n), rng.multinomial(24, np.ones(m) / m)
        repeated = dp.max_correlation_risk(np.repeat(x, p, 0), np.repeat(y, q, 0))
        weighted = dp.max_correlation_risk(x, y, p / 24, q / 24)
        assert weighted == pytest.approx(repeated, abs=1e-9)
        plain = dp.max_correlation_risk(x, y)  # 210: beyond the small sizes
        uniform = dp.max_correlation_risk(x, y, np.full(n, 1 / n))
        assert plain == pytest.approx(uniform, abs=1e-9)


def test_small_equal_sizes_do_not_load_pot(monkeypatch):
    monkeypatch.setitem(sys.modules, "ot", None)
    monkeypatch.setattr(vectors, "_by_linear_programme", None)
    assert dp.max_correlation_risk([[1, 0], [0, 1]], [[1, 0], [0, 3]]) == 2


@given(seeds)
def test_max_correlation_is_sublinear_and_moves_with_constants(rng):
    n, m, d = rng.integers(1, 12), rng.integers(1, 12), rng.integers(1, 4)
    x, other, y = *rng.normal(0, 3, (2, n, d)), rng.normal(1, 2, (m, d))
    constant, factor = rng.normal(0, 9, d), rng.uniform(0, 5)
    one = dp.max_correlation_risk(x, y)
    assert dp.max_correlation_risk(x + constant, y) == pytest.approx(
        one + constant @ y.mean(axis=0), abs=1e-8
    )
    assert dp.max_correlation_risk(factor * x, y) == pytest.approx(factor * one)
    both = dp.max_correlation_risk(x + other, y)
    assert both <= one + dp.max_correlation_risk(other, y) + 1e-9
    shuffled = rng.permutation(n)
    assert dp.max_correlation_risk(x[shuffled], y) == pytest.approx(one)


@given(seeds, st.sampled_from([0.0, 0.5, 0.9]))
def test_in_dimension_one_it_is_a_distortion_measure(rng, level):
    x, p = rng.normal(0, 3, 11), rng.dirichlet(np.ones(11))
    bernoulli = np.repeat([1 / (1 - level), 0.0], [10 - round(10 * level), 10 * level])
    expected = dp.choquet(x, dp.ExpectedShortfall(level), p)
    found = dp.max_correlation_risk(x[:, None], bernoulli[:, None], p)
    assert found == pytest.approx(expected, abs=1e-12)


# polyhedral functionals -----------------------------------------------------------


@given(seeds)
def test_conjugate_is_the_supremum(rng):
    x = rng.normal(0, 3, (3, 2))
    rho = drawn_pieces(rng, x, 1.0, rng.dirichlet(np.ones(3)))
    mix = rng.dirichlet(np.ones(5))
    z = np.tensordot(mix, rho.vertices, 1)
    gaps = [
        pairing(z, y, rho.weights) - rho.value(y) for y in rng.normal(0, 9, (50, 3, 2))
    ]
    assert max(gaps) <= rho.conjugate(z) + 1e-9
    assert rho.conjugate(z) <= mix @ rho.offsets + 1e-9
    # it is attained: the conjugate of the conjugate is the functional, (2.2)
    (active,) = np.nonzero(rho.active(x))
    assert rho.fenchel_gap(rho.vertices[active[0]], x) == pytest.approx(0, abs=1e-9)
    assert rho.conjugate(z + 100) == np.inf


@given(seeds)
def test_subgradients_lie_below_directional_derivatives(rng):
    x = np.round(rng.normal(0, 1, (2, 2)))  # kinks are frequent
    rho = dp.Polyhedral(rng.integers(-1, 2, (6, 2, 2)), np.zeros(6))
    (active,) = np.nonzero(rho.active(x))
    inside = np.tensordot(rng.dirichlet(np.ones(len(active))), rho.vertices[active], 1)
    directions = rng.normal(0, 1, (200, 2, 2))
    for z in (inside, rng.normal(0, 1, (2, 2))):
        above = [
            rho.directional_derivative(x, y) - pairing(z, y, rho.weights)
            for y in directions
        ]
        if rho.fenchel_gap(z, x) < 1e-9:
            assert min(above) > -1e-9
        else:
            assert z is not inside
    y = directions[0]
    slope = (rho.value(x + 1e-6 * y) - rho.value(x)) / 1e-6
    assert slope == pytest.approx(rho.directional_derivative(x, y), abs=1e-6)


@given(seeds)
def test_minimisers_have_the_subgradient_zero(rng):
    x = rng.normal(0, 3, (3, 2))
    vertices = rng.normal(0, 1, (6, 3, 2))
    vertices -= np.tensordot(rng.dirichlet(np.ones(6)), vertices, 1)  # 0 is a mixture
    rho = dp.Polyhedral(vertices, rng.uniform(0, 1, 6))
    zero, least = np.zeros((3, 2)), oracles.least_of_pieces(vertices, rho.offsets)
    assert -rho.conjugate(zero) == pytest.approx(least, abs=1e-8)
    assert rho.fenchel_gap(zero, x) == pytest.approx(rho.value(x) - least, abs=1e-8)


def test_pairing_adds_expectations_line_by_line():
    z, x, p = [[[2.0, -1.0], [0.5, 4.0]]], [[3.0, 1.0], [8.0, 2.0]], [0.25, 0.75]
    expected = 0.25 * 2 * 3 + 0.75 * 0.5 * 8 + 0.25 * -1 * 1 + 0.75 * 4 * 2
    assert dp.Polyhedral(z, [0.0], p).value(x) == pytest.approx(expected, rel=1e-15)


# sharing --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(50))
def test_primal_equals_dual_and_every_share_attains_its_risk(seed):
    rng = np.random.default_rng(seed)
    n_states, d, n = rng.integers(2, 61), rng.integers(1, 5), rng.integers(2, 5)
    x = rng.normal(3, 10, (n_states, d))
    agents = drawn_laws(rng, n, d, n_states)
    p = rng.dirichlet(np.ones(n_states) * 5) if seed % 2 else None
    if seed % 3 == 0:
        agents[rng.integers(n)] = drawn_pieces(rng, x, 1.0, p)
    shared = dp.vector_inf_convolution(x, agents, p)
    z = shared.scenario
    risks = [risk_of(a, xi, p) for a, xi in zip(agents, shared.allocation)]
    penalties = [penalty(a, z) for a in agents]
    dual = pairing(z, x, p) - sum(penalties)
    assert sum(risks) == pytest.approx(dual, rel=1e-8, abs=1e-8)
    assert shared.value == pytest.approx(dual, rel=1e-8, abs=1e-8)
    np.testing.assert_allclose(shared.allocation.sum(axis=0), x, rtol=1e-14, atol=1e-13)
    for xi, own, due in zip(shared.allocation, risks, penalties):
        assert pairing(z, xi, p) - due == pytest.approx(own, rel=1e-7, abs=1e-7)
    laws = [i for i, a in enumerate(agents) if not isinstance(a, dp.Polyhedral)]
    weights = np.full(n_states, 1 / n_states) if p is None else p
    means = np.array([weights @ shared.allocation[i] for i in laws])
    assert np.abs(means - means[0]).max() < 1e-9
    for i in laws:  # the scenario is admitted: below the law in convex order
        directions = rng.normal(0, 1, (20, n_states, d))
        for y in directions:
            assert pairing(z, y, p) <= risk_of(agents[i], y, p) + 1e-8


@given(seeds)
def test_value_is_that_of_the_dual_programme(rng):
    n_states, d, n = rng.integers(1, 7), rng.integers(1, 4), rng.integers(1, 4)
    x = np.round(rng.normal(0, 5, (n_states, d)))
    p = rng.dirichlet(np.ones(n_states))
    agents = [law[:9] for law in drawn_laws(rng, n, d, n_states)]
    agents = [law - law.mean(axis=0) + 1 for law in agents]
    written = list(agents)
    if rng.random() < 0.5:
        agents[-1] = drawn_pieces(rng, x, 1.0, p)
        written[-1] = agents[-1].vertices, agents[-1].offsets
    expected = oracles.scenario_value_by_lp(x, p, written)
    shared = dp.vector_inf_convolution(x, agents, p)
    assert shared.value == pytest.approx(expected, rel=1e-7, abs=1e-7)


@given(seeds)
def test_conjugate_of_the_inf_convolution_is_the_sum(rng):
    x, y = rng.normal(0, 5, (2, 3, 2))
    agents = [drawn_pieces(rng, x, 1.0, m=12) for _ in range(rng.integers(1, 4))]
    shared = dp.vector_inf_convolution(x, agents)
    other = dp.vector_inf_convolution(y, agents).value
    z = shared.scenario
    total = sum(agent.conjugate(z) for agent in agents)
    assert pairing(z, x) - shared.value == pytest.approx(total, abs=1e-7)
    assert pairing(z, y) - other <= total + 1e-7


@given(seeds)
def test_dimension_one_is_the_layer_rule(rng):
    n_states = rng.integers(2, 15)
    x = np.round(rng.normal(0, 5, n_states), int(rng.integers(0, 3)))
    p = rng.dirichlet(np.ones(n_states)) if rng.random() < 0.5 else None
    laws = [rng.dirichlet(np.ones(m)) for m in rng.integers(1, 9, rng.integers(1, 4))]
    agents = [
        dp.PiecewiseLinear(
            np.linspace(0, 1, len(w) + 1),
            np.append(np.append(0, np.cumsum(-np.sort(-w)))[:-1], 1.0),
        )
        for w in laws
    ]
    baselines = [(w * len(w))[:, None] for w in laws]
    layers = dp.share_layers(x, agents, p)
    line = dp.vector_inf_convolution(x[:, None], baselines, p)
    assert line.value == pytest.approx(layers.value, rel=1e-8, abs=1e-8)
    moved = line.allocation[:, :, 0] - layers.allocation
    assert np.ptp(moved, axis=1).max() < 1e-8  # equal up to constants
    # the same through the programme: a second line that never loses anything
    flat = np.column_stack([x, 0 * x])
    wide = [np.column_stack([b, 0 * b]) for b in baselines]
    plane = dp.vector_inf_convolution(flat, wide, p)
    assert plane.value == pytest.approx(layers.value, rel=1e-8, abs=1e-8)


@given(seeds)
def test_sharing_is_monotone_in_agents_and_moves_with_constants(rng):
    n_states, d = rng.integers(2, 8), rng.integers(1, 3)
    x = rng.normal(0, 5, (n_states, d))
    agents = drawn_laws(rng, 3, d, n_states)
    values = [dp.vector_inf_convolution(x, agents[:n]).value for n in (1, 2, 3)]
    assert values[0] == pytest.approx(dp.max_correlation_risk(x, agents[0]), abs=1e-8)
    assert values[0] >= values[1] - 1e-8
    assert values[1] >= values[2] - 1e-8
    assert values[2] >= x.mean(axis=0).sum() - 1e-8  # the mean is always admitted
    moved = dp.vector_inf_convolution(x + 7, agents).value
    assert moved == pytest.approx(values[2] + 7 * d, abs=1e-8)
    scaled = dp.vector_inf_convolution(1e6 * x, [1e-6 * a for a in agents]).value
    assert scaled == pytest.approx(values[2], rel=1e-8, abs=1e-8)


@given(seeds)
def test_agents_may_be_exposed_to_some_lines_only(rng):
    n_states, d, n = rng.integers(2, 8), rng.integers(1, 4), rng.integers(1, 4)
    x = rng.normal(0, 5, (n_states, d))
    agents = drawn_laws(rng, n, d, n_states)
    if rng.random() < 0.3:
        agents[0] = drawn_pieces(rng, x, 1.0)
    exposure = rng.random((n, d)) < 0.6
    exposure[rng.integers(n, size=d), np.arange(d)] = True
    shared = dp.vector_inf_convolution(x, agents, exposure=exposure)
    assert not shared.allocation[np.repeat(~exposure[:, None], n_states, axis=1)].any()
    np.testing.assert_allclose(shared.allocation.sum(axis=0), x, atol=1e-12)
    total = sum(risk_of(a, xi) for a, xi in zip(agents, shared.allocation))
    assert shared.value == pytest.approx(total, abs=1e-8)
    # no scenario is common in lines that an agent does not carry: it sees 0 loss there
    pieces = [agents[0]] if isinstance(agents[0], dp.Polyhedral) else []
    written = [(a.vertices, a.offsets) for a in pieces] + agents[len(pieces) :]
    p = np.full(n_states, 1 / n_states)
    expected = oracles.scenario_value_by_lp(x, p, written, exposure)
    assert shared.value == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_separate_lines_separate_the_problem():
    rng = np.random.default_rng(2)
    x, (one, two) = rng.normal(0, 3, (9, 2)), drawn_laws(rng, 2, 2, 9)
    shared = dp.vector_inf_convolution(
        x, [one, two], exposure=[[True, False], [False, True]]
    )
    each = [dp.max_correlation_risk(x[:, [j]], (one, two)[j][:, [j]]) for j in (0, 1)]
    assert shared.value == pytest.approx(sum(each), abs=1e-9)
    # in dimension one an agent who carries nothing changes nothing
    line, laws = x[:, :1], [one[:, :1], two[:, :1] + 5]
    alone = dp.vector_inf_convolution(line, laws, exposure=[[True], [False]])
    assert alone.value == pytest.approx(each[0], abs=1e-9)
    assert alone.allocation.tolist() == [line.tolist(), (0 * line).tolist()]


def test_a_large_constant_costs_no_precision():
    rng = np.random.default_rng(1)
    x, laws = rng.normal(0, 1, (20, 2)), drawn_laws(rng, 2, 2, 20)
    far = [law + 1e6 for law in laws]
    small = dp.vector_inf_convolution(x, laws).value
    large = dp.vector_inf_convolution(x + 1e6, far)
    base = 1e6 * x.mean(axis=0).sum() + 2 * 1e12 + 1e6 * 2
    assert large.value - base == pytest.approx(small, abs=1e-2)
    np.testing.assert_allclose(large.allocation.sum(axis=0), x + 1e6, rtol=1e-15)


def test_one_agent_keeps_everything():
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    shared = dp.vector_inf_convolution(x, [x])
    assert shared.value == pytest.approx((x * x).sum() / 2)
    assert shared.allocation.tolist() == [x.tolist()]
    assert shared.scenario == pytest.approx(x)


# refusals -------------------------------------------------------------------------

X = [[1.0, 2.0], [3.0, 4.0]]
NAN = [[1.0, 2.0], [3.0, float("nan")]]
LINE = [[1.0], [2.0]]
POLY = dp.Polyhedral([[[1.0, 1.0], [1.0, 1.0]]], [0.0])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: dp.max_correlation_risk([1.0, 2.0], X),
            "ValueError: x has shape (2,): give an array with 2 axes",
        ),
        (
            lambda: dp.max_correlation_risk(X, NAN),
            "ValueError: baseline holds nan at position (1, 1): remove or replace it",
        ),
        (
            lambda: dp.max_correlation_risk([[1.0, float("inf")]], X),
            "ValueError: x holds inf at position (0, 1): remove or replace it",
        ),
        (
            lambda: dp.max_correlation_risk("ab", X),
            "TypeError: x is not an array of numbers: give real numbers in a regular "
            "array",
        ),
        (
            lambda: dp.max_correlation_risk(X, LINE),
            "ValueError: baseline has dimension 1 and x dimension 2: give both the "
            "same number of columns",
        ),
        (
            lambda: dp.max_correlation_risk(X, X, [0.5, 0.6]),
            "ValueError: weights sum to 1.1: divide them by their sum",
        ),
        (
            lambda: dp.max_correlation_risk(X, X, None, [1.5, -0.5]),
            "ValueError: baseline_weights holds -0.5 at position 1: probabilities are "
            "at least 0",
        ),
        (
            lambda: dp.max_correlation_risk(X, X, [1.0]),
            "ValueError: weights has shape (1,): give an array with shape (2,)",
        ),
        (
            lambda: dp.Polyhedral(X, [0.0]),
            "ValueError: vertices has shape (2, 2): give an array with 3 axes",
        ),
        (
            lambda: dp.Polyhedral([X, X], [0.0]),
            "ValueError: offsets has shape (1,): give an array with shape (2,)",
        ),
        (
            lambda: dp.Polyhedral([X], [float("nan")]),
            "ValueError: offsets holds nan at position 0: remove or replace it",
        ),
        (
            lambda: POLY.value(LINE),
            "ValueError: x has shape (2, 1): give an array with shape (2, 2)",
        ),
        (
            lambda: POLY.conjugate(NAN),
            "ValueError: z holds nan at position (1, 1): remove or replace it",
        ),
        (
            lambda: dp.vector_inf_convolution([], [X]),
            "ValueError: x has shape (0,): give an array with 2 axes",
        ),
        (
            lambda: dp.vector_inf_convolution(X, []),
            "ValueError: agents = [] holds no agent: give at least one",
        ),
        (
            lambda: dp.vector_inf_convolution(X, 3),
            "ValueError: agents = 3 holds no agent: give at least one",
        ),
        (
            lambda: dp.vector_inf_convolution(X, [X, NAN]),
            "ValueError: agents[1] holds nan at position (1, 1): remove or replace it",
        ),
        (
            lambda: dp.vector_inf_convolution(X, [X, LINE]),
            "ValueError: agents[1] has dimension 1 and x dimension 2: give both the "
            "same number of columns",
        ),
        (
            lambda: dp.vector_inf_convolution(X, [X], [1.0, 0.0]),
            "ValueError: weights holds 0 at position 1: leave the state out",
        ),
        (
            lambda: dp.vector_inf_convolution(X, [X], exposure=[[1, 0]]),
            "ValueError: exposure has shape (1, 2) and type int64: give True or False "
            "for each of 1 agents and 2 lines",
        ),
        (
            lambda: dp.vector_inf_convolution(X, [X], exposure=[[True, False]]),
            "ValueError: exposure leaves line 1 to nobody: expose an agent to it",
        ),
        (
            lambda: dp.vector_inf_convolution([[1.0, 2.0]], [POLY]),
            "ValueError: agents[0] has vertices of shape (2, 2): x has shape (1, 2), "
            "give vertices of that shape",
        ),
        (
            lambda: dp.vector_inf_convolution(X, [POLY], [0.25, 0.75]),
            "ValueError: agents[0] has other weights than x: give Polyhedral the same "
            "weights",
        ),
        (
            lambda: dp.vector_inf_convolution(X, [X, [[1.0, 1.0]]]),
            "Unbounded: agents share no scenario, so the total risk has no lower "
            "bound: in line 0 agents[0] has mean 2 and agents[1] mean 1; shift the "
            "baselines to one mean",
        ),
        (
            lambda: dp.vector_inf_convolution(
                X, [POLY, dp.Polyhedral([[[2.0, 1.0], [1.0, 1.0]]], [0.0])]
            ),
            "Unbounded: agents share no scenario, so the total risk has no lower "
            "bound: a trade of at most 1 in each state and line lowers it by 0.5 at "
            "every repetition; give the agents scenarios that overlap",
        ),
    ],
)
def test_bad_input_is_refused(call, text):
    assert refusal(call) == text


@given(seeds)
def test_without_a_common_scenario_the_trade_is_shown(rng):
    n_states, d = rng.integers(1, 5), rng.integers(1, 3)
    x = rng.normal(0, 3, (n_states, d))
    law = drawn_laws(rng, 1, d, n_states)[0]
    far = rng.normal(0, 1, (3, n_states, d)) + rng.choice([-9, 9])
    agents = [law, dp.Polyhedral(far, rng.uniform(0, 1, 3))]
    if rng.random() < 0.3:
        agents = [law, law + 1]
    with pytest.raises(dp.Unbounded) as caught:
        dp.vector_inf_convolution(x, agents)
    direction, rate = caught.value.direction, caught.value.rate
    assert rate > 0
    assert np.abs(direction.sum(axis=0)).max() < 1e-9
    written = [
        (a.vertices, a.offsets) if isinstance(a, dp.Polyhedral) else a for a in agents
    ]
    p = np.full(n_states, 1 / n_states)
    assert oracles.scenario_value_by_lp(x, p, written) is None

    def total(size):
        shares = x / 2 + size * direction
        return sum(risk_of(a, xi) for a, xi in zip(agents, shares))

    fall = total(1e4) - total(2e4)
    assert fall == pytest.approx(1e4 * rate, rel=1e-6)


def test_a_programme_that_fails_for_another_reason_says_so(monkeypatch):
    solve = vector_sharing._solve

    def broken(x, parts, p, exposed, box=None):
        if box is None:
            raise SolverError("the linear programme was not solved: broken")
        return solve(x, parts, p, exposed, box)

    monkeypatch.setattr(vector_sharing, "_solve", broken)
    with pytest.raises(SolverError, match="the linear programme was not solved"):
        dp.vector_inf_convolution(X, [X, X])
