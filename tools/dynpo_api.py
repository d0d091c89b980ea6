"""The page of the package, made from its docstrings, and the links to it.

* ``{public}`` shows the public names listed in it, one a line, with their members. A
  public name that no page lists stops the build, and so does one that is not public.
  Those of the figures are called as ``plots.tower``.
* Inline code that is such a name, as in ``dp.solve`` or ``ScenarioTree.leaves``, leads
  to its entry, with or without arguments.
"""

import inspect
import re

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import desc, desc_signature
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

import dynpo_lite
from dynpo_lite import plots

PACKAGE = dynpo_lite.__name__
CODE = re.compile(rf"((dp|{PACKAGE})\.)?(?P<name>[A-Za-z_][\w.]*)(\(.*\))?")
PUBLIC = {name: getattr(dynpo_lite, name) for name in dynpo_lite.__all__}
PUBLIC |= {f"plots.{name}": getattr(plots, name) for name in plots.__all__}
STRAIGHT = str.maketrans("“”‘’", "\"\"''")
logger = logging.getLogger(__name__)


# --- the entries --------------------------------------------------------------------


class Public(SphinxDirective):
    """Show public names of the package with the docstrings of all that they offer."""

    has_content = True

    def run(self):
        """Return the entries."""
        listed = self.env.metadata[self.env.docname].setdefault("public", [])
        listed.extend(self.content)
        names = [name for name in self.content if name in PUBLIC]
        for name in set(self.content) - set(names):
            logger.warning("%s is not public", name, location=self.get_location())
        lines = [", ".join(f"`{name}`" for name in names), "", "```{eval-rst}"]
        for name in names:
            lines += self.entry(name, PUBLIC[name])
        box = nodes.Element()
        self.state.nested_parse(StringList([*lines, "```"]), self.content_offset, box)
        return box.children

    def entry(self, name, thing):
        """Return the lines of a name in reStructuredText."""
        if not inspect.isclass(thing):
            return [f".. autofunction:: {PACKAGE}.{name}", ""]
        kind = "exception" if issubclass(thing, Exception) else "class"
        options = [":members:", ":special-members: __call__"]
        if thing.__bases__ != (object,):
            options.append(":show-inheritance:")
        if any(is_private(base) for base in thing.__mro__):
            options.append(":inherited-members:")
        return [f".. auto{kind}:: {PACKAGE}.{name}", *(f"   {o}" for o in options), ""]


def is_private(base):
    """Tell whether a class is ours and has no entry of its own."""
    ours = base.__module__.startswith(f"{PACKAGE}.")
    return ours and getattr(dynpo_lite, base.__name__, None) is not base


def check_all_are_shown(app, env):
    """Warn of public names that are shown nowhere, or twice."""
    shown = [name for page in env.metadata.values() for name in page.get("public", [])]
    if not shown:
        return  # a book without the page
    for name in PUBLIC:
        if shown.count(name) != 1:
            text = "%s is public and on %d pages of the package, not on one"
            logger.warning(text, name, shown.count(name))


def name_bases(app, name, thing, options, bases):
    """Call bases of ours by their public names, and others by their bare ones."""
    for place, base in enumerate(bases):
        if getattr(dynpo_lite, base.__name__, None) is base:
            bases[place] = f":py:class:`~{PACKAGE}.{base.__name__}`"
        else:
            bases[place] = f"``{base.__name__}``"


# --- the links ----------------------------------------------------------------------


def entry_of(env, name):
    """Return what Sphinx knows of a name such as ``ScenarioTree.leaves``, or None."""
    return env.get_domain("py").objects.get(f"{PACKAGE}.{name}")


def link_code(app, doctree, docname):
    """Make inline code that is a public name a link to its entry."""
    for literal in list(doctree.findall(nodes.literal)):
        match = CODE.fullmatch(literal.astext())
        entry = match and entry_of(app.env, match["name"])
        if entry and not is_apart(literal, entry.node_id, match):
            link = make_refnode(
                app.builder, docname, entry.docname, entry.node_id, literal.deepcopy()
            )
            literal.replace_self(link)


def link_types(app, doctree, docname):
    """Make public classes among the types of arguments, results and errors links."""
    if not app.env.metadata[docname].get("public"):
        return
    places = [*doctree.findall(nodes.term), *doctree.findall(nodes.classifier)]
    for text in [text for place in places for text in place.findall(nodes.Text)]:
        parts = []
        for word in re.split(r"(\w+)", text.translate(STRAIGHT)):
            part = nodes.Text(word)
            if word[:1].isupper() and (entry := entry_of(app.env, word)):
                part = make_refnode(
                    app.builder, docname, entry.docname, entry.node_id, part
                )
            parts.append(part)
        text.parent.replace(text, parts)


def is_apart(node, anchor, match):
    """Tell whether code must stay as it is: in a link or title, or of another meaning.

    In an entry a bare word such as ``solve`` may be an attribute or an argument.
    """
    bare = match[0] == match["name"].lower()
    while node := node.parent:
        if isinstance(node, nodes.reference | nodes.title | desc_signature):
            return True
        if isinstance(node, desc) and (bare or anchor in node[0]["ids"]):
            return True
    return False


def setup(app):
    """Register everything above."""
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("numpydoc")
    app.add_directive("public", Public)
    app.connect("autodoc-process-bases", name_bases)
    app.connect("env-check-consistency", check_all_are_shown)
    app.connect("doctree-resolved", link_code)
    app.connect("doctree-resolved", link_types)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
