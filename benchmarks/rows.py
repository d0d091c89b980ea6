"""The rows: each task once by dynpo_lite and once by every peer, on the same arrays.

Called by run.py in the environment .venv-bench.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from aggregate.spectral import Distortion as Spectral
from race import Peer, Target, duration, header, race, row, same, verdict
from scipy.special import ndtr, ndtri
from skfolio.measures import cvar

import dynpo_lite as dp

SEED = 20240529
SWITCH = "NPY_DISABLE_CPU_FEATURES"  # of numpy; README.md tells what for
EXPONENT = 0.7
LEVEL = 0.95
LEVEL_AT_NODES = 0.75  # fractional tails among 10 children, and a tail among them
# Mixtures of the mean (level 0) and Expected Shortfalls: level -> weight.  Each agent
# is the cheapest on some layer.
AGENTS = (
    {0.0: 0.2, 0.5: 0.8},
    {0.0: 0.78, 0.5: 0.18, 0.98: 0.04},
    {0.0: 0.81, 0.99: 0.19},
)


def main():
    """Print the machine, the versions and the table."""
    quick, large = "--quick" in sys.argv, "--large" in sys.argv
    print(machine(), end="\n\n")
    header()
    expected_shortfall(10**6, seconds=0.3 if quick else 4.0)
    if large:
        expected_shortfall(10**8, seconds=60.0)
    weighted_samples(10**6, seconds=0.3 if quick else 4.0)
    n, seconds = (10**5, 0.3) if quick else (10**7, 20.0)
    smooth_distortion(n, seconds)
    layers(n, seconds)
    layers_of_smooth_agents(n, seconds)
    nested_risk(10, 4, 1e-3, seconds=0.3 if quick else 4.0)
    if not quick:
        nested_risk(100, 3, 60e-3, seconds=10.0)
    import_time(quick)
    print(f"\nLoad at the end: {load()}.")


def machine():
    """Describe where and with what this was measured."""
    cpu = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        models = [s.split(":")[1].strip() for s in lines if s.startswith("model name")]
        cpu = models[0] if models else cpu
    names = "numpy", "scipy", "skfolio", "aggregate", "pandas"
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    switched_off = os.environ.get(SWITCH)
    return (
        f"{cpu}, {os.cpu_count()} cores, {platform.system()}; "
        f"Python {platform.python_version()}, {packages}; "
        + (f"{SWITCH}: {switched_off}; " if switched_off else "")
        + f"load at the start: {load()}."
    )


def load():
    """Return the processes running, averaged over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def at_full_size(n, target):
    """Return the target where it applies."""
    return target if n >= 10**7 else None


def losses(n):
    """Return ``n`` lognormal losses."""
    return np.random.default_rng(SEED).lognormal(0.0, 1.0, n)


# static measures ----------------------------------------------------------------


def expected_shortfall(n, seconds):
    """Expected Shortfall of equally likely samples."""
    x = losses(n)
    gains = -x
    start = n - round(n * (1 - LEVEL))
    measure = dp.ExpectedShortfall(LEVEL)

    def mask():
        return x[x >= np.quantile(x, LEVEL)].mean()

    peers = [
        Peer("np.partition", lambda: np.partition(x, start)),
        Peer("skfolio cvar", lambda: cvar(gains, LEVEL), same),
        Peer("mask x >= quantile", mask, same),
    ]
    if n <= 10**7:  # beyond, it needs more memory than many machines have
        peers.append(aggregate_price(x, Spectral.tvar(LEVEL)))
    race(
        f"ES({LEVEL}), {n:,} samples",
        lambda: dp.choquet(x, measure),
        peers,
        Target(1.5, "np.partition"),
        seconds,
    )


def aggregate_price(x, distortion):
    """Return aggregate's price of samples as a peer; its Series is made beforehand."""
    law = pd.Series(np.full(len(x), 1 / len(x)), index=x)
    return Peer("aggregate price_ex", lambda: distortion.price_ex(law), price)


def price(result):
    """Return the number in what aggregate returns."""
    return result.ask


