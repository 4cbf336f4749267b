"""A SONATA file that another program wrote, looked at like a recording of hhsim."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hhsim.errors import FileFailed, HhsimWarning, SelectionRefused
from hhsim.recording import layout
from hhsim.recording.contents import Spikes, SpikesByName, Trace, Traces
from hhsim.recording.frames import ForeignTrace
from hhsim.recording.plausible import MOST_CELLS
from hhsim.recording.reader import Recording, open_recording, shown_name
from hhsim.recording.streams import SLAB, steps_of
from hhsim.recording.trains import Train, common_step, finest_step, read_trains, whole_ms
from hhsim.system.hdf5 import foreign, names_in, open_plain

WHAT = "SONATA spikes or reports"
UNNAMED = "all"  # the population of files in the old layout, which names none


@dataclass(frozen=True)
class Given:
    """What is said of a file beside what it says itself; None and nothing where the file is to be asked."""

    duration_ms: float | None = None
    dt_ms: float | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def anything(self) -> bool:
        return self.duration_ms is not None or self.dt_ms is not None or bool(self.sizes)


class ForeignSpikes(Spikes):
    """Spikes of one population, held in memory in time-then-id order."""

    def __init__(self, train: Train, dt_ms: float, cells: NDArray[np.int64] | None) -> None:
        """`cells` are the ids of those that fire, where ids are sparse: `nodes` are then places in it."""
        self._times_ms, self._ids, self._dt_ms = train.times_ms, train.ids, dt_ms
        self._count = len(train.ids)
        self.cells = cells
        self.positions = train.ids if cells is None else np.searchsorted(cells, train.ids)

    @property
    def times_ms(self) -> NDArray[np.float64]:
        return self._times_ms

    @property
    def nodes(self) -> NDArray[np.int64]:
        return self.positions

    def rows(self, start_ms: float, stop_ms: float) -> range:
        """As of our own spikes; but a window from 0 on holds what falls at 0, too."""
        low, high = (
            int(np.searchsorted(self._times_ms, (round(t / self._dt_ms) + 0.5) * self._dt_ms))
            for t in (start_ms, stop_ms)
        )
        return range(0 if start_ms <= 0 else low, high)

    def pieces(self, rows: range | None = None, *, unchecked: bool = False) -> Any:
        """Times in ms and cells of the spikes in `rows` (default: all), in pieces of constant size."""
        rows = range(self._count) if rows is None else rows
        for first in range(rows.start, rows.stop, SLAB):
            part = slice(first, min(first + SLAB, rows.stop))
            yield self._times_ms[part], self.positions[part]

    def sha256(self) -> str:
        """Checksum as of our own spikes: of the steps that end at their times, then the ids."""
        import hashlib

        digest = hashlib.sha256(steps_of(self._times_ms, self._dt_ms).astype("<i8", copy=False).data)
        digest.update(self._ids.astype("<i8", copy=False).data)
        return digest.hexdigest()


class ForeignRecording(Recording):
    """Spikes and reports of another program; `notes` says what of it was assumed."""

    foreign = True

    def __init__(self, path: Path, given: Given, like: Recording | None = None) -> None:
        """What neither the file says nor is `given` is taken from `like`, if there is one."""
        self.path = path
        self.name = shown_name(path)
        self._files: dict[Path, h5py.File] = {}
        self.notes: list[str] = []
        try:
            with foreign(path, WHAT):
                file = self._files[path] = open_plain(path)
                self._read(file, given, like)
        except BaseException:
            self.close()
            raise

    def _read(self, file: h5py.File, given: Given, like: Recording | None) -> None:
        other = list(like.populations) if like else []
        unnamed = other[0] if len(other) == 1 else UNNAMED
        trains = read_trains(self.path, file[layout.SPIKES], unnamed) if layout.SPIKES in file else {}
        reports = _reports(file, unnamed)
        traces = {(name, trace.variable): trace for name, trace in reports}
        if not trains and not traces:
            raise ValueError("there are neither spikes nor reports in it")
        self._config = ""
        self.complete = self.saved = False
        self.timings: dict[str, float] = {}
        self.checksums: dict[str, str] = {}
        self.trace_checksums: dict[tuple[str, str], str] = {}
        self.summary: dict[str, Any] = {}
        self.versions: dict[str, str] = {}
        self.facts: dict[str, Any] = {}
        self.seed: int | None = None
        for name, train in trains.items():
            if train.units is None:
                self.notes.append(f"the spike times of {name} have no unit: taken as ms")
        self._measure(trains, list(traces.values()), given, like)
        spikes = {name: self._arrange(name, train, given, like) for name, train in trains.items()}
        for name in given.sizes:
            if name not in trains:
                raise SelectionRefused(f"{self.path}: there are no spikes of {name!r}, whose size is given")
        self.spikes = SpikesByName(spikes)
        for key, trace in traces.items():
            if trace.elements_left_out:
                self.notes.append(
                    f"{key[1]} of {key[0]} is that of the soma (element 0) of each cell; "
                    f"{trace.elements_left_out:,} other columns are left out"
                )
        self.traces: Mapping[tuple[str, str], Trace] = Traces(list(traces), lambda *key: traces[key])

    def _measure(
        self, trains: Mapping[str, Train], traces: list[ForeignTrace], given: Given, like: Recording | None
    ) -> None:
        """Find dt and duration, and put the spikes in order."""
        last = max((float(train.times_ms.max(initial=0)) for train in trains.values()), default=0.0)
        bound = max((train.bound for train in trains.values()), default=0)
        reported = max((trace.start_ms + trace.frames * trace.every_ms for trace in traces), default=0.0)
        if given.dt_ms is not None:
            self.dt_ms = given.dt_ms
            for name, train in trains.items():
                row = train.fit(self.dt_ms)
                if row is not None:
                    raise SelectionRefused(
                        f"{self.path}: row {row} of the spikes of {name}, at {train.times_ms[row]:.9g} ms, "
                        f"is no multiple of {self.dt_ms:g} ms"
                    )
        elif not trains:
            self.dt_ms = traces[0].every_ms
        else:
            found = common_step(list(trains.values()))
            self.dt_ms = found or finest_step(last, bound)
            how = "of which all times are multiples" if found else "to which times are rounded"
            self.notes.append(f"steps of {self.dt_ms:g} ms are assumed, {how} (--dt says it)")
        if given.duration_ms is not None:
            self.duration_ms = given.duration_ms
            if last > self.duration_ms + self.dt_ms:
                raise SelectionRefused(
                    f"{self.path}: a spike at {last:.9g} ms comes after the duration of "
                    f"{self.duration_ms:g} ms"
                )
        elif reported and reported >= last:
            self.duration_ms = reported
        elif like is not None and like.duration_ms >= last:
            self.duration_ms = like.duration_ms
            self.notes.append(f"a duration of {self.duration_ms:g} ms is taken from {like.path}")
        else:
            self.duration_ms = whole_ms(last)
            self.notes.append(
                f"a duration of {self.duration_ms:g} ms is assumed, up to the last spike (--duration says it)"
            )
        self.stopped_at_ms = self.duration_ms
        self.populations: dict[str, int] = {}
        for train in trains.values():
            train.sort(self.dt_ms)

    def _arrange(self, name: str, train: Train, given: Given, like: Recording | None) -> ForeignSpikes:
        """Find the size of a population, and whether its ids go through from 0."""
        cells = None
        size = given.sizes.get(name)
        told = like.populations.get(name) if like is not None and not like.foreign else None
        if size is None and told is not None and train.bound <= told:
            size = told
            self.notes.append(f"{size:,} cells of {name} are taken from {like.path if like else ''}")
        if size is None or train.bound > size:
            ordered = np.sort(train.ids)  # np.unique hashes: 13 s for 10^7
            fired = ordered[np.diff(ordered, prepend=-1) > 0]
            if size is not None and len(fired) > size:
                raise SelectionRefused(f"{self.path}: {len(fired):,} cells of {name} fire, of {size:,}")
            if size is None and len(fired) * 2 >= train.bound:
                size = max(train.bound, 1)
                said = f"{size:,} cells of {name} are assumed, up to the largest id"
            else:
                cells, size = fired, size or max(len(fired), 1)
                said = (
                    f"{size:,} cells of {name}, in the order of their ids; those that never fire are unknown"
                )
            if name not in given.sizes:
                self.notes.append(f"{said} (--size {name}=NUMBER says it)")
        if not 0 < size < MOST_CELLS:
            raise ValueError(f"population {name} of {size} cells")
        self.populations[name] = size
        return ForeignSpikes(train, self.dt_ms, cells)

    def reach(self, other: Recording) -> None:
        """Last as long, and have as many cells, as another file with which this one is compared.

        Of two files that do not say it the one whose last spike comes later knows more.
        """
        self.duration_ms = self.stopped_at_ms = max(self.duration_ms, other.duration_ms)
        for name, size in other.populations.items():
            if self.populations.get(name, size) < size and self.bound(name) <= size:
                self.populations[name] = size

    @property
    def config(self) -> str:  # type: ignore[override]
        return self._config

    def ids(self, population: str, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The ids in the file of cells as they are counted here; -1 for those that it does not name."""
        spikes = self.spikes.get(population)
        cells = spikes.cells if isinstance(spikes, ForeignSpikes) else None
        if cells is None:
            return nodes
        padded = np.append(cells, -1)
        named: NDArray[np.int64] = padded[np.minimum(nodes, len(cells))]
        return named

    def verify_spikes(self, population: str) -> None:
        """There is no checksum to hold them against."""

    def places(self, population: str, low: int, high: int) -> tuple[int, int]:
        """The range, as cells are counted here, of those with ids from `low` to before `high`."""
        spikes = self.spikes.get(population)
        cells = spikes.cells if isinstance(spikes, ForeignSpikes) else None
        if cells is None:
            return low, high
        first, end = np.searchsorted(cells, (low, high)).tolist()
        return first, end

    def bound(self, population: str) -> int:
        """One more than the largest id of a population."""
        last = np.array([self.populations[population] - 1])
        spikes = self.spikes[population]
        cells = spikes.cells if isinstance(spikes, ForeignSpikes) else None
        return int(last[0] if cells is None or not len(cells) else cells[-1]) + 1

    def __repr__(self) -> str:
        return f"<{len(self.spikes)} populations and {len(self.traces)} traces of {str(self.path)!r}>"


