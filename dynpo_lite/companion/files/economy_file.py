"""Economies in files: a TOML with agents and preferences, a CSV with scenarios.

The format is documented on the page ``book/economy_file.md``.  Reading is strict: what
is unknown, missing or contradictory is one error of one line, which names the file, the
place, the value and the cure.  Writing returns texts; the command line puts them into
files.  Numbers are written with 12 significant digits.
"""

import csv
import difflib
import math
import re
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from dynpo_lite import (
    DualPower,
    Economy,
    Expectation,
    ExpectedShortfall,
    Minimum,
    Mixture,
    PiecewiseLinear,
    ProportionalHazard,
    ScenarioTree,
    Supremum,
    Wang,
    WorstCase,
    solve,
    tree_from_paths,
)
from dynpo_lite.base import validate

MEASURES = {
    "expectation": (Expectation, ()),
    "expected_shortfall": (ExpectedShortfall, ("level",)),
    "worst_case": (WorstCase, ()),
    "proportional_hazard": (ProportionalHazard, ("exponent",)),
    "dual_power": (DualPower, ("power",)),
    "wang": (Wang, ("shift",)),
    "piecewise_linear": (PiecewiseLinear, ("s", "k")),
    "mixture": (Mixture, ("weights", "of")),
    "minimum": (Minimum, ("of",)),
    "supremum": (Supremum, ("of",)),
}
SETTINGS = ("law", "retention", "individually_rational", "surplus_split")
KEYS = ("title", "currency", *SETTINGS, "nodes", "paths", "bins", "agent")
SELECTORS = ("nodes", "stage", "above_quantile")
NODE_COLUMNS = ("node", "parent", "probability")
PATH_COLUMNS = ("path", "time")
# columns of what is read and written: no name for an agent
RESERVED = (*NODE_COLUMNS, *PATH_COLUMNS, "stage", "attachment", "exhaustion")
EXAMPLES = ("weather", "two_period")
ROUNDING = 1e-9  # of probabilities, where they are compared with a quantile's


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
    names: tuple
    node_names: tuple
    economy: Economy
    law: str = "conditional"
    retention: str = "state-dependent"
    individually_rational: bool = True
    surplus_split: tuple | None = None
    sources: tuple = ()

    def solve(self):
        """Solve the economy with the settings of the file.

        Returns
        -------
        Solution or DeterministicSolution

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
        return solve(
            self.economy,
            retention=self.retention,
            law=self.law,
            individually_rational=self.individually_rational,
            surplus_split=self.surplus_split,
        )


def example_path(name="weather"):
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
    folder = files("dynpo_lite.companion.files") / "data" / name
    return Path(str(folder / "economy.toml"))


# --- reading: the settings ------------------------------------------------------------


def load_economy(path, scenarios=None):
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
    path = Path(path)
    table = _read_toml(path)
    place = path.name
    _check_keys(place, table, KEYS, ("title", "currency", "agent"))
    names = _agent_names(place, table["agent"])
    settings = _settings(place, table, len(names))
    sources = (path,)
    if scenarios is None:
        tree, endowments, node_names, csv_file = _scenarios(path, table, names)
        sources += (csv_file,)
    else:
        tree, endowments = scenarios.tree, scenarios.endowments
        node_names = numbered(tree)
    aggregate = np.asarray(endowments).sum(axis=0)
    preferences = _Preferences(tree, aggregate, node_names, place)
    agents = [preferences.of(agent) for agent in table["agent"]]
    return EconomyFile(
        title=_text(place, table, "title"),
        currency=_text(place, table, "currency"),
        names=names,
        node_names=tuple(node_names),
        economy=Economy(tree, endowments, agents),
        **settings,
        sources=sources,
    )


def _read_toml(path):
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ValueError(
            f"{path} does not exist: give the path of an economy file, or write one "
            "with dynpo solve --example DIR"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name} is no TOML: {error}: correct it there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path, error):
    why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    return ValueError(f"{path} cannot be read ({why}): give a text file in UTF-8")


def _check_keys(place, table, allowed, required):
    """Refuse unknown keys, naming the nearest known one, and missing ones."""
    for key in table:
        if key not in allowed:
            raise ValueError(f"{place}: key {key!r} is unknown: {_near(key, allowed)}")
    for key in required:
        if key not in table:
            raise ValueError(f"{place}: {key} is missing: add {key} = ...")


def _near(name, known, cure=None):
    """Return a cure that begins with the nearest of the known names, if one is near."""
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return hint + (cure or f"allowed: {', '.join(known)}")


def _text(place, table, key):
    value = table[key]
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(f"{place}: {key} = {value!r} is no text: write it in quotes")
    return value.strip()


def _agent_names(place, agents):
    if not isinstance(agents, list) or not agents:
        raise ValueError(
            f"{place}: agent = {agents!r} is no list of tables: write [[agent]] above "
            "each agent"
        )
    names = []
    for number, agent in enumerate(agents, start=1):
        here = f"{place}, agent {number}"
        if not isinstance(agent, dict):
            raise ValueError(
                f"{here} = {agent!r} is no table: write [[agent]] above it"
            )
        _check_keys(here, agent, ("name", "measure", "where"), ("name", "measure"))
        name = _text(here, agent, "name")
        if name in RESERVED:
            raise ValueError(
                f"{here}: name = {name!r} is a column of its own: choose another name"
            )
        if name in names:
            raise ValueError(f"{here}: name = {name!r} comes twice: choose another")
        names.append(name)
    return tuple(names)


def _settings(place, table, n_agents):
    """Return the arguments of ``solve`` that the file gives, checked together."""
    with _placed(place):
        law = validate.choice(
            "law", table.get("law", "conditional"), ("conditional", "marginal")
        )
        usual = "state-dependent" if law == "conditional" else "deterministic"
        retention = validate.choice(
            "retention",
            table.get("retention", usual),
            ("state-dependent", "deterministic"),
        )
        if (law, retention) == ("marginal", "state-dependent"):
            raise ValueError(
                "retention = 'state-dependent' does not go with law = 'marginal': "
                "choose 'deterministic', or law = 'conditional'"
            )
        rational = table.get("individually_rational", True)
        if not isinstance(rational, bool):
            raise ValueError(
                f"individually_rational = {rational!r} is no bool: write true or false"
            )
        split = table.get("surplus_split")
        if split is not None:
            if not rational:
                raise ValueError(
                    f"surplus_split = {split} goes with individually_rational = true: "
                    "leave it out"
                )
            split = validate.probabilities("surplus_split", split, n_agents)
            split = tuple(split.tolist())
    return dict(zip(SETTINGS, (law, retention, rational, split), strict=True))


@contextmanager
def _placed(place):
    """Put the place before the message of an error about a value."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{place}: {error}") from None


