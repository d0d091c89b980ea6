"""How far answers of simulations lie apart."""

import numpy as np
from matplotlib.axes import Axes

from dynpo_lite import Replications
from dynpo_lite.base import validate
from dynpo_lite.plots.style import COLOURS, INK, canvas, plain


def replications(
    found: Replications, *, currency: str = "units of loss", ax: Axes | None = None
) -> Axes:
    """Draw the answers of all seeds, and their means, at each resolution.

    Rows for the total risk and for what trade saves, at each size, finer ones below:
    small dots are single answers, the diamond is their mean, with two standard errors
    to both sides.

    Parameters
    ----------
    found : Replications
        As ``dp.replicate`` returns it.
    currency : str
        Unit of the risks.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        With a container of error bars for each row.

    Raises
    ------
    TypeError
        If ``found`` holds no replications.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> import numpy as np
    >>> import dynpo_lite as dp
    >>> own = np.array([[1.0, 3.0], [4.0, 4.0]])
    >>> risk = np.ones((1, 2, 2))
    >>> ax = replications(dp.Replications((100, 200), own, own / 2, risk, risk))
    >>> [float(bar.lines[0].get_xdata()[0]) for bar in ax.containers]
    [2.0, 4.0, 1.0, 2.0]
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['total, 100', 'total, 200', 'saved, 100', 'saved, 200']
    """
    validate.instance("found", found, Replications)
    sizes = [f", {size}" for size in found.sizes] or [""]
    each = [("total", found.value), ("saved", found.surplus)]
    rows = [
        (f"{what}{s}", own) for what, all_of in each for s, own in zip(sizes, all_of)
    ]
    ax = canvas(ax, height=1.2 + 0.45 * len(rows))
    for place, (_, own) in enumerate(rows):
        colour = COLOURS[place // len(sizes)]
        ax.plot(
            own, np.full(len(own), place), "o", color=colour, markersize=4, alpha=0.5
        )
        error = 2 * own.std(ddof=1) / np.sqrt(len(own))
        ax.errorbar(own.mean(), place, xerr=error, fmt="D", color=INK, capsize=4)
    ax.set_yticks(range(len(rows)), [plain(name) for name, _ in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel(plain(f"at time 0 ({currency})"))
    return ax
