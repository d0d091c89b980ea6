"""Measure dynpo_lite against other software and print a Markdown table.

    run.py          all rows but the largest: some minutes
    run.py --quick  small sizes: seconds, no verdicts where the size matters
    run.py --large  also 100 million samples: 4 GB of memory, and the largest economies
    run.py --growth only how times grow; writes book/speed_table.md and its picture

Makes the environment .venv-bench out of benchmarks/requirements.txt when needed. Runs
on the standard library of the system's Python.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

sys.path.insert(0, str(ROOT / "tools"))
from make_env import side_environment, use_supported_python  # noqa: E402


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
    python = side_environment(
        ROOT / ".venv-bench",
        ROOT / "benchmarks" / "requirements.txt",
        *("--no-deps", "--no-build-isolation", "--editable", ROOT),
    )
    scripts = ["economies.py"]
    if not arguments.growth:
        scripts = ["rows.py", *scripts, "lattices.py", "risk_vectors.py"]
    codes = [
        subprocess.run(
            [python, ROOT / "benchmarks" / script, *sys.argv[1:]], check=False
        ).returncode
        for script in scripts
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
