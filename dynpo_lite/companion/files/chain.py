"""A Markov chain as a table of an economy file: states, how they change, what is lost.

States in which the chain cannot be at a time get no node of that time.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dynpo_lite import ScenarioLattice
from dynpo_lite.base import validate
from dynpo_lite.companion.files import csv_tables, messages
from dynpo_lite.companion.files.csv_tables import ROUNDING, Row, Scenarios
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
    first = 0 if isinstance(table["start"], str) else 1  # time that is left
    if isinstance(table["transition"], str):
        file = find("chain, transition", table["transition"])
        moves = _moves_of_file(file, states, first, horizon)
    else:
        moves = _moves(here, table["transition"], len(states), horizon - first)
    law = _start(here, table["start"], states, moves)
    moves = [law[None], *moves[1 - first :]]
    if isinstance(table["losses"], str):
        file = find("chain, losses", table["losses"])
        losses, place = _losses_of_file(file, states, names, horizon), file.name
    else:
        losses = _losses(here, table["losses"], states, names, horizon)
    csv_tables.check_size(place, losses)
    return _scenarios(states, moves, losses)


def _scenarios(states: list[str], moves: list, losses: np.ndarray) -> Scenarios:
    """Leave out what is never visited; losses (T, n_states, n_agents)."""
    alive, kept, node_names, labels = np.array([0]), [], ["start"], [""]
    paid = [np.zeros((1, losses.shape[2]))]
    for t, move in enumerate(moves, start=1):
        after = np.flatnonzero((move[alive] > 0).any(axis=0))
        kept.append(move[np.ix_(alive, after)])
        alive, names = after, [states[j] for j in after]
        node_names += [f"{t}:{name}" for name in names]
        labels += names
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
        bad = array.shape not in ((m, m), (steps, m, m))
        refuse(bad, f"transition has shape {array.shape}: {cure}")
        listed = array.reshape(-1, m, m)
        for t, j in np.ndindex(len(listed), m):
            of = f" of matrix {t + 1}" if array.ndim == 3 else ""
            validate.probabilities(f"transition: row {j + 1}{of}", listed[t, j], m)
    return [*listed] * (1 if array.ndim == 3 else steps)


# --- files ----------------------------------------------------------------------------


def _times(row: Row, times: range) -> range:
    """Return the times that a row is about: all, where it names none."""
    cell = row.cells["time"]
    what = f"write one from {times.start} to {times.stop - 1}, or nothing"
    good = cell.isdecimal() and int(cell[:9]) in times
    row.refuse(cell and not good, "time", f"= {cell!r} is no time: {what}")
    return range(int(cell), int(cell) + 1) if cell else times


def _state(row: Row, column: str, states: list[str]) -> int:
    name = row.cells[column]
    if name not in states:
        raise row.wrong(column, f"= {name!r} is no state: {near(name, states)}")
    return states.index(name)


def _by_time(
    file: Path, keys: Sequence[str], columns: Sequence[str], states: list, times: range
) -> np.ndarray:
    """Read numbers for each time and state, or pair of states; nan where none is."""
    shape = len(times), *[len(states)] * len(keys), len(columns)
    found = np.full(shape, np.nan)
    for row in csv_tables.read_csv(file, (*keys, *columns), time=""):
        place = [_state(row, key, states) for key in keys]
        numbers = row.numbers(columns)
        if columns == ("probability",):
            what = f"= {numbers[0]:g} is outside [0, 1]: correct it"
            row.refuse(not 0 <= numbers[0] <= 1, *columns, what)
        for t in _times(row, times):
            at = (t - times.start, *place)
            what = f"= {states[place[-1]]!r} comes twice: keep one row"
            row.refuse(not np.isnan(found[at][0]), keys[-1], what)
            found[at] = numbers
    return found


def _moves_of_file(file: Path, states: list[str], first: int, horizon: int) -> list:
    """Read the columns from, to, probability and perhaps time, of departure."""
    times = range(first, max(horizon, first))
    found = _by_time(file, ("from", "to"), ("probability",), states, times)
    moves = np.nan_to_num(found[..., 0])
    for t, i in zip(*np.nonzero(np.abs(moves.sum(axis=2) - 1) > ROUNDING)):
        what = f"from {states[i]!r} at time {t + first} sum to {moves[t, i].sum():.10g}"
        raise ValueError(f"{file.name}: probabilities {what}: divide them by their sum")
    return list(moves)


def _losses_of_file(
    file: Path, states: list[str], names: Sequence[str], horizon: int
) -> np.ndarray:
    """Read the columns state, those of the agents, and perhaps time, of arrival."""
    found = _by_time(file, ("state",), names, states, range(1, horizon + 1))
    for t, j in np.argwhere(np.isnan(found[:, :, 0])):
        what = f"holds no losses of state {states[j]!r} at time {t + 1}: add a row"
        raise ValueError(f"{file.name} {what}")
    return found


def _losses(
    here: str, given: Any, states: list[str], names: Sequence[str], horizon: int
) -> np.ndarray:
    """Read a table from each state to a list with a loss for each agent."""
    cure = "table: write losses = {calm = [1, 2], stormy = [5, 9]}, or name a CSV"
    expect(f"{here}: losses", given, dict, cure, some=True)
    table = dict(given)
    messages.check_keys(f"{here}, losses", table, states, states)
    shape = (len(names),)
    with placed(f"{here}, losses"):
        rows = [validate.finite_array(name, table[name], shape) for name in states]
    return np.array([rows] * horizon)
