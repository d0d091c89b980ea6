"""The book's one local Sphinx extension: what Jupyter Book's settings cannot say.

* MathJax is served from the book itself, out of a pinned package.
* A statement bears the paper's number, read off its label, and no other.
* What the ledger says of a statement stands below it: ``:::{verdict} lemma-3-11``.
* A cell tagged ``checks:lemma-3-11`` can be linked to as ``checks-lemma-3-11``.
* Links to a repository appear only where ``GITHUB_REPOSITORY`` names one.
* Pages are valid and accessible: no repeated id or script, one ``h1``.
"""

import os
import re
from importlib.metadata import files
from pathlib import Path

import ledger
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.jinja2glue import BuiltinTemplateLoader
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode
from sphinx_proof.domain import ProofDomain
from sphinx_proof.nodes import proof_node, unenumerable_node

# One file, fonts included as outlines: works from file:// and asks for nothing else.
MATHJAX = "tex-svg-full.js"
THEBE = re.compile("thebe|kernelName", re.IGNORECASE)
logger = logging.getLogger(__name__)


# --- settings -----------------------------------------------------------------


def set_options(app, config):
    """Point to the local MathJax and to the repository, if there is one."""
    config.numfig = True
    package = files("sphinx-mathjax-offline") or []
    mathjax = next(f for f in package if f.name == MATHJAX)
    config.html_static_path.append(str(mathjax.locate()))
    config.mathjax_path = MATHJAX

    options = config.html_theme_options  # setting it in _config.yml would replace it
    repository = os.environ.get("GITHUB_REPOSITORY")
    if repository:
        options["repository_url"] = f"https://github.com/{repository}"
        options["repository_branch"] = "main"
        options["use_repository_button"] = options["use_issues_button"] = True
        options["launch_buttons"] = {
            "binderhub_url": "https://mybinder.org",
            "notebook_interface": "jupyterlab",
        }
    else:
        options.pop("repository_url", None)
        options["launch_buttons"] = {}


# --- statements and proofs ----------------------------------------------------


def number_of(kind, label):
    """Return the paper's number in a label: "3.11" for a lemma's "lemma-3-11".

    What is ours has no number, but a name that speaks: theorem-least-total.
    """
    number = re.fullmatch(rf"{kind}-([a-z](?:-\d+)+|\d+(?:-\d+)+)", label)
    return number[1].upper().replace("-", ".") if number else ""


RELATION = re.compile(r"vectors-(\d+)-(\d+)")  # of the second document


def statement_name(kind, label):
    """Return what readers see: Lemma 3.11, Relation (2.9), Theorem “Least total”."""
    if relation := RELATION.fullmatch(label):
        return f"Relation ({relation[1]}.{relation[2]})"
    if number := number_of(kind, label):
        return f"{kind.title()} {number}"
    words = label.removeprefix(kind).strip("-").replace("-", " ")
    ours = bool(re.fullmatch(r"[a-z ]+", words))
    return f"{kind.title()} “{words.capitalize()}”" if ours else kind.title()


class Statements(ProofDomain):
    """The domain of sphinx-proof, with references that read like the statements."""

    def get_objects(self):
        """Yield the statements for the search and for links from other books."""
        for label, row in sorted(getattr(self.env, "proof_list", {}).items()):
            kind = row["realtype"]
            if kind != "proof" and "-" in label:
                name = statement_name(kind, label)
                yield name, name, kind, row["docname"], label, 1

    def resolve_xref(self, env, fromdoc, builder, role, target, node, content):
        """Link to a statement; a reference without a text shows the number."""
        statement = getattr(env, "proof_list", {}).get(target)
        if statement is None:
            return None  # reported by Sphinx, with the line, as a missing reference
        text = content.astext()
        if text == target:
            text = statement_name(statement["realtype"], target)
        return make_refnode(
            builder, fromdoc, statement["docname"], target, nodes.inline("", text)
        )


def name_statements(app, doctree):
    """Put the paper's number into every statement, and a title on every proof."""
    for node in list(doctree.findall(nodes.Admonition)):
        if isinstance(node, proof_node):
            proof = node[0]
            proof["ids"] = []  # sphinx-proof calls every one of them "proof"
            proof["classes"].append("argument")
            first = next(proof.findall(nodes.Text))
            first.parent.replace(first, nodes.Text(first.removeprefix("Proof. ")))
            proof.insert(0, nodes.title("", "Proof"))
        elif "realtype" in node:
            check_label(node)
            title, body = node
            name = statement_name(node["realtype"], node["label"])
            shown = [nodes.inline("", name, classes=["caption-number"])]
            if title.children:
                shown += [nodes.Text(" ("), *title.children, nodes.Text(")")]
            # The unnumbered kind, whatever the source says (no second numbering), and
            # a container for sphinx-proof's section, whose id is repeated.
            title = nodes.title("", "", *shown)
            body = nodes.container("", *body.children, classes=body["classes"])
            node.replace_self(unenumerable_node("", title, body, **node.attributes))


