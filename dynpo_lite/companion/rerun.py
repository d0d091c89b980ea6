"""Run a chapter again with other parameters: a strict front of papermill.

Everything that a user can get wrong is checked before a kernel starts: the notebook,
the names, types and domains of the parameters, the paths they name, the output folder.
Then the notebook runs in a fresh kernel of this interpreter, in a folder of its own
that is thrown away, and three files are moved into the output folder together:

* ``NOTEBOOK.ipynb``, executed, without times and machine paths;
* ``NOTEBOOK.html``, one page that asks the network for nothing;
* ``results.json``, the parameters, every recorded number, versions and the seed.

papermill, nbformat and nbconvert are imported where they are used: they take longer
than everything the command line does without them.
"""

import copy
import html
import itertools
import json
import logging
import mimetypes
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files, version
from importlib.util import find_spec
from pathlib import Path

from dynpo_lite.companion.parameters import (
    check_parameters,
    find_notebook,
    load_notebook,
    notebooks_folder,
    read_parameters,
)
from dynpo_lite.companion.record import GLUE_PREFIX, RECORD_MIME, harvest

VERSIONS = ("numpy", "scipy", "matplotlib", "dynpo-lite")
TOOLS = ("ipykernel", "matplotlib", "nbconvert", "papermill", "yaml")
RESULTS = "results.json"


# --- what there is to run -------------------------------------------------------------


@dataclass(frozen=True)
class Chapter:
    """One notebook of the book.

    Attributes
    ----------
    number : str
        The number its file name begins with, such as ``"06"``.
    name : str
        The file name without its ending.
    title : str
        The first heading.
    parameters : tuple of Parameter
    path : Path
    """

    number: str
    name: str
    title: str
    parameters: tuple
    path: Path


def list_notebooks():
    """Return the chapters in the order of their numbers.

    Returns
    -------
    tuple of Chapter

    Raises
    ------
    ValueError
        If the notebooks are not beside the package, or one cannot be read.
    """
    return tuple(
        Chapter(
            number=path.stem.split("_")[0],
            name=path.stem,
            title=_title(load_notebook(path), path.stem),
            parameters=read_parameters(path),
            path=path,
        )
        for path in sorted(notebooks_folder().glob("*.ipynb"))
    )


def _title(notebook, default):
    """Return the first heading of level one."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            for line in "".join(cell["source"]).splitlines():
                if line.startswith("# "):
                    return line.removeprefix("# ").strip()
    return default


# --- a run: planned, then executed ----------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """A run whose every input has been checked.

    Attributes
    ----------
    notebook : Path
    declared : tuple of Parameter
        What the notebook declares.
    typed : dict
        The values given by the user, with the declared types.
    resolved : dict
        The same, paths made absolute.
    folder : Path
        The output folder; it exists and can be written.
    created : tuple of Path
        Which folders were made for it, the innermost first.
    """

    notebook: Path
    declared: tuple
    typed: dict
    resolved: dict
    folder: Path
    created: tuple

    @property
    def name(self):
        """The notebook's file name without its ending."""
        return self.notebook.stem

    @property
    def parameters(self):
        """Every parameter of the run, defaults included."""
        defaults = {parameter.name: parameter.default for parameter in self.declared}
        return defaults | self.typed

    @property
    def command(self):
        """The command line that repeats the run."""
        changed = (("-p", f"{name}={value}") for name, value in self.typed.items())
        return shlex.join(["dynpo", "run", self.name, *itertools.chain(*changed)])


class NotebookFailed(RuntimeError):
    """A cell of the notebook raised, or the kernel died; the message is one line."""


def run_notebook(notebook, values, output_dir, progress=True):
    """Run a notebook with other parameters and write its three files.

    Parameters
    ----------
    notebook : str or Path
        A stem, a number, a file name or a path, see `find_notebook`.
    values : mapping of str to value
        The parameters to change.  Those whose names end in ``_path`` are taken from
        the caller's folder and must exist.
    output_dir : str or Path
        Created with its parents; files of an earlier run are replaced.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    dict
        What ``results.json`` holds: ``notebook``, ``parameters`` (all of them),
        ``results`` (name to value), ``seed`` and ``versions``.

    Raises
    ------
    ValueError
        If the notebook, a parameter or the output folder will not do.  No kernel has
        been started then and nothing written.
    NotebookFailed
        If the notebook itself fails; as far as it ran it is kept in the output folder
        as ``NOTEBOOK.failed.ipynb``.
    """
    return execute(plan_run(notebook, values, output_dir), progress)


