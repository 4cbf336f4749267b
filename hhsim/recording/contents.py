"""What a recording holds: spikes and traces, read from the file when they are first asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from hhsim.errors import FileFailed
from hhsim.recording.layout import frame_rows
from hhsim.recording.plausible import check_frames
from hhsim.recording.streams import SLAB, rows_of, slabs, steps_of
from hhsim.system.failures import damage_errors
from hhsim.system.hdf5 import attribute, require_plain


class Spikes:
    """The spikes of one population in time-then-id order; each array is read when first asked for.

    Whatever reads them raises FileFailed for times and ids that no run can have written.
    """

    def __init__(self, path: Path, group: h5py.Group, dt_ms: float, steps: int, size: int) -> None:
        """Of a population of `size` cells, in a run of so many steps."""
        self._path = path
        self._group = group
        self._dt_ms = dt_ms
        self._last_step = steps
        self._size = size
        # a kill in the middle of a flush may leave one longer than the other
        self._count = min(rows_of(group["timestamps"]), rows_of(group["node_ids"]))

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        times, nodes = np.empty(self._count), np.empty(self._count, np.int64)
        at = 0
        for some_times, some_nodes in self.pieces():
            times[at : at + len(some_times)], nodes[at : at + len(some_times)] = some_times, some_nodes
            at += len(some_times)
        return times, nodes

    @cached_property
    def times_ms(self) -> NDArray[np.float64]:
        """When each spike falls, ms: the end of its step."""
        return self._arrays[0]

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """The step k, from k*dt to (k+1)*dt, at whose end each spike falls."""
        return steps_of(self.times_ms, self._dt_ms)

    @cached_property
    def nodes(self) -> NDArray[np.int64]:
        """The local id, from 0, of the cell of each spike."""
        return self._arrays[1]

    def rows(self, start_ms: float, stop_ms: float) -> range:
        """Which spikes come from the steps between `start_ms` and `stop_ms`; found without reading them all.

        A spike at the end of the step that leads to `stop_ms` is among them, one at `start_ms` is not:
        windows that follow each other share no spike and lose none.
        """
        return range(self._first_after(start_ms), self._first_after(stop_ms))

    def _first_after(self, t_ms: float) -> int:
        step = round(t_ms / self._dt_ms)  # of the first step that begins at t_ms
        low, high = 0, self._count
        with _reading(self._path, self._group):
            while low < high:
                middle = (low + high) // 2
                if round(float(self._group["timestamps"][middle]) / self._dt_ms) - 1 < step:
                    low = middle + 1
                else:
                    high = middle
        return low

    def pieces(self, rows: range | None = None) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
        """Times in ms and local ids of the spikes in `rows` (default: all), in pieces of constant size.

        Raises FileFailed at the first spike that a run cannot have written: at another time than the end of
        a step, of a cell that is not there, or out of the order by time, then cell; none comes twice.
        """
        rows = range(self._count) if rows is None else rows
        before = (0, self._size)  # no step ends at 0
        for first in range(rows.start, rows.stop, SLAB):
            part = slice(first, min(first + SLAB, rows.stop))
            with _reading(self._path, self._group):
                times = np.asarray(self._group["timestamps"][part], np.float64)
                nodes = np.asarray(self._group["node_ids"][part], np.int64)
            before = self._check(times, nodes, first, before)
            yield times, nodes

    def _check(
        self, times: NDArray[np.float64], nodes: NDArray[np.int64], row: int, before: tuple[int, int]
    ) -> tuple[int, int]:
        """Check spikes from `row` on, after one at the end of a step, of a cell; returns the last one's."""
        inside = (times > 0) & (times < (self._last_step + 1) * self._dt_ms)  # false for NaN
        ends = np.rint(np.where(inside, times, 0.0) / self._dt_ms)
        wrong = ~inside | (times != ends * self._dt_ms) | (nodes < 0) | (nodes >= self._size)
        steps = ends.astype(np.int64)
        later = np.diff(steps, prepend=before[0])
        wrong |= (later < 0) | ((later == 0) & (np.diff(nodes, prepend=before[1]) <= 0))
        if wrong.any():
            first = int(np.argmax(wrong))
            raise FileFailed(
                str(self._path),
                f"was changed after the run: row {row + first} of the spikes of {self._name}, "
                f"cell {nodes[first]} at {float(times[first])!r} ms, cannot have been written by it",
            )
        return (int(steps[-1]), int(nodes[-1])) if len(steps) else before

    @property
    def _name(self) -> str:
        return str(self._group.name).rpartition("/")[2]

    def sha256(self) -> str:
        """Checksum of the little-endian int64 steps, then the node ids; in constant memory.

        Raises FileFailed as `pieces` does.
        """
        digest = hashlib.sha256()
        for times, _ in self.pieces():
            digest.update(steps_of(times, self._dt_ms).astype("<i8", copy=False).data)
        with _reading(self._path, self._group):
            for nodes in slabs(self._group["node_ids"], self._count):
                digest.update(nodes.astype("<i8").data)
        return digest.hexdigest()

    def __repr__(self) -> str:
        return f"<{self._count} spikes>"


