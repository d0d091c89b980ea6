"""A solved economy as one page to read: no script, nothing from the network.

Every text of the user's is escaped; numbers are rounded, ``solution.json`` and the
tables have all digits.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from dynpo_lite import Solution
from dynpo_lite.companion.files import report_figures as figures
from dynpo_lite.companion.files.economy_file import EconomyFile
from dynpo_lite.companion.files.solution_tables import PARTS
from dynpo_lite.companion.files.verdict import shown_amount, verdict

MOST_ROWS = 12  # of a table; the rest is summarised
ABOUT = {
    "no trade": "everybody bears the own loss",
    "quota share": "everybody pays a fixed part of every total",
    "yearly layers": "layers agreed anew each time, as if nothing followed",
    "myopic": "an optimum as seen from today, with its cash at the wrong time",
    "dynamic optimum": "what this solver finds with contracts made at every node",
    "as this file asks": "the solution of this report",
}
PART_NAMES = {
    "layer": "loss of the layers carried",
    "price": "received for carrying them",
    "sure": "part of what is certain",
    "transfer": "paid so that others carry the rest",
    "reserve": "put off to later times",
    "payment": "bill: the sum",
    "own": "for comparison: own loss",
}


def report_page(file: EconomyFile, solution: Solution, summary: dict[str, Any]) -> str:
    """Return the page.

    Parameters
    ----------
    file : EconomyFile
    solution : Solution
    summary : dict
        What ``solution.json`` holds.

    Returns
    -------
    str
        HTML with its style and pictures inside.
    """
    sections = [
        _gains(file, solution, summary),
        _tower(file, solution),
        _bills(file, solution),
        _over_time(file, solution),
        _arrangements(file, summary),
        _error_bar(file, summary),
        _settings(file, summary),
    ]
    template = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=escape(file.title), body="\n".join(filter(None, sections))
    )


# --- pieces ---------------------------------------------------------------------------


def _table(
    header: Sequence[str], rows: Iterable[Sequence], about: str, words: bool = False
) -> str:
    """Return a table of texts, which are escaped; the first column names the row.

    ``words`` says that the last column is no number.
    """
    kinds = [""] * (len(header) - 1) + [' class="words"' if words else ""]
    head = "".join(
        f'<th scope="col"{kind}>{escape(name)}</th>' if name else "<td></td>"
        for name, kind in zip(header, kinds)
    )
    head = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    lines = []
    for first, *cells in rows:
        line = "".join(
            f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(cells, kinds[1:])
        )
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{line}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(about)}">'
        f"<table>{head}<tbody>{''.join(lines)}</tbody></table>"
        "</div>"
    )


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{title}</h2>{''.join(parts)}</section>"


def _said(*sentences: str) -> str:
    """Return a paragraph of texts, which are escaped."""
    return f"<p>{escape(' '.join(filter(None, sentences)))}</p>"


def _figure(picture: str, caption: str) -> str:
    if not picture:
        return ""
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def _amounts(file: EconomyFile) -> Callable[[float], str]:
    """Return how amounts of the file are shown."""
    return partial(shown_amount, size=file.economy.scale)


def _percent(p: float) -> str:
    return f"{100 * p:.3g} %"


# --- sections -------------------------------------------------------------------------


def _gains(file: EconomyFile, solution: Solution, summary: dict[str, Any]) -> str:
    show = _amounts(file)
    kinds = ("risk_without_trade", "risk_with_trade", "gain")
    agents = summary["agents"]
    total = {"name": "together"} | {k: sum(a[k] for a in agents) for k in kinds}
    rows = [[a["name"], *(show(a[k]) for k in kinds)] for a in (*agents, total)]
    before, after = total["risk_without_trade"], total["risk_with_trade"]
    saved = f" ({_percent((before - after) / before)})" if before > 0 else ""
    lead = (
        f"Without trade the risks of all agents sum to {show(before)} "
        f"{file.currency} today; with trade to {show(after)}. Trade saves "
        f"{show(before - after)}{saved}."
    )
    if not summary["certificate"]["available"]:
        judged = f"There is no independent check: {summary['certificate']['reason']}."
    else:
        judged = f"Checked by a second route: {verdict(summary)}."
    alone, traded = solution.risk_without_trade[:, 0], solution.risk_to_go[:, 0]
    picture = figures.gains(file.names, alone, traded, file.currency)
    rest = len(file.names) - figures.MOST_AGENTS
    more = f" {rest} more agents are in the table." if rest > 0 else ""
    return _section(
        "Who gains what",
        _said(lead, judged),
        _figure(picture, f"The risk of each agent, alone (pale) and with trade.{more}"),
        _table(
            ["agent", "risk alone", "risk with trade", "gain"], rows, "who gains what"
        ),
    )


def _tower(file: EconomyFile, solution: Solution) -> str:
    show = _amounts(file)
    key = 0 if file.retention == "state-dependent" else 1
    layers = solution.layers.get(key, ())
    if not layers:
        return _section(
            "The tower of the first period",
            _said("What is shared in the first period is certain: no layers."),
        )
    rows = []
    for layer in layers[: MOST_ROWS if len(layers) <= MOST_ROWS else MOST_ROWS - 1]:
        parts = ", ".join(
            f"{name} {_percent(share)}"
            for name, share in zip(file.names, layer.shares)
            if share > 0
        )
        ends = show(layer.attachment), show(layer.exhaustion)
        rows.append([f"{ends[0]} to {ends[1]}", parts])
    if len(rows) < len(layers):
        top = show(layers[-1].exhaustion)
        rest = len(layers) - len(rows)
        rows.append([f"{rest} more, up to {top}", "see layers.csv"])
    text = (
        "What is shared is the total loss of the first period and the least total risk "
        "that remains after it. Each layer of it goes to those who judge it cheapest."
    )
    return _section(
        "The tower of the first period",
        _said(text),
        _figure(
            figures.tower(layers, file.names, file.currency),
            "Layers from below upwards; the colour says who carries them.",
        ),
        _table([f"layer, {file.currency}", "carried by"], rows, "layers", words=True),
    )


def _bills(file: EconomyFile, solution: Solution) -> str:
    show = _amounts(file)
    bills = solution.bills(0)
    total, chance = bills.own.sum(axis=0), bills.probability
    group = _groups(total, chance)
    weight = np.bincount(group, chance)
    means = {
        part: np.array([np.bincount(group, chance * x) / weight for x in given])
        for part, given in ((part, getattr(bills, part)) for part in PARTS)
    }
    totals = np.bincount(group, chance * total) / weight
    single = len(weight) == len(total)
    ends = bills.target[np.argsort(group)] if single else ()
    names = [figures.short(file.node_names[v], 30) for v in ends]
    text = "Each way on from today, named by where it leads, listed by the total loss."
    if not single:
        names = [f"group {j + 1}" for j in range(len(weight))]
        text = (
            f"There are {len(total):,} scenarios; sorted by the total loss they form "
            f"{len(weight)} groups, and the means of each group are shown. Single "
            "bills are in bills.csv."
        )
    header = ["", "probability", "total loss"]
    for name in file.names:
        header += [f"{name}: own loss", f"{name}: bill"]
    rows = []
    for j, name in enumerate(names):
        pairs = zip(means["own"][:, j], means["payment"][:, j])
        row = [name, _percent(weight[j]), show(totals[j])]
        rows.append(row + [show(x) for pair in pairs for x in pair])
    average = [
        [label, *map(show, getattr(bills, part) @ chance)]
        for part, label in PART_NAMES.items()
    ]
    picture = figures.bills(
        totals, means["own"], means["payment"], file.names, file.currency
    )
    many = len(file.names) > figures.N_COLOURS
    some = f"the first {figures.N_COLOURS} agents" if many else "agents"
    return _section(
        "The bills of the first period",
        _said(text, "A negative bill is received.", f"Amounts in {file.currency}."),
        _figure(picture, f"What {some} lose and what they pay, by the total loss."),
        _table(header, rows, "bills by scenario"),
        _said("In the mean over all scenarios a bill consists of these parts:"),
        _table(["", *file.names], average, "parts of the mean bill"),
    )


def _groups(total: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Return the number of each scenario, or of its group of about equal probability.

    Examples
    --------
    >>> _groups(np.array([3.0, 1.0, 2.0]), np.array([0.5, 0.25, 0.25])).tolist()
    [2, 0, 1]
    """
    order = np.argsort(total, kind="stable")
    number = np.empty(len(total), dtype=np.int64)
    if len(total) <= MOST_ROWS:
        number[order] = np.arange(len(total))
        return number
    middle = np.cumsum(chance[order]) - chance[order] / 2
    number[order] = np.minimum((10 * middle).astype(int), 9)
    return np.unique(number, return_inverse=True)[1]


