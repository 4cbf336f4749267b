"""Ordinary files: told from folders, pipes and devices before anybody opens them and waits."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hhsim.errors import FileFailed

LONGEST_NAME = 255  # bytes, of most file systems
ROOM_BESIDE = 40  # bytes that the names beside a file may be longer, as ".NAME.checkpoint.previous" is

_KINDS = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe, not a file"),
    (stat.S_ISSOCK, "is a socket, not a file"),
    (stat.S_ISCHR, "is a device, not a file"),
    (stat.S_ISBLK, "is a device, not a file"),
)


def require_plain_file(path: str | os.PathLike[str]) -> None:
    """Raise FileFailed unless `path` is an ordinary file, or a link to one.

    Opening a pipe that nobody writes to would wait for ever.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise FileFailed(os.fspath(path), "there is no such file") from None
    except OSError as error:
        raise FileFailed(os.fspath(path), (error.strerror or str(error)).lower()) from error
    except ValueError:
        raise FileFailed(repr(os.fspath(path)), "is no name of a file") from None
    for is_kind, reason in _KINDS:
        if is_kind(mode):
            raise FileFailed(os.fspath(path), reason)


def require_name(path: Path) -> None:
    """Raise FileFailed unless `path` ends with the name of a file that can be made, with others beside it."""
    try:
        if path.name in ("", "..") or path.is_dir():
            raise FileFailed(str(path), "is a folder")
        longest = os.pathconf(path.parent, "PC_NAME_MAX") if path.parent.is_dir() else LONGEST_NAME
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is no name of a file"
        raise FileFailed(str(path).replace("\0", "\\0"), reason.lower()) from None
    if len(os.fsencode(path.name)) > longest - ROOM_BESIDE:
        most = longest - ROOM_BESIDE
        raise FileFailed(
            str(path), f"is too long a name: no more than {most} bytes, as files beside it are longer"
        )
