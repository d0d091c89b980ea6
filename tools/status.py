"""Measure the commands of the README in a clean clone; write book/times.md.

The book only reads that file, so that its pages do not depend on a clock.  Runs on the
standard library of the system's Python; takes about a quarter of an hour.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measured import sealed

ROOT = Path(__file__).resolve().parents[1]
TIMES = ROOT / "book" / "times.md"
COMMANDS = {
    "make book": "makes the environment, executes every notebook, stops if an output "
    "differs, builds the book",
    "make test": "the tests, and every stored output compared strictly",
    "make faults": "seeds every listed fault and sees its check turn red",
    "make browser": "looks at every page in a real browser, light and dark, wide and "
    "narrow",
    "python3 tools/verify_cases.py": "exact certificates of small cases, without the "
    "package",
}


def main():
    """Run the commands, then write all times at once."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        for command, does in COMMANDS.items():
            seconds = measured(command, folder)
            print(f"{command}: {seconds:.0f} s", file=sys.stderr, flush=True)
            shown = f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"
            rows.append(f"| `{command}` | {does} | {shown} |")
    head = (
        "<!-- written by `python3 tools/status.py` -->\n\n"
        "| command | what it does | time |\n| :-- | :-- | --: |\n"
    )
    stamp = time.strftime("%B %Y", time.gmtime())
    cores = len(os.sched_getaffinity(0))
    tail = (
        f"\nMeasured in {stamp} in a clean clone, one command after the other, on "
        f"{cores} cores ({platform.machine()}, {platform.system()}), Python "
        f"{sys.version_info.major}.{sys.version_info.minor}.\n"
    )
    TIMES.write_text(sealed(head + "\n".join(rows) + "\n" + tail), encoding="utf-8")


def measured(command, folder):
    """Return the seconds that a command takes; end with its output if it fails."""
    start = time.perf_counter()
    done = subprocess.run(
        command.split(), cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
