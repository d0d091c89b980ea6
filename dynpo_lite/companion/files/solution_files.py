"""A solved economy as texts: CSV tables and one JSON.

Numbers are written with 12 significant digits.
"""

import platform
from collections.abc import Iterator
from importlib.metadata import version
from itertools import product
from typing import Any

import numpy as np

from dynpo_lite import Solution, check_allocation, myopic_optimum
from dynpo_lite.companion.files.csv_tables import write_csv
from dynpo_lite.companion.files.economy_file import SETTINGS, EconomyFile
from dynpo_lite.companion.files.preferences import ROUNDING
from dynpo_lite.companion.outputs import strict_json

TABLES = ("allocation.csv", "risks.csv", "layers.csv", "totals.csv")
SOLUTION_FILES = (*TABLES, "solution.json")


def solution_files(
    file: EconomyFile, solution: Solution, certify: bool = True
) -> dict[str, str]:
    """Return all that ``dynpo solve`` writes, as texts.

    Parameters
    ----------
    file : EconomyFile
    solution : Solution
        What ``file.solve()`` returned.
    certify : bool
        Whether ``solution.json`` holds what ``check_allocation`` finds.

    Returns
    -------
    dict of str to str
        File name -> text: ``allocation.csv``, ``risks.csv``, ``layers.csv``,
        ``totals.csv`` and ``solution.json``.

    Examples
    --------
    >>> from dynpo_lite.companion.files.economy_file import example_path, load_economy
    >>> weather = load_economy(example_path("weather"))
    >>> texts = solution_files(weather, weather.solve())
    >>> print("\\n".join(texts["layers.csv"].splitlines()[:2]))
    node,attachment,exhaustion,Coast,Hills,Plain
    today,514.875798289,686.313930106,0,0,1
    """
    summary = summarise(file, solution, certify)
    texts = [*_tables(file, solution), strict_json(summary)]
    return dict(zip(SOLUTION_FILES, texts, strict=True))


def summarise(
    file: EconomyFile, solution: Solution, certify: bool = True
) -> dict[str, Any]:
    """Return what ``solution.json`` holds; parameters as :func:`solution_files`.

    Returns
    -------
    dict

    Examples
    --------
    >>> from dynpo_lite.companion.files.economy_file import example_path, load_economy
    >>> weather = load_economy(example_path("weather"))
    >>> summary = summarise(weather, weather.solve())
    >>> summary["certificate"]["pareto_optimal"], summary["agents"][0]["name"]
    (True, 'Coast')
    """
    economy, size = file.economy, file.economy.scale
    alone = economy.risk_without_trade(file.law)[:, 0]
    traded = solution.risk_to_go[:, 0]
    numbers = _digits([alone, traded, alone - traded], size)
    kinds = ("name", "risk_without_trade", "risk_with_trade", "gain")
    rows = zip(file.names, *numbers, strict=True)
    myopic, certificate = None, {"available": False, "reason": "it was not asked for"}
    if file.law == "conditional":
        myopic = _digits(myopic_optimum(economy)[1], size)
    if certify:
        certificate = _certificate(file, solution)
    versions = {name: version(name) for name in ("dynpo-lite", "numpy", "scipy")}
    return {name: getattr(file, name) for name in ("title", "currency", *SETTINGS)} | {
        "agents": [dict(zip(kinds, row, strict=True)) for row in rows],
        "certificate": certificate,
        "myopic_value": myopic,
        "total_risk_with_trade": _digits(traded.sum(), size),
        "total_risk_without_trade": _digits(alone.sum(), size),
        "versions": versions | {"python": platform.python_version()},
    }


def _certificate(file: EconomyFile, solution: Solution) -> dict[str, Any]:
    """Return the independent check of the allocation, nodes and agents named."""
    try:
        report = check_allocation(file.economy, solution.allocation, file.law)
    except Exception as error:  # whatever it is, the solution is not lost
        reason = " ".join(str(error).split())
        if not isinstance(error, ValueError):
            reason = f"the check itself failed ({type(error).__name__}: {reason})"
        return {"available": False, "reason": reason}
    size, trade = file.economy.scale, report.improving_trade
    found = dict(vars(report), gap=_digits(report.gap, size))
    for key in ("worst_node", "irrational_node"):
        if found[key] is not None:
            found[key] = file.node_names[found[key]]
    found["irrational_agents"] = [file.names[i] for i in report.irrational_agents]
    if trade is not None:
        found["improving_trade"] = {
            "node": file.node_names[trade.node],
            "children": [file.node_names[v] for v in trade.children],
            "payments": dict(zip(file.names, _digits(trade.payments, size))),
            "gains": dict(zip(file.names, _digits(trade.gains, size))),
        }
    # the risks themselves are in risks.csv
    difference = np.abs(found.pop("risk_to_go") - solution.risk_to_go).max()
    found["risk_to_go_agrees"] = bool(difference <= ROUNDING * size)
    return found | {"available": True}


def _tables(file: EconomyFile, solution: Solution) -> Iterator[str]:
    """Yield the tables as CSV, in the order of their names."""
    economy, names, agents = file.economy, file.node_names, file.names
    tree, size = economy.tree, economy.scale
    nodes = [names, ["", *(names[v] for v in tree.parent[1:])], tree.stage]
    alone = economy.risk_without_trade(file.law)

    paid = _clean(solution.allocation, size)
    header = ["node", "parent", "stage", "probability", *agents]
    yield write_csv(header, zip(*nodes, tree.probability, *paid))

    risks = [alone, solution.risk_to_go, solution.premium]
    risks += [solution.risk_interval, solution.premium_interval]
    numbers = _clean(np.dstack(risks), size)
    places = product(range(tree.first[tree.horizon]), range(len(agents)))
    rows = [[names[v], agents[i], *numbers[i, v]] for v, i in places]
    header = ["node", "agent", "risk_without_trade", "risk_with_trade", "premium"]
    header += ["risk_low", "risk_high", "premium_low", "premium_high"]
    yield write_csv(header, rows)

    first, rows = "node" if file.retention == "state-dependent" else "time", []
    for key in sorted(solution.layers):
        for layer in solution.layers[key]:
            limits = _clean([layer.attachment, layer.exhaustion], size)
            place = names[key] if first == "node" else key
            rows.append([place, *limits, *layer.shares])
    yield write_csv([first, "attachment", "exhaustion", *agents], rows)

    totals = economy.aggregate, alone.sum(axis=0), solution.total_risk_to_go
    header = ["node", "parent", "stage", "unconditional_probability", "aggregate_loss"]
    header += ["total_risk_without_trade", "total_risk_with_trade", "surplus"]
    numbers = _clean(np.array([*totals, solution.surplus]), size)
    yield write_csv(header, zip(*nodes, tree.unconditional, *numbers))


def _clean(x: Any, size: float) -> np.ndarray:
    """Return an array in which what is nothing beside ``size`` is 0."""
    return np.where(np.abs(x) <= 1e-11 * size, 0.0, x)


def _digits(x: Any, size: float) -> Any:
    """Return a number, or nested lists of numbers, with 12 digits."""
    if np.ndim(x):
        return [_digits(entry, size) for entry in x]
    return float(f"{float(_clean(x, size)):.12g}")
