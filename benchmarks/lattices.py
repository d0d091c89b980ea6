"""Lattices and certificates, against plain numpy recursions and the unrolled tree.

lattices.py           the rows of a race
lattices.py --quick   small sizes
"""

import sys
from functools import partial, reduce

import numpy as np
from economies import economy, total
from race import Peer, Target, header, race, same

import dynpo_lite as dp

SEED = 20261121
# Mixtures of the mean (level 0) and Expected Shortfalls: level -> weight.  Each agent
# is the cheapest on some layer.
MIXTURES = (
    {0.0: 0.2, 0.5: 0.8},
    {0.0: 0.78, 0.5: 0.18, 0.98: 0.04},
    {0.0: 0.81, 0.99: 0.19},
)
AGENTS = [
    dp.Mixture([dp.ExpectedShortfall(a) for a in parts], list(parts.values()))
    for parts in MIXTURES
]


def main():
    """Print the rows."""
    quick = "--quick" in sys.argv
    header()
    unrolled(4, 5)
    horizon, states, n_paths = (6, 20, 2000) if quick else (50, 300, 100_000)
    goals = [None] * 3 if quick else [0.3, 1.5, 0.3]
    limits = [goal and Target(goal) for goal in goals]
    losses_on_nodes(horizon, states, limits[0])
    losses_on_arcs(horizon, states, limits[1])
    paths(n_paths, 3 if quick else 5, limits[2])
    many_stages(50 if quick else 1000)
    certificate(10, 2 if quick else 4, None if quick else Target(0.1))
    if not quick:
        certificate(100, 3, Target(8.0))
    certificate_of_suprema(10, 2 if quick else 3, None if quick else Target(10.0))


# chains -------------------------------------------------------------------------


def chain(horizon, states):
    """Return the transitions of a dense chain, from one state known at time 0."""
    rng = np.random.default_rng(SEED)
    rows = [1] + [states] * (horizon - 1)
    return [rng.dirichlet(np.ones(states), size) for size in rows]


def unrolled(horizon, states):
    """V of a chain, and of the tree of all its paths."""
    transitions = chain(horizon, states)
    lattice = dp.ScenarioLattice.from_chain(transitions)
    losses = np.random.default_rng(SEED).lognormal(size=(3, lattice.n_nodes))
    own = dp.Economy(lattice, losses, AGENTS)
    tree = own.to_tree()
    race(
        f"V of a chain, {horizon} x {states} states",
        partial(dp.solve, own),
        [
            Peer(
                f"the tree of {tree.tree.n_nodes:,} nodes",
                partial(dp.solve, tree),
                lambda solution: solution.total_risk_to_go[0],
            )
        ],
        answer=lambda solution: solution.total_risk_to_go[0],
    )


def least(s):
    """The least distorted tail of the agents."""
    tails = {a: np.minimum(s / (1 - a), 1.0) for a in (0.0, 0.5, 0.98, 0.99)}
    mixed = (sum(w * tails[a] for a, w in parts.items()) for parts in MIXTURES)
    return reduce(np.minimum, mixed)


def by_stage(transitions, shared):
    """V of all nodes; ``shared(t, value, p)``: what is shared at t + 1, down, and p."""
    found = [np.zeros(transitions[-1].shape[1])]
    for t in range(len(transitions) - 1, -1, -1):
        z, p = shared(t, found[0], transitions[t])
        k = least(np.minimum(np.cumsum(p, axis=1), 1.0))
        layers = (z[..., :-1] - z[..., 1:]) * k[:, :-1]
        found.insert(0, layers.sum(axis=1) + z[..., -1])
    return np.concatenate(found)


def losses_on_nodes(horizon, states, target):
    """V where losses are paid on arrival; then all of the solution."""
    transitions = chain(horizon, states)
    lattice = dp.ScenarioLattice.from_chain(transitions)
    losses = np.random.default_rng(SEED).lognormal(size=(3, lattice.n_nodes))
    own = dp.Economy(lattice, losses, AGENTS)
    aggregate = losses.sum(axis=0)

    def once(t, value, p):  # one order for all nodes of a stage
        z = aggregate[lattice.nodes(t + 1)] + value
        order = np.argsort(-z)
        return z[order], p[:, order]

    what = f"{horizon} x {states} states, losses on nodes"
    race(
        f"V of a chain, {what}",
        partial(dp.solve, own),
        [Peer("numpy, stage by stage", partial(by_stage, transitions, once), same)],
        target,
        8.0,
        total,
    )
    race(
        f"full solution of a chain, {what}",
        partial(everything, own),
        [Peer("V alone", partial(dp.solve, own))],
        target and Target(8.0, "V alone"),
        8.0,
    )


def everything(own):
    """Allocation, risks and premia, nothing of it known from an earlier call."""
    solution = dp.solve(dp.Economy(own.scenarios, own.endowments, own.agents))
    return solution.allocation, solution.risk_to_go, solution.premium_interval


