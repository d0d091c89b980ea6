"""Scenarios that meet again as CSV: a row for each arc of a lattice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dynpo_lite import ScenarioLattice
from dynpo_lite.companion.files import messages
from dynpo_lite.companion.files.csv_tables import Row, Scenarios, check_size, read_csv
from dynpo_lite.companion.files.messages import refuse

ARC_COLUMNS = ("source", "target", "probability")
ROUNDING = 1e-9  # up to which probabilities sum to 1


def read_arcs(file: Path, names: Sequence[str]) -> Scenarios:
    """Return the scenarios of a CSV with a row for each arc.

    Parameters
    ----------
    file : Path
    names : sequence of str
        The agents', which are columns: what each loses on the arc.

    Raises
    ------
    ValueError
        If a cell will not do, or the arcs make no lattice.
    """
    rows = read_csv(file, (*ARC_COLUMNS, *names))
    refuse(not rows, f"{file.name} holds no arc: add rows below line 1")
    columns = ("probability", *names)
    numbers = np.array([[row.number(name) for name in columns] for row in rows]).T
    for row, p in zip(rows, numbers[0]):
        for end in ("source", "target"):
            _check_name(row, end)
        if not 0 < p <= 1 + ROUNDING:
            what = f"= {p:g} is outside (0, 1]: give the probability of the arc given "
            raise row.wrong("probability", what + "its source, leave out those of 0")
    stages = _stages(file.name, rows)
    by_name = {v: i for i, v in enumerate(sorted(stages, key=stages.__getitem__))}
    source, target = (
        np.array([by_name[row.cells[end]] for row in rows])
        for end in ("source", "target")
    )
    sums = np.bincount(source, numbers[0])
    for row, v in zip(rows, source):
        if abs(sums[v] - 1) > ROUNDING:
            what = f": the arcs from {row.cells['source']!r} sum to {sums[v]:.10g}"
            cure = "divide them by their sum (they are conditional on the source)"
            raise ValueError(f"{row.place}, column probability{what}: {cure}")
    check_size(file, numbers[1:])
    lattice = ScenarioLattice(source, target, numbers[0])
    return Scenarios(lattice, numbers[1:], list(by_name))


def _check_name(row: Row, end: str) -> None:
    name = row.cells[end]
    if not name or not name.isprintable():
        raise row.wrong(end, f"= {name!r} is no name: give the node one, in one line")
    messages.refuse_formula(f"{row.place}, column {end}", name)


def _stages(file: str, rows: Sequence[Row]) -> dict[str, int]:
    """Return the time of each node, and refuse arcs that lead to no next time."""
    ways: dict[str, list[Row]] = {}
    for row in rows:
        ways.setdefault(row.cells["source"], []).append(row)
    targets = dict.fromkeys(row.cells["target"] for row in rows)
    roots = [name for name in ways if name not in targets]
    cure = "let exactly one node have no arc that leads to it"
    refuse(not roots, f"{file} has no root: {cure}")
    if len(roots) > 1:
        what = f"= {roots[1]!r} is a second root beside {roots[0]!r}: add an arc to it"
        raise ways[roots[1]][0].wrong("source", what)
    stages, order = {roots[0]: 0}, [roots[0]]
    for name in order:  # which grows
        for row in ways.get(name, ()):
            end, due = row.cells["target"], stages[name] + 1
            if end not in stages:
                stages[end] = due
                order.append(end)
            elif stages[end] != due:
                what = f"= {end!r} is at time {stages[end]}, and {name!r} at {due - 1}"
                cure = "an arc leads to the next time: give the node of each time a "
                raise row.wrong("target", f"{what}: {cure}name of its own")
    lost = [name for name in ways if name not in stages]
    if lost:
        what = f"= {lost[0]!r} is its own ancestor: an arc leads to a later time"
        raise ways[lost[0]][0].wrong("source", what)
    horizon = max(stages.values())
    for name in order:
        if name not in ways and stages[name] < horizon:
            row = next(row for row in rows if row.cells["target"] == name)
            what = f"= {name!r} ends at time {stages[name]} but the horizon is "
            cure = "let an arc of probability 1 lead on from it"
            raise row.wrong("target", f"{what}{horizon}: {cure}")
    return stages