def _over_time(file: EconomyFile, solution: Solution) -> str:
    show = _amounts(file)
    scenarios = file.economy.scenarios
    alone, traded = solution.risk_without_trade.sum(axis=0), solution.total_risk_to_go
    rows, lines = [], []
    for t in range(scenarios.horizon + 1):
        nodes = scenarios.nodes(t)
        chance = scenarios.unconditional[nodes]
        low, high = _range(traded[nodes], chance)
        lines.append([alone[nodes] @ chance, traded[nodes] @ chance, low, high])
        rows.append([f"time {t}", f"{len(nodes):,}", *map(show, lines[-1])])
    if len(rows) > MOST_ROWS:
        rest = f"{len(rows) - MOST_ROWS + 1} more times"
        rows = [*rows[: MOST_ROWS - 1], [rest, *["see totals.csv"] * 5]]
    mean_alone, mean_traded, low, high = np.transpose(lines)
    picture = figures.risk_over_time(
        mean_alone, mean_traded, (low, high), file.currency
    )
    text = (
        "The total risk of what is still to come, seen from each time. It depends on "
        "what has become known: means and the range of the middle 80 % are shown."
    )
    header = ["", "nodes", "alone, mean", "with trade, mean", "from", "to"]
    return _section(
        "Risk over time",
        _said(text),
        _figure(picture, "Means, and the range of the middle 80 % with trade."),
        _table(header, rows, "risk over time"),
    )


