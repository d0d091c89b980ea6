"""What may happen: scenario trees and lattices, time to the right."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import ArrayLike

from dynpo_lite import Economy, ScenarioLattice, ScenarioTree
from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, Integers
from dynpo_lite.plots.style import (
    COLOURS,
    GREY,
    HEIGHT,
    INK,
    SMALL,
    Look,
    canvas,
    colour_bar,
    plain,
)

FEW = 16  # nodes of a stage, or arcs of a lattice, up to which values are written
SHORT = 4  # horizon up to which they are
MOST = 50_000  # lines that are drawn


def tree(
    scenarios: Economy | ScenarioTree,
    values: ArrayLike | None = None,
    heights: ArrayLike | None = None,
    *,
    label: str | None = None,
    currency: str = "units of loss",
    ax: Axes | None = None,
) -> Axes:
    """Draw a scenario tree: time to the right, likelier branches wider.

    Parameters
    ----------
    scenarios : Economy or ScenarioTree
    values : array_like of shape (n_nodes,), optional
        Written beside the nodes where there are at most 16 at a stage and four periods,
        else their colours; nan where there is none.  By default the aggregate loss of
        an economy.
    heights : array_like of shape (n_nodes,), optional
        How high each node stands.  By default the leaves are evenly spaced, and the
        height means nothing.
    label : str, optional
        What the values and heights are; by default the aggregate loss.
    currency : str
        Their unit.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        ``collections[0]`` holds the branches, a line for each node but the root.

    Raises
    ------
    TypeError, ValueError
        If there is no tree, or an array does not fit it.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> shape = ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> ax = tree(shape, heights=[0, 2, 6])
    >>> [path.vertices.tolist() for path in ax.collections[0].get_paths()]
    [[[0.0, 0.0], [1.0, 2.0]], [[0.0, 0.0], [1.0, 6.0]]]
    """
    shape = scenarios.tree if isinstance(scenarios, Economy) else scenarios
    validate.instance("scenarios", shape, ScenarioTree)
    shown = _given("values", values, shape.n_nodes)
    if shown is None and isinstance(scenarios, Economy) and heights is None:
        shown = np.append(np.nan, scenarios.aggregate[1:])  # nothing is paid at time 0
    title = f"{'aggregate loss' if label is None else label} ({currency})"
    if heights is None:
        y = _rows(shape)
    else:
        y = validate.finite_array("heights", heights, shape=(shape.n_nodes,))
    few = _few(shape)
    wide = len(shape.leaves) if few and heights is None else 0
    ax = canvas(ax, height=max(HEIGHT, 1.2 + 0.28 * wide))
    nodes = np.arange(1, shape.n_nodes)
    ends = np.stack([shape.parent[nodes], nodes], axis=1)
    lines = np.stack([shape.stage[ends], y[ends]], axis=2)
    _arcs(ax, lines, shape.unconditional[1:])
    said = _nodes(ax, shape, y, shown, few, title)
    if few and heights is None:
        late = lines[:, 0] + 0.65 * (lines[:, 1] - lines[:, 0])  # siblings are apart
        _write(ax, late, shape.probability[1:], "on")
        said.append("on lines: probability")
    _say(ax, said)
    _frame(ax, shape, None if heights is None else title)
    return ax


def lattice(
    scenarios: Economy | ScenarioLattice,
    values: ArrayLike | None = None,
    arcs: ArrayLike | None = None,
    *,
    label: str | None = None,
    currency: str = "units of loss",
    ax: Axes | None = None,
) -> Axes:
    """Draw a scenario lattice: nodes are what is known, arcs what happens.

    Arcs that join the same two nodes are bent apart; likelier arcs are wider.  Of more
    than 50,000 the likeliest are drawn, and the figure says so.

    Parameters
    ----------
    scenarios : Economy or ScenarioLattice
    values : array_like of shape (n_nodes,), optional
        Of nodes: written beside them, or shown as colours, as in :func:`tree`.
    arcs : array_like of shape (n_arcs,), optional
        Of arcs: written on them where there are at most 16, else colours.  By default
        the aggregate loss of an economy, on arcs or, if paid on arrival, at nodes.
    label : str, optional
        What the values are; by default the aggregate loss.
    currency : str
        Their unit.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        ``collections[0]`` holds the arcs.

    Raises
    ------
    TypeError, ValueError
        If there is no lattice, or an array does not fit it.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> stay = [[0.75, 0.25], [0.25, 0.75]]
    >>> ax = lattice(ScenarioLattice.from_chain([[[0.5, 0.5]], stay]))
    >>> len(ax.collections[0].get_paths()), ax.get_xticks().tolist()
    (6, [0, 1, 2])
    """
    shape = scenarios.scenarios if isinstance(scenarios, Economy) else scenarios
    if isinstance(shape, ScenarioTree):
        raise TypeError("scenarios is a tree: draw it with plots.tree")
    validate.instance("scenarios", shape, ScenarioLattice)
    shown = _given("values", values, shape.n_nodes)
    on_arcs = _given("arcs", arcs, shape.n_arcs)
    if shown is None and on_arcs is None and isinstance(scenarios, Economy):
        total = scenarios.aggregate
        if len(total) == shape.n_arcs:
            on_arcs = total
        else:
            shown = np.append(np.nan, total[1:])
    title = f"{'aggregate loss' if label is None else label} ({currency})"
    place = np.arange(shape.n_nodes) - shape.first[shape.stage]
    y = (np.diff(shape.first)[shape.stage] - 1) / 2 - place
    chance = shape.unconditional[shape.source] * shape.probability
    drawn = np.sort(np.argsort(-chance, kind="stable")[:MOST])
    lines = _bent(shape, y, drawn)
    few = shape.n_arcs <= FEW
    colours = None if few or on_arcs is None else on_arcs[drawn]
    ax = canvas(ax)
    found = _arcs(ax, lines, chance[drawn], colours)
    if colours is not None:
        colour_bar(ax, found, title)
    said = _nodes(ax, shape, y, shown, _few(shape), title)
    if few:
        numbers = shape.probability if on_arcs is None else on_arcs
        _write(ax, lines[:, 3], numbers, "on")  # a third of the way: none cross there
        said.append(f"on lines: {'probability' if on_arcs is None else title}")
    if shape.n_arcs > MOST:
        said.append(f"the likeliest {MOST:,} of {shape.n_arcs:,} arcs")
    _say(ax, said)
    _frame(ax, shape, None)
    return ax


def _given(name: str, values: ArrayLike | None, size: int) -> Array | None:
    return None if values is None else validate.real_array(name, values, shape=(size,))


def _few(shape: ScenarioTree | ScenarioLattice) -> bool:
    """Tell whether there is room for words at the nodes."""
    return bool(np.diff(shape.first).max() <= FEW and shape.horizon <= SHORT)


def _rows(shape: ScenarioTree) -> Array:
    """Return heights at which no branches cross: a row for each leaf."""
    size, start = np.ones(shape.n_nodes), np.zeros(shape.n_nodes)
    for t in range(shape.horizon, 0, -1):
        nodes = shape.nodes(t)
        up, low = shape.parent[nodes], shape.first[t - 1]
        size[shape.nodes(t - 1)] = np.bincount(up - low, size[nodes])
    for t in range(1, shape.horizon + 1):
        nodes = shape.nodes(t)
        nodes = nodes[np.argsort(shape.parent[nodes], kind="stable")]
        up = shape.parent[nodes]
        before = np.cumsum(size[nodes]) - size[nodes]
        eldest = np.searchsorted(up, up)  # the first child of the same parent
        start[nodes] = start[up] + before - before[eldest]
    return 0.5 - (start + size / 2)


def _bent(shape: ScenarioLattice, y: Array, drawn: Integers) -> Array:
    """Return the points of the arcs, (n, points, 2), parallel ones bent apart."""
    source, target = shape.source[drawn], shape.target[drawn]
    _, pair, count = np.unique(
        source * shape.n_nodes + target, return_inverse=True, return_counts=True
    )
    order = np.argsort(pair, kind="stable")
    rank = np.empty(len(drawn))
    rank[order] = np.arange(len(drawn)) - np.repeat(np.cumsum(count) - count, count)
    sizes = count[pair]
    bend = 0.4 * (rank - (sizes - 1) / 2) / sizes
    way = np.linspace(0, 1, 10 if sizes.max() > 1 or len(drawn) <= FEW else 2)
    x = shape.stage[source][:, None] + way
    height = y[source][:, None] + (y[target] - y[source])[:, None] * way
    return np.stack([x, height + bend[:, None] * 4 * way * (1 - way)], axis=2)


def _arcs(
    ax: Axes, lines: Array, chance: Array, colours: Array | None = None
) -> LineCollection:
    look: Look = {"colors": GREY, "alpha": 0.6}
    if colours is not None:
        look = {"array": colours, "cmap": "cividis"}
    found = LineCollection(
        list(lines), linewidths=0.4 + 3 * np.sqrt(chance), zorder=1, **look
    )
    ax.add_collection(found)
    return found


def _nodes(
    ax: Axes, shape: Any, y: Array, values: Array | None, few: bool, title: str
) -> list[str]:
    """Draw the nodes, their values as words where few, else as colours.

    Returns what the words are.
    """
    x, chance = shape.stage, shape.unconditional
    size = np.clip(8000 / shape.n_nodes, 1, 8) + 250 * chance
    size[0] = 36
    known = np.zeros(shape.n_nodes, bool)
    said = []
    if values is not None:
        known = np.isfinite(values)
    if values is not None and few:
        points, last = np.stack([x, y], axis=1), x == shape.horizon
        _write(ax, points[known & ~last], values[known & ~last], "above")
        _write(ax, points[known & last], values[known & last], "right")
        known[:] = False
        said.append(f"at nodes: {title}")
    rest = ~known
    rest[0] = False
    ax.scatter(x[rest], y[rest], size[rest], color=COLOURS[0], zorder=3)
    if not known[0]:
        ax.plot(0, y[0], "s", color=INK, zorder=3)
    if values is not None and known.any():
        look: Look = {"c": values[known], "cmap": "cividis", "zorder": 3}
        colour_bar(ax, ax.scatter(x[known], y[known], size[known], **look), title)
    return said


WHERE: dict[str, Look] = {
    "above": {"xytext": (0, 7), "ha": "center", "va": "bottom", "color": INK},
    "right": {"xytext": (8, 0), "ha": "left", "va": "center", "color": INK},
    "on": {"xytext": (0, 0), "ha": "center", "va": "center", "color": COLOURS[1]},
}


def _write(ax: Axes, points: Array, values: Array, where: str) -> None:
    box = {"color": "white", "pad": 0.5} if where == "on" else None
    look: Look = {"textcoords": "offset points", "fontsize": SMALL, "bbox": box}
    for point, value in zip(points, values):
        ax.annotate(f"{value:.4g}", point, **look, **WHERE[where])


def _say(ax: Axes, texts: list[str]) -> None:
    """Say above the axes what the numbers are."""
    if texts:
        ax.set_title(plain("\n".join(texts)), fontsize=SMALL)


def _frame(ax: Axes, shape: Any, height: str | None) -> None:
    ax.set_xlabel("time")
    if shape.horizon <= 10:
        ax.set_xticks(range(shape.horizon + 1))
    if height is None:
        ax.margins(x=0.08, y=0.12)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    else:
        ax.set_ylabel(plain(height))
    ax.autoscale_view()
