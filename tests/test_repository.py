"""What the repository says of itself is true: metadata, links, commands, examples."""

import ast
import contextlib
import hashlib
import importlib.metadata as installed
import io
import re
import shlex
import tokenize
import tomllib
from pathlib import Path

import make_env
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dynpo_lite.companion import cli

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
CODECHECK = yaml.safe_load((ROOT / "codecheck.yml").read_text("utf-8"))
TOP = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
PAGES = TOP + sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("book/*.md"))
NOTEBOOKS = sorted(ROOT.glob("notebooks/**/[!.]*.ipynb"))
ARXIV = "2603.19414v1"
LONGEST = {"module": 300, "class": 200}  # code lines, see CONTRIBUTING.md


def text(name):
    return (ROOT / name).read_text("utf-8")


# --- versions, names, licences --------------------------------------------------------


def test_one_version():
    version = PROJECT.get("version") or installed.version("dynpo-lite")
    assert CITATION["version"] == version == installed.version("dynpo-lite")
    assert re.search(r"(?m)^## (\S+)", text("CHANGELOG.md"))[1] == version
    assert f"Version {version}" in text("README.md")
    assert f"version {version}" in text("book/intro.md")


def test_the_citation_file_is_valid():
    """The keys that version 1.2.0 of the format requires, and no unknown one."""
    assert CITATION["cff-version"] == "1.2.0"
    assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
    known = {"type", "version", "license", "abstract", "keywords", "references", "doi"}
    known |= {"date-released", "repository-code", "preferred-citation", "identifiers"}
    assert set(CITATION) <= known | {"cff-version", "message", "title", "authors"}
    assert CITATION["type"] == "software"
    for entry in (CITATION, *CITATION["references"]):
        assert entry["authors"]
        for author in entry["authors"]:
            assert set(author) in ({"name"}, {"family-names", "given-names"})
            assert all(isinstance(part, str) and part for part in author.values())
    assert CITATION["authors"] == PROJECT["authors"]


def test_the_paper_is_the_same_everywhere():
    (paper,) = CITATION["references"]
    names = [f"{a['given-names']} {a['family-names']}" for a in paper["authors"]]
    assert CODECHECK["paper"]["title"] == paper["title"]
    assert [author["name"] for author in CODECHECK["paper"]["authors"]] == names
    assert CODECHECK["paper"]["reference"] == f"https://arxiv.org/abs/{ARXIV}"
    assert [found["value"] for found in paper["identifiers"]] == [f"arXiv:{ARXIV}"]
    intro, readme = (" ".join(text(n).split()) for n in ("book/intro.md", "README.md"))
    assert paper["title"] in intro
    assert paper["title"] in readme
    assert f"arXiv:{ARXIV[:-2]}" in readme
    assert all(name in intro for name in names)
    entry = text("book/references.bib").partition("{tam2026,")[2].partition("\n}")[0]
    assert f"year = {{{paper['year']}}}" in entry
    assert ARXIV in entry
    assert all(author["family-names"] in entry for author in paper["authors"])


def test_the_manifest_of_codecheck_names_files():
    assert CODECHECK["version"] == "https://codecheck.org.uk/spec/config/1.0/"
    files = [entry["file"] for entry in CODECHECK["manifest"]]
    assert files
    assert [name for name in files if not (ROOT / name).is_file()] == []
    assert all(entry["comment"].strip() for entry in CODECHECK["manifest"])


def test_the_licences_are_those_named():
    """The texts are fixed by their digests: nobody edits a licence in passing."""
    assert PROJECT["license"] == "MIT AND CC-BY-4.0 AND MPL-2.0"
    assert PROJECT["license-files"] == ["LICENSE", "LICENSE-text", "LICENSE-data"]
    assert CITATION["license"] == "MIT"
    digests = {
        name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest()[:16]
        for name in PROJECT["license-files"]
    }
    assert digests == {
        "LICENSE": "ab119e54082e9b4e",
        "LICENSE-text": "a1d9e9b251324150",
        "LICENSE-data": "fab3dd6bdab226f1",
    }


