r"""Storm losses of four invented insurers in five regions, in a warming climate.

A regime, calm or stormy, is known at the start of each year and changes as a Markov
chain.  In region r the storms of year t are Poisson, with mean :math:`\lambda_r`, twice
as many in a stormy year as in a calm one where the region is exposed to the regime; the
loss of each is

.. math:: (1 + g)^t \, m_r \min\{U^{-1/\alpha_r}, c\}, \qquad U \sim U(0, 1) ,

a Pareto law with index :math:`\alpha_r` between 1.2 and 2, capped at c times its least
value :math:`m_r`; g is the trend.  Each insurer pays its part of the losses of each
region.  Companies and numbers are invented.
"""

import numpy as np

import dynpo_lite as dp
from dynpo_lite.base import validate
from dynpo_lite.base.types import Array, Integers

NAMES = ("Global", "Atlantic", "Gulf", "Plains")
REGIONS = ("Gulf coast", "East coast", "Plains", "West", "Overseas")
N_YEARS = 5
TREND = 0.04  # a year
CAP = 50.0  # of the least loss of a storm
LEAST = np.array([12.0, 10.0, 6.0, 5.0, 8.0])  # USD million
INDEX = np.array([1.2, 1.4, 1.8, 2.0, 1.5])  # of the Pareto laws
STORMS = np.array(  # a year, in each region, when calm and when stormy
    [[0.8, 0.6, 2.0, 1.5, 1.0], [1.6, 1.2, 2.0, 1.0, 1.0]]
)
CHANGE = np.array([0.3, 0.45])  # chance that a calm, a stormy year ends its regime
PARTS = np.array(  # of the losses of each region, for each insurer
    [
        [0.2, 0.2, 0.2, 0.6, 1.0],
        [0.1, 0.6, 0.0, 0.1, 0.0],
        [0.6, 0.1, 0.0, 0.0, 0.0],
        [0.1, 0.1, 0.8, 0.3, 0.0],
    ]
)
ATTITUDES = (
    dp.Mixture([dp.Expectation(), dp.ExpectedShortfall(0.9)], [0.7, 0.3]),
    dp.ProportionalHazard(0.75),
    dp.ExpectedShortfall(0.9),
    dp.Wang(0.9),
)


def draw(
    t: int, state: int, size: int, rng: np.random.Generator
) -> tuple[Array, Integers]:
    """Draw a year's losses and the regime of the next, for ``lattice_from_sampler``.

    Parameters
    ----------
    t : int
        The losses are those of time t + 1.
    state : int
        0 if the year is calm, 1 if it is stormy.
    size : int
    rng : numpy.random.Generator

    Returns
    -------
    losses : ndarray of shape (size, 4)
    state : ndarray of shape (size,)

    Examples
    --------
    >>> losses, regime = draw(0, 0, 100_000, np.random.default_rng(1))
    >>> losses.shape, round(float(regime.mean()), 1)
    ((100000, 4), 0.3)
    """
    regions = np.empty((size, len(REGIONS)))
    for r, mean in enumerate(STORMS[state]):
        count = rng.poisson(mean, size)
        storms = np.minimum(rng.random(count.sum()) ** (-1 / INDEX[r]), CAP)
        year = np.repeat(np.arange(size), count)
        regions[:, r] = LEAST[r] * np.bincount(year, storms, minlength=size)
    after = np.where(rng.random(size) < CHANGE[state], 1 - state, state)
    return (1 + TREND) ** (t + 1) * regions @ PARTS.T, after


def climate_economy(n_draws: int = 20_000, seed: int = 1) -> dp.Economy:
    """Return the economy of the four insurers over five years, on a lattice.

    Parameters
    ----------
    n_draws : int
        From every year and regime, at least 1.
    seed : int
        At least 0.

    Returns
    -------
    Economy
        Losses in USD million; the first year is calm.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    Nine pairs of year and regime, and the end in either.

    >>> economy = climate_economy(1_000)
    >>> economy.scenarios.n_nodes, economy.scenarios.n_arcs
    (11, 9000)
    """
    n_draws = validate.integer("n_draws", n_draws, 1)
    made = dp.lattice_from_sampler(draw, len(STORMS), n_draws, N_YEARS, seed)
    return dp.Economy(made.lattice, made.endowments, ATTITUDES)


if __name__ == "__main__":
    print(dp.solve(climate_economy(), surplus_split="load").summary(NAMES))
