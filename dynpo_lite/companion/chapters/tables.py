"""Tables for notebooks: Markdown on a page, aligned text in a terminal."""

import re
from collections.abc import Callable, Iterable, Sequence

# What can open or close markup inside a cell; a lone star or bracket cannot.
_MARKUP = re.compile(r"[\\`{}<>&$|~^]|[*_](?=\S)|(?<=\])[(\[]")


class Table:
    """A small table of ready-made strings.

    Parameters
    ----------
    headers : sequence of str
    rows : sequence of sequences
        Entries are turned into strings; every row as long as ``headers``.

    Notes
    -----
    Entries are shown letter by letter: Markdown, mathematics and HTML in them, say in a
    name out of a file, stay text.

    Examples
    --------
    >>> Table(["regime", "total"], [["low", "200"], ["high", "1067"]])
    regime | total
    low    |   200
    high   |  1067
    """

    def __init__(self, headers: Iterable, rows: Iterable[Iterable]) -> None:
        self.headers = [str(header) for header in headers]
        self.rows = [[str(entry) for entry in row] for row in rows]
        n = len(self.headers)
        for row in self.rows:
            if len(row) != n:
                raise ValueError(f"row {row} has {len(row)} entries: give {n}")

    def __repr__(self) -> str:
        return aligned([self.headers, *self.rows], " | ", str.rjust)

    def _repr_markdown_(self) -> str:
        marks = [":--"] + ["--:"] * (len(self.headers) - 1)
        headers, *rows = [
            [_MARKUP.sub(r"\\\g<0>", entry.replace("\n", " ")) for entry in line]
            for line in (self.headers, *self.rows)
        ]
        return "\n".join(f"| {' | '.join(line)} |" for line in (headers, marks, *rows))


def aligned(lines: Sequence, between: str, adjust: Callable = str.ljust) -> str:
    """Return lines of cells as one text; the first column is adjusted to the left.

    Examples
    --------
    >>> print(aligned([["number", "title"], ["06", "An example"]], "  "))
    number  title
    06      An example
    """
    first, *widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [[line[0].ljust(first), *map(adjust, line[1:], widths)] for line in lines]
    return "\n".join(between.join(text).rstrip() for text in texts)
