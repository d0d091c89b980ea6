"""Run a chapter again with other parameters: a strict front of papermill.

Everything that a user can get wrong is checked before a kernel starts: the notebook,
the names, types and domains of the parameters, the paths they name, the output folder.
Then the notebook runs in a fresh kernel of this interpreter, in a folder of its own
that is thrown away, and three files are moved into the output folder together:

* ``NOTEBOOK.ipynb``, executed, without times and machine paths;
* ``NOTEBOOK.html``, one page that asks the network for nothing;
* ``results.json``, the parameters, every recorded number, versions and the seed.

papermill, nbformat and Sphinx are imported where they are used: they take longer than
everything the command line does without them.
"""

import itertools
import logging
import os
import platform
import re
import shlex
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, NamedTuple

from dynpo_lite.companion import outputs
from dynpo_lite.companion.files.economy_file import load_economy
from dynpo_lite.companion.rerun import parameters
from dynpo_lite.companion.rerun.banner import banner
from dynpo_lite.companion.rerun.page import mathjax_file, render_page
from dynpo_lite.companion.rerun.parameters import Parameter
from dynpo_lite.companion.rerun.record import harvest
from dynpo_lite.companion.rerun.stop import Stopped, stoppable, tell_of_stops

VERSIONS = ("numpy", "scipy", "matplotlib", "dynpo-lite")
TOOLS = ("ipykernel", "matplotlib", "myst_nb", "papermill", "sphinx_design")
TOOLS += ("sphinx_proof", "sphinxcontrib.bibtex", "yaml")
RESULTS = "results.json"
BOOK_IS_WRONG = (
    "a check of this page fails although every value lies inside the domain that the "
    "page declares: the book is wrong there; please report"
)


# --- what there is to run -------------------------------------------------------------


class Chapter(NamedTuple):
    """One notebook of the book.

    Attributes
    ----------
    number : str
        The number its file name begins with, such as ``"06"``; else its name.
    name : str
        The file name without its ending.
    title : str
        The first heading.
    parameters : tuple of Parameter
    """

    number: str
    name: str
    title: str
    parameters: tuple[Parameter, ...]


def list_notebooks() -> tuple[Chapter, ...]:
    """Return the lessons in the order of their numbers, then the audit notebooks.

    Returns
    -------
    tuple of Chapter

    Raises
    ------
    ValueError
        If the notebooks are not beside the package, or one cannot be read.
    """
    return tuple(map(_chapter, parameters.notebooks()))


