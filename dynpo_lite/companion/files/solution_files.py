"""A solved economy as texts: CSV tables, a page to read, and one JSON."""

import platform
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from dynpo_lite import Solution, check_allocation, myopic_optimum
from dynpo_lite.companion.files.comparisons import arrangements, error_bar
from dynpo_lite.companion.files.economy_file import SETTINGS, EconomyFile
from dynpo_lite.companion.files.preferences import ROUNDING
from dynpo_lite.companion.files.report import report_page
from dynpo_lite.companion.files.solution_tables import TABLES, digits, tables
from dynpo_lite.companion.files.work import OutOfTime, Work
from dynpo_lite.companion.outputs import strict_json

SOLUTION_FILES = (*TABLES, "report.html", "solution.json")


def solved(file: EconomyFile) -> Solution:
    """Return the solution of a file with all that is written of it found."""
    solution = file.solve()
    for name in ("allocation", "layers", "premium_interval", "total_risk_to_go"):
        getattr(solution, name)  # what is not asked for is not computed
    return solution


def solution_files(
    file: EconomyFile,
    solution: Solution,
    certify: bool = True,
    all_bills: bool = False,
    work: Work | None = None,
) -> dict[str, str]:
    """Return all that ``dynpo solve`` writes, as texts.

    Parameters
    ----------
    file : EconomyFile
    solution : Solution
        What ``file.solve()`` returned.
    certify : bool
        Whether ``solution.json`` holds what ``check_allocation`` finds.
    all_bills : bool
        Whether ``bills.csv`` is about every node, not the root alone.
    work : Work, optional
        A limit of time: what is not known by then is left out, and said to be.

    Returns
    -------
    dict of str to str
        File name -> text: ``allocation.csv``, ``risks.csv``, ``layers.csv``,
        ``totals.csv``, ``bills.csv``, ``report.html`` and ``solution.json``.

    Examples
    --------
    >>> from dynpo_lite.companion.files.economy_file import example_path, load_economy
    >>> weather = load_economy(example_path("weather"))
    >>> texts = solution_files(weather, weather.solve())
    >>> print("\\n".join(texts["layers.csv"].splitlines()[:2]))
    node,attachment,exhaustion,Coast,Hills,Plain
    today,514.875798289,686.313930106,0,0,1
    """
    summary = summarise(file, solution, certify, work)
    page = report_page(file, solution, summary)
    texts = [*tables(file, solution, all_bills), page, strict_json(summary)]
    return dict(zip(SOLUTION_FILES, texts, strict=True))


def summarise(
    file: EconomyFile,
    solution: Solution,
    certify: bool = True,
    work: Work | None = None,
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
    alone, traded = solution.risk_without_trade[:, 0], solution.risk_to_go[:, 0]
    numbers = digits([alone, traded, alone - traded], size)
    kinds = ("name", "risk_without_trade", "risk_with_trade", "gain")
    rows = zip(file.names, *numbers, strict=True)
    work, missing = work or Work(), []
    certificate = {"available": False, "reason": "it was not asked for"}

    def within_time(what: str, call: Callable, *arguments: Any) -> Any:
        try:
            return work.do(what, call, *arguments)
        except OutOfTime:
            missing.append(what)
            return None

    if certify:
        found = within_time("checking the solution", _certificate, file, solution)
        certificate = found or certificate | {"reason": "the time limit was reached"}
    myopic = compared = bar = None
    if file.law == "conditional":
        compared = within_time("comparing arrangements", arrangements, file, solution)
        # on a lattice contracts are dynamic optima, which attain it
        on_tree = economy.scenarios.kind == "tree"
        myopic = digits(myopic_optimum(economy)[1] if on_tree else traded.sum(), size)
    if file.paths is not None:
        bar = within_time("measuring the error of simulation", error_bar, file)
    versions = {name: version(name) for name in ("dynpo-lite", "numpy", "scipy")}
    return {name: getattr(file, name) for name in ("title", "currency", *SETTINGS)} | {
        "agents": [dict(zip(kinds, row, strict=True)) for row in rows],
        "arrangements": compared,
        "certificate": certificate,
        "error_bar": bar,
        "myopic_value": myopic,
        "not_done_in_time": missing,
        "notes": list(file.notes),
        "total_risk_with_trade": digits(traded.sum(), size),
        "total_risk_without_trade": digits(alone.sum(), size),
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
    on_tree = file.economy.scenarios.kind == "tree"
    found = dict(vars(report), gap=digits(report.gap, size))
    for key in ("worst_node", "irrational_node"):
        if found[key] is not None:
            found[key] = file.node_names[found[key]]
    found["irrational_agents"] = [file.names[i] for i in report.irrational_agents]
    if trade is not None:
        found["improving_trade"] = {
            "node": file.node_names[trade.node],
            "children" if on_tree else "arcs": [
                file.node_names[v] if on_tree else v for v in trade.children
            ],
            "payments": dict(zip(file.names, digits(trade.payments, size))),
            "gains": dict(zip(file.names, digits(trade.gains, size))),
        }
    # the risks themselves are in risks.csv
    difference = np.abs(found.pop("risk_to_go") - solution.risk_to_go).max()
    found["risk_to_go_agrees"] = bool(difference <= ROUNDING * size)
    return found | {"available": True}
