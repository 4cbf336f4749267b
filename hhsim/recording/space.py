"""Room on the disk: what a run is sure to take of it, and whether that is there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hhsim.errors import NotEnoughSpace
from hhsim.model import Model
from hhsim.recording.files import output_paths
from hhsim.recording.sizes import FILE_BYTES, trace_bytes


def bytes_of_traces(model: Model) -> int:
    """Bytes of all traces, known beforehand, with the files beside the main one that some of them go to."""
    files = len({trace.variable for trace in model.traces} - {"v"})
    total = files * FILE_BYTES
    for trace in model.traces:
        every = round(trace.every / model.run.dt)
        total += trace_bytes(trace.nodes[1] - trace.nodes[0], -(-model.run.steps // every))
    return total


def require_space(model: Model, output: str | os.PathLike[str], needed: int, existing: bool) -> int:
    """Free bytes at the output, with those of its `existing` files, which are replaced or go on.

    Raises NotEnoughSpace when there are fewer than `needed`; never where the system does not know.
    """
    folder = Path(os.path.realpath(output)).parent
    disk = shutil.disk_usage(folder)
    free = disk.free
    if existing:
        variables = [trace.variable for trace in model.traces]
        places = set(output_paths(output, variables).values())
        free += sum(place.stat().st_size for place in places if place.exists())
    if needed > free and disk.total:
        raise NotEnoughSpace(needed, free, str(folder), f"a recording of {model.run.duration / 1000:g} s")
    return free
