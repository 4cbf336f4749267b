"""What a figure looks at: the selected part of a recording, read in pieces of constant size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hhsim.analysis import population_rate
from hhsim.plotting.colours import Pen
from hhsim.recording import Recording, Selection

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LONGEST_IN_MS = 5000.0  # a window beyond that has an axis in seconds


@dataclass(frozen=True)
class View:
    """The selected part of a recording, and the pen of each population."""

    recording: Recording
    selection: Selection
    pens: dict[str, Pen]

    @property
    def steps(self) -> int:
        """Steps of the run that lie in the window."""
        return round(self.selection.stop_ms / self.dt_ms) - self._first_step

    @property
    def _first_step(self) -> int:
        return round(self.selection.start_ms / self.dt_ms)

    @property
    def dt_ms(self) -> float:
        return self.recording.dt_ms

    @property
    def start_ms(self) -> float:
        """Where the window begins, in whole steps."""
        return self._first_step * self.dt_ms

    @property
    def stop_ms(self) -> float:
        return (self._first_step + self.steps) * self.dt_ms

    @property
    def time_unit(self) -> tuple[float, str]:
        """The length in ms of the unit of the time axis, and its name."""
        return (1.0, "ms") if self.stop_ms - self.start_ms <= LONGEST_IN_MS else (1000.0, "s")

    @property
    def populations(self) -> dict[str, range]:
        """The selected cells of each population whose spikes are recorded."""
        cells = self.selection.cells
        return {name: cells[name] for name in cells if cells[name] and name in self.recording.populations}

    def spike_count(self, population: str) -> int:
        if len(self.populations[population]) == self.recording.populations[population]:
            return len(self._rows(population))
        return sum(len(times) for times, _ in self.spikes(population))

    def spikes(self, population: str, after_ms: float = -np.inf) -> Iterator[tuple[Floats, Ints]]:
        """Times in ms and local ids of the selected spikes, or of those after a time, in pieces."""
        cells = self.populations[population]
        for times, nodes in self.recording.spikes[population].pieces(self._rows(population, after_ms)):
            chosen = (nodes >= cells.start) & (nodes < cells.stop)
            yield (times, nodes) if chosen.all() else (times[chosen], nodes[chosen])

    def _rows(self, population: str, after_ms: float = -np.inf) -> range:
        return self.recording.spikes[population].rows(max(self.start_ms, after_ms), self.stop_ms)

    def rate(self, population: str, bin_steps: int) -> tuple[Floats, Floats]:
        """Edges in ms and mean rate in Hz of bins of `bin_steps`; what is left at the end is in none."""
        width = bin_steps * self.dt_ms
        size = len(self.populations[population])
        edges, rate = population_rate(np.empty(0), self.start_ms, self.stop_ms, width, size)
        for times, _ in self.spikes(population):
            if len(times) and len(rate):
                first, last = (int((t - self.start_ms) / width) for t in (times[0], times[-1]))
                first, last = (
                    max(first - 1, 0),
                    min(last + 1, len(rate) - 1),
                )  # rounding may move a bin by one
                part = population_rate(times, edges[first], edges[last + 1], width, size)[1]
                rate[first : first + len(part)] += part
        return edges, rate
