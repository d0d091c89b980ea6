r"""The linear programme over deterministic contracts, of one time or of several.

A contract of one time gives every agent a retention :math:`G^i`, a function of the
total that is shared.  Along the rising totals the :math:`G^i` rise and sum to the
total.  Risks are linear in them: the sum of the :math:`G^i` at the children, weighted
by the differences of the distorted tails.  The total of an earlier time holds the risks
of the later contract, which is linear too, as long as the order of the totals is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynpo_lite.base.lp import BlockRow, InfeasibleProgramme, assembled, solve_lp
from dynpo_lite.base.types import Array, Integers

_Group = tuple[str, int, int]  # columns: what they are, the market, the agent


@dataclass(frozen=True)
class Market:
    """What is shared at one time, in a given order of the totals.

    Attributes
    ----------
    readers : list of list of csr_array of shape (n_rows, m)
        For each agent and each of its distortions, how it weighs the places.  Its rows
        are the nodes that read the law differently.
    rows : list of ndarray
        For each agent the row of each parent.
    chance : ndarray
        The probability of each parent.
    known : ndarray of shape (m,)
        The totals, without the risks of a later contract that is still to be found.
    later : list of ndarray of shape (m,), or None
        For each agent the row, in the market one time later, of the node at each place;
        None where the totals are known.
    limits : ndarray of shape (n_agents, n_parents), or None
        The largest risks that individual rationality allows.
    """

    readers: Sequence[list]
    rows: Sequence[Integers]
    chance: Array
    known: Array
    later: list[Integers] | None
    limits: Array | None


@dataclass(frozen=True)
class Sacrifice:
    """The least common loss that makes contracts possible, and who forces it."""

    shortfall: float
    market: int
    parent: int
    agents: tuple[int, ...]


def best_contracts(markets: list[Market], tol: float) -> list[Array] | Sacrifice:
    """Return the retentions with the least expected total risk, or the obstacle.

    Parameters
    ----------
    markets : list of Market
        From the last time backwards; the first has known totals.
    tol : float
        Limits may be missed by less.

    Returns
    -------
    list of ndarray of shape (n_agents, m), or Sacrifice
        The retentions, market by market; the least sacrifice if it exceeds ``tol``.

    Raises
    ------
    SolverError
        If the solver fails.
    """
    programme = _Programme(markets, tol)
    try:
        return programme.solve()
    except InfeasibleProgramme:
        sacrifice = programme.sacrifice()
    if sacrifice.shortfall > tol:
        return sacrifice
    return programme.solve((sacrifice.shortfall + tol) / 2)


class _Programme:
    def __init__(self, markets: list[Market], tol: float):
        self.markets, self.n = markets, len(markets[0].readers)
        # in units of the spread, unless it is so small that limits would be huge;
        # every retention counted from a first guess
        self.scale = max(1e3 * tol, *(float(np.ptp(m.known)) for m in markets))
        self.guesses: list[Array] = []
        self.widths: dict[_Group, int] = {}
        for s, market in enumerate(markets):
            self.guesses.append(self._guess(market))
            for i, (reader, *_) in enumerate(market.readers):
                n_rows, m = reader.shape
                self.widths |= {("retention", s, i): m, ("risk", s, i): n_rows}

    def _guess(self, market: Market) -> Array:
        """Return constants that sum to the lowest total, as limits would have them."""
        low = market.known.min() + (self.guesses[-1].sum() if self.guesses else 0.0)
        guess = np.zeros(self.n) if market.limits is None else market.limits.min(axis=1)
        return guess + (low - guess.sum()) / self.n

    def solve(self, slack: float = 0.0) -> list[Array]:
        """Return the retentions, with limits raised by ``slack``."""
        upper = {group: np.full(n, np.inf) for group, n in self.widths.items()}
        cost: dict[_Group, Any] = {g: np.zeros(n) for g, n in self.widths.items()}
        for s, market in enumerate(self.markets):
            for i, rows in enumerate(market.rows):
                upper["risk", s, i] = self._room(s, i) + slack / self.scale
                cost["risk", s, i] = np.bincount(rows, market.chance)
        high = np.concatenate(list(upper.values()))
        bounds = np.column_stack([np.full(len(high), -np.inf), high])
        caps, equal = self._constraints()
        constraints = *assembled(caps, self.widths), *assembled(equal, self.widths)
        found = solve_lp(np.concatenate(list(cost.values())), *constraints, bounds)
        parts = np.split(found.x, np.cumsum(list(self.widths.values())))
        own = dict(zip(self.widths, parts))
        result = []
        for s, guess in enumerate(self.guesses):
            rows = np.array([own["retention", s, i] for i in range(self.n)])
            result.append(guess[:, None] + self.scale * rows)
        return result

    def sacrifice(self) -> Sacrifice:
        """Solve for the least common slack of all limits; see Sacrifice."""
        from scipy.sparse import eye_array

        slack: _Group = ("slack", 0, 0)
        widths = self.widths | {slack: 1}
        caps, equal = self._constraints()
        rooms = [(g, self._room(*g[1:])) for g in self.widths if g[0] == "risk"]
        for group, room in rooms:
            n = len(room)
            caps.append(({group: eye_array(n), slack: -np.ones((n, 1))}, room))
        bounds = [(None, None)] * (sum(widths.values()) - 1) + [(0, None)]
        cost = np.append(np.zeros(len(bounds) - 1), 1.0)
        constraints = *assembled(caps, widths), *assembled(equal, widths)
        try:
            found = solve_lp(cost, *constraints, bounds)
        except InfeasibleProgramme:  # no contracts have totals in these orders
            return Sacrifice(np.inf, 0, 0, ())
        stops = np.cumsum([len(room) for _, room in rooms])
        duals = np.split(found.upper_prices[-stops[-1] :], stops[:-1])
        price = [np.zeros(len(market.chance)) for market in self.markets]
        conflict = set()
        for ((_, s, i), _), dual in zip(rooms, duals, strict=True):
            _, parent = np.unique(self.markets[s].rows[i], return_index=True)
            price[s][parent] += dual
            if dual.max() > 1e-9:
                conflict.add(i)
        worst = int(np.argmax([each.max() for each in price]))
        parent, agents = int(price[worst].argmax()), tuple(sorted(conflict))
        return Sacrifice(found.value * self.scale, worst, parent, agents)

    def _room(self, s: int, agent: int) -> Array:
        """Return the least limit of the parents of each row, from the guess."""
        market = self.markets[s]
        limits = np.full(self.widths["risk", s, agent], np.inf)
        if market.limits is not None:
            np.minimum.at(limits, market.rows[agent], market.limits[agent])
        # totals spread over at most s + 1 units: nobody needs more than twice that, and
        # limits far above it would be mistaken for infinite or for contradictions
        return np.minimum((limits - self.guesses[s][agent]) / self.scale, 2.0 * (s + 1))

    def _constraints(self) -> tuple[list[BlockRow], list[BlockRow]]:
        """Return the caps and the equations."""
        from scipy.sparse import csr_array, eye_array

        caps: list[BlockRow] = []
        equal: list[BlockRow] = []
        for s, market in enumerate(self.markets):
            total, m = market.known - self.guesses[s].sum(), len(market.known)
            rising = eye_array(m - 1, m) - eye_array(m - 1, m, k=1)
            whole: dict[_Group, Any] = {}
            for i, readers in enumerate(market.readers):
                own, risk = ("retention", s, i), ("risk", s, i)
                for reader in readers:
                    n_rows = reader.shape[0]
                    row = {own: reader, risk: -eye_array(n_rows)}, np.zeros(n_rows)
                    (equal if len(readers) == 1 else caps).append(row)
                caps.append(({own: rising}, np.zeros(m - 1)))
                whole[own] = eye_array(m)
                if market.later is not None:
                    later = "risk", s - 1, i
                    entries = -np.ones(m), (np.arange(m), market.later[i])
                    whole[later] = csr_array(entries, shape=(m, self.widths[later]))
            if market.later is not None:
                total = total + self.guesses[s - 1].sum()
            equal.append((whole, total / self.scale))
        return caps, equal
