"""Run a chapter's cells in this process, with other parameters and without pictures."""

from collections import namedtuple
from contextlib import contextmanager

import matplotlib as mpl
import nbformat
import pytest

from dynpo_lite.companion.chapters import example_figures as figures
from dynpo_lite.companion.rerun import parameters, record, run

Cell = namedtuple("Cell", ["number", "name", "source"])


def code_cells(notebook, values):
    """Return the code cells, the parameters replaced by checked values."""
    path = parameters.find_notebook(notebook)
    checked = parameters.check_parameters(notebook, values)
    lines = "\n".join(f"{name} = {value!r}" for name, value in checked.items())
    cells = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            tagged = "parameters" in cell.metadata.get("tags", [])
            source = f"{cell.source}\n{lines}" if tagged else cell.source
            cells.append(Cell(len(cells) + 1, cell.id, source))
    return cells


def execute(notebook, values):
    """Run a chapter; return what it records.

    Every conclusion of a chapter is an assert in one of its cells, so a run that ends
    has drawn the same conclusions again.
    """
    results = {}

    def keep(name, value, digits=12):
        assert name not in results, f"{name} is recorded twice"
        results[name] = record._rounded(name, value, digits)

    namespace = {"__name__": "__main__"}
    with quiet() as patch:
        patch.setattr(record, "record", keep)
        for cell in code_cells(notebook, values):
            exec(compile(cell.source, f"{notebook} {cell.name}", "exec"), namespace)
    return results


def run_notebook(notebook, values, folder, progress=True):
    """Run a notebook as the command line does; return what ``results.json`` holds."""
    return run.execute(run.plan_run(notebook, values, folder), progress)


@contextmanager
def quiet():
    """Draw figures and drop them, show no tables."""
    mpl.use("agg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "show", lambda: figures.plt.close("all"))
        patch.setattr("IPython.display.display", lambda *args, **kwargs: None)
        yield patch
