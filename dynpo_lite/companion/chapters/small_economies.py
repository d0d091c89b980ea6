"""The economies of the chapters: one small tree for all, and random ones for checks."""

import numpy as np

import dynpo_lite as dp

# families of distortions, and between what a random one's number lies
FAMILIES = (
    (dp.ExpectedShortfall, 0.1, 0.9),
    (dp.ProportionalHazard, 0.3, 1.0),
    (dp.DualPower, 1.0, 4.0),
)


def four_leaf_economy():
    """Return the economy on which the chapters show every notion.

    Two agents, two periods, four leaves (probabilities given the parent)::

        node         1    2      3    4    5    6
        parent       0    0      1    1    2    2
        probability  1/2  1/2    1/2  1/2  3/4  1/4
        agent 1 pays 0    2      0    4    0    8
        agent 2 pays 2    0      2    0    4    4

    Agent 1 uses Expected Shortfall at level 1/2 everywhere; agent 2 the mean, but
    Expected Shortfall at level 3/4 at node 2.

    Returns
    -------
    Economy

    Examples
    --------
    >>> economy = four_leaf_economy()
    >>> economy.aggregate.tolist()
    [0.0, 2.0, 2.0, 2.0, 4.0, 4.0, 12.0]
    >>> economy.risk_without_trade("conditional")[:, :3].tolist()
    [[6.0, 4.0, 4.0], [3.5, 1.0, 4.0]]
    """
    tree = dp.ScenarioTree([-1, 0, 0, 1, 1, 2, 2], [1, *[0.5] * 4, 0.75, 0.25])
    endowments = [[0, 0, 2, 0, 4, 0, 8], [0, 2, 0, 2, 0, 4, 4]]
    mean, severe = dp.Expectation(), dp.ExpectedShortfall(0.75)
    agents = [dp.ExpectedShortfall(0.5), {0: mean, 1: mean, 2: severe}]
    return dp.Economy(tree, endowments, agents)


def random_economy(rng, horizon=2, n_agents=2, suprema=False):
    """Return an economy drawn at random: small, with unequal families and measures.

    Parameters
    ----------
    rng : numpy.random.Generator
    horizon, n_agents : int
    suprema : bool
        Whether agents may use a supremum of two distortions.

    Returns
    -------
    Economy
        Every node has one to three children, so there are ties and sure steps; every
        agent has a measure of its own at every node; endowments may be gains.

    Examples
    --------
    >>> economy = random_economy(np.random.default_rng(1), horizon=3, n_agents=4)
    >>> economy.tree.horizon, economy.n_agents
    (3, 4)
    """
    parent, probability, nodes = [-1], [1.0], range(1)
    for _ in range(horizon):
        for v in nodes:
            # the root always branches, so that something is learnt
            count = int(rng.integers(2 if v == 0 else 1, 4))
            parent += [v] * count
            probability += rng.dirichlet(np.full(count, 2.0)).tolist()
        nodes = range(nodes.stop, len(parent))
    tree = dp.ScenarioTree(parent, probability)
    endowments = rng.normal(2.0, 3.0, (n_agents, tree.n_nodes)).round(1)
    inner = range(tree.n_inner)
    agents = [{v: _measure(rng, suprema) for v in inner} for _ in range(n_agents)]
    return dp.Economy(tree, endowments, agents)


def random_allocation(rng, economy, spread=2.0):
    """Return an allocation drawn at random: the endowments plus noise summing to zero.

    Returns
    -------
    ndarray of shape (n_agents, n_nodes)

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> economy = four_leaf_economy()
    >>> drawn = random_allocation(rng, economy)
    >>> bool(np.allclose(drawn.sum(axis=0), economy.aggregate))
    True
    """
    noise = rng.normal(0.0, spread, economy.endowments.shape)
    noise -= noise.mean(axis=0)
    noise[:, 0] = 0.0
    return economy.endowments + noise


def _measure(rng, suprema):
    if suprema and rng.random() < 0.4:
        return dp.Supremum([_distortion(rng), _distortion(rng)])
    return _distortion(rng)


def _distortion(rng):
    kind = rng.integers(5)
    if kind == 0:
        return dp.Expectation()
    if kind < 4:
        family, low, high = FAMILIES[kind - 1]
        return family(float(rng.uniform(low, high)))
    weight = float(rng.uniform(0.1, 0.9))
    shortfall = dp.ExpectedShortfall(float(rng.uniform(0.3, 0.9)))
    return dp.Mixture([dp.Expectation(), shortfall], [weight, 1 - weight])
