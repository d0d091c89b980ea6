"""Frozen results: compared by value, arrays included, and read-only mappings."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np


class ByValue:
    """Equality and hash of a frozen dataclass whose fields may be arrays."""

    def _key(self) -> tuple:
        return tuple(_frozen(getattr(self, f.name)) for f in fields(self))  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


def _frozen(value: Any) -> Any:
    if isinstance(value, (float, np.ndarray)):  # nan equals nan
        return np.shape(value), np.asarray(value).tobytes()
    return value


class ReadOnly(Mapping[Any, Any]):
    """A dict that cannot be changed, and can be pickled.

    Examples
    --------
    >>> ReadOnly({1: "one"})[1]
    'one'
    """

    def __init__(self, items: Mapping[Any, Any]):
        self._items = dict(items)

    def __getitem__(self, key: Any) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(dict(self))
