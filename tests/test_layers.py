"""Sharing by layers: linear programs over all allocations, exact layers, refusals."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from strategies import (
    as_measure,
    distortions,
    laws,
    mixtures_of_shortfalls,
    piecewise_linear,
    refusal,
    shares,
)

import dynpo_lite as dp
from dynpo_lite.sharing.layers import level_bands

ES = dp.ExpectedShortfall
agents_of = st.lists(distortions, min_size=1, max_size=4)
linear_agents = st.lists(piecewise_linear, min_size=1, max_size=4)


def scale_of(x):
    return max(1e-290, float(np.abs(x).max()))


# the sharing is feasible and attains its value ------------------------------------


@settings(max_examples=150)
@given(laws(), agents_of)
def test_the_shares_sum_to_the_loss_and_attain_the_value(law, measures):
    shared = dp.share_layers(law.x, measures, law.weights)
    tol = 1e-12 * scale_of(law.x)
    assert shared.allocation.shape == (len(measures), len(law.x))
    assert abs(shared.allocation.sum(axis=0) - law.x).max() <= tol
    each = [dp.choquet(y, k, law.weights) for y, k in zip(shared.allocation, measures)]
    assert sum(each) == pytest.approx(shared.value, rel=1e-11, abs=10 * tol)


@given(laws(), agents_of)
def test_shares_are_comonotone(law, measures):
    shared = dp.share_layers(law.x, measures, law.weights)
    steps = np.diff(shared.allocation[:, np.argsort(law.x, kind="stable")], axis=1)
    assert (steps >= -1e-12 * scale_of(law.x)).all()


@given(laws(min_size=2), agents_of)
def test_layers_are_adjacent_and_their_shares_sum_to_one(law, measures):
    shared = dp.share_layers(law.x, measures, law.weights)
    possible = law.x if law.weights is None else law.x[law.weights > 0]
    if np.ptp(possible) == 0:
        assert shared.layers == ()
        return
    assert shared.sure == shared.layers[0].attachment == possible.min()
    assert shared.layers[-1].exhaustion == possible.max()
    for layer in shared.layers:
        assert layer.width > 0
        assert len(layer.shares) == len(measures)
        assert sum(layer.shares) == pytest.approx(1, abs=1e-15)
        assert min(layer.shares) >= 0
    for below, above in itertools.pairwise(shared.layers):
        assert below.exhaustion == above.attachment
        assert below.shares != above.shares


@given(laws(min_size=2), agents_of)
def test_the_retention_is_the_allocation(law, measures):
    shared = dp.share_layers(law.x, measures, law.weights)
    assert (shared.retention(law.x) == shared.allocation).all()
    assert shared.retention(law.x[0]).shape == (len(measures),)
    possible = law.x if law.weights is None else law.x[law.weights > 0]
    if np.ptp(possible) == 0:
        return
    # above the samples the top layer goes on, below the sure part does
    top, low = possible.max(), possible.min()
    beyond = shared.retention([top + 4]) - shared.retention([top])
    assert beyond[:, 0] == pytest.approx(4 * np.array(shared.layers[-1].shares))
    under = shared.retention([low]) - shared.retention([low - 4])
    assert under[:, 0] == pytest.approx(np.full(len(measures), 4 / len(measures)))


@given(laws(), st.lists(distortions, min_size=2, max_size=4))
def test_the_value_does_not_exceed_any_agents_own_risk(law, measures):
    value = dp.share_layers(law.x, measures, law.weights).value
    own = [dp.choquet(law.x, k, law.weights) for k in measures]
    assert value <= min(own) + 1e-12 * scale_of(law.x)


@given(laws(), agents_of, st.randoms(use_true_random=False))
def test_the_order_of_agents_and_samples_does_not_matter(law, measures, random):
    rows, columns = list(range(len(measures))), list(range(len(law.x)))
    random.shuffle(rows)
    random.shuffle(columns)
    weights = None if law.weights is None else law.weights[columns]
    first = dp.share_layers(law.x, measures, law.weights)
    other = dp.share_layers(law.x[columns], [measures[i] for i in rows], weights)
    tol = 1e-12 * scale_of(law.x)
    assert other.value == pytest.approx(first.value, rel=1e-12, abs=tol)
    expected = first.allocation[np.ix_(rows, columns)]
    assert other.allocation == pytest.approx(expected, rel=1e-12, abs=tol)


@given(laws(), agents_of, st.integers(-50, 50))
def test_a_sure_amount_is_shared_equally(law, measures, c):
    first = dp.share_layers(law.x, measures, law.weights)
    moved = dp.share_layers(law.x + c, measures, law.weights)
    gap = moved.allocation - first.allocation
    tol = 1e-11 * (scale_of(law.x) + abs(c))
    assert gap == pytest.approx(np.full(gap.shape, c / len(measures)), abs=tol)


# exact answers --------------------------------------------------------------------


@settings(max_examples=200)
@given(laws(min_size=2), linear_agents)
def test_layers_go_to_the_agents_with_the_smallest_distorted_tail(law, agents):
    """Between neighbouring outcomes those with the smallest k share equally."""
    shared = dp.share_layers(law.x, [a.measure for a in agents], law.weights)
    least = oracles.minimum([a.exact for a in agents])
    answer = float(oracles.risk(law.exact, least))
    assert shared.value == pytest.approx(answer, rel=1e-12, abs=1e-12 * scale_of(law.x))
    values = sorted({v for v, p in law.exact if p})
    for low, high in itertools.pairwise(values):
        k = [a.exact(sum(p for v, p in law.exact if v > low)) for a in agents]
        cheapest = np.array([value == min(k) for value in k])
        ends = shared.retention([float(low), float(high)])
        part = (ends[:, 1] - ends[:, 0]) / float(high - low)
        rounding = 1e-14 * scale_of(law.x) / float(high - low)
        assert part == pytest.approx(cheapest / cheapest.sum(), abs=rounding)


@settings(max_examples=60)
@given(laws(min_size=2, max_size=6), st.data())
def test_value_equals_a_linear_program_over_all_allocations(law, data):
    n_agents = data.draw(st.integers(2, 4))
    agents = [data.draw(mixtures_of_shortfalls()) for _ in range(n_agents)]
    p = [float(q) for _, q in law.exact]
    if min(p) == 0:  # a maximum looks at scenarios of positive probability only
        keep = np.array(p) > 0
        law = law._replace(x=law.x[keep], weights=np.array(p)[keep])
        p = law.weights
    answer = oracles.least_total_by_lp(law.x, p, agents)
    shared = dp.share_layers(law.x, [as_measure(a) for a in agents], law.weights)
    assert shared.value == pytest.approx(answer, rel=1e-8, abs=1e-8 * scale_of(law.x))


@settings(max_examples=10)
@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=4),
    st.lists(piecewise_linear, min_size=2, max_size=2),
    st.data(),
)
def test_value_equals_a_search_over_integer_shares(x, agents, data):
    p = data.draw(shares(len(x)))
    answer = oracles.least_total_by_enumeration(x, p, *(a.exact for a in agents))
    weights = [float(q) for q in p]
    value = dp.share_layers(x, [a.measure for a in agents], weights).value
    assert value == pytest.approx(float(answer), rel=1e-12, abs=1e-12)


@settings(max_examples=40)
@given(laws(max_size=6), agents_of, st.integers(0, 2**32 - 1))
def test_no_allocation_beats_the_value(law, measures, seed):
    rng = np.random.default_rng(seed)
    value = dp.share_layers(law.x, measures, law.weights).value
    for _ in range(5):
        y = rng.normal(0, scale_of(law.x), (len(measures), len(law.x)))
        y[-1] = law.x - y[:-1].sum(axis=0)
        total = sum(dp.choquet(z, k, law.weights) for z, k in zip(y, measures))
        assert total >= value - 1e-10 * scale_of(law.x)


# the exact cases ------------------------------------------------------------------

CASES = {case.id: case for case in oracles.exact_cases()}


@pytest.mark.parametrize("name", ["C01_static_two_agents", "C03_static_ties"])
def test_one_period_cases(name):
    case = CASES[name]
    children = case.children(0)
    x = [float(case.aggregate[v]) for v in children]
    p = [float(case.probability[v]) for v in children]
    shared = dp.share_layers(
        x, [as_measure(case.prefs[i, "0"][0]) for i in case.agents], p
    )
    answer = float(Fraction(case.answer["V"]["0"]))
    assert shared.value == pytest.approx(answer, rel=1e-14)
    own = [Fraction(case.answer["IR_level"][i]["0"]) for i in case.agents]
    assert float(sum(own)) - shared.value == pytest.approx(
        float(Fraction(case.answer["surplus"]["0"])), rel=1e-12
    )


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.is_linear])
def test_layers_of_every_node_go_to_the_agents_named(name):
    """Z = S + V of the children is shared by layers; ``argmin`` may carry them."""
    case = CASES[name]
    v_of = {v: Fraction(value) for v, value in case.answer["V"].items()}
    for v, layers in case.answer["layers"].items():
        children = case.children(case.number[v])
        z = [case.aggregate[w] + v_of.get(case.names[w], 0) for w in children]
        p = [float(case.probability[w]) for w in children]
        measures = [as_measure(case.prefs[i, v][0]) for i in case.agents]
        shared = dp.share_layers([float(q) for q in z], measures, p)
        assert shared.value == pytest.approx(float(v_of[v]), rel=1e-13)
        assert shared.sure == float(min(z))
        for layer in layers:
            ends = [float(Fraction(layer["lo"])), float(Fraction(layer["hi"]))]
            part = np.diff(shared.retention(ends), axis=1)[:, 0] / (ends[1] - ends[0])
            assert part.sum() == pytest.approx(1, abs=1e-13)
            for agent, share in zip(case.agents, part):
                assert share >= -1e-13
                assert agent in layer["argmin"] or share == pytest.approx(0, abs=1e-13)


@pytest.mark.parametrize(
    ("x", "weights"), [([0, 2, 7], [0.5, 0.3, 0.2]), ([7, 0, 2, 0], None)]
)
def test_a_tie_at_a_kink_is_shared_equally(x, weights):
    # P(X > 0) = 1/2 is seen as 1 by all three agents
    shared = dp.share_layers(x, [ES(0.5), ES(0.5), ES(0.75)], weights)
    assert shared.layers[0] == dp.Layer(0.0, 2.0, (1 / 3, 1 / 3, 1 / 3))


def test_one_agent_with_a_maximum_of_two_distortions():
    """Case C08: V is the saddle value, at the weights 8/13 and 5/13."""
    case = CASES["C08_static_coherent_sup"]
    children = case.children(0)
    x = [float(case.aggregate[v]) for v in children]
    p = [float(case.probability[v]) for v in children]
    parts = [as_measure(pairs) for pairs in case.prefs["1", "0"]]
    other = as_measure(case.prefs["2", "0"][0])

    law = list(zip(x, p))
    exact = [oracles.mixture_of_shortfalls(pairs) for pairs in case.prefs["1", "0"]]
    worst = max(oracles.risk(law, k) for k in exact)
    assert dp.choquet(x, dp.Supremum(parts), p) == pytest.approx(
        float(worst), rel=1e-14
    )

    for j, part in enumerate(parts):
        answer = Fraction(case.answer[f"value_if_agent1_used_only_mixture_{j}"])
        value = dp.share_layers(x, [part, other], p).value
        assert value == pytest.approx(float(answer), rel=1e-14)
    weights = [float(Fraction(w)) for w in case.answer["saddle_weights"]["0"]["1"]]
    value = dp.share_layers(x, [dp.Mixture(parts, weights), other], p).value
    answer = float(Fraction(case.answer["V"]["0"]))
    assert value == pytest.approx(answer, rel=1e-14)
    assert value > dp.share_layers(x, [parts[0], other], p).value + 0.2


# smooth distortions and laws ------------------------------------------------------


def test_the_layer_of_section_6_2_attaches_at_the_crossing():
    first = dp.Mixture([dp.Expectation(), ES(0.9)], [0.2, 0.8])
    second = dp.Mixture([dp.Expectation(), ES(0.99)], [0.6, 0.4])
    shared = dp.share_layers(stats.expon(scale=200), [first, second])
    low, high = shared.layers
    assert (low.attachment, low.shares) == (0.0, (0.0, 1.0))
    assert (high.exhaustion, high.shares) == (math.inf, (1.0, 0.0))
    assert low.exhaustion == high.attachment
    assert high.attachment == pytest.approx(200 * math.log(19), rel=1e-13)
    assert shared.allocation is None
    kept = shared.retention([100.0, 1000.0])
    attachment = high.attachment
    assert kept == pytest.approx(np.array([[0, 1000 - attachment], [100, attachment]]))


def test_the_value_of_that_layer_in_closed_form():
    first = dp.Mixture([dp.Expectation(), ES(0.9)], [0.2, 0.8])
    second = dp.Mixture([dp.Expectation(), ES(0.99)], [0.6, 0.4])
    value = dp.share_layers(stats.expon(scale=200), [first, second]).value
    # below ln 19 means: 0.6 u + 0.4 with u = exp(-x / 200); above: 8.2 u
    answer = 200 * (0.6 * 18 / 19 + 0.4 * math.log(19) + 8.2 / 19)
    assert value == pytest.approx(answer, rel=1e-13)


@pytest.mark.filterwarnings("ignore")
def test_a_distortion_and_the_same_by_a_rough_formula_make_few_layers():
    agents = [dp.DualPower(2), lambda s: 1 - (1 - s) ** 2]
    assert len(dp.share_layers(stats.expon(), agents).layers) < 20


def test_smooth_distortions_cross_where_their_difference_vanishes():
    agents = [dp.DualPower(2), dp.ProportionalHazard(0.5)]
    with mpmath.workdps(30):
        # 2 s - s ** 2 meets sqrt(s)
        cut = float(mpmath.findroot(lambda s: 2 * s - s**2 - mpmath.sqrt(s), 0.4))
    edges, who = level_bands(agents)
    # next to 0 and 1, where both distortions vanish or are 1, they tie
    inside = (edges > 1e-3) & (edges < 1 - 1e-3)
    assert edges[inside] == pytest.approx([cut], rel=1e-14)
    assert who[-1].tolist() == [1.0, 0.0]
    shared = dp.share_layers(stats.uniform(), agents)
    exact = mpmath.quad(lambda x: min(1 - x**2, mpmath.sqrt(1 - x)), [0, 1 - cut, 1])
    assert shared.value == pytest.approx(float(exact), rel=1e-8)
    assert shared.layers[-1].attachment == pytest.approx(1 - cut, rel=1e-13)


def test_layers_between_which_another_is_empty_are_one():
    k = dp.PiecewiseLinear([0, 0.425, 1], [0, 0.7, 1])
    # a chord of k: below it between the levels 0.4 and 0.45 only
    low, high = float(k(0.4)), float(k(0.45))
    slope = (high - low) / 0.05
    jump, end = low - 0.4 * slope, 0.4 + (1 - low) / slope
    chord = dp.PiecewiseLinear([0, end, 1], [jump, 1, 1])
    shared = dp.share_layers([0, 1, 2, 3], [k, chord])
    assert shared.layers == (dp.Layer(0.0, 3.0, (1.0, 0.0)),)
    assert dp.share_layers(stats.randint(0, 4), [k, chord]).layers == shared.layers
    several = dp.share_layers(stats.uniform(), [k, chord])
    found = [layer.shares for layer in several.layers]
    assert found == [(1.0, 0.0), (0.0, 1.0), (1.0, 0.0)]


def chord_of_the_root(low, high):
    """The chord of the square root between two levels: below it only there."""
    slope = (math.sqrt(high) - math.sqrt(low)) / (high - low)
    jump = math.sqrt(low) - low * slope
    return dp.PiecewiseLinear([0, (1 - jump) / slope, 1], [jump, 1, 1])


def test_two_crossings_around_one_level_of_the_samples_are_seen():
    chord = chord_of_the_root(0.2499, 0.2501)
    agents = [dp.ProportionalHazard(0.5), chord]
    for weights in (None, [0.25] * 4):
        shared = dp.share_layers([0, 1, 0, 0], agents, weights)
        assert shared.allocation.tolist() == [[0, 0, 0, 0], [0, 1, 0, 0]]
        assert shared.value == pytest.approx(float(chord(0.25)), rel=1e-15)


def test_two_crossings_that_go_unseen_cost_next_to_nothing():
    agents = [dp.ProportionalHazard(0.5), chord_of_the_root(0.4995, 0.5005)]
    x = np.random.default_rng(0).uniform(size=20_000)
    shared = dp.share_layers(x, agents)
    each = [dp.choquet(y, k) for y, k in zip(shared.allocation, agents)]
    assert sum(each) == pytest.approx(shared.value, rel=1e-6)


def test_three_smooth_agents_on_many_samples():
    rng = np.random.default_rng(3)
    x = rng.gamma(
        2, 3, 20_000
    )  # more samples than levels that are looked at one by one
    agents = [dp.ProportionalHazard(0.8), dp.DualPower(1.6), dp.Wang(0.35), ES(0.2)]
    shared = dp.share_layers(x, agents)
    each = [dp.choquet(y, k) for y, k in zip(shared.allocation, agents)]
    assert sum(each) == pytest.approx(shared.value, rel=1e-9)
    assert abs(shared.allocation.sum(axis=0) - x).max() <= 1e-13 * x.max()


def test_a_jump_at_zero_gives_away_the_top_of_the_tail():
    # 0.1 + 0.9 s against 2 s: equal at 1 / 11
    agents = [dp.Mixture([dp.WorstCase(), dp.Expectation()], [0.1, 0.9]), ES(0.5)]
    shared = dp.share_layers(np.arange(101.0), agents)
    assert [layer.shares for layer in shared.layers] == [(1.0, 0.0), (0.0, 1.0)]
    # 10 of 101 samples lie above 90, and 9 / 101 < 1 / 11 < 10 / 101
    assert shared.layers[1].attachment == 91.0
    edges, _ = level_bands(agents)
    assert edges[1:-1] == pytest.approx([1 / 11], rel=1e-14)


@pytest.mark.parametrize("kind", [dp.ProportionalHazard, ES])
def test_many_agents_and_identical_agents(kind):
    x = np.random.default_rng(1).normal(size=500)
    agents = [kind((i + 1) / 51) for i in range(50)]
    shared = dp.share_layers(x, agents)
    each = [dp.choquet(y, k) for y, k in zip(shared.allocation, agents)]
    assert sum(each) == pytest.approx(shared.value, rel=1e-10, abs=1e-12)
    assert abs(shared.allocation.sum(axis=0) - x).max() <= 1e-13
    twins = dp.share_layers(x, [kind(0.5)] * 50)
    assert twins.layers == (dp.Layer(x.min(), x.max(), (1 / 50,) * 50),)
    assert twins.allocation == pytest.approx(np.tile(x / 50, (50, 1)), abs=1e-14)


def test_laws_and_samples_of_them_agree():
    agents = [ES(0.9), dp.Mixture([dp.Expectation(), ES(0.99)], [0.5, 0.5]), ES(0.3)]
    law = stats.gamma(2)
    n = 100_000
    x = law.isf((np.arange(n) + 0.5) / n)
    exact, sampled = (dp.share_layers(z, agents) for z in (law, x))
    assert sampled.value == pytest.approx(exact.value, rel=1e-3)
    assert [a.shares for a in exact.layers] == [b.shares for b in sampled.layers]
    for a, b in zip(exact.layers[1:], sampled.layers[1:]):
        assert b.attachment == pytest.approx(a.attachment, rel=1e-3)


def test_a_law_without_a_sure_part_is_counted_from_zero():
    agents = [ES(0.9), dp.Mixture([dp.Expectation(), ES(0.99)], [0.5, 0.5])]
    shared = dp.share_layers(stats.norm(), agents)
    assert shared.sure == -math.inf
    assert shared.retention(0.0).tolist() == [0, 0]
    x = np.linspace(-4, 4, 17)
    assert shared.retention(x).sum(axis=0) == pytest.approx(x, abs=1e-15)


def test_discrete_laws_are_shared():
    agents = [ES(0.9), dp.Mixture([dp.Expectation(), ES(0.99)], [0.5, 0.5])]
    law = stats.binom(6, 0.3)
    x = np.arange(7)
    weighted = dp.share_layers(x, agents, law.pmf(x))
    shared = dp.share_layers(law, agents)
    assert shared.value == pytest.approx(weighted.value, rel=1e-13)
    assert shared.retention(x) == pytest.approx(weighted.allocation, abs=1e-13)


def test_an_infinite_total_risk():
    agents = [dp.ProportionalHazard(0.5), dp.ProportionalHazard(0.6)]
    assert dp.share_layers(stats.pareto(1.5), agents).value == math.inf
    # who can bear the tail takes it
    agents = [dp.ProportionalHazard(0.5), dp.ProportionalHazard(0.8)]
    shared = dp.share_layers(stats.pareto(1.5), agents)
    assert shared.value == pytest.approx(6)
    assert shared.layers[-1].shares == (0.0, 1.0)


# inputs ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.int64, np.float32, bool, object])
def test_any_real_numbers_will_do(kind):
    x = np.array([1, 0, 1, 1], dtype=kind)
    shared = dp.share_layers(x, [ES(0.5), dp.ProportionalHazard(0.9)])
    assert shared.allocation.dtype == float
    assert shared.allocation.sum(axis=0).tolist() == [1, 0, 1, 1]


def test_arguments_are_left_as_they_are():
    x, weights = np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.3, 0.5])
    for array in (x, weights):
        array.setflags(write=False)
    for agents in ([ES(0.5), ES(0.6)], [dp.ProportionalHazard(0.5), dp.Wang(0.3)]):
        dp.share_layers(x, agents)
        dp.share_layers(x[::-1], agents, weights[::-1])
    assert x.tolist() == [3.0, 1.0, 2.0]


def test_one_sample_and_constant_losses():
    for x in ([5.0], [5.0, 5.0]):
        shared = dp.share_layers(x, [ES(0.5), dp.ProportionalHazard(0.5)])
        assert (shared.value, shared.layers, shared.sure) == (5.0, (), 5.0)
        assert (shared.allocation == 2.5).all()


def test_retention_of_a_constant_loss():
    shared = dp.share_layers([5.0, 5.0], [ES(0.5), ES(0.9)])
    assert shared.retention([5.0]).tolist() == [[2.5], [2.5]]


def test_the_sure_part_ignores_samples_of_weight_zero():
    shared = dp.share_layers([-100, 1, 5], [ES(0.5), dp.Expectation()], [0, 0.5, 0.5])
    assert shared.sure == 1
    assert shared.layers == (dp.Layer(1.0, 5.0, (0.0, 1.0)),)


def test_tiny_probabilities_keep_their_layer():
    x, weights = [0.0, 1e15], np.array([1 - 1e-15, 1e-15])
    agents = [
        dp.Mixture([dp.Expectation(), dp.WorstCase()], [0.9, 0.1]),
        dp.DualPower(1e15),
    ]
    shared = dp.share_layers(x, agents, weights)
    each = [dp.choquet(y, k, weights) for y, k in zip(shared.allocation, agents)]
    assert sum(each) == pytest.approx(shared.value)


# refusals -------------------------------------------------------------------------


def test_a_bad_agent_is_named():
    text = refusal(lambda: dp.share_layers([1, 2], [ES(0.5), 0.9]))
    assert text.startswith("TypeError: measures[1] = 0.9 is no distortion")


@pytest.mark.parametrize(
    ("measures", "text"),
    [
        ([], "ValueError: measures = [] holds no agent: give at least one"),
        (
            ES(0.5),
            "ValueError: measures = ExpectedShortfall(level=0.5) holds no agent: "
            "give at least one",
        ),
        (
            [ES(0.5), dp.Supremum([ES(0.5)])],
            "TypeError: measures[1] is a Supremum: layers need one distortion an agent",
        ),
        (
            [ES(0.5), 0.9],
            "TypeError: measures[1] = 0.9 is no distortion: give "
            "ExpectedShortfall(0.9) or the like",
        ),
    ],
)
def test_bad_agents_are_refused(measures, text):
    assert refusal(lambda: dp.share_layers([1, 2], measures)) == text


@pytest.mark.parametrize(
    ("x", "weights", "text"),
    [
        ([], None, "x is empty: give at least one number"),
        ([1, math.nan], None, "x holds nan at position 1: remove or replace it"),
        ([[1, 2]], None, "x has shape (1, 2): give an array with 1 axis"),
        ([1, 2], [0.5, 0.6], "weights sum to 1.1: divide them by their sum"),
        ([1, 2], [1.0], "weights has shape (1,): give an array with shape (2,)"),
        (
            stats.norm(),
            [1.0],
            "weights go with samples: leave them out for a law",
        ),
        (
            stats.cauchy(),
            None,
            "x is a law whose gains have no mean: no coherent measure is defined; "
            "bound it from below",
        ),
    ],
)
def test_bad_losses_are_refused(x, weights, text):
    agents = [ES(0.5), dp.Expectation()]
    assert refusal(lambda: dp.share_layers(x, agents, weights)) == "ValueError: " + text
