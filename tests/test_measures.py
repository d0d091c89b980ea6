"""Choquet integrals: axioms, exact fractions, laws by quadrature, traps, refusals."""

import ast
import inspect
import itertools
import math
import tracemalloc
from fractions import Fraction
from statistics import NormalDist

import mpmath
import numpy as np
import oracles
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from strategies import (
    Agent,
    distortions,
    laws,
    long_laws,
    loss,
    measures,
    pairs_of_losses,
    piecewise_linear,
    refusal,
    smooth,
)

import dynpo_lite as dp
from dynpo_lite.base import validate
from dynpo_lite.risk import laws as risk_laws
from dynpo_lite.risk import samples

ES = dp.ExpectedShortfall
TIGHT = 1e-12  # relative to the largest loss


def close(answer, *losses):
    """Allow rounding on the scale of the losses."""
    scale = max((float(np.abs(x).max()) for x in losses), default=1.0)
    return pytest.approx(answer, rel=TIGHT, abs=TIGHT * max(scale, 1e-290))


# axioms ---------------------------------------------------------------------------


@given(laws(), measures, loss)
def test_translation(law, measure, c):
    moved = dp.choquet(law.x + c, measure, law.weights)
    assert moved == close(dp.choquet(law.x, measure, law.weights) + c, law.x, [c, 1])


@given(laws(), measures, st.floats(0, 1e3, allow_subnormal=False))
def test_positive_homogeneity(law, measure, factor):
    scaled = dp.choquet(factor * law.x, measure, law.weights)
    answer = factor * dp.choquet(law.x, measure, law.weights)
    assert scaled == close(answer, factor * law.x)


@given(pairs_of_losses(), measures)
def test_monotonicity(pair, measure):
    x, y, weights = pair
    more = dp.choquet(np.maximum(x, y), measure, weights)
    assert more >= dp.choquet(x, measure, weights) - TIGHT * np.abs(x).max()


@given(pairs_of_losses(), measures)
def test_subadditivity(pair, measure):
    x, y, weights = pair
    apart = dp.choquet(x, measure, weights) + dp.choquet(y, measure, weights)
    scale = np.abs(x).max() + np.abs(y).max()
    assert dp.choquet(x + y, measure, weights) <= apart + TIGHT * scale


@given(pairs_of_losses(), distortions)
def test_comonotone_additivity(pair, measure):
    x, y, weights = pair
    x, y = np.sort(x), np.sort(y)
    apart = dp.choquet(x, measure, weights) + dp.choquet(y, measure, weights)
    assert dp.choquet(x + y, measure, weights) == close(apart, x, y)


@given(laws(min_size=2), measures, st.data())
def test_a_mean_preserving_contraction_lowers_the_risk(law, measure, data):
    n = len(law.x)
    p = np.full(n, 1 / n) if law.weights is None else law.weights
    low, high = data.draw(st.permutations(range(n)))[:2]
    if law.x[low] > law.x[high]:
        low, high = high, low
    assume(p[low] > 0 and p[high] > 0)
    # both move towards each other, as far as where they meet at most
    gap = (law.x[high] - law.x[low]) / (1 / p[low] + 1 / p[high])
    gap *= data.draw(st.sampled_from([0.1, 0.5, 1.0]))
    x = law.x.copy()
    x[low] += gap / p[low]
    x[high] -= gap / p[high]
    before = dp.choquet(law.x, measure, law.weights)
    scale = np.abs(law.x).max()
    assert dp.choquet(x, measure, law.weights) <= before + 10 * TIGHT * scale


def test_a_contraction_lowers_a_strictly_concave_risk_strictly():
    for k in (dp.ProportionalHazard(0.5), dp.DualPower(2), dp.Wang(0.5)):
        assert dp.choquet([0, 2, 2, 4], k) < dp.choquet([0, 1, 3, 4], k) - 0.01


@given(laws(), measures, st.randoms(use_true_random=False))
def test_the_order_of_the_samples_does_not_matter(law, measure, random):
    order = list(range(len(law.x)))
    random.shuffle(order)
    weights = None if law.weights is None else law.weights[order]
    mixed = dp.choquet(law.x[order], measure, weights)
    assert mixed == close(dp.choquet(law.x, measure, law.weights), law.x)


@given(st.lists(loss, min_size=1, max_size=6), measures, st.data())
def test_repeated_outcomes_are_atoms(x, measure, data):
    counts = [data.draw(st.integers(1, 4)) for _ in x]
    repeated = np.repeat(x, counts)
    weights = np.array(counts) / sum(counts)
    assert dp.choquet(repeated, measure) == close(dp.choquet(x, measure, weights), x)


@given(loss, measures, st.integers(1, 5))
def test_a_constant_is_its_own_risk(c, measure, n):
    assert dp.choquet([c] * n, measure) == close(c, [c])


@given(laws(), measures)
def test_risk_lies_between_the_mean_and_the_maximum(law, measure):
    value = dp.choquet(law.x, measure, law.weights)
    tol = TIGHT * np.abs(law.x).max()
    assert dp.choquet(law.x, dp.Expectation(), law.weights) - tol <= value
    assert value <= dp.choquet(law.x, dp.WorstCase(), law.weights) + tol


@given(laws(), st.lists(distortions, min_size=1, max_size=3))
def test_a_supremum_is_the_largest_of_its_parts(law, parts):
    each = [dp.choquet(law.x, k, law.weights) for k in parts]
    assert dp.choquet(law.x, dp.Supremum(parts), law.weights) == max(each)


def test_a_supremum_is_not_comonotone_additive():
    flat = dp.Mixture([dp.Expectation(), dp.WorstCase()], [0.6, 0.4])
    either = dp.Supremum([ES(0.5), flat])
    x, y = np.array([0, 1, 1, 1.0]), np.array([0, 0, 0, 1.0])
    apart = dp.choquet(x, either) + dp.choquet(y, either)
    assert dp.choquet(x + y, either) < apart - 0.04


# many weighted samples ------------------------------------------------------------


@settings(max_examples=100)
@given(long_laws(), piecewise_linear)
def test_many_weighted_samples_equal_exact_fractions(law, agent):
    x, weights = law
    answer = float(oracles.risk_of_samples(x, weights, agent.exact))
    assert dp.choquet(x, agent.measure, weights) == close(answer, x)


