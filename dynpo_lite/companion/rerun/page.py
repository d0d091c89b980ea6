"""An executed notebook as one HTML page that asks the network for nothing.

MyST's directives and roles become plain Markdown as far as one page can show them;
MathJax, styles and pictures are inside the page.
"""

import copy
import html
import json
import mimetypes
import os
import re
from base64 import b64encode
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from dynpo_lite.companion.rerun.record import GLUE_PREFIX, RECORD_MIME

MATHJAX = "mathjax/tex-svg-full.js"  # the fonts are outlines in it: nothing to fetch
DROPPED = {"bibliography", "contents", "eval-rst", "glue", "glue:figure", "glue:math"}
DROPPED |= {"include", "raw", "tableofcontents", "toctree"}
ADMONITIONS = {"attention", "caution", "danger", "error", "hint", "important", "note"}
ADMONITIONS |= {"tip", "warning"}

_FENCE = re.compile(r"\s*(:{3,}(?=\{)|`{3,}|~{3,})(?:\{([\w:+-]+)\})?[ \t]*(.*)")
_OPTION = re.compile(r"\s*:([\w-]+):[ \t]*(.*)")
_ROLE = re.compile(r"\{([a-zA-Z][\w:+-]*)\}`([^`]+)`")
_DISPLAY = re.compile(
    r"\$\$(?P<tex>.*?)\$\$(?:[ \t]*\((?P<label>[\w:.-]+)\)[ \t]*$)?",
    re.DOTALL | re.MULTILINE,
)
_EQUATION_LABEL = re.compile(
    r"\$\$[ \t]*\(([\w:.-]+)\)[ \t]*$|\{math\}[^\n]*\n:label:[ \t]*([\w:.-]+)",
    re.MULTILINE,
)
_PICTURE = re.compile(r'(<img[^>]* src=")(?!data:)([^"]*)')
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_COMMENT = re.compile(r"^(?:%.*|\+\+\+.*)\n?", re.MULTILINE)
_TARGET = re.compile(r"^\(([\w:.-]+)\)=[ \t]*$", re.MULTILINE)
_OTHER_PAGE = re.compile(
    r"(?<!!)\[([^\]]*)\]\((?![a-z]+:|#)[^)\s]*\.(?:ipynb|md)(?:#[^)]*)?\)"
)


@dataclass(frozen=True)
class _Names:
    """What the roles of a notebook can name."""

    glued: dict  # name -> text of the recorded value
    equations: dict  # label -> number


def render_page(notebook, path, command):
    """Return an executed notebook as one page that needs no network.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
    path : Path
        Where the notebook came from; pictures of its Markdown are found from there.
    command : str
        How to repeat the run, shown at the top.

    Returns
    -------
    str
        HTML with styles, pictures and MathJax inside.

    Notes
    -----
    The directives and roles of MyST become plain Markdown, as far as one page can show
    them; references to other pages become text.
    """
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        template_name="basic",
        exclude_anchor_links=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    body, _ = exporter.from_notebook_node(_presentable(notebook))
    body = _PICTURE.sub(lambda match: _embedded(match, path.parent), body)
    return _PAGE.format(
        title=html.escape(title_of(notebook, path.stem)),
        style=_STYLE + _code_style(),
        settings=json.dumps(_mathjax_settings()),
        mathjax=mathjax_file().read_text(encoding="utf-8"),
        command=html.escape(command),
        body=_linked(_accessible(body)),
    )


def _accessible(body):
    """Let the keyboard reach what may scroll, and no heading of a table be empty."""
    body = re.sub(r"<(pre|table)\b", r'<\1 tabindex="0"', body)
    return re.sub(r"<th(?: [^>]*)?></th>", "<td></td>", body)


def _linked(body):
    """Name headings as MyST does, and no two elements alike."""
    body = re.sub(r"<(h[1-6])>(.*?)</\1>", _named_heading, body, flags=re.S)
    seen = set()

    def once(match):
        known = match[1] in seen
        seen.add(match[1])
        return "" if known else match[0]

    return re.sub(r' id="([^"]*)"', once, body)


def _named_heading(match):
    text = html.unescape(re.sub(r"<[^>]*>", "", match[2])).lower().strip()
    name = re.sub(r"[^\w\s-]", "", text).replace(" ", "-")
    return f'<{match[1]} id="{name}">{match[2]}</{match[1]}>'


def _embedded(match, folder):
    """Return an image tag with the picture inside, if it is a file."""
    path = folder / match[2]
    if not os.path.isfile(path):
        return match[0]
    kind = mimetypes.guess_type(path)[0]
    return f"{match[1]}data:{kind};base64,{b64encode(path.read_bytes()).decode()}"


