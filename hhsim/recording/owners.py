"""To which recording a file belongs, so that no run touches what is another one's."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hhsim.errors import FileFailed
from hhsim.recording.files import check_output, output_paths
from hhsim.recording.layout import OURS
from hhsim.system.hdf5 import attribute, open_plain
from hhsim.system.plainfile import require_name


@dataclass(frozen=True)
class Facts:
    """What a file of a recording tells of it."""

    run: str  # its name
    main: str  # the name of the main file
    is_main: bool


def facts_of(path: Path) -> Facts | None:
    """What a file tells of the recording that it belongs to; None if it is none of hhsim, or damaged."""
    try:
        with open_plain(path) as file:
            ours = file[OURS]
            return Facts(str(attribute(ours, "recording")), str(attribute(ours, "main")), "config" in ours)
    except (FileFailed, OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError):
        return None  # whatever h5py raises for files that are damaged, or something else


def _owner(path: Path) -> tuple[Path, str] | None:
    """The main file of the recording that `path` belongs to, and its run; None if there is none."""
    facts = facts_of(path)
    if facts is None:
        return None
    if facts.is_main:
        return path, facts.run
    for main in dict.fromkeys([path.with_name(facts.main), *_mains_of(path)]):
        of_main = facts_of(main)
        if of_main is not None and of_main.is_main and of_main.run == facts.run:
            return main, facts.run
    return None


def _mains_of(path: Path) -> list[Path]:
    """By its name, the main files that a file beside one may belong to, as both may have been renamed."""
    parts = path.stem.split(".")
    ending = path.suffix if path.suffix == ".h5" else ""
    return [path.with_name(".".join(parts[:i]) + ending) for i in range(1, len(parts))]


def check_recording(path: Path, variables: Iterable[str], overwrite: bool) -> None:
    """Refuse a place for a recording with traces of these variables, before any work is done for it.

    Raises OutputExists and FileFailed as `check_output` does, for the files beside the main one as well; and
    FileFailed for a file that belongs to another recording, even with `overwrite`.
    """
    require_name(path)
    own = facts_of(path)
    run = own.run if own is not None and own.is_main else None
    files = list(dict.fromkeys(output_paths(path, variables).values()))
    for i, file in enumerate(files):
        if os.path.realpath(file) in map(os.path.realpath, files[:i]):
            raise FileFailed(str(file), f"is a link to another file of {path.name}: choose another name")
        owner = _owner(file)
        if owner is not None and owner[0] != path and run != owner[1]:
            what = "is another recording" if owner[0] == file else f"belongs to {owner[0].name}"
            beside = "" if file == path else f", and {path.name} needs that name for a trace"
            raise FileFailed(str(file), f"{what}{beside}: choose another name")
        check_output(file, (), overwrite)


def siblings_of(path: Path) -> tuple[Path, ...]:
    """The files beside an older recording at `path` that belong to it; none if it is no recording."""
    own = facts_of(path)
    if own is None or not own.is_main:
        return ()
    try:
        with open_plain(path) as file:
            names = [str(name).partition("/")[2] for name in attribute(file[OURS], "traces")]
        places = set(output_paths(path, names).values()) - {path}
    except (FileFailed, OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError):
        return ()
    return tuple(place for place in places if (facts := facts_of(place)) is not None and facts.run == own.run)