class Trace:
    """One variable of some cells over time; `data` is read when first asked for."""

    def __init__(self, path: Path, group: h5py.Group) -> None:
        self._path = path
        self._data = group["data"]
        mapping = group["mapping"]
        require_plain(mapping["time"])
        start, stop, every = (float(t) for t in mapping["time"][:])
        self.nodes = np.asarray(mapping["node_ids"][: rows_of(mapping["node_ids"])], np.int64)  # local ids
        check_frames(start, stop, every, self.nodes)
        if self._data.shape[1:] != self.nodes.shape:
            raise ValueError(f"{self._data.name} has other columns than {len(self.nodes)} cells")
        self.every_ms = every
        self.start_ms = start
        # rows may be there that `time` does not tell of yet, or not be there after a kill
        self.frames = min(rows_of(self._data), round((stop - start) / every))
        self.t_ms = start + np.arange(self.frames, dtype=np.float64) * np.float64(every)  # [frames], ms
        self.units = str(attribute(self._data, "units"))
        self.variable = str(attribute(self._data, "variable"))

    @cached_property
    def data(self) -> NDArray[np.float32]:
        """The state at each time in `t_ms`, [frames, nodes]."""
        with _reading(self._path, self._data):
            return np.asarray(self._data[: self.frames], np.float32)

    def read(self, frames: range, columns: slice = slice(None)) -> NDArray[np.float32]:
        """The state in some frames, [frames, nodes], of the cells `nodes[columns]`; reads no more."""
        with _reading(self._path, self._data):
            part = slice(frames.start, min(frames.stop, self.frames), frames.step)
            return np.asarray(self._data[part, columns], np.float32)

    def sha256(self) -> str:
        """Checksum of all frames as little-endian float32; in constant memory."""
        digest = hashlib.sha256()
        rows = frame_rows(len(self.nodes))
        for first in range(0, self.frames, rows):
            frames = self.read(range(first, first + rows))
            digest.update(np.ascontiguousarray(frames, "<f4").data)
        return digest.hexdigest()

    def __repr__(self) -> str:
        return f"<{self.variable} ({self.units}): {self.frames} frames of {len(self.nodes)} cells>"


class SpikesByName(dict[str, Spikes]):
    """Spikes by population; raises KeyError, with those there are, for one that was not recorded."""

    def __missing__(self, name: str) -> Spikes:
        raise KeyError(f"no spikes of {name} were recorded, but of {', '.join(self) or 'none at all'}")


class Traces(Mapping[tuple[str, str], Trace]):
    """Traces by (population, variable), each looked up in its file when first asked for."""

    def __init__(self, keys: list[tuple[str, str]], load: Callable[[str, str], Trace]) -> None:
        self._loaded: dict[tuple[str, str], Trace | None] = dict.fromkeys(keys)
        self._load = load

    def __getitem__(self, key: tuple[str, str]) -> Trace:
        if key not in self._loaded:
            known = ", ".join(f"{variable} of {population}" for population, variable in self._loaded)
            raise KeyError(f"no trace of {key[1]} of {key[0]} was recorded, but {known or 'none at all'}")
        trace = self._loaded[key]
        if trace is None:
            trace = self._loaded[key] = self._load(*key)
        return trace

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)

    def __contains__(self, key: object) -> bool:
        return key in self._loaded

    def __repr__(self) -> str:
        return f"<traces {list(self._loaded)}>"


@contextmanager
def _reading(path: Path, source: h5py.Group | h5py.Dataset) -> Iterator[None]:
    if not source:
        raise FileFailed(str(path), "the recording was closed before this was read")
    with damage_errors(path):
        yield
