r"""What everybody pays, and why: bills, parts of the premium, one observed path.

On a way from a node ``v`` to a node ``w`` an agent with the layers ``g`` pays

.. math:: g(Z) - \rho_v(g) + R_v - R_w, \qquad Z = S + \bar R_w:

the loss of its layers, less the price of its layers, plus what it owes from ``v`` on,
less what it will owe from ``w`` on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from dynpo_lite.base import validate
from dynpo_lite.base.records import ByValue
from dynpo_lite.base.types import Array, Integers
from dynpo_lite.scenarios.branches import Branches
from dynpo_lite.sharing.layers import retained

Solution: TypeAlias = Any  # its methods call what is here


class PremiumParts(NamedTuple):
    """What a premium consists of; each (n_agents, n_nodes), nan at leaves.

    Attributes
    ----------
    sure : ndarray
        A part of what is certain to be shared after the node.
    expected : ndarray
        What the agent gets for the expected loss of its layers; at most 0.
    loading : ndarray
        What it gets for their risk, beyond the expectation; at most 0 but for marginal
        laws, whose prices do not know the node.
    transfer : ndarray
        What it pays so that others carry the rest: the balance.
    """

    sure: Array
    expected: Array
    loading: Array
    transfer: Array


@dataclass(frozen=True, eq=False)
class Bills(ByValue):
    """What each agent pays on each way from a node, in parts.

    The parts but ``own`` sum to ``payment``; arrays are (n_agents, n_ways).

    Attributes
    ----------
    node : int
    target : ndarray of shape (n_ways,)
        The nodes that the ways lead to.
    probability : ndarray of shape (n_ways,)
        Of each way, conditional on the node.
    own : ndarray
        The agent's loss without trade.
    layer : ndarray
        The loss of its layers.
    price : ndarray
        What it gets for carrying them, negative.
    sure : ndarray
        Its part of what is certain.
    transfer : ndarray
        What it pays so that others carry the rest.
    reserve : ndarray
        What is put off to later times, negative; in the end 0.
    payment : ndarray
        The sum: the allocation.
    """

    node: int
    target: Integers
    probability: Array
    own: Array
    layer: Array
    price: Array
    sure: Array
    transfer: Array
    reserve: Array
    payment: Array

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with a row for each agent and way."""
        from pandas import DataFrame  # optional

        n, b = self.payment.shape
        columns: dict[str, Any] = {
            "agent": np.repeat(np.arange(n), b),
            "way": np.tile(np.arange(b), n),
            "target": np.tile(self.target, n),
            "probability": np.tile(self.probability, n),
        }
        parts = [f.name for f in fields(self)][3:]
        return DataFrame(
            columns | {name: getattr(self, name).ravel() for name in parts}
        )


class Followed(NamedTuple):
    """The payments along an observed path.

    Attributes
    ----------
    payments : ndarray of shape (n_agents, T)
    node : ndarray of shape (T + 1,)
        The nodes that the path was taken to pass.
    distance : ndarray of shape (T,)
        How far the observed losses are from the nearest ones of the scenarios: the
        largest difference over agents, in units of loss.
    outside : tuple of int
        The times at which the aggregate lies outside what the scenarios hold possible
        at the node: the top layer, and below the lowest total equal shares, go on.
    """

    payments: Array
    node: Integers
    distance: Array
    outside: tuple[int, ...]


def bills_at(solution: Solution, node: int) -> Bills:
    """Return the bills of all ways from a node; see :meth:`Solution.bills`."""
    ways = solution.economy.scenarios.ways_from(node)
    entry, target = ways.entry[0], ways.target[0]
    own = solution.economy.scenarios.entries(solution.economy.endowments)[:, entry]
    payment = solution.allocation[:, entry]
    later = solution.risk_to_go[:, target]
    price, risk = (x[:, node, None] for x in (solution.layer_risk, solution.risk_to_go))
    sure = (risk - price).sum(axis=0) * solution.ties[:, None]
    layer = payment + later - (risk - price)
    parts = [np.broadcast_to(x, payment.shape) for x in (-price, sure, risk - sure)]
    arrays = target, ways.probability[0], own, layer, *parts, 0.0 - later, payment
    return Bills(node, *(validate.frozen(np.array(x)) for x in arrays))


def premium_parts(solution: Solution) -> PremiumParts:
    """Return the parts of all premia; see :meth:`Solution.premium_parts`."""
    economy, price = solution.economy, solution.layer_risk
    premium, risk = solution.premium, solution.risk_to_go
    mean = np.full(price.shape, np.nan)
    for stage in economy.scenarios.branches:
        for ways in stage:
            due = solution.allocation[:, ways.entry] + risk[:, ways.target]
            mean[:, ways.node] = (due * ways.probability).sum(axis=2)
    mean -= premium  # of the layers
    sure = premium.sum(axis=0) * solution.ties[:, None]
    parts = sure, 0.0 - mean, mean - price, risk - sure
    parts[3][:, np.isnan(price[0])] = np.nan
    return PremiumParts(*map(validate.frozen, parts))


def follow(
    solution: Solution, path: ArrayLike, nodes: Sequence[int] | None = None
) -> Followed:
    """Return the payments along an observed path; see :meth:`Solution.follow`."""
    economy = solution.economy
    scenarios, n = economy.scenarios, economy.n_agents
    path = validate.finite_array("path", path, shape=(scenarios.horizon, n))
    endowments = scenarios.entries(economy.endowments)
    if nodes is not None:
        given = validate.integers("nodes", nodes, shape=(scenarios.horizon,))
    passed, payments, distance, outside = [0], [], [], []
    for t, losses in enumerate(path):
        ways = scenarios.ways_from(passed[-1])
        entry, target = ways.entry[0], ways.target[0]
        apart = np.abs(endowments[:, entry] - losses[:, None]).max(axis=0)
        if nodes is not None:
            apart = np.where(target == given[t], apart, np.inf)
        way = int(np.argmin(apart))
        if apart[way] == np.inf:
            raise ValueError(
                f"nodes[{t}] = {given[t]}: no way leads there from node {passed[-1]}; "
                f"choose one of {sorted(set(target.tolist()))[:10]}"
            )
        payments.append(_due(solution, ways, way, losses))
        total = endowments[:, entry].sum(axis=0)
        if not total.min() <= losses.sum() <= total.max():
            outside.append(t + 1)
        distance.append(apart[way])
        passed.append(int(target[way]))
    arrays = np.array(payments).T, np.array(passed), np.array(distance)
    paid, at, away = map(validate.frozen, arrays)
    return Followed(paid, at, away, tuple(outside))


def _due(solution: Solution, ways: Branches, way: int, losses: Array) -> Array:
    """Return what each agent pays for losses that the scenarios need not know."""
    node, after = int(ways.node[0]), int(ways.target[0, way])
    by_time = solution.retention == "deterministic"
    key = int(solution.economy.scenarios.stage[after]) if by_time else node
    premium, layers = solution.premium[:, node], solution.layers[key]
    sure = premium.sum()
    total = np.array([losses.sum() + solution.total_risk_to_go[after]])
    kept = retained(layers, total, sure, len(losses))[:, 0] - sure / len(losses)
    return kept + premium - solution.risk_to_go[:, after]