@settings(max_examples=40)
@given(long_laws(max_size=300))
def test_many_weighted_samples_under_smooth_distortions(law):
    x, weights = law
    for measure, k in (
        (dp.ProportionalHazard(0.5), math.sqrt),
        (dp.DualPower(1.5), lambda s: -math.expm1(1.5 * math.log1p(-s))),
        (dp.Wang(0.5), wang_by_the_library),
    ):
        answer = oracles.risk_of_samples(
            x, weights, lambda s, k=k: k(float(s)) if 0 < float(s) < 1 else s
        )
        assert dp.choquet(x, measure, weights) == close(float(answer), x)


@settings(max_examples=40)
@given(long_laws(), measures, st.floats(-100, 100), st.sampled_from([1e-3, 3.0, 1e4]))
def test_many_weighted_samples_are_moved_and_scaled(law, measure, c, factor):
    x, weights = law
    value = dp.choquet(x, measure, weights)
    assert dp.choquet(x + c, measure, weights) == close(value + c, x, [c, 1])
    assert dp.choquet(factor * x, measure, weights) == close(factor * value, factor * x)


@settings(max_examples=40)
@given(long_laws(), distortions, st.integers(0, 2**32))
def test_many_weighted_samples_comonotone_additivity(law, measure, seed):
    x, weights = law
    y = np.round(np.sort(np.random.default_rng(seed).normal(size=len(x))), 1)
    x = np.sort(x)
    apart = dp.choquet(x, measure, weights) + dp.choquet(y, measure, weights)
    assert dp.choquet(x + y, measure, weights) == close(apart, x, y)


@settings(max_examples=40)
@given(long_laws(), measures, st.integers(2, 9))
def test_averaging_groups_of_weighted_samples_lowers_the_risk(law, measure, groups):
    """A conditional mean is below in convex order."""
    x, weights = law
    group = np.arange(len(x)) % groups
    mass = np.maximum(np.bincount(group, weights), 1e-300)
    mean = np.bincount(group, weights * x) / mass
    lower = dp.choquet(mean[group], measure, weights)
    assert lower <= dp.choquet(x, measure, weights) + TIGHT * np.abs(x).max()


@settings(max_examples=40)
@given(long_laws(), measures)
def test_blocks_and_rows_do_not_matter(law, measure):
    x, weights = law
    for k in (measure, dp.ProportionalHazard(0.7)):
        answer = dp.choquet(x, k, weights), dp.choquet(x, k)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(samples, "BLOCK", 50)
            patch.setattr(samples, "ROW", 4)
            assert dp.choquet(x, k, weights) == close(answer[0], x)
            assert dp.choquet(x, k) == close(answer[1], x)


def test_only_the_tail_is_sorted():
    """Samples below the tail do not change the answer; heavy ones there do."""
    x = np.arange(10_000.0)
    weights = np.full(10_000, 1e-4)
    assert samples._largest(x, weights, 0.05).size == 1000 + samples.ROW
    assert dp.choquet(x, ES(0.95), weights) == pytest.approx(9749.5, rel=1e-13)
    weights[:5000], weights[5000:] = 1.9e-4, 1e-5  # the upper half weighs 0.05
    assert samples._largest(x, weights, 0.05) == slice(None)
    assert dp.choquet(x, ES(0.95), weights) == pytest.approx(7499.5, rel=1e-13)


# exact answers --------------------------------------------------------------------


@settings(max_examples=200)
@given(laws(), piecewise_linear)
def test_piecewise_linear_risks_equal_exact_fractions(law, agent):
    value = dp.choquet(law.x, agent.measure, law.weights)
    assert value == close(float(oracles.risk(law.exact, agent.exact)), law.x)


@given(laws(), st.integers(1, 4))
def test_dual_power_is_the_mean_of_the_largest_of_several_copies(law, copies):
    assume(len(law.x) <= 5)
    answer = sum(
        math.prod(p for _, p in draw) * max(v for v, _ in draw)
        for draw in itertools.product(law.exact, repeat=copies)
    )
    value = dp.choquet(law.x, dp.DualPower(copies), law.weights)
    assert value == close(float(answer), law.x)


smooth_agents = smooth.map(lambda k: Agent(k, lambda s: float(k(float(s)))))


@settings(max_examples=30)
@given(laws(max_size=5), piecewise_linear | smooth_agents)
def test_risk_is_the_largest_over_the_orders_of_the_scenarios(law, agent):
    """Each order gives a scenario density; the worst one puts most on the losses."""
    best = -math.inf
    for order in itertools.permutations(law.exact):
        ends = [*itertools.accumulate(p for _, p in order)]
        k = [0.0, *(float(agent.exact(s)) for s in ends)]
        best = max(
            best, sum((b - a) * float(v) for (v, _), a, b in zip(order, k, k[1:]))
        )
    assert dp.choquet(law.x, agent.measure, law.weights) == close(best, law.x)


def slope_of_wang(shift):
    def slope(s):
        x = mpmath.sqrt(2) * mpmath.erfinv(2 * s - 1)
        return mpmath.exp(-shift * x - shift**2 / 2)

    return slope


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("measure", "slope"),
    [
        (dp.ProportionalHazard(0.4), lambda s: 0.4 * s ** mpmath.mpf(-0.6)),
        (dp.DualPower(2.5), lambda s: 2.5 * (1 - s) ** mpmath.mpf(1.5)),
        (dp.Wang(0.7), slope_of_wang(0.7)),
    ],
    ids=["hazard", "dual", "wang"],
)
def test_smooth_risks_equal_the_integral_of_quantiles(measure, slope, weighted):
    """The risk is the integral of q(1 - s) k'(s) ds over survival levels s."""
    x = np.array([3.0, -2.5, 0.25, 7.0, 3.0, -11.0])
    p = np.array([0.1, 0.3, 0.05, 0.15, 0.25, 0.15]) if weighted else np.full(6, 1 / 6)
    order = np.argsort(-x)
    ends = [0, *np.cumsum(p[order])[:-1].tolist(), 1]
    with mpmath.workdps(30):
        answer = sum(
            x[i] * mpmath.quad(slope, [a, b])
            for i, (a, b) in zip(order, itertools.pairwise(ends))
        )
    value = dp.choquet(x, measure, p if weighted else None)
    assert value == pytest.approx(float(answer), rel=1e-12)


def wang_by_the_library(s):
    normal = NormalDist()
    return s if s in (0, 1) else normal.cdf(normal.inv_cdf(s) + 0.5)


@settings(max_examples=30)
@given(laws())
def test_smooth_risks_follow_the_definition(law):
    for measure, k in (
        (dp.ProportionalHazard(0.5), math.sqrt),
        (dp.DualPower(1.5), lambda s: 1 - (1 - s) ** 1.5),
        (dp.Wang(0.5), wang_by_the_library),
    ):
        answer = oracles.risk(law.exact, lambda s, k=k: Fraction(k(float(s))))
        value = dp.choquet(law.x, measure, law.weights)
        assert value == close(float(answer), law.x)


