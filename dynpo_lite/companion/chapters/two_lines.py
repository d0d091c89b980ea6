"""A portfolio of fire and flood, and two companies that share it."""

import numpy as np

import dynpo_lite as dp


def spectrum(distortion, n_states):
    """Return by what a distortion multiplies losses, from the largest downwards.

    Examples
    --------
    >>> spectrum(dp.ExpectedShortfall(0.5), 4).tolist()
    [2.0, 2.0, 0.0, 0.0]
    """
    return n_states * np.diff(distortion(np.arange(n_states + 1) / n_states))


def with_dependence(first, second, part):
    """Sort the second line, opposed at first, by rounds of swaps between neighbours.

    Parameters
    ----------
    first, second : ndarray of shape (n_states,)
        Losses of two lines in equally likely states.
    part : float
        Part of the rounds performed: 0 leaves the lines opposed, 1 comonotone.

    Returns
    -------
    ndarray of shape (n_states, 2)

    Examples
    --------
    >>> with_dependence([1, 2, 3], [7, 8, 9], 0).tolist()
    [[1, 9], [2, 8], [3, 7]]
    >>> with_dependence([1, 2, 3], [7, 8, 9], 1).tolist()
    [[1, 7], [2, 8], [3, 9]]
    """
    x, y = np.sort(first), np.sort(second)[::-1].copy()
    for turn in range(round(part * len(x))):
        low, high = y[turn % 2 : -1 : 2].copy(), y[turn % 2 + 1 :: 2].copy()
        y[turn % 2 : -1 : 2] = np.minimum(low, high)
        y[turn % 2 + 1 :: 2] = np.maximum(low, high)
    return np.column_stack([x, y])


def fire_and_flood(n_states):
    """Return the losses of both lines: exponential and Pareto quantiles, rising."""
    middles = (np.arange(n_states) + 0.5) / n_states
    return -5 * np.log(1 - middles), 4 * (1 - middles) ** -0.5


def two_companies(n_states, shortfall_level, seed):
    """Return the fears of both companies, points of shape (n_states, 2) and mean 1.

    Company A fears above all that both lines are bad together, with the weights of
    Expected Shortfall; company B extremes of either line, with those of a proportional
    hazard, coupled at random.
    """
    rng = np.random.default_rng(seed)
    a = spectrum(dp.ExpectedShortfall(shortfall_level), n_states)
    b = spectrum(dp.ProportionalHazard(0.4), n_states)
    return [
        np.column_stack([a, (a + rng.permutation(a)) / 2]),
        np.column_stack([b, rng.permutation(b)]),
    ]
