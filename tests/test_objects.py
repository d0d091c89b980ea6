"""What the package returns: frozen, read-only, comparable, copied and pickled."""

import copy
import dataclasses
import pickle
from functools import partial

import numpy as np
import pytest

import dynpo_lite as dp

TREE = dp.ScenarioTree([-1, 0, 0, 1, 1, 2, 2], [1] + [0.5] * 6)
LOSSES = np.array([[0, 1, 2, 0, 4, 1, 3], [0, 2, 0, 5, 0, 2, 9]], dtype=float)
AGENTS = [dp.ExpectedShortfall(0.5), dp.Expectation()]
SUPREMA = [dp.Supremum([dp.Expectation(), dp.ExpectedShortfall(0.75)]), AGENTS[0]]
READINGS = {
    "state-dependent": {},
    "deterministic": {"retention": "deterministic", "individually_rational": False},
    "marginal": {"law": "marginal"},
}


def solved(reading="state-dependent", agents=AGENTS):
    return dp.solve(dp.Economy(TREE, LOSSES, agents), **READINGS[reading])


def report(law="conditional"):
    economy = dp.Economy(TREE, LOSSES, AGENTS)
    return dp.check_allocation(economy, economy.endowments, law)


def stubborn():
    """Two agents who dread different states of one total: no common contract."""
    return dp.Economy(TREE, [[0, 0, 0, 9, 0, 0, 0], [0, 0, 0, 0, 9, 9, 9]], AGENTS)


def through_pickle(x):
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("again", [through_pickle, copy.copy, copy.deepcopy])
def test_errors_survive_a_copy(again):
    with pytest.raises(dp.Infeasible) as infeasible:
        dp.solve(stubborn(), "deterministic")
    with pytest.raises(dp.Unbounded) as unbounded:
        dp.vector_inf_convolution([[1.0, 2.0]], [[[1.0, 1.0]], [[2.0, 1.0]]])
    for error in (infeasible.value, unbounded.value):
        twin = again(error)
        assert type(twin) is type(error)
        assert str(twin) == str(error)
    assert vars(again(infeasible.value)) == vars(infeasible.value)
    np.testing.assert_array_equal(
        again(unbounded.value).direction, unbounded.value.direction
    )


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize(
    "agents", [AGENTS, [{0: AGENTS[0], 1: AGENTS[1], 2: AGENTS[1]}] * 2]
)
def test_economies_and_solutions_survive_a_pickle(reading, agents):
    solution = solved(reading, agents)
    expected = solution.allocation.copy()
    twin = through_pickle(solution)
    np.testing.assert_array_equal(twin.allocation, expected)
    np.testing.assert_array_equal(twin.premium, solution.premium)
    assert twin.layers == solution.layers
    economy = through_pickle(solution.economy)
    np.testing.assert_array_equal(
        dp.solve(economy, **READINGS[reading]).allocation, expected
    )


@pytest.mark.parametrize("law", ["conditional", "marginal"])
def test_reports_and_trades_are_compared_by_value(law):
    first, second = report(law), report(law)
    assert first == second
    assert hash(first) == hash(second)
    assert first.improving_trade == second.improving_trade
    assert len({first, second, through_pickle(first)}) == 1
    other = dp.check_allocation(
        *(lambda e: (e, LOSSES[::-1]))(dp.Economy(TREE, LOSSES, AGENTS)), law
    )
    assert first != other
    assert first != "a report"


def test_reports_of_no_allocation_are_equal_too():
    economy = dp.Economy(TREE, LOSSES, AGENTS)
    nothing = [dp.check_allocation(economy, 0 * LOSSES) for _ in range(2)]
    assert np.isnan(nothing[0].gap)
    assert nothing[0] == nothing[1]


def arrays_of(x):
    """Yield all arrays that a public attribute of ``x`` reaches."""
    if isinstance(x, np.ndarray):
        yield x
    elif isinstance(x, (tuple, list)):
        for entry in x:
            yield from arrays_of(entry)
    elif hasattr(x, "keys"):
        for value in x.values():
            yield from arrays_of(value)
    elif isinstance(x, dp.Distortion):  # its kinks are made anew at every look
        for field in dataclasses.fields(x):
            yield from arrays_of(getattr(x, field.name))
    elif type(x).__module__.startswith("dynpo_lite"):
        for name in dir(x):
            if not name.startswith("_") and not callable(getattr(x, name)):
                yield from arrays_of(getattr(x, name))


RETURNED = {
    **{f"{reading} solution": partial(solved, reading) for reading in READINGS},
    "solution with suprema": partial(solved, agents=SUPREMA),
    "report": report,
    "marginal report": partial(report, "marginal"),
    "shared loss": lambda: dp.share_layers([0.0, 3.0, 9.0], AGENTS),
    "shared vector": lambda: dp.vector_inf_convolution(
        [[4.0, 0.0], [0.0, 8.0]], [[[2.0, 1.0], [0.0, 1.0]], [[1.0, 2.0], [1.0, 0.0]]]
    ),
    "shared line": lambda: dp.vector_inf_convolution(
        [[4.0], [0.0]], [[[2.0], [0.0]]] * 2
    ),
    "mixture": lambda: dp.Mixture(AGENTS, [0.5, 0.5]),
    "polyhedral": lambda: dp.Polyhedral([[[1.0]], [[-1.0]]], [0.0, 0.0]),
    "tree": lambda: TREE,
}


