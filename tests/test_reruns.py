"""The chapters with other parameters, and gates that can fail.

Every conclusion of a chapter is an assert in one of its cells, so a rerun that ends has
drawn the same conclusions again.  A chapter gets 25 sets of parameters: its defaults,
changes of each parameter alone, and random ones.  DYNPO_RERUNS asks for so many random
ones instead; DYNPO_SEED says where they begin.
"""

import json
import os
import shutil
import subprocess
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import yaml
from chapter_runs import execute, run_notebook
from random_economies import drawn_economy
from random_parameters import MOST, MOST_BY_DAY, draw

import dynpo_lite as dp
from dynpo_lite.companion.files.economy_file import example_path
from dynpo_lite.companion.rerun import parameters, record
from dynpo_lite.companion.rerun.run import NotebookFailed

ROOT = Path(__file__).resolve().parents[1]
TWO_PERIODS = "06_two_period_example"
MYOPIC = "07_myopic_versus_dynamic"
EXAMPLE_AUDIT = "section_6"
EXAMPLES = [TWO_PERIODS, MYOPIC, EXAMPLE_AUDIT]
OWN = "12_your_own_economy"
PRACTICE = "practice"
THEORY = [
    "section_2",
    "section_3",
    "section_4",
    "section_5_market",
    "section_5_solution",
    "appendix_a",
    "readings",
]
VECTORS = "risk_vectors"
FEW = {
    **{notebook: {"n_economies": 5} for notebook in THEORY},
    TWO_PERIODS: {"n_samples": 400},
    MYOPIC: {"n_samples": 400},
    EXAMPLE_AUDIT: {"n_samples": 400},
    VECTORS: {"n_instances": 3},
    OWN: {"n_paths": 400},
    PRACTICE: {"n_paths": 400},
}

# one change for each parameter; some number must move
EXAMPLE = {
    "mean": 150.0,
    "agent1_threshold": 0.3,
    "agent1_level": 0.85,
    "agent2_threshold": 0.7,
    "agent2_level": 0.98,
    "agent1_level_time0": 0.8,
    "agent2_level_time0": 0.1,
    "n_samples": 5000,
    "seed": 2,
}
SEED = int(os.environ.get("DYNPO_SEED", "2"))  # the nightly workflow takes new ones
RERUNS = int(os.environ.get("DYNPO_RERUNS", "0"))
SETS_BY_DAY = 25
RANDOM = {"seed": SEED, "n_economies": 6}
PATHS = {
    "economy_path": str(example_path("two_period")),
    "n_paths": 3000,
    "groups": 12,
    "seed": 2,
}
CHANGES = {
    "section_2": RANDOM | {"level": 0.65, "discount": 0.9},
    "section_3": RANDOM | {"swap": 0.02},
    "section_4": RANDOM | {"n_agents": 3, "horizon": 3},
    "section_5_market": RANDOM | {"n_agents": 3, "horizon": 3},
    "section_5_solution": RANDOM | {"agent2_level": 0.3, "aversion": 0.9},
    "appendix_a": RANDOM | {"n_agents": 4, "n_states": 60},
    "readings": RANDOM | {"n_agents": 2, "horizon": 1},
    TWO_PERIODS: EXAMPLE,
    MYOPIC: EXAMPLE | {"w1": 0.4},
    EXAMPLE_AUDIT: EXAMPLE | {"w1": 0.4},
    VECTORS: {
        "seed": SEED,
        "n_states": 25,
        "n_instances": 4,
        "dependence": 0.3,
        "shortfall_level": 0.8,
    },
    OWN: PATHS,
    PRACTICE: PATHS,
}
SWAPPED = {
    "agent1_threshold": 0.6,
    "agent1_level": 0.99,
    "agent2_threshold": 0.2,
    "agent2_level": 0.9,
    "agent1_level_time0": 0.0,
    "agent2_level_time0": 0.9,
}
NAMED = [
    (TWO_PERIODS, {"agent1_level": 0.95, "n_samples": 20000}),  # the README's
    (EXAMPLE_AUDIT, {"agent1_level": 0.95, "n_samples": 20000}),
    (EXAMPLE_AUDIT, {"agent1_level": 0.905}),
    (
        "section_5_market",
        {
            "seed": 164118896089794208,
            "n_economies": 6,
            "horizon": 4,
            "n_agents": 3,
        },
    ),
    (
        VECTORS,
        {
            "seed": 255478842731262990,
            "n_states": 12,
            "n_instances": 3,
            "dependence": 0.14331450424041914,
            "shortfall_level": 0.8468915013193581,
        },
    ),
    *(
        (
            notebook,
            {
                "agent1_threshold": 0.06,
                "agent1_level": 0.83,
                "agent2_threshold": 0.04,
                "agent2_level": 0.272,
                "mean": 50.0,
                "n_samples": 1000,
            },
        )
        for notebook in EXAMPLES
    ),
    *(
        (
            notebook,
            {
                "agent1_threshold": 0.25,
                "agent1_level": 0.1,
                "agent2_threshold": 0.49,
                "agent2_level": 0.186,
                "agent1_level_time0": 0.2,
                "agent2_level_time0": 0.0,
                "mean": 50.0,
                "w1": 0.37,
                "n_samples": 1000,
            },
        )
        for notebook in (MYOPIC, EXAMPLE_AUDIT)
    ),
    *(
        (
            notebook,
            {
                "agent1_threshold": 0.9854393229332579,
                "agent1_level": 0.6789363766502087,
                "agent2_threshold": 0.90603835637488,
                "agent2_level": 0.9252205924789451,
                "n_samples": 540,
                "w1": 0.1262125215658776,
            },
        )
        for notebook in (MYOPIC, EXAMPLE_AUDIT)
    ),
]
SETS = [
    {},
    SWAPPED | {"mean": 3.5, "seed": 7, "n_samples": 100},
    {"agent1_threshold": 0.6, "seed": 3},  # equal thresholds
    {"agent1_threshold": 0.0, "agent2_threshold": 0.0},
    {
        "agent1_level": 0.5,
        "agent2_level": 0.6,
        "agent1_threshold": 0.1,
        "agent2_threshold": 0.9,
        "n_samples": 20000,
    },
    {"agent2_level": 0.0, "agent1_level_time0": 0.5, "agent2_level_time0": 0.5},
]


