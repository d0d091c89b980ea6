"""Tables for notebooks: Markdown on a page, aligned text in a terminal."""

import re
from collections.abc import Iterable

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
        for row in self.rows:
            if len(row) != len(self.headers):
                raise ValueError(
                    f"row {row} has {len(row)} entries: give {len(self.headers)}"
                )

    def __repr__(self) -> str:
        lines = [self.headers, *self.rows]
        widths = [max(len(line[j]) for line in lines) for j in range(len(self.headers))]
        return "\n".join(
            " | ".join(
                entry.ljust(width) if j == 0 else entry.rjust(width)
                for j, (entry, width) in enumerate(zip(line, widths))
            ).rstrip()
            for line in lines
        )

    def _repr_markdown_(self) -> str:
        marks = [":--"] + ["--:"] * (len(self.headers) - 1)
        headers, *rows = [
            [_MARKUP.sub(r"\\\g<0>", entry.replace("\n", " ")) for entry in line]
            for line in (self.headers, *self.rows)
        ]
        return "\n".join(
            "| " + " | ".join(line) + " |" for line in (headers, marks, *rows)
        )
