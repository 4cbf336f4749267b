"""Spikes as the table of units of a file in Neurodata Without Borders (NWB 2).

Neo's own writer for NWB wants each train as an object, takes 8 s for 4000 of them, and loses whose they are.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
from hdmf.common import ElementIdentifiers, VectorData, VectorIndex
from pynwb import NWBHDF5IO, NWBFile
from pynwb.misc import Units

from hhsim import __version__
from hhsim.analysis.trains import read_trains
from hhsim.recording import Recording, Selection


def write(recording: Recording, selection: Selection, path: Path) -> None:
    """Write a unit for each selected cell, with its `population` and its local id, `node`.

    Times are in s. All arrays are handed over whole: a million cells with 10⁷ spikes take 2 s.
    """
    names = [name for name in selection.cells if name in recording.populations]
    trains = [read_trains(recording, name, selection) for name in names]
    spikes = VectorData(
        name="spike_times",
        description="time of each spike, s",
        data=np.concatenate([one.times_ms for one in trains]) / 1000,
    )
    counts = np.concatenate([one.counts() for one in trains])
    cells = len(counts)
    window = VectorData(
        name="obs_intervals",
        description="the window that was recorded, s",
        data=np.tile([trains[0].start_ms / 1000, trains[0].stop_ms / 1000], (cells, 1)),
    )
    columns = [
        spikes,
        VectorIndex(name="spike_times_index", target=spikes, data=np.cumsum(counts).astype(np.uint64)),
        window,
        VectorIndex(name="obs_intervals_index", target=window, data=np.arange(1, cells + 1, dtype=np.uint64)),
        VectorData(
            name="population",
            description="population of the cell",
            data=[name for name in names for _ in selection.cells[name]],
        ),
        VectorData(
            name="node",
            description="local id of the cell in its population, from 0",
            data=np.concatenate(
                [recording.ids(name, np.array(selection.cells[name], np.int64)) for name in names]
            ),
        ),
    ]
    file = NWBFile(
        session_description=f"hhsim {__version__}: spikes of {recording.name}",
        identifier=str(uuid.uuid4()),
        session_start_time=datetime.fromtimestamp(recording.path.stat().st_mtime, UTC),
        notes=recording.config,
    )
    file.units = Units(
        name="units",
        description="simulated cells",
        columns=columns,
        id=ElementIdentifiers(name="id", data=np.arange(cells)),
        resolution=recording.dt_ms / 1000,
    )
    with h5py.File(path, "x") as storage, NWBHDF5IO(file=storage, mode="w") as writer:
        writer.write(file)
