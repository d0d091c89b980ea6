r"""Shocks that travel along the supply chains of twenty invented firms.

Each firm buys from a few others.  In a year some firms are hit, by a lognormal loss s;
a part of each firm's loss is passed on to those who buy from it, and so on:

.. math:: X = s + W X, \qquad\text{so}\qquad X = (I - W)^{-1} s ,

where row i of W says which part of its suppliers' losses firm i bears.  The columns
of W sum to less than 1, so shocks die out.  In a strained year hits are more frequent
and losses larger.  A year that costs the firms more than a threshold strains the next
one, a quiet one relaxes it: what happens decides what is known.  Firms and numbers are
invented.
"""

import numpy as np

import dynpo_lite as dp
from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, Integers
from dynpo_lite.scenarios.from_paths import Sampler

N_YEARS = 3
SUPPLIERS, PASSED_ON = 3, 0.6  # of each firm; the part of a loss that is passed on
HIT = np.array([0.05, 0.08, 0.15])  # chance of a hit: quiet, uneasy, strained
SIZE = np.array([10.0, 12.0, 16.0])  # mean loss of a hit, EUR million
SPREAD = 1.0  # of its logarithm
EDGES = np.array([30.0, 80.0])  # of the year's total loss: quiet, uneasy, strained


def supply_matrix(n_firms: int, seed: int) -> Array:
    """Return W: row i says which part of every firm's loss firm i bears.

    Parameters
    ----------
    n_firms : int
        At least 4.
    seed : int

    Returns
    -------
    ndarray of shape (n_firms, n_firms)

    Examples
    --------
    Every firm passes the same part of its loss on, to three buyers.

    >>> W = supply_matrix(20, seed=1)
    >>> (W > 0).sum(axis=0).tolist() == [3] * 20, W.sum(axis=0).round(12).min().tolist()
    (True, 0.6)
    """
    rng = np.random.default_rng(seed)
    W = np.zeros((n_firms, n_firms))
    for supplier in range(n_firms):
        others = np.delete(np.arange(n_firms), supplier)
        W[rng.choice(others, SUPPLIERS, replace=False), supplier] = 1 / SUPPLIERS
    return PASSED_ON * W


def sampler(n_firms: int, seed: int) -> Sampler:
    """Return ``sample(t, state, size, rng)``, for ``lattice_from_sampler``.

    Parameters
    ----------
    n_firms : int
    seed : int
        Of the supply chains.
    """
    spread = np.linalg.inv(np.eye(n_firms) - supply_matrix(n_firms, seed))

    def sample(
        t: int, state: int, size: int, rng: np.random.Generator
    ) -> tuple[Array, Integers]:
        hit = rng.random((size, n_firms)) < HIT[state]
        loss = SIZE[state] * rng.lognormal(-(SPREAD**2) / 2, SPREAD, hit.shape)
        losses = (hit * loss) @ spread.T
        return losses, np.searchsorted(EDGES, losses.sum(axis=1))

    return sample


def attitudes(n_firms: int) -> list[dp.Distortion]:
    """Return the measures of the firms: three families in turn, ever more cautious."""
    mean, worst = dp.Expectation(), dp.ExpectedShortfall(0.95)
    kinds = [
        lambda u: dp.Mixture([mean, worst], [0.8 - u / 2, 0.2 + u / 2]),
        lambda u: dp.ProportionalHazard(0.8 - u / 4),
        lambda u: dp.ExpectedShortfall(0.6 + 0.35 * u),
    ]
    return [kinds[i % 3](i / n_firms) for i in range(n_firms)]


def network_economy(
    n_draws: int = 5_000, seed: int = 1, n_firms: int = 20, chains: int = 1
) -> dp.Economy:
    """Return the economy of the firms over three years, on a lattice.

    Parameters
    ----------
    n_draws : int
        From every year and state, at least 1.
    seed : int
        Of the draws, at least 0.
    n_firms : int
        At least 4.
    chains : int
        Seed of the supply chains, at least 0.

    Returns
    -------
    Economy
        Losses in EUR million; the first year is quiet.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> economy = network_economy(1_000)
    >>> economy.n_agents, economy.scenarios.n_nodes, economy.scenarios.n_arcs
    (20, 10, 7000)
    """
    n_firms = validate.integer("n_firms", n_firms, SUPPLIERS + 1)
    sample = sampler(n_firms, validate.integer("chains", chains, 0))
    n_draws = validate.integer("n_draws", n_draws, 1)
    made = dp.lattice_from_sampler(sample, len(EDGES) + 1, n_draws, N_YEARS, seed)
    return dp.Economy(made.lattice, made.endowments, attitudes(n_firms))


if __name__ == "__main__":
    print(dp.solve(network_economy(), surplus_split="load").summary())
