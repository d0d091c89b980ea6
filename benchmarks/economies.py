"""Whole economies and comonotone improvement, against linear programming and aggregate.

economies.py           the rows of a race
economies.py --quick   small sizes
economies.py --growth  how the time grows; writes book/speed_table.md and its picture
"""

import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from race import Peer, Target, header, race, same, shortest
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

import dynpo_lite as dp

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from measured import sealed

SEED = 20260319
BOOK = Path(__file__).resolve().parents[1] / "book"
LEVELS = (0.7, 0.9, 0.97)


def main():
    """Print the rows, or measure the growth."""
    if "--growth" in sys.argv:
        growth()
        return
    quick = "--quick" in sys.argv
    header()
    totals(10, 2 if quick else 4, 1e-3, full=True)
    if not quick:
        totals(100, 3, 60e-3, full=False)
    whole_programme(10, 2)
    improvement(2, 1000 if quick else 100_000, Target(20e-3))
    # one call of aggregate takes minutes on 10,000 states
    sizes = (100, 1000, 10_000) if "--large" in sys.argv else (100, 1000)
    for n_agents in (3, 10):
        for n_states in sizes:
            improvement(n_agents, n_states, Target(1.0, "aggregate"))


# economies ----------------------------------------------------------------------


def economy(branching, horizon, n_agents=3, seed=SEED):
    """Return an economy on a regular tree, agents with Expected Shortfall."""
    sizes = [branching**t for t in range(horizon + 1)]
    n = sum(sizes)
    parent = np.append(-1, np.repeat(np.arange(n - sizes[-1]), branching))
    tree = dp.ScenarioTree(parent, np.append(1.0, np.full(n - 1, 1 / branching)))
    losses = np.random.default_rng(seed).lognormal(0.0, 1.0, (n_agents, n))
    levels = np.linspace(LEVELS[0], LEVELS[-1], n_agents)
    agents = [
        dp.Mixture([dp.Expectation(), dp.ExpectedShortfall(a)], [1 - a, a])
        for a in levels
    ]
    tree.branches  # noqa: B018  made once, as by every later call
    return dp.Economy(tree, losses, agents)


def totals(branching, horizon, limit, full):
    """V by the package, and by a linear programme a node."""
    own = economy(branching, horizon)
    name = f"V of {own.tree.n_nodes:,} nodes, 3 agents"
    peers = []
    if own.tree.n_nodes < 20_000:
        peers.append(Peer("HiGHS, a node a time", partial(node_programmes, own), same))
    peers.append(Peer("sort only", partial(sort_only, own)))
    race(name, lambda: dp.solve(own), peers, Target(limit), 3.0, total)
    if full:
        race(
            f"full solution, {own.tree.n_nodes:,} nodes",
            partial(everything, own),
            peers[:1],
            Target(50e-3),
            3.0,
            lambda found: found[0],
        )


def total(solution):
    """Return V at all nodes."""
    return solution.total_risk_to_go


def everything(own):
    """Allocation, premia and the layers of all nodes."""
    fresh = dp.Economy(own.tree, own.endowments, own.agents)
    solution = dp.solve(fresh)
    layers = [solution.layers[v] for v in solution.layers]
    return total(solution), solution.allocation, solution.premium_interval, layers


def sort_only(own):
    """The sort of all children, the least any method does."""
    return [
        np.sort(own.aggregate[ways.entry], axis=1)
        for stage in own.tree.branches
        for ways in stage
    ]


def node_programmes(own):
    """V by one linear programme over all allocations at every node."""
    tree = own.tree
    value = np.zeros(tree.n_nodes)
    children = np.split(
        np.arange(1, tree.n_nodes), np.flatnonzero(np.diff(tree.parent[1:])) + 1
    )
    for after in reversed(children):
        z = own.aggregate[after] + value[after]
        value[tree.parent[after[0]]] = programme(z, tree.probability[after], own.agents)
    return value