# --- reading: preferences -------------------------------------------------------------


class _Preferences:
    """Puts the preferences of agents on one tree."""

    def __init__(self, tree, aggregate, node_names, place):
        self.tree, self.aggregate, self.place = tree, aggregate, place
        self.numbers = {name: v for v, name in enumerate(node_names)}
        self.n_inner = int(tree.first[tree.horizon])

    def of(self, agent):
        """Return the agent's measure, or one for each non-terminal node."""
        here = f"{self.place}, agent {agent['name']!r}"
        measure = _measure(f"{here}, measure", agent["measure"])
        exceptions = agent.get("where", [])
        if not isinstance(exceptions, list):
            raise ValueError(
                f"{here}: where = {exceptions!r} is no list of tables: write "
                "[[agent.where]] above each"
            )
        if not exceptions:
            return measure
        at_nodes = [measure] * self.n_inner
        for number, exception in enumerate(exceptions, start=1):
            place = f"{here}, where {number}"
            other, nodes = self._exception(place, exception)
            for v in nodes:
                at_nodes[v] = other
        return at_nodes

    def _exception(self, place, table):
        """Return the measure of one ``where`` and the nodes at which it applies."""
        if not isinstance(table, dict):
            raise ValueError(
                f"{place} = {table!r} is no table: write [[agent.where]] above it"
            )
        _check_keys(place, table, (*SELECTORS, "measure"), ("measure",))
        selected = np.ones(self.n_inner, dtype=bool)
        given = [key for key in SELECTORS if key in table]
        if not given:
            raise ValueError(
                f"{place} selects no node: add {' or '.join(SELECTORS)} = ..."
            )
        for key in given:
            with _placed(place):
                selected &= getattr(self, f"_by_{key}")(table[key])
        measure = _measure(f"{place}, measure", table["measure"])
        return measure, np.flatnonzero(selected)

    def _by_nodes(self, names):
        if not isinstance(names, list) or not names:
            raise ValueError(f"nodes = {names!r} is no list: write nodes = ['a', 'b']")
        selected = np.zeros(self.n_inner, dtype=bool)
        for name in names:
            v = self.numbers.get(name) if isinstance(name, str) else None
            if v is None:
                cure = _near(name, self.numbers, "give names of the tree's nodes")
                raise ValueError(f"nodes: {name!r} is no node: {cure}")
            if v >= self.n_inner:
                raise ValueError(
                    f"nodes: {name!r} lies at the horizon, where no risk is left: "
                    "give nodes before it"
                )
            selected[v] = True
        return selected

    def _by_stage(self, stage):
        stage = validate.integer("stage", stage, 0)
        if stage >= self.tree.horizon:
            raise ValueError(
                f"stage = {stage} is not before the horizon {self.tree.horizon}: "
                f"choose 0 to {self.tree.horizon - 1}"
            )
        return self.tree.stage[: self.n_inner] == stage

    def _by_above_quantile(self, p):
        p = validate.number("above_quantile", p, 0, 1, closed="left")
        selected = np.zeros(self.n_inner, dtype=bool)
        for t in range(1, self.tree.horizon):
            nodes = self.tree.nodes(t)
            below = mass_below(self.aggregate[nodes], self.tree.unconditional[nodes])
            selected[nodes] = below >= p - ROUNDING
        return selected


