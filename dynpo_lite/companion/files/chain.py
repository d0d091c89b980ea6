"""A Markov chain as a table of an economy file: states, how they change, what is lost.

States in which the chain cannot be at a time get no node of that time.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dynpo_lite import ScenarioLattice
from dynpo_lite.base import validate
from dynpo_lite.companion.files import messages
from dynpo_lite.companion.files.csv_tables import Row, Scenarios, check_size, read_csv
from dynpo_lite.companion.files.messages import expect, near, placed, refuse

KEYS = ("states", "start", "horizon", "transition", "losses")
Find = Callable[[str, Any], Path]


def read_chain(place: str, table: Any, names: Sequence[str], find: Find) -> Scenarios:
    """Return the scenarios of a ``[chain]``.

    Parameters
    ----------
    place : str
        The name of the economy file, for messages.
    table : dict
        With the keys states, start, horizon, transition and losses.
    names : sequence of str
        The agents'.
    find : callable
        Key, value -> the path of a file that the table names.

    Raises
    ------
    ValueError
        If anything in the table, or in its files, will not do.
    """
    here = f"{place}, chain"
    expect(here, table, dict, "table: write [chain] above its lines")
    messages.check_keys(here, table, KEYS, KEYS)
    states = _state_names(here, table["states"])
    with placed(here):
        horizon = validate.integer("horizon", table["horizon"], 1)
    steps = horizon if isinstance(table["start"], str) else horizon - 1
    if isinstance(table["transition"], str):
        first = horizon - steps
        file = find("chain, transition", table["transition"])
        moves = _moves_of_file(file, states, first, horizon)
    else:
        moves = _moves(here, table["transition"], len(states), steps)
    law = _start(here, table["start"], states, moves)
    moves = [law[None], *moves[len(moves) - horizon + 1 :]]
    if isinstance(table["losses"], str):
        file = find("chain, losses", table["losses"])
        losses = _losses_of_file(file, states, names, horizon)
    else:
        losses = _losses(here, table["losses"], states, names, horizon)
        check_size(Path(place), losses)
    return _scenarios(states, moves, losses)


def _scenarios(states: list[str], moves: list, losses: np.ndarray) -> Scenarios:
    """Leave out what is never visited; losses (T, n_states, n_agents)."""
    alive, kept = np.array([0]), []
    node_names, labels, paid = ["start"], [""], [np.zeros((1, losses.shape[2]))]
    for t, move in enumerate(moves, start=1):
        rows = move[alive]
        after = np.flatnonzero((rows > 0).any(axis=0))
        kept.append(rows[:, after])
        alive = after
        node_names += [f"{t}:{states[j]}" for j in alive]
        labels += [states[j] for j in alive]
        paid.append(losses[t - 1, alive])
    lattice = ScenarioLattice.from_chain(kept)
    endowments = np.concatenate(paid).T
    if lattice.n_nodes == lattice.n_arcs:  # else taken for those of arcs
        endowments = endowments[:, lattice.target]
    return Scenarios(lattice, endowments, node_names, labels)


def _state_names(here: str, states: Any) -> list[str]:
    cure = "list of names: write states = ['calm', 'stormy']"
    expect(f"{here}: states", states, list, cure, some=True)
    for number, name in enumerate(states, start=1):
        good = isinstance(name, str) and name.strip() == name and name.isprintable()
        what = "is no name: write a text in quotes"
        refuse(not good or not name, f"{here}: states {number} = {name!r} {what}")
        messages.refuse_formula(f"{here}: states {number}", name)
        refuse(states.index(name) < number - 1, f"{here}: state {name!r} comes twice")
    return states


def _start(here: str, start: Any, states: list[str], moves: list) -> np.ndarray:
    """Return the law at time 1, of which the moves know if the start is a state."""
    if isinstance(start, str):
        cure = near(start, states)
        refuse(start not in states, f"{here}: start = {start!r} is no state: {cure}")
        return moves[0][states.index(start)]
    with placed(here):
        return validate.probabilities("start", start, len(states))


def _moves(here: str, given: Any, m: int, steps: int) -> list[np.ndarray]:
    """Return a matrix (m, m) for each step; one given does for all."""
    cure = f"write {m} rows of {m} probabilities, or a list of {steps} such matrices"
    with placed(here):
        try:
            array = np.array(given, dtype=float)
        except (TypeError, ValueError):
            what = "transition is neither a matrix nor a list of matrices"
            raise ValueError(f"{what}: {cure}") from None
        shapes = ((m, m), (steps, m, m))
        if array.shape not in shapes:
            raise ValueError(f"transition has shape {array.shape}: {cure}")
        listed = array[None] if array.ndim == 2 else array
        for t, matrix in enumerate(listed):
            for j, row in enumerate(matrix):
                of = f" of matrix {t + 1}" if array.ndim == 3 else ""
                validate.probabilities(f"transition: row {j + 1}{of}", row, m)
    return [listed[min(t, len(listed) - 1)] for t in range(steps)]


# --- files ----------------------------------------------------------------------------


def _times(row: Row, first: int, last: int) -> range:
    """Return the times that a row is about: all, where it names none."""
    cell = row.cells["time"]
    if not cell:
        return range(first, last + 1)
    if not cell.isdecimal() or not first <= int(cell[:9]) <= last:
        what = f"= {cell!r} is no time: write one from {first} to {last}, or nothing"
        raise row.wrong("time", what)
    return range(int(cell), int(cell) + 1)


def _state(row: Row, column: str, states: list[str]) -> int:
    name = row.cells[column]
    if name not in states:
        raise row.wrong(column, f"= {name!r} is no state: {near(name, states)}")
    return states.index(name)


def _moves_of_file(
    file: Path, states: list[str], first: int, horizon: int
) -> list[np.ndarray]:
    """Read the columns from, to, probability and perhaps time, of departure."""
    m, steps = len(states), max(horizon - first, 0)
    found = np.full((steps, m, m), np.nan)
    for row in read_csv(file, ("from", "to", "probability"), time=""):
        i, j = (_state(row, end, states) for end in ("from", "to"))
        p = row.number("probability")
        if not 0 <= p <= 1:
            raise row.wrong("probability", f"= {p:g} is outside [0, 1]: correct it")
        for t in _times(row, first, horizon - 1):
            if not np.isnan(found[t - first, i, j]):
                raise row.wrong("to", f"= {states[j]!r} comes twice: keep one row")
            found[t - first, i, j] = p
    moves = np.nan_to_num(found)
    for t, i in zip(*np.nonzero(np.abs(moves.sum(axis=2) - 1) > 1e-9)):
        what = f"from {states[i]!r} at time {t + first} sum to {moves[t, i].sum():.10g}"
        raise ValueError(f"{file.name}: probabilities {what}: divide them by their sum")
    return list(moves)


def _losses_of_file(
    file: Path, states: list[str], names: Sequence[str], horizon: int
) -> np.ndarray:
    """Read the columns state, those of the agents, and perhaps time, of arrival."""
    found = np.full((horizon, len(states), len(names)), np.nan)
    for row in read_csv(file, ("state", *names), time=""):
        j = _state(row, "state", states)
        paid = [row.number(name) for name in names]
        for t in _times(row, 1, horizon):
            if not np.isnan(found[t - 1, j, 0]):
                raise row.wrong("state", f"= {states[j]!r} comes twice: keep one row")
            found[t - 1, j] = paid
    for t, j in zip(*np.nonzero(np.isnan(found[:, :, 0]))):
        what = f"holds no losses of state {states[j]!r} at time {t + 1}: add a row"
        raise ValueError(f"{file.name} {what}")
    check_size(file, found)
    return found


def _losses(
    here: str, given: Any, states: list[str], names: Sequence[str], horizon: int
) -> np.ndarray:
    """Read a table from each state to a list with a loss for each agent."""
    cure = "table: write losses = {calm = [1, 2], stormy = [5, 9]}, or name a CSV"
    expect(f"{here}: losses", given, dict, cure, some=True)
    table: Mapping[str, Any] = given
    messages.check_keys(f"{here}, losses", table, states, states)
    with placed(f"{here}, losses"):
        rows = [
            validate.finite_array(name, table[name], shape=(len(names),))
            for name in states
        ]
    return np.array([rows] * horizon)
