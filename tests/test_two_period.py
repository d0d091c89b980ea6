"""Section 6.2: published digits, independent routes, and every kind of parameter.

The reference digits come from an independent audit (two methods, 14 digits); the
oracles below use mpmath, a linear programme over all allocations, and exact rationals,
and share no code with the package.
"""

from fractions import Fraction
from itertools import pairwise, product

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, linprog
from scipy.special import k1, kv

import dynpo_lite as dp

PAPER = dp.TwoPeriodExample()
DETERMINISTIC = {"law": "conditional", "retention": "deterministic"}
STATE_DEPENDENT = {"law": "conditional", "retention": "state-dependent"}

probabilities = st.floats(0, 1)
levels = st.floats(0, 0.995)
examples = st.builds(
    dp.TwoPeriodExample,
    mean=st.floats(0.01, 1e4),
    agent1_threshold=probabilities,
    agent1_level=levels,
    agent2_threshold=probabilities,
    agent2_level=levels,
    agent1_level_time0=levels,
    agent2_level_time0=levels,
)


# published digits ---------------------------------------------------------------


def test_headline_numbers():
    close = {"rel": 1e-12}
    (d,) = PAPER.attachments()
    assert d == pytest.approx(776.613476186604949, **close)
    totals = PAPER.total_risk_to_go([10.0, 100.0, 500.0])
    expected = [200, 461.371343093082401, 1067.02607962336317]
    assert totals == pytest.approx(expected, **close)
    assert PAPER.expected_total_risk_to_go() == pytest.approx(651.358969086578, **close)
    assert PAPER.time0_total_risk() == pytest.approx(851.358969086578, **close)
    (crossing,) = PAPER.attachments(**DETERMINISTIC)
    assert crossing == pytest.approx(574.305176166701, **close)
    cost = PAPER.expected_total_risk_to_go
    assert cost(**DETERMINISTIC) == pytest.approx(560.22180801512, **close)
    assert cost(**STATE_DEPENDENT) == pytest.approx(552.993797844486336, **close)
    assert PAPER.time0_total_risk(**STATE_DEPENDENT) == pytest.approx(
        752.993797844486, **close
    )


@pytest.mark.parametrize(
    ("attachment", "marginal", "conditional"),
    [
        (776.613476186605, 651.358969087, 571.284383909),
        (780.0, 651.364147393, 571.639656860),
        (574.305176166701, 674.229387878, 560.221808015),
        (0.0, 837.646805813, 650.622737256),
        (np.inf, 1078.114643009, 905.987595689),
    ],
)
def test_contract_against_evaluation(attachment, marginal, conditional):
    cost = PAPER.expected_total_risk_to_go
    assert cost(attachment=attachment) == pytest.approx(marginal, rel=1e-11)
    assert cost(**DETERMINISTIC, attachment=attachment) == pytest.approx(
        conditional, rel=1e-11
    )
    layers = PAPER.layers(attachment=attachment)
    assert PAPER.evaluate(layers) == pytest.approx(marginal, rel=1e-11)


def test_state_dependent_contract_under_the_marginal_law():
    value = PAPER.state_dependent_contract_under_marginal_law()
    assert value == pytest.approx(1082.336546986, rel=1e-11)


@pytest.mark.parametrize(
    ("x", "tail"),
    [
        (150.0, 1.0),
        (220.0, 0.90483741803596),
        (300.0, 0.8),
        (550.0, 0.64201520964653),
        (600.0, 0.50000194801647),
        (700.0, 0.4),
        (1300.0, 0.3119633388124),
        (2500.0, 0.00077327980512134),
    ],
)
def test_tail_at_time_1(x, tail):
    assert PAPER.tail(x) == pytest.approx(tail, rel=1e-12)


def test_tail_at_time_1_conditional():
    x = np.array([100.0, 366.0, 500.0, 788.0, 900.0])
    expected = np.exp(-x / 400)
    expected[2:4] = 0.4
    expected[4] = np.exp(-900 / (200 * (2 + np.log(10))))
    assert PAPER.tail(x, **STATE_DEPENDENT) == pytest.approx(expected, rel=1e-12)


