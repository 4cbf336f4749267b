"""The files of a recording as things in folders: what may be created, put in place, and said of a failure."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hhsim.errors import FileFailed, OutputExists
from hhsim.recording.layout import sibling_path
from hhsim.system.plainfile import require_name


def output_paths(path: str | os.PathLike[str], variables: Iterable[str]) -> dict[str, Path]:
    """The file that each recorded variable goes to, and under "" the main file."""
    main = Path(path)
    return {"": main} | {variable: sibling_path(main, variable) for variable in dict.fromkeys(variables)}


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
            reason = "no space is left" if error.errno in _FULL else "it cannot be written"
            raise FileFailed(str(path), f"{reason} in the folder {folder} ({error.strerror})") from error


def _why_no_folder(folder: Path) -> str:
    nearest = next((ancestor for ancestor in folder.parents if ancestor.exists()), Path("."))
    return f"the folder {folder} does not exist" if nearest.is_dir() else f"{nearest} is not a folder"


def publish(temporary: Mapping[Path, Path], overwrite: bool) -> None:
    """Give finished files, each under a hidden name, the names that they are meant to have.

    Without `overwrite`, whoever comes second loses with OutputExists, even if two come at once, and
    leaves nothing behind.
    """
    placed: list[Path] = []
    try:
        for place, hidden in temporary.items():
            with file_errors(place):
                target = Path(os.path.realpath(place))
                if not overwrite:
                    try:
                        target.touch(exist_ok=False)
                    except FileExistsError as error:
                        raise OutputExists(str(place)) from error
                    placed.append(target)
                os.replace(hidden, target)
    except BaseException:
        for target in placed:
            target.unlink(missing_ok=True)
        raise


def hidden_name(place: Path, run: str) -> Path:
    """A hidden name in the folder where `place`, or what it links to, really lies."""
    target = Path(os.path.realpath(place))
    return target.with_name(f".{target.name}.{run[:8]}.tmp")


def remove_leftovers(place: Path) -> None:
    """Remove the hidden files of runs that were killed before theirs had a name.

    For whoever holds the lock on `place`: nobody else is making it then.
    """
    target = Path(os.path.realpath(place))
    hidden = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.tmp")
    for path in target.parent.iterdir():
        if hidden.fullmatch(path.name):
            path.unlink(missing_ok=True)


LEAST_BYTES = 1 << 16  # that the disk must have room for: less than any recording takes

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ERRNO = re.compile(r"errno = (\d+)")
_CUT_OFF = re.compile(r"truncated file: eof = (\d+).*stored_eof = (\d+)")


@contextmanager
def file_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the system and h5py raise for a file that fails into a FileFailed with a plain reason."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise FileFailed(os.fspath(path), plain_reason(error)) from error


@contextmanager
def damage_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """The same for a file of unknown content: what h5py raises for things missing or malformed as well."""
    try:
        with file_errors(path):
            yield
    except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        reason = f"is damaged, or no recording of hhsim: {error.args[0] if error.args else error!r}"
        raise FileFailed(os.fspath(path), reason) from error


def plain_reason(error: Exception) -> str:
    """In plain words why a file could not be read or written; h5py hides the errno in its text."""
    text = str(error)
    if cut := _CUT_OFF.search(text):
        return f"the file is cut off: {cut[1]} of {cut[2]} bytes are there"
    if "file signature not found" in text or "unable to determine if file is accessible as HDF5" in text:
        return "is not an HDF5 file"
    number = getattr(error, "errno", None)
    if number is None and (found := _ERRNO.search(text)):
        number = int(found[1])
    if number in _FULL:
        return f"no space is left to write it ({os.strerror(number)})"
    if number == errno.ENOENT:
        return "there is no such file"
    if number:
        return os.strerror(number)
    return f"the HDF5 library failed: {text}" if text else f"{type(error).__name__} while it was accessed"
