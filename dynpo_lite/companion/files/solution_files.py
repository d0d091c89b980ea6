"""A solved economy as texts: CSV tables and one JSON.

Numbers are written with 12 significant digits.
"""

import platform
from importlib.metadata import version
from typing import Any

import numpy as np

from dynpo_lite import Solution, check_allocation, myopic_optimum
from dynpo_lite.companion.files.csv_tables import write_csv
from dynpo_lite.companion.files.economy_file import SETTINGS, EconomyFile
from dynpo_lite.companion.files.preferences import ROUNDING
from dynpo_lite.companion.outputs import strict_json

VERSIONS = ("dynpo-lite", "numpy", "scipy")
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
    tables = (_allocation_csv, _risks_csv, _layers_csv, _totals_csv)
    texts = [*(table(file, solution) for table in tables), strict_json(summary)]
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
    alone, traded = (
        economy.risk_without_trade(file.law)[:, 0],
        solution.risk_to_go[:, 0],
    )
    numbers = _digits([alone, traded, alone - traded], size)
    kinds = ("name", "risk_without_trade", "risk_with_trade", "gain")
    rows = zip(file.names, *numbers, strict=True)
    myopic, certificate = None, {"available": False, "reason": "it was not asked for"}
    if file.law == "conditional":
        myopic = _digits(myopic_optimum(economy)[1], size)
    if certify:
        certificate = _certificate(file, solution)
    versions = {name: version(name) for name in VERSIONS}
    settings = ("title", "currency", *SETTINGS)
    return {name: getattr(file, name) for name in settings} | {
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


def _nodes(file: EconomyFile) -> list:
    """Return three columns: all nodes, their parents and their stages."""
    tree, names = file.economy.tree, file.node_names
    return [names, ["", *(names[v] for v in tree.parent[1:])], tree.stage]


def _allocation_csv(file: EconomyFile, solution: Solution) -> str:
    paid = _clean(solution.allocation, file.economy.scale)
    header = ["node", "parent", "stage", "probability", *file.names]
    return write_csv(header, zip(*_nodes(file), file.economy.tree.probability, *paid))


def _totals_csv(file: EconomyFile, solution: Solution) -> str:
    economy = file.economy
    alone = economy.risk_without_trade(file.law).sum(axis=0)
    columns = economy.aggregate, alone, solution.total_risk_to_go, solution.surplus
    numbers = _clean(np.array(columns), economy.scale)
    header = ["node", "parent", "stage", "unconditional_probability", "aggregate_loss"]
    header += ["total_risk_without_trade", "total_risk_with_trade", "surplus"]
    return write_csv(header, zip(*_nodes(file), economy.tree.unconditional, *numbers))


def _risks_csv(file: EconomyFile, solution: Solution) -> str:
    economy = file.economy
    inner = economy.tree.first[economy.tree.horizon]
    columns = (
        *(economy.risk_without_trade(file.law), solution.risk_to_go, solution.premium),
        *np.moveaxis(solution.risk_interval, 2, 0),
        *np.moveaxis(solution.premium_interval, 2, 0),
    )
    numbers = _clean(np.array([c[:, :inner] for c in columns]), economy.scale)
    places = [(v, i) for v in range(inner) for i in range(len(file.names))]
    rows = ([file.node_names[v], file.names[i], *numbers[:, i, v]] for v, i in places)
    header = ["node", "agent", "risk_without_trade", "risk_with_trade", "premium"]
    header += ["risk_low", "risk_high", "premium_low", "premium_high"]
    return write_csv(header, rows)


def _layers_csv(file: EconomyFile, solution: Solution) -> str:
    first = "node" if file.retention == "state-dependent" else "time"
    rows = []
    for key in sorted(solution.layers):
        name = file.node_names[key] if first == "node" else key
        for layer in solution.layers[key]:
            limits = _clean([layer.attachment, layer.exhaustion], file.economy.scale)
            rows.append([name, *limits, *layer.shares])
    return write_csv([first, "attachment", "exhaustion", *file.names], rows)


def _clean(x: Any, size: float) -> np.ndarray:
    """Return an array in which what is nothing beside ``size`` is 0."""
    return np.where(np.abs(x) <= 1e-11 * size, 0.0, x)


def _digits(x: Any, size: float) -> Any:
    """Return a number, or nested lists of numbers, with 12 digits."""
    if np.ndim(x):
        return [_digits(entry, size) for entry in x]
    return float(f"{float(_clean(x, size)):.12g}")