def programme(z, p, agents):
    """The least total risk of sharing ``z``: Rockafellar-Uryasev, HiGHS."""
    n, b = len(agents), len(z)
    size = b + 1 + b  # shares, threshold, excesses of one agent
    cost, rows = np.zeros(n * size), []
    for i, agent in enumerate(agents):
        mean, shortfall = agent.weights
        at = i * size
        cost[at : at + b] = mean * p
        cost[at + b] = shortfall
        cost[at + b + 1 : at + size] = shortfall * p / agent.distortions[1].tail
        rows += [(at + j, at + b, at + b + 1 + j) for j in range(b)]
    row = np.repeat(np.arange(len(rows)), 3)
    sign = np.tile([1.0, -1.0, -1.0], len(rows))
    upper = coo_matrix((sign, (row, np.ravel(rows))), (len(rows), n * size)).tocsr()
    split = [(j, i * size + j) for j in range(b) for i in range(n)]
    r, c = zip(*split)
    equal = coo_matrix((np.ones(len(split)), (r, c)), (b, n * size)).tocsr()
    free = [(None, None)] * (b + 1) + [(0, None)] * b
    found = linprog(cost, upper, np.zeros(len(rows)), equal, z, bounds=free * n)
    return found.fun


def whole_programme(branching, horizon):
    """The root's V by one programme over all allocations at all nodes, cvxpy."""
    own = economy(branching, horizon)
    race(
        f"V at the root, {own.tree.n_nodes:,} nodes",
        lambda: dp.solve(own),
        [Peer("cvxpy, one programme", partial(by_cvxpy, own), same)],
        None,
        2.0,
        lambda solution: solution.total_risk_to_go[0],
    )


def by_cvxpy(own):
    """Write the whole nested problem down at once and hand it to Clarabel."""
    import cvxpy as cp

    tree, terms = own.tree, []
    share = cp.Variable((own.n_agents, tree.n_nodes))
    rules = [cp.sum(share[:, 1:], axis=0) == own.aggregate[1:]]
    for i, agent in enumerate(own.agents):
        to_go = cp.Variable(tree.n_nodes)
        rules.append(to_go[tree.leaves] == 0)
        mean, shortfall = agent.weights
        tail = agent.distortions[1].tail
        for v in range(tree.first[tree.horizon]):
            after = np.flatnonzero(tree.parent == v)
            p, z = tree.probability[after], share[i, after] + to_go[after]
            q = cp.Variable()
            worst = q + p @ cp.pos(z - q) / tail
            rules.append(to_go[v] >= mean * (p @ z) + shortfall * worst)
        terms.append(to_go[0])
    problem = cp.Problem(cp.Minimize(sum(terms)), rules)
    tight = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
    return problem.solve(solver=cp.CLARABEL, **tight)


# comonotone improvement -----------------------------------------------------------


def adverse(n_agents, n_states):
    """Return rising totals shared so that the first agent always falls."""
    u = np.linspace(0.0, 1.0, n_states)
    noise = np.random.default_rng(SEED).normal(0.0, 0.3, (n_agents, n_states))
    shares = noise * (n_agents > 2)
    shares[0] -= 5.0 * u
    shares[-1] = 6.0 * u - shares[:-1].sum(axis=0) - 5.0 * u + 1e-9 * u
    return shares


