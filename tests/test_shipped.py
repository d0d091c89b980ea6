"""The shipped economies: their models, and answers found without the package."""

import json
import math
import statistics
import subprocess
import sys

import numpy as np
import pytest
from oracles import least_totals_by_lp

import dynpo_lite as dp
from dynpo_lite.companion.chapters import (
    climate,
    credit,
    insurer_data,
    insurers,
    network,
    weather,
)
from dynpo_lite.companion.files.economy_file import load_economy
from dynpo_lite.companion.rerun.parameters import find_notebook, load_notebook
from dynpo_lite.companion.rerun.record import harvest

NORMAL = statistics.NormalDist()
N = 14  # children a node
# the attitudes of A to F, written anew, on the grid of 14 equally likely children
TAILS = np.array(
    [
        [
            min(u / 0.7, 1),
            (0.8 * u + 0.2) if u else 0,
            min(u / 0.25, 1),
            u**0.75,
            NORMAL.cdf(NORMAL.inv_cdf(u) + 0.8) if 0 < u < 1 else u,
            1 - (1 - u) ** 4,
        ]
        for u in np.arange(N + 1) / N
    ]
).T


# --- six insurers ---------------------------------------------------------------------


def siblings(x):
    """The values of the children of nodes that stand in order, a row for each node."""
    return x.reshape(*x.shape[:-1], -1, N)


def least_total(economy):
    """The value by a recursion of a few lines: a layer goes to the smallest tail."""
    tree, worth = economy.tree, 0.0
    tails = TAILS.min(axis=0)[N - 1 : 0 : -1]  # above the least, ..., above the 13th
    for t in range(tree.horizon, 0, -1):
        z = np.sort(siblings(economy.endowments[:, tree.nodes(t)].sum(axis=0) + worth))
        worth = z[:, 0] + np.diff(z) @ tails
    return worth.item()


def as_shortfalls(tail):
    """Weights and levels of the shortfalls that mix to a tail given on the grid."""
    slopes = np.append(np.diff(tail) * N, 0.0)
    weights = (np.arange(1, N + 1) / N) * -np.diff(slopes)
    return [(w, 1 - j / N) for j, w in enumerate(weights, 1) if w > 1e-15]


def test_the_attitudes_are_those_documented():
    at = np.arange(N + 1) / N
    for measure, tail in zip(insurers.attitudes().values(), TAILS, strict=True):
        found = measure(at)
        assert np.allclose(found, tail, rtol=0, atol=1e-14)
        mixed = [
            sum(w * min(u / (1 - a), 1) for w, a in as_shortfalls(tail)) for u in at
        ]
        assert np.allclose(mixed, tail, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("horizon", "least"), [(1, 590.41833208), (2, 1193.49560454), (3, 1803.584645564)]
)
def test_the_least_totals_are_those_of_a_linear_programme(horizon, least):
    """Over all allocations; the programme of three years takes minutes: its number."""
    economy = insurers.insurers_economy(horizon)
    solution = dp.solve(economy)
    assert abs(solution.total_risk_to_go[0] - least) < 1e-8
    assert abs(least_total(economy) - least) < 1e-8
    if horizon < 3:
        tree = economy.tree
        agents = [[[as_shortfalls(tail)]] * tree.n_nodes for tail in TAILS]
        arguments = tree.parent.tolist(), tree.probability.tolist(), economy.aggregate
        found = least_totals_by_lp(*arguments, agents)
        assert np.abs(found - solution.total_risk_to_go).max() < 1e-8


MEASURED = """
import json, pathlib, re, time
import dynpo_lite as dp
from dynpo_lite.companion.chapters.insurers import insurers_economy
economy = insurers_economy(5)
start = time.perf_counter()
s = dp.solve(economy, surplus_split="load")
_ = s.risk_to_go, s.allocation, s.layers, s.surplus, s.premium, s.premium_interval
seconds = time.perf_counter() - start
status = pathlib.Path("/proc/self/status")  # getrusage counts what started us, too
memory = status.exists() and int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1])
start = time.perf_counter()
report = dp.check_allocation(economy, s.allocation)
print(json.dumps({
    "nodes": economy.tree.n_nodes, "total": s.total_risk_to_go[0],
    "alone": s.risk_without_trade[:, 0].sum(), "seconds": seconds, "kB": memory,
    "proof": time.perf_counter() - start,
    "proved": report.pareto_optimal and report.individually_rational,
}))
"""


