"""The two-period example with a joint law of your own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dynpo_lite import (
    Economy,
    Expectation,
    ExpectedShortfall,
    ScenarioTree,
)
from dynpo_lite.base import validate
from dynpo_lite.base.reading import reading
from dynpo_lite.companion.files.csv_tables import numbered, read_csv, read_number
from dynpo_lite.companion.files.economy_file import EconomyFile
from dynpo_lite.companion.files.preferences import ROUNDING, mass_below
from dynpo_lite.risk.laws import as_law

# number, probability and mean loss; probabilities and mean losses of its children
Bin = tuple[int, float, float, np.ndarray, np.ndarray]


def joint_law_economy(
    s1: Any,
    s2_given_s1: Callable[[float], Any] | None = None,
    n1: int = 12,
    n2: int = 24,
    thresholds: Sequence[float] = (0.2, 0.6),
    levels: Sequence[float] = (0.9, 0.99),
    levels_time0: Sequence[float] = (0.9, 0.0),
    w1: float = 0.5,
    law: str = "marginal",
    currency: str = "units of loss",
) -> EconomyFile:
    r"""Return the two-period example with a joint law of one's own.

    Two agents are endowed with the parts ``w1`` and ``1 - w1`` of the losses ``S1`` and
    ``S2``.  At time 0 agent ``i`` uses Expected Shortfall at ``levels_time0[i]``; at
    time 1 at ``levels[i]`` where ``S1`` exceeds its quantile at ``thresholds[i]``, the
    mean elsewhere.  Both losses are binned, and each bin keeps its mean.

    Parameters
    ----------
    s1 : frozen scipy.stats distribution, str or Path
        The law of ``S1``; or a CSV of samples with the columns ``s1``, ``s2`` and, if
        they are not equally likely, ``weight`` (at least 0, of any sum).
    s2_given_s1 : callable, optional
        Number -> frozen distribution, the law of ``S2`` given ``S1``; not for a CSV.
    n1, n2 : int
        How many bins ``S1`` has, and ``S2`` in each of them.
    thresholds, levels, levels_time0 : pair of float
        Probabilities in [0, 1], and confidence levels in [0, 1).
    w1 : float
        In [0, 1].
    law : {"marginal", "conditional"}
    currency : str

    Returns
    -------
    EconomyFile

    Raises
    ------
    TypeError, ValueError
        If an argument lies outside its domain, a mean is not finite, or the CSV will
        not do.

    Notes
    -----
    The edges of the bins are the quantiles at :math:`1 - (1 - j/n)^2`, closer towards
    large losses, and for ``S1`` also those at the thresholds.  ``S2`` is looked at
    given the mean of each bin of ``S1``, so its mean is kept where :math:`E[S_2 \mid
    S_1 = s]` is linear in ``s``, and always for samples.  Binning hides differences
    within bins: risks come out too small, and tend to the truth as ``n1`` and ``n2``
    grow.

    References
    ----------
    Section 6.2 of the paper.

    Examples
    --------
    >>> from scipy import stats
    >>> example = joint_law_economy(stats.expon(scale=200), lambda s: stats.expon(0, s))
    >>> tree, solution = example.economy.tree, example.solve()
    >>> at1 = tree.nodes(1)  # 651.36 in the limit
    >>> round(float(tree.unconditional[at1] @ solution.total_risk_to_go[at1]), 4)
    649.6036
    """
    n1, n2 = validate.integer("n1", n1, 1), validate.integer("n2", n2, 1)
    pairs = {"thresholds": thresholds, "levels": levels, "levels_time0": levels_time0}
    thresholds, levels, levels_time0 = (
        validate.finite_array(name, pair, shape=(2,)).tolist()
        for name, pair in pairs.items()
    )
    thresholds = [validate.number("thresholds", p, 0, 1) for p in thresholds]
    w1 = validate.number("w1", w1, 0, 1)
    law, retention = reading(law)
    edges1, edges2 = _edges(n1, thresholds), _edges(n2)
    if isinstance(s1, (str, Path)):
        if s2_given_s1 is not None:
            raise ValueError("s2_given_s1 goes with a distribution: leave it out")
        bins = _bins_of_samples(*_read_samples(Path(s1)), edges1, edges2)
    elif not callable(s2_given_s1):
        raise TypeError(
            f"s2_given_s1 = {s2_given_s1!r} is no function: give one from a number to "
            "a frozen distribution"
        )
    else:
        bins = _bins_of_law(s1, s2_given_s1, edges1, edges2)
    tree, losses = _two_period_tree(bins)
    low = edges1[[j for j, *_ in bins]]
    regimes = zip(thresholds, levels, levels_time0)
    agents = tuple(_alarmed(low, *what) for what in regimes)
    return EconomyFile(
        title="The two-period example with a joint law of one's own",
        currency=currency,
        names=("agent 1", "agent 2"),
        node_names=tuple(numbered(tree)),
        economy=Economy(tree, np.outer([w1, 1 - w1], losses), agents),
        law=law,
        retention=retention,
    )


def _edges(n: int, more: Sequence[float] = ()) -> np.ndarray:
    """Return the levels between bins, from 0 to 1, finer towards large losses."""
    edges = 1 - (1 - np.arange(n + 1) / n) ** 2
    return np.unique(np.round(np.hstack([edges, more]), 12))


def _alarmed(
    low: np.ndarray, threshold: float, level: float, level_time0: float
) -> list:
    """Return one agent's measures: at the root, then at each bin of S1."""
    mild, alarmed = Expectation(), ExpectedShortfall(level)
    above = low >= threshold - ROUNDING
    return [ExpectedShortfall(level_time0), *(alarmed if a else mild for a in above)]