def mass_below(x, weights):
    """Return P(X < x) at each sample; it is at least p exactly above the p-quantile."""
    values, place = np.unique(x, return_inverse=True)
    mass = np.bincount(place, weights, len(values))
    return (np.cumsum(mass) - mass)[place]


def _measure(place, table, inside=False):
    """Build the measure that a table describes."""
    if not isinstance(table, dict):
        raise ValueError(
            f"{place} = {table!r} is no table: write "
            "{kind = 'expected_shortfall', level = 0.9} or the like"
        )
    kind = table.get("kind", "")
    if not isinstance(kind, str) or kind not in MEASURES:
        what = f"= {kind!r} is unknown" if "kind" in table else "is missing"
        raise ValueError(f"{place}: kind {what}: {_near(kind, list(MEASURES))}")
    if inside and kind == "supremum":
        raise ValueError(
            f"{place}: kind = 'supremum' is no distortion: use it outside 'of' only"
        )
    build, keys = MEASURES[kind]
    _check_keys(place, table, ("kind", *keys), keys)
    arguments = {key: table[key] for key in keys}
    if "of" in arguments:
        parts = arguments.pop("of")
        if not isinstance(parts, list) or not parts:
            raise ValueError(
                f"{place}: of = {parts!r} is no list of measures: write "
                "of = [{kind = ...}, {kind = ...}]"
            )
        arguments["distortions"] = [
            _measure(f"{place}, part {j}", part, inside=True)
            for j, part in enumerate(parts, start=1)
        ]
    with _placed(place):
        return build(**arguments)


# --- reading: scenarios ---------------------------------------------------------------


def _scenarios(path, table, names):
    """Return the tree, the endowments and the nodes' names that the TOML points to."""
    place, given = path.name, [key for key in ("nodes", "paths") if key in table]
    if len(given) != 1:
        raise ValueError(
            f"{place}: {'nodes and paths are both given' if given else 'no scenarios'}:"
            " write either nodes = 'nodes.csv', or paths = 'paths.csv' and bins"
        )
    key = given[0]
    if (key == "paths") != ("bins" in table):
        cure = "add bins = [4, 4, 4]" if key == "paths" else "leave it out"
        raise ValueError(f"{place}: bins goes with paths, not with nodes: {cure}")
    file = path.parent / _text(place, table, key)
    if not file.is_file():
        raise ValueError(
            f"{place}: {key} = {table[key]!r} does not exist: put the CSV beside the "
            "TOML, or name it from there"
        )
    if key == "nodes":
        return *_NodeTable(file, names).read(), file
    losses = _read_paths(file, names)
    with _placed(place):
        tree, endowments, _ = tree_from_paths(losses, table["bins"])
    return tree, endowments, numbered(tree), file