def test_endowment_range_and_premia():
    assert PAPER.endowment_range() == pytest.approx(
        (0.3279198963569, 0.72411131446135), rel=1e-12
    )
    assert PAPER.endowment_range("conditional") == (0.0, 1.0)
    assert PAPER.premium_interval(0.5) == pytest.approx((70.9587396563, 70.9587396563))
    assert PAPER.premium_interval(0.3) == pytest.approx((30.9587396563, 8.7049487431))
    low, high = PAPER.premium_interval(0.72264956, attachment=780.0)
    assert low == pytest.approx(high, abs=1e-4)  # the end of the range at 780


def test_time0_price_intervals():
    for w, low, high in [
        (0.4, 84.4901832809, 663.030210346),
        (0.5, 212.301647582, 828.787762932),
        (0.6, 340.113111883, 994.545315519),
    ]:
        alone = PAPER.stand_alone_risk()
        total = PAPER.time0_total_risk()
        assert total - (1 - w) * alone[1] == pytest.approx(low, rel=1e-11)
        assert w * alone[0] == pytest.approx(high, rel=1e-11)
    alone = PAPER.stand_alone_risk("conditional")
    assert 0.6 * alone[0] == pytest.approx(1705.15840674, rel=1e-11)


def test_time0_total_is_not_minimised_at_the_attachment():
    both = dp.TwoPeriodExample(agent2_level_time0=0.9)
    assert both.time0_total_risk() == pytest.approx(1727.5431, abs=5e-5)
    better = both.time0_total_risk(attachment=516.593671759192)
    assert better == pytest.approx(1657.5755, abs=5e-5)


# the law of the losses ----------------------------------------------------------


@pytest.mark.parametrize("x", [1e-12, 0.3, 200.0, 4e3, 9e4])
def test_tail_and_stop_loss_against_mpmath(x):
    losses = PAPER.losses
    with mpmath.workdps(40):
        z = 2 * mpmath.sqrt(mpmath.mpf(x) / 200)
        tail = mpmath.quad(
            lambda t: mpmath.exp(-t - z**2 / (4 * t)),
            [0, z / 8, z / 2, 2 * z, 1 + 8 * z, mpmath.inf],
        )
        stop_loss = 100 * z**2 * mpmath.besselk(2, z)
    assert float(losses.s2_tail(x)) == pytest.approx(float(tail), rel=1e-11)
    assert float(losses.s2_stop_loss(x)) == pytest.approx(float(stop_loss), rel=1e-12)


def test_edges_of_the_law():
    losses = PAPER.losses
    assert losses.s2_tail([-1.0, 0.0, np.inf]).tolist() == [1, 1, 0]
    assert losses.s2_stop_loss([0.0, np.inf]).tolist() == [200, 0]
    assert (losses.s2_quantile(1.0), losses.s2_quantile(0.0)) == (0, np.inf)
    for u in (1e-200, 1e-6, 0.5, 1 - 1e-9):
        assert losses.s2_tail(losses.s2_quantile(u)) == pytest.approx(u, rel=1e-11)


def test_integration_over_s1_against_mpmath():
    for x, low, high in [(700.0, 44.6, 183.0), (5e4, 183.0, np.inf), (3.0, 0.0, 44.6)]:
        got = PAPER.losses.over_s1(lambda s, x=x: np.exp(-x / s), low, high)
        with mpmath.workdps(30):
            mpf = mpmath.mpf
            inner = [p for p in (1e-2, 1, 100, 1e3, 4e3, 1e4) if low < p < high]
            ends = [mpf(low), *inner, mpmath.inf if high == np.inf else mpf(high)]
            want = mpmath.quad(
                lambda s, x=x: mpmath.exp(-x / s - s / 200) / 200 if s else 0 * s, ends
            )
        assert got == pytest.approx(float(want), rel=1e-11)


# independent routes -------------------------------------------------------------


def conditional_mean_bins(n):
    """Atoms of S2: the mean of each of n equally likely parts of its law."""
    z = [0.0]
    for j in range(1, n):
        z.append(brentq(lambda y, u=1 - j / n: y * k1(y) - u, z[-1] + 1e-9, 60.0))
    z = np.array(z[1:])
    # E[S2; S2 > x] = stop loss + x * tail, at x = 50 z^2
    above = np.hstack([200.0, 100 * z**2 * kv(2, z) + 50 * z**2 * z * k1(z), 0.0])
    return n * (above[:-1] - above[1:])


