"""Risk vectors, against POT, scipy's assignment and other linear programmes.

Called by run.py in the environment .venv-bench.
"""

import sys
import warnings
from functools import partial

import cvxpy as cp
import numpy as np
import ot
from race import Peer, Target, header, race, same
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import block_diag, csr_array, eye_array, hstack, kron, vstack

import dynpo_lite as dp

SEED = 20260319


def main():
    """Print the rows."""
    quick = "--quick" in sys.argv
    header()
    one_line(10**5 if quick else 10**6)
    several_lines(200 if quick else 2000, 2)
    sharing(30 if quick else 100, 2)


def draws(n, d):
    """Return losses, and baselines of equal means."""
    rng = np.random.default_rng(SEED)
    x, baselines = rng.lognormal(0.0, 1.0, (n, d)), rng.lognormal(0.0, 0.5, (2, n, d))
    return x, list(baselines / baselines.mean(axis=1, keepdims=True))


# max-correlation ----------------------------------------------------------------


def one_line(n):
    """Dimension one: sorting."""
    x, (y, _) = draws(n, 1)

    def two_sorts():
        np.sort(x[:, 0])
        np.sort(y[:, 0])

    def by_distance(cost):  # of the squares, from the distance of the laws
        return ((x**2).mean() + (y**2).mean() - cost) / 2

    race(
        f"max-correlation, d = 1, {n:,} states",
        lambda: dp.max_correlation_risk(x, y),
        [
            Peer("two sorts", two_sorts),
            Peer("POT emd2_1d", lambda: ot.emd2_1d(x, y), by_distance),
        ],
        Target(1.5, "two sorts"),
    )


def several_lines(n, d):
    """Optimal transport: POT's network simplex, as ours uses, and an assignment."""
    x, (y, _) = draws(n, d)

    def assignment():
        gain = x @ y.T
        rows, columns = linear_sum_assignment(gain, maximize=True)
        return gain[rows, columns].mean()

    def transport():
        gain = x @ y.T
        mass = np.full(n, 1 / n)
        return gain.max() - ot.emd2(mass, mass, gain.max() - gain, numItermax=10**9)

    race(
        f"max-correlation, d = {d}, {n:,} states",
        lambda: dp.max_correlation_risk(x, y),
        [
            Peer("POT emd2", transport, same),
            Peer("scipy assignment", assignment, same),
        ],
        Target(1.2, "POT emd2"),
        seconds=3.0,
    )


# sharing ------------------------------------------------------------------------


def sharing(n, d):
    """The inf-convolution of two agents, against programmes over doubly stochastic."""
    x, agents = draws(n, d)
    race(
        f"sharing between 2 agents, d = {d}, {n} states",
        lambda: dp.vector_inf_convolution(x, agents),
        [
            Peer(
                f"HiGHS {method}, couplings",
                partial(couplings, x, agents, method),
                same,
            )
            for method in ("ipm", "ds")
        ]
        + [
            Peer(
                "cvxpy with Clarabel, couplings", partial(conic, x, agents), rounded(x)
            )
        ],
        Target(0.5),
        answer=lambda shared: shared.value,
    )


def couplings(x, agents, method):
    """The largest pairing with a scenario that averages every baseline."""
    n, d = x.shape
    own = vstack(
        [kron(eye_array(n), np.ones((1, n))), kron(np.ones((1, n)), eye_array(n))]
    )
    means = [
        vstack([kron(eye_array(n), csr_array(y[:, [j]].T)) for j in range(d)])
        for y in agents
    ]
    equal = vstack(
        [block_diag([own, own]), hstack([means[0], -means[1]])], format="csc"
    )
    limits = np.append(np.full(4 * n, 1 / n), np.zeros(n * d))
    cost = np.append(-(x @ agents[0].T).ravel(), np.zeros(n * n))
    return -linprog(cost, A_eq=equal, b_eq=limits, method=f"highs-{method}").fun


def conic(x, agents):
    """The same, written for cvxpy."""
    n = len(x)
    plans = [cp.Variable((n, n), nonneg=True) for _ in agents]
    rules = [cp.sum(plan, axis=axis) == 1 / n for plan in plans for axis in (0, 1)]
    rules.append(plans[0] @ agents[0] == plans[1] @ agents[1])
    aim = cp.Maximize(cp.sum(cp.multiply(x, plans[0] @ agents[0])))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cp.Problem(aim, rules).solve(solver=cp.CLARABEL)


def rounded(x):
    """Accept what an interior point method without crossover leaves open: 1e-7."""
    exact = dp.vector_inf_convolution(*draws(*x.shape)).value

    def answer(found):
        assert abs(found - exact) < 1e-7 * abs(exact), (found, exact)
        return exact

    return answer


if __name__ == "__main__":
    main()
