"""The gates themselves: what make, the scripts and the workflows run, and how."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from dynpo_lite.companion.rerun import run as rerun

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
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
        rerun.run_notebook(path, {}, tmp_path / "out", progress=False)


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
        ["make", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
