"""The files of a recording as things in folders: how they are called, and where they may be created."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from hhsim.errors import FileFailed, OutputExists
from hhsim.recording.layout import sibling_path
from hhsim.system.failures import FULL, file_errors
from hhsim.system.plainfile import require_name

LEAST_BYTES = 1 << 16  # that the disk must have room for: less than any recording takes


def output_paths(path: str | os.PathLike[str], variables: Iterable[str]) -> dict[str, Path]:
    """The file that each recorded variable goes to, and under "" the main file."""
    main = Path(path)
    return {"": main} | {variable: sibling_path(main, variable) for variable in dict.fromkeys(variables)}


def named_after(recording: Path, ending: str) -> Path:
    """A file beside a recording that was made from it: `out.png` for `out.h5` and "png"."""
    stem = recording.stem if recording.suffix in (".h5", ".hdf5") else recording.name
    return recording.with_name(f"{stem}.{ending}")


def check_output(
    path: str | os.PathLike[str], variables: Iterable[str] = (), overwrite: bool = False
) -> None:
    """Refuse an output that could not be written, before any work is done for it.

    `variables` are those of the traces: the files beside the main one are checked as well. Raises
    OutputExists for a file that is there already unless `overwrite`, and FileFailed where the folder is
    missing or cannot be written, or the path is a folder or a device.
    """
    require_name(Path(path))
    for file in dict.fromkeys(output_paths(path, variables).values()):
        _check_place(file, overwrite)


def _check_place(path: Path, overwrite: bool) -> None:
    folder = path.parent
    with file_errors(path):
        if not folder.exists():
            raise FileFailed(str(path), _why_no_folder(folder))
        if not folder.is_dir():
            raise FileFailed(str(path), f"{folder} is not a folder")
        if path.exists():
            if not path.is_file():
                raise FileFailed(str(path), "is not a regular file")
            if not overwrite:
                raise OutputExists(str(path))
        try:  # permission bits say too little: of read-only mounts, /proc, or what root may do
            with tempfile.TemporaryFile(dir=os.path.realpath(path.parent), buffering=0) as file:
                file.write(bytes(LEAST_BYTES))
        except OSError as error:
            reason = "no space is left" if error.errno in FULL else "it cannot be written"
            raise FileFailed(str(path), f"{reason} in the folder {folder} ({error.strerror})") from error


def _why_no_folder(folder: Path) -> str:
    nearest = next((ancestor for ancestor in folder.parents if ancestor.exists()), Path("."))
    return f"the folder {folder} does not exist" if nearest.is_dir() else f"{nearest} is not a folder"