def test_five_years_of_six_insurers_are_solved_and_proved():
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    print(found)
    assert found["nodes"] == sum(N**t for t in range(6)) == 579_195
    assert abs(found["total"] - 3033.524) < 5e-4
    assert abs(found["total"] - least_total(insurers.insurers_economy(5))) < 1e-8
    assert abs(found["alone"] - 3296) < 0.5
    assert found["proved"]
    assert found["seconds"] < 4
    assert found["kB"] < 1e6
    assert found["proof"] < 30


@pytest.fixture(scope="module")
def five():
    return insurers.insurers_economy(5)


def test_what_six_insurers_could_do_instead(five):
    found = {name: each.total for name, each in dp.baselines(five).items()}
    assert abs(found["no trade"] - 3296) < 0.5
    # by expected losses, and gains shared at each node: no insurer leaves the second
    assert abs(found["quota share"] - 3126.140) < 5e-4
    assert abs(found["yearly layers"] - 3145.350) < 5e-4
    data = insurer_data.read_insurers()
    premium = data.premium[:, data.year == 2002]
    part = premium / premium.sum()
    # by premium: other constants, other totals
    assert abs(five.risk_to_go(part * five.aggregate)[:, 0].sum() - 3128) < 0.5
    assert abs(yearly_layers(five, part) - 3070) < 0.5
    cheapest = dp.solve(five, retention="deterministic", individually_rational=False)
    assert abs(cheapest.total_risk_to_go[0] - 3035.01) < 5e-3


def yearly_layers(economy, part):
    """Layers of each year's loss, its sure part by ``part``; nested risk by hand."""
    tree, worth = economy.tree, np.zeros((6, 1))
    cheapest = np.argmin(TAILS, axis=0)[N - 1 : 0 : -1]  # of the layers, from below
    steps = TAILS[:, ::-1] - np.pad(TAILS[:, ::-1], ((0, 0), (0, 1)))[:, 1:]
    for t in range(tree.horizon, 0, -1):
        loss = siblings(economy.aggregate[tree.nodes(t)])
        order = np.argsort(loss, axis=1)
        heights = np.diff(np.take_along_axis(loss, order, axis=1))
        now = []
        for i in range(6):
            own = np.cumsum(heights * (cheapest == i), axis=1)
            paid = part[i] * loss.min(axis=1, keepdims=True) + np.pad(
                own, ((0, 0), (1, 0))
            )
            later = worth[i] if t == tree.horizon else siblings(worth[i])
            carried = np.zeros_like(loss)
            np.put_along_axis(carried, order, paid, axis=1)
            carried += later
            now.append(np.sort(carried, axis=1) @ steps[i][:N])
        worth = np.array(now)
    return worth.sum()


def test_the_surplus_is_split_by_load(five):
    solution = dp.solve(five, surplus_split="load")
    saved = five.risk_without_trade()[:, 0] - solution.risk_to_go[:, 0]
    chance = five.tree.unconditional[1:]
    load = five.risk_without_trade()[:, 0] - five.endowments[:, 1:] @ chance
    assert np.allclose(saved / saved.sum(), load / load.sum(), rtol=1e-9, atol=0)
    assert abs(five.aggregate[1:] @ chance - 2979) < 0.5
    # the first year: B carries the lowest layer, then D, then A; the others pay
    layers = solution.layers[0]
    assert [np.flatnonzero(layer.shares).tolist() for layer in layers] == [
        [1],
        [3],
        [0],
    ]
    ends = [layer.exhaustion for layer in layers[:2]]
    assert np.allclose(ends, [3035, 3090], rtol=0, atol=0.5)
    assert np.allclose(
        solution.premium[[2, 4, 5], 0], [525.4, 257.0, 141.7], rtol=0, atol=0.05
    )


@pytest.mark.parametrize(
    "measure", [dp.ExpectedShortfall(0.75), dp.ProportionalHazard(0.6), dp.Wang(0.5)]
)
def test_diversification_alone_saves_half_of_the_load(measure):
    economy = insurers.insurers_economy(4, agents=[measure] * 6)
    saved = dp.solve(economy).surplus[0] / economy.loads()[:, 0].sum()
    assert 0.455 < saved < 0.505


@pytest.mark.parametrize(("phi", "surplus"), [(0, 90), (0.3, 111), (0.8, 153)])
def test_what_persists_is_worth_sharing(phi, surplus):
    economy = insurers.insurers_economy(3, persistence=phi)
    assert abs(dp.solve(economy).surplus[0] - surplus) < 0.5