def run(notebook, values):
    """Run a chapter's cells in this process; return what it records."""
    return _run(notebook, tuple((FEW[notebook] | values).items()))


@cache
def _run(notebook, values):
    return execute(notebook, dict(values))


@pytest.mark.parametrize("values", SETS, ids=lambda v: ",".join(v) or "defaults")
@pytest.mark.parametrize("notebook", EXAMPLES)
def test_conclusions_hold_with_other_parameters(notebook, values):
    results = run(notebook, values)
    example = dp.TwoPeriodExample(
        **{k: v for k, v in values.items() if k in vars(dp.TwoPeriodExample())}
    )
    assert results["attachments_marginal"] == pytest.approx(
        example.attachments().tolist(), rel=1e-11
    )


def test_swapping_the_agents_swaps_the_answer():
    one, two = run(TWO_PERIODS, {}), run(TWO_PERIODS, SWAPPED)
    assert one["attachments_marginal"] == two["attachments_marginal"]
    assert one["time0_assessments"] == two["time0_assessments"][::-1]


@pytest.mark.parametrize(
    "values",
    [
        {"seed": 2, "n_paths": 900, "groups": 3},
        {"economy_path": str(example_path("two_period"))},
        {"groups": 2, "seed": 5},
        {"groups": 100, "n_paths": 6000},
    ],
    ids=lambda v: ",".join(v),
)
def test_conclusions_hold_for_other_economies_and_paths(values):
    results = run(OWN, values)
    assert results["total_risk_to_go"] < sum(results["risk_without_trade"])
    audit = run(PRACTICE, values)
    assert audit["total_risk_to_go"] == results["total_risk_to_go"]


# many reruns: defaults, each parameter alone, all of them at random -------------------


@cache
def reruns(notebook):
    """Return values, results and failure of reruns: a base, single changes, others."""
    base = FEW[notebook]
    given = [base, *(base | {k: v} for k, v in CHANGES[notebook].items())]
    jobs = given + list(range(RERUNS or SETS_BY_DAY - len(given)))
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(rerun, [notebook] * len(jobs), jobs))


def rerun(notebook, job):
    """Run a chapter with given parameters, or with the random ones of a number."""
    with TemporaryDirectory() as folder:
        values = job if isinstance(job, dict) else random_values(notebook, job, folder)
        try:
            with redirect_stdout(StringIO()):
                return values, execute(notebook, values), None
        except Exception as error:
            cells = traceback.extract_tb(error.__traceback__)
            where = [(c.filename, c.lineno) for c in cells if notebook in c.filename]
            return values, None, f"{values}: {error!r} in {where[-1:]}"


def random_values(notebook, number, folder):
    """Return legal values; the numbers of samples are small, and smaller by day."""
    rng = np.random.default_rng([SEED, number])
    values = draw(notebook, rng, MOST if RERUNS else MOST | MOST_BY_DAY)
    if notebook in (OWN, PRACTICE) and rng.random() < 0.9:
        values["economy_path"] = str(drawn_economy(folder, rng))
    return values


@pytest.mark.parametrize("notebook", CHANGES)
def test_conclusions_hold_for_random_parameters(notebook):
    """Every value is legal: where a page covers less, it says so and goes on."""
    failed = [failure for *_, failure in reruns(notebook) if failure]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("notebook", CHANGES)
def test_every_parameter_changes_some_number(notebook):
    declared = parameters.read_parameters(parameters.find_notebook(notebook))
    assert {p.name for p in declared} == set(CHANGES[notebook])
    (_, base, _), *alone = reruns(notebook)[: len(declared) + 1]
    for values, results, _ in alone:
        assert results != base, values


@pytest.mark.parametrize("values", NAMED, ids=lambda pair: ",".join(pair[1]))
def test_sets_that_once_failed(values):
    execute(*values)


@pytest.mark.parametrize("seed", range(10))
def test_the_smallest_sample(seed):
    execute(EXAMPLE_AUDIT, {"n_samples": 100, "seed": seed})


