"""Distortions: exact values, tiny survival probabilities, kinks, refusals."""

import dataclasses
import itertools
import math
import re
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import mixture_of_shortfalls
from scipy import stats
from strategies import as_measure, distortions, levels, piecewise_linear, refusal

import dynpo_lite as dp
from dynpo_lite.risk.crossings import crossings, level_grid, linear_crossings
from dynpo_lite.risk.distortions import as_distortion

TINY = [1e-300, 1e-100, 1e-17, 1e-12, 1e-5, 0.01, 0.3]


def in_thirty_digits(f):
    def value(s):
        with mpmath.workdps(30):
            return float(f(mpmath.mpf(s)))

    return value


def phi(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def quantile(s):
    """Phi^{-1} by the secant method on a logarithmic scale."""
    if s > 0.5:
        return -quantile(1 - s)
    start = -mpmath.sqrt(-2 * mpmath.log(s))
    return mpmath.findroot(lambda x: mpmath.log(phi(x) / s), start)


SMOOTH = {
    "hazard": (dp.ProportionalHazard(0.3), lambda s: s ** mpmath.mpf(0.3)),
    "dual": (dp.DualPower(3), lambda s: s * (3 - 3 * s + s * s)),
    "dual 1.7": (dp.DualPower(1.7), lambda s: -mpmath.expm1(1.7 * mpmath.log1p(-s))),
    "wang": (dp.Wang(0.75), lambda s: phi(quantile(s) + mpmath.mpf(0.75))),
}


# values ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("s", TINY)
def test_smooth_distortions_are_accurate_where_s_is_tiny(name, s):
    measure, exact = SMOOTH[name]
    value = float(measure(s))
    # Phi^{-1}(1e-300) = -37: a rounding error there is 37 ** 2 times as large
    assert value == pytest.approx(in_thirty_digits(exact)(s), rel=4e-13, abs=0)


def test_dual_power_of_a_tiny_probability():
    assert float(dp.DualPower(3)(1e-17)) == 3e-17


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("u", [1e-17, 1e-9, 0.2, 0.9])
def test_complements_do_not_cancel(name, u):
    measure, exact = SMOOTH[name]

    with mpmath.workdps(90):
        answer = float(1 - exact(1 - mpmath.mpf(u)))
    assert float(measure.complement(u)) == pytest.approx(answer, rel=4e-13, abs=0)


@given(piecewise_linear, st.fractions(0, 1, max_denominator=1000))
def test_piecewise_linear_distortions_equal_exact_fractions(agent, s):
    k = as_distortion(agent.measure)
    answer = agent.exact(s)
    assert float(k(float(s))) == pytest.approx(float(answer), abs=1e-13)
    assert float(k.complement(1 - float(s))) == pytest.approx(1 - answer, abs=1e-13)


@given(distortions)
def test_every_distortion_is_normalised_increasing_concave_and_pessimistic(measure):
    k = as_distortion(measure)
    s = np.unique(np.hstack([np.linspace(0, 1, 401), np.geomspace(1e-17, 1e-3, 60)]))
    values = k(s)
    assert values.shape == s.shape
    assert values[0] == 0
    assert values[-1] == 1
    assert (np.diff(values) >= -1e-15).all()
    assert (values >= s * (1 - 1e-12)).all()
    # chords: the value between two points is at least their mean
    middle = (s[1:-1] + s[2:]) / 2
    assert (k(middle) >= (values[1:-1] + values[2:]) / 2 * (1 - 1e-12)).all()


@given(distortions)
def test_complement_is_one_minus_the_mirror(measure):
    k = as_distortion(measure)
    u = np.linspace(0, 1, 101)
    assert k.complement(u) == pytest.approx(1 - k(1 - u), abs=1e-13)


@given(distortions)
def test_jump_is_the_limit_at_zero(measure):
    k = as_distortion(measure)
    assert k.jump == pytest.approx(float(k(1e-305)), abs=1e-12)


@given(piecewise_linear)
def test_breakpoints_are_where_the_slope_changes(agent):
    k = as_distortion(agent.measure)
    ends = np.hstack([0, k.breakpoints, 1])
    assert (np.diff(ends) > 0).all()
    for a, b in itertools.pairwise(ends):
        inside = a + (b - a) * np.array([1e-9, 0.25, 0.5, 0.75, 1])
        slopes = np.diff(k(inside)) / np.diff(inside)
        assert np.ptp(slopes) <= 1e-9 * max(1, slopes.max())


def test_smooth_distortions_have_no_breakpoints():
    hazard = dp.ProportionalHazard(0.5)
    assert hazard.breakpoints is None
    assert dp.Mixture([hazard, dp.Expectation()], [0.5, 0.5]).breakpoints is None
    assert dp.Minimum([hazard, dp.Expectation()]).breakpoints is None


@given(levels)
def test_the_tail_is_what_was_typed(level):
    # 1 - 0.95 is 0.050000000000000044 in floating point
    assert dp.ExpectedShortfall(float(level)).tail == float(1 - level)


def test_expected_shortfall_at_level_zero_is_the_mean():
    s = np.linspace(0, 1, 11)
    assert (dp.ExpectedShortfall(0)(s) == s).all()


def test_known_values():
    assert dp.ExpectedShortfall(0.75)([0, 0.1, 0.25, 1]).tolist() == [0, 0.4, 1, 1]
    assert dp.WorstCase()([0, 1e-300, 1]).tolist() == [0, 1, 1]
    assert dp.ProportionalHazard(0.5)([0, 0.25, 1]).tolist() == [0, 0.5, 1]
    assert dp.DualPower(2)([0, 0.5, 1]).tolist() == [0, 0.75, 1]
    assert float(dp.Wang(0.0)(0.25)) == pytest.approx(0.25, rel=1e-15)


def test_values_have_the_shape_of_the_argument():
    for k in (dp.WorstCase(), dp.Wang(1), dp.PiecewiseLinear([0, 1], [0, 1])):
        assert np.shape(k(0.5)) == ()
        assert k(np.full((2, 3), 0.5)).shape == (2, 3)
        assert k([]).shape == (0,)


# combinations ---------------------------------------------------------------------


@given(st.lists(distortions, min_size=1, max_size=3))
def test_mixture_and_minimum_follow_their_definition(parts):
    s = np.hstack([0, np.geomspace(1e-12, 1, 50)])
    values = np.array([as_distortion(k)(s) for k in parts])
    weights = np.arange(1.0, len(parts) + 1) / sum(range(1, len(parts) + 1))
    mixed = dp.Mixture(parts, weights)(s)
    assert mixed == pytest.approx(weights @ values, rel=1e-14, abs=0)
    assert (dp.Minimum(parts)(s) == values.min(axis=0)).all()


def crossings_in_fractions(first, second, knots):
    """Zeros of the difference strictly inside a common linear piece."""
    found = []
    for a, b in itertools.pairwise(knots):
        # two interior points give the line, whatever happens at a jump
        u, v = a + (b - a) / 3, a + 2 * (b - a) / 3
        gap_u, gap_v = (first(x) - second(x) for x in (u, v))
        if gap_u != gap_v:
            root = u - gap_u * (v - u) / (gap_v - gap_u)
            if a < root < b:
                found.append(root)
    return found


@given(st.lists(levels, min_size=4, max_size=4), st.integers(1, 9), st.integers(1, 9))
def test_crossings_of_two_mixtures_are_exact(four, first, second):
    weights = [Fraction(first, 10), Fraction(second, 10)]
    pairs = [
        [(w, low), (1 - w, high)]
        for w, low, high in zip(weights, four[::2], four[1::2])
    ]
    knots = sorted({Fraction(0), Fraction(1)} | {1 - a for a in four})
    one, two = map(mixture_of_shortfalls, pairs)
    exact = crossings_in_fractions(one, two, knots)
    ours = linear_crossings([as_measure(p) for p in pairs])
    for root in exact:
        assert min(abs(ours - float(root)), default=1) <= 1e-13
    for root in map(Fraction, ours.tolist()):
        # where the two agree on a whole piece, roundings may look like a crossing
        agree = abs(one(root * Fraction(101, 100)) - two(root * Fraction(101, 100)))
        near = min((abs(root - r) for r in exact), default=1)
        assert near <= 1e-13 or agree <= 1e-13


def test_an_order_that_changes_twice_between_two_levels():
    """In one cell of the grid 1.599 s, then 1 - (1 - s)^2, then 1 - 0.5988 (1 - s)."""
    steep = dp.PiecewiseLinear([0, 0.5, 1], [0, 0.7995, 1])
    round_ = dp.DualPower(2)
    flat = dp.PiecewiseLinear([0, 0.1, 1], [0, 1 - 0.5988 * 0.9, 1])
    agents = [steep, round_, flat]
    # with t = 1 - s: 1.599 (1 - t) = 1 - t^2 at t = 0.599, 0.5988 t = t^2 at 0.5988
    exact = [0.401, 0.4012]
    grid = level_grid(agents)
    assert not ((grid > exact[0]) & (grid < exact[1])).any()
    found = crossings(agents)
    for level in exact:
        assert np.abs(found - level).min() < 1e-12
    assert np.count_nonzero((found > 0.39) & (found < 0.41)) == 2
    # the middle one is the least by far less than the others differ
    shared = dp.share_layers(stats.uniform(), agents)
    middle = [layer for layer in shared.layers if layer.shares == (0.0, 1.0, 0.0)]
    assert any(
        layer.attachment == pytest.approx(0.5988, rel=1e-12)
        and layer.exhaustion == pytest.approx(0.599, rel=1e-12)
        for layer in middle
    )


def test_the_two_measures_of_section_6_2_cross_at_one_nineteenth():
    first = dp.Mixture([dp.Expectation(), dp.ExpectedShortfall(0.9)], [0.2, 0.8])
    second = dp.Mixture([dp.Expectation(), dp.ExpectedShortfall(0.99)], [0.6, 0.4])
    assert linear_crossings([first, second]) == pytest.approx([1 / 19], rel=1e-14)
    kinks = dp.Minimum([first, second]).breakpoints
    assert kinks == pytest.approx([0.01, 1 / 19, 0.1], rel=1e-14)


# a user's own function ------------------------------------------------------------


def test_a_callable_is_taken_as_a_distortion():
    k = as_distortion(lambda s: s * (2 - s))
    assert float(k(0.5)) == 0.75
    assert k.breakpoints is None
    assert k.jump == 0
    assert as_distortion(np.sqrt).jump == 0
    assert as_distortion(lambda s: s**0.001).jump == 0  # steep, but no jump


def value_by_value(s):
    return [min(2 * v, 1) for v in s]


def writes_into_its_argument(s):
    s *= 2
    return np.minimum(s, 1, out=s)


@pytest.mark.parametrize("function", [value_by_value, writes_into_its_argument])
@pytest.mark.parametrize("retention", ["state-dependent", "deterministic"])
def test_a_callable_sees_one_axis_and_may_write_into_it(function, retention):
    tree = dp.ScenarioTree([-1, 0, 0, 1, 1, 2, 2], [1] + [0.5] * 6)
    x = [[0, 0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 0, 0, 0]]
    agents = [function, dp.ExpectedShortfall(0.75)]
    economy = dp.Economy(tree, x, agents)
    solution = dp.solve(economy, retention=retention)
    assert solution.total_risk_to_go[:3].tolist() == [2.0, 1.0, 1.0]
    assert dp.check_allocation(economy, solution.allocation).pareto_optimal
    s = np.array([[0.25, 0.5], [0.75, 1.0]])
    assert as_distortion(function)(s).tolist() == [[0.5, 1.0], [1.0, 1.0]]
    assert s.tolist() == [[0.25, 0.5], [0.75, 1.0]]


def spoilt_by_nothing(s):
    return np.minimum(2 * s, s.max())


@pytest.mark.parametrize("retention", ["state-dependent", "deterministic"])
def test_a_callable_never_sees_an_empty_array(retention):
    assert as_distortion(spoilt_by_nothing)([]).shape == (0,)
    agents = [spoilt_by_nothing, dp.ExpectedShortfall(0.75)]
    assert dp.share_layers([3.0], agents).allocation.tolist() == [[1.5], [1.5]]
    chain = dp.ScenarioTree([-1, 0, 1], [1, 1, 1])
    economy = dp.Economy(chain, [[0, 1, 2], [0, 0, 1]], agents)
    assert dp.solve(economy, retention=retention).total_risk_to_go[0] == 4.0


def test_a_callable_may_jump_at_zero():
    k = as_distortion(lambda s: np.where(s > 0, 0.5 + 0.5 * s, 0.0))
    assert k.jump == 0.5


class Gini(dp.Distortion):
    """The mean of the larger of two independent copies, and nothing but values."""

    def values(self, s):
        return s * (2 - s)


def test_a_subclass_needs_its_values_only():
    x, p = [3.0, 1.0, 2.0], [0.2, 0.5, 0.3]
    for weights in (None, p):
        answer = dp.choquet(x, dp.DualPower(2), weights)
        assert dp.choquet(x, Gini(), weights) == pytest.approx(answer, rel=1e-15)
    assert dp.choquet(stats.norm(), Gini()) == pytest.approx(1 / math.sqrt(math.pi))
    assert Gini().complement(0.25) == pytest.approx(0.0625)
    half = dp.Minimum([Gini(), dp.ExpectedShortfall(0.5)])
    assert half([0.25, 0.75]).tolist() == [0.4375, 0.9375]
    assert (Gini().breakpoints, Gini().jump, Gini().noise) == (None, 0.0, 0.0)
    assert Gini().smooth


def test_a_subclass_may_say_where_it_bends():
    class Bent(dp.Distortion):
        breakpoints = np.array([0.25])

        def values(self, s):
            return np.minimum(4 * s, 1)

    x = np.random.default_rng(3).normal(size=1000)
    assert dp.choquet(x, Bent()) == dp.choquet(x, dp.ExpectedShortfall(0.75))
    assert Bent().kinks.tolist() == [0.25]


def test_the_base_class_has_no_values():
    with pytest.raises(NotImplementedError):
        dp.Distortion()(0.5)


@settings(max_examples=20)
@given(distortions)
def test_a_distortion_is_returned_as_it_is(measure):
    k = as_distortion(measure)
    assert as_distortion(k) is k


def scalar_only(s):
    return math.sqrt(s)


def half(s):
    return 0.5


def convex(s):
    return s**2


def high(s):
    return 0.1 + 0.9 * s


def low(s):
    return 0.9 * s


def falls(s):
    return np.where(s < 0.5, 3 * s, 2 - s)


def bent(s):
    return np.interp(s, [0, 0.4, 0.6, 1], [0, 0.5, 0.6, 1])


def infinite(s):
    with np.errstate(divide="ignore"):
        return np.log(s)


# refusals -------------------------------------------------------------------------

SURE = "choose a confidence level, such as 0.95 for the worst 5 %"
CONCAVE = "the function is concave only there"
NUMBER = "is not a number: give a real number"
GRID = "is no grid: let it increase strictly from 0 to 1"
POLYGON = "is no concave distortion: let it increase with falling slopes and end in 1"
SURVIVAL = "is no survival probability: give values in [0, 1]"
NONE = "holds none: give at least one"
KIND = "is no distortion: give ExpectedShortfall(0.9) or the like"
FINITE = (
    "does not return a finite value for each survival probability: let it return an "
    "array of the same shape"
)
both = [dp.Expectation(), dp.WorstCase()]


def without_addresses(value):
    """Name a case alike in every process, so that they can be spread."""
    return re.sub(r" at 0x\w+", "", value) if isinstance(value, str) else None


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (dp.ExpectedShortfall, 1.2, "level = 1.2 is outside [0, 1): " + SURE),
        (dp.ExpectedShortfall, -0.1, "level = -0.1 is outside [0, 1): " + SURE),
        (dp.ExpectedShortfall, math.nan, "level = nan is outside [0, 1): " + SURE),
        (
            dp.ExpectedShortfall,
            1,
            "level = 1 is outside [0, 1): use WorstCase() for level 1",
        ),
        (dp.ProportionalHazard, 0, "exponent = 0 is outside (0, 1]: " + CONCAVE),
        (dp.ProportionalHazard, 2, "exponent = 2 is outside (0, 1]: " + CONCAVE),
        (
            dp.ProportionalHazard,
            math.nan,
            "exponent = nan is outside (0, 1]: " + CONCAVE,
        ),
        (dp.DualPower, 0.5, "power = 0.5 is outside [1, inf): " + CONCAVE),
        (dp.DualPower, math.inf, "power = inf is outside [1, inf): " + CONCAVE),
        (dp.DualPower, math.nan, "power = nan is outside [1, inf): " + CONCAVE),
        (dp.Wang, -1, "shift = -1 is outside [0, inf): " + CONCAVE),
        (dp.Wang, math.nan, "shift = nan is outside [0, inf): " + CONCAVE),
        (dp.Minimum, [], "distortions = [] " + NONE),
        (dp.Expectation(), [0.5, 1.5], "s = 1.5 " + SURVIVAL),
        (dp.Wang(1), -0.5, "s = -0.5 " + SURVIVAL),
        (dp.WorstCase(), [0.5, math.nan], "s = nan " + SURVIVAL),
        (
            as_distortion,
            convex,
            "measure = VALUE is not concave: let its slopes fall",
        ),
        (
            as_distortion,
            bent,
            "measure = VALUE is not concave: let its slopes fall",
        ),
        (as_distortion, high, "measure = VALUE has k(0) = 0.1: let k(0) = 0"),
        (as_distortion, low, "measure = VALUE has k(1) = 0.9: let k(1) = 1"),
        (
            as_distortion,
            falls,
            "measure = VALUE falls somewhere: let it increase",
        ),
        (as_distortion, half, "measure = VALUE " + FINITE),
        (as_distortion, infinite, "measure = VALUE " + FINITE),
    ],
    ids=without_addresses,
)
def test_values_outside_the_domain_are_refused_with_the_cure(kind, value, text):
    text = text.replace("VALUE", repr(value))  # an address may not be part of an id
    assert refusal(lambda: kind(value)) == "ValueError: " + text


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (dp.ExpectedShortfall, None, "level = None " + NUMBER),
        (dp.ExpectedShortfall, True, "level = True " + NUMBER),
        (dp.ExpectedShortfall, [0.9], "level = [0.9] " + NUMBER),
        (dp.ExpectedShortfall, "high", "level = 'high' " + NUMBER),
        (dp.Wang, 1j, "shift = 1j " + NUMBER),
        (as_distortion, 0.9, "measure = 0.9 " + KIND),
        (as_distortion, None, "measure = None " + KIND),
        (as_distortion, dp.Wang, f"measure = {dp.Wang!r} " + KIND),
        (dp.Minimum, [0.9], "distortions[0] = 0.9 " + KIND),
    ],
)
def test_things_of_the_wrong_kind_are_refused(kind, value, text):
    assert refusal(lambda: kind(value)) == "TypeError: " + text


