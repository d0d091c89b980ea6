"""Figures of an economy of your own: tree, layers, premia, gains, convergence.

Each function draws and returns what it drew, like those of the example.
Agents are told apart by colour, hatch and marker; money carries the currency's name.
"""

import matplotlib.pyplot as plt
import numpy as np

from dynpo_lite import plots
from dynpo_lite.plots.style import STYLE, area, line, plain

MARKERS = "os^Dv*"


def tree(economy, currency):
    """Draw a scenario tree: time to the right, the aggregate loss upwards.

    Parameters
    ----------
    economy : Economy
    currency : str

    Returns
    -------
    dict
        ``stage``, ``quantity`` (the aggregate) and ``probability`` of every node.
    """
    shape, loss = economy.tree, economy.aggregate
    plots.tree(shape, heights=loss, currency=currency)
    return {"stage": shape.stage, "quantity": loss, "probability": shape.unconditional}


def layers(found, names, currency):
    """Draw who carries which layer at one node, from the bottom up.

    Parameters
    ----------
    found : tuple of Layer
    names : sequence of str
    currency : str

    Returns
    -------
    dict
        ``ends`` of the layers and the ``shares`` in them.
    """
    plots.tower(found, names=names, currency=currency)
    ends = np.unique([(layer.attachment, layer.exhaustion) for layer in found])
    shares = np.array([layer.shares for layer in found])
    return {"ends": ends, "shares": shares.reshape(-1, len(names))}


def premia(solution, names, currency, node=0):
    """Draw the premia at a node that individual rationality allows, and the chosen.

    Parameters
    ----------
    solution : Solution
    names : sequence of str
    currency : str
    node : int

    Returns
    -------
    dict
        ``low``, ``high`` and ``premium`` of every agent.
    """
    plots.premia(solution, node, names=names, currency=currency)
    low, high = solution.premium_interval[:, node].T
    return {"low": low, "high": high, "premium": solution.premium[:, node]}


@plt.rc_context(STYLE)
def gains(risks, names, currency):
    """Draw each agent's time-0 risk under several arrangements, side by side.

    Parameters
    ----------
    risks : mapping of str to ndarray of shape (n_agents,)
        Arrangement -> risks.
    names : sequence of str
    currency : str

    Returns
    -------
    dict
        The mapping itself.
    """
    _, axes = plt.subplots()
    place, width = np.arange(len(names)), 0.8 / len(risks)
    for j, (label, values) in enumerate(risks.items()):
        axes.bar(
            place + (j - (len(risks) - 1) / 2) * width,
            values,
            width,
            label=plain(label),
            **area(j),
        )
    axes.set_xticks(place, map(plain, names))
    axes.set(ylabel=plain(f"risk at time 0 ({currency})"))
    axes.legend()
    return dict(risks)


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
