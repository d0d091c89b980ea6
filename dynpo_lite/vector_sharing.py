r"""Optimal sharing of risk vectors: the inf-convolution and its common scenario.

By duality the least total risk of splitting :math:`X` is the largest
:math:`\langle Z, X\rangle - \sum_i \rho_i^*(Z)` over the scenarios :math:`Z` that every
agent admits.  In dimension one, with max-correlation measures, the solution is the
layer rule; otherwise one linear programme gives all of it.
"""

from dataclasses import dataclass

import numpy as np

from . import validate
from .vectors import TOL, Polyhedral, state_weights


class Unbounded(ValueError):
    """The agents share no scenario: some trade lowers the total risk without end.

    Attributes
    ----------
    direction : ndarray of shape (n, N, d)
        Such a trade; it sums to 0 over agents.
    rate : float
        How much the total risk falls with every unit of the trade.
    """

    def __init__(self, reason, direction, rate):
        self.direction, self.rate = direction, rate
        super().__init__(
            f"agents share no scenario, so the total risk has no lower bound: {reason}"
        )


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
    allocation: np.ndarray
    scenario: np.ndarray


def vector_inf_convolution(x, agents, weights=None):
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

    Returns
    -------
    SharedVector
        With ``.value``, ``.allocation`` and ``.scenario``.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong shape, holds a number that is not finite, or the
        weights are no positive probabilities.
    Unbounded
        If the agents share no scenario, as when baselines have different means.

    Notes
    -----
    The value is unique; allocation and scenario need not be.  Constants can be moved
    between max-correlation agents: their shares get equal means.  In dimension one,
    without Polyhedral, sorting solves the problem; the programme otherwise has
    sum_i (N + M_i + N d) variables and sum_i N M_i constraints.

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
    laws = [i for i, agent in enumerate(agents) if not isinstance(agent, Polyhedral)]
    _check_means(agents, laws, x.shape)
    if len(laws) == len(agents) and x.shape[1] == 1:
        shared = _by_layers(x, agents, p)
    else:
        shared = _by_linear_programme(x, agents, p)
    allocation = shared.allocation
    means = p @ allocation[laws]  # (laws, d)
    allocation[laws] += (means.mean(axis=0) - means)[:, None] if laws else 0.0
    allocation[-1] = x - allocation[:-1].sum(axis=0)
    return shared


def _checked(agents, shape, p):
    try:
        given = list(agents)
    except TypeError:
        given = []
    if not given:
        raise ValueError(f"agents = {agents!r} holds no agent: give at least one")
    result = []
    for i, agent in enumerate(given):
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


def _check_means(agents, laws, shape):
    """Laws have a common dominated law if and only if their means agree."""
    means = [agents[i].mean(axis=0) for i in laws]
    for i, mean in zip(laws, means):
        scale = max(np.abs(agents[k]).max() for k in (i, laws[0]))
        if np.abs(mean - means[0]).max() > TOL * scale:
            j, gap = laws[0], mean - means[0]
            rate = float(np.linalg.norm(gap))
            direction = np.zeros((len(agents), *shape))
            direction[j], direction[i] = gap / rate, -gap / rate
            shown = [np.round(m, 10).tolist() for m in (means[0], mean)]
            raise Unbounded(
                f"agents[{j}] has mean {shown[0]} and agents[{i}] mean "
                f"{shown[1]}; shift the baselines to one mean",
                direction,
                rate,
            )


def _by_layers(x, agents, p):
    """Dimension one: a gap between losses goes to who weighs the tail above it least.

    An agent's distorted tail is the integral of its sorted baseline from the top.
    """
    order = np.argsort(-x[:, 0], kind="stable")
    mean = agents[0].mean()
    above = np.cumsum(p[order])
    above[-1] = 1.0
    tails = np.empty((len(agents), len(x)))
    for tail, y in zip(tails, agents):
        integral = np.append(0.0, np.cumsum(np.sort(y[:, 0] - y.mean())[::-1]) / len(y))
        tail[:] = np.interp(above, np.linspace(0, 1, len(y) + 1), integral)
    tails[:, -1] = 0.0  # of the centred baselines
    least = tails.min(axis=0)
    scenario = np.empty_like(x)
    scenario[order, 0] = mean + np.diff(least, prepend=0.0) / p[order]
    scale = max(np.abs(y).max() for y in agents)
    cheapest = tails <= least + 1e-12 * scale
    gaps = -np.diff(x[order, 0])
    parts = cheapest[:, :-1] / cheapest[:, :-1].sum(axis=0) * gaps
    shares = np.zeros((len(agents), *x.shape))
    shares[:, order[:-1], 0] = np.cumsum(parts[:, ::-1], axis=1)[:, ::-1]
    shares += x.min() / len(agents)
    value = float(mean * (p @ x[:, 0]) + least[:-1] @ gaps)
    return SharedVector(value, shares, scenario)