@pytest.mark.parametrize(
    ("s", "k", "text"),
    [
        ([0, 0.5], [0, 1], "s = [0.0, 0.5] " + GRID),
        ([0.1, 1], [0, 1], "s = [0.1, 1.0] " + GRID),
        ([0, 0.5, 0.5, 1], [0, 0.7, 0.8, 1], "s = [0.0, 0.5, 0.5, 1.0] " + GRID),
        ([0], [1], "s = [0.0] " + GRID),
        ([0, 1], [0, 0.5, 1], "k has shape (3,): give an array with shape (2,)"),
        (
            [0, 0.5, 1],
            [0, math.nan, 1],
            "k holds nan at position 1: remove or replace it",
        ),
        ([0, 0.5, 1], [0, 0.2, 1], "k = [0.0, 0.2, 1.0] " + POLYGON),
        ([0, 0.5, 1], [0, 1.1, 1], "k = [0.0, 1.1, 1.0] " + POLYGON),
        ([0, 0.5, 1], [-0.1, 0.7, 1], "k = [-0.1, 0.7, 1.0] " + POLYGON),
        ([0, 1], [0, 0.9], "k = [0.0, 0.9] " + POLYGON),
    ],
)
def test_polygons_that_are_no_distortion_are_refused(s, k, text):
    assert refusal(lambda: dp.PiecewiseLinear(s, k)) == "ValueError: " + text


