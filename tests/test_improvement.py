"""Comonotone improvement: every share lower in convex order, checked at all kinks."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import loss, refusal, shares

import dynpo_lite as dp


@st.composite
def allocations(draw, max_agents=6, max_states=8):
    """Shares of 1 to 6 agents, often tied, constant or copied; weights, some of 0."""
    n = draw(st.integers(1, max_agents))
    size = draw(st.integers(1, max_states))
    x = np.array(
        draw(
            st.lists(
                st.lists(loss, min_size=size, max_size=size), min_size=n, max_size=n
            )
        )
    )
    kind = draw(st.sampled_from(["any", "constant", "copied", "sure total", "factors"]))
    if kind == "constant":
        x[0] = x[0, 0]
    elif kind == "copied":
        x[:, -1] = x[:, 0]
    elif kind == "sure total":
        x[-1] = 3.0 - x[:-1].sum(axis=0)
    elif kind == "factors":
        x *= 10.0 ** np.arange(-n, 0)[:, None]
    w = draw(st.none() | shares(size, 0))
    return x, None if w is None else np.array([float(v) for v in w])


def stop_loss_gap(x, y, w):
    """Compare the expected excesses at every value of either share, and the means."""
    w = np.full(x.shape[1], 1 / x.shape[1]) if w is None else w
    gap = 0.0
    for before, after in zip(x, y, strict=True):
        gap = max(gap, abs(w @ (after - before)))
        for d in [*before, *after]:
            excess = w @ np.maximum(after - d, 0) - w @ np.maximum(before - d, 0)
            gap = max(gap, excess)
    return gap


def size_of(*arrays):
    return max(1e-300, *(np.abs(a).max() for a in arrays))


@given(allocations())
@example((np.array([[3.0, 0.0], [-2.0, 2.0]]), None))
@example((np.array([[0.1, 0.2], [0.2, 0.1]]), None))  # totals equal up to rounding
@example((np.array([[0.1, 0.3, 0.0], [0.2, 0.0, 0.3]]), np.array([0.25, 0.25, 0.5])))
@example((np.zeros((3, 4)), None))
@example((np.array([[1e12, -1e12, 1.0], [-1e12, 1e12, 1.0]]), None))
def test_an_improvement_is_comonotone_and_below_in_convex_order(allocation):
    x, w = allocation
    y = dp.comonotone_improvement(x, w)
    tol = 1e-14 * size_of(x) * len(x)
    assert y.shape == x.shape
    assert y.sum(axis=0) == pytest.approx(x.sum(axis=0), rel=0, abs=tol)
    assert stop_loss_gap(x, y, w) <= tol
    total = x.sum(axis=0)
    rising = y[:, np.argsort(total, kind="stable")]
    assert (np.maximum.accumulate(rising, axis=1) - rising <= tol).all()
    assert dp.is_comonotone(y)
    for s in np.flatnonzero(total == total[0]):  # functions of the total
        assert (y[:, s] == y[:, 0]).all()


def test_the_next_agent_takes_over_what_is_given_up():
    """Agent 0 gives up (1, -1); with it agent 1 has (1, 2), which rises already."""
    improved = dp.comonotone_improvement([[2, 0], [0, 3], [-2, -1]])
    assert improved.tolist() == [[1, 1], [1, 2], [-2, -1]]


@given(allocations())
def test_what_is_comonotone_stays_as_it_is(allocation):
    x, w = allocation
    x = np.sort(x, axis=1)
    possible = slice(None) if w is None else w > 0
    y = dp.comonotone_improvement(x, w)[:, possible]
    tol = 1e-14 * size_of(x) * len(x)
    assert y == pytest.approx(x[:, possible], rel=0, abs=tol)


@given(allocations())
def test_improving_twice_changes_nothing(allocation):
    x, w = allocation
    y = dp.comonotone_improvement(x, w)
    again = dp.comonotone_improvement(y, w)
    # states tied in the total may come apart by rounding and be averaged again
    assert again == pytest.approx(y, rel=0, abs=1e-12 * size_of(x) * len(x))


@given(allocations(), st.randoms(use_true_random=False))
def test_the_order_of_the_states_does_not_matter(allocation, random):
    x, w = allocation
    order = list(range(x.shape[1]))
    random.shuffle(order)
    y = dp.comonotone_improvement(x, w)
    moved = dp.comonotone_improvement(x[:, order], None if w is None else w[order])
    tol = 1e-13 * size_of(x) * len(x)
    assert moved == pytest.approx(y[:, order], rel=0, abs=tol)


@given(allocations(max_states=5), st.integers(1, 3))
def test_a_state_may_be_split(allocation, parts):
    x, w = allocation
    w = np.full(x.shape[1], 1 / x.shape[1]) if w is None else w
    y = dp.comonotone_improvement(x, w)
    split = np.repeat(x, parts, axis=1), np.repeat(w, parts) / parts
    tol = 1e-13 * size_of(x) * len(x)
    for j in range(parts):
        copy = dp.comonotone_improvement(*split)[:, j::parts]
        assert copy == pytest.approx(y, rel=0, abs=tol)


@given(allocations())
def test_states_of_weight_0_are_filled_in(allocation):
    """They change nothing for the others, and the shares there sum to the total."""
    x, w = allocation
    y = dp.comonotone_improvement(x, w)
    w = np.full(x.shape[1], 1 / x.shape[1]) if w is None else w
    extra = np.array([[-1e3], [2.0], [1e3], [0.0], [7.0], [-1.0]])[: len(x)]
    more = np.hstack([x[:, :1], extra, x, -extra])
    weights = np.hstack([0, 0, w, 0])
    found = dp.comonotone_improvement(more, weights)
    tol = 1e-13 * size_of(more) * len(x)
    assert found[:, 2:-1] == pytest.approx(y, rel=0, abs=tol)
    assert found.sum(axis=0) == pytest.approx(more.sum(axis=0), rel=0, abs=tol)
    rising = found[:, np.argsort(more.sum(axis=0), kind="stable")]
    assert (np.diff(rising, axis=1) >= -tol).all()


def test_one_agent_keeps_everything():
    x = np.array([[3.0, -1.0, 2.0]])
    assert (dp.comonotone_improvement(x) == x).all()


def test_two_agents_by_hand():
    """Totals 1, 2, 3; agent 0 falls, so f1 is its mean 2 and agent 1 takes the rest."""
    x = np.array([[3.0, 2.0, 1.0], [-2.0, 0.0, 2.0]])
    y = dp.comonotone_improvement(x)
    assert y == pytest.approx(np.array([[2, 2, 2], [-1, 0, 1]]), abs=1e-15)
    y = dp.comonotone_improvement(x, [0.5, 0.25, 0.25])
    assert y == pytest.approx(np.array([[2.25] * 3, [-1.25, -0.25, 0.75]]), abs=1e-15)


@given(allocations(max_agents=4), st.sampled_from([0.1, 0.5, 0.9]))
def test_every_coherent_risk_falls(allocation, level):
    x, w = allocation
    y = dp.comonotone_improvement(x, w)
    for measure in (dp.ExpectedShortfall(level), dp.ProportionalHazard(level)):
        for before, after in zip(x, y):
            old = dp.choquet(before, measure, w)
            assert dp.choquet(after, measure, w) <= old + 1e-12 * size_of(x)


@pytest.mark.parametrize("n", [2, 3, 7])
@pytest.mark.parametrize("heavy", [False, True])
def test_many_states(n, heavy):
    rng = np.random.default_rng(n)
    x = rng.standard_cauchy((n, 3000)) if heavy else rng.normal(size=(n, 3000))
    w = rng.dirichlet(np.full(3000, 0.3)) if heavy else None
    y = dp.comonotone_improvement(x, w)
    assert y.sum(axis=0) == pytest.approx(x.sum(axis=0), abs=1e-13 * size_of(x))
    assert dp.is_comonotone(y, tol=1e-13)
    assert dp.convex_order_gap(x, y, w) <= 1e-13 * size_of(x)


def test_the_adverse_case_for_two_agents():
    """One share falls while the total rises: one block as long as the law."""
    n = 10_000
    falling = -np.arange(float(n))
    x = np.array([falling, 1.5 * np.arange(n)])
    y = dp.comonotone_improvement(x)
    assert y[0] == pytest.approx(falling.mean())
    assert y.sum(axis=0) == pytest.approx(x.sum(axis=0))
    assert dp.convex_order_gap(x, y) <= 1e-12 * n


def test_arguments_are_left_as_they_are():
    x, w = np.array([[3.0, 0.0], [-2.0, 2.0]]), np.array([0.5, 0.5])
    for array in (x, w):
        array.setflags(write=False)
    dp.comonotone_improvement(x, w)
    dp.convex_order_gap(x, x, w)
    assert dp.comonotone_improvement([[3, 0], [-2, 2]]).dtype == float


# the certificate ------------------------------------------------------------------


@st.composite
def two_allocations(draw):
    x, w = draw(allocations(max_agents=3))
    y = draw(st.lists(loss, min_size=x.size, max_size=x.size))
    return x, np.array(y).reshape(x.shape), w


@given(two_allocations())
def test_the_gap_is_the_largest_over_all_kinks(pair):
    x, y, w = pair
    gap = dp.convex_order_gap(x, y, w)
    tol = 1e-13 * size_of(x, y)
    assert gap == pytest.approx(stop_loss_gap(x, y, w), rel=0, abs=tol)
    assert dp.convex_order_gap(x, x, w) <= tol


@given(allocations(max_agents=4), st.data())
def test_proportional_shares_are_seen(allocation, data):
    """They are comonotone, but only below in convex order by luck."""
    x, w = allocation
    quota = np.array([float(v) for v in data.draw(shares(len(x)))])
    y = quota[:, None] * x.sum(axis=0)
    gap = dp.convex_order_gap(x, y, w)
    tol = 1e-13 * size_of(x, y)
    assert gap == pytest.approx(stop_loss_gap(x, y, w), rel=0, abs=tol)


def test_faults_that_are_seen():
    x = np.array([[0.0, 0.0, 3.0], [0.0, 3.0, 0.0]])
    proportional = np.array([[0.2], [0.8]]) * x.sum(axis=0)
    assert dp.convex_order_gap(x, proportional) == pytest.approx(0.6)  # means move
    # same means, more spread: agent 1 gets what exceeds agent 0's mean
    spread = np.array([[1.0, 1.0, 1.0], [-1.0, 2.0, 2.0]])
    assert dp.convex_order_gap(x, spread) == pytest.approx(1 / 3)
    good = dp.comonotone_improvement(x)
    assert dp.convex_order_gap(x, good) <= 1e-15
    for size in (1e-3, 1e-6, 1e-9):
        fault = np.array([[-size, 0, size], [size, 0, -size]])
        found = dp.convex_order_gap(good, good + fault)
        assert found == pytest.approx(size / 3, rel=1e-6)
        found = dp.convex_order_gap(good, good + size)
        assert found == pytest.approx(size, rel=1e-6)


def test_the_gap_of_one_bet():
    """Weights as exact fractions: E(Y - 1)+ - E(X - 1)+ = 3/4 at the kink 1."""
    w = [Fraction(1, 4), Fraction(3, 4)]
    x, y = [[1.0, 1.0]], [[4.0, 0.0]]
    assert dp.convex_order_gap(x, y, [float(v) for v in w]) == 0.75


def test_states_of_weight_0_do_not_count():
    assert dp.convex_order_gap([[1.0, 5.0]], [[1.0, 9.0]], [1.0, 0.0]) == 0


# refusals -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "w", "text"),
    [
        ([[]], None, "ValueError: shares is empty: give at least one number"),
        (
            [[1.0, math.nan]],
            None,
            "ValueError: shares holds nan at position (0, 1): remove or replace it",
        ),
        (
            [[1.0], [math.inf]],
            None,
            "ValueError: shares holds inf at position (1, 0): remove or replace it",
        ),
        (
            [[1.0, 2.0], [3.0]],
            None,
            "TypeError: shares is not an array of numbers: give real numbers in a "
            "regular array",
        ),
        (
            [[1.0, 2.0]],
            [1.0],
            "ValueError: weights has shape (1,): give an array with shape (2,)",
        ),
        (
            [[1.0, 2.0]],
            [0.5, 0.4],
            "ValueError: weights sum to 0.9: divide them by their sum",
        ),
        (
            [[1.0, 2.0]],
            [1.5, -0.5],
            "ValueError: weights holds -0.5 at position 1: probabilities are at least "
            "0",
        ),
    ],
)
def test_bad_arguments_are_refused(x, w, text):
    assert refusal(lambda: dp.comonotone_improvement(x, w)) == text
    assert refusal(lambda: dp.convex_order_gap(x, x, w)) == text


def test_an_improvement_of_another_shape_is_refused():
    text = "ValueError: improved has shape (1, 2): give an array with shape (2, 2)"
    call = refusal(lambda: dp.convex_order_gap([[1, 2], [3, 0]], [[1, 2]]))
    assert call == text
