"""What people do instead: no trade, quota shares, layers renewed year by year."""

from dataclasses import dataclass

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.records import ByValue
from dynpo_lite.base.types import Array, Integers
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.solution import Solution
from dynpo_lite.economy.solve import solve
from dynpo_lite.economy.state_dependent import SharingProblem
from dynpo_lite.scenarios.branches import to_come
from dynpo_lite.scenarios.nested_risk import conditional_risk

TOL = 1e-9  # individual rationality, relative to the size of the losses


@dataclass(frozen=True, eq=False)
class Arrangement(ByValue):
    """One way to share, judged by the agents' dynamic risk measures.

    Attributes
    ----------
    name : str
    allocation : ndarray of shape (n_agents, n_nodes), or (n_agents, n_arcs)
    risk_to_go : ndarray of shape (n_agents, n_nodes)
    total : float
        The sum of the agents' risks at time 0.
    leaving : ndarray
        The nodes at which somebody would rather go on without the others.
    """

    name: str
    allocation: Array
    risk_to_go: Array
    total: float
    leaving: Integers


def baselines(economy: Economy) -> dict[str, Arrangement]:
    """Return arrangements to compare the dynamic optimum with.

    Parameters
    ----------
    economy : Economy

    Returns
    -------
    dict of str -> Arrangement
        ``"no trade"``; ``"quota share"``: everybody pays a fixed part of every total,
        in proportion to expected own losses; ``"yearly layers"``: at each node the
        losses of the next time are shared optimally, the gain equally, as if nothing
        followed; ``"myopic"``: an optimum as seen from time 0, with its cash where
        nobody cares about it before the end; ``"dynamic optimum"``.

    Notes
    -----
    Conditional law.  What yearly layers cost depends on their premia too: premia that
    follow the node are a risk when seen from earlier.  The myopic optimum has the
    layers and the risks at time 0 of the dynamic one, and shares what is sure at later
    nodes equally (Proposition 3.5 of the paper); among myopic optima it is one of many.

    Examples
    --------
    >>> from dynpo_lite import Expectation, ExpectedShortfall, ScenarioTree
    >>> tree = ScenarioTree([-1, 0, 0], [1, 0.5, 0.5])
    >>> agents = [Expectation(), ExpectedShortfall(0.5)]
    >>> found = baselines(Economy(tree, [[0, 0, 0], [0, 0, 4]], agents))
    >>> for name, each in found.items():
    ...     print(name, each.total)
    no trade 4.0
    quota share 4.0
    yearly layers 2.0
    myopic 2.0
    dynamic optimum 2.0
    """
    validate.instance("economy", economy, Economy)
    own = economy.scenarios.entries(economy.endowments)
    optimum = solve(economy)
    found = {
        "no trade": own,
        "quota share": _quota(economy, own),
        "yearly layers": _yearly(economy, own),
        "myopic": _myopic(economy, optimum),
        "dynamic optimum": optimum.allocation,
    }
    return {name: _judged(economy, name, paid) for name, paid in found.items()}


def _judged(economy: Economy, name: str, paid: Array) -> Arrangement:
    risk = economy.risk_to_go(paid)
    worse = risk > economy.risk_without_trade() + TOL * economy.scale
    arrays = paid.copy(), risk, np.flatnonzero(worse.any(axis=0))
    allocation, risk, leaving = map(validate.frozen, arrays)
    return Arrangement(name, allocation, risk, float(risk[:, 0].sum()), leaving)


def _quota(economy: Economy, own: Array) -> Array:
    """Share every total in proportion to expected losses, equally if some are gains."""
    scenarios, n = economy.scenarios, economy.n_agents
    mean = np.zeros(n)
    for ways in (w for stage in scenarios.branches for w in stage):
        reach = scenarios.unconditional[ways.node][:, None] * ways.probability
        mean += (own[:, ways.entry] * reach).sum(axis=(1, 2))
    good = mean.min() >= 0 < mean.sum()
    part = mean / mean.sum() if good else np.full(n, 1.0 / n)
    return part[:, None] * own.sum(axis=0)


def _yearly(economy: Economy, own: Array) -> Array:
    scenarios, n = economy.scenarios, economy.n_agents
    paid, nothing = np.zeros_like(own), np.zeros(scenarios.n_nodes)
    ties = np.full(n, 1.0 / n)
    for ways in (w for stage in scenarios.branches for w in stage):
        z = to_come(ways, own.sum(axis=0), nothing)
        problem = SharingProblem(economy, ways, z, ties)
        measures = [economy.measures_at(i, ways.node) for i in range(n)]
        pairs = zip(own[:, ways.entry], measures, strict=True)
        alone = np.array([conditional_risk(ways, x, agent) for x, agent in pairs])
        gain = (alone.sum(axis=0) - problem.value) / n
        premium = alone - gain - problem.layer_risks
        paid[:, ways.entry] = problem.kept + premium[:, :, None]
    return paid


def _myopic(economy: Economy, optimum: Solution) -> Array:
    """Share what is sure at later nodes equally, risks at time 0 as in the optimum."""
    scenarios = economy.scenarios
    layers = solve(economy, individually_rational=False)
    first = scenarios.stage[scenarios.target] == 1
    cash = optimum.risk_to_go[:, 0] - layers.risk_to_go[:, 0]
    return layers.allocation + cash[:, None] * first