def numbered(tree):
    """Name the nodes of a tree by the numbers of the children that lead to them."""
    names, seen = ["start"], np.zeros(tree.n_nodes, dtype=int)
    for v in range(1, tree.n_nodes):
        parent = int(tree.parent[v])
        seen[parent] += 1
        names.append(f"{names[parent]}.{seen[parent]}" if parent else f"{seen[0]}")
    return names


def read_csv(file, columns, optional=()):
    """Return the rows of a CSV as (line, {column: cell}); the columns in any order."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in r]) for r in reader]
    except csv.Error as error:
        raise ValueError(
            f"{file.name}, line {reader.line_num} is no CSV ({error}): correct it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from None
    lines = [(line, cells) for line, cells in lines if any(cells)]
    if not lines:
        raise ValueError(
            f"{file.name} is empty: begin with the line {','.join(columns)}"
        )
    header = lines[0][1]
    _check_header(file.name, header, columns, (*columns, *optional))
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise ValueError(
                f"{file.name}, line {line} has {len(cells)} cells: give "
                f"{len(header)}, one for each column of line 1"
            )
    return [(line, dict(zip(header, cells))) for line, cells in lines[1:]]


def _check_header(name, header, columns, allowed):
    for column in columns:
        if column not in header:
            raise ValueError(
                f"{name}, line 1 has no column {column!r}: write "
                f"{','.join(columns)}, separated by commas"
            )
    for j, column in enumerate(header):
        if column not in allowed:
            raise ValueError(
                f"{name}, line 1, column {column!r} is unknown: "
                f"{_near(column, allowed)}"
            )
        if column in header[:j]:
            raise ValueError(f"{name}, line 1, column {column!r} comes twice: keep one")


def read_number(place, text):
    """Read one cell as a finite number."""
    try:
        value = float(text) if "_" not in text else None
    except ValueError:
        value = None
    if value is None:
        what = f"= {text!r} is not a number" if text else "is empty"
        raise ValueError(f"{place} {what}: write a number such as 12.5")
    if not math.isfinite(value):
        raise ValueError(f"{place} = {text!r} is not finite: write a finite number")
    return value


class _NodeTable:
    """A CSV of nodes, checked and put in the order of the stages."""

    def __init__(self, file, names):
        self.file, self.names = file.name, names
        rows = read_csv(file, (*NODE_COLUMNS, *names))
        self.lines, self.rows = {}, {}
        for line, row in rows:
            self._add(line, row)

    def _add(self, line, row):
        name = row["node"]
        if not name or not name.isprintable():
            raise ValueError(
                f"{self.file}, line {line}, column node = {name!r} is no name: give "
                "the node one, in one line"
            )
        if name in self.rows:
            raise ValueError(
                f"{self.file}, line {line}: node {name!r} repeats line "
                f"{self.lines[name]}: give every node a name of its own"
            )
        self.lines[name], self.rows[name] = line, row

    def _place(self, name, column=None):
        column = f", column {column}" if column else ""
        return f"{self.file}, line {self.lines[name]}{column}"

    def read(self):
        """Return the tree, the endowments (n_agents, n_nodes) and the nodes' names."""
        stages = self._stages()
        names = [name for stage in stages for name in stage]
        place = {name: v for v, name in enumerate(names)}
        parent = [-1] + [place[self.rows[name]["parent"]] for name in names[1:]]
        probability = self._probabilities(names, parent)
        self._refuse_early_leaves(stages)
        losses = np.zeros((len(self.names), len(names)))
        for v, name in enumerate(names[1:], start=1):
            for i, agent in enumerate(self.names):
                cell = self.rows[name][agent]
                losses[i, v] = read_number(self._place(name, agent), cell)
        return ScenarioTree(parent, probability), losses, names

    def _stages(self):
        """Return the names of each stage, from the root on."""
        root = self._root()
        self.children = {name: [] for name in self.rows}
        for name, row in self.rows.items():
            parent = row["parent"]
            if name == root:
                continue
            if parent not in self.rows:
                cure = _near(parent, self.rows, "correct it or add its row")
                raise ValueError(
                    f"{self._place(name, 'parent')} = {parent!r} is no node: {cure}"
                )
            self.children[parent].append(name)
        stages = [[root]]
        while stages[-1]:
            stages.append([c for name in stages[-1] for c in self.children[name]])
        stages.pop()
        self._refuse_cycle(stages)
        if len(stages) == 1:
            raise ValueError(
                f"{self.file} holds only the root {root!r}: add the nodes of time 1"
            )
        return stages

    def _root(self):
        roots = [name for name, row in self.rows.items() if not row["parent"]]
        if not roots:
            raise ValueError(
                f"{self.file} has no root: leave the parent of one node empty"
            )
        if len(roots) > 1:
            raise ValueError(
                f"{self._place(roots[1])}: node {roots[1]!r} is a second root beside "
                f"{roots[0]!r}: give it a parent"
            )
        return roots[0]

    def _refuse_cycle(self, stages):
        reached = {name for stage in stages for name in stage}
        name = next((name for name in self.rows if name not in reached), None)
        if name is None:
            return
        seen = []
        while name not in seen:
            seen.append(name)
            name = self.rows[name]["parent"]
        cycle = " - ".join(map(repr, [*seen[seen.index(name) :], name]))
        raise ValueError(
            f"{self._place(name)}: node {name!r} is its own ancestor ({cycle}): give "
            "it a parent that leads to the root"
        )

    def _probabilities(self, names, parent):
        """Return the conditional probabilities, rounding of the file removed."""
        p = np.empty(len(names))
        for v, name in enumerate(names):
            text = self.rows[name]["probability"]
            place = self._place(name, "probability")
            p[v] = read_number(place, text)
            if v == 0 and p[v] != 1:
                raise ValueError(f"{place} = {text}: the root has probability 1")
            if not 0 < p[v] <= 1:
                raise ValueError(
                    f"{place} = {text} is outside (0, 1]: give the probability given "
                    "the parent, and leave out nodes of probability 0"
                )
        total = np.bincount(parent[1:], p[1:], len(names))
        for v, name in enumerate(names):
            if self.children[name] and abs(total[v] - 1) > validate.PROBABILITY_TOL:
                raise ValueError(
                    f"{self.file}: the probabilities of the children of {name!r} sum "
                    f"to {total[v]:.10g}: let them sum to 1 (they are conditional)"
                )
        p[1:] /= total[parent[1:]]
        return np.minimum(p, 1.0)

    def _refuse_early_leaves(self, stages):
        horizon = len(stages) - 1
        for t, stage in enumerate(stages[:-1]):
            for name in stage:
                if not self.children[name]:
                    raise ValueError(
                        f"{self._place(name)}: node {name!r} ends at time {t} but the "
                        f"horizon is {horizon}: give it a child, of probability 1 if "
                        "nothing is open"
                    )