def best_of_all_allocations(atoms, thresholds, levels):
    """Minimise the sum of both agents' mixtures over ALL splits of the atoms."""
    n = len(atoms)
    # variables: y (what agent 1 carries), then per agent: t, excesses e_1..e_n
    cost = np.zeros(n + 2 * (n + 1))
    rows, limits = [], []
    offset = 0.0
    for i, (theta, level) in enumerate(zip(thresholds, levels)):
        at = n + i * (n + 1)
        sign = 1.0 if i == 0 else -1.0
        cost[:n] += sign * theta / n
        offset += 0.0 if i == 0 else theta * atoms.mean()
        cost[at] = 1 - theta
        cost[at + 1 : at + 1 + n] = (1 - theta) / (1 - level) / n
        for j in range(n):  # Y_j - t <= e_j
            row = np.zeros(len(cost))
            row[j], row[at], row[at + 1 + j] = sign, -1, -1
            rows.append(row)
            limits.append(0.0 if i == 0 else -atoms[j])
    free = [(None, None)] * n
    bounds = free + ([(None, None)] + [(0, None)] * n) * 2
    found = linprog(cost, np.array(rows), limits, bounds=bounds, method="highs")
    return found.fun + offset


def test_marginal_optimum_against_all_allocations():
    atoms = conditional_mean_bins(100)
    oracle = best_of_all_allocations(atoms, PAPER.thresholds, PAPER.levels)
    shared = dp.share_layers(atoms, PAPER.distortions)
    assert shared.value == pytest.approx(oracle, rel=1e-9)
    # means of parts of the law lower every coherent risk, by less than 1 % here
    cost = PAPER.expected_total_risk_to_go()
    assert oracle < cost < 1.01 * oracle
    finer = dp.share_layers(conditional_mean_bins(400), PAPER.distortions).value
    assert oracle < finer < cost


def test_conditional_optima_on_a_grid_of_s1():
    """(D) and (C*) by brute force: midpoints of S1, bins of S2, no shared formula."""
    u = (np.arange(4000) + 0.5) / 4000
    s1 = -200 * np.log1p(-u)
    high1, high2 = u > 0.2, u > 0.6
    x = (np.arange(1200) + 0.5) * 5.0
    plain = np.exp(-x / s1[:, None])
    first = np.where(high1[:, None], np.minimum(plain * 10, 1), plain)
    second = np.where(high2[:, None], np.minimum(plain * 100, 1), plain)
    deterministic = np.minimum(first.mean(0), second.mean(0)).sum() * 5.0
    state_dependent = np.minimum(first, second).sum(axis=1).mean() * 5.0
    cost = PAPER.expected_total_risk_to_go
    assert cost(**DETERMINISTIC) == pytest.approx(deterministic, rel=2e-3)
    assert cost(**STATE_DEPENDENT) == pytest.approx(state_dependent, rel=2e-3)


def shortfall(values, weights, level):
    """Expected Shortfall of a discrete law in exact rationals."""
    left, total = 1 - level, Fraction(0)
    for value, weight in sorted(zip(values, weights), reverse=True):
        used = min(weight, left)
        total, left = total + used * value, left - used
    return total / (1 - level)


def test_layer_rule_in_exact_rationals():
    """A discrete analogue of Section 6.2: brute force over integer layers."""
    loss = [Fraction(v) for v in (0, 20, 60, 280)]
    weight = [Fraction(1, 2), Fraction(3, 10), Fraction(3, 20), Fraction(1, 20)]
    theta = [Fraction(1, 5), Fraction(3, 5)]
    level = [Fraction(9, 10), Fraction(99, 100)]

    def risk(i, values):
        mean = sum(w * v for w, v in zip(weight, values))
        return theta[i] * mean + (1 - theta[i]) * shortfall(values, weight, level[i])

    widths = [b - a for a, b in pairwise(loss)]
    best = min(
        risk(0, first) + risk(1, [v - f for v, f in zip(loss, first)])
        for parts in product([0, Fraction(1, 2), 1], repeat=3)
        for first in [[sum(p * w for p, w in zip(parts[:j], widths)) for j in range(4)]]
    )
    shared = dp.share_layers(
        [float(v) for v in loss], PAPER.distortions, [float(w) for w in weight]
    )
    assert shared.value == pytest.approx(float(best), rel=1e-14)


