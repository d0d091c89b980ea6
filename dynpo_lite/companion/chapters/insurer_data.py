"""The figures of six insurers, as shipped; ``data/README.md`` has source and terms."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynpo_lite.base.types import Array, Integers

DATA = Path(__file__).parent / "data" / "insurers.csv"
FIGURES = ("premium", "booked_2002", "final", "paid", "first")


class InsurerData(NamedTuple):
    """The shipped figures, in USD million; nan where the file is empty.

    Attributes
    ----------
    group : tuple of str
        The six groups, A to F.
    year : ndarray of shape (20,)
    premium, booked_2002, final, paid, first : ndarray of shape (6, 20)
    """

    group: tuple[str, ...]
    year: Integers
    premium: Array
    booked_2002: Array
    final: Array
    paid: Array
    first: Array


def read_insurers() -> InsurerData:
    """Return the shipped figures.

    Returns
    -------
    InsurerData

    Examples
    --------
    >>> data = read_insurers()
    >>> data.group[0], data.year[[0, -1]].tolist()
    ('State Farm Mut Grp', [1988, 2007])
    >>> float(data.premium[:, data.year == 2002].sum().round())  # USD million
    878.0
    """
    with DATA.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    group = tuple(dict.fromkeys(row["name"] for row in rows))
    year = np.array([int(row["year"]) for row in rows]).reshape(len(group), -1)[0]
    tables = [
        np.array([float(row[name] or "nan") for row in rows]) / 1000 for name in FIGURES
    ]
    return InsurerData(group, year, *(table.reshape(-1, len(year)) for table in tables))
