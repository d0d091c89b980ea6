"""Preferences of an economy file: a measure for each agent, exceptions by state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dynpo_lite import (
    DualPower,
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
)
from dynpo_lite.base import validate
from dynpo_lite.companion.files.messages import check_keys, near, placed

MEASURES: Mapping[str, tuple[Any, tuple[str, ...]]] = {
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
SELECTORS = ("nodes", "stage", "above_quantile")
ROUNDING = 1e-9  # of probabilities, where they are compared with a quantile's


@dataclass(frozen=True)
class Preferences:
    """Puts the preferences of agents on one tree.

    Attributes
    ----------
    tree : ScenarioTree
    aggregate : ndarray of shape (n_nodes,)
        The sum of all agents' losses.
    node_names : sequence of str
    place : str
        The name of the file, for messages.
    """

    tree: ScenarioTree
    aggregate: np.ndarray
    node_names: Sequence[str]
    place: str

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The nodes by their names."""
        return {name: v for v, name in enumerate(self.node_names)}

    @property
    def n_inner(self) -> int:
        """How many nodes lie before the horizon."""
        return int(self.tree.first[self.tree.horizon])

    def of(self, agent: Mapping[str, Any]) -> Any:
        """Return the agent's measure, or one for each non-terminal node."""
        here = f"{self.place}, agent {agent['name']!r}"
        measure = read_measure(f"{here}, measure", agent["measure"])
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
            other, nodes = self._exception(f"{here}, where {number}", exception)
            for v in nodes:
                at_nodes[v] = other
        return at_nodes

    def _exception(self, place: str, table: Any) -> tuple[Any, np.ndarray]:
        """Return the measure of one ``where`` and the nodes at which it applies."""
        if not isinstance(table, dict):
            raise ValueError(
                f"{place} = {table!r} is no table: write [[agent.where]] above it"
            )
        check_keys(place, table, (*SELECTORS, "measure"), ("measure",))
        selected = np.ones(self.n_inner, dtype=bool)
        given = [key for key in SELECTORS if key in table]
        if not given:
            raise ValueError(
                f"{place} selects no node: add {' or '.join(SELECTORS)} = ..."
            )
        for key in given:
            with placed(place):
                selected &= getattr(self, f"_by_{key}")(table[key])
        measure = read_measure(f"{place}, measure", table["measure"])
        return measure, np.flatnonzero(selected)

    def _by_nodes(self, names: Any) -> np.ndarray:
        if not isinstance(names, list) or not names:
            raise ValueError(f"nodes = {names!r} is no list: write nodes = ['a', 'b']")
        selected = np.zeros(self.n_inner, dtype=bool)
        for name in names:
            v = self.numbers.get(name) if isinstance(name, str) else None
            if v is None:
                cure = near(name, self.numbers, "give names of the tree's nodes")
                raise ValueError(f"nodes: {name!r} is no node: {cure}")
            if v >= self.n_inner:
                raise ValueError(
                    f"nodes: {name!r} lies at the horizon, where no risk is left: "
                    "give nodes before it"
                )
            selected[v] = True
        return selected

    def _by_stage(self, stage: Any) -> np.ndarray:
        stage = validate.integer("stage", stage, 0)
        if stage >= self.tree.horizon:
            raise ValueError(
                f"stage = {stage} is not before the horizon {self.tree.horizon}: "
                f"choose 0 to {self.tree.horizon - 1}"
            )
        return self.tree.stage[: self.n_inner] == stage

    def _by_above_quantile(self, p: Any) -> np.ndarray:
        p = validate.number("above_quantile", p, 0, 1, closed="left")
        selected = np.zeros(self.n_inner, dtype=bool)
        for t in range(1, self.tree.horizon):
            nodes = self.tree.nodes(t)
            below = mass_below(self.aggregate[nodes], self.tree.unconditional[nodes])
            selected[nodes] = below >= p - ROUNDING
        return selected


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
    if not isinstance(table, dict):
        raise ValueError(
            f"{place} = {table!r} is no table: write "
            "{kind = 'expected_shortfall', level = 0.9} or the like"
        )
    kind = table.get("kind", "")
    if not isinstance(kind, str) or kind not in MEASURES:
        what = f"= {kind!r} is unknown" if "kind" in table else "is missing"
        raise ValueError(f"{place}: kind {what}: {near(kind, list(MEASURES))}")
    if inside and kind == "supremum":
        raise ValueError(
            f"{place}: kind = 'supremum' is no distortion: use it outside 'of' only"
        )
    build, keys = MEASURES[kind]
    check_keys(place, table, ("kind", *keys), keys)
    arguments = {key: table[key] for key in keys}
    if "of" in arguments:
        parts = arguments.pop("of")
        if not isinstance(parts, list) or not parts:
            raise ValueError(
                f"{place}: of = {parts!r} is no list of measures: write "
                "of = [{kind = ...}, {kind = ...}]"
            )
        arguments["distortions"] = [
            read_measure(f"{place}, part {j}", part, inside=True)
            for j, part in enumerate(parts, start=1)
        ]
    try:
        with placed(place):
            return build(**arguments)
    except ValueError as error:
        words = str(error)
        for name, (measure, _) in MEASURES.items():  # what a cure may name
            words = words.replace(f"{measure.__name__}()", f"kind = {name!r}")
        raise ValueError(words) from None
