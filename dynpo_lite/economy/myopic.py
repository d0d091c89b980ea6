"""The view from time 0: myopic optima, and cash that only time can tell."""

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, ArrayLike
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.solve import solve
from dynpo_lite.scenarios.tree import ScenarioTree


def myopic_optimum(economy: Economy) -> tuple[Array, float]:
    r"""Return a split of all losses together with the least sum of time-0 risks.

    Seen from time 0 only the total :math:`\sum_t Y_t^i` of each agent's payments
    matters, judged by the composed measure :math:`\rho_0 \circ \dots \circ \rho_{T-1}`;
    the value is the inf-convolution of these measures.

    Parameters
    ----------
    economy : Economy

    Returns
    -------
    totals : ndarray of shape (n_agents, n_leaves)
        What each agent pays in all, in every scenario.
    value : float
        The least sum of time-0 risks.

    Notes
    -----
    Conditional law.  Dynamic Pareto optima are myopic ones, for any number of periods
    (corollary of "least total"), so the value is the root's total risk-to-go.  It is
    myopically Pareto optimal up to constants that sum to 0: with those that leave
    nobody worse off than without trade it is so in the sense of Definition 3.4.

    References
    ----------
    Definition 3.4 and Proposition 3.5 of the paper.

    Examples
    --------
    >>> from dynpo_lite import Economy, Expectation, ScenarioTree, WorstCase
    >>> tree = ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> economy = Economy(tree, [[0, 0, 0], [0, 0, 4]], [Expectation(), WorstCase()])
    >>> totals, value = myopic_optimum(economy)
    >>> totals.tolist(), value
    ([[0.0, 4.0], [0.0, 0.0]], 2.0)
    """
    solution = solve(economy, individually_rational=False)
    totals = path_totals(economy.tree, solution.allocation)
    return validate.frozen(totals), float(solution.total_risk_to_go[0])


def path_totals(tree: ScenarioTree, payments: ArrayLike) -> Array:
    """Return the sums of payments (..., n_nodes) along the paths to the leaves."""
    sums = np.array(payments, dtype=float)
    for t in range(2, tree.horizon + 1):
        nodes = tree.nodes(t)
        sums[..., nodes] += sums[..., tree.parent[nodes]]
    return sums[..., tree.leaves]


def swap_interval(
    economy: Economy,
    allocation: ArrayLike,
    stage: int,
    agents: tuple[int, int] = (0, 1),
) -> tuple[float, float]:
    """Return the deterministic cash swaps that dynamic rationality allows.

    Agent ``agents[0]`` pays ``c`` less at time ``stage`` and ``c`` more one step later;
    ``agents[1]`` does the opposite.  Myopically every real ``c`` is fine.

    Parameters
    ----------
    economy : Economy
    allocation : array_like of shape (n_agents, n_nodes)
    stage : int
        The time of the first payment, 1 to T - 1.
    agents : pair of int

    Returns
    -------
    (low, high) : tuple of float
        The amounts, in units of loss, after which both agents are at least as well off
        at every node of that stage as without trade; empty (low > high) if none is.

    Raises
    ------
    ValueError
        If the stage is not between 1 and T - 1, or the agents are not two of them.

    Notes
    -----
    Conditional law.  The swap moves the risk-to-go at ``stage`` by ``c`` and changes
    nothing before.

    References
    ----------
    Section 6.3 of the paper.

    Examples
    --------
    >>> from dynpo_lite import Economy, Expectation, ScenarioTree
    >>> tree = ScenarioTree([-1, 0, 1, 1], [1, 1, 0.5, 0.5])
    >>> economy = Economy(tree, [[0, 0, 4, 4], [0, 0, 0, 8]], [Expectation()] * 2)
    >>> swap_interval(economy, economy.endowments, stage=1)  # no trade, no surplus
    (0.0, 0.0)
    """
    validate.instance("economy", economy, Economy)
    horizon = economy.scenarios.horizon
    stage = validate.integer("stage", stage, 1)
    if stage > horizon - 1:
        raise ValueError(
            f"stage = {stage} leaves no later payment: choose 1 to {horizon - 1}"
        )
    pair = tuple(agents) if np.ndim(agents) == 1 else ()
    n = economy.n_agents
    known = [int(a) for a in pair if validate.is_integer(a) and 0 <= a < n]
    if len(pair) != 2 or len(set(known)) != 2:
        raise ValueError(
            f"agents = {agents!r}: choose two different agents of 0 to {n - 1}"
        )
    first, second = known
    nodes = economy.scenarios.nodes(stage)
    room = economy.risk_without_trade("conditional") - economy.risk_to_go(allocation)
    low, high = -room[second, nodes].min(), room[first, nodes].min()
    return float(low) + 0.0, float(high) + 0.0