@pytest.mark.parametrize("mean", [1e-100, 1e-12, 1e100])
@pytest.mark.parametrize("notebook", EXAMPLES)
def test_numbers_scale_with_the_losses(notebook, mean):
    scaled, base = run(notebook, {"mean": mean}), run(notebook, {"mean": 1.0})
    for name in ("attachments_marginal", "total_risk_to_go_marginal"):
        if name in base:
            assert np.allclose(scaled[name], np.array(base[name]) * mean, 1e-9, 0)


def test_every_chapter_is_rerun_every_night():
    found = parameters.notebooks()
    chapters = {path.stem for path in found if parameters.read_parameters(path)}
    assert chapters == set(CHANGES)
    assert chapters >= {path.stem for path in found if path.parent.name == "audit"}
    workflow = yaml.safe_load((ROOT / ".github/workflows/nightly.yml").read_text())
    job = workflow["jobs"]["reruns"]
    numbers = job["strategy"]["matrix"]["chapter"]
    assert sorted(numbers) == sorted(chapters)
    (step,) = (step for step in job["steps"] if "pytest" in step.get("run", ""))
    assert "random_parameters and" in step["run"]
    assert step["env"]["DYNPO_RERUNS"] == 1000


def test_results_hold_what_is_promised():
    promised = {
        "attachments_marginal",
        "total_risk_to_go_marginal",
        "expected_total_risk_to_go_marginal",
        "expected_total_risk_to_go_conditional",
        "expected_total_risk_to_go_deterministic",
        "time0_total_risk_marginal",
        "time0_assessments",
    }
    path = parameters.find_notebook(TWO_PERIODS)
    stored = record.harvest(json.loads(path.read_text()))
    assert promised <= set(stored)
    assert stored["attachments_marginal"] == [776.613476187]
    assert stored["total_risk_to_go_marginal"] == [200.0, 461.371343093, 1067.02607962]
    assert "776.6134761866" in path.read_text()


# the whole way, in kernels ----------------------------------------------------------


def test_reruns_in_kernels(tmp_path):
    calls = [
        ("06", {}),
        ("07", {"w1": "0.2", "agent2_level": "0.95", "seed": "5"}),
        ("07", {"mean": "50", "agent1_threshold": "0.1", "n_samples": "20000"}),
    ]

    def one(number):
        notebook, values = calls[number]
        folder = tmp_path / str(number)
        options = [x for k, v in values.items() for x in ("-p", f"{k}={v}")]
        command = [sys.executable, "-m", "dynpo_lite.companion.cli", "run", notebook]
        done = subprocess.run(
            [*command, *options, "-o", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads((folder / "results.json").read_text())

    with ThreadPoolExecutor(2) as pool:
        defaults, fifth, small = pool.map(one, range(3))
    stored = json.loads(parameters.find_notebook(TWO_PERIODS).read_text())
    assert defaults["results"] == record.harvest(stored)  # the committed outputs
    assert fifth["parameters"]["w1"] == 0.2
    assert fifth["results"]["endowment_range"][0] > 0.2
    assert small["results"]["attachments_marginal"] == pytest.approx(
        dp.TwoPeriodExample(mean=50, agent1_threshold=0.1).attachments().tolist(),
        rel=1e-11,
    )


def test_a_check_that_fails_says_whose_fault_it_is(tmp_path):
    source = json.loads(parameters.find_notebook(TWO_PERIODS).read_text())
    source["cells"] = [c for c in source["cells"] if c["id"] in ("06-02", "06-05")]
    source["cells"][1]["source"] = ["assert mean < 300"]
    path = tmp_path / "small.ipynb"
    path.write_text(json.dumps(source))
    with pytest.raises(NotebookFailed) as caught:
        run_notebook(path, {"mean": 400.0}, tmp_path / "out", progress=False)
    assert str(caught.value).startswith(
        "small failed in cell [3]: AssertionError: a check of this page fails although "
        "every value lies inside the domain that the page declares: the book is wrong "
        "there; please report dynpo run small -p mean=400.0; kept"
    )


# seeded faults ------------------------------------------------------------------------


def nbval(folder):
    """Compare the notebooks of a folder the way `make test` does."""
    options = "-o addopts= -p no:cacheprovider -q --nbval --nbval-current-env"
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), "--rootdir", folder, folder],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("776.6134761866", "776.6134761867"),  # a digit in a stored output
        ("461.371343093", "461.371343092"),
    ],
)
def test_a_changed_digit_turns_nbval_red(tmp_path, old, new):
    text = parameters.find_notebook(TWO_PERIODS).read_text()
    assert old in text
    (tmp_path / "copy.ipynb").write_text(text.replace(old, new))
    done = nbval(tmp_path)
    assert done.returncode == 1, done.stdout[-2000:]
    assert "mismatch" in done.stdout


def test_a_copy_without_faults_passes_nbval(tmp_path):
    shutil.copy(parameters.find_notebook(TWO_PERIODS), tmp_path / "copy.ipynb")
    done = nbval(tmp_path)
    assert done.returncode == 0, done.stdout[-2000:]
