"""One look for all figures: the same colours, hatches, line styles and sizes.

Colours are those of Okabe and Ito, which the colour-blind tell apart.  Areas differ in
hatch as well, lines in style: the looks of 36 agents are different.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dynpo_lite.base import validate

Look: TypeAlias = dict[str, Any]  # what matplotlib is told by name

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
HATCHES = ("", "//", "..", "xx", "\\\\", "oo")
LINES: tuple[Any, ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0, (6, 1, 1, 1, 1, 1)),
    (0, (8, 2)),
)
INK = "#333333"
GREY = "#999999"
WIDTH, HEIGHT = 4.9, 3.4  # of a figure, in inches
SMALL = 10  # size of letters beside the axes, in points

STYLE: Look = {
    "axes.prop_cycle": cycler(color=COLOURS[:5]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.dpi": 150,
    "figure.facecolor": "white",
    "figure.figsize": (WIDTH, HEIGHT),
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "savefig.facecolor": "white",
}


def canvas(ax: Axes | None, labels: Sequence[str] = (), height: float = HEIGHT) -> Axes:
    """Return the axes to draw on: those given, or new ones with room for a legend."""
    if ax is not None:
        validate.instance("ax", ax, Axes)
        return ax
    rows = -(-len(labels) // _columns(labels))
    size = WIDTH, height + 0.21 * max(rows - 1, 0)
    with plt.rc_context(STYLE):
        made = plt.subplots(figsize=size)[1]
        shown = plt.isinteractive()
    mpl.interactive(shown)  # the first figure of a notebook switches that on
    return made


def area(i: int) -> Look:
    """Return colour and hatch of the areas of agent ``i``."""
    return {
        "facecolor": COLOURS[i % 6],
        "hatch": HATCHES[(i + i // 6) % 6],
        "edgecolor": "white",
    }


def line(i: int) -> Look:
    """Return colour and style of the lines of agent ``i``."""
    return {
        "color": COLOURS[i % 6],
        "linestyle": LINES[(i + i // 6) % 6],
        "linewidth": 2,
    }


def legend(
    ax: Axes, labels: Sequence[str], handles: Sequence[Any] | None = None
) -> None:
    """Say above the axes which look is whose; by default the areas of agents."""
    if handles is None:
        handles = [Rectangle((0, 0), 1, 1, **area(i)) for i in range(len(labels))]
    ax.legend(
        handles,
        [plain(label) for label in labels],
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=_columns(labels),
        fontsize=SMALL,
        frameon=False,
        columnspacing=1.2,
        handlelength=2.6,
    )


def colour_bar(ax: Axes, drawn: Any, label: str) -> None:
    """Show beside the axes which colour is which value."""
    with plt.rc_context(STYLE):
        ax.figure.colorbar(drawn, ax=ax, label=plain(label))


def plain(text: str) -> str:
    """Return a text in which matplotlib sees no formula.

    >>> print(plain("US$"))
    US\\$
    """
    return str(text).replace("$", r"\$")


def _columns(labels: Sequence[str]) -> int:
    """Return how many labels stand side by side in the width of a figure."""
    longest = max(map(len, labels), default=0)
    return int(np.clip(60 // (longest + 8), 1, 3))
