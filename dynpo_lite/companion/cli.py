"""The command line: ``dynpo list``, ``dynpo params``, ``dynpo run``.

Exit codes: 0 done; 1 the notebook failed; 2 the user asked for something that is not
there or not allowed, said in one line, with no kernel started and nothing written; 130
interrupted.
"""

import argparse
import sys
import time
from importlib.metadata import version
from pathlib import Path

from dynpo_lite.companion.parameters import (
    find_notebook,
    read_parameters,
    unknown_parameter,
)
from dynpo_lite.companion.rerun import NotebookFailed, execute, list_notebooks, plan_run

NOTEBOOK = "a name, a number such as 06, a file name or a path"


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all errors here."""

    def error(self, message):
        raise ValueError(f"{message} (see {self.prog} --help)")


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        The arguments, by default those of the process.

    Returns
    -------
    int
        The exit code.

    Examples
    --------
    >>> main(["run", "99"])  # and one line on stderr
    2
    """
    try:
        arguments = _parser().parse_args(argv)
        return arguments.command(arguments)
    except ValueError as error:
        return _say(error, 2)
    except NotebookFailed as error:
        return _say(error, 1)
    except KeyboardInterrupt:
        return _say("interrupted: nothing was written", 130)


def _say(message, code):
    print(f"dynpo: {message}", file=sys.stderr)
    return code


def _parser():
    parser = _Parser(
        prog="dynpo",
        description="Run the chapters of the book again with other parameters.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"dynpo-lite {version('dynpo-lite')}"
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="list the notebooks")
    listing.set_defaults(command=_list)

    params = commands.add_parser("params", help="show the parameters of a notebook")
    params.add_argument("notebook", metavar="NOTEBOOK", help=NOTEBOOK)
    params.set_defaults(command=_params)

    run = commands.add_parser("run", help="run a notebook with other parameters")
    run.add_argument("notebook", metavar="NOTEBOOK", help=NOTEBOOK)
    run.add_argument(
        "-p",
        dest="assignments",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="change a parameter; once for each",
    )
    run.add_argument(
        "-o",
        dest="folder",
        metavar="DIR",
        help="where to write NOTEBOOK.ipynb, NOTEBOOK.html and results.json "
        "(default: runs/NOTEBOOK)",
    )
    run.set_defaults(command=_run)
    return parser


def _list(arguments):
    rows = [("number", "title", "parameters")]
    for chapter in list_notebooks():
        rows.append((chapter.number, chapter.title, str(len(chapter.parameters))))
    _print_table(rows)
    return 0


def _params(arguments):
    rows = [("name", "type", "default", "domain", "unit", "meaning")]
    for p in read_parameters(arguments.notebook):
        kind = p.type.__name__
        rows.append((p.name, kind, repr(p.default), p.domain, p.unit, p.meaning))
    _print_table(rows)
    return 0


def _run(arguments):
    path = find_notebook(arguments.notebook)
    values = parse_assignments(arguments.assignments, read_parameters(path))
    folder = Path(arguments.folder or Path("runs", path.stem))
    plan = plan_run(path, values, folder)
    start = time.perf_counter()
    try:
        results = execute(plan)["results"]
    except ValueError as error:
        raise RuntimeError("a defect of dynpo, not of the input") from error
    seconds = time.perf_counter() - start
    print(
        f"{plan.name}: {len(results)} recorded values in {seconds:.1f} s; wrote "
        f"{plan.name}.ipynb, {plan.name}.html and results.json to {folder}"
    )
    return 0


def parse_assignments(assignments, declared):
    """Read ``name=value`` texts with the types that a notebook declares.

    Parameters
    ----------
    assignments : sequence of str
    declared : sequence of Parameter

    Returns
    -------
    dict of str to value

    Raises
    ------
    ValueError
        If a text is no assignment, a name is unknown or comes twice, or a value does
        not fit its parameter.

    Examples
    --------
    >>> from dynpo_lite.companion.parameters import parse_parameters
    >>> declared = parse_parameters("mean: float = 200.0  # money; (0, inf); mean loss")
    >>> parse_assignments(["mean=150"], declared)
    {'mean': 150.0}
    >>> parse_assignments(["mean"], declared)
    Traceback (most recent call last):
    ...
    ValueError: -p 'mean' is no assignment: write -p NAME=VALUE, such as -p mean=200.0
    """
    known = {parameter.name: parameter for parameter in declared}
    values = {}
    for assignment in assignments:
        name, sign, text = assignment.partition("=")
        if not sign:
            example = "".join(
                f", such as -p {p.name}={p.default}" for p in declared[:1]
            )
            raise ValueError(
                f"-p {assignment!r} is no assignment: write -p NAME=VALUE{example}"
            )
        if name not in known:
            raise ValueError(unknown_parameter(name, known))
        if name in values:
            raise ValueError(
                f"parameter {name} is given twice, as {values[name]!r} and "
                f"{known[name].parse(text)!r}: give it once"
            )
        values[name] = known[name].parse(text)
    return values


def _print_table(rows):
    widths = [max(len(entry) for entry in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (entry.ljust(width) for entry, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    sys.exit(main())