def test_samples_agree_within_their_standard_errors():
    for seed in range(3):
        sample = PAPER.simulate(200_000, seed)
        pairs = [
            (sample.attachments_marginal[0], PAPER.attachments()[0]),
            *zip(
                sample.total_risk_to_go_marginal,
                PAPER.total_risk_to_go([10.0, 100.0, 500.0]),
            ),
            (
                sample.expected_total_risk_to_go_marginal,
                PAPER.expected_total_risk_to_go(),
            ),
            (
                sample.expected_total_risk_to_go_conditional,
                PAPER.expected_total_risk_to_go(**STATE_DEPENDENT),
            ),
            (
                sample.expected_total_risk_to_go_deterministic,
                PAPER.expected_total_risk_to_go(**DETERMINISTIC),
            ),
        ]
        for estimate, exact in pairs:
            assert abs(estimate.z(exact)) < 4.5


def test_standard_errors_are_those_of_repeated_sampling():
    samples = [PAPER.simulate(20_000, seed) for seed in range(60)]
    for pick in (
        lambda s: s.attachments_marginal[0],
        lambda s: s.total_risk_to_go_marginal[1],
        lambda s: s.total_risk_to_go_marginal[2],
        lambda s: s.expected_total_risk_to_go_deterministic,
    ):
        spread = np.std([pick(s).value for s in samples], ddof=1)
        claimed = np.mean([pick(s).standard_error for s in samples])
        assert 0.7 < spread / claimed < 1.35  # 60 repetitions: 9 % standard error
    errors = [
        PAPER.simulate(100_000, 5).attachments_marginal[0].standard_error,
        PAPER.simulate(100_000, 5).total_risk_to_go_marginal[2].standard_error,
    ]
    assert errors == pytest.approx([5.9237, 8.2752], rel=0.06)


# any parameters -----------------------------------------------------------------


@given(examples)
def test_every_example_is_consistent(example):
    assert len(example.attachments()) <= 1
    assert len(example.attachments(**DETERMINISTIC)) <= 1
    assert len(example.attachments(**STATE_DEPENDENT)) == 0
    cost = example.expected_total_risk_to_go
    slack = 1 + 1e-9
    assert cost(**STATE_DEPENDENT) <= cost(**DETERMINISTIC) * slack
    assert cost(**STATE_DEPENDENT) >= example.mean / slack
    for reading in ({}, DETERMINISTIC):
        layers = example.layers(reading.get("law", "marginal"))
        law = reading.get("law", "marginal")
        assert example.evaluate(layers, law) == pytest.approx(
            cost(**reading), rel=1e-12
        )
        for d in (0.0, 0.7 * example.mean, 5 * example.mean, np.inf):
            assert cost(**reading, attachment=d) >= cost(**reading) / slack
    middle = [r.low + 0.5 * r.probability for r in example.regimes]
    totals = example.total_risk_to_go(example.losses.s1_quantile(middle))
    weights = [r.probability for r in example.regimes]
    assert np.dot(weights, totals) == pytest.approx(cost(), rel=1e-9)
    assert example.agent_risk_to_go().sum(axis=0) == pytest.approx(totals, rel=1e-9)
    low, high = sorted(example.time0_assessments())
    assert example.time0_total_risk() == low <= high * slack
    least = 1.0 - 1e-12
    assert low >= (example.mean + cost()) * least  # a shortfall is at least the mean


@given(examples, st.floats(0, 1))
def test_layers_go_to_the_agent_with_the_smaller_tail(example, w):
    """The contract costs what the smaller distorted tail integrates to."""
    x = np.geomspace(1e-4, 60, 4000) * example.mean
    tail = example.losses.s2_tail(x)
    k = np.array([distortion(tail) for distortion in example.distortions])
    for layer in example.layers():
        inside = (x > layer.attachment) & (x < layer.exhaustion)
        carried = (np.array(layer.shares)[:, None] * k[:, inside]).sum(axis=0)
        assert carried == pytest.approx(k[:, inside].min(axis=0), rel=1e-6)
    low, high = example.risk_interval(x[::400], w)
    assert (high - low >= -1e-9 * example.mean).all()


def integrated_tails(example, x):
    """H_1 and H_2 at x, by a midpoint sum over S1 that shares no code."""
    u = (np.arange(40_000) + 0.5) / 40_000
    s = -example.mean * np.log1p(-u)
    plain = np.exp(-x / s)
    return [
        np.where(u > t, np.minimum(plain / (1 - a), 1.0), plain).mean()
        for t, a in zip(example.thresholds, example.levels)
    ]


