"""How far from its limit an answer from simulation is."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynpo_lite.base import validate
from dynpo_lite.base.records import ByValue
from dynpo_lite.base.types import Array
from dynpo_lite.economy.economy import Economy
from dynpo_lite.economy.solve import solve


@dataclass(frozen=True, eq=False)
class Replications(ByValue):
    """Answers of independent simulations, at one resolution or at two.

    Attributes
    ----------
    sizes : tuple
        The resolutions, as they were given to ``build``.
    value : ndarray of shape (n_sizes, n_seeds)
        The least total risk at time 0.
    surplus : ndarray of shape (n_sizes, n_seeds)
        What trade saves.
    alone, traded : ndarray of shape (n_agents, n_sizes, n_seeds)
        Every agent's risk at time 0, without trade and with the surplus split equally.
    """

    sizes: tuple
    value: Array
    surplus: Array
    alone: Array
    traded: Array

    def table(self) -> list[tuple[str, float, float, float]]:
        """Return rows: what, its mean at the last size, standard error, drift.

        The drift is the mean at the last size less that at the first, nan with one
        size; the standard error is that of the mean, from the spread over the seeds.

        Examples
        --------
        >>> found = Replications((1, 2), *(np.array([[1.0, 3.0], [4.0, 4.0]]),) * 2,
        ...     np.ones((1, 2, 2)), np.ones((1, 2, 2)))
        >>> found.table()[0]
        ('total risk', 4.0, 0.0, 2.0)
        """
        rows = [("total risk", self.value), ("saved by trade", self.surplus)]
        for name, all_of in (("alone", self.alone), ("with trade", self.traded)):
            rows += [(f"agent {i} {name}", own) for i, own in enumerate(all_of)]
        return [(name, *_spread(own)) for name, own in rows]

    def __str__(self) -> str:
        lines = [f"{'':20} {'mean':>12} {'std. error':>12} {'drift':>12}"]
        for name, *numbers in self.table():
            lines.append(f"{name:20} " + " ".join(f"{x:12.6g}" for x in numbers))
        return "\n".join(lines)

    def to_frame(self) -> Any:
        """Return the table as a pandas DataFrame."""
        from pandas import DataFrame  # optional

        columns = ["what", "mean", "standard_error", "drift"]
        return DataFrame(self.table(), columns=columns)


def replicate(
    build: Callable[..., Economy], seeds: Iterable[int], sizes: Sequence[Any] = ()
) -> Replications:
    """Solve economies made from independent simulations, and compare the answers.

    Parameters
    ----------
    build : callable
        ``build(seed)``, or ``build(seed, size)`` with sizes, returns an Economy; other
        seeds must give independent ones.
    seeds : iterable of int
        At least two, all different.
    sizes : sequence, optional
        Two resolutions, the finer one last, such as numbers of paths or draws.

    Returns
    -------
    Replications
        ``print`` it, or see ``.table()``.

    Raises
    ------
    TypeError, ValueError
        If there are too few seeds, or ``build`` returns no Economy.

    Notes
    -----
    Two errors are to be told apart.  The spread over the seeds shows what is random; it
    shrinks like one over the root of the number of draws.  The drift from one
    resolution to the next shows what is systematic: nested risk takes noise for risk,
    and a coarse description forgets.  If it is several standard errors, neither
    resolution is fine enough; the truth may lie on either side, as finer groups of the
    same paths are noisier.  If not, that is no proof: both resolutions may leave out
    the same.  The model itself is not judged.

    Examples
    --------
    Two insurers with independent losses; the more draws, the closer.

    >>> import numpy as np, dynpo_lite as dp
    >>> def build(seed, size):
    ...     losses = np.random.default_rng(seed).exponential(size=(size, 1, 2))
    ...     made = dp.lattice_from_paths(losses)
    ...     agents = [dp.ExpectedShortfall(0.9)] * 2
    ...     return dp.Economy(made.lattice, made.endowments, agents)
    >>> found = replicate(build, seeds=range(5), sizes=(1_000, 10_000))
    >>> np.round(found.value.mean(axis=1), 1).tolist()  # 5.09, of a Gamma(2) law
    [5.1, 5.1]
    """
    seeds = [validate.integer("seeds", seed, 0) for seed in seeds]
    if len(set(seeds)) < max(len(seeds), 2):
        raise ValueError(f"seeds = {seeds}: give at least two, all different")
    sizes = tuple(sizes)
    if len(sizes) not in (0, 2):
        raise ValueError(f"sizes = {sizes}: give two resolutions, or none")
    found = []
    for size in sizes or (None,):
        for seed in seeds:
            economy = build(seed) if size is None else build(seed, size)
            validate.instance("build(...)", economy, Economy)
            solution = solve(economy)
            risks = solution.risk_without_trade[:, 0], solution.risk_to_go[:, 0]
            total = solution.total_risk_to_go[0], solution.surplus[0]
            found.append(np.concatenate([total, *risks]))
    array = np.array(found).T.reshape(-1, max(len(sizes), 1), len(seeds))
    n = (len(array) - 2) // 2
    parts = array[0], array[1], array[2 : 2 + n], array[2 + n :]
    return Replications(sizes, *(validate.frozen(part.copy()) for part in parts))


def _spread(own: Array) -> tuple[float, float, float]:
    """Return the last mean, its standard error, and the drift to it."""
    error = own[-1].std(ddof=1) / np.sqrt(own.shape[1])
    drift = own[-1].mean() - own[0].mean() if len(own) == 2 else np.nan
    return float(own[-1].mean()), float(error), float(drift)
