"""What the independent check found, in one line."""

import math
from typing import Any

import numpy as np


def verdict(summary: dict[str, Any]) -> str:
    """Return in one line what the certificate of a ``solution.json`` says.

    Examples
    --------
    >>> verdict({"certificate": {"available": False, "reason": "it was not asked for"}})
    'none, for it was not asked for'
    """
    found = summary["certificate"]
    if not found["available"]:
        return f"none, for {found['reason']}"
    if found["pareto_optimal"]:
        return "nobody is worse off than without trade, and no allocation does better"
    faults = []
    if not found["individually_rational"]:
        names, node = ", ".join(found["irrational_agents"]), found["irrational_node"]
        faults.append(f"worse off than without trade at node {node!r}: {names}")
    if found["worst_node"] is not None:
        trade = f"a trade at node {found['worst_node']!r}"
        saves = f"saves {found['gap']:.6g} {summary['currency']}"
        faults.append(f"{trade}, if contracts could depend on it, {saves}")
    return "; ".join(faults) or "the shares do not sum to the losses"


def risks_of(summary: dict[str, Any]) -> np.ndarray:
    """Return risk without trade, with trade and gain of each agent, then of all."""
    kinds = ("risk_without_trade", "risk_with_trade", "gain")
    risks = np.array([[agent[kind] for kind in kinds] for agent in summary["agents"]])
    return np.vstack([risks, risks.sum(axis=0)])


def shown_amount(x: float, size: float = 1.0) -> str:
    """Return an amount as people read it, among others of some size.

    Examples
    --------
    >>> shown_amount(1234.5), shown_amount(2e15), shown_amount(-1e-9)
    ('1,234.50', '2e+15', '0.00')
    >>> shown_amount(0.00123456, 0.005)
    '0.001235'
    """
    if abs(x) >= 1e12 or not size >= 1e-9:
        return f"{x:.6g}"
    places = 2 if size >= 1 else 3 - math.floor(math.log10(size))
    text = f"{x:,.{places}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text
