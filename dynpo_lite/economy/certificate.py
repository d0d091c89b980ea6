r"""Is an allocation dynamically Pareto optimal?  Proof that does not trust the solver.

At a node whose children carry the total ``Z``, let ``q`` be any reweighting of the
children that every agent accepts as a scenario: :math:`E_q[W] \le \rho_i(W)` for all
``W``.  Then **every** split of ``Z``, comonotone or not, costs at least
:math:`E_q[Z]`.  If the allocation costs no more, it is optimal at the node, and ``q``
proves it.  That ``q`` is accepted is checked on its own: for a concave distortion, the
mass of the n states that gain most must not exceed ``k`` of their probability, for
every n.  In the marginal reading a linear programme over all allocations takes the
place of ``q``.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.risk.measures import choquet
from dynpo_lite.sharing.improvement import is_comonotone

TOL = 1e-9
LARGEST = 1e14  # coefficient that the solver takes
METHODS = ("highs-ds", "highs-ipm")
TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True)
class Trade:
    """An exchange at the children of a node that hurts nobody and helps somebody.

    ``payments`` (n_agents, n_children) are to be added to what the allocation pays at
    ``children``; ``gains`` (n_agents,) is by how much each agent's risk at the node
    falls: by the same for all under conditional laws, by at least 0 in the marginal
    reading.
    """

    node: int
    children: tuple
    payments: np.ndarray
    gains: np.ndarray


@dataclass(frozen=True)
class Report:
    """What :func:`check_allocation` found; prints as a short text.

    Attributes
    ----------
    law : str
    sums_to_aggregate, individually_rational, pareto_optimal, comonotone : bool
        ``pareto_optimal`` is dynamic and includes individual rationality.
    myopic_individually_rational, myopic_pareto_optimal : bool
        The same as seen from time 0 only.
    gap : float
        The largest total risk-to-go, over nodes, that a trade at one node could save;
        nan where the payments do not sum to the aggregate.
    worst_node : int or None
        Where; None if nothing can be saved.
    irrational_node, irrational_agents
        A node at which some agents are worse off than without trade, and who; None and
        an empty tuple if there is none.
    improving_trade : Trade or None
        A trade at ``worst_node`` that makes every agent better off.
    risk_to_go : ndarray of shape (n_agents, n_nodes)
    """

    law: str
    sums_to_aggregate: bool
    individually_rational: bool
    pareto_optimal: bool
    comonotone: bool
    myopic_individually_rational: bool
    myopic_pareto_optimal: bool
    gap: float
    worst_node: int | None
    irrational_node: int | None
    irrational_agents: tuple
    improving_trade: Trade | None
    risk_to_go: np.ndarray

    def __str__(self):
        def say(flag):
            return "yes" if flag else "no"

        lines = [
            f"sums to the aggregate         {say(self.sums_to_aggregate)}",
            f"individually rational         {say(self.individually_rational)}",
            f"dynamically Pareto optimal    {say(self.pareto_optimal)}",
            f"comonotone                    {say(self.comonotone)}",
            f"myopically rational           {say(self.myopic_individually_rational)}",
            f"myopically Pareto optimal     {say(self.myopic_pareto_optimal)}",
        ]
        if self.irrational_node is not None:
            names = ", ".join(map(str, self.irrational_agents))
            lines.append(
                f"at node {self.irrational_node} worse off than without trade: {names}"
            )
        if self.worst_node is not None:
            lines.append(
                f"a trade at node {self.worst_node} saves {self.gap:.6g} in total"
            )
        return "\n".join(lines)


def check_allocation(economy, allocation, law="conditional"):
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
    validate.choice("law", law, ("conditional", "marginal"))
    allocation = economy.allocation("allocation", allocation)
    tol = TOL * economy.scale
    risk = economy.risk_to_go(allocation, law)
    alone = economy.risk_without_trade(law)
    sums = bool((np.abs(allocation.sum(axis=0) - economy.aggregate) <= tol).all())
    worse = risk > alone + tol
    rational = not worse.any()
    node = None if rational else int(np.argmax(worse.any(axis=0)))
    names = () if rational else tuple(np.flatnonzero(worse[:, node]).tolist())
    find = _conditional_savings if law == "conditional" else _marginal_savings
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
        individually_rational=rational,
        pareto_optimal=sums and rational and optimal,
        comonotone=sums and _comonotone(economy, allocation + risk, law),
        myopic_individually_rational=myopic_rational,
        myopic_pareto_optimal=sums and myopic_rational and myopic_saving <= tol,
        gap=gap,
        worst_node=None if optimal else worst,
        irrational_node=node,
        irrational_agents=names,
        improving_trade=None if optimal else trade_at(worst),
        risk_to_go=risk,
    )


def _comonotone(economy, carried, law):
    """Comonotone given every node, or in the marginal reading at every time."""
    tree = economy.tree
    for t in range(tree.horizon):
        if law == "marginal":
            if not is_comonotone(carried[:, tree.nodes(t + 1)]):
                return False
            continue
        for siblings in tree.siblings[t]:
            for children in siblings.children:
                shares = carried[:, children]
                spread = np.ptp(shares, axis=1).max()
                if spread > TOL * economy.scale and not is_comonotone(shares):
                    return False
    return True


# conditional law: a scenario at every node ----------------------------------------


def _conditional_savings(economy, allocation, risk):
    """Return the possible savings at all nodes, at time 0, and the trade at a node."""
    tree = economy.tree
    savings = np.zeros(tree.n_nodes)
    bound = np.zeros(tree.n_nodes)  # no allocation whatsoever costs less from there on
    children = [[] for _ in range(tree.n_nodes)]
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

    def trade_at(v):
        return _improving_trade(economy, v, np.array(children[v]), allocation, risk)

    return savings, float(totals[0] - bound[0]), trade_at


def _scenario(economy, node, children, z):
    """Return a scenario accepted by all agents and an optimal sharing of ``z``."""
    p = economy.tree.probability[children]
    order = sorted(range(len(z)), key=lambda c: -z[c])
    level = np.minimum(np.cumsum(p[order]), 1.0)
    level[-1] = 1.0
    parts = [_parts_at(economy, i, node) for i in range(economy.n_agents)]
    mixtures, shares = _worst_mixtures(parts, level, z[order])
    tails = np.array(
        [
            sum(w * k.values(level) for w, k in zip(weights, agent, strict=True))
            for weights, agent in zip(mixtures, parts, strict=True)
        ]
    )
    least = tails.min(axis=0)
    least[-1] = 1.0
    scenario = np.empty(len(z))
    scenario[order] = np.diff(least, prepend=0.0)
    for weights, agent in zip(mixtures, parts, strict=True):
        if not _accepted(scenario, p, weights, agent):
            raise ArithmeticError(f"the scenario at node {node} is not accepted")
    if shares is None:
        ties = tails - least <= 1e-12 * least
        shares = ties / ties.sum(axis=0)
    steps = -np.diff(np.append(z[order], z[order][-1]))  # widths below each child
    kept = np.cumsum((shares * steps)[:, ::-1], axis=1)[:, ::-1] + z.min() / len(parts)
    carried = np.empty_like(kept)
    carried[:, order] = kept
    return scenario, carried


def _parts_at(economy, agent, node):
    ((parts, _),) = economy.measures_at(agent, np.array([node]))
    return parts


def _accepted(scenario, p, weights, parts):
    """Check q(A) <= k(P(A)) for all A: enough on the states that gain most."""
    gain = np.argsort(-scenario / p, kind="stable")
    mass, chance = np.cumsum(scenario[gain]), np.minimum(np.cumsum(p[gain]), 1.0)
    k = sum(w * part.values(chance) for w, part in zip(weights, parts, strict=True))
    return bool((scenario >= -1e-12).all() and (mass <= k + 1e-9).all())


def _worst_mixtures(parts, level, z):
    """Mixture weights for agents with several distortions, and shares of the layers.

    The layers lie between neighbouring sorted totals; with one distortion each there is
    nothing to choose, and the shares are left to the caller.
    """
    from scipy.optimize import linprog
    from scipy.sparse import block_diag, csr_array, eye_array, hstack

    if all(len(agent) == 1 for agent in parts):
        return [np.ones(1)] * len(parts), None
    n, m = len(parts), len(z) - 1
    widths = z[:-1] - z[1:]
    scale = max(widths.max(initial=0.0), 1e-300)
    costs = [
        np.array([k.values(level[:m]) for k in agent]) * widths / scale
        for agent in parts
    ]
    # the shares of the layers, then everybody's risk: at least that of every part
    risks = block_diag([np.ones((len(agent), 1)) for agent in parts])
    whole = hstack([*[eye_array(m)] * n, csr_array((m, n))])
    found = linprog(
        np.repeat([0.0, 1.0], [n * m, n]),
        hstack([block_diag(costs), -risks]).tocsr(),
        np.zeros(sum(map(len, parts))),
        whole.tocsr(),
        np.ones(m),
        bounds=[(0, 1)] * (n * m) + [(None, None)] * n,
        method="highs",
        options=TIGHT,
    )
    dual = np.maximum(-found.ineqlin.marginals, 0.0)
    starts = np.cumsum([0, *map(len, parts)])
    weights = [dual[a:b] / dual[a:b].sum() for a, b in itertools.pairwise(starts)]
    shares = found.x[: n * m].reshape(n, m)
    return weights, np.hstack([shares, np.full((n, 1), 1.0 / n)])


def _improving_trade(economy, node, children, allocation, risk):
    """Share the children's total optimally, and the saving equally."""
    z = economy.aggregate[children] + risk[:, children].sum(axis=0)
    _, carried = _scenario(economy, node, children, z)
    p = economy.tree.probability[children]
    new = np.array(
        [
            max(choquet(row, k, p) for k in _parts_at(economy, i, node))
            for i, row in enumerate(carried)
        ]
    )
    old = risk[:, node]
    gain = (old.sum() - new.sum()) / len(new)
    cash = old - gain - new
    payments = carried + cash[:, None] - risk[:, children] - allocation[:, children]
    gains = np.full(len(new), gain)
    return Trade(node, tuple(children.tolist()), payments, gains)


