"""Every command and every piece of Python that the README and the pages print works.

Both are read from the texts, so a new one is tested as soon as it is printed.  Commands
of a page run in its order in one folder; what needs a kernel runs in this process, with
few samples where the command does not say how many.
"""

import ast
import json
import re
import shlex
import subprocess
import sys
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path

import nbformat
import pytest
from chapter_runs import code_cells, quiet

from dynpo_lite.companion import cli
from dynpo_lite.companion.rerun import run
from dynpo_lite.companion.rerun.parameters import read_parameters

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"),
    *sorted((ROOT / "book").glob("*.md")),
    *sorted((ROOT / "notebooks").rglob("[!.]*.ipynb")),
]
FEW = {"n_samples": 400, "n_paths": 400, "n_economies": 5, "n_instances": 3}
BLOCK = re.compile(r"^```(bash|console|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:\.venv/bin/)?(?:dynpo|make|python3?) [^`\n]+)`")
VALUE = re.compile(r"# ([-\d\[({'\"].*|array.*|True|False|None)$")  # the rest are words


def text_of(page):
    """Return the prose of a page."""
    text = page.read_text("utf-8")
    if page.suffix == ".md":
        return text
    cells = json.loads(text)["cells"]
    prose = ("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return "\n".join(prose)


def printed(page):
    """Return (kind, text) of all code of a page: command, console or python."""
    found = []
    text = text_of(page)
    for match in BLOCK.finditer(text):
        kind, block = match.groups()
        if kind == "bash":
            lines = (line for line in block.splitlines() if line.strip())
            found += [(match.start(), "command", line) for line in lines]
        else:
            found.append((match.start(), kind, block))
    found += [(m.start(), "command", m[1]) for m in INLINE.finditer(text)]
    return [(kind, text) for _, kind, text in sorted(found, key=lambda f: f[0])]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty folder, the current one; notebooks run in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "_run_kernel", in_this_process)
    monkeypatch.setattr(run, "render_page", lambda *arguments: "")
    return tmp_path


def in_this_process(plan, progress):
    """Run a notebook as a kernel would, with fewer samples where none are asked for."""
    few = {name: FEW[name] for name in plan.parameters if name in FEW}
    with quiet():
        namespace = {"__name__": "__main__"}
        for cell in code_cells(plan.notebook.stem, few | plan.resolved):
            exec(compile(cell.source, cell.name, "exec"), namespace)
    return nbformat.read(plan.notebook, as_version=4)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_prints_works(page, folder, capsys):
    namespace = {}
    for kind, text in printed(page):
        if kind == "python":
            run_python(text, namespace)
        elif kind == "command":
            run_command(text)
        else:
            command, _, shown = text.removeprefix("$ ").partition("\n")
            if "'tody' is no node" in shown:
                misspell(folder / "storms" / "nodes.csv")
            capsys.readouterr()
            run_command(command, code=2)
            assert capsys.readouterr().err.split() == shown.split()


def misspell(table):
    rows = table.read_text().splitlines()
    rows[3] = rows[3].replace("today", "tody")
    table.write_text("\n".join(rows))


def run_command(line, code=0):
    words = shlex.split(line, comments=True)
    program, *words = words[0].removeprefix(".venv/bin/"), *words[1:]
    if program == "make":
        rules = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
        assert set(words) <= set(rules), line
    elif program == "python" and words[0] == "-m":
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    elif program in ("python", "python3"):
        assert (ROOT / words[0]).is_file(), line
    else:
        assert program == "dynpo", f"{line}: say here how it is tested"
        if len(words) == 1 and words != ["list"]:  # a mention: is there such a command?
            words, code = [*words, "--help"], 0
        stands_for = {"ECONOMY.toml": "storms/economy.toml", "NAME": "chain"}
        stands_for["SECONDS"] = "600"
        stands_for["DIR"] = f"new_folder_{len(list(Path().iterdir()))}"
        assert status([stands_for.get(w, w) for w in words]) == code, line


def status(words):
    try:
        return cli.main(words)
    except SystemExit as end:  # of --help
        return end.code


def run_python(block, namespace):
    """Run a block line by line; a value in a comment must be that of its line."""
    lines = block.splitlines()
    for statement in ast.parse(block).body:
        source = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
        claim = VALUE.search(source)
        if not isinstance(statement, ast.Expr):
            assert claim is None or "\n" in source, source
            exec(source, namespace)
            continue
        value = eval(source.strip(), namespace)
        if claim is not None:
            same = OutputChecker().check_output(claim[1], repr(value), ELLIPSIS)
            assert same, f"{source}: {value!r}"


def test_commands_and_values_are_found():
    kinds = [kind for page in PAGES for kind, _ in printed(page)]
    assert kinds.count("command") >= 40
    assert kinds.count("python") >= 4
    assert kinds.count("console") >= 2
    readme = [text for kind, text in printed(PAGES[0]) if kind == "command"]
    assert any("-p agent1_level=0.95 -p n_samples=20000" in text for text in readme)


@pytest.mark.parametrize(
    "line",
    ["dynpo run 06 -p agent1_level=1.2", "dynpo nothing", "make nothing", "rm -r x"],
)
def test_a_command_that_does_not_work_is_noticed(line, folder):
    with pytest.raises(AssertionError):
        run_command(line)


def test_a_wrong_value_is_noticed():
    run_python("a = 1\na + 1  # 2\na / 3  # 0.33...\na  # a word", {})
    with pytest.raises(AssertionError):
        run_python("1 + 1  # 3", {})


def test_every_printed_run_names_parameters_of_its_chapter():
    runs = [
        shlex.split(text, comments=True)
        for page in PAGES
        for kind, text in printed(page)
        if kind == "command" and "dynpo run " in text
    ]
    assert len(runs) >= 13
    for words in runs:
        known = {p.name for p in read_parameters(words[2])}
        given = {w.partition("=")[0] for w in words[3:] if "=" in w}
        assert given <= known, words
