"""An executed notebook as one HTML page that asks the network for nothing.

Sphinx reads the notebook with the extensions and settings of the book, so that a page
reads as its chapter does; MathJax, styles and pictures are put inside.
"""

import html
import json
import mimetypes
import re
import sys
import tempfile
import warnings
from base64 import b64encode
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import unquote

MATHJAX = "mathjax/tex-svg-full.js"  # the fonts are outlines in it: nothing to fetch
REPOSITORY = Path(__file__).parents[3]
STATEMENTS = "dynpo_sphinx"  # the book's own extension, in its tools
CITED = "```{bibliography}\n:filter: cited\n```"
MYST = {"myst_enable_extensions": ["amsmath", "colon_fence", "dollarmath"]}
# settings of the site around the pages
SITE = ("html_css_files", "html_js_files", "html_static_path", "template_bridge")

_PICTURE = re.compile(r'(<img[^>]* src=")(?!data:)([^"]*)')


def render_page(notebook: Any, path: Path, command: str, top: str = "") -> str:
    """Return an executed notebook as one page that needs no network.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
    path : Path
        Where the notebook came from; pictures of its Markdown are found from there.
    command : str
        How to repeat the run, shown at the top.
    top : str
        HTML that stands below it; see ``banner.py``.

    Returns
    -------
    str
        HTML with styles, pictures and MathJax inside.

    Notes
    -----
    References to other pages of the book become text.
    """
    from pygments.formatters import HtmlFormatter

    silence = warnings.catch_warnings(action="ignore")  # of the book's tools
    with silence, tempfile.TemporaryDirectory() as work:
        page, config = _read(notebook, Path(work))
        folders = (Path(work, "html"), path.parent)
        body = _PICTURE.sub(lambda found: _embedded(found, folders), page["body"])
    mathjax = mathjax_file()
    assert mathjax is not None  # asked for before the run
    formatter = HtmlFormatter(style="a11y-high-contrast-light")
    template = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=re.sub("<[^>]*>", "", page["title"]) or html.escape(path.stem),
        style=formatter.get_style_defs(".highlight"),
        settings=json.dumps(config.mathjax3_config),
        mathjax=mathjax.read_text(encoding="utf-8"),
        command=html.escape(command),
        top=top,
        body=_accessible(body),
    )


def mathjax_file() -> Path | None:
    """Return the path of the installed MathJax, or None."""
    with suppress(PackageNotFoundError):
        for entry in files("sphinx-mathjax-offline") or ():
            if entry.match(f"*/{MATHJAX}"):
                return Path(entry.locate())
    return None


# --- Sphinx ---------------------------------------------------------------------------


def _settings() -> dict[str, Any]:
    """Return the settings of a project with one page, the book's where it has some."""
    import yaml

    file = REPOSITORY / "_config.yml"  # not there beside an installed wheel
    book = yaml.safe_load(file.read_text("utf-8")) if file.is_file() else {}
    sphinx = book.get("sphinx", {})
    folder = sphinx.get("local_extensions", {}).get(STATEMENTS)
    extensions = ["myst_nb", "sphinx_design", "sphinxcontrib.bibtex"]
    extensions += sphinx.get("extra_extensions", ["sphinx_proof"])
    if folder:
        extensions.append(STATEMENTS)
        tools = str(REPOSITORY / folder)
        sys.path += [] if tools in sys.path else [tools]
    cited = book.get("bibtex_bibfiles", ())
    settings = {k: v for k, v in sphinx.get("config", {}).items() if k not in SITE}
    return settings | {
        "bibtex_bibfiles": [str(REPOSITORY / file) for file in cited],
        "extensions": extensions,
        "html_copy_source": False,
        "html_permalinks": False,
        "html_scaled_image_link": False,
        "html_theme": "basic",
        "myst_enable_extensions": book.get("parse", MYST)["myst_enable_extensions"],
        "nb_execution_mode": "off",
        "root_doc": "page",
    }


