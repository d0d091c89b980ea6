"""Rows of stacked bars, each with a sentence above it where it needs one."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from dynpo_lite.plots.style import INK, SMALL, area, plain


def stacked(ax: Axes, rows: ArrayLike, parts: ArrayLike) -> None:
    """Draw ``parts`` (n_parts, n_rows): what is positive to the right, else left.

    The sums are marked with diamonds; each part is one container of bars.
    """
    rows, parts = np.asarray(rows), np.asarray(parts)
    right, left = np.zeros(len(rows)), np.zeros(len(rows))
    for j, part in enumerate(parts):
        start = np.where(part >= 0, right, left)
        ax.barh(rows, part, 0.8, start, linewidth=0.5, **area(j))
        right, left = right + np.maximum(part, 0), left + np.minimum(part, 0)
    ax.use_sticky_edges = False
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.plot(parts.sum(axis=0), rows, "D", color=INK, mec="white", ms=7, zorder=3)


def headings(ax: Axes, rows: ArrayLike, texts: Sequence[str]) -> None:
    """Write a text at each height, from the left end of the axes."""
    where = ax.get_yaxis_transform()
    for row, text in zip(np.asarray(rows).tolist(), texts, strict=True):
        ax.text(
            0.01,
            row,
            plain(text),
            transform=where,
            va="center",
            fontsize=SMALL,
            color=INK,
            bbox={"color": "white", "pad": 0.5},
        )
