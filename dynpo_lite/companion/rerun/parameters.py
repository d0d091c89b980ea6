"""The parameters of a notebook: found, read from its one tagged cell, and checked.

A notebook that can be rerun has exactly one code cell tagged ``parameters``.  Each line
of it declares one parameter (blank lines and lines of comment are skipped)::

    name: type = literal  # unit; domain; meaning

``type`` is ``int``, ``float``, ``str`` or ``bool``, the literal is the default, and
``domain`` is one of

* an interval for numbers, ``(0, inf)``, ``[0, 1)``, ``[100, inf)``, ``[0, 1]``: a
  square bracket includes its end, a round one does not, infinite ends are round;
* ``one of: a, b`` for strings or numbers, the allowed values separated by commas;
* ``any``.

Numbers are always finite: ``nan`` and ``inf`` are refused in every domain.  The meaning
may hold further semicolons.  A string parameter whose name ends in ``_path`` names a
file or folder of the user; empty, it stands for the notebook's own data.

Only this module knows the grammar; the command line, the check cell of a notebook and
the tests ask it.
"""

import ast
import difflib
import io
import json
import math
import os
import re
import tokenize
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from dynpo_lite.companion.outputs import shown

TYPES = {"int": int, "float": float, "str": str, "bool": bool}
KINDS = {int: "an integer", float: "a number", str: "a string", bool: "a bool"}
GRAMMAR = "name: type = literal  # unit; domain; meaning"

_LINE = re.compile(r"([A-Za-z_]\w*)\s*:\s*(\w+)\s*=\s*(.+)")
_INTERVAL = re.compile(r"([\[(])\s*([^,\s]+)\s*,\s*([^,\s]+)\s*([\])])")


@dataclass(frozen=True)
class Interval:
    """The numbers between two ends."""

    low: float
    high: float
    low_closed: bool
    high_closed: bool

    def __contains__(self, value: Any) -> bool:
        above = value >= self.low if self.low_closed else value > self.low
        below = value <= self.high if self.high_closed else value < self.high
        return above and below

    def cure(self, kind: str) -> str:
        """Say in words what is allowed, for values called `kind`."""
        ends = []
        if math.isfinite(self.low):
            ends.append(f"{'of at least' if self.low_closed else 'above'} {self.low:g}")
        if math.isfinite(self.high):
            ends.append(f"{'at most' if self.high_closed else 'below'} {self.high:g}")
        return f"choose {kind} " + (" and ".join(ends) or "that is finite")


@dataclass(frozen=True)
class Choice:
    """A few allowed values."""

    values: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        return value in self.values

    def cure(self, kind: str) -> str:
        """Say in words what is allowed."""
        return "choose one of " + ", ".join(str(value) for value in self.values)


