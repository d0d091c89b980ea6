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

import copy
import itertools
import logging
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dynpo_lite.companion.files.economy_file import load_economy
from dynpo_lite.companion.outputs import (
    create_folder,
    refuse_folders,
    remove_empty,
    strict_json,
    write_together,
)
from dynpo_lite.companion.rerun.page import mathjax_file, render_page
from dynpo_lite.companion.rerun.parameters import (
    Parameter,
    check_parameters,
    find_notebook,
    load_notebook,
    notebooks_folder,
    read_parameters,
)
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
    parameters: tuple[Parameter, ...]
    path: Path


def list_notebooks() -> tuple[Chapter, ...]:
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
            title=title_of(load_notebook(path), path.stem),
            parameters=read_parameters(path),
            path=path,
        )
        for path in sorted(notebooks_folder().glob("*.ipynb"))
    )


def title_of(notebook: Mapping[str, Any], default: str) -> str:
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
    declared: tuple[Parameter, ...]
    typed: dict[str, Any]
    resolved: dict[str, Any]
    folder: Path
    created: tuple[Path, ...]

    @property
    def name(self) -> str:
        """The notebook's file name without its ending."""
        return self.notebook.stem

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter of the run, defaults included."""
        defaults = {parameter.name: parameter.default for parameter in self.declared}
        return defaults | self.typed

    @property
    def command(self) -> str:
        """The command line that repeats the run."""
        changed = (("-p", f"{name}={value}") for name, value in self.typed.items())
        return shlex.join(["dynpo", "run", self.name, *itertools.chain(*changed)])


class NotebookFailed(RuntimeError):
    """A cell of the notebook raised, or the kernel died; the message is one line."""


def run_notebook(
    notebook: str | Path,
    values: Mapping[str, Any],
    output_dir: str | Path,
    progress: bool = True,
) -> dict[str, Any]:
    """Run a notebook with other parameters and write its three files.

    Parameters
    ----------
    notebook : str or Path
        A stem, a number, a file name or a path, see `find_notebook`.
    values : mapping of str to value
        The parameters to change.  Those whose names end in ``_path`` are taken from
        the caller's folder and must exist; an ``economy_path`` must be an economy.
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


def plan_run(
    notebook: str | Path, values: Mapping[str, Any], output_dir: str | Path
) -> Plan:
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
    _refuse_malformed(path)
    folder = Path(output_dir)
    _refuse_targets(path, folder)
    created = create_folder(folder)
    return Plan(path.resolve(), declared, typed, resolved, folder, created)


def execute(plan: Plan, progress: bool = True) -> dict[str, Any]:
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
            f"{plan.name}.html": _page(plan, notebook),
            RESULTS: strict_json(results),
        }
        write_together(plan.folder, content)
    except BaseException:
        remove_empty(plan.created)
        raise
    _failed_path(plan).unlink(missing_ok=True)
    return results


def _resolved(name: str, value: Any) -> Any:
    """Return the value that the kernel gets: a path is made absolute."""
    if not (name.endswith("_path") and value):
        return value
    path = Path(value).absolute()
    if not os.path.exists(path):
        raise ValueError(
            f"parameter {name} = {value!r} does not exist: give a path that does, "
            f"absolute or from {Path.cwd()}"
        )
    if name.endswith("economy_path"):
        try:
            load_economy(path)
        except ValueError as error:
            raise ValueError(f"parameter {name} = {value!r}: {error}") from None
    return str(path)


def _require_tools() -> None:
    missing = [name for name in TOOLS if find_spec(name) is None]
    if missing or mathjax_file() is None:
        name = missing[0] if missing else "sphinx-mathjax-offline"
        raise ValueError(
            f'running a notebook needs {name}: install it with pip install -e ".[book]"'
        )