def improvement(n_agents, n_states, target):
    """Comonotone improvement and its certificate; aggregate where it ends in time."""
    shares = adverse(n_agents, n_states)
    weights = np.full(n_states, 1.0 / n_states)
    improved = dp.comonotone_improvement(shares)
    scale = np.abs(shares).max()
    assert dp.convex_order_gap(shares, improved) <= 1e-12 * scale
    assert dp.is_comonotone(improved)
    peers = [Peer("sort only", partial(np.argsort, shares.sum(axis=0)))]
    if n_states <= 10_000:
        from aggregate.utilities import make_comonotonic_allocations

        order = np.argsort(shares.sum(axis=0), kind="stable")
        ordered = np.ascontiguousarray(shares[:, order])
        s = ordered.sum(axis=0)
        call = partial(make_comonotonic_allocations, s, weights, ordered)
        peers.insert(0, Peer("aggregate", call))
    name = f"comonotone improvement, {n_agents} x {n_states:,}"
    ours = partial(dp.comonotone_improvement, shares)
    race(name, ours, peers, target, 3.0)
    if target.peer is None:
        certificate = partial(dp.convex_order_gap, shares, improved)
        race(
            f"its certificate, {n_agents} x {n_states:,}",
            certificate,
            peers[-1:],
            Target(100e-3),
            3.0,
        )


# growth ---------------------------------------------------------------------------


def growth():
    """Measure how times grow, as multiples of the smallest case, and write a page."""
    import matplotlib as mpl

    mpl.use("agg")
    nodes = [(10, 2), (10, 3), (10, 4), (10, 5)]
    agents = [2, 4, 8, 16, 32]
    periods = [(2, t) for t in (4, 8, 12, 16)]
    tables = {
        "nodes": [(f"{(e := economy(b, t)).tree.n_nodes:,}", e) for b, t in nodes],
        "agents (1,111 nodes)": [(str(n), economy(10, 3, n)) for n in agents],
        "periods (binary tree)": [
            (f"{t} ({(e := economy(b, t)).tree.n_nodes:,} nodes)", e)
            for b, t in periods
        ],
    }
    lines, curves = [], {}
    for title, cases in tables.items():
        calls = [partial(dp.solve, e) for _, e in cases]
        full = [partial(everything, e) for _, e in cases]
        v, all_of_it = shortest(calls, 6.0), shortest(full, 10.0)
        lines += [f"| {title} | V | full solution |", "| :-- | --: | --: |"]
        for (label, _), a, b in zip(cases, v, all_of_it):
            lines.append(f"| {label} | {a / v[0]:.1f} | {b / all_of_it[0]:.1f} |")
        lines.append("")
        sizes = [e.tree.n_nodes * e.n_agents for _, e in cases]
        curves[title] = sizes, np.array(v) / v[0], np.array(all_of_it) / all_of_it[0]
    cores = os.cpu_count()
    stamp = time.strftime("%B %Y", time.gmtime())
    head = (
        "<!-- written by `python3 benchmarks/run.py --growth` -->\n\n"
        f"Measured in {stamp} on {cores} cores (x86-64, Linux), Python "
        f"{sys.version_info.major}.{sys.version_info.minor}, numpy {np.__version__}. "
        "Entries are multiples of the first row's time.\n\n"
    )
    page = sealed(head + "\n".join(lines))
    (BOOK / "speed_table.md").write_text(page, encoding="utf-8")
    draw(curves, BOOK / "static" / "speed.png")


def draw(curves, path):
    """Draw the multiples against nodes times agents, both axes logarithmic."""
    import io

    import matplotlib.pyplot as plt
    from PIL import Image

    figure, axes = plt.subplots(figsize=(4.9, 3.6), layout="constrained")
    looks = zip(("#0072B2", "#D55E00", "#009E73"), "os^", ("-", "--", "-."))
    for (title, (sizes, v, _)), (colour, marker, line) in zip(curves.items(), looks):
        axes.loglog(sizes, v, color=colour, marker=marker, linestyle=line, label=title)
    axes.set(xlabel="nodes times agents", ylabel="time of V, multiple of the first")
    axes.legend(frameon=False)
    full = io.BytesIO()
    figure.savefig(full, dpi=150, facecolor="white")
    picture = Image.open(full).convert("RGB")
    picture.quantize(64, dither=Image.Dither.NONE).save(path, "png", optimize=True)


if __name__ == "__main__":
    main()