# published numbers ----------------------------------------------------------------


def test_two_portfolios_that_only_wang_tells_apart():
    """Wang (2002): equal tail means of 3.00 at .95, but 2.42 and 3.40."""
    wang = dp.Wang(NormalDist().inv_cdf(0.95))
    first = [0, 1, 5], [0.6, 0.375, 0.025]
    second = [0, 1, 11], [0.6, 0.39, 0.01]
    for (x, p), printed in ((first, 2.42), (second, 3.40)):
        assert dp.choquet(x, ES(0.95), p) == pytest.approx(3.0, rel=1e-14)
        assert round(dp.choquet(x, wang, p), 2) == printed


def test_discrete_case_of_pricing_insurance_risk():
    """Mildenhall and Major, tables 11.1 to 11.3: proportional hazard 1/2."""
    x = [0, 1, 8, 9, 10, 11, 90, 98, 100]
    p = [0.25, 0.125, 0.125, 0.0625, 0.125, 0.0625, 0.125, 0.0625, 0.0625]
    hazard = dp.ProportionalHazard(0.5)
    assert dp.choquet(x, dp.Expectation(), p) == 27.25
    assert round(dp.choquet(x, hazard, p), 3) == 51.156
    assert round(dp.choquet(np.minimum(x, 80), hazard, p), 3) == 42.828


# traps ----------------------------------------------------------------------------


def test_a_tail_of_one_and_a_quarter_samples():
    assert dp.choquet([0, 1, 2, 3, 4], ES(0.75)) == 3.8
    assert dp.choquet([3, 0, 4, 1, 2], ES(0.75)) == 3.8


def test_levels_that_floating_point_misses():
    # (1 - 0.95) * 100 is 5.000000000000004 and 10 * (1 - 0.9) is 0.9999999999999998
    assert dp.choquet(np.arange(100), ES(0.95)) == 97.0
    assert dp.choquet(np.arange(10), ES(0.9)) == 9.0
    for percent in range(100):
        answer = Fraction(99 + percent, 2)  # mean of percent, ..., 99
        assert dp.choquet(np.arange(100), ES(percent / 100)) == pytest.approx(
            float(answer), rel=1e-15
        )


def test_losses_that_are_all_negative():
    x = np.array([-4.0, -3, -2, -1])
    assert dp.choquet(x, ES(0.5)) == -1.5
    assert dp.choquet(x, dp.WorstCase()) == -1
    hazard = dp.ProportionalHazard(0.5)
    assert dp.choquet(x, hazard) == pytest.approx(dp.choquet(x + 10, hazard) - 10)


def test_a_single_sample():
    for measure in (ES(0.99), dp.WorstCase(), dp.ProportionalHazard(0.5)):
        assert dp.choquet([7], measure) == pytest.approx(7, rel=1e-15)


def test_samples_of_weight_zero_do_not_count():
    for measure in (ES(0.9), dp.WorstCase(), dp.DualPower(3), dp.Expectation()):
        assert dp.choquet([1, 2, 1e6], measure, [0.5, 0.5, 0]) == dp.choquet(
            [1, 2], measure
        )


@pytest.mark.parametrize("n", [7, 10])
def test_a_huge_gain_of_weight_zero_does_not_count(n):
    x, weights = np.append(np.ones(n), -1e20), np.append(np.full(n, 1 / n), 0)
    for measure in (dp.Expectation(), ES(0.1), dp.ProportionalHazard(0.5)):
        assert dp.choquet(x, measure, weights) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.float32, bool, object])
def test_any_real_numbers_will_do(kind):
    x = np.array([1, 0, 1, 1], dtype=kind)
    assert dp.choquet(x, ES(0.25)) == 1.0
    assert dp.choquet(x, dp.ProportionalHazard(0.5)) == math.sqrt(0.75)


def test_arguments_are_left_as_they_are():
    x, weights = np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.3, 0.5])
    for array in (x, weights):
        array.setflags(write=False)
    for measure in (ES(0.5), dp.ProportionalHazard(0.5), dp.WorstCase()):
        dp.choquet(x, measure)
        dp.choquet(x, measure, weights)
        dp.choquet(x[::-1], measure, weights[::-1])
    assert x.tolist() == [3.0, 1.0, 2.0]


@given(measures, st.sampled_from([1e-300, 1e-150, 1e150, 1e300]))
def test_magnitude_does_not_matter(measure, unit):
    x = np.array([3.0, -1.0, 0.5, 2.0])
    value = dp.choquet(unit * x, measure)
    assert value == pytest.approx(unit * dp.choquet(x, measure), rel=1e-12, abs=0)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_the_maximum_of_the_largest_floats():
    assert dp.choquet([1e308, 1e308], dp.WorstCase()) == 1e308


def test_ten_million_samples_to_twelve_digits():
    n = 10_000_000
    x = np.random.default_rng(7).lognormal(0, 2, n) - 5
    ordered = np.sort(x)
    top = n // 20
    shortfall = math.fsum(ordered[n - top :].tolist()) / top
    mean = math.fsum(ordered.tolist()) / n
    half = dp.Mixture([dp.Expectation(), ES(0.95)], [0.5, 0.5])
    assert dp.choquet(x, ES(0.95)) == pytest.approx(shortfall, rel=1e-12)
    assert dp.choquet(x, half) == pytest.approx((mean + shortfall) / 2, rel=1e-12)
    # layer by layer every term is positive, so each is accurate and so is their sum
    layers = np.sqrt(np.arange(n - 1, 0, -1.0) / n) * np.diff(ordered)
    hazard = ordered[0] + math.fsum(layers.tolist())
    assert dp.choquet(x, dp.ProportionalHazard(0.5)) == pytest.approx(hazard, rel=1e-12)


def test_many_weights_to_twelve_digits():
    n = 3_000_000
    x = np.random.default_rng(7).lognormal(0, 1, n)
    equal = np.full(n, 1 / n)
    mean = math.fsum(x.tolist()) / n
    assert dp.choquet(x, dp.Expectation(), equal) == pytest.approx(mean, rel=1e-12)
    for measure in (ES(0.95), ES(0.25), dp.ProportionalHazard(0.5), dp.DualPower(2)):
        answer = dp.choquet(x, measure)
        assert dp.choquet(x, measure, equal) == pytest.approx(answer, rel=1e-12)


