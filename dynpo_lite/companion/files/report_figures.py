"""The pictures of a report, as SVG that takes its colours from the page around it.

Every function returns a text, empty where matplotlib is not installed.  Colours are
drawn as markers and then replaced by variables of the page's style, so that a picture
can be read in a light and in a dark scheme.
"""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from dynpo_lite import Layer

N_COLOURS = 8
MOST_AGENTS = 12
INK, MUTED, PALE = "#fe0000", "#fe0001", "#fe0002"
VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", PALE: "var(--pale)"}
VARIABLES |= {f"#fe01{i:02x}": f"var(--c{i})" for i in range(N_COLOURS)}
STYLE = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar in a name is a dollar
    **dict.fromkeys(("text.color", "axes.labelcolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "axes.edgecolor"), MUTED),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": PALE,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
}


def agent_colour(i: int) -> str:
    """Return the marker of an agent's colour."""
    return f"#fe01{i % N_COLOURS:02x}"


def short(name: str, limit: int = 18) -> str:
    """Return a name that fits a legend.

    Examples
    --------
    >>> short("a" * 30, 5)
    'aaaa…'
    """
    return name if len(name) <= limit else name[: limit - 1] + "…"


def gains(names: Sequence[str], alone: Any, traded: Any, unit: str) -> str:
    """Draw each agent's risk without and with trade."""

    def draw(axes: Any) -> None:
        at = np.arange(len(names[:MOST_AGENTS]))
        some = slice(None, MOST_AGENTS)
        colours = [agent_colour(i) for i in range(len(at))]
        axes.barh(at - 0.2, alone[some], 0.36, color=PALE, edgecolor=MUTED)
        axes.barh(at + 0.2, traded[some], 0.36, color=colours)
        axes.set_yticks(at, [short(name) for name in names[some]])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.invert_yaxis()
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.set_xlabel(f"risk today, {short(unit)}")

    height = 1.0 + 0.5 * min(len(names), MOST_AGENTS)
    return _svg("gains", draw, height, "bars: each agent's risk alone and with trade")


def tower(layers: Sequence[Layer], names: Sequence[str], unit: str) -> str:
    """Draw who carries which layer of the total."""

    def draw(axes: Any) -> None:
        edges = np.array([[x.attachment, x.exhaustion] for x in layers]).ravel()
        parts = np.repeat(np.array([x.shares for x in layers]).T, 2, axis=1)
        left = np.zeros(len(edges))
        for i, part in enumerate(parts):
            if part.any():
                colour, label = agent_colour(i), short(names[i])
                right = left + part
                axes.fill_betweenx(
                    edges, left, right, color=colour, linewidth=0, label=label
                )
                left = right
        for layer in layers[:40]:
            axes.axhline(layer.attachment, color=INK, linewidth=0.5)
        axes.set(xlim=(0, 1), ylim=(edges[0], edges[-1]), ylabel=short(unit, 30))
        axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
        axes.set_xlabel("part of the layer")
        _legend(axes)

    height = 3.4 + _legend_height([short(name) for name in names])
    return _svg(
        "tower", draw, height, "layers from below upwards, and who carries them"
    )


def bills(total: Any, own: Any, payment: Any, names: Sequence[str], unit: str) -> str:
    """Draw what agents lose and what they pay, against the total loss."""

    def draw(axes: Any) -> None:
        for i, name in enumerate(names[:N_COLOURS]):
            colour = agent_colour(i)
            axes.plot(total, own[i], "--", color=colour, linewidth=1.2)
            axes.plot(total, payment[i], "-", color=colour, label=short(name))
        axes.set_xlabel(f"total loss of the first period, {short(unit)}")
        axes.set_ylabel("own loss (dashed), bill")
        axes.grid(True, linewidth=0.6)
        _legend(axes)

    height = 3.2 + _legend_height([short(name) for name in names[:N_COLOURS]])
    return _svg("bills", draw, height, "own losses and bills against the total loss")


def risk_over_time(alone: Any, traded: Any, spread: Any, unit: str) -> str:
    """Draw the total risk still to come at each time: means, and a range."""

    def draw(axes: Any) -> None:
        times = np.arange(len(alone))
        axes.fill_between(times, *spread, color=agent_colour(0), alpha=0.2, linewidth=0)
        axes.plot(times, alone, "--", color=MUTED, label="without trade")
        axes.plot(times, traded, "o-", color=agent_colour(0), label="with trade")
        axes.set_xticks(times[:: 1 + len(times) // 12])
        axes.set(xlabel="time", ylabel=f"total risk to go, {short(unit)}")
        axes.grid(True, linewidth=0.6)
        _legend(axes)

    return _svg("time", draw, 3.2, "total risk to go over time, without and with trade")


def _columns(labels: Sequence[str]) -> int:
    """Return how many labels fit beside each other."""
    return max(1, 36 // (6 + max(map(len, labels))))


def _legend_height(labels: Sequence[str]) -> float:
    return 0.2 * -(-len(labels) // _columns(labels))


def _legend(axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    where: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
    where |= {"ncols": _columns(labels), "columnspacing": 1.2, "handlelength": 1.4}
    axes.legend(handles, labels, **where)


def _svg(name: str, draw: Callable, height: float, told: str) -> str:
    """Return the picture, its identifiers its own and its colours the page's."""
    with suppress(ImportError), warnings.catch_warnings(action="ignore"):
        import matplotlib as mpl
        from matplotlib.figure import Figure

        with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
            figure = Figure(figsize=(4.3, height), layout="constrained")
            draw(figure.add_subplot())
            stream = io.StringIO()
            empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            figure.savefig(stream, format="svg", transparent=True, metadata=empty)
        text = stream.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
        text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
        head = r'<svg [^>]*?(viewBox="[^"]*")[^>]*>'
        label = f'<svg role="img" aria-label="{told}" \\1 '
        label += 'xmlns:xlink="http://www.w3.org/1999/xlink">'
        text = re.sub(head, label, text, count=1)
        for marker, variable in VARIABLES.items():
            text = text.replace(marker, variable)
        return text
    return ""