def check_label(node):
    """Warn of a label of another kind, and of a number in the title."""
    kind, label = node["realtype"], node["label"]
    if not (label.startswith(f"{kind}-") or RELATION.fullmatch(label)):
        logger.warning("the label of a %s: %s-...", kind, kind, location=node)
    number = number_of(kind, label)
    if number and number in re.findall(r"\w[\w.]*\w|\w", node[0].astext())[:2]:
        text = "number %s comes from the label, leave it out of the title"
        logger.warning(text, number, location=node)


def open_statement(translator, node):
    """Write the opening tag of a statement."""
    translator.body.append(translator.starttag(node, "div", CLASS="admonition"))


def close_statement(translator, node):
    """Write the closing tag of a statement."""
    translator.body.append("</div>\n")


# --- verdicts -----------------------------------------------------------------

SAID = {
    "holds": "holds as printed",
    "holds with a repair": "holds with a repair",
    "true only without news": "true as printed where nothing is learnt before the last "
    "period; with news it needs more",
    "fails as printed": "fails as printed; the repaired statement holds",
}


class Verdict(SphinxDirective):
    """The line below a statement: whether it holds, and where that is checked."""

    required_arguments = 1

    def run(self):
        """Return the line, made from the ledger; ours have no row."""
        label = self.arguments[0]
        self.env.note_dependency(str(ledger.LEDGER))
        rows = ledger.load()
        rows = {row.label: row for row in (*rows.items, *rows.vectors)}
        said = "Ours, not the paper's."
        if row := rows.get(label):
            said = f"*{SAID[row.status].capitalize()}.*"
            if row.deviation:
                said = f"{{ref}}`{SAID[row.status].capitalize()} <finding-{label}>`."
        elif not re.fullmatch(r"[a-z]+-[a-z-]+", label):
            logger.warning(
                "no row of the ledger: %s", label, location=self.get_location()
            )
        said += f" Seen in {{ref}}`a check <checks-{label}>`"
        if row:
            said += f" and in {{ref}}`what happens without it <breaks-{label}>`"
        line = nodes.container("", classes=["verdict"])
        self.state.nested_parse(StringList([f"{said}."], self.env.docname), 0, line)
        return [line]


# --- notebook cells -----------------------------------------------------------


def anchor_cells(app, doctree):
    """Make the first cell tagged ``checks:X`` or ``breaks:X`` a link target."""
    labels = app.env.get_domain("std").anonlabels
    taken = set()
    for cell in doctree.findall(nodes.container):
        for name in cell["classes"]:
            if name.startswith(("tag_checks:", "tag_breaks:")):
                anchor = name.removeprefix("tag_").replace(":", "-")
                if anchor not in taken:
                    cell["ids"].append(anchor)
                    labels[anchor] = (app.env.docname, anchor)
                taken.add(anchor)


# --- pages --------------------------------------------------------------------


def drop_thebe(app, doctree, docname):
    """Remove the settings of a live kernel that the book does not offer."""
    for node in list(doctree.findall(nodes.raw)):
        if THEBE.search(node.astext()):
            node.parent.remove(node)


def tidy_scripts(app, pagename, templatename, context, doctree):
    """Load each script once, and none for a live kernel."""
    seen = {}
    for script in context["script_files"]:
        key = f"{script.filename or ''} {sorted(script.attributes.items())}"
        if not THEBE.search(key):
            seen.setdefault(key, script)
    context["script_files"][:] = seen.values()


class Pages(BuiltinTemplateLoader):
    """Renders the theme's templates and mends what they and docutils get wrong."""

    MENDS = (
        # A title for print only: a page has one h1.
        (
            r'(<div id="jb-print-docs-body" class="onlyprint">\s*)<h1>(.*?)</h1>',
            r'\1<p class="h1">\2</p>',
        ),
        # A label that hides the visible text of a folded cell from screen readers.
        (r'<summary aria-label="Toggle hidden content">', "<summary>"),
        # Entries of a list must be list items.
        (r'role="doc-biblioentry"', 'role="listitem"'),
        # Names, punctuation and spaces of code have no colour: a third of a page.
        (r'<span class="(?:n|p|w)">([^<]*)</span>', r"\1"),
        # Every exercise and every solution is called so.
        (r' id="(?:exercise|solution)-content"', ""),
        # The search page has a second field for the query.
        (r'(id="search-input".*)id="search-input"', r'\1id="search-field"'),
    )

    def render(self, template, context):
        """Return the mended page."""
        html = super().render(template, context)
        for pattern, replacement in self.MENDS:
            html = re.sub(pattern, replacement, html, flags=re.DOTALL)
        return html


def drop_build_info(app, exception):
    """Remove the one file that depends on where the book is built."""
    if exception is None:
        Path(app.outdir, ".buildinfo").unlink(missing_ok=True)


def setup(app):
    """Register everything above."""
    app.add_domain(Statements, override=True)
    app.add_directive("verdict", Verdict)
    app.add_node(
        unenumerable_node, override=True, html=(open_statement, close_statement)
    )
    app.connect("config-inited", set_options, priority=900)
    app.connect("doctree-read", name_statements)
    app.connect("doctree-read", anchor_cells)
    app.connect("doctree-resolved", drop_thebe, priority=900)
    app.connect("html-page-context", tidy_scripts, priority=900)
    app.connect("build-finished", drop_build_info, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
