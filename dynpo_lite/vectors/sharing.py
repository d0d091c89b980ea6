r"""Optimal sharing of risk vectors: the inf-convolution and its common scenario.

By duality the least total risk of splitting :math:`X` is the largest
:math:`\langle Z, X\rangle - \sum_i \rho_i^*(Z)` over the scenarios :math:`Z` that every
agent admits.  In dimension one, with max-correlation measures, the solution is the
layer rule, in every other case one linear programme finds all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.lp import INTERIOR, SIMPLEX, SolverError, solve_lp
from dynpo_lite.base.types import Array, ArrayLike, Bools, Integers
from dynpo_lite.vectors.functionals import TOL, Polyhedral, state_weights

_Part = tuple[Array, Array]  # points of a law and nothing; or vertices and offsets


class Unbounded(ValueError):
    """The agents share no scenario: some trade lowers the total risk without end.

    Attributes
    ----------
    direction : ndarray of shape (n, N, d)
        Such a trade; it sums to 0 over agents.
    rate : float
        How much the total risk falls with every unit of the trade.
    """

    def __init__(self, reason: str, direction: Array, rate: float) -> None:
        self.reason, self.rate = reason, rate
        self.direction = validate.frozen(direction)
        super().__init__(
            f"agents share no scenario, so the total risk has no lower bound: {reason}"
        )

    def __reduce__(self) -> tuple:
        return type(self), (self.reason, self.direction, self.rate)


@dataclass(frozen=True, eq=False)
class SharedVector:
    """The optimal sharing of a risk vector; see :func:`vector_inf_convolution`.

    Attributes
    ----------
    value : float
        The least total risk.
    allocation : ndarray of shape (n, N, d)
        What each agent carries; sums to the risk vector.
    scenario : ndarray of shape (N, d)
        A subgradient of every agent's functional at its share: the worst case that all
        agents fear together.
    """

    value: float
    allocation: Array
    scenario: Array


def vector_inf_convolution(
    x: ArrayLike,
    agents: Sequence[Any],
    weights: ArrayLike | None = None,
    exposure: ArrayLike | None = None,
) -> SharedVector:
    r"""Share a risk vector between agents at the least total risk.

    .. math:: \inf\Bigl\{\sum_i \rho_i(\xi_i) : \sum_i \xi_i = X\Bigr\}
              = \sup_Z \Bigl\{\langle Z, X\rangle - \sum_i \rho_i^*(Z)\Bigr\}

    Parameters
    ----------
    x : array_like of shape (N, d)
        Losses of d lines of business in N states.
    agents : sequence of array_like of shape (M, d), or Polyhedral of shape (m, N, d)
        An array stands for the max-correlation measure whose baseline law gives its
        rows equal probabilities; M may differ from N and between agents.
    weights : array_like of shape (N,), optional
        Probabilities of the states, positive, summing to 1; equal by default.
    exposure : array_like of bool, shape (n, d), optional
        Which lines an agent may carry; its share of the others is 0.  All by default.

    Returns
    -------
    SharedVector
        With ``.value``, ``.allocation`` and ``.scenario``.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong shape, holds a number that is not finite, the
        weights are no positive probabilities, or no agent may carry a line.
    Unbounded
        If the agents share no scenario, as when baselines have different means.

    Notes
    -----
    The value is unique; allocation and scenario need not be.  Constants can be moved
    between max-correlation agents: their shares of a line get equal means.

    In dimension one, without Polyhedral, sorting solves the problem; in all other
    cases a linear programme of HiGHS with sum_i (N + M_i + N d) variables and
    sum_i N M_i constraints.

    References
    ----------
    Relations (1.3), (2.9) and (3.1) of Kiesel and Rueschendorf, On optimal allocations
    of risk vectors; optimality by a common subgradient is proved in the chapter.

    Examples
    --------
    Agent 0 weighs the worse state of the first line only, agent 1 of the second: what
    they fear together is the mean, and the total risk is that of no fear at all.

    >>> fears = [[[2.0, 1.0], [0.0, 1.0]], [[1.0, 2.0], [1.0, 0.0]]]
    >>> shared = vector_inf_convolution([[4.0, 0.0], [0.0, 8.0]], fears)
    >>> round(shared.value, 9), shared.scenario.round(9).tolist()
    (6.0, [[1.0, 1.0], [1.0, 1.0]])
    """
    x = validate.finite_array("x", x, ndim=2)
    p = state_weights(weights, len(x))
    agents = _checked(agents, x.shape, p)
    exposed = _exposure(exposure, len(agents), x.shape[1])
    laws = np.array([not isinstance(agent, Polyhedral) for agent in agents])
    centre = _common_means(agents, laws, exposed, x.shape)
    share = _by_layers if laws.all() and x.shape[1] == 1 else _by_linear_programme
    value, allocation, scenario = share(x, agents, p, exposed, centre)
    for j, line in enumerate((exposed & laws[:, None]).T):
        means = allocation[line, :, j] @ p
        allocation[line, :, j] += means.sum() / max(len(means), 1) - means[:, None]
        last = np.flatnonzero(exposed[:, j])[-1]  # takes what rounding left over
        left = x[:, j] - allocation[:, :, j].sum(axis=0)
        if np.abs(left).max() > 1e-7 * max(np.abs(allocation[:, :, j]).max(), 1e-300):
            raise SolverError(f"shares of line {j} miss the losses: scale the losses")
        allocation[last, :, j] += left
    return SharedVector(value, validate.frozen(allocation), validate.frozen(scenario))


def _checked(agents: Any, shape: tuple[int, int], p: Array) -> list[Any]:
    result = []
    for i, agent in enumerate(validate.entries("agents", agents, "no agent")):
        name = f"agents[{i}]"
        if isinstance(agent, Polyhedral):
            if agent.vertices.shape[1:] != shape:
                raise ValueError(
                    f"{name} has vertices of shape {agent.vertices.shape[1:]}: x has "
                    f"shape {shape}, give vertices of that shape"
                )
            if not np.allclose(agent.weights, p, rtol=0, atol=TOL):
                raise ValueError(
                    f"{name} has other weights than x: give Polyhedral the same weights"
                )
        else:
            agent = validate.finite_array(name, agent, ndim=2)
            if agent.shape[1] != shape[1]:
                raise ValueError(
                    f"{name} has dimension {agent.shape[1]} and x dimension "
                    f"{shape[1]}: give both the same number of columns"
                )
        result.append(agent)
    return result


def _exposure(exposure: ArrayLike | None, n: int, d: int) -> Bools:
    if exposure is None:
        return np.ones((n, d), dtype=bool)
    given = np.asarray(exposure)
    if given.dtype != bool or given.shape != (n, d):
        raise ValueError(
            f"exposure has shape {given.shape} and type {given.dtype}: give True or "
            f"False for each of {n} agents and {d} lines"
        )
    if (j := validate.first(~given.any(axis=0))) is not None:
        raise ValueError(f"exposure leaves line {j} to nobody: expose an agent to it")
    return given


def _common_means(agents: list, laws: Any, exposed: Any, shape: tuple) -> Array:
    """Return the mean that the baselines have in each line, 0 where there is none.

    Baselines dominate a common law if and only if their means agree.
    """
    n, centre = len(agents), np.zeros(shape[1])
    for j in range(shape[1]):
        carriers = np.flatnonzero(laws & exposed[:, j])
        points = [agents[i][:, j] for i in carriers]
        means = np.array([y.mean() for y in points])
        if not len(carriers):
            continue
        off = np.abs(means - means[0])
        worst = np.argmax(off)
        if off[worst] > TOL * max(np.abs(y).max() for y in points):
            first, other = carriers[0], carriers[worst]
            direction = np.zeros((n, *shape))
            direction[first, :, j] = np.sign(means[worst] - means[0])
            direction[other] = -direction[first]
            reason = (
                f"in line {j} agents[{first}] has mean {means[0]:.10g} and agents"
                f"[{other}] mean {means[worst]:.10g}; shift the baselines to one mean"
            )
            raise Unbounded(reason, direction, float(off[worst]))
        centre[j] = means[0]
    return centre


def _by_layers(
    x: Array, agents: list[Any], p: Array, exposed: Any, centre: Array
) -> tuple[float, Array, Array]:
    """Dimension one: a gap between losses goes to who weighs the tail above it least.

    An agent's distorted tail is the integral of its sorted baseline from the top.
    """
    result, own, (mean,) = np.zeros((len(agents), *x.shape)), exposed[:, 0], centre
    laws = [agent[:, 0] for agent, carries in zip(agents, own) if carries]
    x = x[:, 0]
    order = np.argsort(-x, kind="stable")
    above = np.cumsum(p[order])
    above[-1] = 1.0
    tails = np.empty((len(laws), len(x)))
    for tail, y in zip(tails, laws):
        integral = np.append(0.0, np.cumsum(np.sort(y - y.mean())[::-1]) / len(y))
        tail[:] = np.interp(above, np.linspace(0, 1, len(y) + 1), integral)
    tails[:, -1] = 0.0  # of the centred baselines
    least = tails.min(axis=0)
    scenario = np.empty(len(x))
    scenario[order] = mean + np.diff(least, prepend=0.0) / p[order]
    cheapest = tails <= least + 1e-12 * max(np.abs(y).max() for y in laws)
    gaps = -np.diff(x[order])
    parts = cheapest[:, :-1] / cheapest[:, :-1].sum(axis=0) * gaps
    shares = np.zeros((len(laws), len(x)))
    shares[:, order[:-1]] = np.cumsum(parts[:, ::-1], axis=1)[:, ::-1]
    value = float(mean * (p @ x) + least[:-1] @ gaps)
    result[own, :, 0] = shares + x.min() / len(laws)
    return value, result, scenario[:, None]


# the linear programme -----------------------------------------------------------


def _by_linear_programme(
    x: Array, agents: list[Any], p: Array, exposed: Any, centre: Array
) -> tuple[float, Array, Array]:
    """Centre and scale, solve, and undo it.

    A constant added to every agent's scenarios adds its pairing with X to the total.
    """
    parts = [
        (a.vertices - centre, a.offsets)
        if isinstance(a, Polyhedral)
        else (np.where(own, a - a.mean(axis=0), 0.0), np.empty(0))
        for a, own in zip(agents, exposed)
    ]
    fixed = any(offsets.size for _, offsets in parts)  # else constants may move
    base = np.zeros(x.shape[1]) if fixed else p @ x
    losses = np.abs(x - base).max() or 1.0
    scale = max(np.abs(part).max() for part, _ in parts) or 1.0
    parts = [(part / scale, offsets / (scale * losses)) for part, offsets in parts]
    try:
        value, shares, scenario = _solve((x - base) / losses, parts, p, exposed)
    except SolverError as error:
        raise _unbounded(x.shape, parts, p, exposed, scale) or error from None
    shares = shares * losses + (exposed * (base / exposed.sum(axis=0)))[:, None]
    value = float(value * scale * losses + p @ x @ centre)
    return value, shares, scenario * scale + centre


def _block(part: Array, offsets: Array, p: Array) -> tuple[Any, Any, Array, Array]:
    """Return an agent's rows: risk is min cost @ f subject to L xi - F f <= offsets.

    For a law, f holds the potentials of the states and of the points; for a Polyhedral
    its value.
    """
    from scipy.sparse import csr_array, eye_array, hstack, kron

    n, m = len(p), len(part)
    if not offsets.size:
        rows = kron(eye_array(n), csr_array(part))
        states = kron(eye_array(n), np.ones((m, 1)))
        points = kron(np.ones((n, 1)), eye_array(m))
        cost = np.append(p, np.full(m, 1 / m))
        return rows, hstack([states, points]), cost, np.zeros(n * m)
    rows = csr_array((part * p[:, None]).reshape(m, -1))
    return rows, csr_array(np.ones((m, 1))), np.ones(1), offsets


def _solve(
    x: Array, parts: list[_Part], p: Array, exposed: Any, box: float = np.inf
) -> tuple[float, Array, Array]:
    """Minimise over the shares, in each line of all carriers but the last.

    The last takes the rest.  Returns value, shares and scenario; with a ``box`` shares
    are bounded by it.
    """
    from scipy.sparse import block_diag, hstack

    rows, free, costs, limits = zip(*(_block(*part, p) for part in parts))
    rows, free = block_diag(rows, format="csr"), block_diag(free)
    trades, rest = _trades(exposed, len(x))
    n = trades.shape[1]
    start = np.zeros(trades.shape[0])
    start[rest] = x
    cost = np.hstack([np.zeros(n), *costs])
    high = np.repeat([box, np.inf], [n, len(cost) - n])
    caps = hstack([rows @ trades, -free], format="csc")
    limits = np.hstack(limits) - rows @ start
    bounds, methods = np.column_stack([-high, high]), (INTERIOR, SIMPLEX)
    found = solve_lp(cost, caps, limits, bounds=bounds, methods=methods)
    shares = (start + trades @ found.x[:n]).reshape(len(parts), *x.shape)
    scenario = (rows.T @ found.upper_prices)[rest] / p[:, None]
    return found.value, shares, scenario


def _trades(exposed: Bools, n_states: int) -> tuple[Any, Integers]:
    """Return what a unit more for an agent changes, and the places of the last ones.

    In each line the last agent who may carry it gives what another one takes: a sparse
    matrix with a row for each entry of the flat allocation, and an array (N, d).
    """
    from scipy.sparse import coo_array

    (n, d), lines = exposed.shape, np.arange(exposed.shape[1])
    place = np.arange(n * n_states * d).reshape(n, n_states, d)
    last = n - 1 - np.argmax(exposed[::-1], axis=0)
    rest = place[last, :, lines].T
    own = exposed.copy()
    own[last, lines] = False
    own = np.repeat(own[:, None], n_states, axis=1)
    taken, given = place[own], np.broadcast_to(rest, place.shape)[own]
    m = len(taken)
    places = np.append(taken, given), np.tile(np.arange(m), 2)
    entries = np.repeat([1.0, -1.0], m), places
    return coo_array(entries, (place.size, m)).tocsr(), rest


def _unbounded(
    shape: tuple[int, int], parts: list[_Part], p: Array, exposed: Any, scale: float
) -> Unbounded | None:
    """Return the error with the bounded trade that lowers the total risk most."""
    recession = [(part, 0.0 * offsets) for part, offsets in parts]
    value, direction, _ = _solve(np.zeros(shape), recession, p, exposed, box=1.0)
    if value > -TOL:
        return None
    rate = -value * scale
    reason = (
        f"a trade of at most 1 in each state and line lowers it by {rate:.6g} at every "
        "repetition; give the agents scenarios that overlap"
    )
    return Unbounded(reason, direction, rate)