def plan_run(notebook, values, output_dir):
    """Check everything about a run and create its output folder.

    Parameters and errors as `run_notebook`.

    Returns
    -------
    Plan
    """
    path = find_notebook(notebook)
    declared = read_parameters(path)
    typed = check_parameters(declared, values)
    resolved = {name: _resolved(name, value) for name, value in typed.items()}
    _require_tools()
    folder = Path(output_dir)
    _refuse_targets(path, folder)
    created = _create_folder(folder)
    return Plan(path.resolve(), declared, typed, resolved, folder, created)


def execute(plan, progress=True):
    """Execute a plan; see `run_notebook`."""
    import nbformat

    source = nbformat.read(plan.notebook, as_version=4)
    try:
        with tempfile.TemporaryDirectory(prefix="dynpo-") as work:
            notebook = _run_kernel(plan, source, Path(work), progress)
        _clean(notebook, source, plan)
        results = _results(plan, notebook)
        content = {
            f"{plan.name}.ipynb": nbformat.writes(notebook) + "\n",
            f"{plan.name}.html": render_page(notebook, plan.notebook, plan.command),
            RESULTS: _strict_json(results),
        }
        _write_together(plan.folder, content)
    except BaseException:
        _remove_empty(plan.created)
        raise
    _failed_path(plan).unlink(missing_ok=True)
    return results


def _resolved(name, value):
    """Return the value that the kernel gets: a path is made absolute."""
    if not (name.endswith("_path") and value):
        return value
    path = Path(value).absolute()
    if not os.path.exists(path):
        raise ValueError(
            f"parameter {name} = {value!r} does not exist: give a path that does, "
            f"absolute or from {Path.cwd()}"
        )
    return str(path)


def _require_tools():
    missing = [name for name in TOOLS if find_spec(name) is None]
    if missing or _mathjax() is None:
        name = missing[0] if missing else "sphinx-mathjax-offline"
        raise ValueError(
            f'running a notebook needs {name}: install it with pip install -e ".[book]"'
        )


def _refuse_targets(notebook, folder):
    """Refuse to overwrite the notebook that runs, or to replace a folder."""
    target = folder / notebook.name
    if os.path.exists(target) and target.samefile(notebook):
        raise ValueError(
            f"output folder = {str(folder)!r} holds the notebook itself: "
            "choose another with -o DIR"
        )
    for name in (notebook.name, f"{notebook.stem}.html", RESULTS):
        if os.path.isdir(folder / name):
            raise _unwritable(folder, f"{name} is a folder there")


def _create_folder(folder):
    """Create the folder and prove that it can be written, or leave no trace."""
    ancestors = (folder, *folder.parents)
    missing = tuple(path for path in ancestors if not os.path.exists(path))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return missing
    except (FileExistsError, NotADirectoryError):
        raise _unwritable(folder, "a file is in the way") from None
    except OSError as error:
        _remove_empty(missing)
        raise _unwritable(folder, error.strerror) from None


def _unwritable(folder, why):
    return ValueError(
        f"output folder = {str(folder)!r} cannot be written ({why}): "
        "choose another with -o DIR"
    )


def _remove_empty(folders):
    for folder in folders:
        with suppress(OSError):  # not there, or something is in it
            folder.rmdir()


def _failed_path(plan):
    return plan.folder / f"{plan.name}.failed.ipynb"


def _write_together(folder, content):
    """Write all files beside their places first, then move them there."""
    try:
        _stage_and_move(folder, content)
    except OSError as error:
        raise NotebookFailed(
            f"the files cannot be written to {folder}: {error.strerror}"
        ) from None


def _stage_and_move(folder, content):
    with tempfile.TemporaryDirectory(dir=folder, prefix=".dynpo-") as staging:
        for name, text in content.items():
            Path(staging, name).write_text(text, encoding="utf-8")
        for name in content:
            os.replace(Path(staging, name), folder / name)