def mathjax_file():
    """Return the path of the installed MathJax, or None."""
    try:
        package = files("sphinx-mathjax-offline") or ()
    except PackageNotFoundError:
        return None
    found = (Path(entry.locate()) for entry in package if entry.match(f"*/{MATHJAX}"))
    return next(found, None)


def _mathjax_settings():
    """Return MathJax's settings, with the macros of the book."""
    import yaml

    config = Path(__file__).parents[3] / "_config.yml"
    book = yaml.safe_load(config.read_text("utf-8")) if config.is_file() else {}
    sphinx = book.get("sphinx", {}).get("config", {})
    macros = sphinx.get("mathjax3_config", {}).get("tex", {}).get("macros", {})
    return {
        "tex": {"inlineMath": [["$", "$"], ["\\(", "\\)"]], "macros": macros},
        "options": {"enableMenu": False},
    }


def _code_style():
    from pygments.formatters import HtmlFormatter

    return HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".highlight")


def _presentable(notebook):
    """Return a copy of the notebook that nbconvert can show."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = [
        cell for cell in notebook.cells if "remove-cell" not in _tags(cell)
    ]
    names = _names(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            lines = _FRONT_MATTER.sub("", cell.source).splitlines()
            cell.source = "\n".join(_blocks(lines, names))
        elif cell.cell_type == "code":
            _present_outputs(cell)
    notebook.cells = [shown for cell in notebook.cells for shown in _anchored(cell)]
    return notebook


def _anchored(cell):
    """Put the link target `checks-lemma-3-11` before a cell tagged with it."""
    from nbformat.v4 import new_markdown_cell

    names = [tag.replace(":", "-") for tag in _tags(cell) if ":" in tag]
    anchors = "".join(f'<div id="{html.escape(name)}"></div>' for name in names)
    return [new_markdown_cell(anchors, id="anchor"), cell] if anchors else [cell]


def _tags(cell):
    return cell.metadata.get("tags", ())


def _names(notebook):
    glued = {
        output.metadata.scrapbook.name: output.data[GLUE_PREFIX + "text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if RECORD_MIME in output.get("data", {})
    }
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    labels = (first or second for first, second in _EQUATION_LABEL.findall(text))
    return _Names(glued, {label: n for n, label in enumerate(labels, start=1)})


def _present_outputs(cell):
    """Leave out what a page does not show, and give pictures their words."""
    from nbformat.v4 import new_output

    if "remove-input" in _tags(cell):
        cell.metadata["transient"] = {"remove_source": True}
    shown = [] if "remove-output" in _tags(cell) else cell.outputs
    words = cell.metadata.get("mystnb", {})
    caption = words.get("figure", {}).get("caption")
    alt = words.get("image", {}).get("alt") or caption or "figure"
    outputs = []
    for output in shown:
        data = output.get("data", {})
        if RECORD_MIME in data:
            continue
        outputs.append(output)
        if "image/png" in data:
            output.metadata.setdefault("image/png", {}).setdefault("alt", alt)
            if caption:
                text = {"text/markdown": f"*{caption.strip()}*"}
                outputs.append(new_output("display_data", text))
    cell.outputs = joined_streams(outputs)


def _blocks(lines, names):
    """Return lines of MyST as lines of Markdown, directives turned into boxes."""
    done, text, start = [], [], 0
    while start < len(lines):
        fence = _FENCE.fullmatch(lines[start])
        if fence is None or (fence[2] is None and "`" in fence[3]):
            text.append(lines[start])
            start += 1
            continue
        end = _closing(lines, start, fence[1])
        done += _inline(text, names)
        text = []
        if fence[2]:
            done += _directive(fence[2], fence[3], lines[start + 1 : end], names)
        else:
            done += lines[start : end + 1]  # plain code
        start = end + 1
    return done + _inline(text, names)


def _closing(lines, start, fence):
    """Return the index of the line that closes the fence opened at `start`."""
    for index in range(start + 1, len(lines)):
        line = lines[index].strip()
        if line.startswith(fence) and not line.strip(fence[0]):
            return index
    return len(lines)


def _directive(kind, title, lines, names):
    options = {}
    while lines and (match := _OPTION.fullmatch(lines[0])):
        options[match[1]] = match[2].strip()
        lines = lines[1:]
    label = options.get("label") or options.get("name", "")
    if kind in DROPPED:
        return []
    if kind == "math":
        return ["", _display("\n".join(lines), label, names), ""]
    if kind in ("code", "code-block", "sourcecode"):
        return ["", f"```{title}", *lines, "```", ""]
    if kind in ("figure", "image"):
        return ["", f"![{options.get('alt', '')}]({title})", "", *_blocks(lines, names)]
    title = " ".join(_inline([title], names))
    folded = kind == "dropdown" or "dropdown" in options.get("class", "")
    return _box(_heading(kind, label, title), _blocks(lines, names), label, folded)


def _heading(kind, label, title):
    """Return what a box is called: `Lemma 3.11 (title)`, `Proof`, `Note`."""
    if kind.startswith("prf:"):
        name = _statement(kind.removeprefix("prf:"), label)
        return f"{name} ({title})" if title else name
    return title or (kind.title() if kind in ADMONITIONS else "")


def _statement(kind, label):
    """Return the paper's number off a label: `lemma-3-11` is Lemma 3.11."""
    number = re.fullmatch(rf"{kind}-((?:[a-z]|\d+)(?:-\d+)*)", label)
    name = kind.title()
    return f"{name} {number[1].upper().replace('-', '.')}" if number else name


