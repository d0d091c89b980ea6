r"""The inf-convolution of max-correlation measures by an interior point method.

The agents' couplings :math:`\pi^i \ge 0`, between states and points :math:`y^i_k`, must
agree on :math:`\sum_k \pi^i_{sk} y^i_k`; their multipliers are potentials ``u``, ``v``
and shares ``xi`` with the slacks

.. math:: \sigma^i_{sk} = u^i_s + v^i_k - \langle \xi^i_s, y^i_k\rangle \ge 0.

The product couplings and high potentials are strictly feasible, and every step keeps
them so: the gap :math:`\sum \pi\sigma` is what value and bound still differ by.
Predictor and corrector (Mehrotra) share one Cholesky factor, of a matrix in the shares
of all agents but the last and the ``v``; the ``u`` are eliminated.
"""

from itertools import pairwise

import numpy as np

from . import tiles

GAP = 1e-12  # relative gap at which the path ends
ENOUGH = 2e-10  # relative error that is accepted where rounding ends the path earlier
STEPS = 100
MENDS = 2  # corrections of what rounding did to the couplings, a step
RIDGE = 1e-14  # of the scaled matrix: keeps directions that change nothing at rest


def share(x, laws, p):
    """Share centred losses between centred laws of equally likely points.

    Parameters
    ----------
    x : ndarray of shape (N, d)
    laws : list of ndarray of shape (M_i, d)
    p : ndarray of shape (N,)

    Returns
    -------
    value, shares (n, N, d), scenario (N, d) : or None if the path ends too early
    """
    # in the space that the points span: elsewhere nobody sees a loss
    _, size, axes = np.linalg.svd(np.concatenate(laws), full_matrices=False)
    axes = axes[size > 1e-12 * size.max()] if size.max() > 0 else axes[:0]
    unseen = np.repeat([(x - x @ axes.T @ axes) / len(laws)], len(laws), axis=0)
    if not (len(axes) and x.any()):  # the mean is a worst case
        return 0.0, unseen, np.zeros(x.shape)
    path = _Path(x @ axes.T, [y @ axes.T for y in laws], p)
    found = path.follow()
    if found is None:
        return None
    value, shares, scenario = found
    return value, shares @ axes + unseen, scenario @ axes


