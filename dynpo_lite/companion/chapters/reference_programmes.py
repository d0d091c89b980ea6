r"""Linear programmes over all allocations: an answer that knows nothing of layers.

A distortion risk measure of a few outcomes is the largest of finitely many means, one
for each order of the outcomes,

.. math:: I_k(Z) = \max_{q} \sum_j q_j Z_j ,

so the least total risk over all ways to share is a linear programme.  It grows like
the factorial of the number of outcomes: for small trees only, where it is the chapters'
independent check.
"""

from itertools import permutations

import numpy as np
from scipy.sparse import block_diag, csr_array, eye_array, hstack, kron, vstack

from dynpo_lite import Supremum, max_correlation_risk
from dynpo_lite.base.lp import SolverError, solve_lp


def scenarios(measure, p):
    """Return the reweightings of ``p`` whose largest mean is the risk.

    Parameters
    ----------
    measure : Distortion or Supremum
    p : ndarray of shape (n_outcomes,)
        Probabilities; at most about six outcomes.

    Returns
    -------
    ndarray of shape (n_scenarios, n_outcomes)
        Each row sums to 1.

    References
    ----------
    The core of the distorted probability, by its vertices (Lemma 5.20 of the paper).

    Examples
    --------
    >>> from dynpo_lite import ExpectedShortfall
    >>> scenarios(ExpectedShortfall(0.5), np.array([0.75, 0.25])).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    parts = measure.distortions if isinstance(measure, Supremum) else [measure]
    orders = np.array(list(permutations(range(len(p)))))
    level = np.minimum(np.cumsum(p[orders], axis=1), 1.0)
    gained = np.vstack([np.diff(k(level), prepend=0.0) for k in parts])
    places = np.tile(np.argsort(orders, axis=1), (len(parts), 1))
    return np.take_along_axis(gained, places, axis=1)


def cheapest(
    economy, tail, t, weights, *, agents=None, totals=None, floor=None, w_max=0.0
):
    r"""Minimise the total risk at time t over all payments at t + 1, given the tail.

    .. math:: \sum_v w_v \max\{\bar R_v, f_v\} + w_{\max} \max_v \bar R_v

    over the nodes v of time t, where nobody has more risk than without trade.

    Parameters
    ----------
    economy : Economy
        Judged by conditional laws; small families of children.
    tail : ndarray of shape (n_agents, n_nodes)
        An allocation; its payments after t + 1 are kept.
    t : int
        A time before the horizon.
    weights : array_like of shape (n_nodes of t,)
        At least 0.
    agents : ndarray of shape (n_agents, n_nodes of t), optional
        Further caps on every agent's risk, in units of loss.
    totals : array_like of shape (n_nodes of t,), optional
        Caps on the total risk.
    floor : array_like of shape (n_nodes of t,), optional
        The floors f_v; none by default.
    w_max : float
        Weight of the largest total.

    Returns
    -------
    value : float
    allocation : ndarray of shape (n_agents, n_nodes)
        The tail with the best payments at t + 1.

    Raises
    ------
    SolverError
        If there is no best payment within the caps.

    References
    ----------
    Problem (19) of the paper, for the functionals of the total named above.

    Examples
    --------
    >>> from dynpo_lite.companion.chapters.small_economies import four_leaf_economy
    >>> economy = four_leaf_economy()
    >>> value, _ = cheapest(economy, economy.endowments, 1, [1.0, 1.0])
    >>> round(value, 9)  # 3 at node 1, 8 at node 2
    11.0
    """
    tree, n = economy.tree, economy.n_agents
    nodes, after = tree.nodes(t), tree.nodes(t + 1)
    number, size = len(nodes), len(after)
    to_go = economy.risk_to_go(tail)
    caps = economy.risk_without_trade()[:, nodes]
    caps = caps if agents is None else np.minimum(caps, agents)
    # variables: what is carried after, risks, totals, the largest total
    risk_at = n * size + np.arange(n * number).reshape(n, number)
    total_at = n * (size + number) + np.arange(number)
    width = total_at[-1] + 2
    rows, right = [], []

    def at_most(places, values, limit=0.0):
        row = np.zeros(width)
        row[places] = values
        rows.append(row)
        right.append(limit)

    for v in range(number):
        below = np.flatnonzero(tree.parent[after] == nodes[v])
        for i in range(n):
            ((parts, _),) = economy.measures_at(i, nodes[v : v + 1])
            p = tree.probability[after[below]]
            for q in np.vstack([scenarios(k, p) for k in parts]):
                at_most([*(i * size + below), risk_at[i, v]], [*q, -1.0])
        at_most([*risk_at[:, v], total_at[v]], [1.0] * n + [-1.0])
        at_most([total_at[v], width - 1], [1.0, -1.0])
        if totals is not None:
            at_most(risk_at[:, v], 1.0, totals[v])
    sums = np.hstack([np.tile(np.eye(size), n), np.zeros((size, width - n * size))])
    carried = economy.aggregate[after] + to_go[:, after].sum(axis=0)
    bounds = np.full((width, 2), np.nan)
    bounds[risk_at, 1] = caps
    bounds[total_at, 0] = np.nan if floor is None else floor
    cost = np.hstack([np.zeros(total_at[0]), weights, w_max])
    try:
        found = solve_lp(cost, np.array(rows), right, sums, carried, bounds)
    except SolverError as error:
        what = f"no payments at {t + 1} stay within the caps: raise them ({error})"
        raise SolverError(f"agents, totals: {what}") from None
    paid = np.array(tail, dtype=float)
    paid[:, after] = found.x[: n * size].reshape(n, size) - to_go[:, after]
    return found.value, paid


def pareto_gain(allocation, laws):
    r"""Return by how much the agents can lower their risks, nobody's rising.

    .. math:: \max \sum_i \Psi_{\mu_i}(\xi_i) - \Psi_{\mu_i}(\eta_i)

    over the allocations :math:`\eta` of the same risk vector of which no term is
    negative: 0 if and only if the allocation is Pareto optimal.  Risks are written by
    their prices of states and points, the dual of a best coupling.

    Parameters
    ----------
    allocation : array_like of shape (n_agents, N, d)
        In equally likely states.
    laws : sequence of array_like of shape (N, d)
        The agents' baselines, their points equally likely, of one mean.

    Returns
    -------
    float

    Examples
    --------
    A fears the first state only, B both alike; B takes what varies.

    >>> laws = [[[2.0], [0.0]], [[1.0], [1.0]]]
    >>> pareto_gain([[[4.0], [0.0]], [[0.0], [0.0]]], laws)
    2.0
    >>> pareto_gain([[[0.0], [0.0]], [[4.0], [0.0]]], laws)
    0.0
    """
    allocation, laws = np.asarray(allocation), np.asarray(laws)
    n_agents, n, d = allocation.shape
    one, column = eye_array(n), np.ones((n, 1))
    prices = hstack([kron(one, column), kron(column, one)])  # of states and points
    changes = block_diag([kron(one, csr_array(law)) for law in laws])
    bought = block_diag([prices] * n_agents)
    caps = kron(eye_array(n_agents), csr_array(np.ones((1, 2 * n)) / n))
    limits = -np.hstack([(xi @ law.T).ravel() for xi, law in zip(allocation, laws)])
    risks = [max_correlation_risk(xi, law) for xi, law in zip(allocation, laws)]
    zero = csr_array((n_agents, changes.shape[1]))
    sums = hstack([kron(np.ones((1, n_agents)), eye_array(n * d))])
    balance = hstack([sums, csr_array((n * d, bought.shape[1]))])
    cost = np.hstack([np.zeros(changes.shape[1]), np.ones(bought.shape[1]) / n])
    found = solve_lp(
        cost,
        vstack([hstack([changes, -bought]), hstack([zero, caps])]),
        np.hstack([limits, risks]),
        balance,
        np.zeros(n * d),
        (None, None),
    )
    return max(sum(risks) - found.value, 0.0)


def largest_gain(economy, allocation, watched, movable):
    """Find what a reallocation gains at most, all agents and watched nodes together.

    Nobody may have more risk at a watched node than in the allocation.  So these are
    the definitions of optimality: the allocation is optimal, among those that move what
    may be moved, if and only if nothing can be gained.

    Parameters
    ----------
    economy : Economy
        Judged by conditional laws; small families of children.
    allocation : ndarray of shape (n_agents, n_nodes)
    watched : array_like of int
        Nodes before the horizon: where nobody may lose.
    movable : array_like of int
        Nodes at which payments may be moved between the agents.

    Returns
    -------
    gain : float
        The sum of what agents gain at watched nodes, at least 0.
    allocation : ndarray of shape (n_agents, n_nodes)
        Payments that gain as much.

    References
    ----------
    Definitions 3.4, 3.7 and 3.10 of the paper: watched and movable are the root and all
    nodes, all nodes, those of time t and of t + 1.

    Examples
    --------
    >>> from dynpo_lite.companion.chapters.small_economies import four_leaf_economy
    >>> economy = four_leaf_economy()
    >>> gain, _ = largest_gain(economy, economy.endowments, [0], range(1, 7))
    >>> round(gain, 9)  # 9.5 without trade, 7.5 at least
    2.0
    """
    tree, n, scale = economy.tree, economy.n_agents, economy.scale
    held = np.asarray(allocation, dtype=float) / scale
    limit = economy.risk_to_go(held * scale) / scale
    watched, movable = np.array(watched), np.array(movable)
    paid, risk, gain = np.arange(3 * held.size).reshape(3, *held.shape)
    bounds = np.zeros((3 * held.size, 2))
    bounds[paid] = held[..., None]
    bounds[paid[:, movable]] = bounds[risk[:, : tree.n_inner]] = np.nan
    bounds[gain[:, watched], 1] = np.nan
    rows, right = [], []

    def at_most(places, values, limit):
        row = np.zeros(3 * held.size)
        for place, value in zip(places, values):
            row[place] = value
        rows.append(row)
        right.append(limit)

    for v in range(tree.first[tree.stage[watched].min()], tree.n_inner):
        after = np.flatnonzero(tree.parent == v)
        for i in range(n):
            ((parts, _),) = economy.measures_at(i, np.array([v]))
            q = np.vstack([scenarios(k, tree.probability[after]) for k in parts])
            for each in np.unique(q.round(14), axis=0):
                places = [paid[i, after], risk[i, after], risk[i, v]]
                at_most(places, [each, each, -1.0], 0.0)
            if v in watched:  # the new risk and the gain are at most the present risk
                at_most([[risk[i, v], gain[i, v]]], [1.0], limit[i, v])
    sums = np.zeros((len(movable), 3 * held.size))
    for row, v in zip(sums, movable):
        row[paid[:, v]] = 1.0
    cost = np.zeros(3 * held.size)
    cost[gain[:, watched]] = -1.0
    total = held[:, movable].sum(axis=0)
    found = solve_lp(cost, np.array(rows), right, sums, total, bounds)
    return -found.value * scale, found.x[paid] * scale


def cash_swap(economy, allocation, cash):
    """Let agent 1 pay less at time 1 and as much more at time 2, agent 2 the opposite.

    Returns
    -------
    ndarray of shape (n_agents, n_nodes)

    Examples
    --------
    >>> from dynpo_lite.companion.chapters.small_economies import four_leaf_economy
    >>> economy = four_leaf_economy()
    >>> cash_swap(economy, economy.endowments, 1.0)[0].tolist()
    [0.0, -1.0, 1.0, 1.0, 5.0, 1.0, 9.0]
    """
    moved = np.array(allocation, dtype=float)
    for sign, t in ((-1.0, 1), (1.0, 2)):
        moved[:2, economy.tree.nodes(t)] += sign * cash * np.array([[1.0], [-1.0]])
    return moved
