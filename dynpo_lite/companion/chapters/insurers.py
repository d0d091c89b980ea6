r"""Six real insurers, commercial auto, and a model of their loss ratios.

The logarithm of insurer i's loss ratio, as booked at the end of 2002, is

.. math:: \log(L^i_t / P^i_t) = m_i + x^i_t, \qquad
          x^i_t = \varphi x^i_{t-1} + \varepsilon^i_t ,

with its mean :math:`m_i` and one persistence :math:`\varphi` for all, by least squares.
The joint shocks of the 14 years 1989 to 2002, centred and scaled by
:math:`\sqrt{14/13}`, are equally likely in every year to come.  So the tree is exact,
with 14 children a node: no seed, no simulation.  Premiums stay those of 2002.

``data/README.md`` says where the figures come from and on what terms.  The attitudes to
risk are invented; so the insurers are called A to F.
"""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import dynpo_lite as dp
from dynpo_lite.base import validate
from dynpo_lite.base.types import Array
from dynpo_lite.companion import outputs
from dynpo_lite.companion.chapters.insurer_data import read_insurers
from dynpo_lite.companion.files.csv_tables import nodes_csv, numbered
from dynpo_lite.companion.files.preferences import read_measure
from dynpo_lite.sharing.layers import retained

KNOWN = 2002  # the last year that the model looks at
LONGEST = 5  # periods; 579,195 nodes
ECONOMY = Path(__file__).parent / "data" / "insurers.toml"


class LossRatios(NamedTuple):
    """The fitted model.

    Attributes
    ----------
    mean : ndarray of shape (6,)
    persistence : float
    shocks : ndarray of shape (6, 14)
        Of the years 1989 to 2002, centred and scaled.
    now : ndarray of shape (6,)
        The deviation ``x`` of 2002.
    """

    mean: Array
    persistence: float
    shocks: Array
    now: Array


def loss_ratios() -> LossRatios:
    """Fit the model to what was known at the end of 2002.

    Returns
    -------
    LossRatios

    Examples
    --------
    >>> fitted = loss_ratios()
    >>> round(fitted.persistence, 2), fitted.shocks.shape
    (0.54, (6, 14))
    """
    data = read_insurers()
    past = data.year <= KNOWN
    ratio = np.log(data.booked_2002[:, past] / data.premium[:, past])
    mean = ratio.mean(axis=1)
    x = ratio - mean[:, None]
    before, after = x[:, :-1], x[:, 1:]
    phi = float((before * after).sum() / (before**2).sum())
    shocks = after - phi * before
    n = shocks.shape[1]
    shocks = (shocks - shocks.mean(axis=1, keepdims=True)) * np.sqrt(n / (n - 1))
    return LossRatios(mean, phi, shocks, x[:, -1])


def attitudes() -> dict[str, Any]:
    """Return the invented measures of A to F, those of ``data/insurers.toml``.

    Returns
    -------
    dict of str -> Distortion

    Examples
    --------
    >>> attitudes()["E"]
    Wang(shift=0.8)
    """
    table = tomllib.loads(ECONOMY.read_text("utf-8"))
    return {
        agent["name"]: read_measure(agent["name"], agent["measure"])
        for agent in table["agent"]
    }


def insurers_economy(
    horizon: int = 3,
    persistence: float | None = None,
    agents: Any = None,
    model: LossRatios | None = None,
) -> dp.Economy:
    """Return the economy of the six insurers, an exact tree.

    Parameters
    ----------
    horizon : int
        Years from 2003 on, 1 to 5: 15, 211, 2,955, 41,371 or 579,195 nodes.
    persistence : float, optional
        In [0, 1]; by default that of the data.  The shocks stay as they were fitted.
    agents : sequence, optional
        Six measures instead of the invented ones.
    model : LossRatios, optional
        Another fit, or a later year's deviations; by default :func:`loss_ratios`.

    Returns
    -------
    Economy
        Losses in USD million.  ``solve(..., surplus_split="load")`` shares what trade
        saves in proportion to what each insurer's risk exceeds its expected losses by.

    Raises
    ------
    TypeError, ValueError
        If the horizon or the persistence is out of range.

    Examples
    --------
    >>> economy = insurers_economy(1)
    >>> economy.tree.n_nodes, round(float(dp.solve(economy).total_risk_to_go[0]), 3)
    (15, 590.418)
    """
    horizon = validate.integer("horizon", horizon, 1)
    if horizon > LONGEST:
        raise ValueError(
            f"horizon = {horizon} is too large: choose at most {LONGEST}, each year "
            "makes the tree 14 times larger"
        )
    data = read_insurers()
    model = loss_ratios() if model is None else model
    phi = model.persistence
    if persistence is not None:
        phi = validate.number("persistence", persistence, 0, 1)
    premium = data.premium[:, data.year == KNOWN]
    x, mean = model.now[:, None], model.mean[:, None]
    n = model.shocks.shape[1]
    parents, losses, first = [np.array([-1])], [np.zeros((len(x), 1))], 0
    for _ in range(horizon):
        count = x.shape[1]
        parents.append(np.repeat(np.arange(first, first + count), n))
        first += count
        x = np.repeat(phi * x, n, axis=1) + np.tile(model.shocks, count)
        losses.append(premium * np.exp(mean + x))
    parent = np.concatenate(parents)
    tree = dp.ScenarioTree(parent, np.where(parent < 0, 1.0, 1.0 / n))
    given = attitudes().values() if agents is None else agents
    return dp.Economy(tree, np.concatenate(losses, axis=1), given)