# marginal law: linear programmes over all allocations --------------------------------


def _marginal_savings(economy, allocation, risk):
    tree = economy.tree
    savings, payments = np.zeros(tree.n_nodes), {}
    for t in range(1, tree.horizon + 1):
        programme = _Programme(economy)
        carried = programme.free((economy.n_agents, len(tree.nodes(t))))
        nodes, parents = tree.nodes(t), tree.nodes(t - 1)
        z = economy.aggregate[nodes] + risk[:, nodes].sum(axis=0)
        programme.sum_to(carried, z)
        slack = []
        for i in range(economy.n_agents):
            for parts, rows in economy.measures_at(i, parents):
                value = programme.risk(carried[i], parts, tree.unconditional[nodes])
                at = parents[rows]
                for v in at[np.unique(risk[i, at], return_index=True)[1]]:
                    s = programme.positive()
                    programme.at_most([(value, 1.0), (s, 1.0)], risk[i, v])
                    slack.append(s)
        x = programme.solve(dict.fromkeys(slack, -1.0))
        savings[parents[0]] = x[slack].sum()
        new = x[carried] - risk[:, nodes]
        payments[int(parents[0])] = nodes, new - allocation[:, nodes]

    def trade_at(v):
        nodes, change = payments[v]
        new = allocation.copy()
        new[:, nodes] += change
        gains = risk - economy.risk_to_go(new, "marginal")
        return Trade(v, tuple(nodes.tolist()), change, gains[:, v])

    return savings, _marginal_myopic_saving(economy, risk), trade_at


