"""A solved economy as one page to read: no script, nothing from the network.

Fixed words stand in ``report.html``, piece by piece.  Every text of the user's is
escaped; numbers are rounded, ``solution.json`` and the tables have all digits.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from dynpo_lite import Solution
from dynpo_lite.companion.files import report_figures as figures
from dynpo_lite.companion.files.economy_file import EconomyFile
from dynpo_lite.companion.files.report_figures import picture, short
from dynpo_lite.companion.files.verdict import risks_of, shown_amount, verdict

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
    """The sections of a page, as HTML."""

    def __init__(self, file: EconomyFile, solution: Solution, summary: dict[str, Any]):
        self.file, self.solution, self.summary = file, solution, summary
        self.show = partial(shown_amount, size=file.economy.scale)
        self.currency = short(file.currency, 30)
        names = [short(name) for name in file.names]
        self.look: dict[str, Any] = {"names": names, "currency": self.currency}

    def gains(self) -> str:
        names, risks = self.file.names, risks_of(self.summary)
        before, _, saved = risks[-1]
        lines = zip((*names, "together"), risks)
        rows = [[name, *map(self.show, line)] for name, line in lines]
        judged = f"Checked by a second route: {verdict(self.summary)}."
        if not (found := self.summary["certificate"])["available"]:
            judged = f"There is no independent check: {found['reason']}."
        rest = len(names) - figures.MOST_AGENTS
        more = f" {rest} more agents are in the table." if rest > 0 else ""
        height = 1.0 + 0.5 * min(len(names), figures.MOST_AGENTS)
        figure = picture("gains", height, risks[:-1], **self.look)
        amounts = dict(zip(("alone", "traded", "saved"), map(self.show, risks[-1])))
        amounts["part"] = f" ({_percent(saved / before)})" if before > 0 else ""
        header = ["agent", "risk alone", "risk with trade", "gain"]
        words = {"judged": escape(judged), "currency": escape(self.file.currency)}
        table = _table(header, rows, "who gains what")
        return _say("gains", figure, table, more=more, **words, **amounts)

    def tower(self) -> str:
        key = 0 if self.file.retention == "state-dependent" else 1
        layers, names = self.solution.layers.get(key, ()), self.file.names
        if not layers:
            return _say("no_tower")
        rows = []
        for layer in layers[: MOST_ROWS if len(layers) <= MOST_ROWS else MOST_ROWS - 1]:
            held = [(a, p) for a, p in zip(names, layer.shares) if p > 0]
            ends = f"{self.show(layer.attachment)} to {self.show(layer.exhaustion)}"
            rows.append([ends, ", ".join(f"{a} {_percent(p)}" for a, p in held)])
        if rest := len(layers) - len(rows):
            top = self.show(layers[-1].exhaustion)
            rows.append([f"{rest} more, up to {top}", "see layers.csv"])
        figure = picture("tower", 3.4 + 0.1 * len(names), layers, **self.look)
        header = [f"layer, {self.file.currency}", "carried by"]
        table = _table(header, rows, "layers", words=True)
        return _say("tower", figure, table)

    def bills(self) -> str:
        file, solution = self.file, self.solution
        bills = solution.bills(0)
        total, chance = bills.own.sum(axis=0), bills.probability
        group = _groups(total, chance)
        weight = np.bincount(group, chance)
        names = [f"group {j + 1}" for j in range(len(weight))]
        text = _say(
            "groups_of_bills", scenarios=f"{len(total):,}", groups=str(len(weight))
        )
        if len(weight) == len(total):
            ends = bills.target[np.argsort(group)]
            names = [short(file.node_names[v], 30) for v in ends]
            text = _say("each_bill")
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
        n = len(file.names)
        ways = [int(np.argmax(total))] if n > 6 else None  # of few agents, some
        height = 1.7 + 0.21 * (n + 1) * (1 if ways else min(4, len(total)))
        figure = picture("bills", height, solution, ways=ways, **self.look)
        parts = _table(["", *file.names], average, "parts of the mean bill")
        words = {"bills_are": text, "parts": parts, "currency": escape(file.currency)}
        return _say("bills", figure, _table(header, rows, "bills by scenario"), **words)

    def over_time(self) -> str:
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
        figure = picture("risk_over_time", 3.8, self.solution, currency=self.currency)
        header = ["", "nodes", "alone, mean", "with trade, mean", "from", "to"]
        return _say("over_time", figure, _table(header, rows, "risk over time"))

    def arrangements(self) -> str:
        compared = self.summary["arrangements"]
        if compared is None:
            why = self.late("comparing arrangements", "it is made for conditional laws")
            return _say("no_arrangements", why=why)
        rows = []
        for each in compared:
            name, total = each["name"], each["total_risk"]
            amounts = map(self.show, (total, compared[0]["total_risk"] - total))
            left = f"{each['nodes_left']} of {each['nodes']}"
            rows.append([name, *amounts, left, ABOUT.get(name, "")])
        header = ["", "total risk", "saved", "nodes at which somebody leaves"]
        header += ["what it is"]
        table = _table(header, rows, "other arrangements", words=True)
        return _say("arrangements", table=table)

    def error_bar(self) -> str:
        if self.file.paths is None:
            return ""
        bar = self.summary["error_bar"]
        if bar is None or not bar["available"]:
            what = "measuring the error of simulation"
            why = bar["reason"] if bar else self.late(what, "there are too few paths")
            return _say("no_error_bar", why=escape(why))
        keys = ("answer", "standard_error", "drift")
        rows = [[r["what"], *(self.show(r[key]) for key in keys)] for r in bar["rows"]]
        header = ["", "all paths", "standard error", "drift"]
        counts = (f"{n:,}" for n in (bar["repeats"], *bar["paths"]))
        words = dict(zip(("repeats", "quarter", "half", "all"), counts))
        table = _table(header, rows, "how far simulation may be off")
        return _say("error_bar", table=table, **words)

    def settings(self) -> str:
        file, scenarios = self.file, self.file.economy.scenarios
        size = f"{scenarios.kind}, {scenarios.n_nodes:,} nodes"
        if scenarios.kind == "lattice":
            size += f", {scenarios.n_entries:,} arcs"
        versions = self.summary["versions"].items()
        rational = "asked" if file.individually_rational else "no"
        rows = [
            ["scenarios", f"{size}, {scenarios.horizon} periods"],
            ["law", file.law],
            ["contracts", file.retention],
            ["nobody worse off anywhere", rational],
            *(["note", note] for note in file.notes),
            *(["not done in time", what] for what in self.summary["not_done_in_time"]),
            ["versions", ", ".join(f"{k} {v}" for k, v in versions)],
        ]
        return _say("settings", table=_table(["", ""], rows, "settings", words=True))

    def late(self, what: str, otherwise: str) -> str:
        """Return why something is missing."""
        late = what in self.summary["not_done_in_time"]
        return "the time limit was reached" if late else otherwise


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
    sections = [report.gains(), report.tower(), report.bills(), report.over_time()]
    sections += [report.arrangements(), report.error_bar(), report.settings()]
    body = "\n".join(filter(None, sections))
    return _say("page", title=escape(file.title), body=body) + "\n"


def _say(name: str, figure: str = "", table: str = "", **words: str) -> str:
    """Return a piece of ``report.html``, with words in it that are escaped already."""
    text = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    pieces = re.split(r"<!-- (\w+) -->\n", text)
    piece = pieces[pieces.index(name) + 1].strip()
    if not figure:
        piece = re.sub("<figure>.*?</figure>", "", piece, flags=re.DOTALL)
    return Template(piece).substitute(words, figure=figure, table=table)


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