def _range(x: np.ndarray, chance: np.ndarray) -> tuple[float, float]:
    """Return the quantiles at 10 % and 90 %."""
    order = np.argsort(x)
    reached = np.cumsum(chance[order])
    low, high = np.searchsorted(reached, [0.1 - 1e-9, 0.9 - 1e-9])
    return float(x[order[low]]), float(x[order[min(high, len(x) - 1)]])


def _arrangements(file: EconomyFile, summary: dict[str, Any]) -> str:
    show = _amounts(file)
    compared = summary["arrangements"]
    title = "Other arrangements"
    if compared is None:
        late = "comparing arrangements" in summary["not_done_in_time"]
        why = (
            "the time limit was reached" if late else "it is made for conditional laws"
        )
        return _section(title, _said(f"There is no comparison: {why}."))
    none = compared[0]["total_risk"]
    rows = []
    for each in compared:
        saved = none - each["total_risk"]
        left = f"{each['nodes_left']} of {each['nodes']}"
        amounts = map(show, (each["total_risk"], saved))
        rows.append([each["name"], *amounts, left, ABOUT.get(each["name"], "")])
    text = (
        "The total of all risks today under other arrangements, and at how many nodes "
        "somebody would rather go on without the others: an arrangement that somebody "
        "leaves does not deliver its total."
    )
    header = ["", "total risk", "saved", "nodes at which somebody leaves", "what it is"]
    return _section(title, _said(text), _table(header, rows, title, words=True))


def _error_bar(file: EconomyFile, summary: dict[str, Any]) -> str:
    if file.paths is None:
        return ""
    title, bar = "How far simulation may be off", summary["error_bar"]
    if bar is None or not bar["available"]:
        late = "measuring the error of simulation" in summary["not_done_in_time"]
        why = "the time limit was reached" if late else "there are too few paths"
        why = bar["reason"] if bar else why
        return _section(title, _said(f"There is no error bar: {why}."))
    quarter, half, n = bar["paths"]
    show = _amounts(file)
    keys = ("answer", "standard_error", "drift")
    rows = [[r["what"], *(show(r[key]) for key in keys)] for r in bar["rows"]]
    measured = (
        f"The economy was solved again for {bar['repeats']} random halves ({half:,} of "
        f"{n:,} paths) and as many quarters ({quarter:,}). The spread of the halves is "
        "the standard error of the answer for all paths: what other paths of the same "
        "model would change. The drift is by how much the mean answer moves from "
        "quarters to halves: few paths in a node make noise look like risk, and coarse "
        "groups forget. If it shrinks like one over the number of paths, half of it is "
        "still to come; a worst case grows on and on."
    )
    limits = (
        "Not measured: what the grouping of paths forgets at every size, and whether "
        "the model of the paths is right."
    )
    header = ["", "all paths", "standard error", "drift"]
    return _section(title, _said(measured), _said(limits), _table(header, rows, title))


def _settings(file: EconomyFile, summary: dict[str, Any]) -> str:
    scenarios = file.economy.scenarios
    size = f"{scenarios.n_nodes:,} nodes"
    if scenarios.kind == "lattice":
        size += f", {scenarios.n_entries:,} arcs"
    rows = [
        ["scenarios", f"{scenarios.kind}, {size}, {scenarios.horizon} periods"],
        ["law", summary["law"]],
        ["contracts", summary["retention"]],
        ["nobody worse off anywhere", "asked" if file.individually_rational else "no"],
        *(["note", note] for note in file.notes),
        *(["not done in time", what] for what in summary["not_done_in_time"]),
        ["versions", ", ".join(f"{k} {v}" for k, v in summary["versions"].items())],
    ]
    return _section(
        "How this was computed", _table(["", ""], rows, "settings", words=True)
    )
