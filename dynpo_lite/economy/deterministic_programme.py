r"""The linear programme over deterministic contracts, of one time or of several.

A contract of one time gives every agent a retention :math:`G^i`, a function of the
total that is shared.  Along the rising totals the :math:`G^i` rise and sum to the
total.  Risks are linear in them: the sum of the :math:`G^i` at the children, weighted
by the differences of the distorted tails.  The total of an earlier time holds the risks
of the later contract, which is linear too, as long as the order of the totals is given.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynpo_lite.base.lp import InfeasibleProgramme, solve_lp
from dynpo_lite.base.types import Array, Integers


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

    def row_limits(self, agent: int) -> Array:
        """Return the smallest limit of the parents of each row; inf without any."""
        limits = np.full(self.readers[agent][0].shape[0], np.inf)
        if self.limits is not None:
            np.minimum.at(limits, self.rows[agent], self.limits[agent])
        return limits


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
        spread = max(float(np.ptp(market.known)) for market in markets)
        self.scale = max(spread, 1e3 * tol)
        self.guesses: list[Array] = []
        self.starts: list[list[tuple[int, int]]] = []
        n_columns = 0
        for market in markets:
            self.guesses.append(self._guess(market, len(self.guesses)))
            starts = []
            for readers in market.readers:
                n_rows, m = readers[0].shape
                starts.append((n_columns, n_columns + m))  # retentions, then risks
                n_columns += m + n_rows
            self.starts.append(starts)
        self.n_columns = n_columns

    def _guess(self, market: Market, place: int) -> Array:
        """Return constants that sum to the lowest total, as limits would have them."""
        low = market.known.min() + (self.guesses[-1].sum() if place else 0.0)
        guess = np.zeros(self.n)
        if market.limits is not None:
            guess = market.limits.min(axis=1)
        return guess + (low - guess.sum()) / self.n

    def solve(self, slack: float = 0.0) -> list[Array]:
        """Solve, with limits raised by ``slack``."""
        caps, limits, equal, equals = self._constraints()
        upper = np.full(self.n_columns, np.inf)
        cost = np.zeros(self.n_columns)
        for market, i, at in self._risks():
            upper[at] = self._room(market, i) + slack / self.scale
            market = self.markets[market]
            cost[at] = np.bincount(market.rows[i], market.chance)
        bounds = np.column_stack([np.full(self.n_columns, -np.inf), upper])
        found = solve_lp(cost, caps, limits, equal, equals, bounds)
        return self.retentions(found.x)

    def retentions(self, x: Array) -> list[Array]:
        """Read the retentions off a solution."""
        result = []
        for market, guess, starts in zip(
            self.markets, self.guesses, self.starts, strict=True
        ):
            m = len(market.known)
            rows = np.array([x[first : first + m] for first, _ in starts])
            result.append(guess[:, None] + self.scale * rows)
        return result

    def sacrifice(self) -> Sacrifice:
        """Solve for the least common slack of all limits; see Sacrifice."""
        from scipy.sparse import csr_array, hstack, vstack

        caps, limits, equal, equals = self._constraints()
        risks = [
            (market, i, at, self._room(market, i)) for market, i, at in self._risks()
        ]
        columns = np.concatenate(
            [np.arange(self.n_columns)[at] for _, _, at, _ in risks]
        )
        n_rows = len(columns)
        ones = np.ones(n_rows)
        select = csr_array(
            (ones, (np.arange(n_rows), columns)), shape=(n_rows, self.n_columns)
        )
        caps = hstack([caps, csr_array((caps.shape[0], 1))])
        caps = vstack([caps, hstack([select, csr_array(-ones[:, None])])]).tocsr()
        equal = hstack([equal, csr_array((equal.shape[0], 1))]).tocsr()
        limits = np.concatenate([limits, *(room for *_, room in risks)])
        bounds = [(None, None)] * self.n_columns + [(0, None)]
        cost = np.append(np.zeros(self.n_columns), 1.0)
        try:
            found = solve_lp(cost, caps, limits, equal, equals, bounds)
        except InfeasibleProgramme:  # no contracts have totals in these orders
            return Sacrifice(np.inf, 0, 0, ())
        duals = np.split(
            found.upper_prices[-n_rows:],
            np.cumsum([len(room) for *_, room in risks])[:-1],
        )
        price = [np.zeros(len(market.chance)) for market in self.markets]
        for (s, i, *_), dual in zip(risks, duals, strict=True):
            _, parent = np.unique(self.markets[s].rows[i], return_index=True)
            price[s][parent] += dual
        market = int(np.argmax([each.max() for each in price]))
        conflict = {
            i
            for (_, i, *_), dual in zip(risks, duals, strict=True)
            if dual.max() > 1e-9
        }
        return Sacrifice(
            found.value * self.scale,
            market,
            int(price[market].argmax()),
            tuple(sorted(conflict)),
        )

    def _risks(self) -> Iterator[tuple[int, int, slice]]:
        """Yield market, agent and the columns of its risks."""
        for s, starts in enumerate(self.starts):
            for i, (_, first) in enumerate(starts):
                n_rows = self.markets[s].readers[i][0].shape[0]
                yield s, i, slice(first, first + n_rows)

    def _room(self, s: int, agent: int) -> Array:
        room = (self.markets[s].row_limits(agent) - self.guesses[s][agent]) / self.scale
        # totals spread over at most s + 1 units: nobody needs more than twice that, and
        # limits far above it would be mistaken for infinite or for contradictions
        return np.minimum(room, 2.0 * (s + 1))

    def _constraints(self) -> tuple[Any, Array, Any, Array]:
        """Return caps and equations as sparse matrices and their right-hand sides."""
        from scipy.sparse import csr_array, eye_array, vstack

        caps: list[Any] = []
        equal: list[Any] = []
        limits: list[Array] = []
        equals: list[Array] = []
        for s, market in enumerate(self.markets):
            m, whole = len(market.known), []
            for i, readers in enumerate(market.readers):
                first, risk = self.starts[s][i]
                n_rows = readers[0].shape[0]
                one = eye_array(n_rows)
                for reader in readers:
                    row = self._placed([(first, reader), (risk, -one)])
                    rows, sides = (
                        (equal, equals) if len(readers) == 1 else (caps, limits)
                    )
                    rows.append(row)
                    sides.append(np.zeros(n_rows))
                rising = eye_array(m - 1, m) - eye_array(m - 1, m, k=1)
                caps.append(self._placed([(first, rising)]))
                limits.append(np.zeros(m - 1))
                whole.append((first, eye_array(m)))
                if market.later is not None:
                    n_later = self.markets[s - 1].readers[i][0].shape[0]
                    select = csr_array(
                        (-np.ones(m), (np.arange(m), market.later[i])),
                        shape=(m, n_later),
                    )
                    whole.append((self.starts[s - 1][i][1], select))
            equal.append(self._placed(whole))
            total = market.known - self.guesses[s].sum()
            if market.later is not None:
                total = total + self.guesses[s - 1].sum()
            equals.append(total / self.scale)
        return (
            vstack(caps).tocsr(),
            np.concatenate(limits),
            vstack(equal).tocsr(),
            np.concatenate(equals),
        )

    def _placed(self, blocks: list[tuple[int, Any]]) -> Any:
        """Return blocks of one height at their columns."""
        from scipy.sparse import coo_array

        blocks = [(start, block.tocoo()) for start, block in blocks]
        data = np.concatenate([block.data for _, block in blocks])
        rows = np.concatenate([block.row for _, block in blocks])
        columns = np.concatenate([start + block.col for start, block in blocks])
        shape = blocks[0][1].shape[0], self.n_columns
        return coo_array((data, (rows, columns)), shape=shape)
