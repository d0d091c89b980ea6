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
import json
import math
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from dynpo_lite.companion.files.messages import near
from dynpo_lite.companion.outputs import shown

TYPES = {"int": int, "float": float, "str": str, "bool": bool}
KINDS = {int: "an integer", float: "a number", str: "a string", bool: "a bool"}
GRAMMAR = "name: type = literal  # unit; domain; meaning"

_INTERVAL = re.compile(r"([\[(])\s*([^,\s]+)\s*,\s*([^,\s]+)\s*([\])])")


@dataclass(frozen=True)
class Interval:
    """The numbers between two ends."""

    low: float
    high: float
    low_closed: bool
    high_closed: bool

    def __contains__(self, value: Any) -> bool:
        at_end = self.low_closed and value == self.low
        at_end = at_end or (self.high_closed and value == self.high)
        return at_end or self.low < value < self.high


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
            value = float(value) if abs(value) <= sys.float_info.max else math.inf
        if type(value) is not self.type:
            self._refuse(value, f"is not {KINDS[self.type]}")
        if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
            self._refuse(value, "is not valid Unicode", "write it in UTF-8")
        if isinstance(value, float) and not math.isfinite(value):
            self._refuse(value, "is not finite")
        domain = parse_domain(self.domain, self.type)
        if domain is not None and value not in domain:
            self._refuse(value, f"is outside {self.domain}")
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
        value: Any = text
        if self.type is bool:
            value = {"true": True, "false": False}.get(text.lower(), text)
        elif text.isascii() and "_" not in text:
            with suppress(ValueError):
                value = self.type(text)
        if self.type is int and value is text:
            cure = None
            with suppress(ValueError):
                if (meant := float(text)).is_integer() and abs(meant) < 1e15:
                    cure = f"write {meant:.0f}"
            self._refuse(text, "is not an integer literal", cure)
        return self.coerce(value)

    def _refuse(self, value: Any, what: str, cure: str | None = None) -> NoReturn:
        why = f"{shown(value)} {what}: {cure or self._cure()}"
        raise ValueError(f"parameter {self.name} = {why} ({self.unit}; {self.meaning})")

    def _cure(self) -> str:
        """Say in words what is allowed."""
        domain = parse_domain(self.domain, self.type)
        if self.type is bool:
            return "write true or false"
        if domain is None:
            return f"write {KINDS[self.type]} such as {self.default!r}"
        if isinstance(domain, tuple):
            return "choose one of " + ", ".join(map(str, domain))
        low = "of at least" if domain.low_closed else "above"
        high = "at most" if domain.high_closed else "below"
        ends = ((low, domain.low), (high, domain.high))
        words = [f"{word} {end:g}" for word, end in ends if math.isfinite(end)]
        return f"choose {KINDS[self.type]} {' and '.join(words) or 'that is finite'}"


def parse_domain(text: str, kind: type) -> Interval | tuple[Any, ...] | None:
    """Read the domain of a parameter of type `kind`.

    Parameters
    ----------
    text : str
        An interval, ``one of: ...`` or ``any``.
    kind : type
        ``int``, ``float``, ``str`` or ``bool``.

    Returns
    -------
    Interval, tuple or None
        Test membership with ``in``; None means any value.

    Raises
    ------
    ValueError
        If `text` is no domain for that type.

    Examples
    --------
    >>> 1.0 in parse_domain("[0, 1)", float)
    False
    >>> parse_domain("one of: marginal, conditional", str)
    ('marginal', 'conditional')
    """
    if text == "any":
        return None
    with suppress(ValueError):
        if text.startswith("one of:") and kind is not bool:
            entries = text.removeprefix("one of:").split(",")
            return tuple(kind(entry.strip()) for entry in entries)
        if kind in (int, float) and (match := _INTERVAL.fullmatch(text)):
            left, low, high, right = match.groups()
            interval = Interval(float(low), float(high), left == "[", right == "]")
            if interval.low < interval.high:
                return interval
    cure = "write [low, high), one of: a, b, or any"
    raise ValueError(f"domain = {text!r} does not fit the type {kind.__name__}: {cure}")


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
            line = f"parameters cell, line {number} = {line!r}"
            raise ValueError(f"{line} {what}: write {GRAMMAR}")
        found[parameter.name] = parameter
    return tuple(found.values())


def _parse_line(line: str) -> Parameter | None:
    try:
        code: Any
        (code,) = ast.parse(line.strip()).body
        name, kind = code.target.id, TYPES[code.annotation.id]
        default = ast.literal_eval(code.value)
        comment = line.strip().encode()[code.end_col_offset :].decode()
        fields = [field.strip() for field in comment.lstrip("# ").split(";", 2)]
        unit, domain, meaning = filter(None, fields)
    except (AttributeError, KeyError, SyntaxError, TypeError, ValueError):
        return None
    parameter = Parameter(name, kind, default, unit, domain, meaning)
    return replace(parameter, default=parameter.coerce(default))


def notebooks_folder() -> Path:
    """Return the folder of the chapters, beside the package.

    Raises
    ------
    ValueError
        If the package was installed without its repository.
    """
    folder = Path(__file__).resolve().parents[3] / "notebooks"
    if not folder.is_dir():
        cure = "clone the repository and install it with pip install -e ."
        raise ValueError(f"notebooks folder = {str(folder)!r} does not exist: {cure}")
    return folder


def notebooks() -> list[Path]:
    """Return the lessons in the order of their numbers, then the audit notebooks."""
    folder = notebooks_folder()
    return [
        p for place in (folder, folder / "audit") for p in sorted(place.glob("*.ipynb"))
    ]


def find_notebook(notebook: str | Path) -> Path:
    """Return the path of a notebook named in any usual way.

    Parameters
    ----------
    notebook : str or Path
        The stem (``06_two_period_example``, ``section_5_market``), its number (``06``,
        ``6``), the file name, also with its folder (``audit/section_2``), or a path.
        A file that exists is taken before a chapter of that name.

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
    chapters = notebooks()
    name = str(notebook).removesuffix(".ipynb")
    found = [p for p in chapters if name in (p.stem, f"{p.parent.name}/{p.stem}")]
    if name.isdigit() and not found:
        number = name.lstrip("0")
        found = [p for p in chapters if p.stem.split("_")[0].lstrip("0") == number]
    if len(found) == 1:
        return found[0]
    what = "names several notebooks" if found else "does not exist"
    names = ", ".join(path.stem for path in found or chapters) or "(none)"
    raise ValueError(f"notebook = {shown(str(notebook))} {what}: choose one of {names}")


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
    cells = load_notebook(path)["cells"]
    tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", ())]
    if len(tagged) > 1:
        what = f"has {len(tagged)} cells tagged parameters: keep one"
        raise ValueError(f"notebook = {path.stem!r} {what}")
    return parse_parameters("".join(line for c in tagged for line in c["source"]))


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
    for name in declared if "__name__" in values else values:
        if name not in declared:
            raise ValueError(unknown_parameter(name, declared))
        if name not in values:
            cure = "run the cell tagged parameters first"
            raise ValueError(f"parameter {name} is missing: {cure}")
    given = [p for p in declared.values() if p.name in values]
    return {p.name: p.coerce(values[p.name]) for p in given}


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
    return f"parameter {name} is unknown: {near(name, allowed)}"