def _marginal_myopic_saving(economy, risk):
    """How much the sum of time-0 risks exceeds the least over all allocations."""
    tree, programme = economy.tree, _Programme(economy)
    to_go = np.full((economy.n_agents, tree.n_nodes), -1)
    for t in range(tree.horizon, 0, -1):
        nodes, parents = tree.nodes(t), tree.nodes(t - 1)
        paid = programme.free((economy.n_agents, len(nodes)))
        programme.sum_to(paid, economy.aggregate[nodes])
        for i in range(economy.n_agents):
            carried = paid[i]
            if t < tree.horizon:
                carried = programme.free(len(nodes))
                for c, y, v in zip(carried, paid[i], nodes):  # c = y + risk-to-go
                    programme.equal([(c, 1.0), (y, -1.0), (to_go[i, v], -1.0)], 0.0)
            for parts, rows in economy.measures_at(i, parents):
                weights = tree.unconditional[nodes]
                to_go[i, parents[rows]] = programme.risk(carried, parts, weights)
    x = programme.solve(dict.fromkeys(to_go[:, 0], 1.0))
    return float(risk[:, 0].sum() - x[to_go[:, 0]].sum())


class _Programme:
    """A small linear programme, row by row, in units of the economy's scale."""

    def __init__(self, economy):
        self.scale = economy.scale
        self.bounds, self.upper, self.equals = [], [], []

    def free(self, shape):
        return self._new(int(np.prod(shape)), (None, None)).reshape(shape)

    def positive(self):
        return int(self._new(1, (0, None))[0])

    def _new(self, count, bounds):
        start = len(self.bounds)
        self.bounds += [bounds] * count
        return np.arange(start, start + count)

    def at_most(self, terms, limit):
        self.upper.append((terms, limit / self.scale))

    def equal(self, terms, value):
        self.equals.append((terms, value / self.scale))

    def sum_to(self, carried, total):
        for column, value in zip(carried.T, total, strict=True):
            self.equal([(v, 1.0) for v in column], value)

    def risk(self, carried, parts, weights):
        """Return a variable at least the risk of ``carried`` (Rockafellar-Uryasev)."""
        value = int(self.free(1)[0])
        for k in parts:
            terms = [(value, -1.0)]
            for tail, mass in _shortfalls(k):
                q = int(self.free(1)[0])
                terms.append((q, mass))
                for v, p in zip(carried, weights, strict=True):
                    excess = [(v, 1.0), (q, -1.0)]
                    if tail > 0:  # without: the maximum, which nothing may exceed
                        e = self.positive()  # weighted: tiny weights would be dropped
                        excess.append((e, -min(tail / (mass * p), LARGEST)))
                        terms.append((e, 1.0))
                    self.at_most(excess, 0.0)
            self.at_most(terms, 0.0)
        return value

    def solve(self, objective):
        from scipy.optimize import linprog
        from scipy.sparse import coo_matrix

        def matrix(rows):
            entries = [(c, i, v) for i, (terms, _) in enumerate(rows) for v, c in terms]
            if not entries:
                return None, None
            c, i, v = zip(*entries)
            shape = (len(rows), len(self.bounds))
            return coo_matrix((c, (i, v)), shape).tocsr(), [limit for _, limit in rows]

        cost = np.zeros(len(self.bounds))
        for v, c in objective.items():
            cost[v] += c
        programme = cost, *matrix(self.upper), *matrix(self.equals), self.bounds
        for method, presolve in itertools.product(METHODS, (True, False)):
            options = TIGHT | {"presolve": presolve}
            found = linprog(*programme, method=method, options=options)
            if found.status == 0:
                break
        if found.status != 0:
            raise RuntimeError(f"the linear programme failed: {found.message}")
        return found.x * self.scale


def _shortfalls(k):
    """Write a piecewise linear distortion as a mixture: pairs (tail, weight)."""
    if k.breakpoints is None:
        raise ValueError(
            f"{k!r} is not piecewise linear: the marginal law is certified by linear "
            "programming; use law='conditional' or piecewise linear distortions"
        )
    s = np.hstack([0.0, k.breakpoints, 1.0])
    values = k.values(s)
    values[0] = k.jump
    slopes = np.append(np.diff(values) / np.diff(s), 0.0)
    mixture = [(0.0, k.jump)] if k.jump > 0 else []
    mixture += [
        (tail, tail * (a - b))
        for tail, a, b in zip(s[1:], slopes[:-1], slopes[1:])
        if a - b > 1e-15
    ]
    return mixture
