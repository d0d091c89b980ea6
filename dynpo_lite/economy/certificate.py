r"""Is an allocation dynamically Pareto optimal?  Proof that does not trust the solver.

If an allocation costs no more at any node than a scenario that all agents accept, it is
optimal, and the scenarios prove it: :mod:`dynpo_lite.economy.worst_scenarios`.  The
marginal reading is in :mod:`dynpo_lite.economy.marginal_certificate`.
"""

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.reading import LAWS
from dynpo_lite.base.types import Array, ArrayLike
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.marginal_certificate import marginal_savings
from dynpo_lite.economy.report import Report, Savings, Trade
from dynpo_lite.economy.worst_scenarios import worst_scenarios
from dynpo_lite.risk.measures import choquet
from dynpo_lite.scenarios.branches import to_come
from dynpo_lite.sharing.improvement import is_comonotone, rows_comonotone

TOL = 1e-9


def check_allocation(
    economy: Economy, allocation: ArrayLike, law: str = "conditional"
) -> Report:
    """Tell whether an allocation is rational and optimal, with proof or counterexample.

    Parameters
    ----------
    economy : Economy
    allocation : array_like of shape (n_agents, n_nodes), or (n_agents, n_arcs)
        What each agent pays at each node, the root's entries are ignored; on a
        lattice on each arc.
    law : {"conditional", "marginal"}
        Which law the agents look at.  The marginal law needs piecewise linear
        distortions.

    Returns
    -------
    Report
        ``str()`` of it reads well.

    Raises
    ------
    TypeError, ValueError
        If the allocation has the wrong shape or is not finite.

    Notes
    -----
    Conditional law: an exact scenario at every node; an allocation is
    dynamically Pareto optimal iff it is individually rational and no node's total can
    be lowered (Theorem "least total").  Marginal law: one linear programme a stage
    over all allocations.  Tolerance: 1e-9 of the largest endowment.

    References
    ----------
    Definitions 3.3 to 3.10 and Lemma 3.11 of the paper.

    Examples
    --------
    >>> from dynpo_lite import Economy, Expectation, ExpectedShortfall, ScenarioTree
    >>> tree = ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> agents = [Expectation(), ExpectedShortfall(0.5)]
    >>> economy = Economy(tree, [[0, 0, 0], [0, 0, 4]], agents)
    >>> report = check_allocation(economy, economy.endowments)  # no trade
    >>> report.pareto_optimal, report.worst_node, report.gap
    (False, 0, 2.0)
    >>> report.improving_trade.payments.tolist()  # agent 1 insures agent 2
    [[-3.0, 1.0], [3.0, -1.0]]
    """
    validate.instance("economy", economy, Economy)
    validate.choice("law", law, LAWS)
    scenarios = economy.scenarios
    allocation = scenarios.entries(economy.allocation("allocation", allocation))
    tol = TOL * economy.scale
    risk = economy.risk_to_go(allocation, law)
    alone = economy.risk_without_trade(law)
    off = allocation.sum(axis=0) - scenarios.entries(economy.aggregate)
    sums = bool((np.abs(off) <= tol).all())
    worse = risk > alone + tol
    node = validate.first(worse.any(axis=0))
    names = () if node is None else tuple(np.flatnonzero(worse[:, node]).tolist())
    find = _conditional_savings if law == "conditional" else marginal_savings
    if sums:
        savings, myopic_saving, trade_at = find(economy, allocation, risk)
        worst = int(np.argmax(savings))
        gap = max(float(savings[worst]), 0.0)
    else:  # of what is no allocation nothing can be saved
        worst, gap, myopic_saving = 0, np.nan, np.nan
    optimal = not gap > tol
    myopic_rational = not worse[:, 0].any()
    return Report(
        law=law,
        sums_to_aggregate=sums,
        individually_rational=node is None,
        pareto_optimal=sums and node is None and optimal,
        comonotone=sums and _comonotone(economy, allocation, risk, law),
        myopic_individually_rational=myopic_rational,
        myopic_pareto_optimal=sums and myopic_rational and myopic_saving <= tol,
        gap=gap,
        worst_node=None if optimal else worst,
        irrational_node=node,
        irrational_agents=names,
        improving_trade=None if optimal else trade_at(worst),
        risk_to_go=validate.frozen(risk),
    )


def _comonotone(economy: Economy, allocation: Array, risk: Array, law: str) -> bool:
    """Comonotone given every node, or in the marginal reading at every time."""
    scenarios = economy.scenarios
    if law == "marginal":
        carried, times = allocation + risk, range(1, scenarios.horizon + 1)
        return all(is_comonotone(carried[:, scenarios.nodes(t)]) for t in times)
    least = TOL * economy.scale
    each = (
        to_come(ways, allocation, risk)
        for stage in scenarios.branches
        for ways in stage
    )
    return all(
        (rows_comonotone(x) | (np.ptp(x, axis=2).max(axis=0) <= least)).all()
        for x in each
    )


# conditional law: a scenario at every node ----------------------------------------


def _conditional_savings(economy: Economy, allocation: Array, risk: Array) -> Savings:
    """Return the possible savings at all nodes, at time 0, and the trade at a node."""
    scenarios = economy.scenarios
    aggregate = scenarios.entries(economy.aggregate)
    savings = np.zeros(scenarios.n_nodes)
    bound = np.zeros(scenarios.n_nodes)  # no allocation costs less from there on
    totals = risk.sum(axis=0)
    for stage in scenarios.branches[::-1]:
        for ways in stage:
            at, z = ways.node, to_come(ways, aggregate, totals)
            savings[at] = totals[at] - worst_scenarios(economy, ways, z).bound
            z = to_come(ways, aggregate, bound)
            bound[at] = worst_scenarios(economy, ways, z).bound

    def trade_at(v: int) -> Trade:
        return _improving_trade(economy, v, allocation, risk)

    return savings, float(totals[0] - bound[0]), trade_at


def _improving_trade(
    economy: Economy, node: int, allocation: Array, risk: Array
) -> Trade:
    """Share the total of the ways on optimally, and the saving equally."""
    ways = economy.scenarios.ways_from(node)
    before = to_come(ways, allocation, risk)[:, 0]
    z = before.sum(axis=0)
    _, order, shares = worst_scenarios(economy, ways, z[None])
    steps = -np.diff(np.append(z[order[0]], z.min()))  # the layer below each total
    kept = np.cumsum((shares[:, 0] * steps)[:, ::-1], axis=1)[:, ::-1]
    carried = np.empty_like(kept)
    carried[:, order[0]] = kept + z.min() / economy.n_agents
    pairs = zip(carried, economy.parts_at(node), strict=True)
    p = ways.probability[0]
    new = np.array([max(choquet(row, k, p) for k in own) for row, own in pairs])
    old = risk[:, node]
    gain = (old.sum() - new.sum()) / len(new)
    trade = carried + (old - gain - new)[:, None] - before
    frozen = validate.frozen(trade), validate.frozen(np.full(len(new), gain))
    return Trade(node, tuple(ways.entry[0].tolist()), *frozen)
