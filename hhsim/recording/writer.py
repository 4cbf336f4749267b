"""Writing a recording while the run goes on."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hhsim.errors import FileFailed
from hhsim.recording import layout
from hhsim.recording.bundle import Bundle
from hhsim.recording.digest import DIGEST, check_surroundings, content_digest
from hhsim.recording.files import output_paths
from hhsim.recording.layout import TraceColumns
from hhsim.recording.owners import check_recording, siblings_of
from hhsim.recording.streams import SLAB, FrameStream, Position, SpikeStream
from hhsim.system.failures import damage_errors
from hhsim.system.hdf5 import attribute, require_plain

SPIKE_BUFFER_BYTES = 1 << 24  # for all populations together


@dataclass(frozen=True)
class Positions:
    """Where a recording stood at a checkpoint."""

    run: str  # its name
    t_ms: float
    spikes: dict[str, Position]  # of each population
    frames: list[Position]  # of each trace

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Positions:
        """The inverse of `dataclasses.asdict`."""
        spikes = {name: Position(**each) for name, each in values["spikes"].items()}
        return cls(values["run"], values["t_ms"], spikes, [Position(**each) for each in values["frames"]])


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
        resume: Positions | None = None,
    ) -> None:
        """Create the files, or go on with those of an earlier run.

        `populations` are those whose spikes are recorded, with their sizes; `dt` and `duration` are in ms.
        `facts` become attributes of /hhsim; a dotted key such as `versions.numpy` becomes the attribute
        `numpy` of /hhsim/versions. Raises OutputExists and FileFailed as `check_recording` does, and
        ValueError if two traces share population and variable, which one report cannot hold.

        With `resume` the files are there and hold at least what they held at those positions: that is
        verified, what came later is cut off, and rows are appended. Otherwise FileFailed says what is
        wrong, and the files stay as they are.
        """
        pairs = [(trace.population, trace.variable) for trace in traces]
        if len(set(pairs)) < len(pairs):
            raise ValueError("two traces of the same variable of the same population")
        self.path = Path(path)
        self._dt = float(dt)
        self._facts = dict(facts) | {"dt_ms": self._dt, "duration_ms": float(duration)}
        self._spikes: dict[str, SpikeStream] = {}
        self._frames: list[FrameStream] = []
        self._trace_names = [f"{trace.population}/{trace.variable}" for trace in traces]
        self._flushed_ms = 0.0
        variables = [trace.variable for trace in traces]
        places = output_paths(path, variables)
        if resume is None:
            check_recording(self.path, variables, overwrite)
            self._run = uuid.uuid4().hex
            self._begin(populations, traces, resolved_config, places, overwrite)
        else:
            for place in places.values():
                if not place.is_file():
                    raise FileFailed(str(place), "is gone: the run that it belongs to cannot be continued")
            self._run = resume.run
            self._go_on(populations, traces, resolved_config, places, resume)

    def _begin(
        self,
        populations: Mapping[str, int],
        traces: Sequence[TraceColumns],
        resolved_config: str,
        places: Mapping[str, Path],
        overwrite: bool,
    ) -> None:
        old = siblings_of(self.path) if overwrite else ()
        self._bundle = Bundle(places.values(), self._run)
        try:
            with self._bundle.writing():
                self._create(populations, traces, places, resolved_config)
            self._bundle.commit()
            self._bundle.publish(overwrite)
        except BaseException:
            self._bundle.give_up()
            raise
        for place in old:
            if place not in places.values():
                place.unlink(missing_ok=True)

    def _go_on(
        self,
        populations: Mapping[str, int],
        traces: Sequence[TraceColumns],
        resolved_config: str,
        places: Mapping[str, Path],
        resume: Positions,
    ) -> None:
        self._bundle = Bundle(places.values(), self._run, existing=True)
        try:
            for place, file in self._bundle.files.items():
                with damage_errors(place):
                    told = file[layout.OURS].attrs
                    require_plain(*(told.get_id(name) for name in ("complete", "stopped_at_ms")))
                    if attribute(file[layout.OURS], "recording") != self._run:
                        raise FileFailed(str(place), "belongs to another run than the checkpoint")
                    check_surroundings(file, *self._rows_of(place, populations, traces, places))
            main = self._bundle.files[self.path]
            with damage_errors(self.path):
                self._ours = main[layout.OURS]
                rows = _buffer_rows(populations)
                for name in populations:
                    stream = SpikeStream(main[layout.SPIKES][name], self._dt, rows)
                    stream.restore(resume.spikes[name])
                    self._spikes[name] = stream
                for trace, position in zip(traces, resume.frames, strict=True):
                    file = self._bundle.files[places[trace.variable]]
                    frames = FrameStream(file[layout.REPORT][trace.population])
                    frames.restore(position)
                    frames.publish()
                    self._frames.append(frames)
                self._reset(resolved_config, resume.t_ms)
            self._bundle.commit()
        except BaseException:
            self._bundle.give_up()
            raise
        self._flushed_ms = resume.t_ms

    def _reset(self, resolved_config: str, t_ms: float) -> None:
        """Let the files say what is true from now on."""
        for name in ("timings", "checksums", "trace_checksums", "summary", "config"):
            if name in self._ours:
                del self._ours[name]
        self._ours.create_dataset("config", data=resolved_config, dtype=h5py.string_dtype())
        for key, value in self._facts.items():
            layout.put_attribute(self._ours, key, value)
        earlier = self._ours.attrs.get("resumed_at_ms", np.zeros(0))
        self._ours.attrs["resumed_at_ms"] = np.append(earlier, t_ms)
        for file in self._bundle.files.values():
            file[layout.OURS].attrs.pop(DIGEST, None)
            file[layout.OURS].attrs.modify("complete", np.uint8(0))
            file[layout.OURS].attrs.modify("stopped_at_ms", t_ms)

    def _create(
        self,
        populations: Mapping[str, int],
        traces: Sequence[TraceColumns],
        places: Mapping[str, Path],
        resolved_config: str,
    ) -> None:
        for place, file in self._bundle.files.items():
            layout.create_rows(file, *self._rows_of(place, populations, traces, places))
            ours = file.create_group(layout.OURS)
            ours.attrs["recording"] = self._run  # tells the files of one run from those of another
            ours.attrs["main"] = layout.attribute(self.path.name)
            ours.attrs.create("complete", 0, dtype="u1")
            ours.attrs["stopped_at_ms"] = 0.0
            if place == self.path:
                ours.attrs.create("saved", 0, dtype="u1")
                for key, value in self._facts.items():
                    layout.put_attribute(ours, key, value)
        main = self._bundle.files[self.path]
        self._ours = main[layout.OURS]
        self._ours.attrs["traces"] = np.array(self._trace_names, dtype=h5py.string_dtype())
        self._ours.create_dataset("config", data=resolved_config, dtype=h5py.string_dtype())
        sizes = self._ours.create_group("populations")
        rows = _buffer_rows(populations)
        for name, size in populations.items():
            sizes.attrs[name] = np.int64(size)
            self._spikes[name] = SpikeStream(main[layout.SPIKES][name], self._dt, rows)
        for trace in traces:
            reports = self._bundle.files[places[trace.variable]][layout.REPORT]
            self._frames.append(FrameStream(reports[trace.population]))

    def _rows_of(
        self,
        place: Path,
        populations: Mapping[str, int],
        traces: Sequence[TraceColumns],
        places: Mapping[str, Path],
    ) -> tuple[list[str] | None, list[TraceColumns]]:
        """Of which populations a file holds the spikes, None beside the main one, and which traces."""
        own = [trace for trace in traces if places[trace.variable] == place]
        return (list(populations) if place == self.path else None), own

    def append_spikes(self, population: str, steps: NDArray[np.int64], nodes: NDArray[np.int64]) -> None:
        """Add spikes of `population` in time-then-id order.

        Step k leads from k*dt to (k+1)*dt, and its spikes are written at (k+1)*dt ms. `nodes` are local
        ids. Raises FileFailed if the disk is full.
        """
        with self._bundle.writing():
            self._spikes[population].append(steps, nodes)

    def append_frames(self, trace_index: int, frames: NDArray[np.float32]) -> None:
        """Add frames, [frames, nodes], to trace number `trace_index` of those given at creation."""
        with self._bundle.writing():
            self._frames[trace_index].append(frames)

    def flush(self, t_ms: float) -> None:
        """Let everything up to `t_ms` be readable by others, and safe from a kill and a loss of power."""
        with self._bundle.writing():
            for spikes in self._spikes.values():
                spikes.drain()
            for frames in self._frames:
                frames.drain()
            self._bundle.let_h5py_write()
            for frames in self._frames:
                frames.publish()  # only now, as HDF5 would write it before the rows that it tells of
            for file in self._bundle.files.values():
                file[layout.OURS].attrs.modify("stopped_at_ms", t_ms)
        self._bundle.commit()
        self._flushed_ms = t_ms

    def positions(self) -> Positions:
        """What a later run needs to go on from here; call it right after `flush`."""
        with self._bundle.writing():
            return Positions(
                self._run,
                self._flushed_ms,
                {name: spikes.position() for name, spikes in self._spikes.items()},
                [frames.position() for frames in self._frames],
            )

    def note_checkpoint(self) -> None:
        """Let the file say, from the next flush on, that there is a checkpoint of its run."""
        with self._bundle.writing():
            self._ours.attrs.modify("saved", np.uint8(1))

    def spike_counts(self) -> dict[str, int]:
        """Spikes appended so far, for each population."""
        return {name: spikes.count for name, spikes in self._spikes.items()}

    def sha256(self) -> dict[str, str]:
        """For each population the SHA-256 of its little-endian int64 steps, then of its int64 node ids."""
        with self._bundle.writing():
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
        if not self._bundle.files:
            return
        try:
            self.flush(t_ms)
            checksums = self.sha256()
            with self._bundle.writing():
                traces = dict(zip(self._trace_names, (each.sha256() for each in self._frames), strict=True))
                for group, values in (
                    ("timings", timings or {}),
                    ("checksums", checksums),
                    ("trace_checksums", traces),
                ):
                    home = self._ours.create_group(group)
                    for key, value in values.items():
                        home.attrs[key] = value
                self._ours.create_dataset("summary", data=summary, dtype=h5py.string_dtype())
                for file in self._bundle.files.values():
                    file[layout.OURS].attrs.modify("complete", np.uint8(complete))
                    file[layout.OURS].attrs[DIGEST] = content_digest(file)
            self._bundle.commit()
        finally:
            self._bundle.close()

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


def _buffer_rows(populations: Mapping[str, int]) -> int:
    """Spikes of each population that are gathered before they are written."""
    return min(SLAB, SPIKE_BUFFER_BYTES // (16 * max(1, len(populations))))
