"""Reading a recording back: a finished one, one that is still being written, or one that was cut off."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hhsim.errors import FileFailed
from hhsim.recording import layout
from hhsim.recording.files import damage_errors
from hhsim.recording.streams import slabs

ATTEMPTS = 4  # to open a file whose writer may be in the middle of a flush
PAUSE_S = 0.05  # between them


class Spikes:
    """The spikes of one population in time-then-id order; each array is read when first asked for."""

    def __init__(self, path: Path, group: h5py.Group, dt_ms: float) -> None:
        self._path = path
        self._group = group
        self._dt_ms = dt_ms
        # a kill in the middle of a flush may leave one longer than the other
        self._count = min(len(group["timestamps"]), len(group["node_ids"]))

    def __len__(self) -> int:
        return self._count

    @cached_property
    def times_ms(self) -> NDArray[np.float64]:
        """When each spike falls, ms: the end of its step."""
        with damage_errors(self._path):
            return np.asarray(self._group["timestamps"][: self._count], np.float64)

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """The step k, from k*dt to (k+1)*dt, at whose end each spike falls."""
        return _steps(self.times_ms, self._dt_ms)

    @cached_property
    def nodes(self) -> NDArray[np.int64]:
        """The local id, from 0, of the cell of each spike."""
        with damage_errors(self._path):
            return np.asarray(self._group["node_ids"][: self._count], np.int64)

    def sha256(self) -> str:
        """Checksum of the little-endian int64 steps, then the node ids; in constant memory."""
        digest = hashlib.sha256()
        with damage_errors(self._path):
            for times in slabs(self._group["timestamps"], self._count):
                digest.update(_steps(times, self._dt_ms).astype("<i8", copy=False).data)
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
        start, stop, every = (float(t) for t in mapping["time"][:])
        self.every_ms = every
        # rows may be there that `time` does not tell of yet, or not be there after a kill
        self.frames = min(len(self._data), round((stop - start) / every))
        self.t_ms: NDArray[np.float64] = start + np.arange(self.frames) * every  # [frames], ms
        self.nodes = np.asarray(mapping["node_ids"][:], np.int64)  # [nodes], local ids
        self.units = str(self._data.attrs["units"])
        self.variable = str(self._data.attrs["variable"])

    @cached_property
    def data(self) -> NDArray[np.float32]:
        """The state at each time in `t_ms`, [frames, nodes]."""
        with damage_errors(self._path):
            return np.asarray(self._data[: self.frames], np.float32)

    def __repr__(self) -> str:
        return f"<{self.variable} ({self.units}): {self.frames} frames of {len(self.nodes)} cells>"


class _Traces(Mapping[tuple[str, str], Trace]):
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


class Recording:
    """What a run left behind: spikes and traces, and what is known of the run itself.

    Reading raises FileFailed where the file turns out to be damaged. A file that is still being written
    shows what its last flush before opening left; open it anew to see more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[Path, h5py.File] = {}
        try:
            main = self._open(path)
            with damage_errors(path):
                self._look(main)
        except BaseException:
            self.close()
            raise

    def _open(self, path: Path) -> h5py.File:
        if path not in self._files:
            with damage_errors(path):
                self._files[path] = h5py.File(path, "r", locking=False)
        if layout.OURS not in self._files[path] or layout.SPIKES not in self._files[self.path]:
            raise FileFailed(str(path), "is an HDF5 file, but no recording of hhsim")
        return self._files[path]

    def _look(self, main: h5py.File) -> None:
        ours = main[layout.OURS]
        found = _values(ours)
        self.complete = bool(found.pop("complete"))  # did the run come to its end?
        self.stopped_at_ms = float(found.pop("stopped_at_ms"))  # everything up to then is there
        self.dt_ms = float(found.pop("dt_ms"))
        self.duration_ms = float(found.pop("duration_ms"))  # as it was meant to be
        self._run = found.pop("recording")
        traces = [tuple(name.split("/", 1)) for name in found.pop("traces")]
        self.config = str(ours["config"].asstr()[()])  # the resolved config, TOML
        self.populations: dict[str, int] = _values(ours["populations"])  # recorded ones, with their sizes
        self.timings: dict[str, float] = _values(ours["timings"]) if "timings" in ours else {}  # s
        self.checksums: dict[str, str] = _values(ours["checksums"]) if "checksums" in ours else {}
        summary = ours["summary"].asstr()[()] if "summary" in ours else ""
        self.summary: dict[str, Any] = json.loads(summary or "{}")
        nested = {group: _values(ours[group]) for group in ours if isinstance(ours[group], h5py.Group)}
        self.versions: dict[str, str] = nested.get("versions", {})
        for group in nested.keys() - {"populations", "timings", "checksums"}:
            found |= {f"{group}.{key}": value for key, value in nested[group].items()}
        found.pop("main")
        self.facts: dict[str, Any] = found  # as they were given to the Recorder
        self.seed: int | None = None if "seed" not in found else int(found["seed"])
        self.spikes: dict[str, Spikes] = {
            name: Spikes(self.path, main[layout.SPIKES][name], self.dt_ms) for name in self.populations
        }
        self.traces: Mapping[tuple[str, str], Trace] = _Traces([(p, v) for p, v in traces], self._load)

    def _load(self, population: str, variable: str) -> Trace:
        path = layout.sibling_path(self.path, variable)
        if path != self.path and not path.exists():
            raise FileFailed(str(path), f"is missing: it holds the trace of {variable} for {self.path.name}")
        file = self._open(path)
        with damage_errors(path):
            if file[layout.OURS].attrs["recording"] != self._run:
                raise FileFailed(str(path), f"belongs to another run than {self.path.name}")
            return Trace(path, file[layout.REPORT][population])

    def trace(self, population: str, variable: str = layout.MAIN_VARIABLE) -> Trace:
        """The trace of `variable` of `population`; raises KeyError if none was recorded."""
        return self.traces[population, variable]

    def sha256(self, population: str) -> str:
        """The checksum of a population's spikes, computed anew; compare with `checksums[population]`."""
        return self.spikes[population].sha256()

    def close(self) -> None:
        """Close the files; arrays that were read stay."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "complete" if self.complete else f"incomplete, up to {self.stopped_at_ms:g} ms"
        spikes = [f"{len(spikes)} spikes of {name}" for name, spikes in self.spikes.items()]
        traces = [f"{variable} of {population}" for population, variable in self.traces]
        what = ", ".join(spikes + traces) or "nothing recorded"
        return f"<Recording {str(self.path)!r}: {self.duration_ms:g} ms, {state}; {what}>"


def open_recording(path: str | os.PathLike[str]) -> Recording:
    """Open the output of a run, with the files beside it that belong to it.

    Works while the run goes on, and on what a killed run left. Raises FileFailed with a plain reason if
    the file is missing, cut off, damaged or no recording.
    """
    for attempt in range(ATTEMPTS):
        try:
            return Recording(Path(path))
        except FileFailed:
            # a writer in the middle of a flush is done in a moment; a file at rest will not change
            if attempt == ATTEMPTS - 1 or not _changed_lately(Path(path)):
                raise
            time.sleep(PAUSE_S)
    raise AssertionError("unreachable")


def _changed_lately(path: Path) -> bool:
    try:
        return abs(time.time() - path.stat().st_mtime) < 2.0
    except OSError:
        return False


def _steps(times_ms: NDArray[Any], dt_ms: float) -> NDArray[np.int64]:
    return np.rint(times_ms / dt_ms).astype(np.int64) - 1


def _values(group: h5py.Group) -> dict[str, Any]:
    """The attributes of a group as Python's own types."""
    return {
        key: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        for key, value in group.attrs.items()
    }
