"""Figures of an economy of your own: tree, layers, premia, gains, convergence.

Each function draws and returns what it drew, like those of the example.
Agents are told apart by colour, hatch and marker; money carries the currency's name.
"""

import matplotlib.pyplot as plt
import numpy as np

from dynpo_lite.companion.chapters.example_figures import INK, STYLE

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
HATCHES = ("", "//", "..", "xx", "\\\\", "oo")
MARKERS = "os^Dv*"


@plt.rc_context(STYLE)
def tree(economy, currency, quantity=None, label="aggregate loss"):
    """Draw a scenario tree: time to the right, a quantity upwards.

    Parameters
    ----------
    economy : Economy
    currency : str
        Unit of the quantity.
    quantity : ndarray of shape (n_nodes,), optional
        What to draw; the aggregate by default.
    label : str
        Its name.

    Returns
    -------
    dict
        ``stage``, ``quantity`` and ``probability`` of every node.
    """
    shape = economy.tree
    quantity = economy.aggregate if quantity is None else np.asarray(quantity)
    _, axes = plt.subplots()
    stage, chance = shape.stage, shape.unconditional
    for v in range(1, shape.n_nodes):
        u = shape.parent[v]
        width = 0.4 + 3 * np.sqrt(chance[v])
        axes.plot(
            stage[[u, v]], quantity[[u, v]], "-", color="#999999", lw=width, alpha=0.6
        )
    area = 8 + 250 * chance[1:]
    axes.scatter(stage[1:], quantity[1:], area, color=COLOURS[0], zorder=3)
    axes.plot(stage[0], quantity[0], "s", color=INK, zorder=3)
    axes.set(xlabel="time", ylabel=_plain(f"{label} ({currency})"))
    axes.set_xticks(range(shape.horizon + 1))
    return {"stage": stage, "quantity": quantity, "probability": chance}


@plt.rc_context(STYLE)
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
    _, axes = plt.subplots()
    for layer in found:
        left = 0.0
        for i, share in enumerate(layer.shares):
            if share:
                axes.barh(
                    layer.attachment,
                    share,
                    layer.width,
                    left,
                    align="edge",
                    linewidth=0.5,
                    **_look(i),
                )
            left += share
    _legend(axes, names)
    axes.set(xlim=(0, 1), xlabel="share of the layer")
    axes.set_ylabel(_plain(f"level ({currency})"))
    ends = np.unique([(layer.attachment, layer.exhaustion) for layer in found])
    shares = np.array([layer.shares for layer in found])
    return {"ends": ends, "shares": shares.reshape(-1, len(names))}


@plt.rc_context(STYLE)
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
    low, high = solution.premium_interval[:, node].T
    chosen = solution.premium[:, node]
    _, axes = plt.subplots()
    place = np.arange(len(names))
    axes.hlines(place, low, high, color=COLOURS[0], linewidth=6, alpha=0.5)
    axes.plot(chosen, place, "D", color=INK)
    axes.set_yticks(place, map(_plain, names))
    axes.set(xlabel=_plain(f"premium paid ({currency})"), ylim=(len(names) - 0.5, -0.5))
    return {"low": low, "high": high, "premium": chosen}


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
            label=_plain(label),
            **_look(j),
        )
    axes.set_xticks(place, map(_plain, names))
    axes.set(ylabel=_plain(f"risk at time 0 ({currency})"))
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
            linestyle=("-", "--", "-.", ":")[j % 4],
            color=COLOURS[j % len(COLOURS)],
            label=f"{groups} group{'s' * (groups > 1)} a year",
        )
    axes.set_xscale("log")
    axes.set(xlabel="simulated paths", ylabel=_plain(f"least total risk ({currency})"))
    axes.legend()
    return dict(values)


def _legend(axes, names):
    handles = [plt.Rectangle((0, 0), 1, 1, **_look(i)) for i in range(len(names))]
    labels = list(map(_plain, names))
    axes.figure.legend(handles, labels, loc="outside upper center", ncols=3)


def _look(i):
    """Return colour and hatch; further agents have known colours and other hatches."""
    hatch = HATCHES[(i + i // len(COLOURS)) % len(HATCHES)]
    return {
        "facecolor": COLOURS[i % len(COLOURS)],
        "hatch": hatch,
        "edgecolor": "white",
    }


def _plain(text):
    """Return a text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")