def _read_paths(file, names):
    """Return the losses (n_paths, T, n_agents) of a CSV of paths."""
    rows = read_csv(file, (*PATH_COLUMNS, *names))
    paths, lines = {}, {}
    for line, row in rows:
        here = f"{file.name}, line {line}"
        path, time = row["path"], row["time"]
        if not path:
            raise ValueError(f"{here}, column path is empty: give the path a name")
        if not re.fullmatch("[1-9][0-9]{0,5}", time):
            raise ValueError(
                f"{here}, column time = {time!r} is no time: write 1, 2, ..."
            )
        key = path, int(time)
        if key in lines:
            raise ValueError(
                f"{here}: path {path!r} at time {time} repeats line {lines[key]}: "
                "keep one"
            )
        lines[key] = line
        paths.setdefault(path, {})[int(time)] = [
            read_number(f"{here}, column {agent}", row[agent]) for agent in names
        ]
    if not paths:
        raise ValueError(f"{file.name} holds no path: add rows below line 1")
    horizon = max(max(times) for times in paths.values())
    for path, times in paths.items():
        for t in range(1, horizon + 1):
            if t not in times:
                raise ValueError(
                    f"{file.name}: path {path!r} has no time {t}: give every path the "
                    f"times 1 to {horizon}"
                )
    return np.array(
        [[times[t] for t in range(1, horizon + 1)] for times in paths.values()]
    )
