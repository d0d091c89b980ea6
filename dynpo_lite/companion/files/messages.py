"""What the readers of files share: known keys, fit names, places in messages."""

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NUMBER = re.compile(r"[+-]?[0-9.]+")


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        cure = "give a text file in UTF-8"
        raise ValueError(f"{path} cannot be read ({why}): {cure}") from None


def refuse(bad: object, message: str) -> None:
    """Raise an error if something is bad."""
    if bad:
        raise ValueError(message)


def expect(place: str, value: Any, kind: type, cure: str, some: bool = False) -> Any:
    """Return the value if it is of a kind and, where asked for, not empty.

    Examples
    --------
    >>> expect("rational", 1, bool, "bool: write true or false")
    Traceback (most recent call last):
    ...
    ValueError: rational = 1 is no bool: write true or false
    """
    if not isinstance(value, kind) or (some and not value):
        raise ValueError(f"{place} = {value!r} is no {cure}")
    return value


def tables(place: str, mark: str, given: list, *keys: Collection) -> Iterator[tuple]:
    """Yield the tables of a list, each after its place; keys as for `check_keys`."""
    for number, table in enumerate(given, start=1):
        expect(f"{place} {number}", table, dict, f"table: write {mark} above it")
        check_keys(f"{place} {number}", table, *keys)
        yield f"{place} {number}", table


def check_keys(place: str, table: Mapping, known: Collection, needed: Iterable) -> None:
    """Refuse unknown keys, naming the nearest known one, and missing ones."""
    for key in table:
        if key not in known:
            raise ValueError(f"{place}: key {key!r} is unknown: {near(key, known)}")
    for key in needed:
        refuse(key not in table, f"{place}: {key} is missing: add {key} = ...")


def near(name: object, known: Iterable[str], cure: str | None = None) -> str:
    """Return a cure that begins with the nearest of the known names, if one is near.

    Examples
    --------
    >>> near("wett", ["dry", "wet"], "give names of nodes")
    'did you mean wet? give names of nodes'
    """
    found = difflib.get_close_matches(str(name)[:100], known, n=1)
    hint = f"did you mean {found[0]}? " if found else ""
    return hint + (cure or f"allowed: {', '.join(known)}")


def refuse_formula(place: str, name: str) -> None:
    """Refuse a name that a spreadsheet would take for a formula.

    Examples
    --------
    >>> refuse_formula("node", "-1")
    >>> refuse_formula("node", "=1+1")
    Traceback (most recent call last):
    ...
    ValueError: node = '=1+1' is a formula for a spreadsheet: begin with another letter
    """
    first = unicodedata.normalize("NFKC", name[:1])  # wide signs count as well
    bad = first in {"=", "+", "-", "@"} and not _NUMBER.fullmatch(name)
    what = "is a formula for a spreadsheet: begin with another letter"
    refuse(bad, f"{place} = {name!r} {what}")


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Put the place before the message of an error about a value."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{place}: {error}") from None
