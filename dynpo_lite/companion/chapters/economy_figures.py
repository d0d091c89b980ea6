"""A figure of an economy of your own: how an answer moves with the simulation.

Money carries the name of its currency.
"""

import matplotlib.pyplot as plt

from dynpo_lite.plots.style import STYLE, line, plain

MARKERS = "os^Dv*"


@plt.rc_context(STYLE)
def convergence(values, currency):
    """Draw how the least total risk moves with the number of paths and groups.

    Parameters
    ----------
    values : mapping of int to (sequence of int, sequence of float)
        Number of groups a year -> (numbers of paths, least total risks at time 0).
    currency : str

    Returns
    -------
    dict
        The mapping itself.
    """
    _, axes = plt.subplots()
    for j, (groups, (paths, totals)) in enumerate(values.items()):
        axes.plot(
            paths,
            totals,
            marker=MARKERS[j % len(MARKERS)],
            **line(j),
            label=f"{groups} group{'s' * (groups > 1)} a year",
        )
    axes.set_xscale("log")
    axes.set(xlabel="simulated paths", ylabel=plain(f"least total risk ({currency})"))
    axes.legend()
    return dict(values)
