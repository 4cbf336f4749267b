"""The engine of the processor: a thread for each part of the cells, many steps in a call of compiled code."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hhsim import jit
from hhsim.arrivals import build_arrivals
from hhsim.backends import cpu, meeting, stopwatch
from hhsim.cell import structure_of
from hhsim.inputs import build_currents, build_trains
from hhsim.model import Model
from hhsim.network.build import Tiles, connect, tile
from hhsim.network.connections import DELAY, Connections
from hhsim.network.layout import LANES, Layout
from hhsim.rendering import load, render
from hhsim.samples import build_samples, frames_of, limit_chunk
from hhsim.state import build_cells, build_work

LOG_SPIKES = 1 << 18  # spikes that a part's log can hold beside what its cells could fire at most
MOST_EPOCH = 32  # steps between two meetings: enough to forget their cost, and a bound for the log
REBASE = 1 << 22  # steps a chunk may not exceed: its step numbers are exact in float32

Spikes = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]  # steps, node ids; by time, then id


class Processor:
    """A network in memory, cut into a part for each thread; no result depends on the cuts.

    `chunk_steps` is the most steps between two calls of `keep_history`; `whole`, in one part whatever the
    threads, is for an engine that computes elsewhere.
    """

    device: str = "cpu"

    def __init__(
        self, model: Model, layout: Layout, threads: int, chunk_steps: int, whole: bool = False
    ) -> None:
        jit.set_threads(threads)
        self.model = model
        self.layout = layout
        self.threads = threads
        real = np.dtype(model.run.precision)
        cuts = [0, layout.blocks] if whole else layout.cuts(threads)
        tiles = Tiles(cuts, [0, 1]) if whole else tile(model, layout, cuts)
        self.connections: Connections = connect(model, layout, tiles.cuts, real, threads)
        self.cells, self.structures = build_cells(model, layout)
        self.work = build_work(len(cuts) - 1)
        self.arrivals = build_arrivals(model, layout, self.connections)
        self.trains = build_trains(model, layout)
        self.currents = build_currents(model, layout)
        delays = self.connections.projections[:, DELAY]
        history = int(delays.max(initial=0)) + 1
        self.epoch = min(int(delays.min(initial=MOST_EPOCH)) + 1, MOST_EPOCH)
        self.chunk_steps = max(limit_chunk(model, min(chunk_steps, REBASE)) // self.epoch, 1) * self.epoch
        self.samples = build_samples(model, layout, self.cells, cuts, self.chunk_steps)
        self._share_out(np.array(cuts, np.int64), np.array(tiles.first, np.int64), history)

    def _share_out(self, cuts: npt.NDArray[np.int64], tiles: npt.NDArray[np.int64], history: int) -> None:
        parts = len(cuts) - 1
        arrived = np.full(parts * meeting.LINE, -1, np.int64)
        patience = meeting.PATIENCE if parts <= jit.available_processors() else 0
        self.plan = meeting.Plan(cuts, tiles, history, self.epoch, arrived, patience, False)
        lanes = int(np.diff(cuts).max()) * LANES
        # Whatever fires, every step that is kept and an epoch more have room; memory that no spike touches
        # is never taken.
        capacity = LOG_SPIKES + lanes * (history + self.epoch)
        self.log = meeting.Log(
            np.zeros((parts, capacity), np.int32),
            np.zeros((parts, history + self.chunk_steps + 1), np.int64),
            np.zeros((parts, len(self.model.populations)), np.int64),
            np.full((parts, 2), -1, np.int64),
        )

    def compile(self, timed: bool = False) -> None:
        """Load the compiled code from the cache, or compile it; runs no step.

        With `timed`, steps count in `work.ticks` how long each part is in each of `stopwatch.PHASES`.
        """
        with jit.threads_of_our_own():
            self._module = load(render(self.structures, timed))
            met = np.zeros(2, np.int64)
            if self.threads > 1 and not jit.JIT_DISABLED:
                meeting.threads_meet(self.threads, met)
            together = not jit.JIT_DISABLED and (self.threads == 1 or bool(met[1] == self.threads))
            self.plan = self.plan._replace(together=together)
            self._run(0, 0, 0, 0)
        self.spikes(0, 0)

    def advance(self, first: int, end: int, shift: int) -> int:
        """Advance from step `first`, where a chunk begins, up to `end`; returns the step that was reached.

        It lies before `end` where the log is full or a potential diverged. `shift` is the steps since the
        refractory clocks were last counted from.
        """
        with jit.threads_of_our_own():
            if self.plan.together:
                return self._run(first, end, first, shift)
            # Threads may run one after another: a parallel region for each epoch, at whose end all have met.
            step = first
            while step < end:
                epoch_end = min(end, (step // self.epoch + 1) * self.epoch)
                step = self._run(step, epoch_end, first, shift)
                if meeting.settle(self.plan, self.log, self.plan.history + step - 1 - first, step - 1):
                    break
            return step

    def _run(self, begin: int, end: int, first: int, shift: int) -> int:
        return int(
            self._module.advance(
                begin,
                end,
                first,
                shift,
                self.cells,
                self.work,
                self.connections,
                self.arrivals,
                self.trains,
                self.currents,
                self.samples,
                self.log,
                self.plan,
            )
        )

    def phase_ticks(self) -> dict[str, float]:
        """The mean of the ticks of all parts in each phase, where steps are timed; empty if none can tell."""
        means = self.work.ticks[:, : len(stopwatch.PHASES)].mean(axis=0)
        return dict(zip(stopwatch.PHASES, means.tolist(), strict=True))

    def spikes(self, first: int, steps: int) -> dict[str, Spikes]:
        """The spikes of `steps` steps from `first` on, where the chunk began, of each population."""
        return {
            name: cpu.spikes_of(self.log, self.plan.history, first, steps, place.first, place.size)
            for name, place in self.layout.places.items()
        }

    def frames(self, first: int, steps: int) -> list[npt.NDArray[np.float32]]:
        """What was sampled in these steps, (frames, nodes) of each trace; overwritten by the next chunk."""
        return frames_of(self.samples, first, steps)

    def failure(self) -> tuple[int, int] | None:
        """Step and lane of the first potential that is not finite, if there is one."""
        failures = self.log.failures[self.log.failures[:, 0] >= 0]
        return min(((int(step), int(lane)) for step, lane in failures), default=None)

    def suppressed(self) -> list[int]:
        """Threshold crossings within the refractory time, in each population."""
        return [int(total) for total in self.log.suppressed.sum(axis=0)]

    def states_of(self, population: str, node: int) -> dict[str, float]:
        """All states of one cell, as they are now."""
        states = structure_of(self.model, self.model.cell_of(population)).states
        return {name: float(self.values_of(population, name)[node]) for name in states}

    def values_of(self, population: str, name: str) -> npt.NDArray[np.floating]:
        """One state of all cells of a population, as it is now."""
        place = self.layout.places[population]
        row = structure_of(self.model, self.model.cell_of(population)).rows[name]
        starts = self.cells.starts[place.blocks.start : place.blocks.stop].astype(np.int64) + row * LANES
        values: npt.NDArray[np.floating] = self.cells.state[starts[:, None] + np.arange(LANES)]
        return values.ravel()[: place.size]

    def keep_history(self, steps: int) -> None:
        """After a chunk of `steps` steps: move what delays still reach back to, to the front of the log."""
        history = self.plan.history
        for nodes, ends in zip(self.log.nodes, self.log.ends, strict=True):
            rows = ends[steps : steps + history + 1].copy()
            nodes[: rows[-1] - rows[0]] = nodes[rows[0] : rows[-1]].copy()
            ends[: history + 1] = rows - rows[0]

    def snapshot(self) -> dict[str, npt.NDArray[np.generic]]:
        """All that decides what comes next, whatever the cuts; arrays of the engine, not copies.

        state, counts and sums as in `Cells` and `Arrivals`; history: the lanes that spiked in the steps that
        delays reach back to, ascending, those of row r from history_ends[r] to history_ends[r + 1];
        suppressed: as `suppressed()`.
        """
        ends = self.log.ends[:, : self.plan.history + 1]
        rows = [
            np.concatenate(
                [nodes[low:high] for nodes, (low, high) in zip(self.log.nodes, spans, strict=True)]
            )
            for spans in zip(*(pairwise(each.tolist()) for each in ends), strict=True)
        ]
        return {
            "state": self.cells.state,
            "counts": self.arrivals.counts,
            "sums": self.arrivals.sums,
            "history": np.concatenate([np.zeros(0, np.int32), *rows]),
            "history_ends": np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64),
            "suppressed": np.array(self.suppressed(), np.int64),
        }

    def restore(self, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
        """Go on from a snapshot of an engine with the same network.

        Raises ValueError if the arrays are not those of this network.
        """
        for name, own in (
            ("state", self.cells.state),
            ("counts", self.arrivals.counts),
            ("sums", self.arrivals.sums),
        ):
            same = arrays[name].dtype == own.dtype or name == "sums"  # a device has them in float64
            if arrays[name].shape != own.shape or not same:
                raise ValueError(f"{name} has another shape or type")
            own[...] = arrays[name]
        lanes, ends = arrays["history"], arrays["history_ends"]
        if len(ends) != self.plan.history + 1:
            raise ValueError("the history has another length")
        self.log.ends[:] = 0
        for part, (first, last) in enumerate(pairwise((self.plan.cuts * LANES).tolist())):
            at = 0
            for row, (low, high) in enumerate(pairwise(ends.tolist())):
                mine = lanes[low:high]
                mine = mine[(mine >= first) & (mine < last)]
                self.log.nodes[part, at : at + len(mine)] = mine
                at += len(mine)
                self.log.ends[part, row + 1] = at
        self.log.suppressed[:] = 0
        self.log.suppressed[0] = arrays["suppressed"]
