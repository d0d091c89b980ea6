"""The built book, without a browser: reproducible, complete, valid, light.

The book is built twice, from two copies of the sources in different folders. A tiny
book of one page shows what the local Sphinx extension does and that faults are fatal.
"""

import inspect
import re
import shutil
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from test_types import documented

import dynpo_lite
from dynpo_lite import plots

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
build_book = pytest.importorskip("build_book")
browser = pytest.importorskip("browser")
BeautifulSoup = pytest.importorskip("bs4").BeautifulSoup

FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src"}


@pytest.fixture(scope="session", autouse=True)
def _no_repository():
    """Build as on a machine of one's own, also where a workflow names a repository."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GITHUB_REPOSITORY", raising=False)
        yield


def copy_sources(folder):
    """Copy all that the book is built from."""
    for name in build_book.BOOK_INPUTS:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.is_file():
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="session")
def books(tmp_path_factory):
    """Build the book in two places; return the folders of the pages."""
    copies = [copy_sources(tmp_path_factory.mktemp(name)) for name in ("a", "other")]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(build_book.build_html, copies)) == [0, 0]
    return [copy / "_build" / "html" for copy in copies]


@pytest.fixture(scope="session")
def pages(books):
    """Return the parsed pages of the book by their path."""
    html = books[0]
    return {
        page: BeautifulSoup((html / page).read_text("utf-8"), "html.parser")
        for page in browser.list_pages(html)
    }


def by_page(pages, find):
    """Return the findings of a function on each page, where there are any."""
    found = {page: list(find(soup)) for page, soup in pages.items()}
    return {page: findings for page, findings in found.items() if findings}


# --- the book ---------------------------------------------------------------------


def test_two_clean_builds_are_identical(books):
    """Every file is the same, byte for byte, wherever the book is built."""
    first, second = (
        {path.relative_to(html): path.read_bytes() for path in browser.files_of(html)}
        for html in books
    )
    assert first.keys() == second.keys()
    assert [path for path in first if first[path] != second[path]] == []


def test_links_and_fragments_resolve(books, pages):
    """Every local link leads to a file, every fragment to an id."""
    html = books[0]
    ids = {
        page: {tag["id"] for tag in soup.find_all(id=True)}
        for page, soup in pages.items()
    }
    broken = []
    for page, soup in pages.items():
        for tag in soup.find_all(["a", "link", *FETCHED]):
            link = urlsplit(tag.get(FETCHED.get(tag.name, "href"), ""))
            if link.scheme or link.netloc:
                continue
            target = (html / page).parent / unquote(link.path) if link.path else None
            file = target.resolve() if target else html / page
            place = file.relative_to(html.resolve()).as_posix() if target else page
            known = ids.get(place, {link.fragment})
            if not file.is_file() or (link.fragment and link.fragment not in known):
                broken.append((page, link.geturl()))
    assert broken == []


def test_nothing_is_fetched_from_outside(books, pages):
    """No script, style, image or frame has an address outside the book."""

    def outside(soup):
        for tag in soup.find_all([*FETCHED, "link"]):
            address = tag.get(FETCHED.get(tag.name, "href"), "")
            if re.match(r"(?i)(https?:)?//", address):
                yield address

    assert by_page(pages, outside) == {}
    styles = [p for p in browser.files_of(books[0]) if p.suffix == ".css"]
    fetched = re.compile(r"(?i)(@import|url\()\s*[\"']?(https?:)?//")
    assert [p.name for p in styles if fetched.search(p.read_text("utf-8"))] == []


def test_one_heading_of_the_first_level(pages):
    """A page has one h1."""
    assert {page: len(soup.find_all("h1")) for page, soup in pages.items()} == (
        dict.fromkeys(pages, 1)
    )


def test_images_have_alternative_texts(pages):
    """No image is without a text, or has its file name for one."""

    def mute(soup):
        for image in soup.find_all("img"):
            alt = image.get("alt", "").strip()
            if len(alt.split()) < 2 or "_images/" in alt:
                yield image["src"]

    assert by_page(pages, mute) == {}


def test_ids_are_unique(pages):
    """No id occurs twice on a page."""

    def repeated(soup):
        count = Counter(tag["id"] for tag in soup.find_all(id=True))
        return [name for name, times in count.items() if times > 1]

    assert by_page(pages, repeated) == {}


def test_files_are_within_budget(books):
    """Pages and images are light."""
    assert browser.over_budget(books[0]) == []


def test_pages_with_formulas_load_the_local_mathjax(pages):
    """Where there is mathematics, there is the one script that shows it."""
    with_math = {page: soup for page, soup in pages.items() if soup.select(".math")}
    assert with_math
    for page, soup in with_math.items():
        assert len(soup.select("script[src*=tex-svg-full]")) == 1, page


def test_statements_bear_one_number(pages):
    """A statement's title names its number once, and it is that of its id."""

    def wrong(soup):
        for title in soup.select("div.proof > .admonition-title > .caption-number"):
            label = title.find_parent("div").get("id", "")
            number = label.partition("-")[2].replace("-", ".").upper()
            if re.search(r"\d", number) and title.parent.get_text().count(number) != 1:
                yield label

    assert by_page(pages, wrong) == {}