def smooth_distortion(n, seconds):
    """Choquet integral under a distortion that is not piecewise linear."""
    x = losses(n)
    measure = dp.ProportionalHazard(EXPONENT)

    def naive():
        k = (np.arange(n, -1, -1) / n) ** EXPONENT
        return np.sort(x) @ -np.diff(k)

    race(
        f"proportional hazard({EXPONENT}), {n:,} samples",
        lambda: dp.choquet(x, measure),
        [
            Peer("np.sort", lambda: np.sort(x)),
            Peer("numpy, whole arrays", naive, same),
            aggregate_price(x, Spectral.ph(EXPONENT)),
        ],
        at_full_size(n, Target(1.6, "np.sort")),
        seconds,
    )


def weighted_samples(n, seconds):
    """Choquet integrals of samples with weights, against a sort and running sums."""
    x = losses(n)
    gains = -x
    weights = np.random.default_rng(SEED + 1).uniform(0.5, 1.5, n)
    weights /= weights.sum()
    shortfall = dp.ExpectedShortfall(LEVEL)
    hazard = dp.ProportionalHazard(EXPONENT)

    def sort_and_sum():
        np.cumsum(weights[np.argsort(x)])

    for name, measure, peers in (
        (
            f"ES({LEVEL})",
            shortfall,
            [Peer("skfolio cvar", lambda: cvar(gains, LEVEL, weights), same)],
        ),
        (f"proportional hazard({EXPONENT})", hazard, []),
        ("Wang(0.5)", dp.Wang(0.5), []),
        ("mixture of both", dp.Mixture([shortfall, hazard], [0.5, 0.5]), []),
    ):
        race(
            f"{name}, {n:,} weighted samples",
            partial(dp.choquet, x, measure, weights),
            [Peer("np.argsort and np.cumsum", sort_and_sum), *peers],
            Target(1.5, "np.argsort and np.cumsum"),
            seconds,
        )


# layers -------------------------------------------------------------------------


def agents():
    """Return the three agents as distortions of dynpo_lite."""
    return [
        dp.Mixture([dp.ExpectedShortfall(a) for a in parts], list(parts.values()))
        for parts in AGENTS
    ]


def layers(n, seconds):
    """Optimal sharing between three agents with piecewise linear distortions."""
    x = losses(n)
    ours = agents()
    carriers = {layer.shares.index(1.0) for layer in dp.share_layers(x, ours).layers}
    assert carriers == {0, 1, 2}, f"only the agents {carriers} carry a layer"

    def distorted(s):
        mean, half, high, highest = (
            np.minimum(s / (1 - a), 1.0) for a in (0.0, 0.5, 0.98, 0.99)
        )
        return np.array(
            [
                0.2 * mean + 0.8 * half,
                0.78 * mean + 0.18 * half + 0.04 * high,
                0.81 * mean + 0.19 * highest,
            ]
        )

    def sort_and_write():
        np.sort(x)
        np.empty((3, n))[:] = x

    least = Spectral.minimum(
        [
            Spectral.mixture([Spectral.tvar(a) for a in parts], list(parts.values()))
            for parts in AGENTS
        ]
    )
    task = f"layers, 3 agents, {n:,} samples"
    race(
        task,
        lambda: dp.share_layers(x, ours),
        [
            Peer("np.sort and write (3, N)", sort_and_write),
            Peer("numpy, dense (3, N)", lambda: dense_layers(x, distorted), same),
        ],
        at_full_size(n, Target(1.6, "np.sort and write (3, N)")),
        seconds,
        answer=value_and_allocation,
    )
    race(
        f"{task}, against a value without the allocation",
        lambda: dp.share_layers(x, ours),
        [aggregate_price(x, least)],
        seconds=seconds,
        answer=lambda shared: shared.value,
    )


def dense_layers(x, distorted):
    """Share by looking at every agent in every gap between two samples."""
    n = len(x)
    order = np.argsort(x)
    gap = np.diff(x[order])
    k = distorted(np.arange(n - 1, 0, -1) / n)
    taker = np.argmin(k, axis=0)
    value = x[order[0]] + k.min(axis=0) @ gap
    allocation = np.empty((len(k), n))
    for i in range(len(k)):
        allocation[i, order[0]] = 0.0
        allocation[i, order[1:]] = np.cumsum(np.where(taker == i, gap, 0.0))
    allocation += x[order[0]] / len(k)
    return value, allocation


def value_and_allocation(shared):
    """Return what dense_layers returns."""
    return shared.value, shared.allocation


