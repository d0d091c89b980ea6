"""The ledger: what the paper states and prints, and what we found.

One file, ``book/paper_items.yml``, holds a row for each numbered item, each figure
and each printed number, and one for each relation of the second document that the book
uses.  Pages, tests and reports read it through this module.
"""

from dataclasses import MISSING, dataclass, fields
from pathlib import Path

STATUSES = (
    "holds",
    "holds with a repair",
    "true only without news",
    "fails as printed",
)
DEVIATIONS = (
    "false as printed",
    "hypotheses that can exclude each other",
    "true as printed for one period only",
    "a hypothesis is missing",
)
LEDGER = Path(__file__).resolve().parents[1] / "book" / "paper_items.yml"


@dataclass(frozen=True)
class Deviation:
    """Where an item does not hold as printed: by which example, and what mends it.

    ``severity``, ``brief`` and ``mend`` say what hangs on it, the counterexample and
    the repair in a few words.  ``cell`` is the tag of the code cell that shows it,
    ``recorded`` the numbers of the item's page to quote, ``repaired_as`` the label of a
    statement of ours, if one has a label of its own.
    """

    kind: str
    severity: str
    brief: str
    mend: str
    counterexample: str
    repair: str
    cell: str
    recorded: tuple = ()
    repaired_as: str | None = None


@dataclass(frozen=True)
class Item:
    """A numbered definition or statement, of the paper or of the second document."""

    label: str
    number: str
    kind: str
    title: str
    page: str
    functions: tuple
    test: str
    status: str
    sentence: str
    deviation: Deviation | None = None


@dataclass(frozen=True)
class Figure:
    """A figure of the paper."""

    label: str
    number: str
    page: str
    title: str
    verdict: str


@dataclass(frozen=True)
class PrintedNumber:
    """A number printed in the paper, and ours.

    ``standard_error`` is that of 100,000 samples, the paper's method; None where the
    paper computes exactly.
    """

    key: str
    label: str
    title: str
    printed: float
    ours: float
    standard_error: float | None
    verdict: str

    @property
    def z(self):
        """How many standard errors the printed number lies above ours."""
        if self.standard_error is None:
            return None
        return (self.printed - self.ours) / self.standard_error


@dataclass(frozen=True)
class Ledger:
    """All rows; see :func:`load`."""

    items: tuple
    figures: tuple
    numbers: tuple
    vectors: tuple

    def printed(self, key):
        """Return the row of the printed number ``key``.

        Examples
        --------
        >>> load().printed("attachment").printed
        780.0
        """
        for row in self.numbers:
            if row.key == key:
                return row
        known = ", ".join(row.key for row in self.numbers)
        raise ValueError(f"key = {key!r} is no printed number: choose one of {known}")


def load(path=LEDGER):
    """Read the ledger.

    Parameters
    ----------
    path : path-like
        By default the file of the repository this package was installed from.

    Returns
    -------
    Ledger

    Raises
    ------
    FileNotFoundError
        If the file is not there; the package is then not installed from its
        repository.
    ValueError
        If a row lacks a field, has an unknown one or an unknown status, or if its
        status and its deviation do not go together.

    Examples
    --------
    >>> len(load().items)
    47
    """
    import yaml

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"path = {path.name!r}: the ledger is not there; install the package from "
            "its repository with pip install -e ."
        )
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    kinds = {
        "items": Item,
        "figures": Figure,
        "numbers": PrintedNumber,
        "vectors": Item,
    }
    if set(data) != set(kinds):
        raise ValueError(f"{path.name} has the parts {sorted(data)}: {sorted(kinds)}")
    ledger = Ledger(
        **{
            name: tuple(_row(kind, r) for r in data[name])
            for name, kind in kinds.items()
        }
    )
    for item in (*ledger.items, *ledger.vectors):
        _check("status", item.label, item.status, STATUSES)
        if (item.status == "holds") != (item.deviation is None):
            raise ValueError(
                f"{item.label}: status = {item.status!r} goes with "
                f"{'no' if item.deviation else 'a'} deviation"
            )
        if item.deviation:
            _check("deviation.kind", item.label, item.deviation.kind, DEVIATIONS)
    return ledger


def _check(name, label, value, allowed):
    if value not in allowed:
        raise ValueError(
            f"{label}: {name} = {value!r} is unknown: choose one of "
            f"{', '.join(allowed)}"
        )


def _row(kind, row):
    names = {field.name: field.default is MISSING for field in fields(kind)}
    needed = {name for name, must in names.items() if must}
    if not needed <= set(row) <= set(names):
        raise ValueError(
            f"row {row.get('label', row)!r} has the wrong fields: missing "
            f"{sorted(needed - set(row))}, unknown {sorted(set(row) - set(names))}"
        )
    row = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    if row.get("deviation"):
        row["deviation"] = _row(Deviation, row["deviation"])
    return kind(**row)
