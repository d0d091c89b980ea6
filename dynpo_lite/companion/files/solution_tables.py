"""A solved economy as CSV tables.

Numbers are written with 12 significant digits.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import numpy as np

from dynpo_lite import ScenarioTree, Solution
from dynpo_lite.companion.files.csv_tables import write_csv
from dynpo_lite.companion.files.economy_file import EconomyFile

TABLES = ("allocation.csv", "risks.csv", "layers.csv", "totals.csv", "bills.csv")
PARTS = ("own", "layer", "price", "sure", "transfer", "reserve", "payment")


def tables(file: EconomyFile, solution: Solution, all_bills: bool) -> Iterator[str]:
    """Yield the tables of a solution, in the order of their names.

    Parameters
    ----------
    file : EconomyFile
    solution : Solution
    all_bills : bool
        Whether ``bills.csv`` is about every node, not the root alone.
    """
    yield _allocation(file, solution)
    yield _risks(file, solution)
    yield _layers(file, solution)
    yield _totals(file, solution)
    inner = file.economy.scenarios.n_inner
    yield _bills(file, solution, range(inner if all_bills else 1))


def _allocation(file: EconomyFile, solution: Solution) -> str:
    scenarios = file.economy.scenarios
    columns, paid = _nodes(file), clean(solution.allocation, file.economy.scale)
    if not isinstance(scenarios, ScenarioTree):
        columns = {"path": list(file.arc_names)} if file.arc_names else {}
        for end in ("source", "target"):
            columns[end] = [file.node_names[v] for v in getattr(scenarios, end)]
        columns["stage"] = scenarios.stage[scenarios.target]
        paid = scenarios.entries(paid)
    columns["probability"] = scenarios.probability
    return _table(columns | dict(zip(file.names, paid)))


def _risks(file: EconomyFile, solution: Solution) -> str:
    scenarios, names, agents = file.economy.scenarios, file.node_names, file.names
    risks = [solution.risk_without_trade, solution.risk_to_go, solution.premium]
    risks += [solution.risk_interval, solution.premium_interval]
    numbers = clean(np.dstack(risks), file.economy.scale).tolist()
    places = product(range(scenarios.n_inner), range(len(agents)))
    rows = [[names[v], agents[i], *numbers[i][v]] for v, i in places]
    header = ["node", "agent", "risk_without_trade", "risk_with_trade", "premium"]
    header += ["risk_low", "risk_high", "premium_low", "premium_high"]
    return write_csv(header, rows)


def _layers(file: EconomyFile, solution: Solution) -> str:
    first, rows = "node" if file.retention == "state-dependent" else "time", []
    for key in sorted(solution.layers):
        for layer in solution.layers[key]:
            limits = clean([layer.attachment, layer.exhaustion], file.economy.scale)
            place = file.node_names[key] if first == "node" else key
            rows.append([place, *limits, *layer.shares])
    return write_csv([first, "attachment", "exhaustion", *file.names], rows)


def _totals(file: EconomyFile, solution: Solution) -> str:
    economy, scenarios = file.economy, file.economy.scenarios
    amounts = {
        "total_risk_without_trade": solution.risk_without_trade.sum(axis=0),
        "total_risk_with_trade": solution.total_risk_to_go,
        "surplus": solution.surplus,
    }
    if isinstance(scenarios, ScenarioTree):
        amounts = {"aggregate_loss": economy.aggregate} | amounts
    columns = _nodes(file) | {"unconditional_probability": scenarios.unconditional}
    amounts = {name: clean(x, economy.scale) for name, x in amounts.items()}
    return _table(columns | amounts)


def _bills(file: EconomyFile, solution: Solution, nodes: Iterable[int]) -> str:
    names, scenarios = file.node_names, file.economy.scenarios

    def rows() -> Iterator[list]:
        for node in nodes:
            bills = solution.bills(node)
            parts = [getattr(bills, part) for part in PARTS]
            numbers = clean(np.dstack(parts), file.economy.scale).tolist()
            ways = [[names[node], names[v]] for v in bills.target]
            if file.arc_names:
                arcs = np.flatnonzero(scenarios.source == node)
                ways = [[file.arc_names[a], *way] for a, way in zip(arcs, ways)]
            for j, p in enumerate(bills.probability.tolist()):
                for i, agent in enumerate(file.names):
                    yield [*ways[j], p, agent, *numbers[i][j]]

    first = ["path"] if file.arc_names else []
    return write_csv([*first, "node", "target", "probability", "agent", *PARTS], rows())


def _nodes(file: EconomyFile) -> dict[str, Any]:
    names, scenarios = file.node_names, file.economy.scenarios
    if not isinstance(scenarios, ScenarioTree):
        return {"node": names, "stage": scenarios.stage}
    parents = ["", *(names[v] for v in scenarios.parent[1:])]
    return {"node": names, "parent": parents, "stage": scenarios.stage}


def _table(columns: dict[str, Any]) -> str:
    return write_csv(columns, zip(*columns.values(), strict=True))


def clean(x: Any, size: float) -> np.ndarray:
    """Return an array in which what is nothing beside ``size`` is 0."""
    return np.where(np.abs(x) <= 1e-11 * size, 0.0, x)


def digits(x: Any, size: float) -> Any:
    """Return a number, or nested lists of numbers, with 12 digits."""
    if np.ndim(x):
        return [digits(entry, size) for entry in x]
    return float(f"{float(clean(x, size)):.12g}")
