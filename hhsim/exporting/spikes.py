"""A whole export of spikes: what is refused, where it goes, and that it appears there whole or not at all."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from hhsim.errors import FileFailed, NotInstalled, SelectionRefused
from hhsim.recording import Recording, Selection, check_output
from hhsim.recording.files import named_after
from hhsim.recording.layout import sibling_path
from hhsim.simulation.checkpoint.container import is_checkpoint
from hhsim.system.whole import written_whole


def export_spikes(
    recording: Recording,
    selection: Selection,
    kind: str,
    output: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write the selected spikes of `recording` as "csv", "npz", "nix" or "nwb"; returns the file's path.

    Without `output` it is beside the recording and named after it. The file gets its name when it is whole.

    Raises
    ------
    OutputExists, FileFailed
        where the output cannot be written, or is the recording itself or a checkpoint
    SelectionRefused
        when the spikes of no selected population were recorded, or a format cannot hold as many cells
    NotInstalled
        when the package that a format needs is missing
    """
    place = named_after(recording.path, kind) if output is None else Path(output)
    own = [recording.path, *(sibling_path(recording.path, variable) for _, variable in recording.traces)]
    if any(place.exists() and one.exists() and place.samefile(one) for one in own):
        raise FileFailed(str(place), "belongs to the recording that is to be exported")
    if is_checkpoint(place):
        raise FileFailed(str(place), "is the checkpoint of a run: choose another name")
    check_output(place, (), overwrite)
    if not set(selection.cells) & set(recording.populations):
        chosen = f"the spikes of {' and '.join(selection.cells)} were not recorded"
        raise SelectionRefused(chosen if recording.populations else "no spikes were recorded")
    try:
        write = importlib.import_module(f"hhsim.exporting.formats.{kind}").write  # and what it needs
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "hhsim"):
            raise
        raise NotInstalled(package, "neo") from error
    with written_whole(place, overwrite) as hidden:
        write(recording, selection, hidden)
    return place
