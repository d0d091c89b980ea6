"""A solved economy as one page to read: no script, nothing from the network.

What is the same on every page stands in ``report.html``.  Every text of the user's is
escaped; numbers are rounded, ``solution.json`` and the tables have all digits.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from dynpo_lite import Solution
from dynpo_lite.companion.files.economy_file import EconomyFile
from dynpo_lite.companion.files.report_figures import (
    MOST_AGENTS,
    gains,
    picture,
    short,
)
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


class _Report:
    """The parts of a page; each returns what it puts in the template, as HTML."""

    def __init__(self, file: EconomyFile, solution: Solution, summary: dict[str, Any]):
        self.file, self.solution, self.summary = file, solution, summary
        self.show = partial(shown_amount, size=file.economy.scale)
        # what every figure is told
        self.unit = {"currency": short(file.currency, 30)}
        self.names = [short(name) for name in file.names]

    def gains(self) -> dict[str, str]:
        kinds = ("risk_without_trade", "risk_with_trade", "gain")
        agents, names = self.summary["agents"], self.file.names
        risks = np.array([[agent[kind] for kind in kinds] for agent in agents])
        before, after, saved = risks.sum(axis=0)
        lines = zip((*names, "together"), [*risks, (before, after, saved)])
        rows = [[name, *map(self.show, line)] for name, line in lines]
        judged = f"Checked by a second route: {verdict(self.summary)}."
        if not (found := self.summary["certificate"])["available"]:
            judged = f"There is no independent check: {found['reason']}."
        rest = len(names) - MOST_AGENTS
        more = f" {rest} more agents are in the table." if rest > 0 else ""
        unit = self.unit["currency"]
        return {
            "alone": self.show(before),
            "traded": self.show(after),
            "saved": self.show(before - after),
            "part": f" ({_percent((before - after) / before)})" if before > 0 else "",
            "judged": escape(judged),
            "gains": picture(
                *("gains", "bars: each agent's risk alone and with trade"),
                f"The risk of each agent, alone (grey) and with trade.{more}",
                1.0 + 0.5 * min(len(names), MOST_AGENTS),
                lambda _, ax: gains(self.names, risks, unit, ax),
            )
            + _table(["agent", "risk alone", "risk with trade", "gain"], rows, "gains"),
        }

    def tower(self) -> dict[str, str]:
        key = 0 if self.file.retention == "state-dependent" else 1
        layers, names = self.solution.layers.get(key, ()), self.file.names
        if not layers:
            text = "What is shared in the first period is certain: no layers."
            return {"tower": f"<p>{text}</p>"}
        rows = []
        for layer in layers[: MOST_ROWS if len(layers) <= MOST_ROWS else MOST_ROWS - 1]:
            held = [(a, p) for a, p in zip(names, layer.shares) if p > 0]
            ends = f"{self.show(layer.attachment)} to {self.show(layer.exhaustion)}"
            rows.append([ends, ", ".join(f"{a} {_percent(p)}" for a, p in held)])
        if rest := len(layers) - len(rows):
            top = self.show(layers[-1].exhaustion)
            rows.append([f"{rest} more, up to {top}", "see layers.csv"])
        text = (
            "What is shared is the total loss of the first period and the least total "
            "risk that remains after it. Each layer of it goes to those who judge it "
            "cheapest."
        )
        figure = picture(
            *("tower", "layers from below upwards, and who carries them"),
            "Layers from below upwards; the colour says who carries them.",
            3.4 + 0.1 * len(names),
            lambda plots, ax: plots.tower(layers, names=self.names, **self.unit, ax=ax),
        )
        header = [f"layer, {self.file.currency}", "carried by"]
        table = _table(header, rows, "layers", words=True)
        return {"tower": f"<p>{text}</p>{figure}{table}"}

    def bills(self) -> dict[str, str]:
        file, bills = self.file, self.solution.bills(0)
        total, chance = bills.own.sum(axis=0), bills.probability
        group = _groups(total, chance)
        weight = np.bincount(group, chance)
        names = [f"group {j + 1}" for j in range(len(weight))]
        text = (
            f"There are {len(total):,} scenarios; sorted by the total loss they form "
            f"{len(weight)} groups, and the means of each group are shown. Single "
            "bills are in bills.csv."
        )
        if len(weight) == len(total):
            ends = bills.target[np.argsort(group)]
            names = [short(file.node_names[v], 30) for v in ends]
            text = "Each way on from today, named by where it leads, listed by the "
            text += "total loss."
        header = ["", "probability", "total loss"]
        amounts = [total]
        for name, own, payment in zip(file.names, bills.own, bills.payment):
            header += [f"{name}: own loss", f"{name}: bill"]
            amounts += [own, payment]
        means = np.transpose([np.bincount(group, chance * x) for x in amounts])
        lines = zip(names, weight, means / weight[:, None])
        rows = [[name, _percent(p), *map(self.show, line)] for name, p, line in lines]
        average = [
            [label, *map(self.show, getattr(bills, part) @ chance)]
            for part, label in PART_NAMES.items()
        ]
        some = np.linspace(len(total) - 1, 0, max(1, min(4, 16 // len(file.names))))
        ways = np.unique(np.argsort(total, kind="stable")[some.astype(int)[::-1]])
        ways = ways[np.argsort(total[ways], kind="stable")]
        figure = picture(
            *("bills", "bars: the parts of the bills, the bills, and own losses"),
            "What is paid (to the right) and received, for a few of the totals.",
            1.7 + 0.21 * len(ways) * (len(file.names) + 1),
            lambda plots, ax: plots.bills(
                self.solution, 0, ways, names=self.names, **self.unit, ax=ax
            ),
        )
        return {
            "bills_are": text,
            "bills": figure + _table(header, rows, "bills by scenario"),
            "parts": _table(["", *file.names], average, "parts of the mean bill"),
        }

    def over_time(self) -> dict[str, str]:
        scenarios, traded = self.file.economy.scenarios, self.solution.total_risk_to_go
        alone = self.solution.risk_without_trade.sum(axis=0)
        rows = []
        for t in range(scenarios.horizon + 1):
            nodes = scenarios.nodes(t)
            chance = scenarios.unconditional[nodes]
            means = alone[nodes] @ chance, traded[nodes] @ chance
            amounts = map(self.show, (*means, *_range(traded[nodes], chance)))
            rows.append([f"time {t}", f"{len(nodes):,}", *amounts])
        if len(rows) > MOST_ROWS:
            rest = f"{len(rows) - MOST_ROWS + 1} more times"
            rows = [*rows[: MOST_ROWS - 1], [rest, *["see totals.csv"] * 5]]
        figure = picture(
            *("time", "total risk to go over time, without and with trade"),
            "The median and the spread of the total risk over the nodes of each time.",
            3.8,
            lambda plots, ax: plots.risk_over_time(self.solution, **self.unit, ax=ax),
        )
        header = ["", "nodes", "alone, mean", "with trade, mean", "from", "to"]
        return {"over_time": figure + _table(header, rows, "risk over time")}

    def arrangements(self) -> dict[str, str]:
        compared = self.summary["arrangements"]
        if compared is None:
            why = "it is made for conditional laws"
            if "comparing arrangements" in self.summary["not_done_in_time"]:
                why = "the time limit was reached"
            return {"arrangements": f"<p>There is no comparison: {why}.</p>"}
        text = (
            "The total of all risks today under other arrangements, and at how many "
            "nodes somebody would rather go on without the others: an arrangement that "
            "somebody leaves does not deliver its total."
        )
        rows = []
        for each in compared:
            name, total = each["name"], each["total_risk"]
            amounts = map(self.show, (total, compared[0]["total_risk"] - total))
            left = f"{each['nodes_left']} of {each['nodes']}"
            rows.append([name, *amounts, left, ABOUT.get(name, "")])
        header = ["", "total risk", "saved", "nodes at which somebody leaves"]
        header += ["what it is"]
        table = _table(header, rows, "other arrangements", words=True)
        return {"arrangements": f"<p>{text}</p>{table}"}

    def error_bar(self) -> dict[str, str]:
        if self.file.paths is None:
            return {"error_bar": ""}
        title, bar = "How far simulation may be off", self.summary["error_bar"]
        top = f"<section><h2>{title}</h2>"
        if bar is None or not bar["available"]:
            why = "there are too few paths"
            if "measuring the error of simulation" in self.summary["not_done_in_time"]:
                why = "the time limit was reached"
            why = escape(bar["reason"] if bar else why)
            return {"error_bar": f"{top}<p>There is no error bar: {why}.</p></section>"}
        quarter, half, n = bar["paths"]
        keys = ("answer", "standard_error", "drift")
        rows = [[r["what"], *(self.show(r[key]) for key in keys)] for r in bar["rows"]]
        measured = (
            f"The economy was solved again for {bar['repeats']} random halves "
            f"({half:,} of {n:,} paths) and as many quarters ({quarter:,}). The spread "
            "of the halves is the standard error of the answer for all paths: what "
            "other paths of the same model would change. The drift is by how much the "
            "mean answer moves from quarters to halves: few paths in a node make noise "
            "look like risk, and coarse groups forget. If it shrinks like one over the "
            "number of paths, half of it is still to come; a worst case grows on and "
            "on."
        )
        limits = (
            "Not measured: what the grouping of paths forgets at every size, and "
            "whether the model of the paths is right."
        )
        table = _table(["", "all paths", "standard error", "drift"], rows, title)
        text = f"{top}<p>{measured}</p><p>{limits}</p>{table}</section>"
        return {"error_bar": text}

    def settings(self) -> dict[str, str]:
        file, scenarios = self.file, self.file.economy.scenarios
        size = f"{scenarios.kind}, {scenarios.n_nodes:,} nodes"
        if scenarios.kind == "lattice":
            size += f", {scenarios.n_entries:,} arcs"
        versions = self.summary["versions"].items()
        rows = [
            ["scenarios", f"{size}, {scenarios.horizon} periods"],
            ["law", file.law],
            ["contracts", file.retention],
            [
                "nobody worse off anywhere",
                "asked" if file.individually_rational else "no",
            ],
            *(["note", note] for note in file.notes),
            *(["not done in time", what] for what in self.summary["not_done_in_time"]),
            ["versions", ", ".join(f"{k} {v}" for k, v in versions)],
        ]
        return {"settings": _table(["", ""], rows, "settings", words=True)}


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
    report = _Report(file, solution, summary)
    words = {"title": escape(file.title), "currency": escape(file.currency)}
    words |= report.gains() | report.tower() | report.bills() | report.over_time()
    words |= report.arrangements() | report.error_bar() | report.settings()
    template = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    return Template(template).substitute(words)


def _table(
    header: Sequence[str], rows: Iterable[Sequence], about: str, words: bool = False
) -> str:
    """Return a table of texts, which are escaped; the first column names the row.

    ``words`` says that the last column is no number.
    """
    kinds = [""] * (len(header) - 1) + [' class="words"' if words else ""]
    named = (
        f'<th scope="col"{kind}>{escape(name)}</th>' if name else "<td></td>"
        for name, kind in zip(header, kinds)
    )
    head = f"<thead><tr>{''.join(named)}</tr></thead>" if any(header) else ""
    body = ""
    for first, *cells in rows:
        line = (f"<td{kind}>{escape(x)}</td>" for x, kind in zip(cells, kinds[1:]))
        body += f'<tr><th scope="row">{escape(first)}</th>{"".join(line)}</tr>'
    region = f'class="scroll" tabindex="0" role="region" aria-label="{about}"'
    return f"<div {region}><table>{head}<tbody>{body}</tbody></table></div>"


def _percent(p: float) -> str:
    return f"{100 * p:.3g} %"


def _groups(total: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Return the number of each scenario, or of its group of about equal probability.

    Examples
    --------
    >>> _groups(np.array([3.0, 1.0, 2.0]), np.array([0.5, 0.25, 0.25])).tolist()
    [2, 0, 1]
    """
    order = np.argsort(total, kind="stable")
    place = np.argsort(order)
    if len(total) <= MOST_ROWS:
        return place
    middle = np.cumsum(chance[order]) - chance[order] / 2
    group = np.minimum((10 * middle).astype(int), 9)
    return np.unique(group[place], return_inverse=True)[1]


def _range(x: np.ndarray, chance: np.ndarray) -> tuple[float, float]:
    """Return the quantiles at 10 % and 90 %."""
    order = np.argsort(x)
    reached = np.cumsum(chance[order])
    low, high = np.searchsorted(reached, [0.1 - 1e-9, 0.9 - 1e-9])
    return float(x[order[low]]), float(x[order[min(high, len(x) - 1)]])
