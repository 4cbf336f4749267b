"""What the system and the HDF5 library raise for files, in plain words."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from hhsim.errors import FileFailed

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
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
    if number in FULL:
        return f"no space is left to write it ({os.strerror(number)})"
    if number == errno.ENOENT:
        return "there is no such file"
    if number:
        return os.strerror(number)
    return f"the HDF5 library failed: {text}" if text else f"{type(error).__name__} while it was accessed"
