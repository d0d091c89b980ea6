"""The pictures of a report, as SVG that takes its colours from the page around it."""

import io
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

MOST_AGENTS = 12


def short(name: str, limit: int = 18) -> str:
    """Return a name that fits a legend.

    Examples
    --------
    >>> short("a" * 30, 5)
    'aaaa…'
    """
    return name if len(name) <= limit else name[: limit - 1] + "…"


def gains(risks: Any, names: Sequence[str], currency: str, ax: Any) -> None:
    """Draw each agent's risk without and with trade: the first columns."""
    from dynpo_lite.plots.style import COLOURS, GREY, INK, plain

    some = slice(MOST_AGENTS)
    at = np.arange(len(names[some]))
    ax.barh(at - 0.2, risks[some, 0], 0.36, color=GREY)
    ax.barh(at + 0.2, risks[some, 1], 0.36, color=COLOURS[0])
    ax.set_yticks(at, [plain(name) for name in names[some]])
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_xlabel(plain(f"risk today ({currency})"))


def picture(name: str, height: float, *shown: Any, **more: Any) -> str:
    """Return a figure as SVG, empty where matplotlib is not installed.

    A colour such as ``#0072b2`` becomes the variable ``--c0072b2`` of the page, so that
    the picture can be read in a light and in a dark scheme.

    Parameters
    ----------
    name : str
        Of a function of ``dynpo_lite.plots``, or "gains".
    height : float
        In inches.
    *shown, **more
        Arguments of the function.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure

        from dynpo_lite import plots
        from dynpo_lite.plots.style import INK, STYLE, WIDTH
    except ImportError:
        return ""
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color")
    look = STYLE | dict.fromkeys((*inked, "ytick.color"), INK)
    look |= {"svg.fonttype": "none", "svg.hashsalt": name}
    stream, empty = io.StringIO(), dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context(look), warnings.catch_warnings(action="ignore"):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw: Any = gains if name == "gains" else getattr(plots, name)
        draw(*shown, ax=figure.add_subplot(), **more)
        figure.savefig(stream, format="svg", transparent=True, metadata=empty)
    head = r'<svg \1 xmlns:xlink="http://www.w3.org/1999/xlink">'
    text = stream.getvalue()
    for old, new in {
        r"^.*?<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>": head,
        r"<metadata>.*?</metadata>|<!--.*?-->": "",
        r'(\bid="|href="#|url\(#)': rf"\g<1>{name}-",
        r'\bfill="(#\w{6})"': r'style="fill: \1"',  # of hatches
        r"(?<=: )#([0-9a-f]{6})\b": r"var(--c\1)",
    }.items():
        text = re.sub(old, new, text, flags=re.DOTALL)
    return text
