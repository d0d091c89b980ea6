"""The stand-alone verifier accepts the exact cases and rejects wrong answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tools" / "verify_cases.py"
CASES = ROOT / "tests" / "data" / "exact_cases.json"


def verify(path):
    """Run the verifier without the site's packages."""
    return subprocess.run(
        [sys.executable, "-I", "-S", SCRIPT, path],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_exact_cases_pass_on_the_standard_library():
    done = verify(CASES)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("8 passed, 0 failed\n")


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("C01", lambda c: c["answer"]["V"].update({"0": "1944/25"})),
        ("C05", lambda c: c["answer"]["V"].update({"M": "146"})),
        ("C06", lambda c: c["nodes"]["A1"].update({"p": "1/3"})),
        ("C08", lambda c: c["answer"]["saddle_weights"]["0"].update({"1": ["1", "0"]})),
        ("C10", lambda c: c["prefs"]["1"].update(c["prefs"]["2"])),
    ],
)
def test_a_wrong_case_fails(tmp_path, case, change):
    data = json.loads(CASES.read_text())
    (wrong,) = [c for c in data["cases"] if c["id"].startswith(case)]
    change(wrong)
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(data))
    done = verify(path)
    assert done.returncode == 1
    assert f"{wrong['id']}: FAILED" in done.stdout
    assert done.stdout.endswith("7 passed, 1 failed\n")
