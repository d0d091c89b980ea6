"""What stands at the top of a rerun page: which values differ, and what they change."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dynpo_lite.companion.rerun.parameters import Parameter

MOST = 12  # recorded numbers in the table; results.json has all


def banner(
    declared: Sequence[Parameter],
    given: Mapping[str, Any],
    before: Mapping[str, Any],
    now: Mapping[str, Any],
) -> str:
    """Return the top of a rerun page as HTML.

    Parameters
    ----------
    declared : sequence of Parameter
        Those of the notebook, with their defaults.
    given : mapping
        Name to value, of this run.
    before, now : mapping
        Name to recorded value: what the notebook holds, and what this run found.

    Returns
    -------
    str
        Two tables, default against now: the values that differ, and up to twelve of the
        recorded numbers that do; a sentence if nothing differs.

    Examples
    --------
    >>> from dynpo_lite.companion.rerun.parameters import parse_parameters
    >>> mean = parse_parameters("mean: float = 2.0  # money; (0, inf); of a loss")
    >>> print(banner(mean, {"mean": 2.0}, {}, {}))
    <p>All values are the book's.</p>
    >>> text = banner(mean, {"mean": 3.0}, {"risk": 4.0}, {"risk": 6.0})
    >>> text.count("<tr>"), "of a loss" in text
    (4, True)
    """
    changed = [p for p in declared if given.get(p.name, p.default) != p.default]
    if not changed:
        return "<p>All values are the book's.</p>"
    parts = [
        "<p>This run has other values than the book. Sentences that say "
        "<q>at the paper's parameters</q> speak of the defaults.</p>",
        _table(
            ("value", "default", "now", "meaning"),
            ((p.name, p.default, given[p.name], p.meaning) for p in changed),
        ),
    ]
    moved = [name for name in before if name in now and before[name] != now[name]]
    if moved:
        rows = ((name, before[name], now[name]) for name in moved[:MOST])
        parts.append(_table(("recorded number", "default", "now"), rows))
    if len(moved) > MOST:
        left = len(moved) - MOST
        parts.append(f"<p>{left} more differ: see <code>results.json</code>.</p>")
    return "\n".join(parts)


def _table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{header}</th>" for header in headers)
    body = "".join(
        "<tr>" + "".join(f"<td>{_shown(entry)}</td>" for entry in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shown(value: Any) -> str:
    """Return a value in few digits, as HTML."""
    if isinstance(value, list):
        inside = ", ".join(_shown(entry) for entry in value[:6])
        return f"{inside}, ..." if len(value) > 6 else inside
    if isinstance(value, float):
        return f"{value:.6g}"
    return html.escape(str(value))
