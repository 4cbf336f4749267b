"""Folders of compiled code: the one in use is held, and those that nobody has used for long are removed."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
import uuid
from pathlib import Path

from hhsim.system import trust

OLD_S = 30 * 24 * 3600.0  # of no use, after which a folder goes
USED = "used"  # a file in each folder: its time is that of the last start, and running processes lock it

_held: dict[Path, int] = {}  # descriptors of this process, one for each folder


def hold(folder: Path) -> None:
    """Mark `folder` as used now, and by this process for as long as it lives."""
    if folder in _held:
        return
    try:
        descriptor = os.open(folder / USED, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:  # not ours to write: nobody would remove it for us either
        return
    _held[folder] = descriptor
    try:
        trust.tighten(descriptor)
        os.utime(folder / USED)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # a file system without locks: its time must do
        pass


def sweep(base: Path, now: float | None = None) -> list[Path]:
    """Remove the folders of compiled code in `base` that were last used OLD_S ago and that nobody holds.

    Folders of versions that kept no file `used` are as old as themselves. Returns those that went; one that
    cannot be removed stays.
    """
    now = time.time() if now is None else now
    gone = []
    for folder in base.iterdir():
        if re.fullmatch("[0-9a-f]{16}", folder.name) and not folder.is_symlink() and _remove(folder, now):
            gone.append(folder)
    return gone


def _remove(folder: Path, now: float) -> bool:
    mark = folder / USED
    try:
        if now - (mark if mark.exists() else folder).stat().st_mtime < OLD_S:
            return False
        if trust.reason_against(folder) is not None:  # another user's, who may have put links there
            return False
        descriptor = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")  # at once, and not half of it
        folder.rename(aside)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    shutil.rmtree(aside, ignore_errors=True)
    return True
