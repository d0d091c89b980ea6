"""Measure dynpo_lite against other software and print a Markdown table.

    run.py          all rows but the largest: some minutes
    run.py --quick  small sizes: seconds, no verdicts where the size matters
    run.py --large  also 100 million samples: 4 GB of memory, and the largest economies
    run.py --growth only how times grow; writes book/speed_table.md and its picture

Makes the environment .venv-bench out of benchmarks/requirements.txt when needed. Runs
on the standard library of the system's Python.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv-bench"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "dynpo-stamp"
REQUIREMENTS = ROOT / "benchmarks" / "requirements.txt"

sys.path.insert(0, str(ROOT / "tools"))
from make_env import PIP, VERSION, use_supported_python  # noqa: E402


def expected_stamp():
    """Return what the stamp of an up-to-date environment says."""
    total = hashlib.sha256(f"{VENV} {VERSION}".encode())
    for path in (REQUIREMENTS, ROOT / "requirements.txt", ROOT / "pyproject.toml"):
        total.update(path.read_bytes())
    return f"{VERSION} {total.hexdigest()}\n"


def make_environment():
    """Make .venv-bench, unless it is up to date."""
    stamp = expected_stamp()
    if PYTHON.exists() and STAMP.is_file() and STAMP.read_text() == stamp:
        return
    print(f"making .venv-bench with Python {VERSION}", file=sys.stderr, flush=True)
    start = time.perf_counter()
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir()
    (VENV / ".gitignore").write_text("*\n")  # as Python does by itself from 3.13 on
    for command in (
        [sys.executable, "-m", "venv", VENV],
        [PYTHON, *PIP, "-r", REQUIREMENTS],
        [PYTHON, *PIP, "--no-deps", "--no-build-isolation", "--editable", ROOT],
    ):
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            sys.exit("making .venv-bench failed: " + " ".join(map(str, command)))
    STAMP.write_text(stamp)
    seconds = time.perf_counter() - start
    print(f"made .venv-bench in {seconds:.0f} s", file=sys.stderr)


def main():
    """Make the environment and measure in it."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="benchmarks/README.md says what each row measures.",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes: seconds")
    size.add_argument("--large", action="store_true", help="also 1e8 samples: an hour")
    size.add_argument(
        "--growth", action="store_true", help="write the page of the book on growth"
    )
    arguments = parser.parse_args()
    use_supported_python()
    make_environment()
    scripts = ["economies.py"]
    if not arguments.growth:
        scripts = ["rows.py", *scripts, "risk_vectors.py"]
    codes = [
        subprocess.run(
            [PYTHON, ROOT / "benchmarks" / script, *sys.argv[1:]], check=False
        ).returncode
        for script in scripts
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
