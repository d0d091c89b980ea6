"""Make the environment ./.venv out of the locks, unless it is up to date.

    make_env.py          what the book needs: requirements.lock
    make_env.py --test   and what only tests need: requirements-test.lock
    make_env.py --exact  with this very version of Python; else any tested one will do

A stamp in .venv for each part holds the digest of all that went in: a changed lock, a
moved or copied folder or a vanished interpreter leads to a new environment, a fresh
clone or a changed date does not. Tests are added to an environment of the book. Runs on
the standard library of the system's Python.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST, NEWEST = (3, 11), (3, 14)  # newer ones are tried
RANGE = f"3.{OLDEST[1]} to 3.{NEWEST[1]}"
VERSION = "{}.{}".format(*sys.version_info)
PIP = ["-m", "pip", "--disable-pip-version-check", "-qq", "install"]  # errors only


def use_supported_python():
    """Go on in a supported Python, or stop with one clear line."""
    here = sys.version_info[:2]
    if OLDEST <= here <= NEWEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        other = shutil.which(f"python3.{minor}")
        if other and "--exact" not in sys.argv:
            os.execv(other, [other, *sys.argv])
    if here < OLDEST:
        sys.exit(
            f"This is Python {VERSION}; needed is {RANGE}: make PYTHON=/path/to/python"
        )
    print(f"Python {VERSION} is untested, {RANGE} are supported: trying", flush=True)


def stamp(part):
    """Return the path of the stamp of a part, the book's or the tests'."""
    return VENV / f"dynpo-stamp-{part}"


def expected_stamp(part, version):
    """Return what the stamp of an up-to-date part says in a Python version."""
    total = hashlib.sha256(f"{VENV} {version}".encode())
    locks = ("requirements.lock", "requirements-test.lock")[: 1 + (part == "test")]
    for name in ("pyproject.toml", *locks):
        total.update((ROOT / name).read_bytes())
    # The installed metadata have the version that was in here when they were made.
    source = (ROOT / "dynpo_lite" / "__init__.py").read_text(encoding="utf-8")
    total.update(re.search("^__version__ = .*", source, re.MULTILINE)[0].encode())
    return f"{version} {total.hexdigest()}\n"


def is_up_to_date(part):
    """Tell whether a part of the environment is the one that would be made now."""
    if not stamp(part).is_file() or not PYTHON.exists():
        return False
    ask = "import sys; print('{}.{}'.format(*sys.version_info))"
    answer = subprocess.run([PYTHON, "-c", ask], capture_output=True, text=True)
    version = answer.stdout.strip()
    if "--exact" in sys.argv and version != VERSION:
        return False
    return stamp(part).read_text() == expected_stamp(part, version)


def run(*command):
    """Run a command of the making; stop when it fails."""
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit("making .venv failed: " + " ".join(map(str, command)))


def side_environment(venv, requirements, *options):
    """Make an environment beside .venv, unless it is up to date; return its Python.

    ``requirements`` is a list of pins; ``options`` of pip install what comes on top.
    """
    python, stamp = venv / "bin" / "python", venv / "dynpo-stamp"
    total = hashlib.sha256(f"{venv} {VERSION}".encode())
    for path in (requirements, ROOT / "requirements.txt", ROOT / "pyproject.toml"):
        total.update(path.read_bytes())
    expected = f"{VERSION} {total.hexdigest()}\n"
    if python.exists() and stamp.is_file() and stamp.read_text() == expected:
        return python
    print(f"making {venv.name} with Python {VERSION}", file=sys.stderr, flush=True)
    start = time.perf_counter()
    shutil.rmtree(venv, ignore_errors=True)
    venv.mkdir()
    (venv / ".gitignore").write_text("*\n")  # as Python does by itself from 3.13 on
    commands = [[sys.executable, "-m", "venv", venv]]
    commands += [[python, *PIP, "-r", requirements]]
    commands += [[python, *PIP, *options]] if options else []
    for command in commands:
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            sys.exit(f"making {venv.name} failed: " + " ".join(map(str, command)))
    stamp.write_text(expected)
    seconds = time.perf_counter() - start
    print(f"made {venv.name} in {seconds:.0f} s", file=sys.stderr)
    return python


def make_book_part():
    """Make a new environment with what the book needs."""
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        sys.exit("Python's venv is incomplete: apt-get install python3-venv")
    print(f"making .venv with Python {VERSION}: about a minute", flush=True)
    start = time.perf_counter()
    run(sys.executable, "-m", "venv", "--clear", VENV)
    # Python compiles what is used when it is used; to compile all takes 80 MB more.
    run(PYTHON, *PIP, "--no-compile", "--require-hashes", "-r", "requirements.lock")
    run(PYTHON, *PIP, "--no-deps", "--no-build-isolation", "--editable", ".")
    # Built once here, matplotlib's list of fonts never shows up in a notebook.
    run(PYTHON, "-c", "import matplotlib.font_manager")
    stamp("book").write_text(expected_stamp("book", VERSION))
    print(f"made .venv in {time.perf_counter() - start:.0f} s")


def add_test_part():
    """Add what only tests need."""
    print("adding to .venv what the tests need", flush=True)
    start = time.perf_counter()
    run(PYTHON, *PIP, "--require-hashes", "-r", "requirements-test.lock")
    # The tests start Python a few hundred times, also where it keeps no bytecode.
    run(PYTHON, "-m", "compileall", "-qq", "-j", "0", VENV / "lib")
    stamp("test").write_text(expected_stamp("test", VERSION))
    print(f"added it in {time.perf_counter() - start:.0f} s")


def main():
    """Make the environment, or the part of it that is missing."""
    use_supported_python()
    wants_tests = "--test" in sys.argv
    tests_ready = not wants_tests or is_up_to_date("test")
    # Tests of another lock leave packages behind: begin anew.
    outdated = not tests_ready and stamp("test").exists()
    if outdated or not is_up_to_date("book"):
        make_book_part()
        tests_ready = not wants_tests
    if not tests_ready:
        add_test_part()


if __name__ == "__main__":
    main()
