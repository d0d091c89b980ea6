"""Tables for notebooks: Markdown on a page, aligned text in a terminal."""


class Table:
    """A small table of ready-made strings.

    Parameters
    ----------
    headers : sequence of str
    rows : sequence of sequences
        Entries are turned into strings; every row as long as ``headers``.

    Examples
    --------
    >>> Table(["regime", "total"], [["low", "200"], ["high", "1067"]])
    regime | total
    low    |   200
    high   |  1067
    """

    def __init__(self, headers, rows):
        self.headers = [str(header) for header in headers]
        self.rows = [[str(entry) for entry in row] for row in rows]
        for row in self.rows:
            if len(row) != len(self.headers):
                raise ValueError(
                    f"row {row} has {len(row)} entries: give {len(self.headers)}"
                )

    def __repr__(self):
        lines = [self.headers, *self.rows]
        widths = [max(len(line[j]) for line in lines) for j in range(len(self.headers))]
        return "\n".join(
            " | ".join(
                entry.ljust(width) if j == 0 else entry.rjust(width)
                for j, (entry, width) in enumerate(zip(line, widths))
            ).rstrip()
            for line in lines
        )

    def _repr_markdown_(self):
        marks = [":--"] + ["--:"] * (len(self.headers) - 1)
        lines = [self.headers, marks, *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
