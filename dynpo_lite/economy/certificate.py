r"""Is an allocation dynamically Pareto optimal?  Proof that does not trust the solver.

At a node whose children carry the total ``Z``, let ``q`` be any reweighting of the
children that every agent accepts as a scenario: :math:`E_q[W] \le \rho_i(W)` for all
``W``.  Then **every** split of ``Z``, comonotone or not, costs at least
:math:`E_q[Z]`.  If the allocation costs no more, it is optimal at the node, and ``q``
proves it.  That ``q`` is accepted is checked on its own: for a concave distortion, the
mass of the n states that gain most must not exceed ``k`` of their probability, for
every n.  The marginal reading is in :mod:`dynpo_lite.economy.marginal_certificate`.
"""

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.lp import solve_lp
from dynpo_lite.base.reading import LAWS
from dynpo_lite.base.types import Array, ArrayLike, Integers
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.marginal_certificate import marginal_savings
from dynpo_lite.economy.report import Report, Savings, Trade
from dynpo_lite.risk.measures import choquet
from dynpo_lite.scenarios.nested_risk import Parts
from dynpo_lite.sharing.improvement import is_comonotone

TOL = 1e-9


def check_allocation(
    economy: Economy, allocation: ArrayLike, law: str = "conditional"
) -> Report:
    """Tell whether an allocation is rational and optimal, with proof or counterexample.

    Parameters
    ----------
    economy : Economy
    allocation : array_like of shape (n_agents, n_nodes)
        What each agent pays at each node; the root's entries are ignored.
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
    Conditional law: an exact scenario at every node (see the module); an allocation is
    dynamically Pareto optimal iff it is individually rational and no node's total can
    be lowered (Theorem R).  Marginal law: one linear programme a stage over all
    allocations.  Tolerance: 1e-9 of the largest endowment.

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
    allocation = economy.allocation("allocation", allocation)
    tol = TOL * economy.scale
    risk = economy.risk_to_go(allocation, law)
    sums = bool((np.abs(allocation.sum(axis=0) - economy.aggregate) <= tol).all())
    worse = risk > economy.risk_without_trade(law) + tol
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
        comonotone=sums and _comonotone(economy, allocation + risk, law),
        myopic_individually_rational=myopic_rational,
        myopic_pareto_optimal=sums and myopic_rational and myopic_saving <= tol,
        gap=gap,
        worst_node=None if optimal else worst,
        irrational_node=node,
        irrational_agents=names,
        improving_trade=None if optimal else trade_at(worst),
        risk_to_go=validate.frozen(risk),
    )


def _comonotone(economy: Economy, carried: Array, law: str) -> bool:
    """Comonotone given every node, or in the marginal reading at every time."""
    tree = economy.tree
    groups, least = [tree.nodes(t + 1) for t in range(tree.horizon)], -1.0
    if law == "conditional":
        groups = [own for stage in tree.siblings for s in stage for own in s.children]
        least = TOL * economy.scale
    each = (carried[:, children] for children in groups)
    return all(np.ptp(x, axis=1).max() <= least or is_comonotone(x) for x in each)


# conditional law: a scenario at every node ----------------------------------------


def _conditional_savings(economy: Economy, allocation: Array, risk: Array) -> Savings:
    """Return the possible savings at all nodes, at time 0, and the trade at a node."""
    tree = economy.tree
    savings = np.zeros(tree.n_nodes)
    bound = np.zeros(tree.n_nodes)  # no allocation whatsoever costs less from there on
    children: list[list[int]] = [[] for _ in range(tree.n_nodes)]
    for v in range(1, tree.n_nodes):
        children[tree.parent[v]].append(v)
    totals = risk.sum(axis=0)
    for v in range(tree.first[tree.horizon] - 1, -1, -1):
        after = np.array(children[v])
        z = economy.aggregate[after] + totals[after]
        scenario, _ = _scenario(economy, v, after, z)
        savings[v] = totals[v] - scenario @ z
        z = economy.aggregate[after] + bound[after]
        scenario, _ = _scenario(economy, v, after, z)
        bound[v] = scenario @ z

    def trade_at(v: int) -> Trade:
        return _improving_trade(economy, v, np.array(children[v]), allocation, risk)

    return savings, float(totals[0] - bound[0]), trade_at


def _scenario(
    economy: Economy, node: int, children: Integers, z: Array
) -> tuple[Array, Array]:
    """Return a scenario accepted by all agents and an optimal sharing of ``z``."""
    p = economy.tree.probability[children]
    order = sorted(range(len(z)), key=lambda c: -z[c])
    level = np.minimum(np.cumsum(p[order]), 1.0)
    level[-1] = 1.0
    parts = economy.parts_at(node)
    mixtures, shares = _worst_mixtures(parts, level, z[order])
    agents = list(zip(mixtures, parts, strict=True))
    tails = np.array([_mixed(*agent, level) for agent in agents])
    least = tails.min(axis=0)
    least[-1] = 1.0
    scenario = np.empty(len(z))
    scenario[order] = np.diff(least, prepend=0.0)
    if not all(_accepted(scenario, p, *agent) for agent in agents):
        raise ArithmeticError(f"the scenario at node {node} is not accepted")
    if shares is None:
        ties = tails - least <= 1e-12 * least
        shares = ties / ties.sum(axis=0)
    steps = -np.diff(np.append(z[order], z[order][-1]))  # widths below each child
    kept = np.cumsum((shares * steps)[:, ::-1], axis=1)[:, ::-1] + z.min() / len(parts)
    carried = np.empty_like(kept)
    carried[:, order] = kept
    return scenario, carried


def _mixed(weights: Array, parts: Parts, level: Array) -> Array:
    return sum(w * k.values(level) for w, k in zip(weights, parts, strict=True))


def _accepted(scenario: Array, p: Array, weights: Array, parts: Parts) -> bool:
    """Check q(A) <= k(P(A)) for all A: enough on the states that gain most."""
    gain = np.argsort(-scenario / p, kind="stable")
    mass, chance = np.cumsum(scenario[gain]), np.minimum(np.cumsum(p[gain]), 1.0)
    within = mass <= _mixed(weights, parts, chance) + 1e-9
    return bool((scenario >= -1e-12).all() and within.all())


def _worst_mixtures(
    parts: list[Parts], level: Array, z: Array
) -> tuple[list[Array], Array | None]:
    """Mixture weights for agents with several distortions, and shares of the layers.

    The layers lie between neighbouring sorted totals; with one distortion each there is
    nothing to choose, and the shares are left to the caller.
    """
    from scipy.sparse import block_diag, csr_array, eye_array, hstack

    if all(len(agent) == 1 for agent in parts):
        return [np.ones(1)] * len(parts), None
    n, m = len(parts), len(z) - 1
    widths, level = z[:-1] - z[1:], level[:-1]
    scale = max(widths.max(initial=0.0), 1e-300)
    costs = [np.array([k.values(level) for k in own]) * widths / scale for own in parts]
    # the shares of the layers, then everybody's risk: at least that of every part
    risks = block_diag([np.ones((len(agent), 1)) for agent in parts])
    whole = hstack([*[eye_array(m)] * n, csr_array((m, n))])
    cost, bounds = np.repeat([0.0, 1.0], [n * m, n]), [(0, 1)] * (n * m)
    caps = hstack([block_diag(costs), -risks]).tocsr()
    limits = np.zeros(caps.shape[0]), whole.tocsr(), np.ones(m)
    found = solve_lp(cost, caps, *limits, bounds + [(None, None)] * n)
    duals = np.split(found.upper_prices, np.cumsum(list(map(len, parts)))[:-1])
    shares = found.x[: n * m].reshape(n, m)
    return [d / d.sum() for d in duals], np.hstack([shares, np.full((n, 1), 1.0 / n)])


def _improving_trade(
    economy: Economy, node: int, children: Integers, allocation: Array, risk: Array
) -> Trade:
    """Share the children's total optimally, and the saving equally."""
    z = economy.aggregate[children] + risk[:, children].sum(axis=0)
    _, carried = _scenario(economy, node, children, z)
    p = economy.tree.probability[children]
    agents = zip(carried, economy.parts_at(node), strict=True)
    new = np.array([max(choquet(row, k, p) for k in parts) for row, parts in agents])
    old = risk[:, node]
    gain = (old.sum() - new.sum()) / len(new)
    cash = old - gain - new
    payments = carried + cash[:, None] - risk[:, children] - allocation[:, children]
    frozen = validate.frozen(payments), validate.frozen(np.full(len(new), gain))
    return Trade(node, tuple(children.tolist()), *frozen)