def _chapter(path: Path) -> Chapter:
    cells = parameters.load_notebook(path)["cells"]
    texts = ("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    heading = re.search("(?m)^# (.*)", "\n".join(texts))
    title = heading[1].strip() if heading else path.stem
    number = path.stem.split("_")[0]
    number = number if number.isdigit() else path.stem
    return Chapter(number, path.stem, title, parameters.read_parameters(path))


# --- a run: planned, then executed ----------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """A run whose every input has been checked.

    Attributes
    ----------
    notebook : Path
    parameters : dict
        Every parameter of the run, defaults included.
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
    parameters: dict[str, Any]
    typed: dict[str, Any]
    resolved: dict[str, Any]
    folder: Path
    created: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The notebook's file name without its ending."""
        return self.notebook.stem

    @property
    def failed(self) -> Path:
        """Where a notebook that failed is kept."""
        return self.folder / f"{self.name}.failed.ipynb"

    @property
    def command(self) -> str:
        """The command line that repeats the run."""
        changed = (("-p", f"{name}={value}") for name, value in self.typed.items())
        return shlex.join(["dynpo", "run", self.name, *itertools.chain(*changed)])


class NotebookFailed(RuntimeError):
    """A cell of the notebook raised, or the kernel died; the message is one line."""


def plan_run(
    notebook: str | Path, values: Mapping[str, Any], output_dir: str | Path
) -> Plan:
    """Check everything about a run and create its output folder.

    Parameters
    ----------
    notebook : str or Path
        A stem, a number, a file name or a path, see `find_notebook`.
    values : mapping of str to value
        The parameters to change.  Those whose names end in ``_path`` are taken from
        the caller's folder and must exist; an ``economy_path`` must be an economy.
    output_dir : str or Path
        Created with its parents; files of an earlier run are replaced.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        If the notebook, a parameter or the output folder will not do.  Nothing has
        been written then.
    """
    path = parameters.find_notebook(notebook)
    declared = parameters.read_parameters(path)
    typed = parameters.check_parameters(declared, values)
    resolved = {name: _resolved(name, value) for name, value in typed.items()}
    _require_tools()
    _refuse_malformed(path)
    every = {parameter.name: parameter.default for parameter in declared} | typed
    plan = Plan(path.resolve(), every, typed, resolved, Path(output_dir))
    _refuse_targets(plan)
    return replace(plan, created=outputs.create_folder(plan.folder))


def execute(plan: Plan, progress: bool = True) -> dict[str, Any]:
    """Execute a plan in a kernel and write its three files.

    Parameters
    ----------
    plan : Plan
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    dict
        What ``results.json`` holds: ``notebook``, ``parameters`` (all of them),
        ``results`` (name to value), ``seed`` and ``versions``.

    Raises
    ------
    NotebookFailed
        If the notebook itself fails; as far as it ran it is kept in the output folder
        as ``NOTEBOOK.failed.ipynb``.
    """
    import nbformat

    try:
        notebook = _run_kernel(plan, progress)
        results = _results(plan, notebook)
        content = {f"{plan.name}.ipynb": nbformat.writes(notebook) + "\n"}
        content[f"{plan.name}.html"] = _page(plan, notebook)
        content[RESULTS] = outputs.strict_json(results)
        outputs.write_together(plan.folder, content)
    except BaseException:
        outputs.remove_empty(plan.created)
        raise
    plan.failed.unlink(missing_ok=True)
    return results


def _resolved(name: str, value: Any) -> Any:
    """Return the value that the kernel gets: a path is made absolute."""
    if not (name.endswith("_path") and value):
        return value
    path = Path(value).absolute()
    if not os.path.exists(path):
        cure = f"give a path that does, absolute or from {Path.cwd()}"
        raise ValueError(f"parameter {name} = {value!r} does not exist: {cure}")
    if name.endswith("economy_path"):
        try:
            load_economy(path)
        except ValueError as error:
            raise ValueError(f"parameter {name} = {value!r}: {error}") from None
    return str(path)


def _require_tools() -> None:
    missing = [name for name in TOOLS if find_spec(name) is None]
    missing += ["sphinx-mathjax-offline"] if mathjax_file() is None else []
    for name in missing:
        cure = 'install it with pip install -e ".[book]"'
        raise ValueError(f"running a notebook needs {name}: {cure}")


def _refuse_malformed(path: Path) -> None:
    """Refuse what is no valid notebook, in more detail than reading it does."""
    import nbformat

    notebook = nbformat.from_dict(parameters.load_notebook(path))
    try:
        with warnings.catch_warnings(action="ignore"):  # of cells without an id
            nbformat.validate(notebook)
    except Exception as error:  # the check itself stumbles over some of them
        why = str(getattr(error, "message", error))[:200]
        what = f"is no valid notebook ({why}): save it again with Jupyter"
        raise ValueError(f"notebook = {str(path)!r} {what}") from None


def _refuse_targets(plan: Plan) -> None:
    """Refuse to overwrite the notebook that runs, or to replace a folder."""
    target = plan.folder / plan.notebook.name
    if os.path.exists(target) and target.samefile(plan.notebook):
        what = "holds the notebook itself: choose another with -o DIR"
        raise ValueError(f"output folder = {str(plan.folder)!r} {what}")
    names = (target.name, f"{plan.name}.html", RESULTS, plan.failed.name)
    outputs.refuse_folders(plan.folder, names)


# --- the kernel -----------------------------------------------------------------------


def _run_kernel(plan: Plan, progress: bool) -> Any:
    """Return the executed notebook; raise `NotebookFailed` on a failing cell."""
    import nbformat
    import papermill

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it reads comments as types
    source = nbformat.read(plan.notebook, as_version=4)
    stops: list[int] = []
    failed = None
    with tempfile.TemporaryDirectory(prefix="dynpo-") as work:
        executed = os.path.join(work, "executed.ipynb")
        try:
            with stoppable():
                papermill.execute_notebook(
                    source,
                    executed.replace("{", "{{").replace("}", "}}"),  # a template
                    plan.resolved,
                    cwd=work,
                    kernel_manager_class=_kernel_of_this_interpreter(work, stops),
                    kernel_name="python3",
                    language="python",
                    progress_bar=progress and {"desc": plan.name, "file": sys.stderr},
                    request_save_on_cell_execute=False,
                )
        except papermill.PapermillExecutionError as error:
            failed = error
        except RuntimeError as error:  # of nbclient, about a kernel that is gone
            if stops:
                raise Stopped(stops[0]) from None
            why = f"{' '.join(str(error).split())} (is memory short?)"
            raise NotebookFailed(f"{plan.name} failed: {why}") from None
        notebook = _cleaned(nbformat.read(executed, as_version=4), source, plan)
    if failed:
        what = f"failed in cell [{failed.exec_count}]: {_reason(failed, plan)}"
        raise _kept(plan, notebook, f"{what}; kept as far as it ran")
    return notebook


def _kept(plan: Plan, notebook: Any, what: str) -> NotebookFailed:
    """Write a notebook that failed; return the error."""
    import nbformat

    text = nbformat.writes(notebook) + "\n"
    outputs.write_together(plan.folder, {plan.failed.name: text})
    return NotebookFailed(f"{plan.name} {what}: {plan.failed}")


def _page(plan: Plan, notebook: Any) -> str:
    try:
        declared = parameters.read_parameters(plan.notebook)
        before = harvest(parameters.load_notebook(plan.notebook))
        top = banner(declared, plan.parameters, before, harvest(notebook))
        return render_page(notebook, plan.notebook, plan.command, top)
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        what = f"ran, but no page can be made of it ({why}); kept"
        raise _kept(plan, notebook, what) from error


def _reason(error: Any, plan: Plan) -> str:
    lines = f"{error.ename}: {error.evalue}".rstrip(": ").splitlines()
    line = lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1]}"
    if error.ename != "AssertionError":
        return line
    return f"{line}: {BOOK_IS_WRONG} {plan.command}"


