"""Files that appear under their names whole or not at all."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hhsim.errors import OutputExists
from hhsim.system.failures import file_errors


@contextmanager
def written_whole(place: Path, overwrite: bool) -> Iterator[Path]:
    """Write a new file at the path that this yields; at the end it gets the name `place`.

    If anything is raised before, nothing of it stays. Raises OutputExists for a file that is there meanwhile,
    unless `overwrite`, and FileFailed if it cannot be written.
    """
    hidden = hidden_name(place, uuid.uuid4().hex)
    try:
        with file_errors(place):
            yield hidden
        publish({place: hidden}, overwrite)
    finally:
        hidden.unlink(missing_ok=True)


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
