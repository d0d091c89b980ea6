"""Who carries what of a loss: its layers, the distorted tails, the retentions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array
from dynpo_lite.plots.arguments import Shared, layers_of, names_of
from dynpo_lite.plots.style import GREY, Look, area, canvas, legend, line, plain
from dynpo_lite.risk.crossings import Minimum
from dynpo_lite.risk.distortions import DistortionLike, as_distortion
from dynpo_lite.risk.laws import Law, as_law
from dynpo_lite.risk.measures import Supremum
from dynpo_lite.sharing.layers import retained

STEPS = 2_000  # of the tail of samples that are drawn


def tower(
    shared: Shared,
    node: int | Sequence[int] = 0,
    *,
    names: Sequence[str] | None = None,
    currency: str = "units of loss",
    ax: Axes | None = None,
) -> Axes:
    """Draw who carries which layer of the total, from the bottom up.

    A tower for each node, as wide as the whole of a layer; agents who tie stand side by
    side.  What lies below a tower is certain, and no layer.

    Parameters
    ----------
    shared : Solution, SharedLoss or sequence of Layer
    node : int or sequence of int
        Of a solution: where the total is shared, before the horizon.
    names : sequence of str, optional
        Of the agents.
    currency : str
        Unit of the loss.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        With a container of bars for each agent: the layers it has a part in.

    Raises
    ------
    TypeError, ValueError
        If there are no layers, no such node, or not as many names as agents.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from dynpo_lite import Expectation, ExpectedShortfall, share_layers
    >>> shared = share_layers([0, 4], [Expectation(), ExpectedShortfall(0.5)])
    >>> ax = tower(shared)  # agent 0 alone carries the layer from 0 to 4
    >>> [bars.datavalues.tolist() for bars in ax.containers]
    [[4.0], []]
    """
    nodes = [node] if np.ndim(node) == 0 else list(validate.entries("node", node))
    stacks = [layers_of(shared, v) for v in nodes]
    n = stacks[0][1]
    if n is None:  # no layer says how many agents there are
        n = 1 if names is None else len(names)
    named = names_of(names, n)
    ax = canvas(ax, named)
    for i in range(n):
        _bars(ax, [layers for layers, _ in stacks], i)
    ax.use_sticky_edges = False  # a little room below and above
    legend(ax, named)
    if len(nodes) == 1:
        ax.set(xlim=(0, 1), xlabel="share of the layer")
    else:
        ax.set_xticks(np.arange(len(nodes)) * 1.2 + 0.5, [str(v) for v in nodes])
        ax.set_xlabel("node")
    ax.set_ylabel(plain(f"level ({currency})"))
    return ax


def _bars(ax: Axes, stacks: Sequence[Any], agent: int) -> None:
    """Draw the layers that an agent has a part in, in every tower."""
    found = [
        (1.2 * j + sum(layer.shares[:agent]), layer, layer.shares[agent])
        for j, layers in enumerate(stacks)
        for layer in layers
        if layer.shares[agent]
    ]
    left = [x for x, _, _ in found]
    low = [layer.attachment for _, layer, _ in found]
    width, high = [w for _, _, w in found], [layer.width for _, layer, _ in found]
    ax.bar(left, high, width, low, align="edge", linewidth=0.5, **area(agent))


def tails(
    measures: Sequence[DistortionLike],
    loss: Any = None,
    weights: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    currency: str = "units of loss",
    ax: Axes | None = None,
) -> Axes:
    """Draw what each agent makes of a tail, and what is left of it when they share.

    The agent with the lowest line carries; the area below the lowest lines is shaded.
    Against the loss this area is, but for what is certain, the least total risk.

    Parameters
    ----------
    measures : sequence of Distortion or callable
        One for each agent.
    loss : array_like of shape (N,), or frozen scipy.stats distribution, optional
        Draw distorted tail probabilities against its levels; by default distortions
        against the probability.  Of a distribution all but 1 in 1,000 at either end, of
        samples at most 2,000 steps.
    weights : array_like of shape (N,), optional
        Probabilities of the samples; equal by default.
    names : sequence of str, optional
        Of the agents.
    currency : str
        Unit of the loss.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        With a line for each agent.

    Raises
    ------
    TypeError, ValueError
        If a measure is no distortion, or the loss no loss.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from dynpo_lite import Expectation, ExpectedShortfall
    >>> ax = tails([Expectation(), ExpectedShortfall(0.5)], [0, 4])
    >>> [drawn.get_ydata().tolist() for drawn in ax.lines]  # beyond 0, beyond 4
    [[0.5, 0.0], [1.0, 0.0]]
    """
    found = validate.entries("measures", measures)
    for i, measure in enumerate(found):
        if isinstance(measure, Supremum):
            raise TypeError(
                f"measures[{i}] is a Supremum: draw each of its distortions"
            )
    distortions = [as_distortion(k, f"measures[{i}]") for i, k in enumerate(found)]
    named = names_of(names, len(distortions))
    x, level = _levels(loss, weights, Minimum(distortions).kinks)
    steps = loss is not None and as_law(loss) is None
    values = np.array([k.values(level) for k in distortions])
    handles = [*named, "lowest"]
    ax = canvas(ax, handles)
    drawn: list[Any] = [
        ax.plot(
            x,
            row,
            drawstyle="steps-post" if steps else "default",
            label=plain(name),
            **line(i),
        )[0]
        for i, (name, row) in enumerate(zip(named, values))
    ]
    look: Look = {"color": GREY, "alpha": 0.35, "linewidth": 0}
    step: Any = "post" if steps else None
    ax.fill_between(x, 0, values.min(axis=0), step=step, **look)
    legend(ax, handles, [*drawn, Patch(**look)])
    if loss is None:
        ax.set(xlabel="tail probability", ylabel="distorted probability")
    else:
        ax.set(ylabel="distorted tail probability")
        ax.set_xlabel(plain(f"loss ({currency})"))
    ax.set_ylim(bottom=0)
    return ax


def _levels(loss: Any, weights: ArrayLike | None, kinks: Array) -> tuple[Array, Array]:
    """Return where the tails are drawn, and how likely more than that is."""
    law = None if loss is None else as_law(loss, "loss")
    if weights is not None and (loss is None or law is not None):
        raise ValueError("weights go with samples: leave them out, or give a loss")
    if loss is None:
        level = np.unique([1e-12, *np.linspace(0, 1, 401)[1:], *kinks])
        return level, level
    if law is not None:
        return _levels_of_law(law, kinks)
    samples = validate.finite_array("loss", loss, ndim=1)
    chance = validate.probabilities("weights", weights, len(samples))
    x, where = np.unique(samples, return_inverse=True)
    level = np.append(np.cumsum(np.bincount(where, chance)[::-1])[-2::-1], 0.0)
    some = np.unique(np.linspace(0, len(x) - 1, STEPS).astype(int))
    return x[some], np.minimum(level[some], 1.0)


def _levels_of_law(law: Law, kinks: Array) -> tuple[Array, Array]:
    low, high = max(law.low, law.isf(0.999)), min(law.high, law.isf(0.001))
    inner = np.asarray(law.isf(kinks[(kinks > 0.001) & (kinks < 0.999)]))
    x = np.unique([*np.linspace(low, high, 401), *inner])
    return x, np.asarray(law.sf(x))


def retention(
    shared: Shared,
    node: int = 0,
    *,
    reach: tuple[float, float] | None = None,
    names: Sequence[str] | None = None,
    currency: str = "units of loss",
    ax: Axes | None = None,
) -> Axes:
    """Draw what each agent carries, as a function of the total.

    The layers alone: what is certain, at the left end, is shared apart from them, and
    so are premia.  The lines sum to what the total exceeds its left end by.

    Parameters
    ----------
    shared : Solution, SharedLoss or sequence of Layer
        Of a solution the total is that of the next payments and all later risk.
    node : int
        Of a solution: where the total is shared, before the horizon.
    reach : tuple of float, optional
        The least and the largest total; by default those of the layers.  The layers of
        a distribution may have no end: then twice as far as the last finite one.
    names : sequence of str, optional
        Of the agents.
    currency : str
        Unit of the loss.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        With a line for each agent.

    Raises
    ------
    TypeError, ValueError
        If there are no layers, no such node, or not as many names as agents.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> from dynpo_lite import Layer
    >>> ax = retention([Layer(0, 3, (1, 0)), Layer(3, 5, (0.5, 0.5))])
    >>> ax.lines[0].get_xdata().tolist()
    [0.0, 3.0, 5.0]
    >>> [drawn.get_ydata().tolist() for drawn in ax.lines]
    [[0.0, 3.0, 4.0], [0.0, 0.0, 1.0]]
    """
    layers, n = layers_of(shared, node)
    if not layers or n is None:
        raise ValueError("shared holds no layer: all of the total is certain")
    named = names_of(names, n)
    x = _ends(layers, reach)
    start = layers[0].attachment
    kept = retained(layers, x, start, n)
    if start > -np.inf:
        kept = kept - np.minimum(x, start) / n
    ax = canvas(ax, named)
    drawn = [ax.plot(x, row, **line(i))[0] for i, row in enumerate(kept)]
    legend(ax, named, drawn)
    ax.set_xlabel(plain(f"total ({currency})"))
    ax.set_ylabel(plain(f"carried ({currency})"))
    return ax


def _ends(layers: Sequence[Any], reach: tuple[float, float] | None) -> Array:
    """Return where the retentions bend, and where the drawing ends."""
    ends = np.unique([(layer.attachment, layer.exhaustion) for layer in layers])
    finite = ends[np.isfinite(ends)]
    if reach is None:
        low, high = (finite[0], finite[-1]) if len(finite) else (0.0, 0.0)
        size = (high - low) or abs(high) or 1.0
        low = low if ends[0] > -np.inf else low - size
        high = high if ends[-1] < np.inf else high + size
    else:
        low, high = validate.finite_array("reach", reach, shape=(2,))
        if not low < high:
            raise ValueError(f"reach = {reach!r}: give a smaller and a larger total")
    return np.unique(
        [float(low), float(high), *finite[(finite > low) & (finite < high)]]
    )