def _read(notebook: Any, work: Path) -> tuple[dict[str, Any], Any]:
    """Return what Sphinx makes of the notebook, body and title, and the settings."""
    import nbformat
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    cells = list(notebook.cells)
    if any(c.cell_type == "markdown" and "{cite" in c.source for c in cells):
        cells.append(nbformat.v4.new_markdown_cell(CITED, id="cited"))
    text = nbformat.writes(nbformat.from_dict(dict(notebook, cells=cells)))
    Path(work, "page.ipynb").write_text(text, encoding="utf-8")
    found: dict[str, Any] = {}
    with patch_docutils(str(work)), docutils_namespace():
        places = (work, None, work / "html", work / "doctrees")
        # other pages are missing: nothing to say to a reader
        app = Sphinx(*places, "html", _settings(), status=None, warning=None)
        app.config.html_static_path = []
        app.connect("doctree-read", _keep_unknown_citations)
        app.connect("missing-reference", _as_text)
        app.connect("doctree-resolved", _cut_loose_links, priority=950)
        app.connect("doctree-resolved", _fold, priority=950)

        def keep(app: Any, name: str, template: str, context: Any, tree: Any) -> None:
            found[name] = context

        app.connect("html-page-context", keep, priority=950)
        app.build()
        return found["page"], app.config


def _keep_unknown_citations(app: Any, doctree: Any) -> None:
    """Let a citation that the book's bibliography lacks show its key."""
    from docutils import nodes
    from sphinx.addnodes import pending_xref

    known = app.env.get_domain("cite").bibdata.data.entries
    for node in list(doctree.findall(pending_xref)):
        keys = [key.strip() for key in node.get("reftarget", "").split(",")]
        if node.get("refdomain") == "cite" and not known.keys() >= set(keys):
            text = f"[{', '.join(keys)}]"
            node.replace_self(nodes.inline("", text, ids=node["ids"]))


def _as_text(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Return the text for a reference to another page, statements named."""
    from docutils import nodes

    text, target = content.astext(), node["reftarget"]
    book = sys.modules.get(STATEMENTS)
    if node["refdomain"] == "prf" and text == target and book:
        text = book.statement_name(target.split("-")[0], target)
    return nodes.inline("", text)


def _cut_loose_links(app: Any, doctree: Any, name: str) -> None:
    """Turn links that lead nowhere on this page into their text."""
    from docutils import nodes

    ids = {name for node in doctree.findall(nodes.Element) for name in node["ids"]}
    for link in list(doctree.findall(nodes.reference)):
        target = link.get("refuri") or f"#{link.get('refid', '')}"
        if target.startswith("#") and target[1:] not in ids:
            link.replace_self(link.children)


def _fold(app: Any, doctree: Any, name: str) -> None:
    """Let boxes of the class ``dropdown`` open without a script."""
    from docutils import nodes
    from sphinx_design.dropdown import dropdown_main, dropdown_title

    for box in list(doctree.findall(nodes.Element)):
        if "dropdown" in box["classes"] and isinstance(box[0], nodes.title):
            title, *body = box.children
            summary = dropdown_title("", "", *title.children)
            known = {"ids": box["ids"], "classes": [*box["classes"], "admonition"]}
            box.replace_self(dropdown_main("", summary, *body, **known))


# --- the page -------------------------------------------------------------------------


def _embedded(match: re.Match, folders: tuple[Path, ...]) -> str:
    """Return an image tag with the picture inside, if it is a file."""
    name = unquote(html.unescape(match[2]))
    for path in (folder / name for folder in folders):
        if path.is_file():
            kind = mimetypes.guess_type(path)[0]
            data = b64encode(path.read_bytes()).decode()
            return f"{match[1]}data:{kind};base64,{data}"
    return match[0]


def _accessible(body: str) -> str:
    """Let the keyboard reach what may scroll, and no heading of a table be empty."""
    body = re.sub(r"<(pre|table)\b", r'<\1 tabindex="0"', body)
    body = body.replace(' aria-label="Toggle hidden content"', "")  # it hides the text
    body = body.replace('role="doc-biblioentry"', 'role="listitem"')
    return re.sub(r"<th(?: [^>]*)?>(?:<p></p>)?</th>", "<td></td>", body)