@pytest.mark.parametrize(
    ("parts", "weights", "text"),
    [
        ((), [], "distortions = () " + NONE),
        (dp.Expectation(), [1.0], "distortions = Expectation() " + NONE),
        (both, [1.0], "weights has shape (1,): give an array with shape (2,)"),
        (both, [0.4, 0.5], "weights sum to 0.9: divide them by their sum"),
        (
            both,
            [-0.5, 1.5],
            "weights holds -0.5 at position 0: probabilities are at least 0",
        ),
        (both, [math.nan, 1], "weights holds nan at position 0: remove or replace it"),
    ],
)
def test_mixtures_without_probabilities_are_refused(parts, weights, text):
    assert refusal(lambda: dp.Mixture(parts, weights)) == "ValueError: " + text


def test_a_function_of_one_number_only_is_refused():
    text = refusal(lambda: as_distortion(scalar_only))
    assert text.startswith(
        f"ValueError: measure = {scalar_only!r} fails on an array of"
    )
    assert text.endswith("): let it take an array")


def test_distortions_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        dp.ExpectedShortfall(0.9).level = 0.5


def test_distortions_with_equal_parameters_are_equal():
    assert dp.ExpectedShortfall(0.9) == dp.ExpectedShortfall(level=0.9)
    assert dp.ExpectedShortfall(0.9) != dp.ExpectedShortfall(0.95)
    assert len({dp.Wang(1), dp.Wang(1.0), dp.DualPower(2)}) == 2


