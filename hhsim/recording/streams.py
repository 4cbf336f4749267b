"""Growing datasets with a buffer of constant size in front: rows come in any pieces, slabs go out.

How the rows were cut into pieces leaves no trace in the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from hhsim.recording.layout import SPIKE_CHUNK, FrameClock, frame_rows
from hhsim.system.hdf5 import require_plain

Ids = NDArray[np.int64]

SLAB = 8 * SPIKE_CHUNK  # rows; h5py alone writes 61 million spikes/s in such slabs, 8 in slabs of 1000


@dataclass(frozen=True)
class Position:
    """How far a dataset has come, and what is in it up to there."""

    rows: int
    digest: str  # SHA-256


def steps_of(times_ms: NDArray[np.generic], dt_ms: float) -> Ids:
    """The step, from k*dt to (k+1)*dt, at whose end each spike falls."""
    with np.errstate(invalid="ignore", over="ignore"):  # of damaged times: their checksum will differ
        return np.asarray(np.rint(np.asarray(times_ms, np.float64) / dt_ms), np.int64) - 1


class SpikeStream:
    """The spikes of one population on their way into timestamps and node_ids.

    `rows` spikes are buffered (16 bytes each) before they are written.
    """

    def __init__(self, group: h5py.Group, dt: float, rows: int = SLAB) -> None:
        self.count = 0  # spikes appended
        self._times = group["timestamps"]
        self._nodes = group["node_ids"]
        self._dt = dt
        self._buffer = np.empty((2, rows), np.int64)  # steps, nodes
        self._held = 0
        self._hash = hashlib.sha256()  # of the steps written so far
        self._nodes_hash = hashlib.sha256()  # of their nodes

    def append(self, steps: Ids, nodes: Ids) -> None:
        """Add spikes in time-then-id order: the step of each, and the local id of its cell."""
        if len(steps) != len(nodes):
            raise ValueError(f"{len(steps)} steps, but {len(nodes)} nodes")
        done = 0
        while done < len(steps):
            take = min(len(steps) - done, self._buffer.shape[1] - self._held)
            self._buffer[0, self._held : self._held + take] = steps[done : done + take]
            self._buffer[1, self._held : self._held + take] = nodes[done : done + take]
            self._held += take
            done += take
            if self._held == self._buffer.shape[1]:
                self.drain()
        self.count += done

    def drain(self) -> None:
        """Write what is buffered; afterwards both datasets hold all spikes."""
        if not self._held:
            return
        steps, nodes = self._buffer[:, : self._held]
        start = len(self._times)
        stop = start + self._held
        self._times.resize((stop,))
        self._nodes.resize((stop,))
        self._times[start:stop] = (steps + 1) * self._dt  # step k leads from k*dt to (k+1)*dt
        self._nodes[start:stop] = nodes
        self._hash.update(steps.astype("<i8", copy=False).data)
        self._nodes_hash.update(nodes.astype("<i8", copy=False).data)
        self._held = 0

    def sha256(self) -> str:
        """The checksum of all spikes appended: steps, then node ids, which are read back slab by slab."""
        self.drain()
        digest = self._hash.copy()
        for nodes in slabs(self._nodes, self.count):
            digest.update(nodes.astype("<i8").data)
        return digest.hexdigest()

    def position(self) -> Position:
        """How far the train has come, all of it written."""
        self.drain()
        return Position(self.count, self._hash.hexdigest() + self._nodes_hash.hexdigest())

    def restore(self, position: Position) -> None:
        """Go on from an earlier position: what came after it goes.

        Raises ValueError where what is there is not what was there then.
        """
        for dataset in (self._times, self._nodes):
            if rows_of(dataset) < position.rows:
                raise ValueError(f"{dataset.name} has lost rows: {len(dataset)} of {position.rows} are there")
        for times in slabs(self._times, position.rows):
            steps = steps_of(times, self._dt)
            if np.any((steps + 1) * self._dt != times):
                raise ValueError(f"{self._times.parent.name} holds other times than were written")
            self._hash.update(steps.astype("<i8", copy=False).data)
        for nodes in slabs(self._nodes, position.rows):
            self._nodes_hash.update(nodes.astype("<i8").data)
        self.count = position.rows
        if self.position() != position:
            raise ValueError(f"{self._times.parent.name} holds other spikes than were written")
        self._times.resize((position.rows,))
        self._nodes.resize((position.rows,))


class FrameStream:
    """The frames of one report on their way into its data; about 1 MiB, or one frame, is buffered."""

    def __init__(self, group: h5py.Group) -> None:
        self._data = group["data"]
        self._time = group["mapping/time"]
        width = self._data.shape[1]
        self._buffer = np.empty((frame_rows(width), width), np.float32)
        self._held = 0
        self._clock = FrameClock(float(self._time[2]))
        self._hash = hashlib.sha256()

    def append(self, frames: NDArray[np.float32]) -> None:
        """Add frames, [frames, nodes]."""
        if frames.ndim != 2 or frames.shape[1] != self._buffer.shape[1]:
            raise ValueError(f"frames of shape {frames.shape} for a report of {self._buffer.shape[1]} nodes")
        done = 0
        while done < len(frames):
            take = min(len(frames) - done, len(self._buffer) - self._held)
            self._buffer[self._held : self._held + take] = frames[done : done + take]
            self._held += take
            done += take
            if self._held == len(self._buffer):
                self.drain()

    def drain(self) -> None:
        """Write what is buffered; `mapping/time` does not tell of it before `publish`."""
        if not self._held:
            return
        start = self._clock.frames
        self._data.resize(start + self._held, axis=0)
        self._data[start : start + self._held] = self._buffer[: self._held]
        self._hash.update(self._buffer[: self._held].astype("<f4", copy=False).data)
        self._clock.advance(self._held)
        self._held = 0

    def publish(self) -> None:
        """Tell readers of all frames written."""
        self._time[1] = self._clock.stop

    def sha256(self) -> str:
        """The checksum of all frames appended, as little-endian float32."""
        self.drain()
        return self._hash.hexdigest()

    def position(self) -> Position:
        """How far the report has come, all of it written."""
        digest = self.sha256()
        return Position(self._clock.frames, digest)

    def restore(self, position: Position) -> None:
        """Go on from an earlier position: what came after it goes. Raises ValueError as for spikes."""
        require_plain(self._time)
        if rows_of(self._data) < position.rows:
            raise ValueError(
                f"{self._data.name} has lost rows: {len(self._data)} of {position.rows} are there"
            )
        for first in range(0, position.rows, len(self._buffer)):
            frames = self._data[first : min(first + len(self._buffer), position.rows)]
            self._hash.update(np.ascontiguousarray(frames, "<f4").data)
            self._clock.advance(len(frames))
        if self.position() != position:
            raise ValueError(f"{self._data.name} holds other values than were written")
        self._data.resize(position.rows, axis=0)


def rows_of(dataset: h5py.Dataset) -> int:
    """The length of a dataset; raises ValueError for a type or a length that comes from damage."""
    require_plain(dataset)
    if dataset.nbytes > dataset.file.id.get_filesize():
        raise ValueError(f"{dataset.name} claims {dataset.nbytes} bytes, more than the file has")
    return len(dataset)


def slabs(dataset: h5py.Dataset, count: int) -> Iterator[NDArray[np.generic]]:
    """The first `count` rows of a dataset in pieces of constant size."""
    for start in range(0, count, SLAB):
        yield dataset[start : min(start + SLAB, count)]
