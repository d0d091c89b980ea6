"""Among the rational premia those that move the least cash."""

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.lp import solve_lp
from dynpo_lite.economy.solution import Solution
from dynpo_lite.economy.solve import solve

MOST = 200_000  # payments of all agents, beyond which the programme is refused


def smooth_premia(solution: Solution) -> Solution:
    r"""Return the optimum with the same layers and time-0 risks that moves least cash.

    .. math:: \min \sum_i E \sum_t |Y^i_t - X^i_t|

    over the rational risks-to-go of all nodes but the root, which say how the surplus
    of each node is split.

    Parameters
    ----------
    solution : Solution
        State-dependent, on conditional laws, individually rational; of at most 200,000
        payments (agents times nodes, or arcs).

    Returns
    -------
    Solution
        ``surplus_split`` (n_agents, n_nodes) tells how.

    Raises
    ------
    ValueError
        For another reading, or if there are too many payments.

    Notes
    -----
    One linear programme.  Layers are unique up to ties, premia are not: every split of
    the surplus of every node is rational (Theorem "least total"), and payments differ.

    Examples
    --------
    What is sure is left where it is: no cash moves.

    >>> import dynpo_lite as dp
    >>> tree = dp.ScenarioTree([-1, 0, 1, 1], [1, 1, 0.5, 0.5])
    >>> agents = [dp.Expectation(), dp.ExpectedShortfall(0.5)]
    >>> economy = dp.Economy(tree, [[0, 2, 0, 0], [0, 2, 0, 4]], agents)
    >>> solution = dp.solve(economy)
    >>> smooth_premia(solution).allocation[:, 1].tolist()
    [2.0, 2.0]
    """
    from scipy.sparse import block_diag, csr_array, eye_array, hstack, vstack

    validate.instance("solution", solution, Solution)
    economy, scenarios = solution.economy, solution.economy.scenarios
    if solution.retention == "deterministic" or not solution.individually_rational:
        raise ValueError(
            "solution is deterministic or ignores rationality: only premia that may "
            "depend on the node, within rational bounds, can be smoothed"
        )
    n, inner = economy.n_agents, scenarios.n_inner
    ways = [w for stage in scenarios.branches for w in stage]
    entry = np.concatenate([w.entry.ravel() for w in ways])
    if n * len(entry) > MOST:
        raise ValueError(
            f"solution has {n * len(entry)} payments: at most {MOST} can be smoothed"
        )
    node = np.concatenate([np.repeat(w.node, w.entry.shape[1]) for w in ways])
    target = np.concatenate([w.target.ravel() for w in ways])
    reach = scenarios.unconditional[node] * np.concatenate(
        [w.probability.ravel() for w in ways]
    )
    m, later = len(entry), target < inner
    # by how much payments change with what is saved, of the surplus, at the nodes
    rows = np.append(np.arange(m), np.flatnonzero(later))
    columns = np.append(node, target[later])
    signs = np.append(-np.ones(m), np.ones(later.sum()))
    change = csr_array((signs, (rows, columns)), shape=(m, inner))
    own = scenarios.entries(economy.endowments)[:, entry]
    saved = (solution.risk_without_trade - solution.risk_to_go)[:, :inner]
    scale = economy.scale
    # payments with nothing saved anywhere, over own losses
    moved = (solution.allocation[:, entry] - own - (change @ saved.T).T) / scale
    changes, cash = block_diag([change] * n), eye_array(n * m)
    moves = hstack([vstack([changes, -changes]), -vstack([cash, cash])])
    surplus = solution.surplus[:inner] / scale
    sums = hstack([hstack([eye_array(inner)] * n), csr_array((inner, n * m))])
    low, high = np.zeros((n, inner)), np.tile(surplus, (n, 1))
    low[:, 0] = high[:, 0] = saved[:, 0] / scale  # risks at time 0 stay
    bounds = [*zip(low.ravel(), high.ravel(), strict=True)] + [(0, None)] * (n * m)
    found = solve_lp(
        np.append(np.zeros(n * inner), np.tile(reach, n)),
        moves.tocsr(),
        np.append(-moved.ravel(), moved.ravel()),
        sums.tocsr(),
        surplus,
        bounds,
    )
    split = np.full((n, scenarios.n_nodes), 1.0 / n)
    parts = np.maximum(found.x[: n * inner].reshape(n, inner), 0.0)
    some = surplus > 0
    split[:, :inner][:, some] = parts[:, some] / parts[:, some].sum(axis=0)
    return solve(economy, surplus_split=split, ties=solution.ties)
