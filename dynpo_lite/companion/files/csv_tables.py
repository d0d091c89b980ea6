"""Scenarios and losses as CSV: cells, rows, tables of nodes and of arcs."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dynpo_lite import ScenarioLattice, ScenarioTree
from dynpo_lite.companion.files import messages
from dynpo_lite.companion.files.messages import near, refuse

NODE_COLUMNS = ("node", "parent", "probability")
ARC_COLUMNS = ("source", "target", "probability")
ROUNDING = 1e-9  # up to which probabilities sum to 1
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
    paths : Paths or None
        Those that a lattice is made of.
    """

    tree: ScenarioTree | ScenarioLattice
    endowments: np.ndarray
    node_names: Sequence[str]
    states: Sequence[str] = ()
    arc_names: Sequence[str] = ()
    notes: tuple[str, ...] = ()
    paths: Any = None


# --- cells ----------------------------------------------------------------------------


class Row(NamedTuple):
    """A row of a CSV: its file and line, and its cells by their columns."""

    place: str
    cells: Mapping[str, str]

    def wrong(self, column: str, what: str) -> ValueError:
        """Return the error about a cell."""
        return ValueError(f"{self.place}, column {column} {what}")

    def refuse(self, bad: object, column: str, what: str) -> None:
        """Raise the error about a cell if something is bad."""
        if bad:
            raise self.wrong(column, what)

    def name(self, column: str) -> str:
        """Read a cell as the name of a node."""
        name = self.cells[column]
        if not name or not name.isprintable():
            what = f"= {name!r} is no name: give the node one, in one line"
            raise self.wrong(column, what)
        messages.refuse_formula(f"{self.place}, column {column}", name)
        return name

    def numbers(self, columns: Iterable[str]) -> list[float]:
        """Read cells as finite numbers."""
        return [self.number(column) for column in columns]

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
    for column, times in Counter(header).items():
        top.refuse(times > 1, repr(column), "comes twice: keep one")
    for column in columns:
        what = f"has no column {column!r}: write {wanted}, separated by commas"
        refuse(column not in header, f"{top.place} {what}")
    for column in header:
        if column not in known:
            raise top.wrong(repr(column), f"is unknown: {near(column, known)}")
    cure = f"give {len(header)}, one for each column of line 1"
    for place, cells in lines[1:]:
        refuse(len(cells) != len(header), f"{place} has {len(cells)} cells: {cure}")
    return [Row(place, known | dict(zip(header, cells))) for place, cells in lines[1:]]


def check_size(file: str, losses: np.ndarray) -> None:
    """Refuse losses whose sums and quotients are no floats."""
    largest = np.abs(losses).max()
    what = f"is outside [{SMALLEST:g}, {LARGEST:g}]: choose another unit"
    bad = largest and not SMALLEST <= largest <= LARGEST
    refuse(bad, f"{file}: the largest loss, {largest:g}, {what}")


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
        name = row.name("node")
        if rows.setdefault(name, row) is not row:
            what = f"node {name!r} repeats {rows[name].place.split(', ')[-1]}"
            raise ValueError(f"{row.place}: {what}: give every node a name of its own")
    parents = {name: row.cells["parent"] for name, row in rows.items()}
    order = _by_stage(file.name, parents, rows)
    number = {name: v for v, name in enumerate(order)}
    parent = [number.get(parents[name], -1) for name in order]
    numbers = np.zeros((1 + len(names), len(order)))
    numbers[0, 0] = rows[order[0]].number("probability")
    for v, name in enumerate(order[1:], start=1):
        numbers[:, v] = rows[name].numbers(("probability", *names))
    try:
        tree = ScenarioTree(parent, numbers[0])
    except ValueError as error:
        raise ValueError(_in_words(str(error), order, rows)) from None
    check_size(file.name, numbers[1:])
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


# --- a lattice, arc by arc -----------------------------------------------------------


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
    numbers = np.array([row.numbers(("probability", *names)) for row in rows]).T
    for row, p in zip(rows, numbers[0]):
        row.name("source")
        row.name("target")
        if not 0 < p <= 1 + ROUNDING:
            what = f"= {p:g} is outside (0, 1]: give the probability of the arc given "
            raise row.wrong("probability", what + "its source, leave out those of 0")
    stages = _stages(file.name, rows)
    by_name = {v: i for i, v in enumerate(sorted(stages, key=stages.__getitem__))}
    source = np.array([by_name[row.cells["source"]] for row in rows])
    target = np.array([by_name[row.cells["target"]] for row in rows])
    sums = np.bincount(source, numbers[0])
    for i in np.flatnonzero(np.abs(sums[source] - 1) > ROUNDING):
        name, total = rows[i].cells["source"], sums[source[i]]
        what = f"the arcs from {name!r} sum to {total:.10g}: divide them by their sum "
        what += "(they are conditional on the source)"
        raise ValueError(f"{rows[i].place}, column probability: {what}")
    check_size(file.name, numbers[1:])
    lattice = ScenarioLattice(source, target, numbers[0])
    return Scenarios(lattice, numbers[1:], list(by_name))


def _stages(file: str, rows: Sequence[Row]) -> dict[str, int]:
    """Return the time of each node, and refuse arcs that lead to no next time."""
    ways: dict[str, list[Row]] = {}
    for row in rows:
        ways.setdefault(row.cells["source"], []).append(row)
    targets = {row.cells["target"]: row for row in reversed(rows)}
    roots = [name for name in ways if name not in targets]
    cure = "let exactly one node have no arc that leads to it"
    refuse(not roots, f"{file} has no root: {cure}")
    for root in roots[1:]:
        what = f"= {root!r} is a second root beside {roots[0]!r}: add an arc to it"
        raise ways[root][0].wrong("source", what)
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
    horizon = max(stages.values())
    for name in ways:
        if name not in stages:
            what = f"= {name!r} is its own ancestor: an arc leads to a later time"
            raise ways[name][0].wrong("source", what)
    for name in order:
        if name not in ways and stages[name] < horizon:
            what = f"= {name!r} ends at time {stages[name]} but the horizon is "
            cure = "let an arc of probability 1 lead on from it"
            raise targets[name].wrong("target", f"{what}{horizon}: {cure}")
    return stages


# --- names -------------------------------------------------------------------------


def numbered(tree: ScenarioTree) -> list[str]:
    """Name the nodes of a tree by the numbers of the children that lead to them.

    Examples
    --------
    >>> numbered(ScenarioTree([-1, 0, 0, 1, 2], [1, 0.5, 0.5, 1, 1]))
    ['start', '1', '2', '1.1', '2.1']
    """
    return name_children(tree.parent[1:].tolist())


def name_children(parents: Iterable[int]) -> list[str]:
    """Name the root, and the nodes of the parents by their numbers among them."""
    names, seen = ["start"], Counter[int]()
    for parent in parents:
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
