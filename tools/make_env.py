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