@dataclass(frozen=True)
class Parameter:
    """One declared parameter of a notebook.

    Attributes
    ----------
    name : str
    type : type
        ``int``, ``float``, ``str`` or ``bool``.
    default : int, float, str or bool
        A value of that type.
    unit : str
    domain : str
        As written in the notebook; the grammar is in the module's docstring.
    meaning : str

    Examples
    --------
    >>> size, level = parse_parameters('''
    ... n: int = 500  # paths; [100, inf); sample size
    ... level: float = 0.9  # probability; [0, 1); level of the agent
    ... ''')
    >>> size.parse("1000"), level.coerce(0)
    (1000, 0.0)
    >>> level.coerce(1.2)
    Traceback (most recent call last):
    ...
    ValueError: parameter level = 1.2 is outside [0, 1): choose a number of at least 0 \
and below 1 (probability; level of the agent)
    >>> size.parse("1e5")
    Traceback (most recent call last):
    ...
    ValueError: parameter n = '1e5' is not an integer literal: write 100000 (paths; \
sample size)
    """

    name: str
    type: type
    default: Any
    unit: str
    domain: str
    meaning: str

    def coerce(self, value: Any) -> Any:
        """Return `value` as this parameter's type, inside its domain.

        Parameters
        ----------
        value : object
            An integer is accepted for a float; a bool is no number.

        Raises
        ------
        ValueError
            If the type is wrong, the number not finite, or the value out of domain.
        """
        if hasattr(value, "item"):  # a numpy scalar
            value = value.item()
        if self.type is float and type(value) is int:
            value = _to_float(value)
        kind: type = type(value)
        if kind is not self.type:
            self._refuse(value, f"is not {KINDS[self.type]}", self._cure())
        if isinstance(value, str) and not _is_unicode(value):
            self._refuse(value, "is not valid Unicode", "write it in UTF-8")
        if isinstance(value, float) and not math.isfinite(value):
            self._refuse(value, "is not finite", self._cure())
        domain = parse_domain(self.domain, self.type)
        if domain is not None and value not in domain:
            self._refuse(value, f"is outside {self.domain}", self._cure())
        return value

    def parse(self, text: str) -> Any:
        """Return the value a user typed as `text`, checked like `coerce`.

        Parameters
        ----------
        text : str
            An integer wants an integer literal (``100000``, not ``1e5``), a bool
            ``true`` or ``false``; a string is taken as it is.

        Raises
        ------
        ValueError
            If `text` does not denote the type, or as `coerce`.
        """
        if self.type is str:
            return self.coerce(text)
        if self.type is bool:
            return self.coerce({"true": True, "false": False}.get(text.lower(), text))
        try:
            plain = text.isascii() and "_" not in text
            value = self.type(text) if plain else None
        except ValueError:
            value = None
        if value is None and self.type is int:
            self._refuse(text, "is not an integer literal", self._integer_cure(text))
        return self.coerce(text if value is None else value)

    def _cure(self) -> str:
        if self.type is bool:
            return "write true or false"
        domain = parse_domain(self.domain, self.type)
        if domain is None:
            return f"write {KINDS[self.type]} such as {self.default!r}"
        return domain.cure(KINDS[self.type])

    def _integer_cure(self, text: str) -> str:
        try:
            meant = float(text)
        except ValueError:
            return self._cure()
        exact = meant.is_integer() and abs(meant) < 1e15
        return f"write {meant:.0f}" if exact else self._cure()

    def _refuse(self, value: Any, what: str, cure: str) -> NoReturn:
        raise ValueError(
            f"parameter {self.name} = {shown(value)} {what}: {cure} "
            f"({self.unit}; {self.meaning})"
        )


def _to_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _is_unicode(text: str) -> bool:
    try:
        return bool(text.encode()) or not text
    except UnicodeEncodeError:  # bytes of a command line that are not
        return False


def parse_domain(text: str, kind: type) -> Interval | Choice | None:
    """Read the domain of a parameter of type `kind`.

    Parameters
    ----------
    text : str
        An interval, ``one of: ...`` or ``any``.
    kind : type
        ``int``, ``float``, ``str`` or ``bool``.

    Returns
    -------
    Interval, Choice or None
        Test membership with ``in``; None means any value.

    Raises
    ------
    ValueError
        If `text` is no domain for that type.

    Examples
    --------
    >>> 1.0 in parse_domain("[0, 1)", float)
    False
    >>> parse_domain("one of: marginal, conditional", str).values
    ('marginal', 'conditional')
    """
    if text == "any":
        return None
    try:
        if text.startswith("one of:") and kind is not bool:
            entries = text.removeprefix("one of:").split(",")
            return Choice(tuple(kind(entry.strip()) for entry in entries))
        if kind in (int, float) and (match := _INTERVAL.fullmatch(text)):
            left, low, high, right = match.groups()
            interval = Interval(float(low), float(high), left == "[", right == "]")
            if interval.low < interval.high:
                return interval
    except ValueError:
        pass
    raise ValueError(
        f"domain = {text!r} does not fit the type {kind.__name__}: "
        "write [low, high), one of: a, b, or any"
    )


