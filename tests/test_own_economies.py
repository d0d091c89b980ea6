"""The page of your own economy runs on any legal economy, and keeps to its file."""

from pathlib import Path

import numpy as np
import pytest
from chapter_runs import execute

import dynpo_lite as dp
from dynpo_lite.companion.files.csv_tables import nodes_csv
from dynpo_lite.companion.files.economy_file import example_path, load_economy

OWN = "11_your_own_economy"
FEW = {"n_paths": 200, "bins": 2}
MEAN = "{kind = 'expectation'}"
WANG = "{kind = 'wang', shift = 0.5}"
FOUR = [-1, 0, 0, 1, 1, 2, 2], [1, 0.5, 0.5, 0.5, 0.5, 0.75, 0.25]
OWED = [[0, 0, 2, 0, 4, 0, 8], [0, 2, 0, 2, 0, 4, 4]]
WHERE = "[[agent.where]]\nnodes = ['2']\nmeasure = {kind = 'worst_case'}\n"


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


TWO = [shortfall(0.5), shortfall(0.75)]


def economy(losses=OWED, measures=TWO, **more):
    return {"losses": losses, "measures": measures} | more


ONE_PERIOD = [-1, 0, 0], [1, 0.5, 0.5]
CHAIN = [-1, 0, 1, 2], [1, 1, 1, 1]
SEVEN = [shortfall(level / 8) for level in range(7)]
ECONOMIES = {
    "four leaves": economy(),
    "one agent": economy(OWED[:1], [shortfall(0.5)]),
    "one agent, one period": economy([[0, 1, 5]], [WANG], tree=ONE_PERIOD),
    "one period": economy(
        [[0, 1, 0], [0, 2, 5]], [shortfall(0.5), shortfall(0.9)], tree=ONE_PERIOD
    ),
    "gains": economy(-1.0 - np.array(OWED)),
    "gains and losses": economy([[0, -3, 2, 7, -4, 0, 8], OWED[1]]),
    "constant total": economy([[0, 3, 1, 5, 1, 2, 4], [0, 1, 3, 0, 4, 3, 1]]),
    "zero total": economy([OWED[0], -np.array(OWED[0])]),
    "nothing at stake": economy(np.zeros((2, 7))),
    "ties": economy(measures=[shortfall(0.5)] * 2),
    "risk-neutral": economy(measures=[MEAN] * 2),
    "seven agents": economy(np.outer(range(7), OWED[0]) + OWED[1], SEVEN),
    "nothing uncertain": economy([[0, 1, 2, 3], [0, 3, 0, -1]], tree=CHAIN),
    "exceptions": economy(where=WHERE),
    "a supremum": economy(
        measures=[
            f"{{kind = 'supremum', of = [{MEAN}, {WANG}]}}",
            "{kind = 'proportional_hazard', exponent = 0.7}",
        ]
    ),
    "tiny": economy(np.array(OWED) * 1e-9),
    "huge": economy(np.array(OWED) * 1e12),
    "a split": economy(settings="surplus_split = [0, 1]"),
    "not rational": economy(settings="individually_rational = false"),
    "names": economy(names=["$x^$|<b>", "$\\frac{1}$ _[y](z) "]),
    "deterministic": economy(
        measures=[shortfall(0.5), MEAN],
        settings="retention = 'deterministic'\nsurplus_split = [0.25, 0.75]",
    ),
    "no deterministic contract": economy(settings="retention = 'deterministic'"),
    "deterministic, not rational": economy(
        settings="retention = 'deterministic'\nindividually_rational = false"
    ),
    "marginal": economy(settings="law = 'marginal'"),
    "marginal, a split": economy(
        settings="law = 'marginal'\nsurplus_split = [1, 0]", where=WHERE
    ),
    "marginal, gains": economy(-1 - np.array(OWED), settings="law = 'marginal'"),
    "marginal, no certificate": economy(
        measures=[shortfall(0.5), WANG], settings="law = 'marginal'"
    ),
    "marginal, one agent": economy(
        OWED[:1], [shortfall(0.5)], settings="law = 'marginal'"
    ),
    "marginal, not rational": economy(
        settings="law = 'marginal'\nindividually_rational = false"
    ),
}


@pytest.mark.parametrize("name", ECONOMIES)
def test_the_page_runs_on_it(name, tmp_path, capsys):
    path = write(tmp_path, **ECONOMIES[name])
    results = execute(OWN, FEW | {"economy_path": str(path)})
    assert_as_the_file_asks(path, results)
    assert "nan" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["weather", "two_period"])
def test_the_page_runs_on_shipped_examples(name):
    path = example_path(name)
    assert_as_the_file_asks(path, execute(OWN, FEW | {"economy_path": str(path)}))


def assert_as_the_file_asks(path, results):
    file = load_economy(path)
    alone = file.economy.risk_without_trade(file.law)[:, 0]
    rational = file.individually_rational
    try:
        solution = file.solve()
    except dp.Infeasible:
        rational = False
        solution = dp.solve(
            file.economy, file.retention, file.law, individually_rational=False
        )
    near = {"rel": 1e-11, "abs": 1e-11 * file.economy.scale}
    total, gain = results["total_risk_to_go"], results["gain"]
    assert results["risk_without_trade"] == pytest.approx(alone.tolist(), **near)
    assert total == pytest.approx(solution.total_risk_to_go[0], **near)
    assert gain == pytest.approx((alone - solution.risk_to_go[:, 0]).tolist(), **near)
    if rational:
        assert min(gain) >= -1e-9 * file.economy.scale


# economies drawn at random ------------------------------------------------------------


def drawn(folder, rng):
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
