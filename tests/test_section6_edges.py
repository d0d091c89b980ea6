"""Section 6.2 at its edges: scale, ties, agents never alarmed, copies, refusals."""

import copy
import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dynpo_lite as dp

PAPER = dp.TwoPeriodExample()
NEVER = dp.TwoPeriodExample(agent1_threshold=1.0, agent2_threshold=1.0)
EXCHANGED = {
    "agent1_threshold": 0.6,
    "agent1_level": 0.99,
    "agent2_threshold": 0.2,
    "agent2_level": 0.9,
}
SWAPPED = dp.TwoPeriodExample(**EXCHANGED)
ALIKE = dp.TwoPeriodExample(agent1_threshold=0.6, agent1_level=0.99)
EQUAL_THRESHOLDS = dp.TwoPeriodExample(agent1_threshold=0.6)
READINGS = [
    {},
    {"law": "conditional"},
    {"law": "conditional", "retention": "deterministic"},
]
FIRST, SECOND, TIED = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)


def shares(layers):
    return [layer.shares for layer in layers]


# scale --------------------------------------------------------------------------


def in_units_of_the_mean(example):
    """All numbers of Section 6.2, amounts divided by the mean."""
    m, x = example.mean, np.array([0.0, 0.01, 0.4, 1.3, 5.0]) * example.mean
    amounts, others = [], []
    for reading in READINGS:
        amounts += [
            example.attachments(**reading),
            example.total_risk_to_go(x, **reading),
            example.expected_total_risk_to_go(**reading),
            example.time0_assessments(**reading),
        ]
        others.append(example.tail(x, **reading))
    for law in ("marginal", "conditional"):
        ends = [layer.attachment for layer in example.layers(law)]
        amounts += [ends, example.stand_alone_risk(law)]
        others += [*shares(example.layers(law)), example.endowment_range(law)]
    sample = example.simulate(100, seed=1)
    amounts += [
        example.premium_interval(0.4),
        example.agent_risk_to_go(attachment=m),
        *example.risk_interval(x, 0.4),
        example.state_dependent_contract_under_marginal_law(),
        *sample.attachments_marginal,
        *sample.total_risk_to_go_marginal,
        sample.expected_total_risk_to_go_marginal,
        sample.expected_total_risk_to_go_conditional,
        sample.expected_total_risk_to_go_deterministic,
    ]
    return [np.ravel(a) / m for a in amounts] + [np.ravel(o) for o in others]


@pytest.mark.parametrize("mean", [1e-290, 1e-160, 1e-12, 1e160, 1e290])
@pytest.mark.parametrize("changes", [{}, {"agent1_threshold": 0.6}, EXCHANGED])
def test_any_unit_of_loss_gives_the_same_answer(changes, mean):
    one, other = (
        in_units_of_the_mean(dp.TwoPeriodExample(**changes | {"mean": m}))
        for m in (1.0, mean)
    )
    for a, b in zip(one, other, strict=True):
        assert b == pytest.approx(a, rel=1e-12, abs=1e-14, nan_ok=True)


thresholds = st.sampled_from([0.0, 0.2, 0.6, 1.0]) | st.floats(0, 1)
levels = st.sampled_from([0.0, 0.9]) | st.floats(0.01, 0.99)


@settings(max_examples=15)
@given(
    st.builds(
        dp.TwoPeriodExample, st.just(1.0), thresholds, levels, thresholds, levels
    ),
    st.floats(-290, 290),
)
def test_answers_are_homogeneous_in_the_mean(example, exponent):
    scaled = replace(example, mean=10.0**exponent)
    one, other = in_units_of_the_mean(example), in_units_of_the_mean(scaled)
    for a, b in zip(one, other, strict=True):
        assert b == pytest.approx(a, rel=1e-11, abs=1e-13, nan_ok=True)


# agents never alarmed, ties, replaced attachments -------------------------------


def test_agents_who_are_never_alarmed_share_equally_and_ask_the_mean():
    for reading in READINGS:
        assert NEVER.expected_total_risk_to_go(**reading) == pytest.approx(200.0)
    assert shares(NEVER.layers("conditional")) == [TIED]
    assert NEVER.endowment_range() == (0.0, 1.0)  # no other bound than the shares'
    one = dp.TwoPeriodExample(agent1_threshold=1.0)
    assert shares(one.layers("conditional")) == [FIRST]
    other = dp.TwoPeriodExample(agent2_threshold=1.0)
    assert shares(other.layers("conditional")) == [SECOND]


