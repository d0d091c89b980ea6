"""The command line: ``dynpo list``, ``dynpo params``, ``dynpo run``, ``dynpo solve``.

Exit codes: 0 done; 1 the notebook failed, the economy has no solution of the form asked
for, or the solver or the disk gave up; 2 the user asked for something that is not there
or not allowed, said in one line, with no kernel started and nothing written; 128 and
the number of the signal when stopped by one: 130 after Ctrl-C, 143 after kill, 141 when
nobody reads the answer.
"""

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from dynpo_lite import Infeasible
from dynpo_lite.base.lp import SolverError
from dynpo_lite.companion import outputs
from dynpo_lite.companion.chapters import insurers
from dynpo_lite.companion.chapters.tables import Table, aligned
from dynpo_lite.companion.files import economy_file
from dynpo_lite.companion.files.solution_files import (
    SOLUTION_FILES,
    solution_files,
    solved,
)
from dynpo_lite.companion.files.verdict import risks_of, shown_amount, verdict
from dynpo_lite.companion.files.work import OutOfTime, Work
from dynpo_lite.companion.rerun import parameters
from dynpo_lite.companion.rerun import run as rerun
from dynpo_lite.companion.rerun.stop import stoppable

EXAMPLES = (*economy_file.EXAMPLES, "insurers")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all errors here."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see {self.prog} --help)")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        print(end="", flush=True)
        super().exit(status, message)


def main(argv: list[str] | None = None) -> int:
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
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what it cannot show it spells out
            stream.reconfigure(errors="backslashreplace")
    try:
        with stoppable():
            arguments = _parser().parse_args(argv)
            commands = {"list": _list, "params": _params, "run": _run, "solve": _solve}
            commands[arguments.command](arguments)
            print(end="", flush=True)
            return 0
    except ValueError as error:
        return _say(error, 2)
    except (rerun.NotebookFailed, SolverError, outputs.WriteFailed) as error:
        return _say(error, 1)
    except KeyboardInterrupt as stop:
        return _say("interrupted: nothing was written", getattr(stop, "code", 130))
    except BrokenPipeError:  # whoever read the answer has had enough
        return _leave_stdout(141)
    except OSError as error:  # of stdout, such as a full disk
        return _say(error, _leave_stdout(1))


