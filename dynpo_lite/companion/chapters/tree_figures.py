"""Small trees with words at their nodes, a line of words for each agent."""

import numpy as np

from dynpo_lite import plots
from dynpo_lite.plots.style import COLOURS, INK

FAINT = "#666666"  # of the probabilities
LINE = 14  # points from line to line


def places(ax):
    """Return where the nodes of a tree stand that :func:`plots.tree` drew.

    Returns
    -------
    ndarray of shape (n_nodes, 2)

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import dynpo_lite as dp
    >>> ax = plots.tree(dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5]))
    >>> places(ax)[:, 0].tolist()
    [0.0, 1.0, 1.0]
    """
    lines = np.array([path.vertices for path in ax.collections[0].get_paths()])
    return np.concatenate([lines[:1, 0], lines[:, -1]])


def words(shape, rows, *, colours=COLOURS, names=(), ax=None):
    """Draw a tree and write beside its nodes, a line for each row.

    Parameters
    ----------
    shape : ScenarioTree
    rows : sequence of sequences of str
        What is written at each node; empty where there is nothing to say.
    colours : sequence
        Of the rows.
    names : sequence of str
        Of the rows, written in the upper left corner.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import dynpo_lite as dp
    >>> shape = dp.ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> ax = words(shape, [["", "pays 2", "pays 0"]])
    >>> [text.get_text() for text in ax.texts if "pays" in text.get_text()]
    ['pays 2', 'pays 0']
    """
    ax = plots.tree(shape, ax=ax)
    ax.set_title("")
    for text in ax.texts:  # probabilities
        text.set_color(FAINT)
    for drawn in ax.collections[1:]:
        drawn.set_color(INK)
    for v, place in enumerate(places(ax)):
        last = shape.stage[v] == shape.horizon
        said = [(row[v], colour) for row, colour in zip(rows, colours) if row[v]]
        for j, (text, colour) in enumerate(said):
            up = (len(said) - 1 - j) * LINE
            if last:
                where = (9, up - LINE / 2 * (len(said) - 1))
                look = {"ha": "left", "va": "center"}
            else:
                where, look = (-8 if v == 0 else 0, up + 10), {"ha": "center"}
            ax.annotate(
                text,
                place,
                where,
                textcoords="offset points",
                color=colour,
                bbox={"color": "white", "pad": 0.5},
                **look,
            )
    for j, (name, colour) in enumerate(zip(names, colours)):
        ax.annotate(
            name,
            (0, 1),
            (0, -LINE * (j + 1)),
            xycoords="axes fraction",
            textcoords="offset points",
            color=colour,
        )
    ax.margins(x=0.12, y=0.2)
    ax.set_xlabel("year")
    return ax