def _two_period_tree(bins: list[Bin]) -> tuple[ScenarioTree, np.ndarray]:
    """Return the tree of bins ``(j, p1, x1, p2, x2)`` and the losses at its nodes."""
    _, p1, x1, p2, x2 = zip(*bins, strict=True)
    sizes = [len(p) for p in p2]
    parent = np.hstack(
        [-1, np.zeros(len(p1)), np.repeat(np.arange(len(p1)) + 1, sizes)]
    )
    return ScenarioTree(parent, np.hstack([1, p1, *p2])), np.hstack([0, x1, *x2])


def _bins_of_law(
    s1: Any, s2_given_s1: Callable, edges1: np.ndarray, edges2: np.ndarray
) -> list[Bin]:
    x1 = _bin_means("s1", s1, edges1)
    p2 = np.diff(edges2)
    return [
        (j, p, x, p2, _bin_means(f"s2_given_s1({x:g})", s2_given_s1(x), edges2))
        for j, (p, x) in enumerate(zip(np.diff(edges1), x1, strict=True))
    ]


def _bin_means(name: str, law: Any, edges: np.ndarray) -> np.ndarray:
    """Return the mean of a law between its quantiles at neighbouring levels."""
    from scipy.integrate import tanhsinh

    law, given = as_law(law, name), law
    if law is None:
        raise TypeError(f"{name} = {given!r} is no law: give a frozen scipy.stats one")
    with np.errstate(all="ignore"):
        mass = tanhsinh(law.isf, 1 - edges[1:], 1 - edges[:-1], rtol=1e-10, atol=0)
    settled = mass.success | (np.abs(mass.integral) < 1e-300)
    if not (settled.all() and np.isfinite(mass.integral).all()):
        raise ValueError(
            f"{name}: the mean beyond a quantile does not converge: give a law with a "
            "finite mean"
        )
    return mass.integral / np.diff(edges)


def _read_samples(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not file.is_file():
        raise ValueError(f"{file} does not exist: give a CSV with the columns s1,s2")
    columns = ("s1", "s2", "weight")
    rows = read_csv(file, columns[:2], optional=columns[2:])
    samples = [
        [
            read_number(f"{file.name}, line {n}, column {c}", row.get(c, "1"))
            for c in columns
        ]
        for n, row in rows
    ]
    s1, s2, weights = np.array(samples).reshape(-1, 3).T
    for (line, _), weight in zip(rows, weights, strict=True):
        if weight < 0:
            raise ValueError(
                f"{file.name}, line {line}, column weight = {weight:g} is negative: "
                "give weights of at least 0"
            )
    if weights.sum() == 0:
        raise ValueError(f"{file.name} holds no sample: add rows with a weight above 0")
    kept = weights > 0
    return s1[kept], s2[kept], weights[kept] / weights.sum()


def _bins_of_samples(
    s1: np.ndarray,
    s2: np.ndarray,
    weights: np.ndarray,
    edges1: np.ndarray,
    edges2: np.ndarray,
) -> list[Bin]:
    """Bin samples; those with the same loss stay together."""
    bins, bin1 = [], _bin_numbers(s1, weights, edges1)
    for j in np.unique(bin1):
        here = bin1 == j
        p = weights[here].sum()
        x1, x2, given = s1[here], s2[here], weights[here] / p
        _, bin2 = np.unique(_bin_numbers(x2, given, edges2), return_inverse=True)
        p2 = np.bincount(bin2, given)
        bins.append((j, p, given @ x1, p2, np.bincount(bin2, given * x2) / p2))
    return bins


def _bin_numbers(x: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> np.ndarray:
    inner = edges[1:-1] - ROUNDING
    return np.searchsorted(inner, mass_below(x, weights), side="right")
