"""Figures of scenarios, layers, payments and risks; needs matplotlib.

Import it explicitly: ``from dynpo_lite import plots``.  Every function draws on the
axes it is given, or on new ones in the style of the book, and returns them, so that
they can be labelled, saved and read.  Agents keep their look from figure to figure.
"""

try:
    from dynpo_lite.plots.payments import bills, premia
    from dynpo_lite.plots.replications import replications
    from dynpo_lite.plots.risks import comparison, risk_over_time
    from dynpo_lite.plots.scenarios import lattice, tree
    from dynpo_lite.plots.sharing import retention, tails, tower
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "matplotlib":
        raise
    raise ImportError(
        "dynpo_lite.plots draws with matplotlib, which is not installed: python -m pip "
        "install matplotlib"
    ) from error

__all__ = [
    "bills",
    "comparison",
    "lattice",
    "premia",
    "replications",
    "retention",
    "risk_over_time",
    "tails",
    "tower",
    "tree",
]
