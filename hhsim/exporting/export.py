"""A whole export: from a config to a folder of SONATA files."""

from __future__ import annotations

import os
from pathlib import Path

from hhsim.config import Loaded
from hhsim.recording import check_output


def export(loaded: Loaded, folder: str | os.PathLike[str], *, overwrite: bool = False) -> list[Path]:
    """Write the network and its initial state, with a config that runs them; returns the files.

    Raises OutputExists, FileFailed and NotEnoughMemory before any work is done.
    """
    from hhsim.exporting.circuit import CONFIG, EDGES, NODES
    from hhsim.exporting.circuit import export as write
    from hhsim.simulation import memory
    from hhsim.state.build import initial_values

    place = Path(folder)
    files = [place / name for name in (CONFIG, NODES, EDGES)]
    for file in files:
        check_output(file if place.exists() else _nearest(place) / file.name, (), overwrite)
    memory.require(loaded.model, threads=1)
    write(loaded.model, place, initial_values, force=overwrite)
    return files


def _nearest(folder: Path) -> Path:
    """The folder in which a folder that is not there yet would be made."""
    return next(parent for parent in folder.absolute().parents if parent.exists())