def test_polygons_keep_their_own_copy():
    s = np.array([0, 0.5, 1])
    k = dp.PiecewiseLinear(s, [0, 0.8, 1])
    s[1] = 0.9
    assert k.breakpoints.tolist() == [0.5]


def test_the_arrays_of_distortions_are_frozen():
    polygon = dp.PiecewiseLinear([0, 0.5, 1], [0, 0.8, 1])
    own = np.array([0.5, 0.5])
    mixture = dp.Mixture(both, own)
    for array in (polygon.s, polygon.k, mixture.weights):
        assert not array.flags.writeable
    own[0] = 0.25
    assert mixture.weights.tolist() == [0.5, 0.5]


def test_parameters_are_kept_as_floats():
    for value in (
        dp.ExpectedShortfall(Fraction(1, 2)).level,
        dp.ProportionalHazard(Fraction(1, 2)).exponent,
        dp.DualPower(2).power,
        dp.Wang(1).shift,
    ):
        assert type(value) is float


def test_the_default_level_is_the_worst_tenth():
    assert dp.ExpectedShortfall().level == 0.9


@pytest.mark.parametrize("level", [0, 1e-17, 5e-17, 1e-300])
def test_a_level_next_to_zero_is_the_mean(level):
    k = dp.ExpectedShortfall(level)
    assert k.breakpoints.tolist() == []
    assert dp.choquet([1.0, 2.0, 6.0], k) == 3.0
    assert dp.choquet([1.0, 2.0, 6.0], k, [0.25, 0.25, 0.5]) == 3.75
    assert dp.choquet(stats.expon(), k) == 1.0
    shared = dp.share_layers([1.0, 2.0, 6.0], [k, dp.ExpectedShortfall(0.5)])
    assert shared.value == 3.0


def test_steep_polygons_are_concave_up_to_rounding():
    k = dp.PiecewiseLinear([0, 1e-12, 3e-12, 7e-12, 1], [0, 0.1, 0.3, 0.7, 1])
    assert float(k(2e-12)) == pytest.approx(0.2)


def test_the_tail_of_a_level_next_to_one():
    tail = dp.ExpectedShortfall(1 - 1.1e-15).tail
    assert tail == pytest.approx(1.1e-15, rel=0.02, abs=0)


def test_several_levels_at_once_are_refused():
    text = refusal(lambda: dp.ExpectedShortfall(np.array([0.9, 0.95])))
    assert text.endswith("is not a number: give a real number")
