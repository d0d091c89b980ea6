"""Execute the notebooks, compare their outputs with the committed ones, build the book.

    build_book.py            check what has changed since the last run, then build
    build_book.py --refresh  execute every notebook and store its outputs

A notebook is executed by papermill in a fresh kernel. Every output is compared, figures
by how they look and not by their pixels. It is skipped only while the digest of the
notebook and of all it depends on equals the stamp of its last successful check. The
book is built from the committed outputs, always from scratch: an incremental build
repeats no warning and may keep stale pages. It is skipped only while neither its
sources nor its pages changed.
"""

import argparse
import base64
import difflib
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
KERNEL_TIMEOUT = 300  # seconds a cell
NOT_COMPARED = {"image/png"}  # line by line; see `same_picture`
NOTEBOOK_INPUTS = ("dynpo_lite", "book/paper_items.yml", "requirements.lock")
BOOK_INPUTS = (
    *("book", "notebooks", "dynpo_lite", "tools", "_config.yml", "_toc.yml"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "README.md", "requirements.lock"),
)
METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def environment(build):
    """Return the environment of kernels and builds: nothing of the user's settings."""
    ipython = build / ".ipython"  # no start-up files, no history
    ipython.mkdir(parents=True, exist_ok=True)
    return os.environ | {
        "IPYTHONDIR": str(ipython),
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this environment, no other
        "LC_ALL": "C.UTF-8",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # no debugger's warning on stderr
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONOPTIMIZE": "",  # asserts are the checks
        "PYTHONPATH": "",
        "SOURCE_DATE_EPOCH": "1767225600",  # 2026-01-01
        "TZ": "UTC",
    }


# --- digests and stamps -------------------------------------------------------


def files_below(*paths):
    """Yield the files among and below the given paths, sorted, caches left out."""
    for path in sorted(paths):
        if path.is_dir():
            skip = {"__pycache__", ".ipynb_checkpoints"}
            found = (p for p in path.rglob("*") if p.is_file())
            yield from sorted(p for p in found if not skip & set(p.parts))
        elif path.is_file():
            yield path


def digest(root, paths, *more):
    """Return the sha256 of the names and contents of files and of further strings."""
    total = hashlib.sha256(repr((sys.version_info[:2], more)).encode())
    for path in files_below(*paths):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(root)} {content}\n".encode())
    return total.hexdigest()


def notebook_digest(root, path):
    """Return the digest of a notebook and of all that its outputs depend on."""
    data = [p for p in files_below(root / "notebooks") if p.suffix != ".ipynb"]
    inputs = [root / name for name in NOTEBOOK_INPUTS]
    tool = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return digest(root, [path, *data, *inputs], tool)


def book_digest(root, html):
    """Return the digest of all sources of the book and of its pages."""
    inputs = [root / name for name in BOOK_INPUTS]
    return digest(root, [*inputs, html], os.environ.get("GITHUB_REPOSITORY"))


def is_stamped(stamp, value):
    """Tell whether a stamp file holds a digest."""
    return stamp.is_file() and stamp.read_text() == value


def write_stamp(stamp, value):
    """Write a digest to a stamp file."""
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(value)


# --- outputs ------------------------------------------------------------------


def merge_streams(outputs):
    """Join neighbouring stream outputs of one name: flushes are a matter of timing."""
    merged = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] += output["text"]
        else:
            merged.append(output.copy())
    return merged


def output_lines(output):
    """Return the lines of an output that are compared, one string each."""
    if output["output_type"] == "stream":
        return [f"[{output['name']}]", *output["text"].splitlines()]
    if output["output_type"] == "error":
        return ["[error]", f"{output['ename']}: {output['evalue']}"]
    lines = [f"[{output['output_type']}]"]
    if output.get("metadata"):
        lines.append("metadata " + json.dumps(output["metadata"], sort_keys=True))
    for mime, content in sorted(output["data"].items()):
        lines.append(f"[{mime}]")
        if mime not in NOT_COMPARED:
            text = content if isinstance(content, str) else json.dumps(content)
            lines += text.splitlines()
    return lines


def cell_lines(cell):
    """Return all that is compared of an executed cell."""
    lines = [f"[execution {cell.execution_count}]"]
    for output in merge_streams(cell.outputs):
        lines += output_lines(output)
    return lines


def pictures(cell):
    """Return the pictures that a cell shows, as outputs hold them."""
    found = (output.get("data", {}).get("image/png") for output in cell.outputs)
    return [picture for picture in found if picture]


def same_picture(old, new):
    """Tell whether two pictures look alike: pixels change with matplotlib's version.

    Compared are the size and the grey tones, from 0 to 255, on a grid of 24 by 24: the
    two figures of the book most alike, two trees, are 2.0 apart.
    """
    import numpy as np
    from PIL import Image

    if old == new:
        return True
    opened = [Image.open(io.BytesIO(base64.b64decode(data))) for data in (old, new)]
    tones = [
        np.asarray(image.convert("L").resize((24, 24), Image.Resampling.BOX), float)
        for image in opened
    ]
    size = np.divide(*(image.size for image in opened))
    return abs(size - 1).max() < 0.02 and abs(tones[0] - tones[1]).mean() < 1