# the linear programme -----------------------------------------------------------


def _by_linear_programme(x, agents, p):
    """Centre and scale, solve, and undo it.

    A constant added to every agent's scenarios adds its pairing with X to the total.
    """
    n, polyhedral = len(agents), [isinstance(a, Polyhedral) for a in agents]
    first = next((a for a, is_one in zip(agents, polyhedral) if not is_one), None)
    centre = np.zeros(x.shape[1]) if first is None else first.mean(axis=0)
    parts = [
        (a.vertices - centre, a.offsets) if is_one else (a - a.mean(axis=0), None)
        for a, is_one in zip(agents, polyhedral)
    ]
    base = 0.0 if any(polyhedral) else p @ x  # only then constants may be moved
    loss_scale = np.abs(x - base).max() or 1.0
    scale = max(np.abs(part).max() for part, _ in parts) or 1.0
    parts = [
        (part / scale, None if offsets is None else offsets / (scale * loss_scale))
        for part, offsets in parts
    ]
    found = _solve((x - base) / loss_scale, parts, p)
    if found is None:
        _explain(x.shape, parts, p, scale)
    value, shares, scenario = found
    return SharedVector(
        float(value * scale * loss_scale + p @ x @ centre),
        shares * loss_scale + base / n,
        scenario * scale + centre,
    )


def _block(part, offsets, p):
    """Return an agent's rows: risk is min cost @ f subject to L xi - F f <= offsets.

    For a law, f holds the potentials of the states and of the points; for a Polyhedral
    its value.
    """
    from scipy.sparse import csr_array, eye_array, hstack, kron

    n = len(p)
    if offsets is None:
        m = len(part)
        rows = kron(eye_array(n), csr_array(part))
        states = kron(eye_array(n), np.ones((m, 1)))
        points = kron(np.ones((n, 1)), eye_array(m))
        cost = np.append(p, np.full(m, 1 / m))
        return rows, hstack([states, points]), cost, np.zeros(n * m)
    rows = csr_array((part * p[:, None]).reshape(len(part), -1))
    return rows, csr_array(np.ones((len(part), 1))), np.ones(1), offsets


def _solve(x, parts, p, box=None):
    """Minimise over the shares of all agents but the last, who takes the rest.

    Returns value, shares and scenario, or None if there is no minimum; with a ``box``
    shares are bounded by it.
    """
    from scipy.optimize import linprog
    from scipy.sparse import block_array, csr_array, hstack, vstack

    blocks = [_block(part, offsets, p) for part, offsets in parts]
    n, size = len(blocks), x.size
    rows, free, costs, limits = zip(*blocks)
    limits = [*limits[:-1], limits[-1] - rows[-1] @ x.ravel()]
    left = (
        -block_array(
            [[f if i == j else None for j in range(n)] for i, f in enumerate(free)]
        )
        if n > 1
        else -free[0]
    )
    if n > 1:
        own = block_array(
            [
                [r if i == j else None for j in range(n - 1)]
                for i, r in enumerate(rows[:-1])
            ]
        )
        left = hstack([vstack([own, hstack([-rows[-1]] * (n - 1))]), left])
    moved = (n - 1) * size
    cost = np.hstack([np.zeros(moved), *costs])
    bounds = np.full((len(cost), 2), (-np.inf, np.inf))
    if box is not None:
        bounds[:moved] = (-box, box)
    for method in ("highs-ipm", "highs-ds"):
        found = linprog(
            cost,
            A_ub=csr_array(left),
            b_ub=np.hstack(limits),
            bounds=bounds,
            method=method,
            options={"presolve": False},
        )
        if found.status == 0:
            break
    else:
        return None
    shares = np.empty((n, *x.shape))
    shares[:-1] = found.x[:moved].reshape(n - 1, *x.shape)
    shares[-1] = x - shares[:-1].sum(axis=0)
    multipliers = -found.ineqlin.marginals[: rows[0].shape[0]]
    scenario = (rows[0].T @ multipliers).reshape(x.shape) / p[:, None]
    return found.fun, shares, scenario


def _explain(shape, parts, p, scale):
    """Raise Unbounded with the bounded trade that lowers the total risk most."""
    recession = [
        (part, None if offsets is None else np.zeros(len(offsets)))
        for part, offsets in parts
    ]
    value, direction, _ = _solve(np.zeros(shape), recession, p, box=1.0)
    if value > -TOL:
        raise RuntimeError(
            "the linear programme was not solved: scale the losses and scenarios to "
            "comparable sizes"
        )
    rate = -value * scale
    raise Unbounded(
        f"a trade of at most 1 in each state and line lowers it by {rate:.6g} at every "
        "repetition; give the agents scenarios that overlap",
        direction,
        rate,
    )
