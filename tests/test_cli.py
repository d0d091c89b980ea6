"""The command line: what it prints, its exit codes, its one-line errors.

No kernel starts here: a run is replaced by one that fails the test, or by its result.
"""

import json
import os
import signal
import subprocess
import sys

import pytest

from dynpo_lite.companion.cli import main
from dynpo_lite.companion.rerun import parameters
from dynpo_lite.companion.rerun import run as rerun

CELL = """\
mean: float = 200.0  # money; (0, inf); mean loss
agent1_level: float = 0.9  # probability; [0, 1); ES level of agent 1
n_samples: int = 1000  # paths; [100, inf); sample size
data_path: str = ""  # file; any; own data
folded: bool = False  # none; any; a switch
"""
ALLOWED = "allowed: mean, agent1_level, n_samples, data_path, folded"


def notebook(title, source):
    """Return a notebook of a heading and a parameters cell."""
    heading = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": title}
    cell = {"cell_type": "code", "id": "b", "source": source, "outputs": []}
    cell |= {"metadata": {"tags": ["parameters"]}, "execution_count": None}
    content = {"cells": [heading, cell], "metadata": {}}
    return json.dumps(content | {"nbformat": 4, "nbformat_minor": 5})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current folder, two chapters elsewhere, and no kernel."""
    import papermill

    def refuse(*arguments, **options):
        pytest.fail("a kernel was about to start")

    chapters = tmp_path / "notebooks"
    chapters.mkdir()
    (chapters / "06_tiny.ipynb").write_text(notebook("# A tiny chapter\n", CELL))
    (chapters / "10_bare.ipynb").write_text(notebook("Text\n", ""))
    monkeypatch.setattr(parameters, "notebooks_folder", lambda: chapters)
    monkeypatch.setattr(papermill, "execute_notebook", refuse)
    current = tmp_path / "current"
    current.mkdir()
    monkeypatch.chdir(current)
    return current


def test_list(capsys):
    assert main(["list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "number  title           parameters",
        "06      A tiny chapter  5",
        "10      10_bare         0",
    ]


@pytest.mark.parametrize("name", ["06_tiny", "06", "6", "06_tiny.ipynb"])
def test_params(capsys, name):
    assert main(["params", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "type", "default", "domain", "unit", "meaning"]
    assert lines[1].split() == [
        "mean",
        "float",
        "200.0",
        "(0,",
        "inf)",
        "money",
        "mean",
        "loss",
    ]
    assert lines[4].split() == ["data_path", "str", "''", "any", "file", "own", "data"]
    assert len(lines) == 6


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == "dynpo-lite 0.1.0\n"


ERRORS = {
    "men=3": f"parameter men is unknown: did you mean mean? {ALLOWED}",
    "xyz=3": f"parameter xyz is unknown: {ALLOWED}",
    "agent1_level=1.2": "parameter agent1_level = 1.2 is outside [0, 1): choose a "
    "number of at least 0 and below 1 (probability; ES level of agent 1)",
    "mean=-3": "parameter mean = -3.0 is outside (0, inf): choose a number above 0 "
    "(money; mean loss)",
    "mean=nan": "parameter mean = nan is not finite: choose a number above 0 "
    "(money; mean loss)",
    "mean=inf": "parameter mean = inf is not finite: choose a number above 0 "
    "(money; mean loss)",
    "mean=": "parameter mean = '' is not a number: choose a number above 0 "
    "(money; mean loss)",
    "n_samples=abc": "parameter n_samples = 'abc' is not an integer literal: choose "
    "an integer of at least 100 (paths; sample size)",
    "n_samples=0": "parameter n_samples = 0 is outside [100, inf): choose an integer "
    "of at least 100 (paths; sample size)",
    "n_samples=1e5": "parameter n_samples = '1e5' is not an integer literal: write "
    "100000 (paths; sample size)",
    "n_samples=1e99": "parameter n_samples = '1e99' is not an integer literal: choose "
    "an integer of at least 100 (paths; sample size)",
    "n_samples=500.5": "parameter n_samples = '500.5' is not an integer literal: "
    "choose an integer of at least 100 (paths; sample size)",
    "folded=1": "parameter folded = '1' is not a bool: write true or false "
    "(none; a switch)",
    "n_samples=1_000": "parameter n_samples = '1_000' is not an integer literal: write "
    "1000 (paths; sample size)",
    "n_samples=\u0661\u0662": "parameter n_samples = '\u0661\u0662' is not an integer "
    "literal: write 12 (paths; sample size)",
    "mean=\uff11": "parameter mean = '\uff11' is not a number: choose a number above 0 "
    "(money; mean loss)",
    "mean=1_0": "parameter mean = '1_0' is not a number: choose a number above 0 "
    "(money; mean loss)",
    "n_samples=" + "9" * 5000: "parameter n_samples = '" + "9" * 55 + " ... is not an "
    "integer literal: choose an integer of at least 100 (paths; sample size)",
    "data_path=\udcff": "parameter data_path = '\\udcff' is not valid Unicode: write "
    "it in UTF-8 (file; own data)",
    "foo": "-p 'foo' is no assignment: write -p NAME=VALUE, such as -p mean=200.0",
    "": "-p '' is no assignment: write -p NAME=VALUE, such as -p mean=200.0",
    "a\nb=3": rf"parameter 'a\nb' is unknown: {ALLOWED}",
}


def refused(capsys, folder, arguments):
    """Return the one line about `arguments`, which must leave no trace."""
    before = sorted(folder.parent.rglob("*"))
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dynpo: ")
    assert err.count("\n") == 1
    assert sorted(folder.parent.rglob("*")) == before
    return err.removeprefix("dynpo: ").rstrip("\n")


@pytest.mark.parametrize("assignment", ERRORS, ids=lambda text: repr(text)[:30])
def test_bad_assignments(capsys, folder, assignment):
    arguments = ["run", "06", "-p", assignment, "-o", "out"]
    assert refused(capsys, folder, arguments) == ERRORS[assignment]


def test_a_bad_assignment_after_good_ones(capsys, folder):
    arguments = [
        "run",
        "06",
        "-p",
        "mean=150",
        "-p",
        "folded=TRUE",
        "-p",
        "n_samples=7",
        "-o",
        "out",
    ]
    assert "n_samples = 7 is outside" in refused(capsys, folder, arguments)


def test_a_parameter_given_twice(capsys, folder):
    arguments = ["run", "06", "-p", "mean=1", "-p", "mean=2"]
    message = "parameter mean is given twice, as 1.0 and 2.0: give it once"
    assert refused(capsys, folder, arguments) == message


def test_a_path_that_does_not_exist(capsys, folder):
    message = refused(capsys, folder, ["run", "06", "-p", "data_path=no.csv"])
    assert message == (
        "parameter data_path = 'no.csv' does not exist: give a path that does, "
        f"absolute or from {folder}"
    )


def test_a_notebook_without_parameters(capsys, folder):
    message = refused(capsys, folder, ["run", "10", "-p", "mean=1"])
    assert message == "parameter mean is unknown: this notebook has no parameters"


@pytest.mark.parametrize("command", ["run", "params"])
@pytest.mark.parametrize("name", ["99", "tiny", "no/such.ipynb", ""])
def test_a_notebook_that_does_not_exist(capsys, folder, command, name):
    message = refused(capsys, folder, [command, name])
    assert message == (
        f"notebook = {name!r} does not exist: choose one of 06_tiny, 10_bare"
    )


@pytest.mark.parametrize("target", ["file", "file/a/b"])
def test_a_file_in_the_place_of_the_output_folder(capsys, folder, target):
    (folder / "file").write_text("mine")
    message = refused(capsys, folder, ["run", "06", "-o", target])
    assert message == (
        f"output folder = {target!r} cannot be written (a file is in the way): "
        "choose another with -o DIR"
    )
    assert (folder / "file").read_text() == "mine"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
@pytest.mark.parametrize("target", ["/proc/x", "/proc/x/y", "/proc"])
def test_an_output_folder_where_nothing_can_be_made(capsys, folder, target):
    message = refused(capsys, folder, ["run", "06", "-o", target])
    assert message.startswith(f"output folder = {target!r} cannot be written (")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_an_output_folder_without_permission(capsys, folder):
    (folder / "closed").mkdir(mode=0o500)
    message = refused(capsys, folder, ["run", "06", "-o", "closed/out"])
    assert "(Permission denied): choose another with -o DIR" in message


def test_parents_made_for_a_folder_that_fails_are_removed(capsys, folder):
    message = refused(capsys, folder, ["run", "06", "-o", f"new/{'x' * 300}"])
    assert "(File name too long)" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND (see dynpo --help)"),
        (["frob"], "invalid choice: 'frob'"),
        (["run"], "required: NOTEBOOK (see dynpo run --help)"),
        (["run", "06", "--output", "x"], "unrecognized arguments: --output x"),
        (["run", "06", "-p"], "expected one argument (see dynpo run --help)"),
        (["run", "06", "\x1b[31mred\n"], r"unrecognized arguments: \x1b[31mred\n (see"),
        (["run", "9" * 5000], "999 ... does not exist: choose one of 06_tiny, 10_bare"),
        (["run", "x" * 5000], "xxx ... does not exist: choose one of 06_tiny, 10_bare"),
        (["run", "06", "-o", "x\0y"], "cannot be written (embedded null byte): choose"),
    ],
)
def test_wrong_usage(capsys, folder, arguments, message):
    assert message in refused(capsys, folder, arguments)


def test_a_run_says_what_it_wrote(capsys, folder, monkeypatch):
    plans = []

    def pretend(plan):
        plans.append(plan)
        return {"results": {"a": 1, "b": 2}}

    monkeypatch.setattr(rerun, "execute", pretend)
    arguments = [
        "run",
        "6",
        "-p",
        "mean=150",
        "-p",
        "n_samples=2000",
        "-p",
        "folded=true",
    ]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("06_tiny: 2 recorded values in ")
    where = os.path.join("runs", "06_tiny")
    assert out.endswith(f" 06_tiny.ipynb, 06_tiny.html and results.json to {where}\n")
    assert (folder / "runs" / "06_tiny").is_dir()
    assert plans[0].typed == {"mean": 150.0, "n_samples": 2000, "folded": True}


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (rerun.NotebookFailed("06_tiny failed in cell [3]: E"), 1, "06_tiny failed in"),
        (KeyboardInterrupt(), 130, "interrupted: nothing was written"),
    ],
)
def test_other_ends_of_a_run(capsys, folder, monkeypatch, error, code, line):
    def end(plan):
        raise error

    monkeypatch.setattr(rerun, "execute", end)
    assert main(["run", "06"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"dynpo: {line}")
    assert err.count("\n") == 1


def test_a_defect_of_ours_is_not_blamed_on_the_user(folder, monkeypatch):
    def break_down(plan):
        raise ValueError("a bug")

    monkeypatch.setattr(rerun, "execute", break_down)
    with pytest.raises(RuntimeError, match="a defect of dynpo"):
        main(["run", "06"])


COMMAND = [sys.executable, "-m", "dynpo_lite.companion.cli"]


def test_nobody_reads_the_answer():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, "list"], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["--version"]])
def test_the_answer_cannot_be_written(arguments):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert done.stderr == b"dynpo: [Errno 28] No space left on device\n"


def test_handlers_of_signals_come_back():
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert main(["list"]) == 0
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_nothing_slow_is_imported_before_a_run():
    code = (
        "import sys; from dynpo_lite.companion.cli import main; main(['run', '99']);"
        "slow = {'papermill', 'nbformat', 'sphinx', 'yaml', 'matplotlib', 'IPython'};"
        "sys.exit(repr(slow & set(sys.modules)) if slow & set(sys.modules) else 0)"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr[:27]) == (0, "dynpo: notebook = '99' does")
