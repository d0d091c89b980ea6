"""Output folders, files that appear together, strict JSON, texts fit for one line."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

JSON: Any = {"allow_nan": False, "ensure_ascii": False, "indent": 2, "sort_keys": True}
STAGING = ".dynpo-"  # then the number of the process that writes


class WriteFailed(RuntimeError):
    """The output folder took no files; the message is one line."""


def create_folder(folder: Path) -> tuple[Path, ...]:
    """Create a folder and prove that it can be written, or leave no trace.

    Returns
    -------
    tuple of Path
        The folders that were made, the innermost first.

    Raises
    ------
    ValueError
        If it cannot be written.
    """
    missing = tuple(p for p in (folder, *folder.parents) if not os.path.exists(p))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return missing
    except (FileExistsError, NotADirectoryError):
        raise unwritable(folder, "a file is in the way") from None
    except (OSError, ValueError) as error:  # a name with a null character
        remove_empty(missing)
        raise unwritable(folder, getattr(error, "strerror", None) or error) from None


def unwritable(folder: Path, why: object) -> ValueError:
    """Return the error about a folder that takes no files."""
    what = f"output folder = {str(folder)!r} cannot be written ({why})"
    return ValueError(f"{what}: choose another with -o DIR")


def refuse_folders(folder: Path, names: Iterable[str]) -> None:
    """Refuse an output folder in which a folder bears the name of a file to come."""
    for name in names:
        if os.path.isdir(folder / name):
            raise unwritable(folder, f"{name} is a folder there")


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those of the folders that are empty."""
    for folder in folders:
        with suppress(OSError, ValueError):  # not there, or something is in it
            folder.rmdir()


def write_together(folder: Path, content: Mapping[str, str]) -> None:
    """Write all files beside their places first, then move them there, in order.

    Parameters
    ----------
    folder : Path
        It exists.
    content : mapping of str to str
        File name -> text; last the file that readers look for first.

    Raises
    ------
    WriteFailed
        If the disk is full or the like; the older files are whole then.

    Notes
    -----
    Whatever happens, each file is the older or the new one, whole.  A process that is
    killed between two moves leaves the last file the older one: if the last file is
    new, all are.  Its staging folder goes when the next process writes here.
    """
    prefix = f"{STAGING}{os.getpid()}-"
    try:
        _remove_stale(folder)
        with tempfile.TemporaryDirectory(dir=folder, prefix=prefix) as staging:
            for name, text in content.items():
                Path(staging, name).write_text(text, encoding="utf-8")
            for name in content:
                os.replace(Path(staging, name), folder / name)
    except OSError as error:
        what = f"the files cannot be written to {folder}"
        raise WriteFailed(f"{what}: {error.strerror}") from None


def _remove_stale(folder: Path) -> None:
    """Remove what processes that were killed had staged."""
    for staging in folder.glob(f"{STAGING}*"):
        try:
            os.kill(int(staging.name.split("-")[1]), 0)  # asks whether it lives
        except (ValueError, OverflowError, ProcessLookupError):
            shutil.rmtree(staging, ignore_errors=True)
        except PermissionError:
            pass  # it lives, of another user


def strict_json(content: Any) -> str:
    """Return JSON as any reader takes it: sorted, indented, no nan or infinity."""
    return json.dumps(content, **JSON) + "\n"


def shown(value: object, limit: int = 60) -> str:
    """Return a value as messages show it, no longer than the limit.

    Examples
    --------
    >>> shown("abc"), shown("abc" * 10, 20)
    ("'abc'", "'abcabcabcabcabc ...")
    """
    try:
        text = value.isoformat() if hasattr(value, "isoformat") else repr(value)
    except ValueError:  # of Python, which writes no more than 4300 digits
        text = "(a number of thousands of digits)"
    return text if len(text) <= limit else text[: limit - 4] + " ..."


def one_line(message: object) -> str:
    """Return a message as one printable line, the middle of a very long one left out.

    Examples
    --------
    >>> one_line(f"no {chr(9)} tab, no {chr(10)} line")
    'no \\\\t tab, no \\\\n line'
    """
    odd = {c for c in str(message) if not c.isprintable()}
    shown = {ord(c): c.encode("unicode_escape").decode() for c in odd}
    line = str(message).translate(shown)
    return line if len(line) <= 800 else f"{line[:600]} ... {line[-150:]}"
