r"""Credit losses of three invented banks along the states of the economy.

The state, from boom to crisis, is a Markov chain.  In a year that ends in state s the
part of its loans that bank i loses is that of a large portfolio in one factor,

.. math:: \Phi\Bigl(\frac{\Phi^{-1}(p_s) + \sqrt\rho\, Y_i}{\sqrt{1 - \rho}}\Bigr),
          \qquad Y_i = \sqrt c\, Z + \sqrt{1 - c}\, W_i ,

with independent standard normal Z and :math:`W_i`, times its loans and the part lost at
default.  What can happen in a year given its end is a fixed number of draws, the same
every year, so the economy is a lattice of any length.  Banks and numbers are invented.
"""

import numpy as np

import dynpo_lite as dp
from dynpo_lite.base import validate
from dynpo_lite.base.types import Array

NAMES = ("Harbour", "Valley", "Union")
STATES = ("boom", "steady", "slack", "crisis")
CHAIN = np.array(
    [
        [0.60, 0.35, 0.05, 0.00],
        [0.15, 0.65, 0.17, 0.03],
        [0.05, 0.30, 0.50, 0.15],
        [0.00, 0.15, 0.40, 0.45],
    ]
)
START = 1  # steady
DEFAULTS = np.array([0.005, 0.012, 0.03, 0.07])  # p, by state
RHO, COMMON = 0.15, 0.5
LOANS = np.array([1500.0, 1000.0, 2000.0])  # EUR million
LOST = 0.45  # at default
ATTITUDES = (
    dp.ExpectedShortfall(0.8),
    dp.ProportionalHazard(0.7),
    dp.Mixture([dp.Expectation(), dp.ExpectedShortfall(0.95)], [0.8, 0.2]),
)


def draw_losses(n_draws: int, seed: int) -> Array:
    """Draw a year's losses of every bank, for every state at the end of the year.

    Parameters
    ----------
    n_draws : int
    seed : int

    Returns
    -------
    ndarray of shape (3, 4, n_draws)
        In EUR million.

    Examples
    --------
    On average each state's part of the loans defaults.

    >>> losses = draw_losses(100_000, seed=1)
    >>> (losses[0].mean(axis=1) / LOANS[0] / LOST).round(3).tolist()
    [0.005, 0.012, 0.03, 0.07]
    """
    from scipy.special import ndtr, ndtri

    rng = np.random.default_rng(seed)
    common = rng.standard_normal((1, len(STATES), n_draws))
    own = rng.standard_normal((len(NAMES), len(STATES), n_draws))
    factor = np.sqrt(COMMON) * common + np.sqrt(1 - COMMON) * own
    barrier = ndtri(DEFAULTS)[None, :, None]
    rate = ndtr((barrier + np.sqrt(RHO) * factor) / np.sqrt(1 - RHO))
    return LOANS[:, None, None] * LOST * rate


def credit_economy(horizon: int = 40, n_draws: int = 200, seed: int = 1) -> dp.Economy:
    """Return the economy of the three banks, on a lattice.

    Parameters
    ----------
    horizon : int
        Years, at least 1.
    n_draws : int
        For every state at the end of a year, at least 1.
    seed : int
        At least 0.

    Returns
    -------
    Economy
        Losses in EUR million; now is steady.  Arcs are ordered by year, state, next
        state and draw; those of one pair of states carry the draws of the next state.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> economy = credit_economy(horizon=2, n_draws=9)
    >>> economy.scenarios.n_nodes, economy.scenarios.n_arcs
    (9, 162)
    """
    horizon = validate.integer("horizon", horizon, 1)
    n_draws = validate.integer("n_draws", n_draws, 1)
    losses = draw_losses(n_draws, validate.integer("seed", seed, 0))
    chain = dp.ScenarioLattice.from_chain([CHAIN[[START]], *[CHAIN] * (horizon - 1)])
    source, target, chance = (
        np.repeat(arcs, n_draws)
        for arcs in (chain.source, chain.target, chain.probability / n_draws)
    )
    lattice = dp.ScenarioLattice(source, target, chance)
    state = (chain.target - 1) % len(STATES)
    return dp.Economy(lattice, losses[:, state].reshape(len(NAMES), -1), ATTITUDES)


if __name__ == "__main__":
    print(dp.solve(credit_economy(), surplus_split="load").summary(NAMES))