def test_the_bibliography_is_plausible():
    """A year between 1900 and now, that of the key where it has one; a DOI's form."""
    entries = re.findall(r"(?ms)^@\w+\{(\w+),\n(.*?)^\}", text("book/references.bib"))
    assert len(entries) == text("book/references.bib").count("@")
    now = CITATION["references"][0]["year"]
    for key, fields in entries:
        fields = dict(re.findall(r"(?m)^  (\w+) = \{(.*)\},?$", fields))
        assert {"author", "title"} <= set(fields), key
        year = fields.get("year")
        assert year is None or 1900 <= int(year) <= now
        if named := re.search(r"\d{4}$", key):
            assert year == named[0], key
        assert re.fullmatch(r"10\.\d{4,9}/\S+", fields.get("doi", "10.1234/x")), key


# --- what is needed -------------------------------------------------------------------

# imported here, installed by another distribution that we name
BROUGHT = {
    **{"IPython": "ipykernel", "jupyter-client": "ipykernel"},
    **{"pillow": "matplotlib", "beautifulsoup4": "pydata-sphinx-theme"},
    **{"cycler": "matplotlib", "pygments": "sphinx"},
    **{"docutils": "sphinx", "traitlets": "ipykernel", "nbclient": "papermill"},
    **{"sphinx-design": "jupyter-book"},
    **{"myst-nb": "jupyter-book", "markdown-it-py": "jupyter-book"},
}


def imported(*folders):
    """Return the distributions that the files of some folders import."""
    own = {
        path.stem for folder in ("tests", "tools") for path in ROOT.glob(f"{folder}/*")
    }
    where, found = installed.packages_distributions(), set()
    for path in (p for folder in folders for p in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            tops = {name.partition(".")[0] for name in names} - own - {"dynpo_lite"}
            found |= {canonicalize_name(d) for t in tops for d in where.get(t, [])[:1]}
    return found


def declared(*extras):
    wanted = [*PROJECT["dependencies"]]
    wanted += [w for extra in extras for w in PROJECT["optional-dependencies"][extra]]
    return {canonicalize_name(Requirement(line).name) for line in wanted}


def test_what_is_imported_is_declared():
    """Directly, or as what a declared distribution is known to bring."""
    brought = {canonicalize_name(name): parent for name, parent in BROUGHT.items()}
    subjects = [p.name for p in (ROOT / "dynpo_lite").iterdir() if p.is_dir()]
    core = {f"dynpo_lite/{name}" for name in subjects} - {
        "dynpo_lite/companion",
        "dynpo_lite/plots",
    }
    optional = set(PROJECT["optional-dependencies"])
    parts = [
        (core, optional & {"ot"}),
        (["dynpo_lite"], optional - {"test"}),
        (["tests", "tools"], optional),
    ]
    for folders, extras in parts:
        missing = imported(*folders) - declared(*extras)
        assert missing <= set(brought), missing - set(brought)
        for name in missing:
            assert canonicalize_name(brought[name]) in declared(*extras), name
    assert {"numpy", "scipy"} <= imported(*core)


def test_supported_pythons_agree():
    """The tool, the workflow, conda, the lock and the pages; see test_env_agree.py."""
    low, high = make_env.OLDEST[1], make_env.NEWEST[1]
    workflow = yaml.safe_load(text(".github/workflows/ci.yml"))
    tested = workflow["jobs"]["check"]["strategy"]["matrix"]["python"]
    assert tested == [f"3.{minor}" for minor in range(low, high + 1)]
    assert f"- python={tested[0]}\n" in text("environment.yml")
    assert f"--python-version {tested[0]} " in text("Makefile")
    for page in ("README.md", "CONTRIBUTING.md", "book/rerun.md", "book/findings.md"):
        assert f"Python {tested[0]} to {tested[-1]}" in " ".join(text(page).split()), (
            page
        )


# --- how long the code is -------------------------------------------------------------


def code_lines(source):
    """Return the numbers of the lines that hold code: no docstring, comment or blank.

    >>> sorted(code_lines("'What it does.'\\n\\nx = 1  # one\\n# end\\n"))
    [3]
    """
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER}
    silent |= {tokenize.INDENT, tokenize.DEDENT}
    spans = [(t.start[0], t.end[0]) for t in tokens if t.type not in silent]
    lines = {line for first, last in spans for line in range(first, last + 1)}
    for node in ast.walk(ast.parse(source)):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


def test_modules_and_classes_are_short():
    sizes = {"module": 0, "class": 0}
    for path in (ROOT / "dynpo_lite").rglob("*.py"):
        source = path.read_text("utf-8")
        lines = code_lines(source)
        sizes["module"] = max(sizes["module"], len(lines))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                inside = lines & set(range(node.lineno, node.end_lineno + 1))
                sizes["class"] = max(sizes["class"], len(inside))
    assert all(1 < sizes[what] <= LONGEST[what] for what in LONGEST), sizes


