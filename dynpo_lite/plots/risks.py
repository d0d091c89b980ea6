"""How risks compare: over time, and between ways to share."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from dynpo_lite import Arrangement, Solution
from dynpo_lite.base import validate
from dynpo_lite.base.types import Array
from dynpo_lite.plots.arguments import names_of
from dynpo_lite.plots.bars import headings, stacked
from dynpo_lite.plots.style import COLOURS, Look, canvas, legend, plain

# quantiles of the bands, from light to dark
BANDS = {(0.0, 1.0): "#D6E6F2", (0.05, 0.95): "#A9CCE5", (0.25, 0.75): "#6FAAD3"}


def risk_over_time(
    solution: Solution,
    agent: int | None = None,
    *,
    currency: str = "units of loss",
    ax: Axes | None = None,
) -> Axes:
    """Draw how the risk of all that is still to be paid develops.

    The line is the median over the nodes of a time, by their probability; the bands
    hold the middle half, the middle 90 % and all nodes.  The dashed line is the median
    without trade.

    Parameters
    ----------
    solution : Solution
    agent : int, optional
        Whose risk-to-go; by default the total of all agents.
    currency : str
        Unit of the risks.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        With the lines of the median, with and without trade.

    Raises
    ------
    TypeError, ValueError
        If there is no such agent.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import dynpo_lite as dp
    >>> tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> agents = [dp.Expectation(), dp.ExpectedShortfall(0.5)]
    >>> solution = dp.solve(dp.Economy(tree, [[0, 0, 0], [0, 0, 4]], agents))
    >>> [drawn.get_ydata().tolist() for drawn in risk_over_time(solution).lines]
    [[2.0, 0.0], [4.0, 0.0]]
    """
    validate.instance("solution", solution, Solution)
    n, scenarios = solution.economy.n_agents, solution.economy.scenarios
    if agent is None:
        risk, alone = solution.total_risk_to_go, solution.risk_without_trade.sum(axis=0)
    else:
        if not validate.is_integer(agent) or not 0 <= agent < n:
            raise ValueError(f"agent = {agent!r}: choose one from 0 to {n - 1}")
        risk, alone = solution.risk_to_go[agent], solution.risk_without_trade[agent]
    levels = [0.5, *(level for band in BANDS for level in band)]
    time = np.arange(scenarios.horizon + 1)
    chance = [scenarios.unconditional[scenarios.nodes(t)] for t in time]
    fan = [_quantiles(risk[scenarios.nodes(t)], chance[t], levels) for t in time]
    own = [_quantiles(alone[scenarios.nodes(t)], chance[t], [0.5]) for t in time]
    middle, *edges = np.array(fan).T
    labels = ["median", "all", "90 %", "half", "without trade, median"]
    ax = canvas(ax, labels)
    handles: list[Any] = [*ax.plot(time, middle, color=COLOURS[0], linewidth=2)]
    for low, high, shade in zip(edges[::2], edges[1::2], BANDS.values()):
        ax.fill_between(time, low, high, color=shade, linewidth=0)
        handles.append(Patch(color=shade))
    look: Look = {"color": COLOURS[1], "linestyle": "--", "linewidth": 2}
    handles += ax.plot(time, np.array(own)[:, 0], **look)
    legend(ax, labels, handles)
    if scenarios.horizon <= 12:
        ax.set_xticks(time)
    ax.set_xlabel("time")
    ax.set_ylabel(plain(f"risk of what is to come ({currency})"))
    return ax


def _quantiles(x: Array, chance: Array, levels: Sequence[float]) -> Array:
    """Return inf{y : P(X <= y) >= level} for each level, the minimum for level 0."""
    order = np.argsort(x, kind="stable")
    reached = np.cumsum(chance[order])
    at = np.searchsorted(reached, np.array(levels) * reached[-1] - 1e-12)
    return x[order][at]


def comparison(
    arrangements: Mapping[str, Arrangement],
    *,
    names: Sequence[str] | None = None,
    currency: str = "units of loss",
    ax: Axes | None = None,
) -> Axes:
    """Draw what each agent risks at time 0, arrangement by arrangement.

    A bar for each arrangement, agents side by side, gains to the left; a diamond marks
    the total.  Above each stand the total and at how many nodes somebody would leave.

    Parameters
    ----------
    arrangements : mapping of str to Arrangement
        As ``dp.baselines`` returns it.
    names : sequence of str, optional
        Of the agents.
    currency : str
        Unit of the risks.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        With a container of bars for each agent.

    Raises
    ------
    TypeError, ValueError
        If there is no arrangement, or not as many names as agents.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import dynpo_lite as dp
    >>> tree = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> agents = [dp.Expectation(), dp.ExpectedShortfall(0.5)]
    >>> found = dp.baselines(dp.Economy(tree, [[0, 0, 0], [0, 0, 4]], agents))
    >>> ax = comparison({name: found[name] for name in ("no trade", "dynamic optimum")})
    >>> [bars.datavalues.tolist() for bars in ax.containers]
    [[0.0, -1.0], [4.0, 3.0]]
    >>> [text.get_text() for text in ax.texts]
    ['no trade: 4; nobody would leave', 'dynamic optimum: 2; nobody would leave']
    """
    validate.instance("arrangements", arrangements, Mapping)
    found = validate.entries("arrangements", arrangements.values(), "no arrangement")
    for name, each in arrangements.items():
        validate.instance(f"arrangements[{name!r}]", each, Arrangement)
    risk = np.array([each.risk_to_go[:, 0] for each in found]).T
    named = names_of(names, len(risk))
    rows = 2.0 * np.arange(len(found)) + 1
    ax = canvas(ax, named, 1.2 + 0.46 * len(found))
    stacked(ax, rows, risk)
    legend(ax, named)
    counts = [len(each.leaving) for each in found]
    leave = [
        f"somebody would leave at {k:,} node{'s' * (k > 1)}"
        if k
        else "nobody would leave"
        for k in counts
    ]
    texts = zip(arrangements, found, leave)
    headings(ax, rows - 0.85, [f"{name}: {a.total:.5g}; {s}" for name, a, s in texts])
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_ylim(rows[-1] + 0.6, -0.4)
    ax.set_xlabel(plain(f"risk at time 0 ({currency})"))
    return ax