@given(examples)
def test_deterministic_layers_follow_the_integrated_tails(example):
    layers = example.layers("conditional")
    for x in np.array([0.1, 0.6, 1.7, 4.0, 9.0]) * example.mean:
        h = integrated_tails(example, x)
        if abs(h[0] - h[1]) > 2e-3 * max(h):
            (layer,) = [y for y in layers if y.attachment < x <= y.exhaustion]
            assert layer.shares[int(np.argmin(h))] == 1.0


@given(examples)
def test_agents_may_be_swapped(example):
    fields = {
        f"agent{j}_{name}": getattr(example, f"agent{i}_{name}")
        for i, j in ((1, 2), (2, 1))
        for name in ("threshold", "level", "level_time0")
    }
    swapped = dp.TwoPeriodExample(example.mean, **fields)
    for reading in ({}, DETERMINISTIC, STATE_DEPENDENT):
        one, two = (e.attachments(**reading) for e in (example, swapped))
        assert one == pytest.approx(two, rel=1e-12)
        one, two = (e.expected_total_risk_to_go(**reading) for e in (example, swapped))
        assert one == pytest.approx(two, rel=1e-12)
        assert example.time0_assessments(**reading) == pytest.approx(
            swapped.time0_assessments(**reading)[::-1], rel=1e-12
        )


@given(examples, st.floats(0.01, 100))
def test_losses_may_be_scaled(example, factor):
    scaled = dp.TwoPeriodExample(
        example.mean * factor,
        **{f: v for f, v in vars(example).items() if f.startswith("agent")},
    )
    near = 1e-12 * scaled.mean  # an attachment far below the losses is ill-conditioned
    for reading in ({}, DETERMINISTIC, STATE_DEPENDENT):
        assert scaled.attachments(**reading) == pytest.approx(
            example.attachments(**reading) * factor, rel=1e-9, abs=near
        )
        one, two = (e.expected_total_risk_to_go(**reading) for e in (example, scaled))
        assert one * factor == pytest.approx(two, rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "marginal", "deterministic"),
    [
        ({"agent1_threshold": 0.6}, 0, 0),  # equal thresholds: a tie, then agent 1
        ({"agent1_threshold": 0.0, "agent2_threshold": 0.0}, 0, 0),
        ({"agent1_threshold": 0.0}, 1, 1),
        ({"agent1_level": 0.0}, 0, 0),
        ({"agent2_level": 0.0}, 0, 0),
        ({"agent1_level": 0.0, "agent2_level": 0.0}, 0, 0),
        ({"agent1_level": 0.99}, 0, 0),  # the same level: agent 2 carries all
        ({"agent1_threshold": 0.6, "agent1_level": 0.99}, 0, 0),  # the same agents
        ({"agent2_threshold": 1.0}, 0, 0),  # agent 2 is never alarmed
        (
            {
                "agent1_threshold": 0.1,
                "agent1_level": 0.5,
                "agent2_threshold": 0.9,
                "agent2_level": 0.6,
            },
            0,
            1,
        ),
    ],
)
def test_number_of_attachments(changes, marginal, deterministic):
    example = dp.TwoPeriodExample(**changes)
    assert len(example.attachments()) == marginal
    assert len(example.attachments(**DETERMINISTIC)) == deterministic
    sample = example.simulate(2000, seed=1)
    assert len(sample.attachments_marginal) == marginal


def test_the_edge_of_a_tie_is_no_attachment():
    example = dp.TwoPeriodExample(agent1_threshold=0.6)
    for law in ("marginal", "conditional"):
        tie, owned = example.layers(law)
        assert (tie.shares, owned.shares) == ((0.5, 0.5), (1.0, 0.0))
        assert len(example.attachments(law, "deterministic")) == 0


def test_regimes_of_probability_zero_are_left_out():
    count = {
        (0.2, 0.6): 3,
        (0.0, 0.6): 2,
        (0.6, 0.6): 2,
        (0.0, 0.0): 1,
        (1.0, 1.0): 1,
        (0.0, 1.0): 1,
    }
    for (first, second), n in count.items():
        example = dp.TwoPeriodExample(agent1_threshold=first, agent2_threshold=second)
        assert len(example.regimes) == n
        assert sum(regime.probability for regime in example.regimes) == pytest.approx(1)