def _reports(file: h5py.File, unnamed: str) -> list[tuple[str, ForeignTrace]]:
    path = Path(os.fsdecode(file.filename))
    if "data" in file and "mapping" in file:
        return [(unnamed, ForeignTrace(path, file))]
    home: Any = next((file[name] for name in (layout.REPORT, "reports") if name in file), {})
    if "data" in home:
        return [(unnamed, ForeignTrace(path, home))]
    return [(name, ForeignTrace(path, home[name])) for name in home if "data" in home[name]]


def is_foreign(path: Path) -> bool:
    """Is this an HDF5 file with spikes or reports, of which no part says that hhsim wrote it?"""
    try:
        with foreign(path, WHAT):
            names = names_in(path)
    except FileFailed:
        return False  # `open_recording` says why
    return layout.OURS not in names and bool(names & {layout.SPIKES, layout.REPORT, "reports", "mapping"})


def open_any(
    path: str | os.PathLike[str],
    *,
    duration_ms: float | None = None,
    dt_ms: float | None = None,
    sizes: Mapping[str, int] | None = None,
    like: Recording | None = None,
) -> Recording:
    """Open a recording of hhsim, or the spikes or reports of another program in a SONATA file.

    Parameters
    ----------
    duration_ms, dt_ms, sizes : what a file of others does not say: how long it is, its steps, and how many
        cells its populations have
    like : a recording with which it is to be compared, and from which it takes what is not given

    What is assumed is told in a warning (HhsimWarning). Raises FileFailed as `open_recording` does, and
    SelectionRefused where what is given contradicts the file, or is given of a recording of hhsim.
    """
    given = Given(duration_ms, dt_ms, sizes or {})
    place = Path(path)
    if not is_foreign(place):
        recording = open_recording(place)
        if given.anything and like is None:
            recording.close()
            raise SelectionRefused(f"{place}: a recording of hhsim itself says its duration, dt and sizes")
        return recording
    opened = ForeignRecording(place, given, like)
    for note in opened.notes:
        warnings.warn(f"{place}: {note}", HhsimWarning, stacklevel=2)
    return opened


@contextmanager
def open_pair(
    a: str | os.PathLike[str], b: str | os.PathLike[str], **given: Any
) -> Iterator[tuple[Recording, Recording]]:
    """Two files to be compared, `given` as for `open_any`; what one does not say is taken from the other."""
    from_others = [is_foreign(Path(path)) for path in (a, b)]
    if (
        not any(from_others)
        and Given(given.get("duration_ms"), given.get("dt_ms"), given.get("sizes") or {}).anything
    ):
        raise SelectionRefused(
            f"{a} and {b}: recordings of hhsim themselves say their duration, dt and sizes"
        )
    with ExitStack() as stack:
        if from_others == [True, False]:
            second = stack.enter_context(open_recording(b))
            first = stack.enter_context(open_any(a, **given, like=second))
        elif from_others[0]:
            first = stack.enter_context(open_any(a, **given))
            second = stack.enter_context(open_any(b, **given, like=first))
            assert isinstance(first, ForeignRecording)
            first.reach(second)
        else:
            first = stack.enter_context(open_recording(a))
            second = stack.enter_context(open_any(b, **given, like=first))
        yield first, second
