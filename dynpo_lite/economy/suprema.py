r"""The max-min problem of agents who use a supremum of distortions.

On the layers of one law, of widths :math:`d_j`, let :math:`k_{il}(u_j)` be the
distorted tails of the distortions ``l`` of agent ``i``.  The least total risk is

.. math:: \max_{\lambda}\; \sum_j d_j \min_i \sum_l \lambda_{il} k_{il}(u_j),
          \qquad \lambda_i \ge 0, \; \sum_l \lambda_{il} = 1,

a linear programme; its dual variables are the shares of the layers.
"""

import numpy as np

from dynpo_lite.base.lp import solve_lp
from dynpo_lite.base.types import Array
from dynpo_lite.risk.crossings import equal_shares


def saddle_shares(tails: list[Array], widths: Array) -> tuple[Array, Array, list]:
    """Solve the max-min problem of one node.

    Parameters
    ----------
    tails : list of ndarray of shape (n_parts_i, m)
        For each agent the distorted tails of its distortions on the layers.
    widths : ndarray of shape (m,)
        The widths of the layers, at least 0.

    Returns
    -------
    mixed : ndarray of shape (n_agents, m)
        The distorted tails under the worst mixtures.
    shares : ndarray of shape (n_agents, m)
        An optimal sharing of the layers; columns sum to 1.
    weights : list of ndarray
        The worst mixtures of each agent's distortions.

    References
    ----------
    Lemma 5.20 and part (ii) of Theorem 5.21 of the paper.

    Examples
    --------
    An agent who fears the larger of two tails, alone.

    >>> mixed, shares, weights = saddle_shares([np.array([[0.5], [0.75]])], np.ones(1))
    >>> mixed.tolist(), shares.tolist()
    ([[0.75]], [[1.0]])
    """
    from scipy.sparse import block_diag, csr_matrix, hstack, identity, vstack

    n, m = len(tails), len(widths)
    sizes = [len(k) for k in tails]
    wide = np.flatnonzero(widths > 1e-15 * widths.max(initial=0.0))
    weights = [np.full(size, 1.0 / size) for size in sizes]
    prices = np.zeros((n, m))
    if len(wide):
        d = widths[wide] / widths[wide].max()
        # maximise d . t over t_j <= sum_l lambda_il k_il(u_j), lambda_i on a simplex
        cost = np.concatenate([np.zeros(sum(sizes)), -d])
        mixtures = block_diag([csr_matrix(-k[:, wide].T) for k in tails])
        caps = hstack([mixtures, vstack([identity(len(wide))] * n)]).tocsr()
        sums = block_diag([csr_matrix(np.ones((1, size))) for size in sizes])
        sums = hstack([sums, csr_matrix((n, len(wide)))]).tocsr()
        bounds = [(0, 1)] * sum(sizes) + [(None, None)] * len(wide)
        found = solve_lp(cost, caps, np.zeros(n * len(wide)), sums, np.ones(n), bounds)
        prices[:, wide] = found.upper_prices.reshape(n, -1)
        parts = np.split(np.maximum(found.x, 0), np.cumsum(sizes))[:-1]
        weights = [p / p.sum() for p in parts]
    mixed = np.array([w @ k for w, k in zip(weights, tails, strict=True)])
    total = prices.sum(axis=0)
    # layers too thin to have a price go to the cheapest agents
    shares = np.where(total > 0, prices / np.where(total > 0, total, 1.0), 0.0)
    shares[:, total == 0] = equal_shares(mixed[:, total == 0])
    return mixed, shares, weights
