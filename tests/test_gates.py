"""The gates themselves: what make, the scripts and the workflows run, and how."""

import ast
import importlib
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from chapter_runs import run_notebook
from nbformat.v4 import new_code_cell, new_notebook

import dynpo_lite as dp
from dynpo_lite.companion.rerun import run as rerun

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = ROOT / ".github" / "workflows"


# --- asserts count, whatever the user's environment says ------------------------------


def test_reruns_keep_their_asserts(tmp_path, monkeypatch):
    """PYTHONOPTIMIZE does not reach the kernel of a rerun."""
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    parameters = new_code_cell(
        "x: int = 1  # none; [0, inf); a number", metadata={"tags": ["parameters"]}
    )
    notebook = new_notebook(cells=[parameters, new_code_cell("assert x > 1")])
    path = tmp_path / "01_small.ipynb"
    path.write_text(nbformat.writes(notebook))
    with pytest.raises(rerun.NotebookFailed, match="AssertionError"):
        run_notebook(path, {}, tmp_path / "out", progress=False)


def test_pytest_refuses_to_run_without_asserts():
    """Its warning is an error here: see filterwarnings in pyproject.toml."""
    done = subprocess.run(
        [sys.executable, "-O", "-m", "pytest", "-q", "tests/test_tree.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "assert statements are not executed" in done.stderr
    assert "passed" not in done.stdout


def test_make_keeps_the_asserts_of_all_commands():
    """The strict comparison starts kernels of its own, which inherit from make."""
    show = '--eval=show:; @echo "[$$PYTHONOPTIMIZE]"'
    assert make(show, "show", PYTHONOPTIMIZE="1").stdout == "[]\n"


def make(*arguments, **environment):
    """Run make in the repository; `-n` among the arguments only prints."""
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


# --- make, the script, the workflows --------------------------------------------------


def test_make_runs_every_gate():
    """The commands of `make test`, `make book`, `make faults`, word for word."""

    def lines(target):
        printed = make("-n", target).stdout.replace("\\\n\t", "")
        return [line.removeprefix(".venv/bin/python ") for line in printed.splitlines()]

    tests = lines("test")
    strict = "-m pytest -o addopts= -p no:cacheprovider -n 2 --dist loadfile --nbval "
    strict += "--nbval-current-env --nbval-cell-timeout 300 notebooks"
    unit = "-m pytest -n 2 --dist loadfile"
    for command in ("-m ruff check .", "-m mypy", unit, strict):
        assert command in tests, command
    assert "tools/build_book.py" in lines("book")
    assert "tools/browser.py" in lines("browser")
    (faults,) = [line for line in lines("faults") if "pytest" in line]
    assert faults.startswith("DYNPO_FAULTS=all ")
    assert {"tests/test_faults.py", "tests/test_verifier.py"} <= set(faults.split())


def test_make_stops_where_a_gate_fails():
    """No command ignores its status, pipes it away or goes on after it."""
    for target in ("test", "book", "faults", "browser"):
        recipe = (ROOT / "Makefile").read_text().split(f"\n{target}: ")[1]
        commands = recipe.split("\n\n")[0].splitlines()[1:]
        assert commands
        for line in commands:
            assert not re.match(r"[\t@]*-(?!-)", line), line
            assert not set("|;&") & set(line), line


@pytest.mark.parametrize("broken", ["", "env", "book", "env-test", "test", "browser"])
def test_the_script_runs_every_target_and_fails_with_any(tmp_path, broken):
    """`.ci/run` with a make that notes its targets and fails at one of them."""
    for name in ("python3", "chromium"):
        stub(tmp_path / name, "exit 0")
    stub(tmp_path / "make", f'echo "$2" >> {tmp_path}/made; [ "$2" != "{broken}" ]')
    done = subprocess.run(
        [ROOT / ".ci" / "run"],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    made = (tmp_path / "made").read_text().split()
    assert made == ["env", "book", "env-test", "test", "browser"]
    assert done.returncode == (1 if broken else 0)
    assert (f"{broken} FAILED" if broken else "PASSED:") in done.stdout


def stub(path, command):
    """Write a small program."""
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


def test_the_workflow_of_a_push_runs_the_script():
    workflow = yaml.safe_load((WORKFLOWS / "ci.yml").read_text())
    assert set(workflow[True]) == {"push", "pull_request"}  # YAML's "on"
    (job,) = workflow["jobs"].values()
    steps = job["steps"]
    assert ".ci/run" in [step.get("run") for step in steps]
    assert not any("continue-on-error" in part for part in (job, *steps))
    assert "if" not in next(step for step in steps if step.get("run") == ".ci/run")
    assert steps[1]["with"]["python-version"] == "${{ matrix.python }}"


def test_every_workflow_is_readable():
    """Each has a name, events and jobs with steps that run on a pinned action."""
    for path in WORKFLOWS.glob("*.yml"):
        workflow = yaml.safe_load(path.read_text())
        assert {"name", True, "jobs"} <= set(workflow), path.name
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                assert ("run" in step) != ("uses" in step), step
                assert "@" in step.get("uses", "@"), step


# --- what the tests do not run --------------------------------------------------------


def test_benchmarks_use_names_that_exist():
    """They run by hand, in an environment of their own; here their names are read."""
    for path in (ROOT / "benchmarks").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module)[:5] == "dynpo":
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), (path.name, alias.name)
            elif getattr(getattr(node, "value", None), "id", None) == "dp":
                assert hasattr(dp, node.attr), (path.name, node.attr)


@pytest.mark.parametrize(
    "command", ["benchmarks/run.py", "tools/build_book.py", "tools/make_env.py"]
)
def test_scripts_start(command):
    """Run by the system's Python, they get as far as their own help or imports."""
    done = subprocess.run(
        [sys.executable, "-c", f"import runpy; runpy.run_path({command!r})"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "tools"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
