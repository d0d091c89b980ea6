"""Preferences of an economy file: a measure for each agent, exceptions by state."""

from collections.abc import Mapping
from typing import Any

import numpy as np

import dynpo_lite as dp
from dynpo_lite.base import validate
from dynpo_lite.companion.files import messages
from dynpo_lite.companion.files.csv_tables import Scenarios
from dynpo_lite.companion.files.messages import expect, near, placed, refuse

MEASURES: Mapping[str, tuple[Any, tuple[str, ...]]] = {
    "expectation": (dp.Expectation, ()),
    "expected_shortfall": (dp.ExpectedShortfall, ("level",)),
    "worst_case": (dp.WorstCase, ()),
    "proportional_hazard": (dp.ProportionalHazard, ("exponent",)),
    "dual_power": (dp.DualPower, ("power",)),
    "wang": (dp.Wang, ("shift",)),
    "piecewise_linear": (dp.PiecewiseLinear, ("s", "k")),
    "mixture": (dp.Mixture, ("weights", "of")),
    "minimum": (dp.Minimum, ("of",)),
    "supremum": (dp.Supremum, ("of",)),
}
SELECTORS = ("nodes", "stage", "states", "above_quantile")
ROUNDING = 1e-9  # of probabilities, where they are compared with a quantile's


class Preferences:
    """Puts the preferences of agents on one tree.

    Parameters
    ----------
    place : str
        The name of the file, for messages.
    scenarios : Scenarios
    """

    def __init__(self, place: str, scenarios: Scenarios) -> None:
        self.place, self.tree = place, scenarios.tree
        self.aggregate = _on_arrival(scenarios)
        self.states = np.array(scenarios.states, dtype=object)
        self.numbers = {name: v for v, name in enumerate(scenarios.node_names)}
        self.n_inner = self.tree.n_inner

    def of(self, agent: Mapping[str, Any]) -> Any:
        """Return the agent's measure, or one for each non-terminal node."""
        here = f"{self.place}, agent {agent['name']!r}"
        measure = read_measure(f"{here}, measure", agent["measure"])
        given, mark = agent.get("where", []), "[[agent.where]]"
        cure = f"list of tables: write {mark} above each"
        expect(f"{here}: where", given, list, cure)
        at_nodes = [measure] * self.n_inner
        keys = (*SELECTORS, "measure"), ["measure"]
        for place, table in messages.tables(f"{here}, where", mark, given, *keys):
            by = [key for key in SELECTORS if key in table]
            cure = f"add {' or '.join(SELECTORS)} = ..."
            refuse(not by, f"{place} selects no node: {cure}")
            with placed(place):
                masks = [getattr(self, f"_by_{key}")(table[key]) for key in by]
            other = read_measure(f"{place}, measure", table["measure"])
            for v in np.flatnonzero(np.all(masks, axis=0)):
                at_nodes[v] = other
        return at_nodes if given else measure

    def _by_nodes(self, names: Any) -> np.ndarray:
        expect("nodes", names, list, "list: write nodes = ['a', 'b']", some=True)
        for name in names:
            if not isinstance(name, str) or name not in self.numbers:
                cure = near(name, self.numbers, "give names of the tree's nodes")
                raise ValueError(f"nodes: {name!r} is no node: {cure}")
            what = "lies at the horizon, where no risk is left: give nodes before it"
            refuse(self.numbers[name] >= self.n_inner, f"nodes: {name!r} {what}")
        return np.isin(range(self.n_inner), [self.numbers[name] for name in names])

    def _by_stage(self, stage: Any) -> np.ndarray:
        stage = validate.integer("stage", stage, 0)
        end = self.tree.horizon
        what = f"is not before the horizon {end}: choose 0 to {end - 1}"
        refuse(stage >= end, f"stage = {stage} {what}")
        return self.tree.stage[: self.n_inner] == stage

    def _by_states(self, states: Any) -> np.ndarray:
        known = list(dict.fromkeys(state for state in self.states if state))
        what = "goes with [chain], or with paths and a column of whole states"
        refuse(not known, f"states = {states!r} {what}: select nodes or stage")
        expect("states", states, list, "list: write states = ['a', 'b']", some=True)
        names = [str(state) for state in states]
        for name in names:
            refuse(name not in known, f"states: {name!r} is none: {near(name, known)}")
        return np.isin(self.states[: self.n_inner].astype(str), names)

    def _by_above_quantile(self, p: Any) -> np.ndarray:
        p = validate.number("above_quantile", p, 0, 1, closed="left")
        selected = np.zeros(self.n_inner, dtype=bool)
        for t in range(1, self.tree.horizon):
            nodes = self.tree.nodes(t)
            below = mass_below(self.aggregate[nodes], self.tree.unconditional[nodes])
            selected[nodes] = below >= p - ROUNDING
        return selected


def _on_arrival(scenarios: Scenarios) -> np.ndarray:
    """Return the total loss at each node, on a lattice the mean of the arcs to it."""
    total, lattice = scenarios.endowments.sum(axis=0), scenarios.tree
    if isinstance(lattice, dp.ScenarioTree):
        return total
    reach = lattice.unconditional[lattice.source] * lattice.probability
    sums = np.bincount(lattice.target, reach * lattice.entries(total))
    return np.append(0.0, sums[1:] / lattice.unconditional[1:])


def mass_below(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return P(X < x) at each sample; it is at least p exactly above the p-quantile.

    Examples
    --------
    >>> mass_below(np.array([3.0, 1.0, 3.0]), np.array([0.25, 0.5, 0.25])).tolist()
    [0.5, 0.0, 0.5]
    """
    values, place = np.unique(x, return_inverse=True)
    mass = np.bincount(place, weights, len(values))
    return (np.cumsum(mass) - mass)[place]


def read_measure(place: str, table: Any, inside: bool = False) -> Any:
    """Build the measure that a table of an economy file describes.

    Parameters
    ----------
    place : str
        Where the table stands, for messages.
    table : dict
        ``kind`` and what that kind needs.
    inside : bool
        Whether it is a part of another measure.

    Examples
    --------
    >>> read_measure("here", {"kind": "wang", "shift": 0.3})
    Wang(shift=0.3)
    """
    cure = "table: write {kind = 'expected_shortfall', level = 0.9} or the like"
    kind = expect(place, table, dict, cure).get("kind", "")
    if not isinstance(kind, str) or kind not in MEASURES:
        what = f"= {kind!r} is unknown" if "kind" in table else "is missing"
        raise ValueError(f"{place}: kind {what}: {near(kind, list(MEASURES))}")
    what = "is no distortion: use it outside 'of' only"
    refuse(inside and kind == "supremum", f"{place}: kind = 'supremum' {what}")
    build, keys = MEASURES[kind]
    messages.check_keys(place, table, ("kind", *keys), keys)
    arguments = {key: table[key] for key in keys}
    if "of" in arguments:
        cure = "list of measures: write of = [{kind = ...}, {kind = ...}]"
        parts = expect(f"{place}: of", arguments.pop("of"), list, cure, some=True)
        named = ((f"{place}, part {j}", part) for j, part in enumerate(parts, start=1))
        arguments["distortions"] = [read_measure(*part, inside=True) for part in named]
    try:
        with placed(place):
            return build(**arguments)
    except ValueError as error:
        words = str(error)
        for name, (measure, _) in MEASURES.items():  # what a cure may name
            words = words.replace(f"{measure.__name__}()", f"kind = {name!r}")
        raise ValueError(words) from None
