"""How a recording is laid out in HDF5: the SONATA groups, their types and chunks, and our own /hhsim.

Writer and reader share these names; no other module of hhsim knows them. What other readers (libsonata
0.2.2, bmtk 1.2.0) insist on is said where it is met.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

MAGIC = 0x0A7A  # root attribute by which SONATA files are known
VERSION = (0, 1)  # of the SONATA file format

SPIKES = "spikes"
REPORT = "report"
OURS = "hhsim"  # other groups at the root are ignored by all SONATA readers

MAIN_VARIABLE = "v"  # a report file holds one variable: this one stands in the main file

# libsonata refuses a `sorting` that is a string or a plain integer
SORTING = h5py.enum_dtype({"none": 0, "by_id": 1, "by_time": 2}, basetype="u1")
BY_TIME = 2

SPIKE_CHUNK = 8192  # rows, 64 KiB; h5py alone writes 61 million spikes/s, 1024 rows: 45, 65536 rows: 68
CHUNK_BYTES = 65536
FRAME_CHUNK_ROWS = 256  # one cell's trace out of 1000 cells × 100000 frames reads in 10 ms; 1 row: 3300 ms

SONATA_EPSILON = 1e-6  # ms; libsonata's tolerance when it counts frames


@dataclass(frozen=True)
class TraceColumns:
    """One variable of some cells of a population: what a row of a report holds."""

    population: str
    variable: str  # "v", "na.m", "g.exc", ...
    nodes: Sequence[int]  # local ids, ascending, such as range(0, 10); one column each
    every: float  # ms between frames; frame j holds the state at t = j * every
    units: str = "mV"


def sibling_path(path: Path, variable: str) -> Path:
    """Where the report of `variable` lies: `out.h5` itself for "v", `out.na.m.h5` beside it for "na.m".

    Beside an output of another name it is `NAME.na.m.hdf5`: `out.h5`, `out.hdf5` and `out` share none.
    """
    if variable == MAIN_VARIABLE:
        return path
    if path.suffix == ".h5":
        return path.with_name(f"{path.stem}.{variable}.h5")
    return path.with_name(f"{path.name}.{variable}.hdf5")


def create_root(file: h5py.File) -> None:
    file.attrs.create("magic", MAGIC, dtype="u4")
    file.attrs.create("version", VERSION, dtype="u4")


def create_rows(file: h5py.File, populations: Iterable[str] | None, traces: Iterable[TraceColumns]) -> None:
    """All of a new file but /hhsim: an empty train of each population, and an empty report of each trace.

    `populations` are None for a file beside the main one, which has no spikes.
    """
    create_root(file)
    reports = file.create_group(REPORT)
    for columns in traces:
        create_report(reports, columns)
    if populations is not None:
        spikes = file.create_group(SPIKES)
        for name in populations:
            create_spikes(spikes, name)


def create_spikes(parent: h5py.Group, population: str) -> h5py.Group:
    """An empty, growing train: timestamps float64 ms and node_ids uint64, sorted by time, then id.

    Uncompressed, as the libsonata wheel has no filters.
    """
    group = parent.create_group(population)
    group.attrs.create("sorting", BY_TIME, dtype=SORTING)
    for name, dtype in (("timestamps", "<f8"), ("node_ids", "<u8")):
        group.create_dataset(name, (0,), maxshape=(None,), chunks=(SPIKE_CHUNK,), dtype=dtype)
    group["timestamps"].attrs["units"] = "ms"  # libsonata refuses timestamps without
    return group


def create_report(parent: h5py.Group, columns: TraceColumns) -> h5py.Group:
    """An empty, growing report: data float32 [frames, nodes], one element for each node."""
    nodes = np.asarray(columns.nodes, dtype=np.int64)
    count = len(nodes)
    group = parent.create_group(columns.population)
    data = group.create_dataset(
        "data", (0, count), maxshape=(None, count), chunks=frame_chunk(count), dtype="<f4"
    )
    data.attrs["units"] = columns.units
    data.attrs["variable"] = columns.variable
    mapping = group.create_group("mapping")
    mapping.create_dataset("node_ids", data=nodes.astype("<u8"))
    mapping["node_ids"].attrs.create("sorted", 1, dtype="u1")
    mapping.create_dataset("index_pointers", data=np.arange(count + 1, dtype="<u8"))
    mapping["index_pointer"] = mapping["index_pointers"]  # bmtk's name for it: a hard link
    mapping.create_dataset("element_ids", data=np.zeros(count, "<u4"))
    mapping.create_dataset("element_pos", data=np.full(count, 0.5, "<f4"))
    mapping.create_dataset("time", data=np.array([0.0, 0.0, columns.every], "<f8"))
    mapping["time"].attrs["units"] = "ms"
    return group


def frame_chunk(count: int) -> tuple[int, int]:
    """Rows and columns of a chunk: about CHUNK_BYTES, with columns that divide `count` evenly."""
    rows = min(FRAME_CHUNK_ROWS, frame_rows(count))
    widest = max(1, CHUNK_BYTES // (4 * rows))
    strips = max(1, -(-count // widest))
    return rows, max(1, -(-count // strips))


def frame_rows(count: int) -> int:
    """Frames that are gathered before they are written: 1 MiB or one frame, in whole chunks."""
    rows = max(1, (1 << 20) // (4 * max(1, count)))
    return rows if rows < FRAME_CHUNK_ROWS else min(rows, 4096) // FRAME_CHUNK_ROWS * FRAME_CHUNK_ROWS


class FrameClock:
    """Counts frames as other readers do, to say in `mapping/time` where a report stops.

    Readers have no count of frames but derive it from (start, stop, every), each in its own way:
    bmtk takes int((stop - start) / every), libsonata adds `every` up from `start` while t < stop - 1e-6.
    With stop = frames * every, bmtk loses the last frame of 43 at 0.1 ms (4.3 / 0.1 < 43), and libsonata
    reads one frame too many once its rounding errors exceed 1e-6 ms: from 536351 frames at 0.2 ms and
    3126996 at 0.1 ms, which it answers with an error or with garbage.
    """

    def __init__(self, every: float) -> None:
        self.every = every
        self.frames = 0
        self._last = -every  # libsonata's time of the last frame, ms
        self._next = 0.0  # libsonata's time of the frame to come, ms

    def advance(self, frames: int) -> None:
        """Count `frames` more. Takes memory in proportion to them: at most a buffer's worth at a time."""
        if frames:
            terms = np.full(frames + 1, self.every)
            terms[0] = self._next
            self._last, self._next = (float(t) for t in np.add.accumulate(terms)[-2:])
            self.frames += frames

    @property
    def stop(self) -> float:
        """The `stop`, in ms, from which libsonata reads exactly `frames` frames.

        It is frames * every, or the next number above, by which bmtk counts `frames` as well. Where
        libsonata would then miscount, it is libsonata's own sum, and bmtk may leave out the last frame.
        """
        stop = self.frames * self.every
        if int(stop / self.every) < self.frames:
            stop = float(np.nextafter(stop, np.inf))
        counts_right = self._last < stop - SONATA_EPSILON <= self._next
        return stop if counts_right or not self.frames else self._next


def attribute(value: str | int | float) -> Any:
    """`value` in a type that an HDF5 attribute can hold; integers beyond 64 bits become text, and the bytes
    of a path that are no UTF-8 are written out."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not isinstance(value, bool):
        if -(2**63) <= value < 2**63:
            return np.int64(value)
        return np.uint64(value) if 0 <= value < 2**64 else str(value)
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()  # of names of files that are no text
    return value


def put_attribute(group: h5py.Group, key: str, value: str | int | float) -> None:
    """Set an attribute of `group`; a dotted key, `versions.numpy`, goes into the group before the dot."""
    folder, _, name = key.rpartition(".")
    home = group.require_group(folder.replace(".", "/")) if folder else group
    home.attrs[name] = attribute(value)
