"""Writing a recording while the run goes on."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np
from numpy.typing import NDArray

from hhsim.errors import FileFailed
from hhsim.recording import layout
from hhsim.recording.files import check_output, file_errors, hidden_name, output_paths, publish
from hhsim.recording.journal import Journal
from hhsim.recording.layout import TraceColumns
from hhsim.recording.storage import Storage
from hhsim.recording.streams import SLAB, FrameStream, SpikeStream

SPIKE_BUFFER_BYTES = 1 << 24  # for all populations together
CHUNK_CACHE_BYTES = 1 << 20  # for each dataset: room for the chunks that a flush leaves unfilled


class Recorder:
    """The output of one run: the main file, and one beside it for each traced variable other than v.

    Rows are buffered in constant memory and written in slabs; `flush` makes everything visible to other
    processes, and safe from a kill of this one. The files carry no HDF5 locks, so that any reader can open
    them meanwhile. A file appears under its name only when it is complete but for its rows; with
    `overwrite`, an older file is replaced in that moment and stays as it is if creation fails. (Someone
    who holds the older one open keeps reading the older one.) Files beside the older one that belong to
    the same recording are removed with it, so that none outlives its run.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        populations: Mapping[str, int],
        traces: Sequence[TraceColumns],
        dt: float,
        duration: float,
        resolved_config: str,
        facts: Mapping[str, str | int | float],
        overwrite: bool = False,
    ) -> None:
        """Create the files.

        `populations` are those whose spikes are recorded, with their sizes; `dt` and `duration` are in ms.
        `facts` become attributes of /hhsim; a dotted key such as `versions.numpy` becomes the attribute
        `numpy` of /hhsim/versions. Raises OutputExists and FileFailed as `check_output` does, and
        ValueError if two traces share population and variable, which one report cannot hold.
        """
        pairs = [(trace.population, trace.variable) for trace in traces]
        if len(set(pairs)) < len(pairs):
            raise ValueError("two traces of the same variable of the same population")
        variables = [trace.variable for trace in traces]
        check_output(path, variables, overwrite)
        self.path = Path(path)
        self._dt = float(dt)
        self._facts = dict(facts) | {"dt_ms": self._dt, "duration_ms": float(duration)}
        self._run = uuid.uuid4().hex
        self._storages: dict[Path, Storage] = {}
        self._files: dict[Path, h5py.File] = {}
        self._flushed_ms = 0.0
        old = layout.siblings_of(self.path) if overwrite else ()
        places = output_paths(path, variables)
        temporary = {place: hidden_name(place, self._run) for place in places.values()}
        try:
            for place, hidden in temporary.items():
                with file_errors(place):
                    self._storages[place] = Storage(hidden, Journal(place, self._run))
                self._files[place] = h5py.File(self._storages[place], "w", rdcc_nbytes=CHUNK_CACHE_BYTES)
            with self._writing():
                self._create(populations, traces, places, resolved_config)
            self._commit()
            for place, storage in self._storages.items():
                storage.sync()  # or a loss of power could leave the name without the file
                with file_errors(place):
                    storage.check()
            publish(temporary, overwrite)
        except BaseException:
            self._discard(temporary)
            raise
        for place in old:
            if place not in temporary:
                place.unlink(missing_ok=True)

    def _create(
        self,
        populations: Mapping[str, int],
        traces: Sequence[TraceColumns],
        places: Mapping[str, Path],
        resolved_config: str,
    ) -> None:
        for place, file in self._files.items():
            layout.create_root(file)
            file.create_group(layout.REPORT)
            ours = file.create_group(layout.OURS)
            ours.attrs["recording"] = self._run  # tells the files of one run from those of another
            ours.attrs["main"] = self.path.name
            ours.attrs.create("complete", 0, dtype="u1")
            ours.attrs["stopped_at_ms"] = 0.0
            if place == self.path:
                for key, value in self._facts.items():
                    layout.put_attribute(ours, key, value)
        main = self._files[self.path]
        self._ours = main[layout.OURS]
        names = [f"{trace.population}/{trace.variable}" for trace in traces]
        self._ours.attrs["traces"] = np.array(names, dtype=h5py.string_dtype())
        self._ours.create_dataset("config", data=resolved_config, dtype=h5py.string_dtype())
        sizes = self._ours.create_group("populations")
        spikes = main.create_group(layout.SPIKES)
        rows = min(SLAB, SPIKE_BUFFER_BYTES // (16 * max(1, len(populations))))
        self._spikes = {}
        for name, size in populations.items():
            sizes.attrs[name] = np.int64(size)
            self._spikes[name] = SpikeStream(layout.create_spikes(spikes, name), self._dt, rows)
        self._frames = []
        for trace in traces:
            parent = self._files[places[trace.variable]][layout.REPORT]
            self._frames.append(FrameStream(layout.create_report(parent, trace)))

    def append_spikes(self, population: str, steps: NDArray[np.int64], nodes: NDArray[np.int64]) -> None:
        """Add spikes of `population` in time-then-id order.

        Step k leads from k*dt to (k+1)*dt, and its spikes are written at (k+1)*dt ms. `nodes` are local
        ids. Raises FileFailed if the disk is full.
        """
        with self._writing():
            self._spikes[population].append(steps, nodes)

    def append_frames(self, trace_index: int, frames: NDArray[np.float32]) -> None:
        """Add frames, [frames, nodes], to trace number `trace_index` of those given at creation."""
        with self._writing():
            self._frames[trace_index].append(frames)

    def flush(self, t_ms: float) -> None:
        """Let everything up to `t_ms` be readable by others, and safe from a kill and a loss of power."""
        with self._writing():
            for spikes in self._spikes.values():
                spikes.drain()
            for frames in self._frames:
                frames.drain()
            self._let_h5py_write()
            for frames in self._frames:
                frames.publish()  # only now, as HDF5 would write it before the rows that it tells of
            for file in self._files.values():
                file[layout.OURS].attrs.modify("stopped_at_ms", t_ms)
        self._commit()
        self._flushed_ms = t_ms

    def spike_counts(self) -> dict[str, int]:
        """Spikes appended so far, for each population."""
        return {name: spikes.count for name, spikes in self._spikes.items()}

    def sha256(self) -> dict[str, str]:
        """For each population the SHA-256 of its little-endian int64 steps, then of its int64 node ids."""
        with self._writing():
            return {name: spikes.sha256() for name, spikes in self._spikes.items()}

    def close(
        self,
        complete: bool,
        t_ms: float,
        timings: Mapping[str, float] | None = None,
        summary: str = "",
    ) -> None:
        """Write all that is left and close the files; a second call does nothing.

        `complete` says whether the run came to its end, `t_ms` how far it came. `timings` are in s;
        `summary` is JSON, kept as it is. Raises FileFailed, with all files closed, if the disk is full.
        """
        if not self._files:
            return
        try:
            self.flush(t_ms)
            checksums = self.sha256()
            with self._writing():
                for group, values in (("timings", timings or {}), ("checksums", checksums)):
                    home = self._ours.create_group(group)
                    for key, value in values.items():
                        home.attrs[key] = value
                self._ours.create_dataset("summary", data=summary, dtype=h5py.string_dtype())
                for file in self._files.values():
                    file[layout.OURS].attrs.modify("complete", np.uint8(complete))
            self._commit()
        finally:
            self._close_files()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Raise FileFailed if anything within could not be written."""
        with file_errors(self.path):
            yield
        for place, storage in self._storages.items():
            with file_errors(place):
                storage.check()

    def _commit(self) -> None:
        """Let the files become what was written to them, all at about the same time."""
        with self._writing():
            self._let_h5py_write()
        with self._writing():
            for storage in reversed(self._storages.values()):  # the main file last: what it tells of is there
                storage.commit()

    def _let_h5py_write(self) -> None:
        for file in self._files.values():
            file.flush()  # Dataset.flush alone would leave a file that nobody can read

    def _close_files(self) -> None:
        storages = dict(self._storages)
        for file in self._files.values():
            file.close()
        for storage in storages.values():
            storage.commit()
            storage.sync()
            storage.close()
        self._files.clear()
        self._storages.clear()
        for place, storage in storages.items():
            with file_errors(place):
                storage.check()

    def _discard(self, temporary: Mapping[Path, Path]) -> None:
        with suppress(FileFailed):
            self._close_files()
        for hidden in temporary.values():
            hidden.unlink(missing_ok=True)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what `close` was not called for, as incomplete since the last flush."""
        if kind is None:
            self.close(False, self._flushed_ms)
        else:
            with suppress(FileFailed):  # the error under way says more
                self.close(False, self._flushed_ms)