def test_a_lesson_bears_the_number_of_its_file(pages):
    """The sidebar, the file and the command line count alike."""
    links = pages["book/intro.html"].select("nav.bd-links a")
    shown = {a["href"].rpartition("/")[2]: a.get_text().strip() for a in links}
    lessons = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    assert lessons
    for path in lessons:
        number = int(path.stem.split("_")[0])
        assert shown[f"{path.stem}.html"].startswith(f"{number}. "), path.stem


def test_titles_differ(pages):
    """No two pages are called alike."""
    titles = Counter(soup.h1.get_text().rstrip("#") for soup in pages.values())
    assert [title for title, times in titles.items() if times > 1] == []


def test_statements_are_found_by_name(books):
    """The search knows the statements as objects, so their names come first."""
    index = (books[0] / "searchindex.js").read_text("utf-8")
    for name in ("Lemma 3.11", "Theorem 5.21", "Theorem \u201cLeast total\u201d"):
        assert name in index or name.encode("unicode_escape").decode() in index, name


def test_nothing_of_the_machine_or_the_time(books):
    """No file names the folder of the build, the user's home or the environment."""
    folder, places = books[0].parents[1], {Path.home(), ROOT, Path(sys.prefix)}
    # In a container "/root" or "/" would be found in words of the book.
    long = [str(place) for place in places if len(place.parts) > 2]
    words = re.compile("|".join(map(re.escape, [str(folder), *long])).encode())
    found = {
        path.relative_to(books[0]).as_posix(): words.search(path.read_bytes())
        for path in browser.files_of(books[0])
    }
    assert {path: match[0] for path, match in found.items() if match} == {}


# --- the pages of the package ------------------------------------------------------

API = ("book/api.html", "book/api_figures.html")


def test_every_public_name_and_member_has_an_entry(pages):
    """The pages of the package have anchors for each name and what it documents."""
    ids = {tag["id"] for page in API for tag in pages[page].find_all(id=True)}
    wanted = {f"dynpo_lite.{name}" for name in dynpo_lite.__all__}
    wanted |= {f"dynpo_lite.plots.{name}" for name in plots.__all__}
    for name in dynpo_lite.__all__:
        thing = getattr(dynpo_lite, name)
        if inspect.isclass(thing):
            wanted |= {f"dynpo_lite.{name}.{member}" for member in documented(thing)}
    assert "dynpo_lite.ScenarioTree.leaves" in wanted
    assert wanted - ids == set()


def test_every_public_name_is_linked_from_a_chapter_or_page(pages):
    """Some other page leads to the entry of each name."""
    linked = {
        a["href"].partition("#dynpo_lite.")[2]
        for page, soup in pages.items()
        if page not in API
        for a in soup.select('main a[href*="#dynpo_lite."]')
    }
    names = {*dynpo_lite.__all__, *(f"plots.{name}" for name in plots.__all__)}
    assert names - linked == set()


# --- a tiny book --------------------------------------------------------------------


def build_tiny(folder, text, cells=()):
    """Build a book of one page, and a notebook if cells are given; return the code."""
    shutil.copytree(ROOT / "tools", folder / "tools", dirs_exist_ok=True)
    shutil.copytree(ROOT / "book" / "static", folder / "book" / "static")
    shutil.copy(ROOT / "_config.yml", folder)
    (folder / "book" / "references.bib").write_text("", encoding="utf-8")
    (folder / "book" / "intro.md").write_text(text, encoding="utf-8")
    toc = "format: jb-book\nroot: book/intro\n"
    if cells:
        toc += "chapters:\n- file: chapter\n"
        notebook = new_notebook(cells=list(cells), metadata=build_book.METADATA)
        nbformat.write(notebook, folder / "chapter.ipynb")
    (folder / "_toc.yml").write_text(toc, encoding="utf-8")
    return build_book.build_html(folder)