def test_ten_million_weights_to_twelve_digits():
    """Tiny weights count too, and the last level is 1."""
    n = 10_000_000
    rng = np.random.default_rng(8)
    x, weights = rng.lognormal(0, 2, n), rng.lognormal(0, 5, n)
    weights /= weights.sum()
    value = dp.choquet(x, dp.ProportionalHazard(0.5), weights)
    order = np.argsort(x)
    x, weights = x[order], weights[order]
    tail = np.cumsum(weights[:0:-1], dtype=np.longdouble)[::-1]  # P(X > x[j])
    layers = np.sqrt(tail.astype(float)) * np.diff(x)
    assert value == pytest.approx(x[0] + math.fsum(layers.tolist()), rel=1e-12)


def test_running_sums_keep_tiny_weights():
    weights = np.append(np.full(1000, 1e-300), 1.0)
    assert samples.running_sums(weights)[999] == pytest.approx(1e-297, rel=1e-13, abs=0)
    for n in (1, 255, 256, 257, 65_536, 65_537, 200_001):
        sums = samples.running_sums(np.full(n, 0.1))
        exact = np.arange(1, n + 1) * 0.1
        assert sums.shape == (n,)
        assert np.abs(sums / exact - 1).max() < 1e-13  # a plain cumsum: 2e-11


@pytest.mark.parametrize("weighted", [False, True])
def test_polygons_whose_slopes_are_not_their_steps(weighted):
    weights = np.full(10, 0.1) if weighted else None
    polygon = dp.PiecewiseLinear([0, 0.2, 1], [0, 0.8, 1])
    # the two largest carry 0.8, the others 0.2: 0.8 * 8.5 + 0.2 * 3.5
    assert dp.choquet(range(10), polygon, weights) == pytest.approx(7.5, rel=1e-15)


# frozen distributions -------------------------------------------------------------

ROOT2 = mpmath.sqrt(2)


def t3_tail(x):
    with mpmath.workdps(90):  # the leading terms cancel to the fourth order
        root, x = mpmath.sqrt(3), mpmath.mpf(x)
        inner = mpmath.atan(x / root) + root * x / (3 + x * x)
        return mpmath.mpf(1) / 2 - inner / mpmath.pi


LAWS = {  # law, survival function, the ends of its support
    "norm": (stats.norm(), lambda x: mpmath.erfc(x / ROOT2) / 2, None, None),
    "expon": (stats.expon(), lambda x: mpmath.exp(-x), 0, None),
    "gamma": (
        stats.gamma(2.5),
        lambda x: mpmath.gammainc(2.5, x, regularized=True),
        0,
        None,
    ),
    "lognorm": (
        stats.lognorm(0.8),
        lambda x: mpmath.erfc(mpmath.log(x) / mpmath.mpf(0.8) / ROOT2) / 2,
        0,
        None,
    ),
    "pareto": (stats.pareto(3.5), lambda x: x ** mpmath.mpf(-3.5), 1, None),
    "t": (stats.t(3), t3_tail, None, None),
    "logistic": (stats.logistic(), lambda x: 1 / (1 + mpmath.exp(x)), None, None),
    "uniform": (stats.uniform(-1, 3), lambda x: (2 - x) / 3, -1, 2),
    "beta": (stats.beta(2, 1), lambda x: 1 - x * x, 0, 1),
}
MEASURES = {  # measure, the same function, survival levels of its kinks
    "mean": (dp.Expectation(), lambda s: s, []),
    "shortfall": (ES(0.9), lambda s: min(10 * s, 1), [mpmath.mpf(1) / 10]),
    "half": (
        dp.Mixture([dp.Expectation(), ES(0.75)], [0.5, 0.5]),
        lambda s: (s + min(4 * s, 1)) / 2,
        [mpmath.mpf(1) / 4],
    ),
    "hazard": (dp.ProportionalHazard(0.7), lambda s: s ** mpmath.mpf(0.7), []),
    "dual": (dp.DualPower(3), lambda s: 1 - (1 - s) ** 3, []),
}


def exceeded_with(tail, u, low, high):
    """The point that is exceeded with probability ``u``, by bisection."""
    a, b = mpmath.mpf(-50 if low is None else low), mpmath.mpf(high or 1000)
    with mpmath.workdps(30):
        for _ in range(110):
            middle = (a + b) / 2
            a, b = (middle, b) if tail(middle) > u else (a, middle)
    return a


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", MEASURES)
def test_laws_equal_a_quadrature_of_the_definition(law, name):
    frozen, tail, low, high = LAWS[law]
    measure, k, kinks = MEASURES[name]
    levels = [mpmath.mpf(1) / 2, mpmath.mpf(1) / 3, *kinks]
    middle = sorted({exceeded_with(tail, u, low, high) for u in levels})
    answer = oracles.law_risk(tail, k, low, middle, high)
    assert dp.choquet(frozen, measure) == pytest.approx(answer, rel=1e-10, abs=1e-11)


@pytest.mark.parametrize("scale", 10.0 ** np.array([-290, -100, -12, -9, 9, 200, 300]))
@pytest.mark.parametrize("law", ["expon", "gumbel_r", "laplace", "weibull_min"])
@pytest.mark.parametrize(
    "measure",
    [
        dp.Minimum([dp.ExpectedShortfall(0.9), dp.ProportionalHazard(0.5)]),
        dp.Minimum([dp.ExpectedShortfall(0.67894), dp.ExpectedShortfall(0.92522)]),
        dp.Wang(0.5),
    ],
)
def test_any_scale_of_a_law(law, measure, scale):
    shapes = {"c": 1.4} if law == "weibull_min" else {}
    base = getattr(stats, law)
    at_one = dp.choquet(base(**shapes), measure)
    scaled = dp.choquet(base(scale=scale, **shapes), measure)
    assert scaled / scale == pytest.approx(at_one, rel=1e-11)


@pytest.mark.parametrize("law", ["norm", "expon", "logistic"])
def test_location_and_scale_of_a_law(law):
    base = getattr(stats, law)
    for measure in (ES(0.9), dp.Wang(0.5), dp.ProportionalHazard(0.6), dp.DualPower(2)):
        moved = dp.choquet(base(loc=-7, scale=3), measure)
        assert moved == pytest.approx(3 * dp.choquet(base(), measure) - 7, rel=1e-10)


