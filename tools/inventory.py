"""What the notebooks assert and record, counted: a dropped one is noticed.

    inventory.py          say what differs from tests/data/inventory.json; exit 1 if so
    inventory.py --renew  write that file

`make refresh` does not renew it: to drop an assert or a recorded number is a decision.
"""

import ast
import json
import sys
from pathlib import Path

from dynpo_lite.companion.rerun.parameters import load_notebook
from dynpo_lite.companion.rerun.record import harvest

ROOT = Path(__file__).resolve().parents[1]
INVENTORY = ROOT / "tests" / "data" / "inventory.json"


def asserted(source):
    """Return the conditions that a cell asserts."""
    nodes = ast.walk(ast.parse(source))
    return [node.test for node in nodes if isinstance(node, ast.Assert)]


def conditions(test):
    """Return how many conditions an assert has: `a and b < c < d` has three."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return sum(map(conditions, test.values))
    return len(test.ops) if isinstance(test, ast.Compare) else 1


def counted(notebook):
    """Return the number of conditions by tag, and the names recorded."""
    count = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        found = asserted("".join(cell["source"]))
        tags = [tag for tag in cell["metadata"].get("tags", []) if ":" in tag]
        for tag in tags or ["other cells"]:
            count[tag] = count.get(tag, 0) + sum(map(conditions, found))
    return {"conditions": count, "recorded": list(harvest(notebook))}


def current():
    """Return the inventory of all notebooks as they are."""
    paths = sorted((ROOT / "notebooks").rglob("[!.]*.ipynb"))
    return {path.stem: counted(load_notebook(path)) for path in paths}


def differences():
    """Return a line for each thing that is not as in the stored inventory."""
    return list(_differences(json.loads(INVENTORY.read_text("utf-8")), current()))


def _differences(old, new, place=""):
    for key in sorted({*old, *new}):
        before, now = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _differences(before, now, f"{place}{key}: ")
        elif before != now:
            yield f"{place}{key}: {before}, now {now}"


def main():
    """Say what differs, or renew the inventory."""
    if "--renew" in sys.argv:
        text = json.dumps(current(), indent=1)
        INVENTORY.write_text(text + "\n", encoding="utf-8")
    elif found := differences():
        sys.exit("\n".join([*found, "if this is meant: tools/inventory.py --renew"]))


if __name__ == "__main__":
    main()
