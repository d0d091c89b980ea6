"""Economies in files: a TOML with agents and preferences, scenarios beside it.

The format is documented on the page ``book/economy_file.md``.  Reading is strict: what
is unknown, missing or contradictory is one error of one line, which names the file, the
place, the value and the cure.
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dynpo_lite import Economy, ScenarioTree, Solution, solve
from dynpo_lite.base import validate
from dynpo_lite.base.reading import reading
from dynpo_lite.companion.files import chain, csv_tables, messages, path_table
from dynpo_lite.companion.files.csv_tables import Scenarios
from dynpo_lite.companion.files.messages import expect, refuse
from dynpo_lite.companion.files.path_table import PATH_COLUMNS, Paths
from dynpo_lite.companion.files.preferences import Preferences
from dynpo_lite.companion.outputs import one_line, shown

SETTINGS = ("law", "retention", "individually_rational", "surplus_split")
FORMS = ("nodes", "arcs", "paths", "chain")  # of scenarios
KEYS = ("title", "currency", *SETTINGS, *FORMS, "groups", "bins", "agent")
# columns of what is read and written: no name for an agent
RESERVED = {*csv_tables.NODE_COLUMNS, *csv_tables.ARC_COLUMNS, *PATH_COLUMNS}
RESERVED |= {"state", "stage", "attachment", "exhaustion"}
EXAMPLES = ("weather", "two_period", "paths", "chain", "arcs")
GROUPS = 8  # of paths, where the file does not say
DEPTH = 40  # of tables inside each other
MAX_PARTS = 1000  # of a key, whose reader is quadratic in them


@dataclass(frozen=True, eq=False)
class EconomyFile:
    """An economy with its names, as :func:`load_economy` returns it.

    Attributes
    ----------
    title : str
    currency : str
        The unit of all losses.
    names : tuple of str
        The agents'.
    node_names : tuple of str
        In the order of the economy's nodes.
    economy : Economy
    law, retention : str
        As for ``dynpo_lite.solve``; the retention is never None.
    individually_rational : bool
    surplus_split : tuple of float, str or None
    sources : tuple of Path
        The files that were read.
    arc_names : tuple of str
        The path that each arc of a lattice of paths belongs to.
    notes : tuple of str
        What a user should know about the scenarios.
    paths : Paths or None
        The simulated paths, if the lattice is made of some.
    """

    title: str
    currency: str
    names: tuple[str, ...]
    node_names: tuple[str, ...]
    economy: Economy
    law: str = "conditional"
    retention: str = "state-dependent"
    individually_rational: bool = True
    surplus_split: tuple[float, ...] | str | None = None
    sources: tuple[Path, ...] = ()
    arc_names: tuple[str, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()
    paths: Paths | None = field(default=None, repr=False)
    _table: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def of_paths(self, paths: Paths) -> Economy:
        """Return the economy of the same agents on the lattice of other paths.

        Parameters
        ----------
        paths : Paths
            Losses, and states if this file has some.

        Returns
        -------
        Economy

        Raises
        ------
        ValueError
            If the file is not about paths, or there is no node that an agent names.

        Examples
        --------
        >>> file = load_economy(example_path("paths"))
        >>> file.of_paths(file.paths.some(np.arange(200))).scenarios.n_arcs
        600
        """
        bad = self.paths is None
        refuse(bad, f"{self.title!r} is not made of paths: give one that is")
        place, table = self.sources[0].name, self._table
        return _economy(place, table, _of_paths(place, table, self.names, paths))

    def solve(self) -> Solution:
        """Solve the economy with the settings of the file.

        Returns
        -------
        Solution

        Raises
        ------
        Infeasible
            As ``dynpo_lite.solve``.

        Examples
        --------
        >>> weather = load_economy(example_path("weather"))
        >>> round(float(weather.solve().total_risk_to_go[0]), 6)
        955.783152
        """
        return solve(self.economy, **{name: getattr(self, name) for name in SETTINGS})


def example_path(name: str = "weather") -> Path:
    """Return where the economy file of a shipped example lies.

    Parameters
    ----------
    name : {"weather", "two_period", "paths", "chain", "arcs"}

    Returns
    -------
    Path

    Examples
    --------
    >>> example_path("two_period").name
    'economy.toml'
    """
    validate.choice("name", name, EXAMPLES)
    return Path(__file__).parent / "data" / name / "economy.toml"


def load_economy(path: str | Path, scenarios: Any = None) -> EconomyFile:
    """Read an economy from a TOML file and the CSV files that it names.

    Parameters
    ----------
    path : str or Path
        The TOML file; the CSV is looked for beside it.
    scenarios : PathTree or PathLattice, optional
        What ``tree_from_paths`` or ``lattice_from_paths`` returns, which takes the
        place of the CSV: the same agents on other scenarios.

    Returns
    -------
    EconomyFile

    Raises
    ------
    ValueError
        If a file is missing or anything in it will not do: one line that names the
        file, the place, the value and the cure.

    Notes
    -----
    Nodes of paths are called ``start``, ``1``, ``1.2``, ...: the numbers of the groups
    that lead to them, the mildest of each node being 1; of states ``2:calm``, the time
    and the state.

    Examples
    --------
    >>> weather = load_economy(example_path("weather"))
    >>> weather.names, weather.currency, weather.node_names[-1]
    (('Coast', 'Hills', 'Plain'), 'EUR million', 'stormy-stormy-stormy')
    >>> load_economy("no.toml")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: no.toml does not exist: give the path of an economy file, ...
    """
    try:
        return _load(Path(path), scenarios)
    except ValueError as error:
        raise ValueError(one_line(error)) from None


def _load(path: Path, scenarios: Any) -> EconomyFile:
    table, place, sources = _read_toml(path), path.name, [path]
    messages.check_keys(place, table, KEYS, ("title", "currency", "agent"))
    names = _agent_names(place, table["agent"])
    settings = _settings(place, table, len(names))
    if scenarios is None:
        found = _scenarios(path, table, names, sources)
    else:
        found = _given(scenarios)
    if not isinstance(found.tree, ScenarioTree):
        what = f"law = {settings[0]!r} with retention = {settings[1]!r} needs a tree"
        cure = "give nodes, or paths and bins; or leave law and retention out"
        bad = settings[:2] != ("conditional", "state-dependent")
        refuse(bad, f"{place}: {what}: {cure}")
    economy = _economy(place, table, found)
    title, currency = (_text(place, table, key) for key in ("title", "currency"))
    named = title, currency, names, tuple(found.node_names)
    arcs, more = tuple(found.arc_names), (found.notes, found.paths, table)
    return EconomyFile(*named, economy, *settings, tuple(sources), arcs, *more)


def _scenarios(
    path: Path, table: Mapping, names: Sequence[str], sources: list[Path]
) -> Scenarios:
    """Return the scenarios that a file gives; append the files that are read."""
    place, given = path.name, [form for form in FORMS if form in table]
    cure = "write nodes = 'nodes.csv', arcs = 'arcs.csv', paths = 'paths.csv' or "
    refuse(not given, f"{place}: no scenarios: {cure}[chain]")
    refuse(given[1:], f"{place}: {' and '.join(given)} are given: keep one")
    form = given[0]
    for key in ("groups", "bins"):
        what = f"{key} = {table.get(key)!r} goes with paths, not with {form}"
        bad = key in table and form != "paths"
        refuse(bad, f"{place}: {what}: leave it out")

    def find(key: str, name: Any) -> Path:
        sources.append(path.parent / _text(place, {key: name}, key))
        what = "does not exist: put the CSV beside the TOML, or name it from there"
        bad = not os.path.isfile(sources[-1])
        refuse(bad, f"{place}: {key} = {name!r} {what}")
        return sources[-1]

    if form == "chain":
        return chain.read_chain(place, table[form], names, find)
    file = find(form, table[form])
    if form == "paths":
        return _of_paths(place, table, names, path_table.read_paths(file, names))
    read = csv_tables.read_nodes if form == "nodes" else csv_tables.read_arcs
    return read(file, names)


def _economy(place: str, table: Mapping, found: Scenarios) -> Economy:
    preferences = Preferences(place, found)
    agents = tuple(preferences.of(agent) for agent in table["agent"])
    return Economy(found.tree, found.endowments, agents)


def _of_paths(place: str, table: Mapping, names: Sequence, paths: Paths) -> Scenarios:
    with messages.placed(place):
        if "bins" in table:
            what = "go with a lattice, bins with a tree: leave one of them out"
            refuse("groups" in table, f"groups = {table.get('groups')!r} {what}")
            what = "a tree of bins knows no states: leave out bins or the column"
            refuse(paths.states is not None, f"bins = {table['bins']!r}: {what}")
            return path_table.tree_of(paths, table["bins"], names)
        return path_table.lattice_of(paths, table.get("groups", GROUPS))


def _given(scenarios: Any) -> Scenarios:
    """Return what was made of paths in Python, with names."""
    if hasattr(scenarios, "lattice"):
        node_names = path_table.group_names(scenarios.node_of_path)
        return Scenarios(scenarios.lattice, scenarios.endowments, node_names)
    tree, endowments = scenarios.tree, np.asarray(scenarios.endowments)
    return Scenarios(tree, endowments, csv_tables.numbered(tree))


def _read_toml(path: Path) -> dict[str, Any]:
    cure = "give the path of an economy file, or write one with dynpo solve --example"
    refuse(not os.path.exists(path), f"{path} does not exist: {cure} DIR")
    text = messages.read_text(path)
    longest = max(part.count(".") for part in re.split(r"[\n=,{]", text))
    try:
        if longest > MAX_PARTS:
            raise RecursionError
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name} is no TOML: {error}: correct it there") from None
    except RecursionError:
        raise _too_deep(path.name) from None
    except ValueError:  # Python reads no integer of more than 4300 digits
        what = "holds a number of thousands of digits: write a shorter one"
        raise ValueError(f"{path.name} {what}") from None
    _refuse_odd(path.name, table)
    return table


def _too_deep(name: str) -> ValueError:
    return ValueError(f"{name} is nested too deeply: write at most {DEPTH} levels")


def _refuse_odd(place: str, value: Any, depth: int = 0) -> None:
    """Refuse what no key means: dates, integers beyond floats, tables within tables."""
    if depth > DEPTH:
        raise _too_deep(place.partition(",")[0])
    if isinstance(value, dict):
        for key, entry in value.items():
            _refuse_odd(f"{place}, {key}", entry, depth + 1)
    elif isinstance(value, list):
        for number, entry in enumerate(value, start=1):
            _refuse_odd(f"{place} {number}", entry, depth + 1)
    elif hasattr(value, "isoformat"):
        raise ValueError(f"{place} = {value} is a date: write it in quotes")
    elif isinstance(value, int) and abs(value) > csv_tables.LARGEST:
        raise ValueError(f"{place} = {shown(value)} is too large: write a smaller one")


def _text(place: str, table: Mapping[str, Any], key: str) -> str:
    value, here = table[key], f"{place}: {key}"
    text = expect(here, value, str, "text: write it in quotes").strip()
    refuse(not text, f"{here} = {value!r} is no text: write it in quotes")
    what = "holds a character that cannot be shown: leave it out"
    refuse(not value.isprintable(), f"{here} = {value!r} {what}")
    return text


def _agent_names(place: str, agents: Any) -> tuple[str, ...]:
    cure = "list of tables: write [[agent]] above each agent"
    expect(f"{place}: agent", agents, list, cure, some=True)
    keys = ("name", "measure", "where"), ("name", "measure")
    names: dict[str, None] = {}
    for here, agent in messages.tables(f"{place}, agent", "[[agent]]", agents, *keys):
        name = _text(here, agent, "name")
        what = "is a column of its own: choose another name"
        refuse(name in RESERVED, f"{here}: name = {name!r} {what}")
        messages.refuse_formula(f"{here}: name", name)
        refuse(name in names, f"{here}: name = {name!r} comes twice: choose another")
        names[name] = None
    return tuple(names)


def _settings(place: str, table: Mapping, n_agents: int) -> tuple[str, str, bool, Any]:
    """Return the arguments of ``solve`` that the file gives, checked together."""
    with messages.placed(place):
        terms = reading(table.get("law", "conditional"), table.get("retention"))
        rational = table.get("individually_rational", True)
        expect("individually_rational", rational, bool, "bool: write true or false")
        split = table.get("surplus_split")
        if split is not None:
            what = "goes with individually_rational = true: leave it out"
            refuse(not rational, f"surplus_split = {split!r} {what}")
            if split not in ("equal", "load"):
                split = validate.probabilities("surplus_split", split, n_agents)
                split = tuple(split.tolist())
    return (*terms, rational, split)