@pytest.mark.parametrize(
    ("law", "measure", "answer"),
    [
        (stats.uniform(), ES(0.5), 0.75),
        (stats.uniform(), dp.ProportionalHazard(0.5), 2 / 3),
        (stats.uniform(), dp.DualPower(3), 0.75),  # the largest of three
        (stats.uniform(2, 3), dp.WorstCase(), 5.0),
        (stats.expon(), ES(0.9), 1 + math.log(10)),
        (stats.expon(scale=4), dp.ProportionalHazard(0.25), 16.0),
        (stats.expon(), dp.DualPower(3), 1 + 1 / 2 + 1 / 3),
        (stats.norm(1, 2), dp.Wang(0.75), 2.5),
        (stats.norm(), dp.DualPower(2), 1 / math.sqrt(math.pi)),
        (stats.lognorm(0.5), dp.Wang(0.75), math.exp(0.5 * 0.75 + 0.125)),
        (stats.pareto(1.5), ES(0.75), 3 * 4 ** (2 / 3)),
        (stats.pareto(2), dp.ProportionalHazard(0.75), 3.0),
        (stats.weibull_min(0.5), dp.ProportionalHazard(0.5), 8.0),
        (stats.bernoulli(0.3), ES(0.5), 0.6),
        (stats.randint(0, 5), ES(0.75), 3.8),
        (stats.randint(-4, 1), ES(0.75), -0.2),
        (stats.geom(0.25), dp.Expectation(), 4.0),
        (stats.poisson(3), dp.Expectation(), 3.0),
        (stats.binom(4, 0.5), dp.DualPower(2), 2 + 35 / 64),
        (
            stats.norm(),
            dp.Supremum([ES(0.5), dp.Expectation()]),
            math.sqrt(2 / math.pi),
        ),
    ],
)
def test_laws_with_a_known_risk(law, measure, answer):
    assert dp.choquet(law, measure) == pytest.approx(answer, rel=1e-11)


@pytest.mark.parametrize(
    "law",
    [stats.poisson(3), stats.binom(10, 0.2), stats.geom(0.4), stats.poisson(2, loc=-9)],
)
def test_discrete_laws_equal_their_weighted_atoms(law):
    atoms = np.arange(law.support()[0], law.isf(1e-12) + 40)
    weights = law.pmf(atoms)
    for measure in (ES(0.9), dp.DualPower(3), dp.Wang(0.5), dp.ProportionalHazard(0.8)):
        answer = dp.choquet(atoms, measure, weights)
        assert dp.choquet(law, measure) == pytest.approx(answer, rel=1e-9)


@pytest.mark.parametrize(
    ("law", "measure"),
    [
        (stats.pareto(1.5), dp.ProportionalHazard(0.5)),
        (stats.pareto(2), dp.ProportionalHazard(0.5)),  # the edge
        (stats.genpareto(1 / 1.5), dp.ProportionalHazard(0.5)),
        (stats.lomax(1.5), dp.ProportionalHazard(0.5)),
        (stats.t(1.5), dp.ProportionalHazard(0.5)),
        (stats.pareto(0.9), dp.Expectation()),
        (stats.pareto(0.9), ES(0.5)),
        (stats.genpareto(1.25), ES(0.9)),
        (stats.levy(), ES(0.9)),
        (stats.levy(), dp.Expectation()),
        (stats.invgamma(0.8), ES(0.9)),
        (stats.halfcauchy(), dp.Expectation()),
        (stats.betaprime(2, 0.7), dp.DualPower(2)),
        (stats.burr12(1, 0.6), ES(0.5)),
        (stats.norm(), dp.WorstCase()),
        (stats.poisson(2), dp.WorstCase()),
        (stats.expon(), dp.Mixture([dp.Expectation(), dp.WorstCase()], [0.99, 0.01])),
        (
            stats.pareto(1.5),
            dp.Supremum([dp.Expectation(), dp.ProportionalHazard(0.5)]),
        ),
    ],
)
def test_divergent_risks_are_infinite(law, measure):
    assert dp.choquet(law, measure) == math.inf


@pytest.mark.parametrize(
    "law",
    [
        stats.cauchy(),
        stats.cauchy(5, 0.1),
        stats.t(1),
        stats.t(0.7),
        stats.levy_l(),
    ],
)
@pytest.mark.parametrize(
    "measure", [dp.Expectation(), ES(0.9), dp.WorstCase(), dp.ProportionalHazard(0.5)]
)
def test_laws_whose_gains_have_no_mean_are_refused(law, measure):
    assert refusal(lambda: dp.choquet(law, measure)) == (
        "ValueError: x is a law whose gains have no mean: no coherent measure is "
        "defined; bound it from below"
    )


def test_a_tail_at_the_edge_of_integrability_is_refused():
    assert refusal(lambda: dp.choquet(stats.lomax(1 + 1e-7), ES(0.9))) == (
        "ValueError: x has a tail at the edge of integrability under "
        "ExpectedShortfall(level=0.9): the integral does not converge numerically; "
        "choose a milder measure"
    )


def test_heavy_tails_that_a_measure_can_bear():
    # P(X > x) = x ** -1.5 under s ** 0.8: x ** -1.2 from 1 on, 1 + 1 / 0.2
    assert dp.choquet(stats.pareto(1.5), dp.ProportionalHazard(0.8)) == pytest.approx(6)
    lomax = dp.choquet(stats.lomax(1.5), dp.ProportionalHazard(0.8))
    assert lomax == pytest.approx(5, rel=1e-9)
    # Student t with 1.5 degrees of freedom has a mean but no variance
    x = np.geomspace(1e-3, 1e30, 400_001)
    k = np.minimum(10 * stats.t(1.5).sf(x), 1)
    above = np.sum((k[1:] + k[:-1]) / 2 * np.diff(x))
    assert dp.choquet(stats.t(1.5), ES(0.9)) == pytest.approx(1e-3 + above, rel=1e-6)


def beta(a, b):
    return float(mpmath.beta(a, b))


def burr_under_a_hazard(c, d, r):
    """Integrate ``P(X > x) ** r`` over log x with 30 digits."""

    def over(u):
        tail = -mpmath.expm1(-d * mpmath.log1p(mpmath.exp(-c * u)))
        return tail**r * mpmath.exp(u)

    with mpmath.workdps(30):
        c, d, r = map(mpmath.mpf, (c, d, r))
        cuts = [-50, -10, -3, 0, 3, 10, 30, 100, 300]
        return float(mpmath.quad(over, cuts))


def shortfall_of_a_fisk(c, tail):
    """The mean of (1 / s - 1) ** (1 / c) over the levels s below ``tail``."""
    return float(mpmath.betainc(1 - 1 / c, 1 + 1 / c, 0, tail) / tail)