def _kernel_of_this_interpreter(work: str, stops: list[int]) -> type:
    """Return a kernel manager that starts ``sys.executable``, nothing else.

    A kernel called ``python3`` that the user installed for another interpreter would be
    found first, and the user's IPython start-up files would run in it.  A signal that
    asks the process to end is put into ``stops`` and ends the kernel.
    """
    import asyncio

    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    # asserts are checks, whatever the user's settings
    settings = {"IPYTHONDIR": os.path.join(work, "ipython"), "PYTHONOPTIMIZE": ""}

    class InterpreterKernel(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=command, env=settings)

        def end(self, number: int) -> None:
            stops.append(number)
            self.ending = asyncio.ensure_future(self.shutdown_kernel(now=True))

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            tell_of_stops(asyncio.get_running_loop(), self.end)
            # What the process says besides the outputs is noise when it is stopped.
            await super().start_kernel(**options, stdout=DEVNULL, stderr=DEVNULL)

    return InterpreterKernel


def _cleaned(notebook: Any, source: Any, plan: Plan) -> Any:
    """Remove times, machine paths and other accidents of an execution."""
    from papermill.translators import PythonTranslator

    notebook.metadata = source.metadata
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = _joined_streams(cell.outputs)
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if not (tags := cell.metadata.get("tags")):  # papermill gives every cell some
            cell.metadata.pop("tags", None)
        elif "injected-parameters" in tags:  # shown as typed: paths not made absolute
            cell.source = PythonTranslator.codify(plan.typed, "Parameters")
            if "id" in cell:
                cell.id = "injected-parameters"  # papermill draws one at random
    return notebook


def _joined_streams(found: list) -> list:
    """Join consecutive texts of one stream, which arrive in accidental pieces."""
    joined: list = []
    for name, group in itertools.groupby(found, lambda output: output.get("name")):
        first, *rest = group
        if name is None:  # no stream
            joined += [first, *rest]
        else:
            first.text += "".join(output.text for output in rest)
            joined.append(first)
    return joined


def _results(plan: Plan, notebook: Any) -> dict[str, Any]:
    versions = {name: version(name) for name in VERSIONS}
    versions["python"] = platform.python_version()
    try:
        found = {"notebook": plan.name, "results": harvest(notebook)}
    except ValueError as error:
        raise NotebookFailed(f"{plan.name} failed: {error}") from None
    values = {"parameters": plan.parameters, "seed": plan.parameters.get("seed")}
    return found | values | {"versions": versions}