def _box(heading, lines, label, folded):
    tag = "details" if folded else "div"
    name = f' id="{html.escape(label)}"' if label else ""
    head = f"**{heading}**" if heading else ""
    if folded:
        head = f"<summary>{html.escape(heading)}</summary>"
    opened = ["", f'<{tag} class="box"{name}>', "", head, ""]
    return [*opened, *lines, "", f"</{tag}>", ""]


def _inline(lines, names):
    """Return text without directives as Markdown: roles, labels, links."""
    text = _COMMENT.sub("", "\n".join(lines) + "\n")
    text = _TARGET.sub(r'<div id="\1"></div>\n', text)
    text = _DISPLAY.sub(lambda m: _display(m["tex"], m["label"], names), text)
    text = _ROLE.sub(lambda m: _role(m[1], " ".join(m[2].split()), names), text)
    return _OTHER_PAGE.sub(r"\1", text).splitlines()


def _display(tex, label, names):
    tag = rf"\tag{{{names.equations[label]}}}" if label in names.equations else ""
    return f"$${tex}{tag}$$"


def _role(role, content, names):
    """Return what a role says on a page of its own."""
    if role == "math":
        return f"${content}$"
    if role.startswith("glue"):
        return _glued(content, names)
    if role.startswith("cite"):
        return rf"\[{content}\]"
    if role in ("sub", "sup"):
        return f"<{role}>{content}</{role}>"
    text, _, target = content.removesuffix(">").rpartition("<")
    if text.strip():
        return text.strip()
    if role in ("eq", "math:numref"):
        return f"({names.equations.get(target, target)})"
    if role == "prf:ref":
        return _statement(target.split("-")[0], target)
    if role == "doc":
        return Path(target).stem.replace("_", " ")
    return target


def _glued(content, names):
    """Return a recorded value in the wanted format, as the book prints it."""
    name, _, style = content.partition(":")
    text = names.glued.get(name)
    if text is None:
        return f"`{content}`"  # another notebook's
    if style[-1:] in tuple("eEfFgG%"):
        return format(float(text), style)
    if style[-1:] == "d":
        return format(int(text), style)
    return text.strip("'\"")


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
<script>
MathJax = {settings};
MathJax.startup = {{pageReady: () => MathJax.startup.defaultPageReady().then(() =>
  document.querySelectorAll("mjx-container[display]").forEach(wide =>
    wide.tabIndex = 0))}};
</script>
<script>{mathjax}</script>
</head>
<body>
<main>
<p class="command">Executed with <code>{command}</code></p>
{body}
</main>
</body>
</html>
"""

_STYLE = """
body { color: #1a1a1a; background: #fff; font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 50rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.2; margin: 1.6em 0 0.5em; }
a { color: #0b57a4; }
img { max-width: 100%; height: auto; }
pre { overflow-x: auto; line-height: 1.4; margin: 0.5em 0; padding: 0.6em 0.8em; }
pre, code { font-family: ui-monospace, monospace; font-size: 0.875rem; }
.highlight pre { background: #f5f5f5; border-left: 3px solid #0b57a4; }
table { display: block; overflow-x: auto; border-collapse: collapse; margin: 1em 0; }
th, td { padding: 0.25em 0.7em; border-bottom: 1px solid #bbb; }
.box { border-left: 3px solid #767676; padding: 0.1em 1em; margin: 1em 0; }
.command { border-bottom: 1px solid #bbb; padding-bottom: 0.5em; }
mjx-container[display="true"] { overflow: auto hidden; min-width: 0 !important; }
mjx-container mjx-assistive-mml { width: 1px !important; }
mjx-container:not([display]) svg { max-width: 100%; height: auto; }
summary { cursor: pointer; font-weight: bold; }
"""


def title_of(notebook, default):
    """Return the first heading of level one."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            for line in "".join(cell["source"]).splitlines():
                if line.startswith("# "):
                    return line.removeprefix("# ").strip()
    return default


def joined_streams(outputs):
    """Join consecutive texts of one stream, which arrive in accidental pieces."""
    joined = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output.output_type == "stream" == last.get("output_type") and (
            output.name == last.name
        ):
            last.text += output.text
        else:
            joined.append(output)
    return joined
