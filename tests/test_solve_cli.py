"""``dynpo solve``: what it prints and writes, exit codes, and that it writes all or
nothing."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dynpo_lite.base.lp import SolverError
from dynpo_lite.companion import cli, outputs
from dynpo_lite.companion.cli import main
from dynpo_lite.companion.files import solution_files as writing
from dynpo_lite.companion.files import work
from dynpo_lite.companion.files.economy_file import (
    EXAMPLES,
    example_path,
    load_economy,
)
from dynpo_lite.companion.files.solution_files import SOLUTION_FILES, solution_files
from dynpo_lite.companion.files.solution_tables import TABLES
from dynpo_lite.companion.files.work import OutOfTime, Work
from dynpo_lite.companion.rerun import run as rerun

WEATHER = example_path("weather")
SUMMARY = """\
Three insurers share storm losses over three years
Risk at time 0, in EUR million:

agent | without trade | with trade |   gain
Coast |        616.96 |     559.49 |  57.47
Hills |        219.76 |     162.29 |  57.47
Plain |        291.48 |     234.01 |  57.47
total |      1,128.19 |     955.78 | 172.41

law: conditional; retention: state-dependent
certificate: nobody is worse off than without trade, and no allocation does better

wrote allocation.csv, risks.csv, layers.csv, totals.csv, bills.csv, report.html, \
solution.json to out
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A current folder with the shipped economy in it."""
    monkeypatch.chdir(tmp_path)
    for path in WEATHER.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def snapshot(folder):
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def change(old, new, path="economy.toml"):
    text = Path(path).read_text("utf-8")
    assert text.count(old) >= 1
    Path(path).write_text(text.replace(old, new), "utf-8")


def refused(capsys, folder, *arguments, code=2):
    """Return the one line about the arguments, which must leave no trace."""
    before = snapshot(folder)
    assert main(["solve", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dynpo: ")
    assert err.count("\n") == 1
    assert snapshot(folder) == before
    return err.removeprefix("dynpo: ").rstrip("\n")


# --- it solves ------------------------------------------------------------------------


def test_the_example_is_solved(capsys, folder):
    assert main(["solve", "economy.toml", "-o", "out"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (SUMMARY, "")
    file = load_economy(WEATHER)
    texts = solution_files(file, file.solve())
    assert sorted(os.listdir("out")) == sorted(texts) == sorted(SOLUTION_FILES)
    for name, text in texts.items():
        assert Path("out", name).read_bytes() == text.encode()


def test_the_page_shows_what_is_printed():
    page = Path(__file__).parents[1] / "book" / "economy_file.md"
    shown = SUMMARY.partition("\nwrote")[0].rstrip()
    assert shown in page.read_text("utf-8")


def test_the_default_folder_and_other_files_stay(folder):
    runs = folder / "runs" / "economy"
    runs.mkdir(parents=True)
    (runs / "notes.txt").write_text("mine")
    (runs / "totals.csv").write_text("of an earlier run")
    assert main(["solve", "economy.toml"]) == 0
    assert (runs / "notes.txt").read_text() == "mine"
    assert (runs / "totals.csv").read_text().startswith("node,parent,stage,")
    assert sorted(os.listdir(runs)) == sorted([*SOLUTION_FILES, "notes.txt"])


def test_without_a_certificate(capsys, folder, monkeypatch):
    def refuse(*arguments):
        pytest.fail("the check was not asked for")

    monkeypatch.setattr(writing, "check_allocation", refuse)
    assert main(["solve", "economy.toml", "-o", "out", "--no-certificate"]) == 0
    assert "certificate: none, for it was not asked for" in capsys.readouterr().out
    summary = json.loads((folder / "out" / "solution.json").read_text())
    assert summary["certificate"]["available"] is False


def test_where_there_is_no_certificate(capsys, folder):
    change('"conditional"', '"marginal"')
    change('"state-dependent"', '"deterministic"')
    assert main(["solve", "economy.toml", "-o", "out"]) == 0
    out = capsys.readouterr().out
    assert "law: marginal; retention: deterministic" in out
    assert (
        "certificate: none, for ProportionalHazard(exponent=0.7) is not piecewise "
        "linear: " in out
    )
    assert len(os.listdir("out")) == len(SOLUTION_FILES)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("no\nway"), ZeroDivisionError("by 0"), AttributeError("None")],
)
def test_a_solution_is_kept_where_its_check_fails(capsys, folder, monkeypatch, error):
    def fail(*arguments):
        raise error

    assert main(["solve", "economy.toml", "-o", "usual"]) == 0
    monkeypatch.setattr(writing, "check_allocation", fail)
    capsys.readouterr()
    assert main(["solve", "economy.toml", "-o", "out"]) == 0
    name = type(error).__name__
    why = f"the check itself failed ({name}: {' '.join(str(error).split())})"
    out, err = capsys.readouterr()
    assert err == ""
    assert f"certificate: none, for {why}\n" in out
    summary = json.loads(Path("out", "solution.json").read_text())
    assert summary["certificate"] == {"available": False, "reason": why}
    for csv in TABLES:
        assert Path("out", csv).read_bytes() == Path("usual", csv).read_bytes()


def test_a_terminal_without_our_letters(folder):
    change("Three insurers", "Z\u00fcrich\u2019s insurers")
    command = [sys.executable, "-m", "dynpo_lite.companion.cli", "solve"]
    done = subprocess.run(
        [*command, "economy.toml", "-o", "out"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(rb"Z\xfcrich\u2019s insurers share")
    assert len(os.listdir("out")) == len(SOLUTION_FILES)


def test_a_verdict_against_the_solution(capsys, folder):
    change('"state-dependent"', '"deterministic"\nindividually_rational = false')
    assert main(["solve", "economy.toml", "-o", "out"]) == 0
    assert (
        "certificate: worse off than without trade at node 'today': Hills, Plain; a "
        "trade at node 'rough', if contracts could depend on it, saves 8.28405 EUR "
        "million\n" in capsys.readouterr().out
    )


def test_a_very_large_currency(capsys, folder):
    table = Path("nodes.csv").read_text().splitlines()
    rows = [row.split(",") for row in table]
    for row in rows[2:]:
        row[3:] = [f"{x}e12" for x in row[3:]]
    Path("nodes.csv").write_text("\n".join(map(",".join, rows)))
    assert main(["solve", "economy.toml", "-o", "out"]) == 0
    assert "total |   1.12819e+15 | 9.55783e+14" in capsys.readouterr().out


def test_the_two_period_example(capsys, folder):
    assert main(["solve", "--example-two-period", "two"]) == 0
    assert sorted(os.listdir("two")) == ["economy.toml", "nodes.csv", "samples.csv"]
    assert main(["solve", "two/economy.toml", "-o", "two/solution"]) == 0
    out = capsys.readouterr().out
    assert "certificate: nobody is worse off" in out
    layers = (folder / "two" / "solution" / "layers.csv").read_text().splitlines()
    assert layers[0] == "time,attachment,exhaustion,agent 1,agent 2"
    assert [row.split(",")[0] for row in layers[1:]] == ["1", "2", "2"]
    assert [row.split(",")[3:] for row in layers[2:]] == [["0", "1"], ["1", "0"]]


def test_the_command_itself(folder):
    command = [sys.executable, "-W", "error", "-m", "dynpo_lite.companion.cli"]
    command += ["solve", "economy.toml", "-o", "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, SUMMARY, "")


# --- the example ----------------------------------------------------------------------


def test_the_example_is_written_and_what_is_next(capsys, folder):
    assert main(["solve", "--example", "my storms/a"]) == 0
    out = capsys.readouterr().out
    assert out == (
        "wrote economy.toml, nodes.csv to my storms/a; next: dynpo solve "
        "'my storms/a/economy.toml' -o 'my storms/a/solution'\n"
    )
    for path in WEATHER.parent.iterdir():
        assert (folder / "my storms/a" / path.name).read_bytes() == path.read_bytes()
    assert len(os.listdir("my storms/a")) == 2


def test_an_example_overwrites_nothing(capsys, folder):
    message = "economy.toml exists already: choose another folder"
    assert refused(capsys, folder, "--example", ".") == message
    (folder / "new").mkdir()
    (folder / "new" / "nodes.csv").write_text("mine")
    message = "new/nodes.csv exists already: choose another folder"
    assert refused(capsys, folder, "--example", "new") == message
    message = "output folder = 'nodes.csv' cannot be written (a file is in the way): "
    assert refused(capsys, folder, "--example", "nodes.csv").startswith(message)


def test_an_example_is_written_whole_or_not_at_all(capsys, folder, monkeypatch):
    monkeypatch.setattr(rerun.os, "replace", fail)
    message = refused(capsys, folder, "--example", "new/place", code=1)
    assert message.startswith("the files cannot be written to new/place: ")


def fail(*arguments, **options):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_written_and_solved(capsys, folder, name):
    assert main(["solve", "--example", name, f"new/{name}"]) == 0
    assert main(["solve", f"new/{name}/economy.toml", "-o", "out"]) == 0
    out, err = capsys.readouterr()
    assert "certificate: nobody is worse off than without trade" in out
    assert err == ""
    assert sorted(os.listdir("out")) == sorted(SOLUTION_FILES)


# --- a limit of time ------------------------------------------------------------------


def test_a_time_limit_that_is_enough(capsys, folder):
    assert main(["solve", "economy.toml", "-o", "usual"]) == 0
    assert main(["solve", "economy.toml", "-o", "out", "--time-limit", "600"]) == 0
    for name in SOLUTION_FILES:
        assert Path("out", name).read_bytes() == Path("usual", name).read_bytes()


def test_no_time_for_a_solution(capsys, folder):
    old = folder / "out" / "risks.csv"
    old.parent.mkdir()
    old.write_text("of an earlier run")
    message = refused(
        *(capsys, folder, "economy.toml", "-o", "out", "--time-limit", "1e-9"), code=1
    )
    assert message == (
        "economy.toml: the time limit of 1e-09 s was reached before a solution was "
        "found: give more seconds, or leave --time-limit out"
    )


def test_a_limit_that_leaves_out_what_is_not_known(capsys, folder, monkeypatch):
    """The solution is there, then the time is over."""
    do, done = Work.do, []

    def out_of_time(self, what, call, *arguments):
        done.append(what)
        if len(done) > 1:
            raise OutOfTime
        return do(Work(), what, call, *arguments)

    monkeypatch.setattr(Work, "do", out_of_time)
    assert main(["solve", "economy.toml", "-o", "out", "--time-limit", "9"]) == 0
    out = capsys.readouterr().out
    assert "certificate: none, for the time limit was reached\n" in out
    assert "not done within the time limit: comparing arrangements\n" in out
    summary = json.loads(Path("out", "solution.json").read_text())
    assert (
        summary["not_done_in_time"]
        == done[1:]
        == [
            "checking the solution",
            "comparing arrangements",
        ]
    )
    assert summary["arrangements"] is None
    page = Path("out", "report.html").read_text()
    assert "There is no independent check: the time limit was reached." in page
    assert "There is no comparison: the time limit was reached." in page


def test_compiled_code_is_stopped_in_time():
    start = time.monotonic()
    with pytest.raises(OutOfTime):
        Work(1.5).do("multiplying", pow, 7, 10**9)  # one call of C, of hours
    assert time.monotonic() - start < 15
    with pytest.raises(ZeroDivisionError):
        Work(60.0).do("dividing", divmod, 1, 0)
    with pytest.raises(MemoryError, match="ended without an answer"):
        Work(60.0).do("ending", os._exit, 3)


def test_long_work_is_told_of(capsys, monkeypatch):
    monkeypatch.setattr(work, "PATIENCE", 0.01)
    assert Work(aloud=True).do("waiting", time.sleep, 0.3) is None
    assert capsys.readouterr().err == "dynpo: waiting ... 0 s\n"
    monkeypatch.setattr(work, "PATIENCE", 9.0)
    assert Work(aloud=True).do("adding", sum, [1]) == 1
    assert capsys.readouterr().err == ""


def test_notes_are_told(capsys, folder):
    paths = ["path,time,Coast,Hills,Plain"]
    paths += [f"{p},{t},{p},{2 * p},{t}" for p in range(30) for t in (1, 2)]
    Path("paths.csv").write_text("\n".join(paths))
    change('nodes = "nodes.csv" ', 'paths = "paths.csv"')
    assert main(["solve", "economy.toml", "-o", "out"]) == 0
    assert capsys.readouterr().err == (
        "dynpo: note: 8 of 9 nodes are known by fewer than 20 paths, node '4' by 3: "
        "noise there looks like risk; give more paths or fewer groups\n"
    )


def test_bills_of_every_node(folder):
    assert main(["solve", "economy.toml", "-o", "out", "--all-bills"]) == 0
    rows = Path("out", "bills.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * 105  # a bill for each agent at each node but the root
    assert main(["solve", "economy.toml", "-o", "out"]) == 0
    assert Path("out", "bills.csv").read_text().splitlines() == rows[: 1 + 3 * 5]


# --- it refuses -----------------------------------------------------------------------

USAGE = (
    "give either an economy, as in dynpo solve ECONOMY.toml -o DIR, or one folder for "
    "an example, as in dynpo solve --example DIR"
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], USAGE),
        (["economy.toml", "--example", "new"], USAGE),
        (["--example", "a", "--example-two-period", "b"], USAGE),
        (
            ["--example", "storms", "new"],
            "--example 'storms' is unknown: write --example NAME DIR with one of "
            "weather, two_period, paths, chain, arcs, insurers",
        ),
        (
            ["economy.toml", "--time-limit", "soon"],
            "--time-limit 'soon' is no number of seconds above 0: write --time-limit "
            "60",
        ),
        (
            ["economy.toml", "--time-limit", "-1"],
            "--time-limit '-1' is no number of seconds above 0: write --time-limit 60",
        ),
        (["economy.toml", "more"], "unrecognized arguments: more (see dynpo --help)"),
        (
            ["no.toml"],
            "no.toml does not exist: give the path of an economy file, or write one "
            "with dynpo solve --example DIR",
        ),
        (
            ["."],
            ". cannot be read (Is a directory): give a text file in UTF-8",
        ),
        (
            ["economy.toml", "-o", "nodes.csv"],
            "output folder = 'nodes.csv' cannot be written (a file is in the way): "
            "choose another with -o DIR",
        ),
    ],
)
def test_wrong_usage(capsys, folder, arguments, message):
    assert refused(capsys, folder, *arguments) == message


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        (
            "economy.toml",
            "level = 0.3",
            "levle = 0.3",
            "economy.toml, agent 'Coast', measure: key 'levle' is unknown: did you "
            "mean level? allowed: kind, level",
        ),
        (
            "nodes.csv",
            "mild,today,",
            "mild,tody,",
            "nodes.csv, line 4, column parent = 'tody' is no node: did you mean today? "
            "correct it or add its row",
        ),
        (
            "nodes.csv",
            "calm,today,0.2,",
            "calm,today,0.3,",
            "nodes.csv, line 2, column probability: the children of node 'today' sum "
            "to 1.1: divide them by their sum (they are conditional on the parent)",
        ),
        (
            "nodes.csv",
            ",30.37,",
            ",nan,",
            "nodes.csv, line 3, column Coast = 'nan' is not finite: write a finite "
            "number",
        ),
    ],
)
def test_bad_files_leave_no_trace(capsys, folder, path, old, new, message):
    change(old, new, path)
    assert refused(capsys, folder, "economy.toml", "-o", "new/out") == message


def test_the_page_quotes_a_true_message():
    page = Path(__file__).parents[1] / "book" / "economy_file.md"
    words = (
        "dynpo: nodes.csv, line 4, column parent = 'tody' is no node: did you mean "
        "today? correct it or add its row"
    )
    assert words in " ".join(page.read_text("utf-8").split())


def test_no_solution_of_the_form_asked_for(capsys, folder):
    change('"state-dependent"', '"deterministic"')
    message = refused(capsys, folder, "economy.toml", "-o", "new/out", code=1)
    assert message == (
        "economy.toml: no individually rational allocation with deterministic "
        "retention exists: at node 'usual-stormy' the demands of Coast, Hills, Plain "
        "miss each other by 4.02757 EUR million; write retention = 'state-dependent' "
        "or individually_rational = false"
    )


def test_the_economy_is_not_overwritten(capsys, folder):
    os.rename("nodes.csv", "totals.csv")
    change("nodes.csv", "totals.csv")
    message = refused(capsys, folder, "economy.toml", "-o", ".")
    assert message == (
        "output folder = '.' cannot be written (totals.csv there is a file of the "
        "economy): choose another with -o DIR"
    )


def test_a_folder_in_the_place_of_a_file(capsys, folder):
    (folder / "out" / "risks.csv").mkdir(parents=True)
    message = refused(capsys, folder, "economy.toml", "-o", "out")
    assert message == (
        "output folder = 'out' cannot be written (risks.csv is a folder there): choose "
        "another with -o DIR"
    )


def test_all_or_nothing_when_the_disk_is_full(capsys, folder, monkeypatch):
    (folder / "out").mkdir()
    (folder / "out" / "totals.csv").write_text("of an earlier run")
    monkeypatch.setattr(rerun.Path, "write_text", fail)
    message = refused(capsys, folder, "economy.toml", "-o", "out", code=1)
    assert message == "the files cannot be written to out: No space left on device"
    refused(capsys, folder, "economy.toml", "-o", "new/out", code=1)


def test_what_a_killed_run_staged_is_removed_and_what_a_live_one_did_is_not(folder):
    finished = subprocess.Popen([sys.executable, "-c", ""])
    finished.wait()
    stale = [f".dynpo-{finished.pid}-abc", ".dynpo-abc", ".dynpo-" + "9" * 30 + "-a"]
    for name in (*stale, f".dynpo-{os.getpid()}-abc", ".dynpo-1-abc"):
        (folder / "out" / name).mkdir(parents=True)
        (folder / "out" / name / "risks.csv").write_text("half")
    assert main(["solve", "economy.toml", "-o", "out"]) == 0
    left = {name for name in os.listdir("out") if name.startswith(".")}
    assert left == {f".dynpo-{os.getpid()}-abc", ".dynpo-1-abc"}


def test_the_summary_comes_last(folder, monkeypatch):
    """A process killed between two moves leaves the summary the older one."""
    moved = []
    monkeypatch.setattr(
        outputs.os, "replace", lambda source, target: moved.append(target.name)
    )
    assert main(["solve", "economy.toml", "-o", "out"]) == 0
    assert sorted(moved) == sorted(SOLUTION_FILES)
    assert moved[-1] == "solution.json"


def test_a_solver_that_gives_up_leaves_no_trace(capsys, folder, monkeypatch):
    def stop(*arguments):
        raise SolverError("the linear programme failed:\ntime limit")

    monkeypatch.setattr(cli, "solution_files", stop)
    message = refused(capsys, folder, "economy.toml", "-o", "new/out", code=1)
    assert message == r"the linear programme failed:\ntime limit"


def test_an_interrupt_leaves_no_trace(capsys, folder, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "solution_files", stop)
    message = refused(capsys, folder, "economy.toml", "-o", "new/out", code=130)
    assert message == "interrupted: nothing was written"


def test_a_defect_of_ours_is_not_blamed_on_the_user(folder, monkeypatch):
    def break_down(*arguments):
        raise ValueError("a bug")

    monkeypatch.setattr(cli, "solution_files", break_down)
    before = snapshot(folder)
    with pytest.raises(RuntimeError, match="a defect of dynpo"):
        main(["solve", "economy.toml", "-o", "new/out"])
    assert snapshot(folder) == before