def test_statements_proofs_and_cells(tmp_path):
    """Numbers come from labels, references read alike, tagged cells are targets."""
    text = """# Page

:::{prf:definition} Tail
:label: definition-a-1

A tail.
:::

:::{prf:theorem}
:label: theorem-least-total
:nonumber:

Ours, named.
:::

:::{prf:remark}
Without a label.
:::

:::{prf:proof}
:class: dropdown

Short, see {prf:ref}`definition-a-1`, {prf:ref}`this theorem <theorem-least-total>` and
{ref}`the check <checks-definition-a-1>`,
{prf:ref}`theorem-least-total`.
:::
"""
    tagged = {"tags": ["checks:definition-a-1"]}
    check = new_code_cell("assert 1 < 2", metadata=tagged)
    again = new_code_cell("assert 2 < 3", metadata=tagged)
    assert build_tiny(tmp_path, text, [new_markdown_cell("# Cells"), check, again]) == 0
    html = tmp_path / "_build" / "html"
    page = BeautifulSoup((html / "book/intro.html").read_text("utf-8"), "html.parser")
    titles = [title.get_text() for title in page.select(".proof > .admonition-title")]
    assert titles == [
        "Definition A.1 (Tail)",
        "Theorem “Least total”",
        "Remark",
        "Proof",
    ]
    links = {a.get_text(): a["href"] for a in page.select("div.argument a")}
    assert links == {
        "Definition A.1": "#definition-a-1",
        "this theorem": "#theorem-least-total",
        "Theorem “Least total”": "#theorem-least-total",
        "the check": "../chapter.html#checks-definition-a-1",
    }
    page = BeautifulSoup((html / "chapter.html").read_text("utf-8"), "html.parser")
    assert page.find(id="checks-definition-a-1")["class"][0] == "cell"


def test_entries_of_the_package(tmp_path, capfd):
    """Each public name has one entry, and inline code leads to it."""
    text = """# Page

Share by `dp.share_layers`, judge by `choquet(x, k)`, {py:func}`dynpo_lite.choquet` or
`dynpo_lite.Supremum`; `ExpectedShortfall.level`, `dp.share` and `k(x)` are no entries.
Draw it by `plots.tower(x)`.

```{public}
choquet
share_layers
Supremum
Wang
Wang
WorstCase
plots.tower
ProperHazard
tower
```
"""
    assert build_tiny(tmp_path, text) != 0
    report = capfd.readouterr().err
    assert "ProperHazard is not public" in report
    assert "Wang is public and on 2 pages of the package, not on one" in report
    assert "Economy is public and on 0 pages of the package, not on one" in report
    assert "tower is not public" in report
    assert "plots.bills is public and on 0 pages of the package, not on one" in report
    assert "WorstCase is" not in report
    assert "plots.tower is" not in report
    page = BeautifulSoup(
        (tmp_path / "_build/html/book/intro.html").read_text("utf-8"), "html.parser"
    )
    links, types = (
        [(a.get_text(), a["href"]) for a in page.select(f"{place} a.reference")]
        for place in ("section > p:nth-of-type(1)", "dt[id$=choquet] + dd dt")
    )
    assert ("Supremum", "#dynpo_lite.Supremum") in types
    assert links == [
        ("dp.share_layers", "#dynpo_lite.share_layers"),
        ("choquet(x, k)", "#dynpo_lite.choquet"),
        ("dynpo_lite.choquet()", "#dynpo_lite.choquet"),
        ("dynpo_lite.Supremum", "#dynpo_lite.Supremum"),
        ("plots.tower(x)", "#dynpo_lite.plots.tower"),
    ]


def test_links_to_a_repository_need_one(tmp_path, pages, monkeypatch):
    """Only where a workflow names the repository do pages link to it."""
    for soup in pages.values():
        assert not re.search("mybinder|executablebooks", str(soup))
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    assert build_tiny(tmp_path, "# Page", [new_markdown_cell("# Cells")]) == 0
    chapter = (tmp_path / "_build" / "html" / "chapter.html").read_text("utf-8")
    assert "https://mybinder.org/v2/gh/owner/name/main?urlpath=lab" in chapter
    assert 'href="https://github.com/owner/name"' in chapter


def test_faults_are_fatal(tmp_path, capfd):
    """A missing reference, citation, link, number, or a second one stops the build."""
    faults = {
        "{prf:ref}`lemma-9-9`": "lemma-9-9",
        "{ref}`there <nowhere>`": "nowhere",
        "{cite}`nobody`": "nobody",
        "{glue:text}`chapter.ipynb::no_key:.2f`": "no_key",
        "[link](missing.md)": "missing.md",
        "[link](#no-heading)": "no-heading",
        ":::{prf:lemma} Lemma 3.1\n:label: lemma-3-1\n\nA.\n:::": "leave it out",
        ":::{prf:lemma}\n:label: theorem-3-2\n\nA.\n:::": "the label of a lemma",
    }
    text = "# Page\n\n" + "\n\n".join(faults)
    assert build_tiny(tmp_path, text, [new_markdown_cell("# Cells")]) != 0
    report = capfd.readouterr().err
    assert [fault for fault, word in faults.items() if word not in report] == []


def test_the_first_page_of_the_repository_gives_the_measured_times():
    table = (ROOT / "book" / "times.md").read_text()
    seconds = dict(re.findall(r"\| `(make \w+)` \|.*\| (\d+) s \|", table))
    readme = " ".join((ROOT / "README.md").read_text().split())
    for command in ("make book", "make test"):
        assert f"`{command}` takes {seconds[command]} s" in readme