def test_higher_level_applies_strictly_above_the_quantile():
    quantile = float(PAPER.losses.s1_quantile(0.6))
    at, above = PAPER.total_risk_to_go([quantile, np.nextafter(quantile, np.inf)])
    assert at == pytest.approx(461.371343093082)
    assert above == pytest.approx(1067.02607962336)


def test_endowment_range_is_where_premia_exist():
    for changes in ({}, {"agent2_level": 0.95}, {"agent1_level": 0.8}):
        example = dp.TwoPeriodExample(**changes)
        window = example.endowment_range()
        for w in np.linspace(0, 1, 41):
            low, high = example.premium_interval(w)
            inside = window[0] <= w <= window[1]
            assert (high - low > -1e-9 * example.mean) == inside


def test_endowment_range_uses_the_freedom_in_ties():
    alike = dp.TwoPeriodExample(agent1_threshold=0.6, agent1_level=0.99)
    assert alike.endowment_range() == pytest.approx((0.0, 1.0), abs=1e-9)


def test_proposition_6_1_fails_for_a_layer_that_is_not_cheapest():
    """The layer at 1000 is optimal for positive weights of the regimes, not for 1."""
    u = float(PAPER.losses.s2_tail(1000.0))
    theta = 9 * u / (1 - 10 * u)
    assert theta > 0

    def weighted(d):
        totals = PAPER.agent_risk_to_go(d).sum(axis=0)
        return 0.2 * totals[0] + 0.4 * totals[1] + 0.4 * theta * totals[2]

    others = [weighted(d) for d in np.linspace(100, 3000, 60)]
    assert min(others) > weighted(1000.0) - 1e-9
    cost = PAPER.expected_total_risk_to_go
    assert cost(attachment=1000.0) == pytest.approx(669.97225, abs=5e-6)
    assert cost(attachment=1000.0) > cost() + 18
    assert PAPER.time0_total_risk(attachment=1000.0) > PAPER.time0_total_risk() + 18


# errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dp.TwoPeriodExample(mean=-3), r"mean = -3 is outside \(0, inf\)"),
        (lambda: dp.TwoPeriodExample(mean=np.inf), "mean = inf is outside"),
        (
            lambda: dp.TwoPeriodExample(agent1_level=1.2),
            r"agent1_level = 1.2 is outside \[0, 1\): choose a confidence level",
        ),
        (
            lambda: dp.TwoPeriodExample(agent2_level=1.0),
            "agent2_level = 1.0 is outside",
        ),
        (
            lambda: dp.TwoPeriodExample(agent1_threshold=-0.1),
            r"agent1_threshold = -0.1 is outside \[0, 1\]: choose a probability",
        ),
        (lambda: PAPER.attachments("joint"), "law = 'joint' is unknown: choose"),
        (
            lambda: PAPER.attachments("conditional", "fixed"),
            "retention = 'fixed' is unknown: choose",
        ),
        (
            lambda: PAPER.attachments("marginal", "state-dependent"),
            "does not go with law = 'marginal': choose 'deterministic'",
        ),
        (
            lambda: PAPER.expected_total_risk_to_go("conditional", attachment=5.0),
            "attachment = 5.0 goes with a deterministic contract",
        ),
        (lambda: PAPER.layers(attachment=-1.0), r"attachment = -1.0 is outside \[0"),
        (lambda: PAPER.total_risk_to_go([-1.0]), "s1 = -1.0 is negative"),
        (lambda: PAPER.total_risk_to_go([np.nan]), "s1 holds nan at position 0"),
        (lambda: PAPER.tail([np.nan]), "x holds nan at position 0"),
        (lambda: PAPER.premium_interval(1.5), r"w1 = 1.5 is outside \[0, 1\]"),
        (lambda: PAPER.simulate(99, 0), "n_samples = 99 is too small"),
        (lambda: PAPER.simulate(100, -1), "seed = -1 is too small"),
        (lambda: PAPER.evaluate([dp.Layer(0.0, 5.0, (1.0, 0.0))]), "layers run over"),
        (
            lambda: PAPER.evaluate([dp.Layer(0.0, np.inf, (1.0, 0.5))]),
            "give two shares that sum to 1",
        ),
    ],
)
def test_errors_name_the_argument_the_value_and_the_cure(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("value", [True, "0.9", None, [0.9]])
def test_a_parameter_is_a_number(value):
    with pytest.raises(TypeError, match="agent1_level = "):
        dp.TwoPeriodExample(agent1_level=value)