@pytest.mark.parametrize(
    ("law", "measure", "answer"),
    [
        # refused before plain x gave way to its logarithm
        (stats.lomax(1.01), dp.DualPower(2), 2 / 0.01 - 1 / 1.02),
        (stats.lomax(1.01), ES(0.9), 101 * 10 ** (1 / 1.01) - 1),
        (stats.burr12(1.3, 1), ES(0.0), beta(1 - 1 / 1.3, 1 + 1 / 1.3)),
        (
            stats.burr12(2, 0.9),
            dp.ProportionalHazard(0.6),
            0.54 * beta(0.54 - 1 / 2, 1 + 1 / 2),
        ),
        (stats.fisk(1.05), dp.DualPower(2), 2 * beta(2 + 1 / 1.05, 1 - 1 / 1.05)),
        (stats.fisk(1.05), ES(0.9), shortfall_of_a_fisk(1.05, 0.1)),
        (
            stats.burr(2, 1.3),
            dp.ProportionalHazard(0.7),
            burr_under_a_hazard(2, 1.3, 0.7),
        ),
        # wrong before in the sixth to ninth digit
        (stats.lomax(1.05), ES(0.9), 21 * 10 ** (1 / 1.05) - 1),
        (stats.fisk(1.5), ES(0.9), shortfall_of_a_fisk(1.5, 0.1)),
        (stats.burr(2, 1.3), dp.DualPower(2), 2.6 * beta(2.6 + 1 / 2, 1 - 1 / 2)),
        (stats.genpareto(0.95), dp.DualPower(2), 2 / 0.05 - 1 / 1.05),
    ],
)
def test_heavy_tails_with_a_known_risk(law, measure, answer):
    assert dp.choquet(law, measure) == pytest.approx(answer, rel=1e-11)


def test_heavy_lower_tails_are_integrated_too():
    gains = -stats.make_distribution(stats.lomax)(c=1.05)
    mean = dp.Mixture([dp.Expectation(), dp.Expectation()], [0.5, 0.5])
    assert dp.choquet(gains, mean) == pytest.approx(-20, rel=1e-11)


@pytest.mark.parametrize(
    ("law", "measure"),
    [
        (stats.betaprime(2, 1.1), dp.DualPower(2)),
        (stats.betaprime(2, 4), dp.ProportionalHazard(0.3)),
        (stats.f(3, 2.4), ES(0.9)),
    ],
)
def test_a_tail_that_rounding_hides_is_refused(law, measure):
    """These laws compute P(X > x) as 1 - cdf: 0 beyond, far too early."""
    with pytest.raises(ValueError, match="is rounded to multiples of"):
        dp.choquet(law, measure)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_what_rounding_hides_is_measured_in_the_unit_of_the_law(scale):
    law = stats.betaprime(2, 1.1, scale=scale)
    with pytest.raises(ValueError, match="is rounded to multiples of"):
        dp.choquet(law, dp.DualPower(2))
    harmless = dp.choquet(stats.betaprime(2, 6, scale=scale), dp.DualPower(2))
    one = dp.choquet(stats.betaprime(2, 6), dp.DualPower(2))
    assert harmless == pytest.approx(scale * one, rel=1e-9)


def test_a_tail_whose_rounding_does_no_harm():
    # E X = 2 / 1.5 = 4 / 3; half of the integral under 1 - F^2 by the same quadrature
    law = stats.betaprime(2, 6)
    twice = dp.Mixture([dp.Expectation(), dp.DualPower(2)], [0.5, 0.5])
    with mpmath.workdps(30):
        answer = oracles.law_risk(
            lambda x: 1 - mpmath.betainc(2, 6, 0, x / (1 + x), regularized=True),
            lambda s: (s + 1 - (1 - s) ** 2) / 2,
            0,
            [mpmath.mpf(1) / 3],
            None,
        )
    assert dp.choquet(law, twice) == pytest.approx(answer, rel=1e-9)


@pytest.mark.parametrize(
    "law",
    [
        stats.halfcauchy(),
        stats.genpareto(1.0),
        stats.foldcauchy(3),
        stats.alpha(3.5),
        stats.kappa3(1.0),
        stats.landau(),
        stats.zipf(1.5),
        stats.make_distribution(stats.halfcauchy)(),
    ],
    ids=lambda law: getattr(getattr(law, "dist", law), "name", "newer"),
)
@pytest.mark.parametrize(
    "measure", [dp.Expectation(), ES(0.5), dp.Wang(0.5), dp.DualPower(2), lambda s: s]
)
def test_an_infinite_mean_makes_every_risk_infinite(law, measure):
    if isinstance(measure, dp.Expectation) and law.mean() != math.inf:
        assert math.isnan(law.mean())  # scipy does not know
    assert dp.choquet(law, measure) == math.inf


NEWER = [
    (stats.Normal(mu=1.0, sigma=2.0), stats.norm(1, 2)),
    (stats.Uniform(a=1.0, b=3.0), stats.uniform(1, 2)),
    (3 * stats.Normal() + 2, stats.norm(2, 3)),
    (-stats.make_distribution(stats.gumbel_l)(), stats.gumbel_r()),
    (stats.make_distribution(stats.gamma)(a=2.5), stats.gamma(2.5)),
    (stats.make_distribution(stats.pareto)(b=3.5), stats.pareto(3.5)),
    (stats.truncate(stats.Normal(), lb=-1.0, ub=2.0), stats.truncnorm(-1, 2)),
    (stats.exp(stats.Normal()), stats.lognorm(1.0)),
    (stats.abs(stats.Normal()), stats.halfnorm()),
    (stats.make_distribution(stats.poisson)(mu=3.0), stats.poisson(3)),
    (stats.make_distribution(stats.binom)(n=10, p=0.2), stats.binom(10, 0.2)),
]


@pytest.mark.parametrize(("newer", "older"), NEWER)
@pytest.mark.parametrize(
    "measure",
    [
        dp.Expectation(),
        ES(0.9),
        dp.ProportionalHazard(0.7),
        dp.Wang(0.5),
        dp.WorstCase(),
    ],
)
def test_the_newer_kind_of_distributions(newer, older, measure):
    answer = dp.choquet(older, measure)
    assert dp.choquet(newer, measure) == pytest.approx(answer, rel=1e-11, abs=1e-12)


def test_a_mixture_of_normal_laws():
    law = stats.Mixture([stats.Normal(), stats.Normal(mu=5.0)], weights=[0.25, 0.75])
    normal = NormalDist()

    def tail(x):
        return 0.25 * normal.cdf(-x) + 0.75 * normal.cdf(5 - x)

    x = np.linspace(-12, 17, 200_001)
    k = np.array([min(2 * tail(v), 1) for v in x.tolist()])
    answer = x[0] + np.sum((k[1:] + k[:-1]) / 2 * np.diff(x))
    assert dp.choquet(law, ES(0.5)) == pytest.approx(answer, rel=1e-7)
    assert dp.choquet(law, dp.Expectation()) == pytest.approx(3.75)


