"""Checks of arguments; every message names the argument, its value and the cure."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dynpo_lite.base.types import Array, Integers, NDArray

Shape = Sequence[int | None]

PROBABILITY_TOL = 1e-9  # how far probabilities may be from summing to 1


def number(
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    closed: str = "both",
    cure: str | None = None,
) -> float:
    """Return ``value`` as a float if it lies between ``low`` and ``high``.

    Parameters
    ----------
    name : str
        Name of the argument, used in the message.
    value : float
        The value to check.
    low, high : float
        Ends of the domain.
    closed : {"both", "left", "right", "neither"}
        Which ends belong to the domain.
    cure : str, optional
        What to do instead; by default the domain is named.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If the value is no real number.
    ValueError
        If it is not finite or lies outside the domain.

    Examples
    --------
    >>> number("level", 0.9, 0, 1, closed="left")
    0.9
    >>> number("level", 1.2, 0, 1, closed="left")
    Traceback (most recent call last):
    ...
    ValueError: level = 1.2 is outside [0, 1): choose a value inside
    """
    left = "[" if closed in ("both", "left") and math.isfinite(low) else "("
    right = "]" if closed in ("both", "right") and math.isfinite(high) else ")"
    domain = f"{left}{low:g}, {high:g}{right}"
    try:
        if isinstance(value, (bool, np.bool_, str, bytes)) or not np.isscalar(value):
            raise TypeError
        result = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} = {value!r} is not a number: give a real number"
        ) from None
    above = result >= low if left == "[" else result > low
    below = result <= high if right == "]" else result < high
    if not (math.isfinite(result) and above and below):
        raise ValueError(
            f"{name} = {value!r} is outside {domain}: {cure or 'choose a value inside'}"
        )
    return result


def integer(name: str, value: Any, low: int) -> int:
    """Return ``value`` as an int of at least ``low``.

    Examples
    --------
    >>> integer("n_samples", 0, 100)
    Traceback (most recent call last):
    ...
    ValueError: n_samples = 0 is too small: choose an integer of at least 100
    """
    if not is_integer(value):
        raise TypeError(f"{name} = {value!r} is not an integer: give an integer")
    if value < low:
        raise ValueError(
            f"{name} = {value!r} is too small: choose an integer of at least {low}"
        )
    return int(value)


def is_integer(value: Any) -> bool:
    """Tell whether a value is an integer of Python or numpy; truth values are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def choice(name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """Return ``value`` if it is one of ``allowed``.

    Examples
    --------
    >>> choice("law", "joint", ("conditional", "marginal"))
    Traceback (most recent call last):
    ...
    ValueError: law = 'joint' is unknown: choose 'conditional' or 'marginal'
    """
    if value not in allowed:
        names = " or ".join(repr(a) for a in allowed)
        raise ValueError(f"{name} = {value!r} is unknown: choose {names}")
    return value


def real_array(
    name: str, value: Any, shape: Shape | None = None, ndim: int | None = None
) -> Array:
    """Return ``value`` as a float array without checking its entries.

    Parameters
    ----------
    name : str
        Name of the argument, used in the message.
    value : array_like
        Numbers, also as objects; no text, no complex numbers, nothing masked.
    shape : sequence of int or None, optional
        What the shape must be; None stands for any length.
    ndim : int, optional
        How many axes there must be.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError
        If the entries are no real numbers.
    ValueError
        If the array is empty or has another shape.

    Examples
    --------
    >>> real_array("losses", [1, 2], ndim=1)
    array([1., 2.])
    >>> real_array("losses", ["1", "2"])
    Traceback (most recent call last):
    ...
    TypeError: losses is not an array of numbers: give real numbers in a regular array
    """
    try:
        array = np.asarray(value)
        text = array.dtype == object and any(
            isinstance(entry, (str, bytes)) for entry in array.flat
        )
        if text or array.dtype.kind not in "biufO":
            raise TypeError
        array = array.astype(float, copy=False)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(
            f"{name} is not an array of numbers: give real numbers in a regular array"
        ) from None
    rows = value if isinstance(value, (list, tuple)) and array.ndim > 1 else ()
    if any(map(np.ma.isMaskedArray, (value, *rows))):
        raise TypeError(
            f"{name} is a masked array: leave out or fill what is masked, as "
            "compressed() and filled() do"
        )
    fits = ndim in (None, array.ndim)
    if shape is not None:
        pairs = zip(shape, array.shape)
        fits = array.ndim == len(shape) and all(w in (None, got) for w, got in pairs)
    if not fits:
        asked = f"{ndim} {'axis' if ndim == 1 else 'axes'}"
        if shape is not None:
            asked = f"shape {tuple('any' if w is None else w for w in shape)}"
        raise ValueError(f"{name} has shape {array.shape}: give an array with {asked}")
    if array.size == 0:
        raise ValueError(f"{name} is empty: give at least one number")
    return array


def integers(name: str, value: Any, shape: Shape | None = None) -> Integers:
    """Return ``value`` as an array of integers, with one axis unless a shape is given.

    Examples
    --------
    >>> integers("parent", [-1, 0, 0.5])
    Traceback (most recent call last):
    ...
    TypeError: parent holds values that are no integers: give node numbers
    """
    array = real_array(name, value, shape, ndim=1)
    if not (np.abs(array) < 2**53).all() or (array != np.round(array)).any():
        raise TypeError(f"{name} holds values that are no integers: give node numbers")
    return array.astype(np.int64)


def finite_array(
    name: str, value: Any, shape: Shape | None = None, ndim: int | None = None
) -> Array:
    """Return ``value`` as a float array of finite numbers.

    Examples
    --------
    >>> finite_array("losses", [1.0, float("nan")])
    Traceback (most recent call last):
    ...
    ValueError: losses holds nan at position 1: remove or replace it
    """
    array = real_array(name, value, shape, ndim)
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(np.argwhere(~finite)[0].tolist())
        position = where[0] if len(where) == 1 else where
        raise ValueError(
            f"{name} holds {array[where]} at position {position}: remove or replace it"
        )
    return array


def probabilities(name: str, value: Any, size: int | None = None) -> Array:
    """Return probabilities: non-negative, summing to 1 up to 1e-9, renormalised.

    With a size None stands for equal ones.

    Examples
    --------
    >>> probabilities("weights", [0.5, 0.6])
    Traceback (most recent call last):
    ...
    ValueError: weights sum to 1.1: divide them by their sum
    """
    if value is None and size is not None:
        return np.full(size, 1.0 / size)
    array = finite_array(name, value, shape=(size,))
    if (i := first(array < 0)) is not None:
        raise ValueError(
            f"{name} holds {array[i]} at position {i}: probabilities are at least 0"
        )
    total = array.sum()
    if abs(total - 1) > PROBABILITY_TOL:
        raise ValueError(f"{name} sum to {total:.10g}: divide them by their sum")
    return array / total


def first(found: Any) -> int | None:
    """Return the first place that holds True, None without any."""
    return int(np.argmax(found)) if found.any() else None


def entries(name: str, value: Any, what: str = "none") -> tuple:
    """Return a sequence as a tuple of at least one.

    Examples
    --------
    >>> entries("agents", [])
    Traceback (most recent call last):
    ...
    ValueError: agents = [] holds none: give at least one
    """
    try:
        result = tuple(value)
    except TypeError:
        result = ()
    if not result:
        raise ValueError(f"{name} = {value!r} holds {what}: give at least one")
    return result


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, no longer writeable."""
    array.setflags(write=False)
    return array


def keep(record: object, **values: Any) -> None:
    """Set fields of a frozen dataclass; arrays become read-only."""
    for name, value in values.items():
        value = frozen(value) if isinstance(value, np.ndarray) else value
        object.__setattr__(record, name, value)


def instance(name: str, value: object, kind: type) -> None:
    """Refuse what is not of a kind.

    Examples
    --------
    >>> instance("level", "x", float)
    Traceback (most recent call last):
    ...
    TypeError: level = 'x' is no float: give one
    """
    if not isinstance(value, kind):
        shown = repr(value)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        raise TypeError(f"{name} = {shown} is no {kind.__name__}: give one")