def test_a_replaced_attachment_keeps_who_carries_what():
    assert shares(PAPER.layers()) == [SECOND, FIRST]
    for law in ("marginal", "conditional"):
        assert shares(PAPER.layers(law, attachment=500.0)) == [SECOND, FIRST]
        assert shares(SWAPPED.layers(law, attachment=500.0)) == [FIRST, SECOND]
        # agent 1 carries all that is not tied, so the lower layer is its own
        assert shares(EQUAL_THRESHOLDS.layers(law, 500.0)) == [FIRST, SECOND]
        assert shares(ALIKE.layers(law, 500.0)) == [SECOND, FIRST]  # all is tied
    below, above = PAPER.layers(attachment=500)
    assert (below.exhaustion, above.attachment, above.exhaustion) == (500, 500, np.inf)
    assert shares(PAPER.layers(attachment=0.0)) == [FIRST]
    assert shares(PAPER.layers(attachment=np.inf)) == [SECOND]


def test_thresholds_of_nearly_zero_count_as_zero_where_contracts_cannot_see_s1():
    calm = {"agent1_threshold": 0.0, "agent2_threshold": 0.0}
    nearly = dp.TwoPeriodExample(**calm | {"agent2_threshold": 1e-10})
    assert nearly.layers("conditional") == dp.TwoPeriodExample(**calm).layers(
        "conditional"
    )
    above = dp.TwoPeriodExample(**calm | {"agent2_threshold": 2e-9})
    assert shares(above.layers("conditional")) == [SECOND, FIRST]


def shares_with_premia(example):
    """Search the w1, and agent 1's parts of the tied layers, for which premia exist.

    Risks are means over equally likely parts of the tail of S2; no shared formula.
    """

    def risk(level, layer):
        u = (np.arange(2000) + 0.5) / 2000 * (1 - level)
        x = np.array([example.losses.s2_quantile(v) for v in u])
        return (
            np.clip(x, layer.attachment, layer.exhaustion) - layer.attachment
        ).mean()

    def in_every_regime(layers, agent):
        levels = [regime.levels[agent] for regime in example.regimes]
        return np.array([sum(risk(a, layer) for layer in layers) for a in levels])

    layers = example.layers()
    tied = [layer for layer in layers if layer.shares == TIED]
    part = np.linspace(0, 1, 401)
    whole, tie, own = (
        [in_every_regime(of[agent], agent) for agent in (0, 1)]
        for of in (
            [[dp.Layer(0.0, np.inf, FIRST)]] * 2,
            [tied, tied],
            [[y for y in layers if y.shares == owner] for owner in (FIRST, SECOND)],
        )
    )
    kept = [own[0] + part[:, None] * tie[0], own[1] + (1 - part)[:, None] * tie[1]]
    return [
        w1
        for w1 in np.linspace(0, 1, 401)
        if (
            (kept[1] - (1 - w1) * whole[1]).max(axis=1)
            <= (w1 * whole[0] - kept[0]).min(axis=1) + 1e-9
        ).any()
    ]


@pytest.mark.parametrize(
    "example",
    [
        EQUAL_THRESHOLDS,  # the lower layer is tied
        dp.TwoPeriodExample(200.0, 0.6, 0.99, 0.6, 0.9),
        dp.TwoPeriodExample(200.0, 0.25, 0.5, 0.75, 0.75),  # the upper layer is tied
        dp.TwoPeriodExample(200.0, 0.75, 0.75, 0.25, 0.5),
    ],
)
def test_endowment_range_where_layers_are_tied(example):
    assert TIED in shares(example.layers())
    found = shares_with_premia(example)
    assert example.endowment_range() == pytest.approx((found[0], found[-1]), abs=0.01)


# samples ------------------------------------------------------------------------


def empirical_shortfall(values, level):
    worst, n = np.sort(values)[::-1], round((1 - level) * len(values))
    return worst[:n].mean()


def test_samples_give_the_numbers_of_their_own_law():
    """A mean of 1, where an error of 1 is not lost, and every number by hand."""
    example = replace(PAPER, mean=1.0)
    n = 1000
    sample = example.simulate(n, seed=4)
    s1, s2 = example.losses.sample(n, 4)
    (cut,) = sample.attachments_marginal
    u = float(example.losses.s2_tail(example.attachments()[0]))
    assert np.mean(s2 > cut.value) <= u < np.mean(s2 >= cut.value)
    lower, upper = np.minimum(s2, cut.value), np.maximum(s2 - cut.value, 0.0)
    each = [  # agent 2 carries the lower layer
        empirical_shortfall(upper, a1) + empirical_shortfall(lower, a2)
        for a1, a2 in ((0.0, 0.0), (0.9, 0.0), (0.9, 0.99))
    ]
    values = [estimate.value for estimate in sample.total_risk_to_go_marginal]
    assert values == pytest.approx(each, rel=1e-12)
    mean = sample.expected_total_risk_to_go_marginal
    assert mean.value == pytest.approx(np.dot([0.2, 0.4, 0.4], each), rel=1e-12)
    # given S1 = s the lower level is 0, then 0, then 0.9: q + 10 (S2 - q)^+
    q = np.where(s1 > -np.log(0.4), s1 * np.log(10), 0.0)
    asked = np.where(q > 0, q + 10 * np.maximum(s2 - q, 0.0), s2)
    state = sample.expected_total_risk_to_go_conditional
    assert state.value == pytest.approx(asked.mean(), rel=1e-12)
    assert state.standard_error == pytest.approx(asked.std() / np.sqrt(n), rel=1e-12)