def test_the_data_are_whole():
    data = insurer_data.read_insurers()
    assert len(data.group) == 6
    assert data.year.tolist() == list(range(1988, 2008))
    past = data.year <= 2002
    assert np.isnan(data.booked_2002[:, ~past]).all()
    for name in insurer_data.FIGURES:
        table = getattr(data, name)
        assert table.shape == (6, 20)
        assert (table[:, past] > 0).all()
    assert (data.premium > 3).all()  # the rule of data/README.md
    mean = data.premium[:, (data.year >= 1998) & past].mean(axis=1)
    assert (np.diff(mean) < 0).all()  # A is the largest


def test_the_written_example_is_the_economy(tmp_path):
    insurers.write_example(tmp_path / "new", horizon=1)
    file = load_economy(tmp_path / "new" / "economy.toml")
    economy = insurers.insurers_economy(1)
    assert list(file.names) == list(insurers.attitudes()) == list("ABCDEF")
    assert np.allclose(file.economy.endowments, economy.endowments, rtol=1e-11)
    by_load = dp.solve(economy, surplus_split="load")
    found = file.solve()
    assert np.allclose(found.risk_to_go, by_load.risk_to_go, rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match=r"exists already: choose another folder"):
        insurers.write_example(tmp_path / "new")


def test_the_chapter_says_what_is_found_without_the_package(five):
    """Least total by a recursion, yearly layers by hand, what the README names."""
    said = harvest(load_notebook(find_notebook("13_real_insurers")))
    data = insurer_data.read_insurers()
    premium = data.premium[:, data.year == 2002]
    fixed = yearly_layers(five, premium / premium.sum())
    mean = five.aggregate[1:] @ five.tree.unconditional[1:]
    near = {"rel": 1e-9}
    assert said["least_total"] == pytest.approx(least_total(five), **near)
    assert said["risk_yearly_fixed"] == pytest.approx(fixed, **near)
    assert said["expected_losses"] == pytest.approx(mean, **near)
    assert said["load_alone"] == pytest.approx(3296.1746 - mean, abs=1e-3)
    assert said["part_saved"] == pytest.approx(82.87, abs=0.01)
    assert said["saved_by_persistence"] == pytest.approx([90, 111, 131, 153], abs=0.5)
    assert said["jackknife_error"] == pytest.approx(18.4, abs=0.05)
    assert said["replay_net"] == pytest.approx([-57, 32, 129, -186, 77, 5], abs=0.5)
    assert abs(sum(said["replay_net"])) < 1e-6
    assert abs(sum(said["net_price_first_year"])) < 1e-6


# --- climate, credit, network ---------------------------------------------------------


def tail_of(name):
    """The least tail of the agents of a model, written anew."""
    return {
        "climate": lambda u: np.min(
            [0.7 * u + 0.3 * np.minimum(u / 0.1, 1), u**0.75, normal(u, 0.9)], axis=0
        ),
        "credit": lambda u: np.min(
            [
                np.minimum(u / 0.2, 1),
                u**0.7,
                0.8 * u + 0.2 * np.minimum(u / 0.05, 1),
            ],
            axis=0,
        ),
    }[name]


def normal(u, shift):
    from scipy.special import ndtr, ndtri

    return ndtr(ndtri(u) + shift)


def recursion(economy, tail):
    """The value of a lattice, node by node."""
    lattice, total = economy.scenarios, economy.endowments.sum(axis=0)
    worth = np.zeros(lattice.n_nodes)
    for v in range(lattice.first[lattice.horizon] - 1, -1, -1):
        arcs = np.flatnonzero(lattice.source == v)
        z = total[arcs] + worth[lattice.target[arcs]]
        order = np.argsort(z)
        above = np.cumsum(lattice.probability[arcs][order][::-1])[::-1][1:]
        worth[v] = z.min() + np.diff(z[order]) @ tail(np.minimum(above, 1))
    return worth[0]


@pytest.mark.parametrize(
    ("name", "economy"),
    [
        ("climate", climate.climate_economy(3_000)),
        ("credit", credit.credit_economy(6, 50)),
    ],
)
def test_lattices_have_the_value_of_a_plain_recursion(name, economy):
    solution = dp.solve(economy)
    assert math.isclose(
        solution.total_risk_to_go[0], recursion(economy, tail_of(name)), rel_tol=1e-11
    )
    report = dp.check_allocation(economy, solution.allocation)
    assert report.pareto_optimal
    assert report.individually_rational


