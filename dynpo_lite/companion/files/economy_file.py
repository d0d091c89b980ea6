"""Economies in files: a TOML with agents and preferences, a CSV with scenarios.

The format is documented on the page ``book/economy_file.md``.  Reading is strict: what
is unknown, missing or contradictory is one error of one line, which names the file, the
place, the value and the cure.
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dynpo_lite import Economy, Solution, solve
from dynpo_lite.base import validate
from dynpo_lite.base.reading import reading
from dynpo_lite.companion.files import csv_tables, messages
from dynpo_lite.companion.files.csv_tables import NODE_COLUMNS, PATH_COLUMNS, Scenarios
from dynpo_lite.companion.files.messages import expect, refuse
from dynpo_lite.companion.files.preferences import Preferences
from dynpo_lite.companion.outputs import one_line, shown

SETTINGS = ("law", "retention", "individually_rational", "surplus_split")
KEYS = ("title", "currency", *SETTINGS, "nodes", "paths", "bins", "agent")
# columns of what is read and written: no name for an agent
RESERVED = (*NODE_COLUMNS, *PATH_COLUMNS, "stage", "attachment", "exhaustion")
EXAMPLES = ("weather", "two_period")
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
    surplus_split : tuple of float or None
    sources : tuple of Path
        The files that were read.
    """

    title: str
    currency: str
    names: tuple[str, ...]
    node_names: tuple[str, ...]
    economy: Economy
    law: str = "conditional"
    retention: str = "state-dependent"
    individually_rational: bool = True
    surplus_split: tuple[float, ...] | None = None
    sources: tuple[Path, ...] = ()

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
    name : {"weather", "two_period"}

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
    """Read an economy from a TOML file and the CSV file that it names.

    Parameters
    ----------
    path : str or Path
        The TOML file; the CSV is looked for beside it.
    scenarios : PathTree, optional
        A tree with endowments, such as ``tree_from_paths`` returns, which takes the
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
    that lead to them, the mildest of each node being 1.

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
    table, place, sources = _read_toml(path), path.name, (path,)
    messages.check_keys(place, table, KEYS, ("title", "currency", "agent"))
    names = _agent_names(place, table["agent"])
    settings = _settings(place, table, len(names))
    if scenarios is None:
        found, csv_file = _scenarios(path, table, names)
        sources += (csv_file,)
    else:
        tree, endowments = scenarios.tree, np.asarray(scenarios.endowments)
        found = Scenarios(tree, endowments, csv_tables.numbered(tree))
    preferences = Preferences(place, found)
    agents = tuple(preferences.of(agent) for agent in table["agent"])
    title, currency = (_text(place, table, key) for key in ("title", "currency"))
    economy = Economy(found.tree, found.endowments, agents)
    named = title, currency, names, tuple(found.node_names)
    return EconomyFile(*named, economy, *settings, sources)


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
    value = table[key]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{place}: {key} = {value!r} is no text: write it in quotes")
    what = "holds a character that cannot be shown: leave it out"
    refuse(not value.isprintable(), f"{place}: {key} = {value!r} {what}")
    return value.strip()


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
            split = validate.probabilities("surplus_split", split, n_agents)
            split = tuple(split.tolist())
    return (*terms, rational, split)


def _scenarios(path: Path, table: dict, names: Sequence) -> tuple[Scenarios, Path]:
    """Return the scenarios that the TOML points to, and the file that holds them."""
    place, given = path.name, [key for key in ("nodes", "paths") if key in table]
    what = "nodes and paths are both given" if given else "no scenarios"
    cure = "write either nodes = 'nodes.csv', or paths = 'paths.csv' and bins"
    refuse(len(given) != 1, f"{place}: {what}: {cure}")
    key = given[0]
    cure = "add bins = [4, 4, 4]" if key == "paths" else "leave it out"
    what = f"bins goes with paths, not with nodes: {cure}"
    refuse((key == "paths") != ("bins" in table), f"{place}: {what}")
    file = path.parent / _text(place, table, key)
    what = "does not exist: put the CSV beside the TOML, or name it from there"
    refuse(not os.path.isfile(file), f"{place}: {key} = {table[key]!r} {what}")
    if key == "nodes":
        return csv_tables.read_nodes(file, names), file
    return csv_tables.read_paths(file, names, table["bins"], place), file