def _leave_stdout(code: int) -> int:
    """Let the interpreter end without writing again what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _say(message: object, code: int) -> int:
    print(f"dynpo: {outputs.one_line(message)}", file=sys.stderr)
    return code


def _parser() -> _Parser:
    about = "Run the chapters of the book again with other parameters, or solve an "
    about += "economy of your own."
    parser = _Parser(prog="dynpo", description=about, allow_abbrev=False)
    number = f"dynpo-lite {version('dynpo-lite')}"
    parser.add_argument("--version", action="version", version=number)
    named = {"title": "commands", "dest": "command", "metavar": "COMMAND"}
    commands = parser.add_subparsers(required=True, **named)
    commands.add_parser("list", help="list the notebooks")
    params = commands.add_parser("params", help="show the parameters of a notebook")
    run = commands.add_parser("run", help="run a notebook with other parameters")
    solving = commands.add_parser("solve", help="solve an economy given by files")
    what = "a name, a number such as 06, a file name or a path"
    for command in (params, run):
        command.add_argument("notebook", metavar="NOTEBOOK", help=what)
    what = "change a parameter; once for each"
    run.add_argument("-p", metavar="NAME=VALUE", action="append", default=[], help=what)
    what = "where to write NOTEBOOK.ipynb, NOTEBOOK.html and results.json"
    what = f"{what} (default: runs/NOTEBOOK)"
    run.add_argument("-o", metavar="DIR", help=what)
    what = "agents and preferences; it names the CSV of the scenarios beside it"
    solving.add_argument("economy", metavar="ECONOMY.toml", nargs="?", help=what)
    what = "where to write the solution (default: runs/ECONOMY)"
    solving.add_argument("-o", metavar="DIR", help=what)
    what = "do not check the solution independently, which takes longest"
    solving.add_argument("--no-certificate", action="store_true", help=what)
    what = "end after so many seconds with what is known by then"
    solving.add_argument("--time-limit", metavar="SECONDS", help=what)
    what = "let bills.csv tell what is paid after every node, not today's root alone"
    solving.add_argument("--all-bills", action="store_true", help=what)
    what = f"write an example to DIR instead: {', '.join(EXAMPLES)}"
    solving.add_argument("--example", nargs="+", metavar="NAME DIR", help=what)
    what = "the same as --example two_period DIR"
    solving.add_argument("--example-two-period", metavar="DIR", help=what)
    return parser


def _list(arguments: argparse.Namespace) -> None:
    rows = [(c.number, c.title, str(len(c.parameters))) for c in rerun.list_notebooks()]
    print(aligned([("number", "title", "parameters"), *rows], "  "))


def _params(arguments: argparse.Namespace) -> None:
    rows = [("name", "type", "default", "domain", "unit", "meaning")]
    for p in parameters.read_parameters(arguments.notebook):
        kind = p.type.__name__
        rows.append((p.name, kind, repr(p.default), p.domain, p.unit, p.meaning))
    print(aligned(rows, "  "))


@contextmanager
def _all_or_nothing(created: Iterable[Path] = ()) -> Iterator[None]:
    """Remove the folders after an error; of values, it is a defect of ours by now."""
    try:
        yield
    except BaseException as error:
        outputs.remove_empty(created)
        if isinstance(error, ValueError) and not isinstance(error, Infeasible):
            raise RuntimeError("a defect of dynpo, not of the input") from error
        raise


def _run(arguments: argparse.Namespace) -> None:
    path = parameters.find_notebook(arguments.notebook)
    given = parse_assignments(arguments.p, parameters.read_parameters(path))
    folder = Path(arguments.o or Path("runs", path.stem))
    plan = rerun.plan_run(path, given, folder)
    start = time.perf_counter()
    with _all_or_nothing():
        results = rerun.execute(plan)["results"]
    files = f"{plan.name}.ipynb, {plan.name}.html and results.json to {folder}"
    values = f"{len(results)} recorded values in {time.perf_counter() - start:.1f} s"
    print(f"{plan.name}: {values}; wrote {files}")


def _solve(arguments: argparse.Namespace) -> None:
    asked = arguments.economy, arguments.example, arguments.example_two_period
    if asked.count(None) != 2:
        either = "an economy, as in dynpo solve ECONOMY.toml -o DIR"
        one = "one folder for an example, as in dynpo solve --example DIR"
        raise ValueError(f"give either {either}, or {one}")
    if arguments.economy is None:
        return _write_example(arguments)
    work = Work(_seconds(arguments.time_limit), aloud=True)
    path = Path(arguments.economy)
    file = economy_file.load_economy(path)
    folder = Path(arguments.o or Path("runs", path.stem))
    outputs.refuse_folders(folder, SOLUTION_FILES)
    for name in SOLUTION_FILES:
        target = folder / name
        if os.path.exists(target) and any(map(target.samefile, file.sources)):
            raise outputs.unwritable(folder, f"{name} there is a file of the economy")
    for note in file.notes:
        print(f"dynpo: note: {outputs.one_line(note)}", file=sys.stderr)
    certify, all_bills = not arguments.no_certificate, arguments.all_bills
    try:
        with _all_or_nothing(outputs.create_folder(folder)):
            solution = work.do("solving", solved, file)
            texts = solution_files(file, solution, certify, all_bills, work)
            outputs.write_together(folder, texts)
    except Infeasible as error:
        raise SolverError(f"{path.name}: {_infeasible(file, error)}") from None
    except OutOfTime:
        what = f"{path.name}: the time limit of {work.seconds:g} s was reached before"
        cure = "give more seconds, or leave --time-limit out"
        raise SolverError(f"{what} a solution was found: {cure}") from None
    _print_solution(json.loads(texts["solution.json"]))
    print(f"\nwrote {', '.join(texts)} to {folder}")


def _seconds(given: str | None) -> float | None:
    if given is None:
        return None
    with suppress(ValueError):
        if 0 < (seconds := float(given)) < 1e9:
            return seconds
    what = f"--time-limit {given!r} is no number of seconds above 0"
    raise ValueError(f"{what}: write --time-limit 60")


def _infeasible(file: economy_file.EconomyFile, error: Infeasible) -> str:
    """Return what is infeasible, nodes and agents named, in the words of the file."""
    names = ", ".join(file.names[i] for i in error.agents)
    miss = f"the demands of {names} miss each other by {error.shortfall:.6g}"
    return (
        "no individually rational allocation with deterministic retention "
        f"{'exists' if error.proved else 'was found'}: at node "
        f"{file.node_names[error.node]!r} {miss} {file.currency}; write retention = "
        "'state-dependent' or individually_rational = false"
    )


def _print_solution(summary: dict[str, Any]) -> None:
    risks = risks_of(summary)
    size = np.abs(risks[:-1, 0]).max()
    names = [*(agent["name"] for agent in summary["agents"]), "total"]
    rows = [
        [name, *(shown_amount(x, size) for x in line)]
        for name, line in zip(names, risks.tolist())
    ]
    print(f"{summary['title']}\nRisk at time 0, in {summary['currency']}:\n")
    print(Table(["agent", "without trade", "with trade", "gain"], rows))
    print(f"\nlaw: {summary['law']}; retention: {summary['retention']}")
    print(f"certificate: {verdict(summary)}")
    for what in summary["not_done_in_time"]:
        print(f"not done within the time limit: {what}")


def _write_example(arguments: argparse.Namespace) -> None:
    *name, to = arguments.example or ["two_period", arguments.example_two_period]
    if name and name not in [[one] for one in EXAMPLES]:
        cure = f"write --example NAME DIR with one of {', '.join(EXAMPLES)}"
        raise ValueError(f"--example {' '.join(name)!r} is unknown: {cure}")
    folder = Path(to)
    if name == ["insurers"]:
        texts = insurers.example_files()
    else:
        files = sorted(economy_file.example_path(*name).parent.iterdir())
        texts = {path.name: path.read_text("utf-8") for path in files}
    for file in texts:
        if os.path.lexists(folder / file):
            raise ValueError(f"{folder / file} exists already: choose another folder")
    with _all_or_nothing(outputs.create_folder(folder)):
        outputs.write_together(folder, texts)
    words = str(folder / "economy.toml"), "-o", str(folder / "solution")
    command = shlex.join(["dynpo", "solve", *words])
    print(f"wrote {', '.join(texts)} to {folder}; next: {command}")


def parse_assignments(
    assignments: Sequence[str], declared: Sequence[parameters.Parameter]
) -> dict[str, Any]:
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
    >>> from dynpo_lite.companion.rerun.parameters import parse_parameters
    >>> declared = parse_parameters("mean: float = 200.0  # money; (0, inf); mean loss")
    >>> parse_assignments(["mean=150"], declared)
    {'mean': 150.0}
    >>> parse_assignments(["mean"], declared)
    Traceback (most recent call last):
    ...
    ValueError: -p 'mean' is no assignment: write -p NAME=VALUE, such as -p mean=200.0
    """
    known = {parameter.name: parameter for parameter in declared}
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, sign, text = assignment.partition("=")
        if not sign:
            such = "".join(f", such as -p {p.name}={p.default}" for p in declared[:1])
            cure = f"write -p NAME=VALUE{such}"
            raise ValueError(f"-p {assignment!r} is no assignment: {cure}")
        if name not in known:
            raise ValueError(parameters.unknown_parameter(name, known))
        value = known[name].parse(text)
        if name in values:
            both = f"as {values[name]!r} and {value!r}"
            raise ValueError(f"parameter {name} is given twice, {both}: give it once")
        values[name] = value
    return values


if __name__ == "__main__":
    sys.exit(main())
