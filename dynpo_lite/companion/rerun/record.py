"""Named numbers: recorded in a notebook, harvested from its outputs.

A notebook calls ``record(name, value)``.  The page shows nothing; the book can paste
the number into a sentence, and a rerun collects it in ``results.json``.  Both travel in
one display output of the cell, so an executed notebook carries its results:

* ``application/vnd.dynpo.record+json`` holds ``{"name": ..., "value": ...}``;
* ``application/papermill.record/text/plain`` is what MyST-NB's ``glue`` writes, read by
  the role ``{glue:text}`` with a name and a format such as ``.6f``.

Neither is shown on a page.  Values are rounded first, so that stored outputs do not
depend on the last digits of a processor's arithmetic.
"""

import json
import keyword
import sys
from collections.abc import Mapping
from typing import Any

RECORD_MIME = "application/vnd.dynpo.record+json"
GLUE_PREFIX = "application/papermill.record/"

MAX_DIGITS = 17  # a float carries no more


def record(name: str, value: Any, digits: int = 12) -> None:
    """Glue and store one named value of a notebook.

    Parameters
    ----------
    name : str
        A Python identifier, used once in a notebook.
    value : float, int, str, bool, or a flat sequence of these
        The value; numpy scalars and one-dimensional arrays are accepted.
    digits : int
        Significant digits kept of every float, 1 to 17.

    Raises
    ------
    ValueError
        If the name is no identifier, the value is none of the types above, or `digits`
        is out of range.

    Notes
    -----
    Outside a notebook the value is printed.  ``inf`` and ``nan``, which JSON does
    not know, are stored as the strings ``"inf"``, ``"-inf"`` and ``"nan"``.

    Examples
    --------
    >>> record("attachment", 776.6134761866054)
    attachment = 776.613476187
    >>> record("regimes", (200.0, 1 / 3), digits=4)
    regimes = [200.0, 0.3333]
    >>> record("two words", 1)
    Traceback (most recent call last):
    ...
    ValueError: name = 'two words' is not an identifier: write it like two_words
    """
    if not (isinstance(name, str) and name.isidentifier()) or keyword.iskeyword(name):
        word = "".join(c if c.isalnum() else "_" for c in str(name))
        cure = f"write it like {word}" if word.isidentifier() else "begin with a letter"
        raise ValueError(f"name = {name!r} is not an identifier: {cure}")
    if type(digits) is not int or not 1 <= digits <= MAX_DIGITS:
        what = f"is not an integer from 1 to {MAX_DIGITS}: choose for example 12"
        raise ValueError(f"digits = {digits!r} {what}")
    rounded = _rounded(name, value, digits)
    if not _publish(name, rounded):
        print(f"{name} = {rounded!r}")


def harvest(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Collect every recorded value of an executed notebook.

    Parameters
    ----------
    notebook : mapping
        The notebook as JSON reads it (``nbformat`` nodes too).

    Returns
    -------
    dict of str to value
        In the order of the notebook; non-finite floats are strings.

    Raises
    ------
    ValueError
        If a name was recorded twice.

    Examples
    --------
    >>> output = {"data": {RECORD_MIME: {"name": "gap", "value": 0.5}}}
    >>> harvest({"cells": [{"outputs": [output]}]})
    {'gap': 0.5}
    """
    results = {}
    outputs = (out for cell in notebook["cells"] for out in cell.get("outputs", ()))
    found = (output.get("data", {}).get(RECORD_MIME) for output in outputs)
    for entry in filter(None, found):
        if entry["name"] in results:
            what = (
                "is recorded twice in the notebook: give each value a name of its own"
            )
            raise ValueError(f"name = {entry['name']!r} {what}")
        results[entry["name"]] = entry["value"]
    return results


def _rounded(name: str, value: Any, digits: int, inside: bool = False) -> Any:
    """Return plain Python: one scalar or a list of scalars, floats rounded."""
    if hasattr(value, "tolist"):  # an array or a scalar of numpy
        value = value.tolist()
    if isinstance(value, (list, tuple)) and not inside:
        return [_rounded(name, entry, digits, inside=True) for entry in value]
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") + 0.0  # no negative zero
    if isinstance(value, (bool, int, str)):
        return value
    what = f"value of {name} = {str(value)[:40]!r} ({type(value).__name__})"
    cure = "give a number, a string, a bool or a flat list of these"
    raise ValueError(f"{what} cannot be recorded: {cure}")


def _publish(name: str, value: Any) -> bool:
    """Send the display output; tell whether a notebook listens."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it long before
    if ipython is None or ipython.get_ipython() is None:
        return False
    # nan and infinities, which strict JSON does not know, as strings
    strict = json.loads(json.dumps(value), parse_constant=lambda c: str(float(c)))
    entry, text = {"name": name, "value": strict}, f"{GLUE_PREFIX}text/plain"
    glue = {"scrapbook": {"name": name, "mime_prefix": GLUE_PREFIX}}
    data = {RECORD_MIME: entry, text: repr(value)}
    ipython.display.display(data, raw=True, metadata=glue)
    return True
