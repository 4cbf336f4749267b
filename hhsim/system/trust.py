"""Whose code is run: compiled code on disk is believed only where nobody else can have put it.

What lies in the cache are pickles and machine code, and both can do whatever the user can. So a folder is
taken only if it and all that is in it belong to this user (or to root), and nobody else can write there; nor
to the folders above it, but for those like /tmp, where nobody can move what belongs to others. That is what
ssh asks of ~/.ssh (`StrictModes`). Then nothing can change between this look and the use either.
"""

from __future__ import annotations

import functools
import grp
import os
import pwd
import stat
from pathlib import Path

GROUP = "HHSIM_CACHE_TRUST_GROUP"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def reason_against(folder: Path) -> str | None:
    """Why code in a folder, which exists and is no link, must not be run; None if it may be.

    Raises OSError where something cannot be looked at.
    """
    for above in reversed(folder.parents):
        status = os.lstat(above)
        sticky = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)
        if reason := _reason(above, status, may_be_written=sticky):
            return reason
    todo = [folder]
    while todo:
        path = todo.pop()
        try:
            status = os.lstat(path)
            inner = [Path(entry.path) for entry in os.scandir(path)] if stat.S_ISDIR(status.st_mode) else []
        except FileNotFoundError:
            if path == folder:
                raise
            continue  # another process has just replaced it
        if stat.S_ISLNK(status.st_mode):
            return f"{path} is a link"
        if reason := _reason(path, status):
            return reason
        todo += inner
    return None


def is_ours(status: os.stat_result) -> bool:
    """Whether a file that is open may be believed."""
    return stat.S_ISREG(status.st_mode) and _reason(Path(), status) is None


def tighten(path: int | Path) -> None:
    """Take the right to write from others, at something of ours that was just made, whatever the umask says.

    The trusted group keeps it.
    """
    if trusted_group() is not None:
        return
    status = os.stat(path)
    if status.st_uid == os.geteuid() and status.st_mode & OTHERS_WRITE:
        os.chmod(path, stat.S_IMODE(status.st_mode) & ~OTHERS_WRITE)


def make(folder: Path) -> None:
    """Make a folder and those above it that are missing."""
    if not folder.is_dir():
        if folder.parent != folder:
            make(folder.parent)
        try:
            folder.mkdir()
        except FileExistsError:
            if not folder.is_dir():
                raise
            return  # another process was faster
        tighten(folder)


def trusted_group() -> int | None:
    """The number of the group that the environment says to trust; None without one that exists."""
    name = os.environ.get(GROUP, "")
    if not name:
        return None
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def _reason(path: Path, status: os.stat_result, may_be_written: bool = False) -> str | None:
    group = trusted_group()
    shared = group is not None and status.st_gid == group
    # Whoever owns the root can do everything anyway; within some containers that is not user 0.
    if status.st_uid not in (0, os.geteuid(), _owner_of_root()) and not shared:
        return f"{path} belongs to {_user(status.st_uid)}"
    if may_be_written:
        return None
    if status.st_mode & stat.S_IWOTH and not stat.S_ISLNK(status.st_mode):
        return f"everybody can write to {path}"
    if status.st_mode & stat.S_IWGRP and not shared and not _is_private(status.st_gid):
        name = _group(status.st_gid)
        return f"group {name} can write to {path}; {GROUP}={name} would trust it"
    return None


@functools.cache
def _owner_of_root() -> int:
    return os.stat("/").st_uid


@functools.cache
def _is_private(group: int) -> bool:
    """Whether it is the group of this user alone, which many systems give to each user."""
    try:
        user, about = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    alone = not set(about.gr_mem) - {user.pw_name}
    return alone and user.pw_gid == group and about.gr_name == user.pw_name


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
