"""Simulated paths as CSV, and the scenarios that are made of them."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dynpo_lite import lattice_from_paths, tree_from_paths
from dynpo_lite.base import validate
from dynpo_lite.companion.files import csv_tables
from dynpo_lite.companion.files.csv_tables import Row, Scenarios
from dynpo_lite.companion.files.messages import refuse
from dynpo_lite.scenarios.from_paths import FEWEST, MOST_LOST

PATH_COLUMNS = ("path", "time")
STATE = "state"  # a column that there may be
ABSENT = "\0"  # of a column that is not there
WHOLE = re.compile("-?[0-9]{1,15}")


class Paths(NamedTuple):
    """Equally likely paths.

    Attributes
    ----------
    losses : ndarray of shape (n_paths, T, n_agents)
    states : ndarray of shape (n_paths, T), or None
        Integers are states, other numbers describe them.
    names : tuple of str
    """

    losses: np.ndarray
    states: np.ndarray | None
    names: tuple[str, ...]

    def some(self, rows: np.ndarray) -> "Paths":
        """Return those of some rows."""
        states = None if self.states is None else self.states[rows]
        names = tuple(self.names[row] for row in rows)
        return Paths(self.losses[rows], states, names)


def read_paths(file: Path, names: Sequence[str]) -> Paths:
    """Return the paths of a CSV with a row for each path and time.

    Parameters
    ----------
    file : Path
    names : sequence of str
        The agents', which are columns.

    Raises
    ------
    ValueError
        If a cell will not do, or a path has not every time once.
    """
    found: dict[tuple[str, int], tuple[Row, list[float]]] = {}
    for row in csv_tables.read_csv(file, (*PATH_COLUMNS, *names), state=ABSENT):
        path, time = row.cells["path"], row.cells["time"]
        row.refuse(not path, "path", "is empty: give the path a name")
        if not re.fullmatch("[1-9][0-9]{0,5}", time):
            raise row.wrong("time", f"= {time!r} is no time: write 1, 2, ...")
        key = path, int(time)
        if key in found:
            line = found[key][0].place.split(", ")[-1]
            what = f"path {path!r} at time {time} repeats {line}: keep one"
            raise ValueError(f"{row.place}: {what}")
        found[key] = row, row.numbers(names)
    refuse(not found, f"{file.name} holds no path: add rows below line 1")
    paths, horizon = dict.fromkeys(path for path, _ in found), max(t for _, t in found)
    times = range(1, horizon + 1)
    for path, t in product(paths, times):
        if (path, t) not in found:
            what = f"has no time {t}: give every path the times 1 to {horizon}"
            raise ValueError(f"{file.name}: path {path!r} {what}")
    ordered = [[found[path, t] for t in times] for path in paths]
    losses = np.array([[numbers for _, numbers in path] for path in ordered])
    csv_tables.check_size(file.name, losses)
    states = _states([[row for row, _ in path] for path in ordered])
    return Paths(losses, states, tuple(paths))


def _states(rows: list[list[Row]]) -> np.ndarray | None:
    """Return the states, as integers where all of them are written as such."""
    cells = [[row.cells[STATE] for row in path] for path in rows]
    if cells[0][0] == ABSENT:
        return None
    if all(WHOLE.fullmatch(cell) for path in cells for cell in path):
        return np.array(cells).astype(np.int64)
    return np.array([[row.number(STATE) for row in path] for path in rows])


# --- scenarios ------------------------------------------------------------------------


def tree_of(paths: Paths, bins: Any, names: Sequence[str]) -> Scenarios:
    """Return a small tree, in which one path stands for each group."""
    with _checked("bins", bins):
        made = tree_from_paths(paths.losses, bins)
    i = int(np.argmax(made.lost))
    note = (
        f"the tree hides {made.lost[i]:.0%} of the standard deviation of {names[i]}: "
        "leave bins out, and every path keeps its own losses"
    )
    notes = (note,) if made.lost[i] > MOST_LOST else ()
    node_names = csv_tables.numbered(made.tree)
    return Scenarios(made.tree, made.endowments, node_names, notes=notes)


def lattice_of(paths: Paths, groups: Any) -> Scenarios:
    """Return the lattice in which every path keeps its own losses.

    Examples
    --------
    Two groups of two paths.

    >>> losses = np.array([[[0.0], [1.0]], [[0.0], [3.0]], [[4.0], [5.0]], [[4], [9]]])
    >>> made = lattice_of(Paths(losses, None, ("a", "b", "c", "d")), 2)
    >>> made.node_names, made.arc_names[:2]
    (['start', '1', '2', 'end'], ('a', 'b'))
    """
    with _checked("groups", groups):
        made = lattice_from_paths(paths.losses, paths.states, groups)
    visited, lattice = made.node_of_path, made.lattice
    names, states = group_names(visited), [""] * lattice.n_nodes
    if (known := paths.states) is not None:
        whole = known.dtype.kind == "i"
        for t in range(1, lattice.horizon):
            nodes, first = np.unique(visited[:, t], return_index=True)
            for place, (v, row) in enumerate(zip(nodes.tolist(), first), start=1):
                states[v] = str(known[row, t - 1]) if whole else ""
                names[v] = f"{t}:{states[v] or place}"
    size = np.bincount(visited[:, :-1].ravel())
    few, i = (size < FEWEST).sum(), np.argmin(size)
    note = (
        f"{few} of {len(size)} nodes are known by fewer than {FEWEST} paths, node "
        f"{names[i]!r} by {size[i]}: noise there looks like risk; give more paths or "
        "fewer groups"
    )
    arcs, notes = paths.names * lattice.horizon, (note,) if few else ()
    return Scenarios(lattice, made.endowments, names, states, arcs, notes, paths)


@contextmanager
def _checked(name: str, counts: Any) -> Iterator[None]:
    """Check a list before lists within it fail; what is warned of becomes a note."""
    for number in counts if isinstance(counts, list) else ():
        validate.integer(name, number, 1)
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        yield


def group_names(visited: np.ndarray) -> list[str]:
    """Name groups of groups of paths like the nodes of a tree, from (n_paths, T + 1).

    Examples
    --------
    >>> group_names(np.array([[0, 1, 3, 5], [0, 1, 3, 5], [0, 2, 4, 5]]))
    ['start', '1', '2', '1.1', '2.1', 'end']
    """
    parents: list[int] = []
    for t in range(1, visited.shape[1] - 1):
        first = np.unique(visited[:, t], return_index=True)[1]
        parents += visited[first, t - 1].tolist()
    return [*csv_tables.name_children(parents), "end"]
