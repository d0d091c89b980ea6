"""Make the environment ./.venv out of requirements.lock, unless it is up to date.

    make_env.py          any supported Python will do
    make_env.py --exact  this very version

A stamp in .venv holds the digest of all that went in: a changed lock, a moved or copied
folder or a vanished interpreter leads to a new environment, a fresh clone or a changed
date does not. Runs on the standard library of the system's Python.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "dynpo-stamp"
SUPPORTED = ((3, 11), (3, 14))  # from, and below
VERSION = "{}.{}".format(*sys.version_info)
PIP = ["-m", "pip", "--disable-pip-version-check", "-qq", "install"]  # errors only


def use_supported_python():
    """Go on in a supported Python, or stop with one clear line."""
    low, high = SUPPORTED
    if low <= sys.version_info[:2] < high:
        return
    for minor in range(high[1] - 1, low[1] - 1, -1):
        other = shutil.which(f"python3.{minor}")
        if other and "--exact" not in sys.argv:
            os.execv(other, [other, *sys.argv])
    sys.exit(
        f"This is Python {VERSION}; needed is 3.{low[1]} to 3.{high[1] - 1}:"
        " make PYTHON=/path/to/python"
    )


def expected_stamp(version):
    """Return what the stamp of an up-to-date environment of a Python version says."""
    total = hashlib.sha256(f"{VENV} {version}".encode())
    for name in ("requirements.lock", "pyproject.toml"):
        total.update((ROOT / name).read_bytes())
    return f"{version} {total.hexdigest()}\n"


def is_up_to_date():
    """Tell whether the environment is the one that would be made now."""
    if not STAMP.is_file() or not PYTHON.exists():
        return False
    ask = "import sys; print('{}.{}'.format(*sys.version_info))"
    answer = subprocess.run([PYTHON, "-c", ask], capture_output=True, text=True)
    version = answer.stdout.strip()
    if "--exact" in sys.argv and version != VERSION:
        return False
    return STAMP.read_text() == expected_stamp(version)


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


def main():
    """Make the environment."""
    use_supported_python()
    if is_up_to_date():
        return
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        sys.exit("Python's venv is incomplete: apt-get install python3-venv")
    print(f"making .venv with Python {VERSION}: about a minute", flush=True)
    start = time.perf_counter()
    run(sys.executable, "-m", "venv", "--clear", VENV)
    run(PYTHON, *PIP, "--require-hashes", "-r", "requirements.lock")
    run(PYTHON, *PIP, "--no-deps", "--no-build-isolation", "--editable", ".")
    # Built once here, matplotlib's list of fonts never shows up in a notebook.
    run(PYTHON, "-c", "import matplotlib.font_manager")
    STAMP.write_text(expected_stamp(VERSION))
    print(f"made .venv in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