class _Path:
    """The central path, from the product couplings to an optimum."""

    def __init__(self, x, laws, p):
        self.x, self.laws, self.p, self.n = x, laws, p, len(laws)
        self.masses = [np.full(len(y), 1 / len(y)) for y in laws]
        self.couplings = [np.outer(p, q) for q in self.masses]
        self.xi = np.repeat(x[None] / self.n, self.n, axis=0)
        gains = [a @ y.T for a, y in zip(self.xi, laws)]
        self.scale = sum(np.abs(g).max() for g in gains) or 1.0
        self.u = [g.max(axis=1) + self.scale / self.n for g in gains]
        self.v = [np.zeros(len(y)) for y in laws]
        # places in the vector of unknowns: shares of agents 0 to n - 2, then all v
        ends = (self.n - 1) * x.size + np.cumsum([0] + [len(y) for y in laws])
        self.own = [slice(i * x.size, (i + 1) * x.size) for i in range(self.n - 1)]
        self.points = [slice(*pair) for pair in pairwise(ends)]
        # what changes no slack is kept at rest: a constant in v, cash between agents
        free = np.ones(ends[-1], dtype=bool)
        free[ends[:-1]] = False
        for place in self.own:
            free[place.start : place.start + x.shape[1]] = False
        self.free = np.flatnonzero(free)

    def follow(self):
        """Return value, shares and scenario of the best iterate, or None."""
        best, error = None, ENOUGH
        for _ in range(STEPS):
            slacks = [
                u[:, None] + v - a @ y.T
                for u, v, a, y in zip(self.u, self.v, self.xi, self.laws)
            ]
            gap = sum(_dot(c, s) for c, s in zip(self.couplings, slacks))
            now = gap / self.scale + self._defect()
            if min(s.min() for s in slacks) <= 0:
                break
            if now < error:
                best, error = self._solution(), now
            elif best is not None and now > 10 * error:  # rounding has taken over
                break
            if gap <= GAP * self.scale:
                break
            try:
                self._step(slacks, gap / sum(s.size for s in slacks))
            except np.linalg.LinAlgError:
                break
        return best

    def _solution(self):
        scenario = sum(self._moments()) / self.n / self.p[:, None]
        value = sum(self.p @ u + q @ v for u, q, v in zip(self.u, self.masses, self.v))
        return value, self.xi, scenario

    def _defect(self):
        """How far the couplings are from their masses and from one scenario."""
        moments = self._moments()
        size = sum(np.abs(y).max() for y in self.laws)
        return max(
            np.abs(c.sum(axis=1) - self.p).sum()
            + np.abs(c.sum(axis=0) - q).sum()
            + np.abs(m - moments[0]).sum() / size
            for c, q, m in zip(self.couplings, self.masses, moments)
        )

    def _moments(self):
        return [c @ y for c, y in zip(self.couplings, self.laws)]

    def _step(self, slacks, mu):
        """One predictor and corrector step."""
        solve = self._factorised([c / s for c, s in zip(self.couplings, slacks)])
        *_, down, across = solve([-c for c in self.couplings])
        t, r = _longest(self.couplings, across), _longest(slacks, down)
        ahead = sum(
            _dot(c + t * a, s + r * b)
            for c, a, s, b in zip(self.couplings, across, slacks, down)
        )
        aim = (ahead / sum(s.size for s in slacks)) ** 3 / mu**2
        shares, us, vs, down, across = solve(
            [
                (aim - a * b) / s - c
                for c, a, s, b in zip(self.couplings, across, slacks, down)
            ]
        )
        t = min(1.0, 0.97 * _longest(self.couplings, across))
        r = min(1.0, 0.97 * _longest(slacks, down))
        self.couplings = [c + t * a for c, a in zip(self.couplings, across)]
        for _ in range(MENDS):
            *_, across = solve([np.zeros_like(c) for c in self.couplings])
            t = 0.99 * _longest(self.couplings, across)
            self.couplings = [c + t * a for c, a in zip(self.couplings, across)]
        self.xi = self.xi + r * shares
        self.u = [u + r * du for u, du in zip(self.u, us)]
        self.v = [v + r * dv for v, dv in zip(self.v, vs)]

    def _matrix(self, ratios, centres, rows):
        """The matrix of the equations; differences are formed before they cancel."""
        n_states, d = self.x.shape
        matrix = np.zeros((self.points[-1].stop,) * 2)
        lines = np.arange(n_states * d).reshape(n_states, d)
        for i, (y, ratio, place) in enumerate(zip(self.laws, ratios, self.points)):
            between = -tiles.product(ratio.T / rows[i], ratio)
            np.fill_diagonal(between, 0.0)
            np.fill_diagonal(between, -between.sum(axis=1))
            matrix[place, place] = between
            apart = y - centres[i][:, None]  # (N, M, d)
            weighted = (ratio[:, :, None] * apart).transpose(0, 2, 1)
            spread, cross = weighted @ apart, weighted.reshape(n_states * d, -1)
            last = i == self.n - 1  # its share is minus the sum of the others
            for one in self.own if last else [self.own[i]]:
                matrix[one, place] = cross if last else -cross
                matrix[place, one] = matrix[one, place].T
                for two in self.own if last else [one]:
                    block = matrix[one, two]
                    block[lines[:, :, None], lines[:, None]] += spread
        return matrix

    def _factorised(self, ratios):
        """Return the function that solves for a direction."""
        rows = [ratio.sum(axis=1) for ratio in ratios]
        centres = [r @ y / a[:, None] for r, y, a in zip(ratios, self.laws, rows)]
        matrix = self._matrix(ratios, centres, rows)[np.ix_(self.free, self.free)]
        size = np.diag(matrix)
        unit = 1 / np.sqrt(np.where(size > 0, size, 1.0))
        matrix *= unit * unit[:, None]
        matrix[np.diag_indices(len(matrix))] += RIDGE
        factor = tiles.cholesky(matrix)

        def solve(targets):
            """Couplings change by the targets less ratios times what slacks do."""
            moments = self._moments()
            common = sum(moments) / self.n
            right = np.empty(self.points[-1].stop)
            sums, pulls = [], []
            for i, (h, y, place) in enumerate(zip(targets, self.laws, self.points)):
                c = self.couplings[i]
                sums.append(h.sum(axis=1) + c.sum(axis=1) - self.p)
                column = h.sum(axis=0) + c.sum(axis=0) - self.masses[i]
                right[place] = column - (ratios[i] * (sums[i] / rows[i])[:, None]).sum(
                    axis=0
                )
                lean = centres[i] * sums[i][:, None] - h @ y
                pulls.append(lean - (moments[i] - common))
            for pull, place in zip(pulls, self.own):
                right[place] = (pull - pulls[-1]).ravel()
            found = np.zeros(len(right))
            found[self.free] = unit * tiles.solve(factor, unit * right[self.free])
            shares = np.empty(self.xi.shape)
            for i, place in enumerate(self.own):
                shares[i] = found[place].reshape(self.x.shape)
            shares[-1] = -shares[:-1].sum(axis=0)
            vs = [found[place] for place in self.points]
            us = [
                (f - (ratio * v).sum(axis=1)) / a + (m * w).sum(axis=1)
                for f, ratio, v, a, m, w in zip(sums, ratios, vs, rows, centres, shares)
            ]
            down = [
                u[:, None] + v - w @ y.T
                for u, v, w, y in zip(us, vs, shares, self.laws)
            ]
            across = [h - ratio * b for h, ratio, b in zip(targets, ratios, down)]
            return shares, us, vs, down, across

        return solve


def _dot(a, b):
    return float((a * b).sum())


def _longest(values, changes):
    """The largest step, at most 1, that keeps all values at least 0."""
    step = 1.0
    for value, change in zip(values, changes):
        falls = change < 0
        if falls.any():
            step = min(step, float((-value[falls] / change[falls]).min()))
    return step