def test_sharing_a_law_of_the_newer_kind():
    agents = [ES(0.9), dp.ProportionalHazard(0.5)]
    newer = dp.share_layers(stats.exp(stats.Normal()), agents)
    older = dp.share_layers(stats.lognorm(1.0), agents)
    assert newer.value == pytest.approx(older.value, rel=1e-11)
    for one, other in zip(newer.layers, older.layers, strict=True):
        assert one.attachment == pytest.approx(other.attachment, rel=1e-9)
        assert one.shares == other.shares


@pytest.mark.parametrize(
    "law", [stats.norm([0, 1]), stats.expon(scale=[2.0]), stats.Normal(mu=[0.0, 1.0])]
)
def test_several_laws_at_once_are_refused(law):
    text = refusal(lambda: dp.choquet(law, ES(0.9)))
    assert text.startswith("ValueError: x = ")
    assert text.endswith("holds several laws: give one, whose parameters are numbers")


def test_a_class_of_laws_is_no_law():
    text = (
        "TypeError: x is not an array of numbers: give real numbers in a regular array"
    )
    assert refusal(lambda: dp.choquet(stats.Normal, ES(0.9))) == text


class Triangle(stats.rv_continuous):
    """A law of one's own with the name of another."""

    def _sf(self, x):
        return (1 - x) ** 2

    def _cdf(self, x):
        return 1 - (1 - x) ** 2


def test_closed_forms_are_for_families_of_scipy():
    law = Triangle(a=0, b=1, name="uniform")()
    # sqrt(P(X > x)) = 1 - x
    assert dp.choquet(law, dp.ProportionalHazard(0.5)) == pytest.approx(0.5, rel=1e-11)


@pytest.mark.parametrize(
    ("law", "answer"),
    [
        (stats.lognorm(s=0.5, scale=2), 2 * math.exp(0.5 * 0.75 + 0.125)),
        (stats.lognorm(0.5, 1, 2), 1 + 2 * math.exp(0.5 * 0.75 + 0.125)),
        (stats.lognorm(0.5, loc=-1), math.exp(0.5 * 0.75 + 0.125) - 1),
        (stats.norm(scale=2, loc=3), 4.5),
        (stats.norm, 0.75),
    ],
)
def test_parameters_by_place_and_by_name(law, answer):
    assert dp.choquet(law, dp.Wang(0.75)) == pytest.approx(answer, rel=1e-14)


def test_nothing_private_of_scipy_is_touched():
    for module in (risk_laws, samples):
        tree = ast.parse(inspect.getsource(module))
        names = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        assert names
        assert {n for n in names if n.startswith("_")} <= {"__module__"}


def test_too_many_atoms_are_refused():
    assert refusal(lambda: dp.choquet(stats.zipf(2.5), dp.ProportionalHazard(0.9))) == (
        "ValueError: x spreads over too many atoms: give samples with weights"
    )


def test_a_lognormal_tail_is_lighter_than_every_power():
    value = dp.choquet(stats.lognorm(5), dp.ProportionalHazard(0.2))
    assert math.isfinite(value)


def test_a_finite_risk_beyond_the_integrator_is_refused_not_invented():
    # k(s) = s ** (1 - o(1)): finite as the mean is, but out of numerical reach
    with pytest.raises(ValueError, match="does not converge"):
        dp.choquet(stats.pareto(1.25), dp.Wang(5))


def test_a_mixture_with_a_smooth_part_is_the_mixture_of_the_risks():
    parts = [dp.ProportionalHazard(0.5), ES(0.9)]
    answer = sum(dp.choquet(stats.norm(), k) for k in parts) / 2
    value = dp.choquet(stats.norm(), dp.Mixture(parts, [0.5, 0.5]))
    assert value == pytest.approx(answer, rel=1e-11)


def test_atoms_that_are_no_integers():
    x, p = [0, 0.5, 3], [0.2, 0.3, 0.5]
    law = stats.rv_discrete(values=(x, p))()
    assert dp.choquet(law, ES(0.25)) == pytest.approx(dp.choquet(x, ES(0.25), p))


def test_the_maximum_of_a_bounded_law_with_a_thin_tail():
    assert dp.choquet(stats.beta(2, 500), dp.WorstCase()) == 1.0


def test_the_location_of_a_discrete_law_costs_no_memory():
    tracemalloc.start()
    dp.choquet(stats.poisson(3, loc=-1_000_000), ES(0.9))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


class BareLaw(stats.rv_continuous):
    """Survival function x ** -power from 1 on, and nothing else."""

    power = 0.8

    def _sf(self, x):
        return x**-self.power

    def _cdf(self, x):
        return 1 - x**-self.power


@pytest.mark.filterwarnings("ignore")
def test_the_infinite_mean_of_a_law_that_scipy_does_not_know():
    assert dp.choquet(BareLaw(a=1, name="bare")(), dp.Expectation()) == math.inf


def min_of_root_and_line(s):
    return np.minimum(np.sqrt(s), np.minimum(10 * s, 1))


def test_a_callable_with_kinks_is_integrated_or_refused():
    # sqrt(s) meets 10 s at 1 / 100
    known = dp.Minimum([dp.ProportionalHazard(0.5), ES(0.9)])
    law = stats.norm()
    try:
        value = dp.choquet(law, min_of_root_and_line)
    except ValueError as error:
        assert "does not converge" in str(error)  # noqa: PT017
    else:
        assert value == pytest.approx(dp.choquet(law, known), rel=1e-8)


@pytest.mark.parametrize(("law", "tail"), [(stats.norm(), 1 / 3), (stats.norm(), 0.01)])
def test_unknown_kinks_are_cut_around(law, tail):
    value = dp.choquet(law, lambda s: np.minimum(s / tail, 1))
    known = dp.PiecewiseLinear([0, tail, 1], [0, 1, 1])
    assert value == pytest.approx(dp.choquet(law, known), rel=1e-8)


@pytest.mark.parametrize(
    ("law", "tail"), [(stats.gamma(2.5), 1 / 4), (stats.norm(), 1 / 9)]
)
def test_two_attempts_that_differ_are_refused(law, tail):
    """One of the two ways of cutting meets the kink, the other one does not."""
    with pytest.raises(ValueError, match="two attempts differ") as caught:
        dp.choquet(law, lambda s: np.minimum(s / tail, 1))
    assert "so that its kinks are known" in str(caught.value)