def test_climate_losses_have_the_mean_of_the_model():
    """Of a capped Pareto law and a Poisson number of storms, for each year."""
    size, a = 200_000, climate.INDEX
    severity = climate.LEAST * (a - climate.CAP ** (1 - a)) / (a - 1)
    for t, state in ((0, 0), (3, 1)):
        losses, after = climate.draw(t, state, size, np.random.default_rng([1, t]))
        mean = climate.PARTS @ (climate.STORMS[state] * severity) * 1.04 ** (t + 1)
        error = losses.std(axis=0) / np.sqrt(size)
        assert (np.abs(losses.mean(axis=0) - mean) < 4 * error).all()
        stay = (after == state).mean()
        assert abs(stay - (1 - climate.CHANGE[state])) < 4 * np.sqrt(0.25 / size)
    assert np.allclose(climate.PARTS.sum(axis=0), 1)


def test_climate_answers_are_known_to_a_percent():
    def build(seed, size):
        return climate.climate_economy(size, seed)

    found = dp.replicate(build, seeds=range(1, 6), sizes=(2_000, 10_000))
    for _, mean, error, drift in found.table()[:2]:
        assert error < 0.005 * mean
        assert abs(drift) < 0.02 * mean
    alone = found.alone[:, -1].sum(axis=0)
    assert (alone / found.value[-1]).min() > 1.8  # trade saves half of what is at risk
    layers = dp.solve(climate.climate_economy()).layers[0]
    carry = {i for layer in layers for i in np.flatnonzero(layer.shares)}
    assert carry == {0, 1}  # Global and Atlantic; the others carry nothing


def test_a_credit_lattice_is_its_unrolled_tree():
    economy = credit.credit_economy(horizon=3, n_draws=3)
    unrolled = economy.scenarios.to_tree()
    solution, tree = dp.solve(economy), dp.solve(economy.to_tree())
    assert unrolled.tree.n_nodes == 1 + 12 + 12**2 + 12**3 - crisis_paths(3)
    for name in ("risk_to_go", "risk_without_trade", "surplus"):
        lattice, own = getattr(solution, name), getattr(tree, name)
        assert np.allclose(own, lattice[..., unrolled.node], rtol=1e-12, atol=1e-9)
    paid = solution.allocation[:, unrolled.arc[1:]]
    assert np.allclose(tree.allocation[:, 1:], paid, rtol=1e-12, atol=1e-9)


def crisis_paths(horizon):
    """How many nodes the zeros of the chain save, with three draws a pair of states."""
    ways, missing = np.eye(4)[credit.START], 0
    for t in range(1, horizon + 1):
        ways = ways @ (credit.CHAIN > 0) * 3
        missing += 12**t - int(ways.sum())
    return missing


