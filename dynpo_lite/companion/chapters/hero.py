"""The picture of the first page: what a contract does, and what it is worth."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import dynpo_lite as dp
from dynpo_lite import plots
from dynpo_lite.companion.chapters.insurers import insurers_economy
from dynpo_lite.companion.chapters.small_economies import four_leaf_economy
from dynpo_lite.plots.style import COLOURS, GREY, INK, SMALL, STYLE, Look


def hero(horizon: int = 5) -> Figure:
    """Draw two insurers' payments on four outcomes, and six real ones' total risk.

    Parameters
    ----------
    horizon : int
        Years of the six insurers' agreement, 1 to 5.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> left, right = hero(horizon=1).axes
    >>> [text.get_text() for text in right.texts]
    ['618', '600', '590', '590']
    """
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.6))
        _payments(left)
        _worth(right, horizon)
    return figure


def _payments(ax: Axes) -> None:
    economy = four_leaf_economy()
    solution = dp.solve(economy)
    plots.tree(economy.tree, label="payments", ax=ax)
    for text in list(ax.texts):
        text.remove()
    ax.set(title="What each of two insurers pays", yticks=[])
    ax.set(xlim=(-0.1, 2.9), ylim=(-4.4, 0.4))
    (branches, *_) = ax.collections
    for v, path in enumerate(branches.get_paths(), start=1):
        x, y = np.asarray(path.vertices)[1]
        for i, below in enumerate((0.16, -0.16)):
            before, after = economy.endowments[i, v], solution.allocation[i, v]
            text = f"{before:g} → {after:g}".replace("-", "−")
            place: Look = {"va": "center", "ha": "center" if x < 2 else "left"}
            x_text = x if x < 2 else x + 0.1
            y_text = y + (0.38 - 0.76 * i if x < 2 else below)
            ax.text(x_text, y_text, text, color=COLOURS[i], size=SMALL, **place)
    for i in range(2):
        who = f"insurer {i + 1}: alone → shared"
        ax.text(-0.1, -3.65 - 0.42 * i, who, color=COLOURS[i], size=SMALL)


def _worth(ax: Axes, horizon: int) -> None:
    found = dp.baselines(insurers_economy(horizon))
    keys = ["no trade", "quota share", "yearly layers", "dynamic optimum"]
    totals = [found[name].total for name in keys]
    names = [*keys[:2], "layers priced anew", keys[3]]
    ax.plot(totals, names, "o", color=COLOURS[0], markersize=9, clip_on=False)
    ax.hlines(names, min(totals), totals, color=GREY, linewidth=1)
    ax.invert_yaxis()
    for row, total in enumerate(totals):
        place: Look = {"xytext": (0, 8), "textcoords": "offset points", "ha": "center"}
        ax.annotate(f"{total:,.0f}", (total, row), color=INK, size=SMALL, **place)
    ax.set(title="Total risk of six real insurers", xlabel="million dollars")
    ax.margins(x=0.15, y=0.2)
    ax.locator_params(axis="x", nbins=4)