# --- links and paths ------------------------------------------------------------------


@pytest.mark.parametrize("page", TOP)
def test_links_at_the_top_lead_to_files(page):
    """The book's own links are followed by its build; these pages lie outside it."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text(page)):
        assert target.startswith("https://") or (ROOT / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_files_named_on_pages_exist(page):
    folders = "tests|tools|book|notebooks|dynpo_lite|benchmarks"
    found = re.findall(rf"`(?:python3 )?((?:{folders})/[\w./*-]+)[^`]*`", text(page))
    top = re.findall(r"`(LICENSE\S*|[A-Z]+\.(?:md|cff)|\w+\.(?:lock|yml))`", text(page))
    for name in {*found, *top}:
        assert list(ROOT.glob(name)), name


def test_make_targets_named_on_pages_exist():
    targets = set(re.findall(r"(?m)^(\w+):", text("Makefile")))
    for page in PAGES:
        assert set(re.findall(r"`make (\w+)`", text(page))) <= targets, page
        for block in re.findall(r"(?ms)^```bash\n(.*?)^```", text(page)):
            assert set(re.findall(r"(?m)^make (\w+)", block)) <= targets, page


# --- commands and examples ------------------------------------------------------------


def commands():
    """Return the printed commands, by file, in their order."""
    found = []
    for path in [*(ROOT / page for page in PAGES), *NOTEBOOKS]:
        content = path.read_text("utf-8")
        for line in re.findall(r'\.venv/bin/dynpo [^\n`"\\]*', content):
            found.append((path.name, shlex.split(line, comments=True)[1:]))
    return found


class Planned(Exception):
    """A run was about to start."""


def test_printed_commands_are_accepted(tmp_path, monkeypatch):
    """Every option, name and value passes, in the order of the pages.

    Runs stop before the kernel starts; economies are solved.
    """

    def stop(*arguments, **options):
        raise Planned

    monkeypatch.setattr(cli.rerun, "execute", stop)
    monkeypatch.chdir(tmp_path)
    told, seen = io.StringIO(), set()
    for place, arguments in commands():
        if tuple(arguments) in seen:
            continue
        seen.add(tuple(arguments))
        refused = "agent1_level=1.2" in arguments
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            if arguments[0] == "run" and not refused:
                with pytest.raises(Planned):
                    cli.main(arguments)
                continue
            code = cli.main(arguments)
        assert code == (2 if refused else 0), (place, arguments, told.getvalue())
    assert len(seen) > 20


def test_the_refusal_on_the_page_is_the_real_one(tmp_path, monkeypatch, capsys):
    """How to rerun quotes a message, and says the exit codes."""
    monkeypatch.chdir(tmp_path)
    page = text("book/rerun.md")
    block = re.search(r"```console\n\$ \.venv/bin/dynpo (.*)\n((?:.+\n)+)```", page)
    assert cli.main(shlex.split(block[1])) == 2
    assert capsys.readouterr().err.split() == block[2].split()
    assert list(tmp_path.iterdir()) == []

    def fail(*arguments, **options):
        raise cli.rerun.NotebookFailed("a cell raised")

    monkeypatch.setattr(cli.rerun, "execute", fail)
    assert cli.main(["run", "06", "-o", "out"]) == 1
    assert cli.main(["params", "06"]) == 0
    said = " ".join(page.split()).partition("The exit status is ")[2]
    assert said.startswith("2 for a mistake in the call, 1 for a notebook that fails")
    assert "0 otherwise." in said


@pytest.mark.parametrize("page", ["README.md", "book/rerun.md"])
def test_python_on_pages_runs_and_gives_what_is_said(page):
    """A comment behind an expression that looks like a value is one."""
    names, compared = {}, 0
    for block in re.findall(r"(?ms)^```python\n(.*?)^```", text(page)):
        lines = block.splitlines()
        for node in ast.parse(block).body:
            code = ast.unparse(node)
            if not isinstance(node, ast.Expr):
                exec(code, names)
                continue
            value = repr(eval(code, names))
            said = lines[node.end_lineno - 1].partition("#")[2].strip()
            if re.match(r"array\(|\d", said):
                compared += 1
                assert value.startswith(said.removesuffix("...")), said
    assert compared == {"README.md": 2, "book/rerun.md": 0}[page]
