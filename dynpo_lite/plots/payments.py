"""What is paid: the bills at a node in parts, the premia over time or at a node."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from dynpo_lite import Solution
from dynpo_lite.base import validate
from dynpo_lite.base.types import Integers
from dynpo_lite.plots.arguments import names_of
from dynpo_lite.plots.bars import headings, stacked
from dynpo_lite.plots.style import (
    COLOURS,
    INK,
    SMALL,
    Look,
    area,
    canvas,
    legend,
    line,
    plain,
)

PARTS = {
    "layer": "loss of its layers",
    "price": "got for its layers",
    "sure": "part of what is sure",
    "transfer": "transfer",
    "reserve": "put off to later",
}
FEW = 4  # ways from a node that are drawn unless others are asked for


def bills(
    solution: Solution,
    node: int = 0,
    ways: Sequence[int] | None = None,
    *,
    names: Sequence[str] | None = None,
    currency: str = "units of loss",
    ax: Axes | None = None,
) -> Axes:
    """Draw what each agent pays on the ways from a node, in parts.

    A bar for each agent and way: what is paid to the right, what is got to the left;
    a diamond marks the sum, a circle the agent's own loss without trade.

    Parameters
    ----------
    solution : Solution
    node : int
        Before the horizon.
    ways : sequence of int, optional
        Which of the ways, as numbered in ``solution.bills(node)``; by default at most
        four, from the least to the largest total.
    names : sequence of str, optional
        Of the agents.
    currency : str
        Unit of the payments.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        With a container of bars for each part: layer, price, sure, transfer, reserve.

    Raises
    ------
    TypeError, ValueError
        If there is no such node or way, or not as many names as agents.

    Examples
    --------
    Agent 0 carries the risk: it gets 3 if nothing happens, and pays 1 of a loss of 4.

    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import dynpo_lite as dp
    >>> tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> agents = [dp.Expectation(), dp.ExpectedShortfall(0.5)]
    >>> ax = bills(dp.solve(dp.Economy(tree, [[0, 0, 0], [0, 0, 4]], agents)))
    >>> ax.containers[0].datavalues.tolist()  # what the layers pay
    [0.0, 0.0, 4.0, 0.0]
    >>> ax.lines[1].get_xdata().tolist()  # the sums
    [-3.0, 3.0, 1.0, 3.0]
    """
    validate.instance("solution", solution, Solution)
    found = solution.bills(node)
    n, b = found.payment.shape
    named = names_of(names, n)
    total = found.own.sum(axis=0)
    which = _some(total) if ways is None else _ways(ways, b)
    rows = np.arange(len(which) * n) + np.repeat(np.arange(len(which)), n) + 1.0
    labels = [*PARTS.values(), "sum: the payment", "own loss"]
    ax = canvas(ax, labels, 1.7 + 0.21 * (rows[-1] + 1))
    parts = np.array([getattr(found, part)[:, which].T.ravel() for part in PARTS])
    stacked(ax, rows, parts)
    hollow: Look = {"mfc": "none", "mec": INK, "ls": "none", "ms": 9}
    ax.plot(found.own[:, which].T.ravel(), rows, "o", zorder=4, **hollow)
    handles = [Rectangle((0, 0), 1, 1, **area(j)) for j in range(len(PARTS))]
    marks = (
        Line2D([], [], color=INK, marker="D", ls="none"),
        Line2D([], [], marker="o", **hollow),
    )
    legend(ax, labels, [*handles, *marks])
    chance = found.probability[which]
    texts = [
        f"total {x:.4g}, probability {p:.3g}" for x, p in zip(total[which], chance)
    ]
    headings(ax, rows[::n] - 1, texts)
    ax.set_yticks(rows, [plain(name) for name in named] * len(which))
    ax.tick_params("y", length=0, labelsize=SMALL)
    ax.set_ylim(rows[-1] + 0.6, -0.6)
    ax.set_xlabel(plain(f"paid ({currency})"))
    return ax


def _some(total: Integers) -> Integers:
    """Return a few ways, from the one with the least total to that with the largest."""
    order = np.argsort(total, kind="stable")
    return order[np.unique(np.linspace(0, len(total) - 1, FEW).round().astype(int))]


def _ways(ways: Sequence[int], b: int) -> Integers:
    which = validate.integers("ways", ways)
    if (j := validate.first((which < 0) | (which >= b))) is not None:
        raise ValueError(f"ways[{j}] = {which[j]}: choose ways from 0 to {b - 1}")
    return which


def premia(
    solution: Solution,
    node: int | None = None,
    *,
    names: Sequence[str] | None = None,
    currency: str = "units of loss",
    ax: Axes | None = None,
) -> Axes:
    """Draw premia: over time, or at one node within what rationality allows.

    Over time a line joins each agent's expected premia, and thin strokes reach from the
    least to the largest one of the nodes of a time.  At a node a bar shows the premia
    at which nobody would rather go without trade, and a diamond the one chosen.

    Parameters
    ----------
    solution : Solution
    node : int, optional
        Before the horizon; by default the premia of all times.
    names : sequence of str, optional
        Of the agents.
    currency : str
        Unit of the premia; those received are negative.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        With a line for each agent, or one line of diamonds at a node.

    Raises
    ------
    TypeError, ValueError
        If there is no such node, or not as many names as agents.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import dynpo_lite as dp
    >>> tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> agents = [dp.Expectation(), dp.ExpectedShortfall(0.5)]
    >>> solution = dp.solve(dp.Economy(tree, [[0, 0, 0], [0, 0, 4]], agents))
    >>> premia(solution, 0).lines[0].get_xdata().tolist()
    [-3.0, 3.0]
    >>> [drawn.get_ydata().tolist() for drawn in premia(solution).lines]
    [[-3.0], [3.0]]
    """
    validate.instance("solution", solution, Solution)
    n = solution.economy.n_agents
    named = names_of(names, n)
    if node is None:
        return _over_time(solution, named, currency, ax)
    (node,) = solution.economy.scenarios.ways_from(node).node
    low, high = solution.premium_interval[:, node].T
    place = np.arange(n)
    ax = canvas(ax, height=max(3.4, 1 + 0.28 * n))
    ax.hlines(place, low, high, color=COLOURS[0], linewidth=6, alpha=0.5)
    ax.plot(solution.premium[:, node], place, "D", color=INK)
    ax.set_yticks(place, [plain(name) for name in named])
    ax.set_ylim(n - 0.5, -0.5)
    ax.set_xlabel(plain(f"premium paid ({currency})"))
    return ax


def _over_time(
    solution: Solution, named: list[str], currency: str, ax: Axes | None
) -> Axes:
    scenarios = solution.economy.scenarios
    inner = slice(0, scenarios.n_inner)
    start = scenarios.first[: scenarios.horizon]
    premium, time = solution.premium[:, inner], np.arange(scenarios.horizon)
    chance = scenarios.unconditional[inner]
    mean = np.add.reduceat(premium * chance, start, axis=1)
    mean = mean / np.add.reduceat(chance, start)
    low, high = (f.reduceat(premium, start, axis=1) for f in (np.minimum, np.maximum))
    ax = canvas(ax, named)
    apart = np.linspace(-0.15, 0.15, len(named)) if len(named) > 1 else [0.0]
    drawn = []
    for i, shift in enumerate(apart):
        look = line(i)
        ax.vlines(time + shift, low[i], high[i], color=look["color"], linewidth=1)
        drawn += ax.plot(time + shift, mean[i], marker="o", markersize=4, **look)
    legend(ax, named, drawn)
    if scenarios.horizon <= 12:
        ax.set_xticks(time)
    ax.set_xlabel("time at which the premium is fixed")
    ax.set_ylabel(plain(f"premium paid ({currency})"))
    return ax
