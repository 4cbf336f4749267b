"""Which part of a recording to look at: a window of time, some populations, some of their cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hhsim.errors import SelectionRefused
from hhsim.recording.reader import Recording

Pieces = Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]


@dataclass(frozen=True)
class Selection:
    """A window from `start_ms` to `stop_ms`, and of each population the cells from `first` to `end`.

    Times are those of steps: a spike at the end of the step that leads to `stop_ms` is in, one at `start_ms`
    is not. `whole` says that nothing was left out.
    """

    start_ms: float
    stop_ms: float
    cells: dict[str, range]  # of each population chosen, in the recording's order
    whole: bool

    @property
    def duration_ms(self) -> float:
        return self.stop_ms - self.start_ms


def select(
    recording: Recording,
    *,
    start_ms: float | None = None,
    stop_ms: float | None = None,
    nodes: tuple[int, int] | None = None,
    populations: Sequence[str] = (),
    verify: bool = True,
) -> Selection:
    """What of `recording` is meant; all that is left out is not restricted.

    Parameters
    ----------
    start_ms, stop_ms : the window; by default all that was recorded up to now
    nodes : half-open range of local ids, taken from each population
    populations : names of populations
    verify : whether the selected spikes are held against their checksum

    Raises
    ------
    SelectionRefused
        for a window or range with nothing in it, or a population that is not there
    FileFailed
        where the spikes of a selected population are not those that were written
    """
    known = list(recording.populations) + [name for name, _ in recording.traces]
    for name in populations:
        if name not in known:
            raise SelectionRefused(
                f"no population {name!r} was recorded; there are: {', '.join(dict.fromkeys(known)) or 'none'}"
            )
    end = recording.stopped_at_ms
    start, stop = start_ms or 0.0, end if stop_ms is None else min(stop_ms, end)
    if start < 0 or (stop_ms is not None and stop_ms < 0):
        raise SelectionRefused(f"a window begins at 0 ms or later, not at {min(start, stop):g} ms")
    if end > 0 and not start < stop:
        if start >= end:
            raise SelectionRefused(
                f"the window starts at {start:g} ms, after the end of the recording at {end:g} ms"
            )
        raise SelectionRefused(
            f"nothing lies between {start:g} and {stop:g} ms: the recording goes from 0 to {end:g} ms"
        )
    cells = {}
    for name in dict.fromkeys(known):
        if populations and name not in populations:
            continue
        size = recording.sizes[name]
        low, high = nodes or (0, size)
        if not 0 <= low < high:
            raise SelectionRefused(f"there are no cells from {low} to {high}: a range is FIRST:END, from 0")
        first, last = recording.places(name, low, high) if nodes else (low, high)
        cells[name] = range(min(first, size), min(last, size))
    if cells and not any(cells.values()):
        largest = max(recording.sizes[name] for name in cells)
        raise SelectionRefused(f"there are no cells from {low} on: the largest population has {largest:,}")
    for name in cells.keys() & recording.populations.keys() if verify else ():
        recording.verify_spikes(name)
    whole = start == 0 and stop == end and not populations and nodes is None
    return Selection(start, stop, cells, whole)


def selected_spikes(recording: Recording, population: str, selection: Selection) -> Pieces:
    """Times in ms and local ids of a population's selected spikes, by time, in pieces of bounded size."""
    cells, spikes = selection.cells[population], recording.spikes[population]
    everyone = cells == range(recording.populations[population])
    for times, nodes in spikes.pieces(spikes.rows(selection.start_ms, selection.stop_ms)):
        if everyone:
            yield times, nodes
        else:
            chosen = (nodes >= cells.start) & (nodes < cells.stop)
            yield times[chosen], nodes[chosen]
