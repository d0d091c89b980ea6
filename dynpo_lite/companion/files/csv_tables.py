"""Scenarios and losses as CSV: cells, rows, and a table of the nodes of a tree."""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dynpo_lite import ScenarioLattice, ScenarioTree
from dynpo_lite.companion.files import messages
from dynpo_lite.companion.files.messages import near, refuse

NODE_COLUMNS = ("node", "parent", "probability")
SMALLEST, LARGEST = 1e-300, 1e300  # of the largest loss: sums and quotients are floats


class Scenarios(NamedTuple):
    """Scenarios with their names, as a file gives them.

    Attributes
    ----------
    tree : ScenarioTree or ScenarioLattice
    endowments : ndarray of shape (n_agents, n_nodes) or (n_agents, n_arcs)
    node_names : sequence of str
    states : sequence of str
        The state that each node stands for; empty where there is none.
    arc_names : sequence of str
        The path that each arc belongs to; empty where there are none.
    notes : tuple of str
        What a user should know about them.
    """

    tree: ScenarioTree | ScenarioLattice
    endowments: np.ndarray
    node_names: Sequence[str]
    states: Sequence[str] = ()
    arc_names: Sequence[str] = ()
    notes: tuple[str, ...] = ()


# --- cells ----------------------------------------------------------------------------


class Row(NamedTuple):
    """A row of a CSV: its file and line, and its cells by their columns."""

    place: str
    cells: Mapping[str, str]

    def wrong(self, column: str, what: str) -> ValueError:
        """Return the error about a cell."""
        return ValueError(f"{self.place}, column {column} {what}")

    def number(self, column: str) -> float:
        """Read a cell as a finite number.

        Examples
        --------
        >>> Row("nodes.csv, line 3", {"Ann": "1e999"}).number("Ann")
        Traceback (most recent call last):
        ...
        ValueError: nodes.csv, line 3, column Ann = '1e999' is not finite: write a \
finite number
        """
        text = self.cells[column]
        try:
            value = float(text.replace("_", "no digit").encode("ascii"))
        except ValueError:
            what = f"= {text!r} is not a number" if text else "is empty"
            raise self.wrong(column, f"{what}: write a number such as 12.5") from None
        if not math.isfinite(value):
            raise self.wrong(column, f"= {text!r} is not finite: write a finite number")
        return value


def read_csv(file: Path, columns: Sequence[str], **optional: str) -> list[Row]:
    """Return the rows of a CSV; the columns in any order.

    Parameters
    ----------
    file : Path
    columns : sequence of str
        Those which there must be.
    **optional : str
        Those which there may be, and what their cells are where they are not.

    Raises
    ------
    ValueError
        If the file cannot be read, a column is missing, unknown or repeated, or a row
        is too short or too long.
    """
    stream = io.StringIO(messages.read_text(file), newline="")
    reader = csv.reader(stream, strict=True)
    place = f"{file.name}, line "
    try:
        lines = [(f"{place}{reader.line_num}", list(map(str.strip, r))) for r in reader]
    except csv.Error as error:
        place += str(reader.line_num)
        raise ValueError(f"{place} is no CSV ({error}): correct it") from None
    lines = [(place, cells) for place, cells in lines if any(cells)]
    wanted, known = ",".join(columns), dict.fromkeys(columns, "") | optional
    refuse(not lines, f"{file.name} is empty: begin with the line {wanted}")
    header, top = lines[0][1], Row(f"{file.name}, line 1", {})
    first: dict[str, int] = {}
    for j, column in enumerate(header):
        if first.setdefault(column, j) < j:
            raise top.wrong(repr(column), "comes twice: keep one")
    for column in columns:
        what = f"has no column {column!r}: write {wanted}, separated by commas"
        refuse(column not in first, f"{top.place} {what}")
    for column in header:
        if column not in known:
            raise top.wrong(repr(column), f"is unknown: {near(column, known)}")
    cure = f"give {len(header)}, one for each column of line 1"
    for place, cells in lines[1:]:
        refuse(len(cells) != len(header), f"{place} has {len(cells)} cells: {cure}")
    return [Row(place, known | dict(zip(header, cells))) for place, cells in lines[1:]]


def check_size(file: Path, losses: np.ndarray) -> None:
    """Refuse losses whose sums and quotients are no floats."""
    largest = np.abs(losses).max()
    if largest and not SMALLEST <= largest <= LARGEST:
        what = f"is outside [{SMALLEST:g}, {LARGEST:g}]: choose another unit"
        raise ValueError(f"{file.name}: the largest loss, {largest:g}, {what}")


# --- a tree, node by node -------------------------------------------------------------


