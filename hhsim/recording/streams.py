"""Growing datasets with a buffer of constant size in front: rows come in any pieces, slabs go out.

How the rows were cut into pieces leaves no trace in the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import h5py
import numpy as np
from numpy.typing import NDArray

from hhsim.recording.layout import SPIKE_CHUNK, FrameClock, frame_rows

Ids = NDArray[np.int64]

SLAB = 8 * SPIKE_CHUNK  # rows; h5py alone writes 61 million spikes/s in such slabs, 8 in slabs of 1000


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
        self._held = 0

    def sha256(self) -> str:
        """The checksum of all spikes appended: steps, then node ids, which are read back slab by slab."""
        self.drain()
        digest = self._hash.copy()
        for nodes in slabs(self._nodes, self.count):
            digest.update(nodes.astype("<i8").data)
        return digest.hexdigest()


class FrameStream:
    """The frames of one report on their way into its data; about 1 MiB, or one frame, is buffered."""

    def __init__(self, group: h5py.Group) -> None:
        self._data = group["data"]
        self._time = group["mapping/time"]
        width = self._data.shape[1]
        self._buffer = np.empty((frame_rows(width), width), np.float32)
        self._held = 0
        self._clock = FrameClock(float(self._time[2]))

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
        self._clock.advance(self._held)
        self._held = 0

    def publish(self) -> None:
        """Tell readers of all frames written."""
        self._time[1] = self._clock.stop


def slabs(dataset: h5py.Dataset, count: int) -> Iterator[NDArray[np.generic]]:
    """The first `count` rows of a dataset in pieces of constant size."""
    for start in range(0, count, SLAB):
        yield dataset[start : min(start + SLAB, count)]
