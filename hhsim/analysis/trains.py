"""Spike trains laid one after another: the spikes of some cells, sorted by cell, then by time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hhsim.recording import Recording, Selection

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Trains:
    """The spikes of `size` cells in a window from `start_ms` (out) to `stop_ms` (in)."""

    times_ms: Floats  # [spikes]
    cells: Ints  # [spikes], from 0, ascending; times ascend within each cell
    size: int
    start_ms: float
    stop_ms: float

    @property
    def duration_ms(self) -> float:
        return self.stop_ms - self.start_ms

    def counts(self) -> Ints:
        """Spikes of each cell, [size]."""
        return np.bincount(self.cells, minlength=self.size)


def by_cell(times_ms: Floats, nodes: Ints) -> tuple[Floats, Ints]:
    """Spikes in order of time, put in order of cell; those of one cell stay in their order."""
    if not len(nodes):
        return times_ms, nodes
    # One sort of (node, place) in one integer: 10^7 spikes in 0.1 s; a stable argsort takes 1.3 s.
    bits = len(nodes).bit_length()
    if nodes.min() < 0 or int(nodes.max()).bit_length() + bits > 63:
        order = np.argsort(nodes, kind="stable")
    else:
        order = nodes << bits
        order |= np.arange(len(nodes))
        order.sort()
        order &= (1 << bits) - 1
    return times_ms[order], nodes[order]


def read_trains(recording: Recording, population: str, selection: Selection) -> Trains:
    """The trains of a population's selected cells; those without a spike are counted in `size`."""
    cells = selection.cells[population]
    spikes = recording.spikes[population]
    rows = spikes.rows(selection.start_ms, selection.stop_ms)
    times = np.empty(len(rows), np.float64)
    nodes = np.empty(len(rows), np.int64)
    held = 0
    for some_times, some_nodes in spikes.pieces(rows):
        chosen = (some_nodes >= cells.start) & (some_nodes < cells.stop)
        end = held + int(np.count_nonzero(chosen))
        times[held:end] = some_times[chosen]
        nodes[held:end] = some_nodes[chosen] - cells.start
        held = end
    step = recording.dt_ms  # the window as `rows` takes it, in whole steps
    start, stop = (round(t / step) * step for t in (selection.start_ms, selection.stop_ms))
    return Trains(*by_cell(times[:held], nodes[:held]), len(cells), start, stop)