def losses_on_arcs(horizon, states, target):
    """V where every arc has losses of its own."""
    transitions = chain(horizon, states)
    lattice = dp.ScenarioLattice.from_chain(transitions)
    losses = np.random.default_rng(SEED).lognormal(size=(3, lattice.n_arcs))
    own = dp.Economy(lattice, losses, AGENTS)
    ends = np.cumsum([p.size for p in transitions])[:-1]
    parts = np.split(losses.sum(axis=0), ends)

    def each(t, value, p):
        z = parts[t].reshape(p.shape) + value
        order = np.argsort(-z, axis=1)
        return np.take_along_axis(z, order, 1), np.take_along_axis(p, order, 1)

    race(
        f"V of a chain, {lattice.n_arcs:,} arcs with losses",
        partial(dp.solve, own),
        [Peer("numpy, stage by stage", partial(by_stage, transitions, each), same)],
        target,
        10.0,
        total,
    )


def many_stages(horizon):
    """A long chain of two states."""
    transitions = chain(horizon, 2)
    lattice = dp.ScenarioLattice.from_chain(transitions)
    losses = np.random.default_rng(SEED).lognormal(size=(3, lattice.n_arcs))
    own = dp.Economy(lattice, losses, AGENTS)
    race(
        f"V of {horizon:,} stages of two states",
        partial(dp.solve, own),
        [Peer("numpy, node by node", partial(node_by_node, own), same)],
        None,
        2.0,
        total,
    )


def node_by_node(own):
    """V of a lattice by a loop over its nodes."""
    lattice, aggregate = own.scenarios, own.aggregate
    value = np.zeros(lattice.n_nodes)
    order = np.argsort(lattice.source, kind="stable")
    edges = np.searchsorted(lattice.source[order], np.arange(lattice.n_nodes + 1))
    for v in range(lattice.first[lattice.horizon] - 1, -1, -1):
        arcs = order[edges[v] : edges[v + 1]]
        z = aggregate[arcs] + value[lattice.target[arcs]]
        down = np.argsort(-z)
        z, p = z[down], lattice.probability[arcs[down]]
        k = least(np.minimum(np.cumsum(p), 1.0))
        value[v] = (z[:-1] - z[1:]) @ k[:-1] + z[-1]
    return value


def paths(n_paths, horizon, target):
    """V of simulated paths that all keep their losses, and the making of it."""
    losses = np.random.default_rng(SEED).lognormal(size=(n_paths, horizon, 3))
    groups = 8 if n_paths > 10_000 else 3
    made = dp.lattice_from_paths(losses, groups=groups)
    own = dp.Economy(made.lattice, made.endowments, AGENTS)
    name = f"{n_paths:,} paths, {horizon} periods, {made.lattice.n_nodes:,} nodes"
    race(
        f"V of {name}",
        partial(dp.solve, own),
        [Peer("numpy, node by node", partial(node_by_node, own), same)],
        target,
        4.0,
        total,
    )
    race(
        f"lattice of {name}",
        partial(dp.lattice_from_paths, losses, groups=groups),
        [Peer("V of it", partial(dp.solve, own))],
        None,
        4.0,
    )


# certificates -------------------------------------------------------------------


def certificate(branching, horizon, target):
    """What trade could save at the worst node of an economy without trade."""
    own = economy(branching, horizon)
    own = dp.Economy(own.tree, own.endowments, AGENTS)
    size = own.tree.n_nodes
    peers = [Peer("V alone", partial(dp.solve, own))]
    if size < 20_000:
        peers.append(Peer("numpy, node by node", partial(savings, own), same))
    race(
        f"certificate, {size:,} nodes",
        partial(checked, own),
        peers,
        target,
        20.0 if size > 20_000 else 4.0,
        lambda report: report.gap,
    )


def checked(own):
    """Check an allocation, nothing of it known from an earlier call."""
    fresh = dp.Economy(own.scenarios, own.endowments, own.agents)
    return dp.check_allocation(fresh, fresh.endowments)


def savings(own):
    """The largest saving, by a loop over the nodes."""
    tree = own.tree
    risk, saved = np.zeros((own.n_agents, tree.n_nodes)), 0.0
    families = np.split(
        np.arange(1, tree.n_nodes), np.flatnonzero(np.diff(tree.parent[1:])) + 1
    )
    for after in reversed(families):
        v, p, carried = tree.parent[after[0]], tree.probability[after], []
        for i, agent in enumerate(own.agents):
            z = own.endowments[i, after] + risk[i, after]
            carried.append(z)
            down = np.argsort(-z)
            tail = np.minimum(np.cumsum(p[down]), 1.0)
            risk[i, v] = np.diff(agent(tail), prepend=0.0) @ z[down]
        z = np.sum(carried, axis=0)
        down = np.argsort(-z)
        k = least(np.minimum(np.cumsum(p[down]), 1.0))
        bound = np.diff(k, prepend=0.0) @ z[down]
        saved = max(saved, risk[:, v].sum() - bound)
    return saved


def certificate_of_suprema(branching, horizon, target):
    """The same where one agent fears the worst of two measures."""
    own = economy(branching, horizon)
    feared = dp.Supremum([AGENTS[0], dp.ExpectedShortfall(0.25)])
    own = dp.Economy(own.tree, own.endowments, [feared, *AGENTS[1:]])
    race(
        f"certificate with a supremum, {own.tree.n_nodes:,} nodes",
        partial(checked, own),
        [Peer("V alone", partial(dp.solve, own))],
        target,
        10.0,
    )


if __name__ == "__main__":
    main()