def parse_parameters(source: str) -> tuple[Parameter, ...]:
    """Read the source of a parameters cell.

    Parameters
    ----------
    source : str
        Lines of the form ``name: type = literal  # unit; domain; meaning``.

    Returns
    -------
    tuple of Parameter
        In the order of the lines.

    Raises
    ------
    ValueError
        If a line has another form, a name comes twice, or a default does not lie in
        its domain.

    Examples
    --------
    >>> parse_parameters("mean = 200.0")
    Traceback (most recent call last):
    ...
    ValueError: parameters cell, line 1 = 'mean = 200.0' is not understood: write \
name: type = literal  # unit; domain; meaning
    """
    found = {}
    for number, line in enumerate(source.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        parameter = _parse_line(line)
        if parameter is None or parameter.name in found:
            what = "repeats a name" if parameter else "is not understood"
            raise ValueError(
                f"parameters cell, line {number} = {line!r} {what}: write {GRAMMAR}"
            )
        found[parameter.name] = parameter
    return tuple(found.values())


def _parse_line(line: str) -> Parameter | None:
    code, comment = _split_comment(line)
    match = _LINE.fullmatch(code.strip())
    fields = [field.strip() for field in comment.split(";", 2)]
    if match is None or match[2] not in TYPES or len(fields) != 3 or not all(fields):
        return None
    unit, domain, meaning = fields
    try:
        default = ast.literal_eval(match[3])
    except (ValueError, SyntaxError):
        return None
    kind = TYPES[match[2]]
    parameter = Parameter(match[1], kind, default, unit, domain, meaning)
    return replace(parameter, default=parameter.coerce(default))


def _split_comment(line: str) -> tuple[str, str]:
    """Split a line at its comment sign, which a string literal may hold too."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(line).readline):
            if token.type == tokenize.COMMENT:
                return line[: token.start[1]], token.string.lstrip("#")
    except (tokenize.TokenError, SyntaxError):
        pass
    return line, ""


def notebooks_folder() -> Path:
    """Return the folder of the chapters, beside the package.

    Raises
    ------
    ValueError
        If the package was installed without its repository.
    """
    folder = Path(__file__).resolve().parents[3] / "notebooks"
    if not folder.is_dir():
        raise ValueError(
            f"notebooks folder = {str(folder)!r} does not exist: clone the repository "
            "and install it with pip install -e ."
        )
    return folder


def find_notebook(notebook: str | Path) -> Path:
    """Return the path of a notebook named in any usual way.

    Parameters
    ----------
    notebook : str or Path
        The stem (``06_two_period_example``), its number (``06``, ``6``), the file name,
        or a path.  A file that exists is taken before a chapter of that name.

    Raises
    ------
    ValueError
        If there is no such notebook, or a number belongs to several.

    Examples
    --------
    >>> find_notebook("99")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: notebook = '99' does not exist: choose one of ...
    """
    given = Path(notebook)
    if given.suffix == ".ipynb" and os.path.isfile(given):
        return given
    chapters = sorted(notebooks_folder().glob("*.ipynb"))
    name = str(notebook).removesuffix(".ipynb")
    found = [path for path in chapters if path.stem == name]
    found = found or [path for path in chapters if _has_number(path, name)]
    if len(found) == 1:
        return found[0]
    what = "names several notebooks" if found else "does not exist"
    names = ", ".join(path.stem for path in found or chapters) or "(none)"
    raise ValueError(f"notebook = {shown(str(notebook))} {what}: choose one of {names}")


def _has_number(path: Path, text: str) -> bool:
    prefix = path.stem.split("_")[0]
    ascii_digits = text.isascii() and text.isdigit() and prefix.isdigit()
    return ascii_digits and prefix.lstrip("0") == text.lstrip("0")


def load_notebook(path: str | Path) -> dict[str, Any]:
    """Return a notebook as plain JSON.

    Raises
    ------
    ValueError
        If the file cannot be read as a notebook.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["nbformat"] == 4 and all(map(_is_cell, content["cells"])):
            return content
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise ValueError(f"notebook = {str(path)!r} is no notebook: give an .ipynb file")


def _is_cell(cell: dict[str, Any]) -> bool:
    """Tell whether a cell has what is looked at before a run."""
    tags = cell["metadata"].get("tags", [])
    lines = [*cell["source"], *tags, cell["cell_type"]]
    return isinstance(tags, list) and all(isinstance(line, str) for line in lines)


def read_parameters(notebook: str | Path) -> tuple[Parameter, ...]:
    """Read the declared parameters of a notebook.

    Parameters
    ----------
    notebook : str or Path
        As for `find_notebook`.

    Returns
    -------
    tuple of Parameter
        Empty when no cell is tagged ``parameters``.

    Raises
    ------
    ValueError
        If several cells are tagged, or a line is not understood.
    """
    path = find_notebook(notebook)
    sources = [
        "".join(cell["source"])
        for cell in load_notebook(path)["cells"]
        if "parameters" in cell.get("metadata", {}).get("tags", ())
    ]
    if len(sources) > 1:
        raise ValueError(
            f"notebook = {path.stem!r} has {len(sources)} cells tagged parameters: "
            "keep one"
        )
    return parse_parameters(sources[0]) if sources else ()


def check_parameters(
    notebook: str | Path | Iterable[Parameter], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Check values against the parameters that a notebook declares.

    Parameters
    ----------
    notebook : str, Path or sequence of Parameter
        A notebook as for `find_notebook`, or parameters already read.
    values : mapping of str to value
        The values to check, some or all.  A namespace such as ``globals()`` (it holds
        ``__name__``) may hold other names and must hold every parameter: this is how a
        notebook checks itself in the cell after its parameters.

    Returns
    -------
    dict of str to value
        The checked values with their declared types, in the declared order.

    Raises
    ------
    ValueError
        If a name is unknown or missing, a type is wrong, a number is not finite, or a
        value is out of its domain: one line that names the parameter and the cure.

    Examples
    --------
    >>> declared = parse_parameters("mean: float = 200.0  # money; (0, inf); mean loss")
    >>> check_parameters(declared, {"mean": 150})
    {'mean': 150.0}
    >>> check_parameters(declared, {"mean": -3.0})
    Traceback (most recent call last):
    ...
    ValueError: parameter mean = -3.0 is outside (0, inf): choose a number above 0 \
(money; mean loss)
    >>> check_parameters(declared, {"maen": 150.0})
    Traceback (most recent call last):
    ...
    ValueError: parameter maen is unknown: did you mean mean? allowed: mean
    """
    if isinstance(notebook, (str, Path)):
        notebook = read_parameters(notebook)
    declared = {parameter.name: parameter for parameter in notebook}
    if "__name__" in values:
        values = _from_namespace(declared, values)
    for name in values:
        if name not in declared:
            raise ValueError(unknown_parameter(name, declared))
    return {
        name: parameter.coerce(values[name])
        for name, parameter in declared.items()
        if name in values
    }


def _from_namespace(
    declared: Iterable[str], namespace: Mapping[str, Any]
) -> dict[str, Any]:
    for name in declared:
        if name not in namespace:
            raise ValueError(
                f"parameter {name} is missing: run the cell tagged parameters first"
            )
    return {name: namespace[name] for name in declared}


def unknown_parameter(name: str, allowed: Collection[str]) -> str:
    """Return the message about a name that is not among the `allowed`.

    Examples
    --------
    >>> unknown_parameter("sead", ["mean", "seed"])
    'parameter sead is unknown: did you mean seed? allowed: mean, seed'
    """
    name = name if str(name).isidentifier() else repr(name)
    if not allowed:
        return f"parameter {name} is unknown: this notebook has no parameters"
    near = difflib.get_close_matches(name, allowed, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"parameter {name} is unknown: {hint}allowed: {', '.join(allowed)}"
