"""The two-period example with a joint law of your own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dynpo_lite import Economy, Expectation, ExpectedShortfall, ScenarioTree
from dynpo_lite.base import validate
from dynpo_lite.base.reading import reading
from dynpo_lite.base.types import Array
from dynpo_lite.companion.files.csv_tables import numbered, read_csv
from dynpo_lite.companion.files.economy_file import EconomyFile
from dynpo_lite.companion.files.messages import refuse
from dynpo_lite.companion.files.preferences import ROUNDING, mass_below
from dynpo_lite.risk.laws import as_law

# of one loss: the lower levels, the probabilities and the means of its bins
Bins = tuple[np.ndarray, np.ndarray, np.ndarray]


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
    regimes = [validate.finite_array(*pair, shape=(2,)) for pair in pairs.items()]
    for p in regimes[0].tolist():
        validate.number("thresholds", p, 0, 1)
    w1 = validate.number("w1", w1, 0, 1)
    law, retention = reading(law)
    edges1, edges2 = _edges(n1, regimes[0]), _edges(n2)
    if isinstance(s1, (str, Path)):
        bad = s2_given_s1 is not None
        refuse(bad, "s2_given_s1 goes with a distribution: leave it out")
        first, then = _of_samples(Path(s1), edges1, edges2)
    elif not callable(s2_given_s1):
        cure = "give one from a number to a frozen distribution"
        raise TypeError(f"s2_given_s1 = {s2_given_s1!r} is no function: {cure}")
    else:
        first = _of_law("s1", s1, edges1)
        laws = ((f"s2_given_s1({x:g})", s2_given_s1(x)) for x in first[2])
        then = [_of_law(*named, edges2) for named in laws]
    low, p1, x1 = first
    _, p2, x2 = zip(*then, strict=True)
    parent = np.repeat(np.arange(len(p1)) + 1, [len(p) for p in p2])
    parent = np.hstack([-1, np.zeros(len(p1)), parent])
    tree = ScenarioTree(parent, np.hstack([1, p1, *p2]))
    losses = np.outer([w1, 1 - w1], np.hstack([0, x1, *x2]))
    agents = []
    for threshold, level, level0 in np.transpose(regimes).tolist():
        mild, alarmed = Expectation(), ExpectedShortfall(level)
        at1 = [alarmed if above else mild for above in low >= threshold - ROUNDING]
        agents.append([ExpectedShortfall(level0), *at1])
    title = "The two-period example with a joint law of one's own"
    named = title, currency, ("agent 1", "agent 2"), tuple(numbered(tree))
    return EconomyFile(*named, Economy(tree, losses, agents), law, retention)


def _edges(n: int, more: Any = ()) -> Array:
    """Return the levels between bins, from 0 to 1, finer towards large losses."""
    edges = 1 - (1 - np.arange(n + 1) / n) ** 2
    return np.unique(np.round(np.hstack([edges, more]), 12))


def _of_law(name: str, law: Any, edges: Array) -> Bins:
    """Cut a law at its quantiles; each bin has the mean between neighbouring ones."""
    from scipy.integrate import tanhsinh

    law, given = as_law(law, name), law
    if law is None:
        raise TypeError(f"{name} = {given!r} is no law: give a frozen scipy.stats one")
    with np.errstate(all="ignore"):
        mass = tanhsinh(law.isf, 1 - edges[1:], 1 - edges[:-1], rtol=1e-10, atol=0)
    settled = mass.success | (np.abs(mass.integral) < 1e-300)
    if not (settled.all() and np.isfinite(mass.integral).all()):
        what = "the mean beyond a quantile does not converge"
        raise ValueError(f"{name}: {what}: give a law with a finite mean")
    p = np.diff(edges)
    return edges[:-1], p, mass.integral / p


def _of_samples(file: Path, edges1: Array, edges2: Array) -> tuple[Bins, list[Bins]]:
    """Return the bins of S1, and of S2 given each of them."""
    missing = f"{file} does not exist: give a CSV with the columns s1,s2"
    refuse(not file.is_file(), missing)
    rows = read_csv(file, ("s1", "s2"), weight="1")
    samples = [row.numbers(("s1", "s2", "weight")) for row in rows]
    s1, s2, weights = np.array(samples).reshape(-1, 3).T
    for row, weight in zip(rows, weights):
        what = f"= {weight:g} is negative: give weights of at least 0"
        row.refuse(weight < 0, "weight", what)
    none = weights.sum() == 0
    refuse(none, f"{file.name} holds no sample: add rows with a weight above 0")
    kept = weights > 0
    s1, s2, weights = s1[kept], s2[kept], weights[kept] / weights.sum()
    bin1, first = _bins(s1, weights, edges1)
    then = []
    for j, p in enumerate(first[1]):
        here = bin1 == j
        then.append(_bins(s2[here], weights[here] / p, edges2)[1])
    return first, then


def _bins(x: Array, weights: Array, edges: Array) -> tuple[np.ndarray, Bins]:
    """Return the bin of each sample, and the bins; equal samples stay together."""
    level = mass_below(x, weights)
    number = np.searchsorted(edges[1:-1] - ROUNDING, level, side="right")
    held, place = np.unique(number, return_inverse=True)
    p = np.bincount(place, weights)
    return place, (edges[held], p, np.bincount(place, weights * x) / p)