def layers_of_smooth_agents(n, seconds):
    """Optimal sharing between three agents with smooth distortions."""
    x = losses(n)
    ours = [dp.ProportionalHazard(EXPONENT), dp.Wang(0.5), dp.DualPower(1.6)]

    def distorted(s):
        return np.array([s**EXPONENT, ndtr(ndtri(s) + 0.5), 1 - (1 - s) ** 1.6])

    race(
        f"layers, 3 smooth agents, {n:,} samples",
        lambda: dp.share_layers(x, ours),
        [Peer("numpy, dense (3, N)", lambda: dense_layers(x, distorted), same)],
        seconds=seconds,
        answer=value_and_allocation,
    )


# trees --------------------------------------------------------------------------


def nested_risk(branching, horizon, limit, seconds):
    """Risk-to-go on a regular tree, with equal and with unequal probabilities."""
    rng = np.random.default_rng(SEED)
    sizes = [branching**t for t in range(horizon + 1)]
    n = sum(sizes)
    parent = np.append(-1, np.repeat(np.arange(n - sizes[-1]), branching))
    x = rng.lognormal(0.0, 1.0, n)
    equal = np.full((n - 1) // branching * branching, 1 / branching)
    unequal = rng.uniform(0.5, 1.5, ((n - 1) // branching, branching))
    unequal = (unequal / unequal.sum(axis=1, keepdims=True)).ravel()
    shortfall = dp.ExpectedShortfall(LEVEL_AT_NODES)
    for what, probability, measure, target, peers in (
        ("ES", equal, shortfall, limit, (node_by_node, skfolio_by_node)),
        ("ES, unequal", unequal, shortfall, 10 * limit, (node_by_node, weighted_cvar)),
        ("least of 3 agents", equal, dp.Minimum(agents()), limit, (node_by_node,)),
    ):
        tree = dp.ScenarioTree(parent, np.append(1.0, probability))
        race(
            f"risk-to-go, {what}, {n:,} nodes",
            partial(dp.risk_to_go, tree, x, measure),
            [
                Peer(
                    peer.__doc__.removesuffix("."),
                    partial(peer, probability, x, branching, measure),
                    same,
                )
                for peer in peers
            ],
            Target(target),
            seconds,
        )


def nested(one_step, probability, x, branching):
    """Return the risk-to-go by a loop over the nodes of a regular tree."""
    result = np.zeros(len(x))
    for v in range((len(x) - 1) // branching - 1, -1, -1):
        first = branching * v + 1
        children = slice(first, first + branching)
        z = x[children] + result[children]
        result[v] = one_step(z, probability[first - 1 : first - 1 + branching])
    return result


def node_by_node(probability, x, branching, k):
    """numpy, node by node."""

    def one_step(z, p):
        order = np.argsort(-z)
        tail = np.minimum(np.cumsum(p[order]), 1.0)
        return np.diff(k(tail), prepend=0.0) @ z[order]

    return nested(one_step, probability, x, branching)


def skfolio_by_node(probability, x, branching, k):
    """skfolio cvar, node by node."""
    return nested(lambda z, p: cvar(-z, k.level), probability, x, branching)


def weighted_cvar(probability, x, branching, k):
    """skfolio weighted cvar, node by node."""
    return nested(lambda z, p: cvar(-z, k.level, p), probability, x, branching)


# import -------------------------------------------------------------------------


def import_time(quick):
    """Wall time of an interpreter that imports, less that of one that does not."""
    statements = {
        "bare": "pass",
        "ours": "import dynpo_lite",
        "numpy": "import numpy",
    }
    if not quick:
        statements["skfolio"] = "import skfolio.measures"
        statements["aggregate"] = "import aggregate"
    took = {name: [] for name in statements}
    with tempfile.TemporaryDirectory() as elsewhere:
        for done in range(6 if quick else 22):
            for name, statement in statements.items():
                command = [sys.executable, "-I", "-c", statement]
                begin = time.perf_counter()
                subprocess.run(command, cwd=elsewhere, check=True)
                if done:  # the first round warms the caches
                    took[name].append(time.perf_counter() - begin)
    bare = statistics.median(took.pop("bare"))
    medians = {name: statistics.median(each) - bare for name, each in took.items()}
    ours = medians.pop("ours")
    target = Target(0.25)
    for name, theirs in medians.items():
        row(
            "import, median",
            duration(ours),
            f"{name}: {duration(theirs)}",
            ours / theirs,
            *verdict(target, ours, theirs),
        )
        target = None


if __name__ == "__main__":
    main()