def test_forty_years_of_credit_take_no_time():
    code = (
        "import time, json, dynpo_lite as dp\n"
        "from dynpo_lite.companion.chapters.credit import credit_economy\n"
        "economy = credit_economy(40)\n"
        "start = time.perf_counter()\n"
        "s = dp.solve(economy)\n"
        "_ = s.risk_to_go, s.allocation, s.surplus, s.premium\n"
        "seconds = time.perf_counter() - start\n"
        "print(json.dumps([economy.scenarios.horizon, s.surplus[0], seconds]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    horizon, surplus, seconds = json.loads(done.stdout)
    print(seconds)
    assert horizon == 40
    assert surplus > 0
    assert seconds < 0.9


def test_credit_losses_have_the_mean_of_the_model():
    losses = credit.draw_losses(100_000, seed=3)
    rate = losses / (credit.LOANS * credit.LOST)[:, None, None]
    error = rate.std(axis=2) / np.sqrt(rate.shape[2])
    assert (np.abs(rate.mean(axis=2) - credit.DEFAULTS) < 4.5 * error).all()
    assert (np.abs(credit.CHAIN.sum(axis=1) - 1) < 1e-12).all()
    assert (np.corrcoef(rate[:, 2])[np.triu_indices(3, 1)] > 0.3).all()


def test_twenty_firms_share_what_travels_among_them():
    economy = network.network_economy(2_000)
    assert economy.n_agents == 20
    solution = dp.solve(economy, surplus_split="load")
    report = dp.check_allocation(economy, solution.allocation)
    assert report.pareto_optimal
    assert report.individually_rational
    carry = {i for own in solution.layers[0] for i in np.flatnonzero(own.shares)}
    assert len(carry) <= 3  # true to theory: the least cautious carry everything
    # what is passed on adds up: a loss of 1 costs 1 / (1 - 0.6) altogether
    losses, after = network.sampler(20, 1)(0, 0, 50_000, np.random.default_rng(1))
    direct = 20 * network.HIT[0] * network.SIZE[0]
    error = losses.sum(axis=1).std() / np.sqrt(len(losses))
    assert abs(losses.sum(axis=1).mean() - direct / (1 - network.PASSED_ON)) < 4 * error
    assert (after == np.digitize(losses.sum(axis=1), network.EDGES, right=True)).all()


def test_the_seed_of_network_and_climate_matters_and_repeats():
    for build in (climate.climate_economy, network.network_economy, credit_of):
        first, again, other = build(200, 1), build(200, 1), build(200, 2)
        assert np.array_equal(first.endowments, again.endowments)
        assert not np.array_equal(first.endowments, other.endowments)


def credit_of(n_draws, seed):
    return credit.credit_economy(2, n_draws, seed)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: insurers.insurers_economy(0), r"horizon = 0 is too small"),
        (lambda: insurers.insurers_economy(6), r"horizon = 6 is too large: choose at"),
        (lambda: insurers.insurers_economy(1, 1.5), r"persistence = 1\.5 is outside"),
        (lambda: climate.climate_economy(0), r"n_draws = 0 is too small"),
        (lambda: climate.climate_economy(9, -1), r"seed = -1 is too small"),
        (lambda: credit.credit_economy(0), r"horizon = 0 is too small"),
        (lambda: credit.credit_economy(2, 0), r"n_draws = 0 is too small"),
        (lambda: network.network_economy(9, n_firms=3), r"n_firms = 3 is too small"),
        (lambda: network.network_economy(0), r"n_draws = 0 is too small"),
        (lambda: network.network_economy(9, chains=-1), r"chains = -1 is too small"),
    ],
)
def test_what_makes_no_economy_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("name", ["insurers", "climate", "credit", "network"])
def test_each_has_one_command(name):
    command = [sys.executable, "-m", f"dynpo_lite.companion.chapters.{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    last = done.stdout.splitlines()[-1].split()
    alone, traded, saved = map(float, last[1:])
    assert last[0] == "total"
    assert abs(alone - traded - saved) < 0.02
    assert saved > 0


# --- the weather of the chapter on an economy of your own -----------------------------


@pytest.fixture(scope="module")
def weather_surplus():
    """What trade saves, by a recursion along the storm index, without the package.

    With shortfalls alone all layers go to the agent with the lowest level.
    """
    draws, grid = 100_000, np.linspace(-5, 5, 41)
    rng = np.random.default_rng(7)
    news, own = rng.standard_normal(draws), rng.standard_normal((3, draws))
    spread, loading = weather.OWN_SPREAD[:, None], weather.STORM_LOADING[:, None]

    def losses(index):
        drift = (spread**2 + loading**2) / 2
        x = weather.EXPOSURE[:, None] * np.exp(loading * index + spread * own - drift)
        return [*x, x.sum(axis=0)]

    worth = [np.zeros(len(grid))] * 4  # of each agent alone, and of all together
    for t in (2, 1, 0):
        known = grid if t else [0.0]
        rows = []
        for z in known:
            index = 0.6 * z + (0.8 if t else 1.0) * news
            ahead = [np.interp(index, grid, own) for own in worth]
            pairs = zip(losses(index), ahead, (0.8, 0.9, 0.95, 0.8), strict=True)
            rows.append([tail_mean(x + later, level) for x, later, level in pairs])
        worth = list(np.array(rows).T)
    alone, together = sum(worth[:3]).item(), worth[3].item()
    return together, alone - together


def tail_mean(x, level):
    n = round(len(x) * (1 - level))
    return np.partition(x, -n)[-n:].mean()


def test_paths_of_the_weather_show_what_trade_saves(weather_surplus):
    """All paths are kept; a tree of means showed two fifths of it at best."""
    together, saved = weather_surplus
    assert abs(together - 2289) < 0.02 * 2289
    assert abs(saved - 755) < 0.02 * 755
    agents = [dp.ExpectedShortfall(level) for level in (0.8, 0.9, 0.95)]
    paths, index = weather.simulate_with_index(100_000, seed=2)
    made = dp.lattice_from_paths(paths, index, groups=64)
    solution = dp.solve(dp.Economy(made.lattice, made.endowments, agents))
    assert abs(solution.total_risk_to_go[0] - together) < 0.03 * together
    assert abs(solution.surplus[0] - saved) < 0.03 * saved


def test_the_chapter_shows_what_trade_saves(weather_surplus):
    notebook = load_notebook(find_notebook("12_your_own_economy"))
    mean, error = harvest(notebook)["replicated_surplus"]
    assert abs(mean - weather_surplus[1]) < 0.03 * weather_surplus[1]
    assert 0 < error < 0.02 * mean
