"""Spikes as a NIX file, as Neo lays it out."""

from __future__ import annotations

from pathlib import Path

import nixio  # noqa: F401  (Neo asks for it only when it writes)
from neo.io import NixIO

from hhsim.errors import SelectionRefused
from hhsim.recording import Recording, Selection
from hhsim.recording.neo import to_neo

MOST_CELLS = 1000  # Neo 0.14 takes 10 ms and 22 kB for each: 40 s and 87 MB for 4000


def write(recording: Recording, selection: Selection, path: Path) -> None:
    """Write what `Recording.to_neo` gives, without the traces.

    Raises SelectionRefused for more cells than Neo writes in some seconds.
    """
    cells = sum(len(cells) for name, cells in selection.cells.items() if name in recording.populations)
    if cells > MOST_CELLS:
        raise SelectionRefused(
            f"{cells:,} cells are too many for NIX, in which each takes 10 ms and 22 kB: choose up to "
            f"{MOST_CELLS:,} of them (--nodes, --population), or nwb, npz or csv"
        )
    with NixIO(str(path), "ow") as writer:
        writer.write_block(to_neo(recording, selection, traces=False))
