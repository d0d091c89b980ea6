"""Output folders, files that appear together or not at all, strict JSON."""

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path


class WriteFailed(RuntimeError):
    """The output folder took no files; the message is one line."""


def create_folder(folder):
    """Create the folder and prove that it can be written, or leave no trace."""
    ancestors = (folder, *folder.parents)
    missing = tuple(path for path in ancestors if not os.path.exists(path))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return missing
    except (FileExistsError, NotADirectoryError):
        raise unwritable(folder, "a file is in the way") from None
    except OSError as error:
        remove_empty(missing)
        raise unwritable(folder, error.strerror) from None


def unwritable(folder, why):
    return ValueError(
        f"output folder = {str(folder)!r} cannot be written ({why}): "
        "choose another with -o DIR"
    )


def remove_empty(folders):
    for folder in folders:
        with suppress(OSError):  # not there, or something is in it
            folder.rmdir()


def write_together(folder, content):
    """Write all files beside their places first, then move them there."""
    try:
        _stage_and_move(folder, content)
    except OSError as error:
        raise WriteFailed(
            f"the files cannot be written to {folder}: {error.strerror}"
        ) from None


def _stage_and_move(folder, content):
    with tempfile.TemporaryDirectory(dir=folder, prefix=".dynpo-") as staging:
        for name, text in content.items():
            Path(staging, name).write_text(text, encoding="utf-8")
        for name in content:
            os.replace(Path(staging, name), folder / name)


def strict_json(content):
    return (
        json.dumps(
            content, allow_nan=False, ensure_ascii=False, indent=2, sort_keys=True
        )
        + "\n"
    )
