"""Change the mathematics in small ways: do the unit tests and doctests notice?

    mutants.py                       1,000 mutants, drawn at random
    mutants.py --sample 100 --seed 2
    mutants.py --only risk scenarios these rooms alone
    mutants.py --listed              the ones called equivalent: do they survive?

mutmut makes the mutants and runs, for each, the tests that reach its function, in a
fork of one warm process.  Mutants that differ only in a text, or in the strictness of a
zip, are left out.  Those that no test can tell from the original stand in
tests/mutants_equivalent.toml, each with its reason.  Ends with 1 if fewer than 97 % of
the others are noticed.

Works in an environment of its own, .venv-mutants, on a copy of package and tests there.
"""

import argparse
import ast
import difflib
import json
import os
import random
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from make_env import side_environment, use_supported_python

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv-mutants"
RUN = VENV / "run"
EQUIVALENT = ROOT / "tests" / "mutants_equivalent.toml"
ENOUGH = 0.97
NOTICED = ("killed", "timeout", "segfault")
ROOMS = ["base", "economy", "risk", "scenarios", "section6", "sharing", "vectors"]
KEYS = ("function", "before", "after")


def main():
    """Draw mutants, run their tests, print what survived and the score."""
    arguments = read_arguments()
    if Path(sys.prefix) != VENV:
        use_supported_python()
        python = side_environment(VENV, ROOT / "tests" / "mutants_requirements.txt")
        return subprocess.run([python, *sys.argv], check=False).returncode
    os.nice(10)
    copy_sources(arguments.only)
    mutants, listed = list_mutants(), read_equivalent(arguments.only)
    gone = listed - set(mutants.values())
    if gone:
        print("listed as equivalent, but no mutant:", *map(entry, sorted(gone)))
        return 1
    chosen = sorted(n for n, m in mutants.items() if (m in listed) == arguments.listed)
    if not arguments.listed:
        few = min(arguments.sample, len(chosen))
        chosen = random.Random(arguments.seed).sample(chosen, few)
    status = run_tests(chosen)
    noticed = [name for name in chosen if status[name] in NOTICED]
    for name in (n for n in chosen if (n in noticed) == arguments.listed):
        print(f"\n# {name}: {status[name]}{entry(mutants[name])}")
    if arguments.listed:
        print(f"{len(noticed)} of {len(chosen)} listed mutants are noticed after all")
        return int(bool(noticed))
    score = len(noticed) / len(chosen)
    print(
        f"{len(noticed)} of {len(chosen)} mutants noticed, {100 * score:.1f} %: seed "
        f"{arguments.seed}, drawn from {len(mutants)}, {len(listed)} changes listed as "
        "equivalent"
    )
    return int(score < ENOUGH)


def read_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=1000, help="how many mutants")
    parser.add_argument("--seed", type=int, default=1, help="of the drawing")
    parser.add_argument("--only", nargs="+", default=ROOMS, help="rooms to change")
    parser.add_argument("--listed", action="store_true", help="try the equivalent ones")
    return parser.parse_args()


def copy_sources(rooms):
    """Copy what the tests of the mathematics need, afresh, and go there."""
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir()
    for folder in ("dynpo_lite", "tests"):
        shutil.copytree(ROOT / folder, RUN / folder)
    changed = json.dumps([f"dynpo_lite/{room}/*.py" for room in rooms])
    settings = f"[tool.mutmut]\nonly_mutate = {changed}"
    text = (ROOT / "pyproject.toml").read_text().replace("[tool.mutmut]", settings)
    (RUN / "pyproject.toml").write_text(text)
    os.chdir(RUN)


def list_mutants():
    """Return {mutmut's name: (function, line before, line after)}, texts left out."""
    from mutmut.configuration import config
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name, parse_mutant_key

    found = {}
    for path in sorted(
        filter(config().should_mutate, Path("dynpo_lite").rglob("*.py"))
    ):
        mutated = mutate_file_contents(str(path), path.read_text())
        bodies = {
            node.name: node
            for node in ast.walk(ast.parse(mutated.code))
            if isinstance(node, ast.FunctionDef)
        }
        for name in mutated.mutant_names:
            key = name.rpartition("__mutmut_")[0]
            function, owner = parse_mutant_key(key)
            parts = (*path.with_suffix("").parts, owner, function)
            change = difference(bodies[f"{key}__mutmut_orig"], bodies[name])
            if change:
                where = ".".join(filter(None, parts))
                found[get_mutant_name(path, name)] = (where, *change)
    return found


def difference(original, mutant):
    """Return the lines of a function that change, before and after."""
    if without_texts(original) == without_texts(mutant):
        return None
    before, after = (
        [line.strip() for line in ast.unparse(node).splitlines()[1:]]
        for node in (original, mutant)
    )
    lines = list(difflib.ndiff(before, after))
    return tuple(
        " ".join(line[2:] for line in lines if line.startswith(mark))
        for mark in ("- ", "+ ")
    )


def without_texts(function):
    """Return the code of a function with every text emptied, and without its name."""
    tree = ast.parse(ast.unparse(function))
    tree.body[0].name = "function"
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
        if isinstance(node, ast.Call):  # zip(..., strict=True) never fires
            node.keywords = [word for word in node.keywords if word.arg != "strict"]
    return ast.dump(tree)


def read_equivalent(rooms):
    """Return the changes to these rooms that no test can notice."""
    listed = tomllib.loads(EQUIVALENT.read_text())["mutant"]
    assert all(mutant["reason"] for mutant in listed)
    changes = {tuple(mutant[key] for key in KEYS) for mutant in listed}
    return {change for change in changes if change[0].split(".")[1] in rooms}


def entry(mutant):
    """Write a change as it would stand in the list of the equivalent ones."""
    pairs = zip((*KEYS, "reason"), (*mutant, ""), strict=True)
    lines = [f"{key} = {json.dumps(value)}" for key, value in pairs]
    return "\n".join(["", "[[mutant]]", *lines])


def run_tests(names):
    """Let mutmut run the tests of these mutants; return {name: status}."""
    mutmut = Path(sys.executable).with_name("mutmut")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tools")}
    with open("log.txt", "w") as log:  # of a spinner, mostly
        run = [mutmut, "run", "--max-children", "1", *names]
        if subprocess.run(run, env=environment, stdout=log, check=False).returncode:
            sys.exit(f"mutmut stopped: see {RUN / 'log.txt'}")
    results = subprocess.run(
        [mutmut, "results", "--all", "1"], capture_output=True, text=True, check=True
    )
    lines = [line.strip().rpartition(": ") for line in results.stdout.splitlines()]
    return {name: status for name, _, status in lines}


if __name__ == "__main__":
    sys.exit(main())
