"""Reading a recording back: a finished one, one that is still being written, or one that was cut off."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hhsim.errors import FileFailed, NotInstalled
from hhsim.recording import layout
from hhsim.recording.contents import Spikes, SpikesByName, Trace, Traces
from hhsim.recording.digest import DIGEST, check_content
from hhsim.recording.journal import interrupted
from hhsim.recording.plausible import check_sizes, check_times, populations_in
from hhsim.system.failures import damage_errors
from hhsim.system.hdf5 import attribute, members, open_plain, require_plain

if TYPE_CHECKING:
    import neo

ATTEMPTS = 4  # to open a file whose writer may be in the middle of a flush
PAUSE_S = 0.05  # between them


class Recording:
    """What a run left behind: spikes and traces, and what is known of the run itself.

    Reading raises FileFailed where the file turns out to be damaged. A file that is still being written
    shows what its last flush before opening left; open it anew to see more.
    """

    foreign = False  # did another program write it?

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = shown_name(path)
        self._files: dict[Path, h5py.File] = {}
        self._verified: set[str] = set()  # populations
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
                if interrupted(path):
                    reason = f"its run was killed in the middle of a flush; `hhsim recover {path}` ends it"
                    raise FileFailed(str(path), reason)
                file = self._files[path] = open_plain(path)
                check_content(file)
        with damage_errors(path):
            if layout.OURS not in self._files[path]:
                raise FileFailed(str(path), "is an HDF5 file, but no recording of hhsim")
        return self._files[path]

    def _look(self, main: h5py.File) -> None:
        ours = main[layout.OURS]
        found = _values(ours)
        self.complete = bool(found.pop("complete"))  # did the run come to its end?
        self.stopped_at_ms = float(found.pop("stopped_at_ms"))  # everything up to then is there
        self.saved = bool(found.pop("saved"))  # was there a checkpoint of the run?
        self.dt_ms = float(found.pop("dt_ms"))
        self.duration_ms = float(found.pop("duration_ms"))  # as it was meant to be
        check_times(self.dt_ms, self.duration_ms, self.stopped_at_ms)
        self._run = found.pop("recording")
        traces = [tuple(name.split("/", 1)) for name in found.pop("traces")]
        self.config = str(ours["config"].asstr()[()])  # the resolved config, TOML
        sizes = _values(ours["populations"])
        check_sizes(sizes, self.config)
        # HDF5 lists attributes by name, people think in the order of their config
        self.populations: dict[str, int] = {  # recorded ones, with their sizes
            name: sizes[name] for name in sorted(sizes, key=_order_in(self.config))
        }
        self.timings: dict[str, float] = _values(ours["timings"]) if "timings" in ours else {}  # s
        self.checksums: dict[str, str] = _values(ours["checksums"]) if "checksums" in ours else {}
        told = _values(ours["trace_checksums"]) if "trace_checksums" in ours else {}
        self.trace_checksums: dict[tuple[str, str], str] = {
            (name.partition("/")[0], name.partition("/")[2]): str(told[name]) for name in told
        }
        summary = ours["summary"].asstr()[()] if "summary" in ours else ""
        self.summary: dict[str, Any] = dict(json.loads(summary or "{}"))
        nested = {group: _values(ours[group]) for group in ours if isinstance(ours[group], h5py.Group)}
        self.versions: dict[str, str] = nested.get("versions", {})
        for group in nested.keys() - {"populations", "timings", "checksums", "trace_checksums"}:
            found |= {f"{group}.{key}": value for key, value in nested[group].items()}
        found.pop("main")
        found.pop(DIGEST, None)
        self.facts: dict[str, Any] = found  # as they were given to the Recorder
        self.seed: int | None = None if "seed" not in found else int(found["seed"])
        steps = round(self.duration_ms / self.dt_ms)
        self.spikes = SpikesByName(
            (name, Spikes(self.path, main[layout.SPIKES][name], self.dt_ms, steps, size))
            for name, size in self.populations.items()
        )
        self.traces: Mapping[tuple[str, str], Trace] = Traces([(p, v) for p, v in traces], self._load)

    def _load(self, population: str, variable: str) -> Trace:
        path = layout.sibling_path(self.path, variable)
        if path != self.path and not path.exists():
            raise FileFailed(str(path), f"is missing: it holds the trace of {variable} for {self.path.name}")
        file = self._open(path)
        with damage_errors(path):
            if attribute(file[layout.OURS], "recording") != self._run:
                raise FileFailed(str(path), f"belongs to another run than {self.path.name}")
            return Trace(path, file[layout.REPORT][population])

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Cells of each population that is recorded; up to the last traced one where no spikes are."""
        sizes = dict(self.populations)
        for (population, _), trace in self.traces.items():
            if population not in self.populations:
                sizes[population] = max(sizes.get(population, 0), int(trace.nodes[-1]) + 1)
        return sizes

    def ids(self, population: str, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The ids that the file gives to cells which `Spikes.nodes` counts: here the same."""
        return nodes

    def places(self, population: str, low: int, high: int) -> tuple[int, int]:
        """The range of cells, as `Spikes.nodes` counts them, with ids from `low` to before `high`."""
        return low, high

    def bound(self, population: str) -> int:
        """One more than the largest id of a population."""
        return self.populations[population]

    def trace(self, population: str, variable: str = layout.MAIN_VARIABLE) -> Trace:
        """The trace of `variable` of `population`; raises KeyError if none was recorded."""
        return self.traces[population, variable]

    def sha256(self, population: str) -> str:
        """The checksum of a population's spikes, computed anew; compare with `checksums[population]`."""
        return self.spikes[population].sha256()

    def verify_spikes(self, population: str) -> None:
        """Raise FileFailed unless the spikes of a population are those that were written.

        While a run is writing it, or where it was killed, there is no checksum yet: then it is only looked
        whether a run can have written them.
        """
        if population not in self._verified:
            found = self.sha256(population)
            if self.checksums.get(population, found) != found:
                raise FileFailed(
                    str(self.path), f"its spikes of {population} are not those that were written"
                )
            self._verified.add(population)

    def verify_trace(self, population: str, variable: str) -> None:
        """Raise FileFailed unless a trace is that which was written, as far as there is a checksum."""
        found = self.trace(population, variable).sha256()
        if self.trace_checksums.get((population, variable), found) != found:
            place = layout.sibling_path(self.path, variable)
            raise FileFailed(
                str(place), f"its trace of {variable} of {population} is not that which was written"
            )

    def verify(self) -> None:
        """Raise FileFailed unless all spikes and traces are those that were written: each is read once."""
        for population in self.spikes:
            self.verify_spikes(population)
        for population, variable in self.traces:
            self.verify_trace(population, variable)

    def to_neo(
        self,
        *,
        start_ms: float | None = None,
        stop_ms: float | None = None,
        nodes: tuple[int, int] | None = None,
        populations: Sequence[str] = (),
        traces: bool = True,
    ) -> neo.Block:
        """Spikes and traces, or what is selected of them, as objects of Neo, which Elephant works on.

        The block has one segment with a spike train for each cell and, unless `traces` is false, an analog
        signal for each trace. Trains and signals are annotated with their `population`; a train has the
        local id of its cell as `node_id`, a signal has those of its columns as the array annotation
        `node_id`. The trains are made from the flat arrays when one of them is first looked at, 4000 in
        0.05 s; `block.segments[0].spiketrains.multiplexed` gives all spikes without making them.

        Raises NotInstalled where Neo is missing, and SelectionRefused as `select` does.
        """
        try:
            from hhsim.recording.neo import to_neo
        except ModuleNotFoundError as error:
            if error.name not in ("neo", "quantities"):
                raise
            raise NotInstalled("neo", "neo") from error
        from hhsim.recording.selection import select

        selection = select(self, start_ms=start_ms, stop_ms=stop_ms, nodes=nodes, populations=populations)
        return to_neo(self, selection, traces)

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


def shown_name(path: Path) -> str:
    """A file's name as text: bytes that are no UTF-8 are written out."""
    return path.name.encode("utf-8", "backslashreplace").decode()


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


def _order_in(config: str) -> Callable[[str], tuple[int, str]]:
    """A sorting key: populations in the order of a config; others, or all if it is damaged, by name."""
    names = list(populations_in(config))
    return lambda name: (names.index(name) if name in names else len(names), name)


def _values(group: h5py.Group) -> dict[str, Any]:
    """The attributes of a group as Python's own types."""
    if not all(isinstance(key, str) for key in group.attrs):
        raise ValueError(f"an attribute of {group.name} has a name that is no text")
    require_plain(*(group.attrs.get_id(key) for key in group.attrs))
    return {
        key: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        for key, value in members(group.attrs)
    }