@pytest.mark.parametrize("name", RETURNED)
def test_what_is_returned_cannot_be_changed(name):
    x = RETURNED[name]()
    found = list(arrays_of(x))
    assert found
    assert [a for a in found if a.flags.writeable] == []
    for field in dataclasses.fields(x):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(x, field.name, None)
    for mapping in ("layers", "constants", "saddle_weights"):
        if hasattr(getattr(x, mapping, None), "keys"):
            with pytest.raises(TypeError):
                getattr(x, mapping)[0] = None


@pytest.mark.parametrize("reading", READINGS)
def test_every_reading_has_the_same_face(reading):
    solution = solved(reading)
    assert isinstance(solution, dp.Solution)
    law, retention = solution.law, solution.retention
    again = dp.solve(solution.economy, retention, law, solution.individually_rational)
    np.testing.assert_array_equal(again.allocation, solution.allocation)
    tree = solution.economy.tree
    inner = tree.first[tree.horizon]
    assert np.isnan(solution.premium[:, inner:]).all()
    np.testing.assert_allclose(
        solution.premium[:, :inner] + solution.layer_risk[:, :inner],
        solution.risk_to_go[:, :inner],
    )
    if retention == "deterministic":  # constants of the time of the children
        for t, constants in solution.constants.items():
            np.testing.assert_allclose(
                solution.premium[:, tree.nodes(t - 1)].T,
                [constants] * len(tree.nodes(t - 1)),
            )
    assert len(solution.saddle_weights) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: dp.Economy("x", [[1.0]], AGENTS),
            "scenarios = 'x' is no ScenarioTree",
        ),
        (lambda: dp.solve("x"), "economy = 'x' is no Economy"),
        (lambda: dp.check_allocation(None, None), "economy = None is no Economy"),
        (lambda: dp.swap_interval(3, LOSSES, 1), "economy = 3 is no Economy"),
        (lambda: dp.myopic_optimum(TREE), "economy = ScenarioTree"),
        (
            lambda: dp.risk_to_go(None, [0.0], AGENTS[0]),
            "tree = None is no ScenarioTree",
        ),
    ],
)
def test_what_is_of_the_wrong_kind_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_measures_may_stand_in_a_series():
    pandas = pytest.importorskip("pandas")
    series = pandas.Series([AGENTS[0], AGENTS[1], AGENTS[1]])
    given = dp.risk_to_go(TREE, LOSSES[0], list(series))
    np.testing.assert_array_equal(dp.risk_to_go(TREE, LOSSES[0], series), given)


class Keyed:
    """Keys and entries, and an iteration over the entries, as a Series has."""

    def __init__(self, entries):
        self.entries = entries

    def keys(self):
        return range(len(self.entries))

    def __getitem__(self, v):
        return self.entries[v]

    def __iter__(self):
        return iter(self.entries)


def test_measures_are_found_by_key():
    given = [AGENTS[0], AGENTS[1], AGENTS[1]]
    np.testing.assert_array_equal(
        dp.risk_to_go(TREE, LOSSES[0], Keyed(given)),
        dp.risk_to_go(TREE, LOSSES[0], given),
    )
    with pytest.raises(ValueError, match="measure has no entry for node 2"):
        dp.risk_to_go(TREE, LOSSES[0], Keyed(given[:2]))


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([[0, 1e308, 0]] * 2, "sum to more than a float can hold"),
        ([[0, 1e308, 0], [0, -1e308, 0]], "sum to more than a float can hold"),
        ([[0, 5e-324, 0]] * 2, "too small to be shared"),
    ],
)
def test_losses_beyond_what_floats_can_add_are_refused(losses, message):
    tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    with pytest.raises(ValueError, match=f"endowments of .* {message}"):
        dp.Economy(tree, losses, AGENTS)


def test_losses_of_every_other_size_are_solved():
    for size in (1e-299, 1e-12, 1.0, 1e12, 1e300):
        economy = dp.Economy(TREE, size * LOSSES, AGENTS)
        solution = dp.solve(economy)
        unit = solved().total_risk_to_go
        np.testing.assert_allclose(solution.total_risk_to_go / size, unit, rtol=1e-12)
        assert dp.check_allocation(economy, solution.allocation).pareto_optimal


def test_comonotone_does_not_depend_on_constants():
    rng = np.random.default_rng(0)
    crossing = np.array([[0.0, 0.5], [0.5, 0.0]])
    rising = np.array([[0.0, 0.5, 0.7], [1.0, 1.0, 4.0]])
    for size in (0.0, 1.0, 1e6, 1e9):
        constant = size * rng.standard_normal((2, 1))
        assert not dp.is_comonotone(crossing + constant), size
        assert dp.is_comonotone(rising + constant), size
    assert dp.is_comonotone([[0.1 + 0.2, 0.3], [0.3, 0.1 + 0.2]])  # rounding only