def read_nodes(file: Path, names: Sequence[str]) -> Scenarios:
    """Return the scenarios of a CSV with a row for each node, put in order of time.

    Parameters
    ----------
    file : Path
    names : sequence of str
        The agents', which are columns.
    """
    rows: dict[str, Row] = {}
    for row in read_csv(file, (*NODE_COLUMNS, *names)):
        name = row.cells["node"]
        if not name or not name.isprintable():
            what = f"= {name!r} is no name: give the node one, in one line"
            raise row.wrong("node", what)
        messages.refuse_formula(f"{row.place}, column node", name)
        if rows.setdefault(name, row) is not row:
            what = f"node {name!r} repeats {rows[name].place.split(', ')[-1]}"
            raise ValueError(f"{row.place}: {what}: give every node a name of its own")
    parents = {name: row.cells["parent"] for name, row in rows.items()}
    order = _by_stage(file.name, parents, rows)
    number = {name: v for v, name in enumerate(order)}
    parent = [number.get(parents[name], -1) for name in order]
    columns = ("probability", *names)
    numbers = np.zeros((len(columns), len(order)))
    for v, name in enumerate(order):
        for j, column in enumerate(columns if v else columns[:1]):
            numbers[j, v] = rows[name].number(column)
    try:
        tree = ScenarioTree(parent, numbers[0])
    except ValueError as error:
        raise ValueError(_in_words(str(error), order, rows)) from None
    check_size(file, numbers[1:])
    return Scenarios(tree, numbers[1:], order)


def _by_stage(file: str, parents: Mapping, rows: Mapping[str, Row]) -> list[str]:
    """Return the names of the nodes, those of each stage together, from the root on."""
    order = [name for name, parent in parents.items() if not parent]
    refuse(not order, f"{file} has no root: leave the parent of one node empty")
    if len(order) > 1:
        what = f"is a second root beside {order[0]!r}: give it a parent"
        raise ValueError(f"{rows[order[1]].place}: node {order[1]!r} {what}")
    children: dict[str, list[str]] = {name: [] for name in ("", *parents)}
    for name, parent in parents.items():
        if parent not in children:
            cure = near(parent, parents, "correct it or add its row")
            raise rows[name].wrong("parent", f"= {parent!r} is no node: {cure}")
        children[parent].append(name)
    for name in order:  # which grows
        order += children[name]
    if len(order) < len(parents):
        seen = set(order)
        name = next(name for name in parents if name not in seen)
        while name not in seen:
            seen.add(name)
            name = parents[name]
        what = f"= {parents[name]!r}: node {name!r} is its own ancestor"
        cure = "give it a parent that leads to the root"
        raise rows[name].wrong("parent", f"{what}: {cure}")
    what = f"holds only the root {order[0]!r}: add the nodes of time 1"
    refuse(len(order) == 1, f"{file} {what}")
    return order


def _in_words(message: str, names: Sequence[str], rows: Mapping[str, Row]) -> str:
    """Return an error of `ScenarioTree` in words of the file: its first number is v."""
    number = re.search(r"\d+", message)
    name = names[int(number[0]) if number else 0]
    words = re.sub(r"\[\d+\]", "", message, count=1)
    words = re.sub(r"\bnode \d+\b", lambda _: f"node {name!r}", words, count=1)
    return f"{rows[name].place}, column {words}"


# --- names -------------------------------------------------------------------------


def numbered(tree: ScenarioTree) -> list[str]:
    """Name the nodes of a tree by the numbers of the children that lead to them.

    Examples
    --------
    >>> numbered(ScenarioTree([-1, 0, 0, 1, 2], [1, 0.5, 0.5, 1, 1]))
    ['start', '1', '2', '1.1', '2.1']
    """
    names, seen = ["start"], np.zeros(tree.n_nodes, dtype=int)
    for parent in tree.parent[1:].tolist():
        seen[parent] += 1
        names.append(f"{names[parent]}.{seen[parent]}" if parent else f"{seen[0]}")
    return names


# --- writing --------------------------------------------------------------------------


def write_csv(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table as CSV, numbers with 12 significant digits."""
    stream = io.StringIO()
    cells = ((f"{x:.12g}" if isinstance(x, float) else x for x in row) for row in rows)
    csv.writer(stream, lineterminator="\n").writerows([header, *cells])
    return stream.getvalue()


def nodes_csv(
    names: Sequence[str], node_names: Sequence[str], tree: ScenarioTree, endowments: Any
) -> str:
    """Return the CSV of nodes of an economy, as :func:`load_economy` reads it.

    Parameters
    ----------
    names : sequence of str
        The agents'.
    node_names : sequence of str
    tree : ScenarioTree
    endowments : array_like of shape (n_agents, n_nodes)

    Returns
    -------
    str

    Examples
    --------
    >>> from dynpo_lite import ScenarioTree
    >>> tree = ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> text = nodes_csv(["A", "B"], ["now", "dry", "wet"], tree, [[0, 1, 2]] * 2)
    >>> text.splitlines()
    ['node,parent,probability,A,B', 'now,,1,,', 'dry,now,0.5,1,1', 'wet,now,0.5,2,2']
    """
    root = [node_names[0], "", 1.0, *[""] * len(names)]
    parents = [node_names[v] for v in tree.parent[1:]]
    losses = np.asarray(endowments, dtype=float)[:, 1:]
    rows = zip(node_names[1:], parents, tree.probability[1:], *losses)
    return write_csv([*NODE_COLUMNS, *names], [root, *rows])
