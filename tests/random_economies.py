"""Economies in files, written for tests: given ones, and any drawn at random."""

import warnings
from pathlib import Path

import numpy as np

import dynpo_lite as dp
from dynpo_lite.companion.chapters import weather
from dynpo_lite.companion.files.csv_tables import nodes_csv, numbered, write_csv

MEAN = "{kind = 'expectation'}"
WANG = "{kind = 'wang', shift = 0.5}"
FOUR = [-1, 0, 0, 1, 1, 2, 2], [1, 0.5, 0.5, 0.5, 0.5, 0.75, 0.25]

# how the shipped data/weather was made
SEED, N_PATHS, BINS = 2026, 4000, (5, 4, 4)
USUAL = ("usual", "rough", "stormy")
WORDS = {4: ("calm", *USUAL), 5: ("calm", "mild", *USUAL)}


def weather_csv():
    """Return the text of the shipped ``nodes.csv``: means of groups of paths."""
    paths = weather.simulate(N_PATHS, SEED)
    with warnings.catch_warnings(action="ignore"):  # of what means hide
        tree, _, visited, _ = dp.tree_from_paths(paths, BINS)
    endowments = np.zeros((len(weather.NAMES), tree.n_nodes))
    for t in range(tree.horizon):
        for v in tree.nodes(t + 1):
            endowments[:, v] = paths[visited[:, t] == v, t].mean(axis=0)
    # rounded to 10,000 EUR: the last digits of a machine do not show
    names = ["today", *map(in_words, numbered(tree)[1:])]
    return nodes_csv(weather.NAMES, names, tree, endowments.round(2))


def paths_csv():
    """Return the text of the shipped ``paths.csv``: four hundred paths."""
    rows = [
        [f"p{p}", t, *map(float, losses)]
        for p, path in enumerate(weather.simulate(400, seed=23).round(2), start=1)
        for t, losses in enumerate(path, start=1)
    ]
    return write_csv(["path", "time", *weather.NAMES], rows)


def arcs_csv():
    """Return the text of the shipped ``arcs.csv``: dry seasons follow dry ones."""

    def sample(t, state, size, rng):
        dry = rng.random(size) < (0.6 if state else 0.3)
        means = np.where(dry[:, None], [40.0, 15.0], [10.0, 20.0])
        return rng.gamma(2.0, means / 2).round(1), dry.astype(int)

    made = dp.lattice_from_sampler(sample, n_states=2, n_arcs=5, horizon=3, seed=11)
    lattice, words = made.lattice, ("wet", "dry")
    stages = zip(lattice.stage.tolist(), made.state.tolist())
    names = ["today", *(f"{words[x]} {t}" for t, x in list(stages)[1:])]
    ends = ([names[v] for v in end] for end in (lattice.source, lattice.target))
    header = ["source", "target", "probability", "Orchard", "Vineyard"]
    return write_csv(header, zip(*ends, lattice.probability, *made.endowments))


def in_words(numbers):
    """Name a node by the years that lead to it: ``stormy-calm-usual`` for 5.1.2."""
    years = zip(BINS, numbers.split("."))
    return "-".join(WORDS[bins][int(number) - 1] for bins, number in years)


def shortfall(level):
    return f"{{kind = 'expected_shortfall', level = {level}}}"


def write(folder, losses, measures, tree=FOUR, settings="", names=None, where=""):
    """Write an economy; return the path of its TOML."""
    tree = dp.ScenarioTree(*tree)
    names = names or [f"agent {i + 1}" for i in range(len(measures))]
    agents = [
        f"[[agent]]\nname = '{name}'\nmeasure = {measure}\n{where}"
        for name, measure in zip(names, measures, strict=True)
    ]
    text = f"title = 'An economy'\ncurrency = 'EUR'\nnodes = 'nodes.csv'\n{settings}\n"
    Path(folder, "economy.toml").write_text(text + "\n".join(agents), "utf-8")
    nodes = list(map(str, range(tree.n_nodes)))
    table = nodes_csv(names, nodes, tree, np.array(losses, dtype=float))
    Path(folder, "nodes.csv").write_text(table, "utf-8")
    return Path(folder, "economy.toml")


def drawn_economy(folder, rng):
    """Write an economy drawn at random; return the path of its TOML."""
    parent, probability, first = [-1], [1.0], 0
    for _ in range(rng.integers(1, 4)):
        last = len(parent)
        for v in range(first, last):
            count = rng.integers(1, 4) if v or rng.random() < 0.1 else 3
            chances = rng.dirichlet(np.full(count, rng.choice([0.5, 2, 50]))) + 1e-6
            parent += [v] * count
            probability += (chances / chances.sum()).tolist()
        first = last
    n_agents = int(rng.choice([1, 2, 2, 2, 3, 3, 7]))
    shape = n_agents, len(parent)
    losses = rng.lognormal(sigma=rng.choice([0.3, 1, 2]), size=shape)
    kind = rng.integers(6)
    if kind == 1:
        losses = rng.integers(-1, 3, shape)  # ties, gains
    elif kind == 2:
        losses = -losses
    elif kind == 3:
        losses[-1] = rng.choice([0, 5]) - losses[:-1].sum(axis=0)  # a constant total
    elif kind == 4:
        losses = losses * 10.0 ** rng.uniform(-12, 12)
    elif kind == 5:
        losses = losses * (rng.random(shape) < 0.4)
    law = rng.choice(["conditional", "conditional", "marginal"])
    linear = law == "marginal" and rng.random() < 0.7
    measures = [_measure(rng, linear) for _ in range(n_agents)]
    if rng.random() < 0.3:
        measures = measures[:1] * n_agents  # ties
    settings = [f"law = '{law}'"]
    if law == "conditional" and rng.random() < 0.4:
        settings.append("retention = 'deterministic'")
    if rng.random() < 0.2:
        settings.append("individually_rational = false")
    elif rng.random() < 0.4:
        split = rng.multinomial(8, np.full(n_agents, 1 / n_agents)) / 8
        settings.append(f"surplus_split = {split.tolist()}")
    where = f"[[agent.where]]\nstage = 0\nmeasure = {_measure(rng, linear)}\n"
    return write(
        *(folder, losses, measures, (parent, probability), "\n".join(settings)),
        where=where if rng.random() < 0.3 else "",
    )


def _measure(rng, linear):
    """Return a measure in the words of the file."""
    simple = [
        MEAN,
        shortfall(rng.choice([0.0, rng.uniform(), 0.999])),
        shortfall(rng.choice([0.25, 0.5, 0.75])),
        "{kind = 'worst_case'}",
        "{kind = 'piecewise_linear', s = [0, 0.25, 1], k = [0, 0.5, 1]}",
    ]
    if not linear:
        simple += [
            f"{{kind = 'proportional_hazard', exponent = {rng.uniform(0.2, 1)}}}",
            f"{{kind = 'dual_power', power = {rng.uniform(1, 5)}}}",
            f"{{kind = 'wang', shift = {rng.uniform(0, 2)}}}",
        ]
    part, other = rng.choice(simple, 2)
    nested = [
        f"{{kind = 'mixture', weights = [0.25, 0.75], of = [{part}, {other}]}}",
        f"{{kind = 'minimum', of = [{part}, {other}]}}",
        f"{{kind = 'supremum', of = [{part}, {other}]}}",
    ]
    return rng.choice([*simple, *nested])