# --- the kernel -----------------------------------------------------------------------


def _run_kernel(plan, source, work, progress):
    """Return the executed notebook; raise `NotebookFailed` on a failing cell."""
    import nbformat
    import papermill

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it reads comments as types
    executed = work / "executed.ipynb"
    try:
        papermill.execute_notebook(
            source,
            str(executed).replace("{", "{{").replace("}", "}}"),  # a template for it
            plan.resolved,
            cwd=work,
            kernel_manager_class=_kernel_of_this_interpreter(work),
            kernel_name="python3",
            language="python",
            progress_bar=progress and {"desc": plan.name, "file": sys.stderr},
            request_save_on_cell_execute=False,
        )
    except papermill.PapermillExecutionError as error:
        notebook = nbformat.read(executed, as_version=4)
        _clean(notebook, source, plan)
        kept = _failed_path(plan)
        _write_together(plan.folder, {kept.name: nbformat.writes(notebook) + "\n"})
        raise NotebookFailed(
            f"{plan.name} failed in cell [{error.exec_count}]: "
            f"{_last_line(error)}; kept as far as it ran: {kept}"
        ) from None
    except RuntimeError as error:  # of nbclient, about a kernel that is gone
        raise NotebookFailed(
            f"{plan.name} failed: {' '.join(str(error).split())} (is memory short?)"
        ) from None
    return nbformat.read(executed, as_version=4)


def _last_line(error):
    lines = f"{error.ename}: {error.evalue}".rstrip(": ").splitlines()
    return lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1]}"


def _kernel_of_this_interpreter(work):
    """Return a kernel manager that starts ``sys.executable``, nothing else.

    A kernel called ``python3`` that the user installed for another interpreter would be
    found first, and the user's IPython start-up files would run in it.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = KernelSpec(
        argv=command,
        display_name="Python 3",
        language="python",
        env={"IPYTHONDIR": str(work / "ipython")},
    )

    class InterpreterKernel(AsyncKernelManager):
        kernel_spec = spec

        async def start_kernel(self, **options):
            # What the process says besides the outputs is noise when it is stopped.
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            await super().start_kernel(**options, **quiet)

    return InterpreterKernel


def _clean(notebook, source, plan):
    """Remove times, machine paths and other accidents of an execution."""
    notebook.metadata = copy.deepcopy(source.metadata)
    tagless = {cell.get("id") for cell in source.cells if "tags" not in cell.metadata}
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if cell.get("id") in tagless and not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)
        if "outputs" in cell:
            cell.outputs = _joined_streams(cell.outputs)
        if "injected-parameters" in cell.metadata.get("tags", ()):
            _as_typed(cell, plan.typed)


def _as_typed(cell, typed):
    """Show the values as the user typed them: paths not made absolute."""
    from papermill.translators import translate_parameters

    cell.source = translate_parameters("python3", "python", typed, "Parameters")
    if "id" in cell:
        cell.id = "injected-parameters"  # papermill draws one at random


def _joined_streams(outputs):
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


def _results(plan, notebook):
    versions = {name: version(name) for name in VERSIONS}
    try:
        results = harvest(notebook)
    except ValueError as error:
        raise NotebookFailed(f"{plan.name} failed: {error}") from None
    return {
        "notebook": plan.name,
        "parameters": plan.parameters,
        "results": results,
        "seed": plan.parameters.get("seed"),
        "versions": versions | {"python": platform.python_version()},
    }


def _strict_json(content):
    return (
        json.dumps(
            content, allow_nan=False, ensure_ascii=False, indent=2, sort_keys=True
        )
        + "\n"
    )


# --- the page -------------------------------------------------------------------------

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
        title=html.escape(_title(notebook, path.stem)),
        style=_STYLE + _code_style(),
        settings=json.dumps(_mathjax_settings()),
        mathjax=_mathjax().read_text(encoding="utf-8"),
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


def _mathjax():
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

    config = Path(__file__).parents[2] / "_config.yml"
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
    cell.outputs = _joined_streams(outputs)


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
