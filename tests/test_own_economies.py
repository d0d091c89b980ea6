"""The page of your own economy, and its audit, run on any legal economy."""

import numpy as np
import pytest
from chapter_runs import execute
from random_economies import MEAN, WANG, shortfall, write

import dynpo_lite as dp
from dynpo_lite.companion.files.economy_file import example_path, load_economy

OWN = "12_your_own_economy"
AUDIT = "practice"
FEW = {"n_paths": 200, "groups": 2}
OWED = [[0, 0, 2, 0, 4, 0, 8], [0, 2, 0, 2, 0, 4, 4]]
WHERE = "[[agent.where]]\nnodes = ['2']\nmeasure = {kind = 'worst_case'}\n"
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


@pytest.mark.parametrize("name", ECONOMIES)
def test_the_audit_runs_on_it(name, tmp_path, capsys):
    path = write(tmp_path, **ECONOMIES[name])
    execute(AUDIT, FEW | {"economy_path": str(path)})
    assert "nan" not in capsys.readouterr().out


EXAMPLES = ["weather", "two_period", "paths", "chain", "arcs"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_runs_on_shipped_examples(name):
    path = example_path(name)
    assert_as_the_file_asks(path, execute(OWN, FEW | {"economy_path": str(path)}))
    execute(AUDIT, FEW | {"economy_path": str(path)})


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