def _refuse_malformed(path: Path) -> None:
    """Refuse what is no valid notebook, in more detail than reading it does."""
    import nbformat

    content = load_notebook(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cells without an id
            nbformat.validate(nbformat.from_dict(content))
    except Exception as error:  # the check itself stumbles over some of them
        why = str(getattr(error, "message", error))[:200]
        raise ValueError(
            f"notebook = {str(path)!r} is no valid notebook ({why}): save it again "
            "with Jupyter"
        ) from None


def _refuse_targets(notebook: Path, folder: Path) -> None:
    """Refuse to overwrite the notebook that runs, or to replace a folder."""
    target = folder / notebook.name
    if os.path.exists(target) and target.samefile(notebook):
        raise ValueError(
            f"output folder = {str(folder)!r} holds the notebook itself: "
            "choose another with -o DIR"
        )
    stem = notebook.stem
    names = (notebook.name, f"{stem}.html", RESULTS, f"{stem}.failed.ipynb")
    refuse_folders(folder, names)


def _failed_path(plan: Plan) -> Path:
    return plan.folder / f"{plan.name}.failed.ipynb"


# --- the kernel -----------------------------------------------------------------------


def _run_kernel(plan: Plan, source: Any, work: Path, progress: bool) -> Any:
    """Return the executed notebook; raise `NotebookFailed` on a failing cell."""
    import nbformat
    import papermill

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it reads comments as types
    executed = work / "executed.ipynb"
    stops: list[int] = []
    try:
        with stoppable():
            papermill.execute_notebook(
                source,
                str(executed).replace("{", "{{").replace("}", "}}"),  # a template
                plan.resolved,
                cwd=work,
                kernel_manager_class=_kernel_of_this_interpreter(work, stops),
                kernel_name="python3",
                language="python",
                progress_bar=progress and {"desc": plan.name, "file": sys.stderr},
                request_save_on_cell_execute=False,
            )
    except papermill.PapermillExecutionError as error:
        notebook = nbformat.read(executed, as_version=4)
        _clean(notebook, source, plan)
        kept = _keep(plan, notebook)
        raise NotebookFailed(
            f"{plan.name} failed in cell [{error.exec_count}]: "
            f"{_reason(error, plan)}; kept as far as it ran: {kept}"
        ) from None
    except RuntimeError as error:  # of nbclient, about a kernel that is gone
        if stops:
            raise Stopped(stops[0]) from None
        raise NotebookFailed(
            f"{plan.name} failed: {' '.join(str(error).split())} (is memory short?)"
        ) from None
    return nbformat.read(executed, as_version=4)


def _keep(plan: Plan, notebook: Any) -> Path:
    """Write a notebook that failed; return where."""
    import nbformat

    kept = _failed_path(plan)
    write_together(plan.folder, {kept.name: nbformat.writes(notebook) + "\n"})
    return kept


def _page(plan: Plan, notebook: Any) -> str:
    try:
        return render_page(notebook, plan.notebook, plan.command)
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise NotebookFailed(
            f"{plan.name} ran, but no page can be made of it ({why}); kept: "
            f"{_keep(plan, notebook)}"
        ) from error


def _reason(error: Any, plan: Plan) -> str:
    lines = f"{error.ename}: {error.evalue}".rstrip(": ").splitlines()
    line = lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1]}"
    if error.ename != "AssertionError":
        return line
    return f"{line}: {BOOK_IS_WRONG} {plan.command}"


def _kernel_of_this_interpreter(work: Path, stops: list[int]) -> type:
    """Return a kernel manager that starts ``sys.executable``, nothing else.

    A kernel called ``python3`` that the user installed for another interpreter would be
    found first, and the user's IPython start-up files would run in it.  A signal that
    asks the process to end is put into ``stops`` and ends the kernel.
    """
    import asyncio

    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = KernelSpec(
        argv=command,
        display_name="Python 3",
        language="python",
        # asserts are checks, whatever the user's settings
        env={"IPYTHONDIR": str(work / "ipython"), "PYTHONOPTIMIZE": ""},
    )

    class InterpreterKernel(AsyncKernelManager):
        kernel_spec = spec

        def end(self, number: int) -> None:
            stops.append(number)
            self.ending = asyncio.ensure_future(self.shutdown_kernel(now=True))

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            tell_of_stops(asyncio.get_running_loop(), self.end)
            # What the process says besides the outputs is noise when it is stopped.
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            await super().start_kernel(**options, **quiet)

    return InterpreterKernel


def _clean(notebook: Any, source: Any, plan: Plan) -> None:
    """Remove times, machine paths and other accidents of an execution."""
    notebook.metadata = copy.deepcopy(source.metadata)
    tagless = {cell.get("id") for cell in source.cells if "tags" not in cell.metadata}
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if cell.get("id") in tagless and not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)
        if "outputs" in cell:
            cell.outputs = joined_streams(cell.outputs)
        if "injected-parameters" in cell.metadata.get("tags", ()):
            _as_typed(cell, plan.typed)


def joined_streams(outputs: list) -> list:
    """Join consecutive texts of one stream, which arrive in accidental pieces."""
    joined: list = []
    for output in outputs:
        last: Any = joined[-1] if joined else {}
        if output.output_type == "stream" == last.get("output_type") and (
            output.name == last.name
        ):
            last.text += output.text
        else:
            joined.append(output)
    return joined


def _as_typed(cell: Any, typed: dict[str, Any]) -> None:
    """Show the values as the user typed them: paths not made absolute."""
    from papermill.translators import translate_parameters

    cell.source = translate_parameters("python3", "python", typed, "Parameters")
    if "id" in cell:
        cell.id = "injected-parameters"  # papermill draws one at random


def _results(plan: Plan, notebook: Any) -> dict[str, Any]:
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