class Replay(NamedTuple):
    """What came, and what the treaties had the insurers pay.

    Attributes
    ----------
    own, payments : ndarray of shape (6, n_years)
    low, high : ndarray of shape (n_years,)
        The least and the largest total that the model held possible a year before.
    """

    own: Array
    payments: Array
    low: Array
    high: Array


def losses_since(known: int = KNOWN) -> Array:
    """Return what the years after ``known`` cost in the end, for premiums of 2002.

    Returns
    -------
    ndarray of shape (6, n_years)
        In USD million: loss ratios ten years later, times the premium of 2002.

    Examples
    --------
    >>> losses_since()[0].round().tolist()
    [177.0, 161.0, 187.0, 175.0, 173.0]
    """
    data = read_insurers()
    ratio = (data.final / data.premium)[:, data.year > known]
    return ratio * data.premium[:, data.year == KNOWN]


def replay(losses: Array) -> Replay:
    """Solve anew every year from where the insurers stand, and pay as agreed.

    Parameters
    ----------
    losses : ndarray of shape (6, n_years)
        What came, in USD million; at most five years.

    Returns
    -------
    Replay

    Examples
    --------
    >>> found = replay(losses_since())
    >>> (found.payments - found.own).sum(axis=1).round().tolist()
    [-57.0, 32.0, 129.0, -186.0, 77.0, 5.0]
    """
    model, data = loss_ratios(), read_insurers()
    volume = data.premium[:, data.year == KNOWN] * np.exp(model.mean)[:, None]
    deviations = np.log(losses / volume)
    years = losses.shape[1]
    paid, ends, treaty = [], [], _treaty(years, model)
    for t, own in enumerate(losses.T):
        first = treaty.economy.tree.nodes(1)
        totals = treaty.economy.aggregate[first]
        ends.append((totals.min(), totals.max()))
        layers, premium = treaty.layers[0], treaty.premium[:, 0]
        later = np.zeros(len(own))
        if t + 1 < years:
            treaty = _treaty(years - t - 1, model._replace(now=deviations[:, t]))
            later = treaty.risk_to_go[:, 0]
        total = own.sum() + later.sum()
        kept = retained(layers, np.array([total]), premium.sum(), len(own))[:, 0]
        paid.append(kept - premium.sum() / len(own) + premium - later)
    low, high = np.array(ends).T
    return Replay(losses, np.array(paid).T, low, high)


def _treaty(horizon: int, model: LossRatios) -> dp.Solution:
    return dp.solve(insurers_economy(horizon, model=model), surplus_split="load")


def example_files(horizon: int = 2) -> dict[str, str]:
    """Return the files that ``dynpo solve`` reads, by their names."""
    economy, toml = insurers_economy(horizon), ECONOMY.read_text("utf-8")
    nodes = economy.tree, economy.endowments
    return {
        "nodes.csv": nodes_csv(list(attitudes()), numbered(economy.tree), *nodes),
        "economy.toml": f'surplus_split = "load"\n\n{toml}',
    }


def write_example(folder: str | Path, horizon: int = 2) -> None:
    """Write the economy as files that ``dynpo solve`` reads.

    Parameters
    ----------
    folder : path
        Holds neither of the files; it is made if need be.
    horizon : int
        As for :func:`insurers_economy`.

    Raises
    ------
    ValueError
        If a file is there already, or the folder cannot be written.
    """
    texts, folder = example_files(horizon), Path(folder)
    for name in texts:
        if (folder / name).exists():
            raise ValueError(f"{folder / name} exists already: choose another folder")
    outputs.create_folder(folder)
    outputs.write_together(folder, texts)


if __name__ == "__main__":
    solution = dp.solve(insurers_economy(), surplus_split="load")
    print(solution.summary(list(attitudes())))