# one value, copied, compared, frozen --------------------------------------------


def test_an_example_is_a_value():
    used = dp.TwoPeriodExample(mean=100)
    used.attachments(), used.attachments("conditional", "deterministic")
    for twin in (
        copy.copy(used),
        copy.deepcopy(used),
        pickle.loads(pickle.dumps(used)),
        replace(used, mean=100.0),
    ):
        assert twin == used
        assert hash(twin) == hash(used)
        assert twin.attachments().tolist() == used.attachments().tolist()
    assert used != PAPER
    assert repr(used).startswith("TwoPeriodExample(mean=100.0, agent1_threshold=0.2,")
    for name in ("mean", "losses", "anything"):
        with pytest.raises(FrozenInstanceError):
            setattr(used, name, 1.0)


# refusals -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda law: PAPER.layers(law),
        lambda law: PAPER.attachments(law),
        lambda law: PAPER.total_risk_to_go([1.0], law),
        lambda law: PAPER.expected_total_risk_to_go(law),
        lambda law: PAPER.evaluate(PAPER.layers(), law),
        lambda law: PAPER.time0_total_risk(law),
        lambda law: PAPER.time0_assessments(law),
        lambda law: PAPER.stand_alone_risk(law),
        lambda law: PAPER.tail([1.0], law),
        lambda law: PAPER.endowment_range(law),
    ],
)
def test_an_unknown_law_is_refused_everywhere(call):
    with pytest.raises(ValueError, match="law = 'joint' is unknown: choose"):
        call("joint")


@pytest.mark.parametrize("w1", [-0.1, 1.5, 2.0, np.nan])
def test_the_part_of_agent_1_lies_between_0_and_1(w1):
    for call in (PAPER.premium_interval, lambda w: PAPER.risk_interval([1.0], w)):
        with pytest.raises(ValueError, match=f"w1 = {w1} is outside"):
            call(w1)


def test_values_of_s1_are_positive_numbers():
    for call in (PAPER.total_risk_to_go, lambda s: PAPER.risk_interval(s, 0.5)):
        with pytest.raises(ValueError, match=r"s1 = -2\.0 is negative"):
            call([1.0, -2.0])
        with pytest.raises(ValueError, match="s1 holds inf at position 1"):
            call([1.0, np.inf])


@pytest.mark.parametrize("attachment", ["high", [5.0, 6.0], np.array([1.0, 2.0]), True])
def test_an_attachment_is_one_number(attachment):
    for call in (
        PAPER.layers,
        PAPER.premium_interval,
        PAPER.agent_risk_to_go,
        PAPER.expected_total_risk_to_go,
    ):
        position = {PAPER.premium_interval: (0.5,)}.get(call, ())
        with pytest.raises(TypeError, match="attachment = "):
            call(*position, attachment=attachment)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "layers run over"),
        ([(0, 5, FIRST), (5, 3, FIRST), (3, np.inf, FIRST)], "layers run over"),
        ([(0, np.nan, FIRST), (np.nan, np.inf, SECOND)], "layers run over"),
        ([(0, 5, FIRST), (6, np.inf, SECOND)], "layers run over"),
        ([(0, 5, FIRST), (5, np.inf, (2.0, -1.0))], r"layers\[1\].shares = \(2.0, -1"),
        ([(0, np.inf, (np.nan, 1.0))], "give two shares that sum to 1, none negative"),
        ([(0, np.inf, (0.5, 0.25, 0.25))], "give two shares"),
        ([(0, np.inf, (0.5, 0.6))], "give two shares"),
    ],
)
def test_a_contract_shares_out_the_whole_loss_between_two(layers, message):
    contract = [dp.Layer(float(a), float(b), shares) for a, b, shares in layers]
    with pytest.raises(ValueError, match=message):
        PAPER.evaluate(contract)


def test_a_contract_may_hold_an_empty_layer():
    below, above = PAPER.layers()
    empty = dp.Layer(below.exhaustion, below.exhaustion, FIRST)
    for law in ("marginal", "conditional"):
        cost = PAPER.evaluate([below, above], law)
        assert PAPER.evaluate([below, empty, above], law) == cost


def test_a_contract_is_made_of_layers():
    for contract in ([(0.0, np.inf)], [1.0], "layers", 5.0):
        with pytest.raises(TypeError, match="give a sequence of Layer"):
            PAPER.evaluate(contract)