def test_a_shortfall_below_the_median():
    # E[X; X > q] / tail, by the density of the truncated normal
    law, tail = stats.truncnorm(-1, 2), 0.75
    cut = law.isf(tail)
    normal = NormalDist()
    answer = (normal.pdf(cut) - normal.pdf(2)) / (normal.cdf(2) - normal.cdf(-1)) / tail
    assert dp.choquet(law, ES(0.25)) == pytest.approx(answer, rel=1e-11)


def test_a_table_of_outcomes_need_not_be_frozen():
    x, p = [0, 1, 5], [0.6, 0.375, 0.025]
    law = stats.rv_discrete(values=(x, p))
    assert dp.choquet(law, ES(0.95)) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("law", "measure"),
    [
        (stats.invgauss(1), ES(0.9)),
        (stats.expon(), lambda s: 1 - (1 - s) ** 2),  # 0 for tiny s, by cancellation
        (stats.norminvgauss(2, 1), ES(0.9)),
    ],
)
def test_no_warning_leaks_out(law, measure):
    assert math.isfinite(dp.choquet(law, measure))


def test_no_warning_leaks_out_of_a_law_that_scipy_integrates():
    with pytest.raises(ValueError, match="does not converge"):
        dp.choquet(stats.genhyperbolic(0.5, 1.5, -0.5), ES(0.9))


# refusals -------------------------------------------------------------------------

half = ES(0.5)
hazard = dp.ProportionalHazard(0.5)
KIND = "is no distortion: give ExpectedShortfall(0.9) or the like"


@pytest.mark.parametrize(
    ("x", "measure", "weights", "text"),
    [
        ([], half, None, "x is empty: give at least one number"),
        ([1, math.nan], half, None, "x holds nan at position 1: remove or replace it"),
        ([math.inf, 1], half, None, "x holds inf at position 0: remove or replace it"),
        (
            [1, -math.inf],
            half,
            None,
            "x holds -inf at position 1: remove or replace it",
        ),
        (
            [1, math.nan],
            hazard,
            None,
            "x holds nan at position 1: remove or replace it",
        ),
        (
            [1, -math.inf, 5],
            dp.WorstCase(),
            None,
            "x holds -inf at position 1: remove or replace it",
        ),
        (
            [1, math.nan],
            half,
            [0.5, 0.5],
            "x holds nan at position 1: remove or replace it",
        ),
        ([[1, 2]], half, None, "x has shape (1, 2): give an array with 1 axis"),
        (3.0, half, None, "x has shape (): give an array with 1 axis"),
        ([1, 2], half, [0.5, 0.6], "weights sum to 1.1: divide them by their sum"),
        (
            [1, 2],
            half,
            [-0.5, 1.5],
            "weights holds -0.5 at position 0: probabilities are at least 0",
        ),
        (
            [1, 2],
            half,
            [0.5, math.nan],
            "weights holds nan at position 1: remove or replace it",
        ),
        ([1, 2], half, [1.0], "weights has shape (1,): give an array with shape (2,)"),
        ([1, 2], half, [], "weights has shape (0,): give an array with shape (2,)"),
        ([1, 2], half, 0.5, "weights has shape (): give an array with shape (2,)"),
        (
            stats.norm(),
            half,
            [1.0],
            "weights go with samples: leave them out for a law",
        ),
    ],
)
def test_bad_losses_and_weights_are_refused(x, measure, weights, text):
    assert refusal(lambda: dp.choquet(x, measure, weights)) == "ValueError: " + text


@pytest.mark.parametrize(
    ("x", "measure", "weights", "text"),
    [
        ("abc", half, None, "x is not an array of numbers"),
        ([[1, 2], [3]], half, None, "x is not an array of numbers"),
        ([1, 2], half, "equal", "weights is not an array of numbers"),
    ],
)
def test_losses_that_are_no_numbers_are_refused(x, measure, weights, text):
    cure = ": give real numbers in a regular array"
    assert (
        refusal(lambda: dp.choquet(x, measure, weights)) == f"TypeError: {text}{cure}"
    )


MASKED = "is a masked array: leave out or fill what is masked, as compressed() and "
NO_NUMBERS = "is not an array of numbers: give real numbers in a regular array"
masked = np.ma.array([1.0, 2.0], mask=[False, True])


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (masked, MASKED + "filled() do"),
        ([masked, masked], MASKED + "filled() do"),
        (np.array([1 + 1j, 2]), NO_NUMBERS),
        ([1j], NO_NUMBERS),
        (["1", "2"], NO_NUMBERS),
        (["1", 2], NO_NUMBERS),
        ([b"1"], NO_NUMBERS),
        (np.array(["1", 2], dtype=object), NO_NUMBERS),
        (np.array([b"1", 2], dtype=object), NO_NUMBERS),
        (np.array(["2026-01-01"], dtype="datetime64[D]"), NO_NUMBERS),
        (np.array([1], dtype="timedelta64[s]"), NO_NUMBERS),
        ([10**400], NO_NUMBERS),
    ],
)
def test_masked_complex_and_text_arrays_are_refused(x, text):
    assert refusal(lambda: dp.choquet(x, half)) == f"TypeError: x {text}"


class Column:
    """What a table hands over: no array, but it can become one."""

    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 3.0], dtype=dtype)


@pytest.mark.parametrize(
    "x", [[Fraction(1), Fraction(3)], np.array([1, 3], dtype=object), Column(), (1, 3)]
)
def test_numbers_of_many_kinds_will_do(x):
    assert dp.choquet(x, half) == 3.0
    assert dp.choquet([1, 3], dp.Expectation(), validate.probabilities("p", [0.5, 0.5]))


def test_the_first_negative_probability_is_named():
    text = "ValueError: p holds -0.25 at position 2: probabilities are at least 0"
    assert refusal(lambda: validate.probabilities("p", [1, 0.5, -0.25, -0.25])) == text


@pytest.mark.parametrize("measure", [0.9, None, "ES", dp.Wang])
def test_things_that_are_no_measure_are_refused(measure):
    text = f"TypeError: measure = {measure!r} {KIND}"
    assert refusal(lambda: dp.choquet([1, 2], measure)) == text


def test_a_supremum_needs_distortions():
    empty = "ValueError: distortions = [] holds none: give at least one"
    assert refusal(lambda: dp.Supremum([])) == empty
    text = f"TypeError: distortions[0] = 0.9 {KIND}"
    assert refusal(lambda: dp.Supremum([0.9])) == text


def test_the_position_of_a_bad_sample_is_the_users():
    text = "ValueError: x holds nan at position 0: remove or replace it"
    assert refusal(lambda: dp.choquet([math.nan, 1, 2], hazard)) == text
