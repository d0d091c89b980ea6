"""The source distribution and the wheel are complete and work on their own.

The source distribution is built offline from a copy of the tracked files, the wheel
from the unpacked source distribution, as an installer would do it. It then runs beside
numpy and scipy, in an environment that has nothing else.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import dynpo_lite

ROOT = Path(__file__).resolve().parents[1]
NAME = f"dynpo_lite-{dynpo_lite.__version__}"
METADATA = {"PKG-INFO", "setup.cfg"}  # and dynpo_lite.egg-info
IGNORED = (
    ".venv/pyvenv.cfg",
    "_build/html/index.html",
    "build/lib/dynpo_lite/removed.py",
    "dynpo_lite/__pycache__/removed.cpython-311.pyc",
    "notebooks/.ipynb_checkpoints/section_2-checkpoint.ipynb",
    "runs/milder/results.json",
    "tests/__pycache__/test_removed.cpython-311.pyc",
)
BUILD = """
import sys
from setuptools import build_meta
getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2])
"""

pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists() or not shutil.which("git"),
    reason="only git says which files there should be",
)


def run(*command, cwd):
    """Run a command that must succeed, in an environment without our settings."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PIP"))}
    done = subprocess.run(
        command, cwd=cwd, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tracked():
    """Return the files that git tracks and that are there."""
    listed = run("git", "-c", "safe.directory=*", "ls-files", "-z", cwd=ROOT)
    return {name for name in listed.split("\0") if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def sdist(tracked, tmp_path_factory):
    """Build the source distribution beside ignored files; return it unpacked."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("sdist")
    for name in sorted(tracked):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    for name in IGNORED:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("")
    run(sys.executable, "-c", BUILD, "sdist", out, cwd=copy)
    with tarfile.open(out / f"{NAME}.tar.gz") as archive:
        archive.extractall(out, filter="data")
    return out / NAME


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Build the wheel from the unpacked source distribution; return its path."""
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-c", BUILD, "wheel", out, cwd=sdist)
    return out / f"{NAME}-py3-none-any.whl"


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    """Install the wheel into an environment of numpy and scipy; return its programs."""
    home = tmp_path_factory.mktemp("bare")
    venv.create(home, symlinks=True)
    (site,) = home.glob("lib/python*/site-packages")
    for library in ("numpy", "scipy"):
        distribution = importlib.metadata.distribution(library)
        for top in {file.parts[0] for file in distribution.files} - {".."}:
            (site / top).symlink_to(distribution.locate_file(top))
    pip = (sys.executable, "-m", "pip", "--python", home / "bin" / "python")
    run(*pip, "install", "--quiet", "--no-index", wheel, cwd=home)
    return home / "bin"


def test_the_source_distribution_holds_the_tracked_files(sdist, tracked):
    files = {p.relative_to(sdist).as_posix() for p in sdist.rglob("*") if p.is_file()}
    found = {name for name in files if not name.startswith("dynpo_lite.egg-info/")}
    assert tracked > {"tests/oracles.py", "tests/data/exact_cases.json", ".ci/run"}
    assert found - METADATA == tracked


def test_the_wheel_holds_the_package(wheel, tracked):
    with zipfile.ZipFile(wheel) as archive:
        found = {n for n in archive.namelist() if ".dist-info/" not in n}
        licences = {Path(n).name for n in archive.namelist() if "/licenses/" in n}
    assert "dynpo_lite/py.typed" in found
    assert found == {name for name in tracked if name.startswith("dynpo_lite/")}
    assert licences == {"LICENSE", "LICENSE-text", "LICENSE-data"}


def test_the_version_has_one_source():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert importlib.metadata.version("dynpo-lite") == dynpo_lite.__version__


def test_the_wheel_alone_solves_the_example(bare, tmp_path):
    assert run(bare / "dynpo", "--version", cwd=tmp_path).split()[-1] == NAME[11:]
    run(bare / "dynpo", "solve", "--example", "mine", cwd=tmp_path)
    run(bare / "dynpo", "solve", "mine/economy.toml", "-o", "answer", cwd=tmp_path)
    answer = json.loads((tmp_path / "answer" / "solution.json").read_text())
    assert answer["versions"]["dynpo-lite"] == NAME[11:]


def test_the_wheel_alone_computes(bare, tmp_path):
    code = (
        "import dynpo_lite as dp; print(dp.__file__);"
        "print([f'{d:.6f}' for d in dp.TwoPeriodExample().attachments()])"
    )
    place, printed = run(bare / "python", "-c", code, cwd=tmp_path).splitlines()
    assert Path(place).is_relative_to(bare.parent)
    assert printed == "['776.613476']"


def test_the_wheel_alone_solves_the_shipped_insurers(bare, tmp_path):
    """Their figures come with it."""
    module = "dynpo_lite.companion.chapters.insurers"
    table = run(bare / "python", "-m", module, cwd=tmp_path)
    assert table.split()[-4:] == ["total", "1934.63", "1803.58", "131.048"]


def test_what_a_build_leaves_behind_is_ignored():
    leftover = ["build/lib/dynpo_lite/__init__.py", f"dist/{NAME}.tar.gz"]
    assert run("git", "check-ignore", *leftover, cwd=ROOT).split() == leftover
