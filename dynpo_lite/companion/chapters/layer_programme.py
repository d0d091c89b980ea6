"""All layer contracts of the two-period example at once: linear programmes.

The height of ``S2`` is cut into thin layers.  A contract says how much of each agent 1
takes; whatever it says, each agent's risk in each regime is a sum over the layers, so
what is best, or better for everybody, is a linear programme.  It knows the law of
``S2`` and the levels of the agents, and no attachment.
"""

from dataclasses import replace

import numpy as np

from dynpo_lite.base.lp import InfeasibleProgramme, solve_lp


def layer_costs(example, edges):
    r"""Return what layers cost by the marginal law.

    .. math:: \int_a^b \min(P(S_2 > x) / (1 - \alpha), 1)\,dx

    Parameters
    ----------
    example : TwoPeriodExample
    edges : array_like of shape (n_layers + 1,)
        Where they meet, in units of loss, from 0 to infinity.

    Returns
    -------
    ndarray of shape (2, n_regimes, n_layers)
        In units of loss, for each agent and regime.

    Examples
    --------
    >>> from dynpo_lite import TwoPeriodExample
    >>> costs = layer_costs(TwoPeriodExample(), [0.0, 1000.0, np.inf])
    >>> costs[0].round(2).tolist()  # agent 1: calm, alarmed, alarmed
    [[180.27, 19.73], [799.73, 197.33], [799.73, 197.33]]
    """
    edges, losses = np.asarray(edges, dtype=float), example.losses
    costs = []
    for i in range(2):
        for level in (regime.levels[i] for regime in example.regimes):
            sure = losses.s2_quantile(1 - level) if level else 0.0
            above = losses.s2_stop_loss(np.maximum(edges, sure)) / (1 - level)
            costs.append(np.diff(np.minimum(edges, sure)) - np.diff(above))
    return np.reshape(costs, (2, len(example.regimes), -1))


def edges_of_layers(example, n_layers, at=()):
    """Return heights from 0 to infinity: where layers may change hands, and others.

    Examples
    --------
    >>> from dynpo_lite import TwoPeriodExample
    >>> edges_of_layers(TwoPeriodExample(), 2).round(1).tolist()
    [0.0, 516.6, 776.6, 848.5, 1663.0, 2400.0, 4000.0, inf]
    """
    losses = example.losses
    kinks = [losses.s2_quantile(1 - level) for level in example.levels if level]
    evenly = example.mean * 12 * np.linspace(0, 1, n_layers + 1) ** 1.5
    far = [20 * example.mean, np.inf]
    return np.unique([*evenly, *kinks, *example.attachments(), *at, *far])


def least_rational_totals(example, shares, n_layers=200):
    """Return the least expected total risk-to-go that leaves nobody worse off.

    Marginal law, one contract and one premium for all regimes, endowments ``w_i S2``.

    Parameters
    ----------
    example : TwoPeriodExample
    shares : array_like of shape (n,)
        Agent 1's parts ``w1`` of the losses.
    n_layers : int
        About so many thin layers, each shared in one proportion.

    Returns
    -------
    ndarray of shape (n,)
        In units of loss; nan where the programme fails, at levels close to 1.

    Examples
    --------
    >>> from dynpo_lite import TwoPeriodExample
    >>> least_rational_totals(TwoPeriodExample(), [0.5, 0.9]).round(2).tolist()
    [651.36, 749.84]
    """
    unit = replace(example, mean=1.0)  # losses may have any scale
    first, second = layer_costs(unit, edges_of_layers(unit, n_layers))
    whole = np.array([first.sum(axis=1), second.sum(axis=1)])
    chance = np.array([regime.probability for regime in unit.regimes])
    by_layer = np.append(chance @ (first - second), 0.0)  # of agent 1's part
    columns = np.ones((len(chance), 1))  # the premium, paid by agent 1
    no_worse = np.block([[first, columns], [-second, -columns]])
    bounds = [(0, 1)] * first.shape[1] + [(None, None)]
    found = []
    for w in np.asarray(shares, dtype=float):
        limits = [*(w * whole[0]), *((1 - w) * whole[1] - whole[1])]
        try:
            least = solve_lp(by_layer, no_worse, limits, bounds=bounds).value
        except InfeasibleProgramme:
            least = np.nan
        found.append(least + chance @ whole[1])
    return example.mean * np.array(found)


def largest_gain(example, layers, n_layers=1000):
    """Return by how much all risks can fall together, none rising in any regime.

    Marginal law.  Competitors of the contract are all ways to share thin layers, with
    any premium.

    Parameters
    ----------
    example : TwoPeriodExample
    layers : sequence of Layer
        The contract that is to be improved, from 0 to infinity.
    n_layers : int

    Returns
    -------
    float
        The largest sum of gains over agents and regimes, in units of loss.

    Examples
    --------
    Who carries the top layer and who the bottom one matters:

    >>> from dynpo_lite import Layer, TwoPeriodExample
    >>> ends = (0.0, 1000.0, np.inf)
    >>> for shares in [(0.0, 1.0), (1.0, 0.0)], [(1.0, 0.0), (0.0, 1.0)]:
    ...     contract = map(Layer, ends[:-1], ends[1:], shares)
    ...     gain = largest_gain(TwoPeriodExample(), list(contract), 100)
    ...     print(abs(round(gain, 1)))
    0.0
    1486.1
    """
    at = [layer.attachment for layer in layers]
    edges = edges_of_layers(example, n_layers, at)
    first, second = layer_costs(example, edges) / example.mean
    who = np.searchsorted(at, edges[:-1], side="right") - 1
    part = np.array([layer.shares[0] for layer in layers])[who]
    columns = np.ones((len(first), 1))
    no_worse = np.block([[first, columns], [-second, -columns]])
    limits = no_worse[:, :-1] @ part
    bounds = [(0, 1)] * first.shape[1] + [(None, None)]
    best = solve_lp(no_worse.sum(axis=0), no_worse, limits, bounds=bounds)
    return float(example.mean * (limits.sum() - best.value))


def least_total(costs, counted):
    """Return the least sum over some agents, when layers are given to any of them.

    Parameters
    ----------
    costs : array_like of shape (n_agents, n_layers)
        What each agent asks for each layer.
    counted : sequence of int
        The agents whose costs are summed; what the others carry costs nothing.

    Returns
    -------
    float

    Examples
    --------
    >>> costs = [[1.0, 2.0], [3.0, 3.0]]
    >>> least_total(costs, [0, 1]), least_total(costs, [0])
    (3.0, 0.0)
    """
    costs = np.asarray(costs, dtype=float)
    n_agents, n_layers = costs.shape
    objective = np.zeros_like(costs)
    objective[list(counted)] = costs[list(counted)]
    shared_out = np.tile(np.eye(n_layers), n_agents)  # shares of a layer sum to 1
    ones = np.ones(n_layers)
    best = solve_lp(objective.ravel(), None, None, shared_out, ones, (0, 1))
    return best.value
