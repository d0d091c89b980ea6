r"""Storm losses of three invented insurers: the model behind the shipped example.

A storm index, standard normal in every year, carries over from year to year,

.. math:: Z_1 = \varepsilon_1, \qquad
          Z_t = \varphi Z_{t-1} + \sqrt{1 - \varphi^2}\,\varepsilon_t ,

and moves the losses of all insurers; what it leaves open is each insurer's own,

.. math:: X_t^i = e_i \exp\{b_i Z_t + s_i \eta_t^i - (b_i^2 + s_i^2) / 2\} ,

with independent standard normal :math:`\varepsilon_t` and :math:`\eta_t^i`.  So the
losses are lognormal with mean :math:`e_i`, the exposure; the storm loading :math:`b_i`
is the standard deviation of their logarithm due to the common index, :math:`s_i` that
due to the insurer.  Companies and numbers are invented.

The shipped tree (``data/weather/nodes.csv``) holds the means of groups of such
paths; ``tests/random_economies.py`` says of how many, and makes it again.
"""

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.types import Array

NAMES = ("Coast", "Hills", "Plain")
EXPOSURE = np.array([120.0, 60.0, 80.0])  # EUR million a year
STORM_LOADING = np.array([0.8, 0.5, 0.3])
OWN_SPREAD = np.array([0.4, 0.5, 0.6])
PERSISTENCE = 0.6
N_YEARS = 3


def simulate(n_paths: int, seed: int, persistence: float = PERSISTENCE) -> Array:
    """Simulate the losses of the three insurers over three years.

    Parameters
    ----------
    n_paths, seed, persistence
        As for :func:`simulate_with_index`.

    Returns
    -------
    ndarray of shape (n_paths, 3, 3)
        Losses in EUR million: path, year, insurer in the order of ``NAMES``.

    Raises
    ------
    TypeError, ValueError
        If an argument lies outside its domain.

    Examples
    --------
    >>> losses = simulate(100_000, seed=1)
    >>> losses.shape, losses.mean(axis=0)[-1].round().tolist()  # the exposures
    ((100000, 3, 3), [120.0, 60.0, 80.0])
    """
    return simulate_with_index(n_paths, seed, persistence)[0]


def simulate_with_index(
    n_paths: int, seed: int, persistence: float = PERSISTENCE
) -> tuple[Array, Array]:
    """Simulate the losses and the storm index, which is all that the past tells.

    Parameters
    ----------
    n_paths : int
        At least 1.
    seed : int
        Of ``numpy.random.default_rng``, at least 0.
    persistence : float
        The correlation of the storm index in neighbouring years, in [0, 1].

    Returns
    -------
    losses : ndarray of shape (n_paths, 3, 3)
        In EUR million: path, year, insurer in the order of ``NAMES``.
    index : ndarray of shape (n_paths, 3)
        Of each year.

    Raises
    ------
    TypeError, ValueError
        If an argument lies outside its domain.

    Examples
    --------
    >>> losses, index = simulate_with_index(100_000, seed=1)
    >>> round(float(np.corrcoef(index[:, 0], index[:, 1])[0, 1]), 2)
    0.6
    """
    n_paths = validate.integer("n_paths", n_paths, 1)
    rng = np.random.default_rng(validate.integer("seed", seed, 0))
    persistence = validate.number("persistence", persistence, 0, 1)
    index = rng.standard_normal((n_paths, N_YEARS))
    own = rng.standard_normal((n_paths, N_YEARS, len(NAMES)))
    for t in range(1, N_YEARS):
        news = np.sqrt(1 - persistence**2) * index[:, t]
        index[:, t] = persistence * index[:, t - 1] + news
    drift = (STORM_LOADING**2 + OWN_SPREAD**2) / 2
    storms = STORM_LOADING * index[:, :, None]
    return EXPOSURE * np.exp(storms + OWN_SPREAD * own - drift), index