def differences(committed, fresh):
    """Return a readable list of the differences between two runs; empty if equal."""
    found = []
    for number, (old, new) in enumerate(zip(committed.cells, fresh.cells, strict=True)):
        if old.cell_type == "code":
            lines = difflib.unified_diff(
                cell_lines(old), cell_lines(new), "committed", "executed now", "", "", 2
            )
            lines = [line.rstrip("\n") for line in lines]
            if not lines and not all(map(same_picture, pictures(old), pictures(new))):
                lines = ["the stored picture is not the one drawn now"]
            if lines:
                found += [f"cell {number} (id {old.get('id', '?')}):", *lines]
    return found


# --- notebooks ----------------------------------------------------------------


def read(path):
    """Return a notebook."""
    return nbformat.read(path, as_version=4)


def execute(path):
    """Return the notebook as papermill executes it in a fresh kernel."""
    import papermill

    return papermill.execute_notebook(
        str(path),
        None,
        kernel_name="python3",
        cwd=str(path.parent),
        progress_bar=False,
        execution_timeout=KERNEL_TIMEOUT,
        extra_arguments=["--log-level=CRITICAL"],  # no noise when a kernel stops
    )


def stored_form(source, executed):
    """Return the source with the executed outputs, nothing of the machine or time."""
    notebook = source.copy()
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata.update(nbformat.from_dict(METADATA))
    for cell, run in zip(notebook.cells, executed.cells, strict=True):
        for key in ("papermill", "execution", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.execution_count = run.execution_count
            cell.outputs = merge_streams(run.outputs)
    return notebook


def run_one(path, refresh):
    """Execute a notebook; return (problems, changed), a list of lines and a bool."""
    from papermill.exceptions import PapermillExecutionError

    source = read(path)
    try:
        executed = execute(path)
    except PapermillExecutionError as error:
        traceback = "\n".join(error.traceback)
        lines = re.sub(r"\x1b\[[0-9;]*m", "", traceback).splitlines()
        return [f"cell {error.cell_index} raised {error.ename}:", *lines[-12:]], False
    except Exception as error:  # a dead kernel, a timeout, a broken file
        return [f"{type(error).__name__}: {error}"], False
    if not refresh:
        return differences(source, executed), False
    text = nbformat.writes(stored_form(source, executed)) + "\n"
    changed = text != path.read_text(encoding="utf-8")
    if changed:
        path.write_text(text, encoding="utf-8")
    return [], changed


def run_notebooks(root, refresh):
    """Execute all notebooks that are not stamped; return the number that failed."""
    stamps = root / "_build" / ".stamps"
    todo, failed = [], 0
    for path in sorted((root / "notebooks").rglob("[!.]*.ipynb")):
        stamp = stamps / f"{path.stem}.sha256"
        if not refresh and is_stamped(stamp, notebook_digest(root, path)):
            print(f"{path.name}: unchanged since its last check", flush=True)
        else:
            todo.append((path, stamp))
    if not todo:
        return 0
    import matplotlib.font_manager  # noqa: F401  (builds its cache once, not in a cell)

    start = time.perf_counter()
    with ProcessPoolExecutor(max_workers=2) as pool:
        runs = {pool.submit(run_one, p, refresh): (p, s) for p, s in todo}
        for done, run in enumerate(as_completed(runs), 1):
            path, stamp = runs[run]
            problems, changed = run.result()
            if problems:
                failed += 1
                verdict = "FAILED"
                stamp.unlink(missing_ok=True)
            else:
                verdict = "outputs stored" if changed else "outputs equal"
                write_stamp(stamp, notebook_digest(root, path))
            seconds = time.perf_counter() - start
            print(f"[{done}/{len(todo)} {seconds:5.1f} s] {path.name}: {verdict}")
            print("".join(f"    {line}\n" for line in problems), end="", flush=True)
    return failed


# --- the book -----------------------------------------------------------------


def build_html(root):
    """Build the book into _build/html from scratch; return the exit code."""
    html = root / "_build" / "html"
    stamp = root / "_build" / ".stamps" / "book.sha256"
    if is_stamped(stamp, book_digest(root, html)):
        print("book: unchanged since its last build")
        return 0
    for folder in ("html", ".doctrees", "jupyter_execute"):
        shutil.rmtree(root / "_build" / folder, ignore_errors=True)
    start = time.perf_counter()
    jupyter_book = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", jupyter_book, "build"]
    options = ["-W", "--keep-going", "-n", "-q", "."]
    code = subprocess.run(
        [*command, *options],
        cwd=root,
        env=environment(root / "_build"),
        stdout=subprocess.DEVNULL,  # warnings and errors go to stderr
        check=False,
    ).returncode
    if code:
        stamp.unlink(missing_ok=True)
    else:
        write_stamp(stamp, book_digest(root, html))
        print(f"book: built in {time.perf_counter() - start:.1f} s")
    return code


def main():
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--refresh", action="store_true", help="store the outputs")
    refresh = parser.parse_args().refresh
    os.environ.update(environment(ROOT / "_build"))
    failed = run_notebooks(ROOT, refresh)
    if failed:
        cure = "" if refresh else "; if the new outputs are right: make refresh"
        print(f"{failed} notebook(s) failed{cure}", file=sys.stderr)
        return 1
    if refresh:
        return 0
    code = build_html(ROOT)
    print("open _build/html/index.html" if code == 0 else "the book has faults")
    return 1 if code else 0


if __name__ == "__main__":
    sys.exit(main())
