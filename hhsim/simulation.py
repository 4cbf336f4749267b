"""The run: chunks of steps in compiled code, and what is recorded between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hhsim import jit
from hhsim.arrivals import build_arrivals
from hhsim.backends import cpu, meeting
from hhsim.cell import structure_of
from hhsim.errors import Diverged
from hhsim.inputs import build_currents, build_trains
from hhsim.model import Model
from hhsim.network.build import connect, tile
from hhsim.network.connections import DELAY, Connections
from hhsim.network.layout import LANES, lay_out
from hhsim.rendering import load, render
from hhsim.state import build_cells, build_work

CHUNK_STEPS = 4096  # the most steps between two looks at signals and files
FRAME_BYTES = 32 << 20  # the most memory for the samples of a chunk
LOG_SPIKES = 1 << 18  # spikes that a part's log can hold beside what its cells could fire at most
MOST_EPOCH = 32  # steps between two meetings: enough to forget their cost, and a bound for the log
REBASE = 1 << 22  # steps a chunk may not exceed: its step numbers are exact in float32


@dataclass(frozen=True)
class Chunk:
    """What a chunk of steps left behind."""

    first_step: int
    steps: int
    spikes: dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]  # steps, node ids; time, then id
    frames: list[npt.NDArray[np.float32]]  # (frames, nodes) of each trace
    diverged: Diverged | None = None


class Simulation:
    """A network in memory, ready to run.

    Parameters
    ----------
    model : what to simulate
    threads : the number of parts into which the cells are cut, a thread for each; no result depends on it
    chunk_steps : the most steps of a chunk; no result depends on it either
    """

    def __init__(self, model: Model, threads: int = 1, chunk_steps: int = CHUNK_STEPS) -> None:
        jit.set_threads(threads)
        self.model = model
        self.threads = threads
        self.layout = lay_out(model)
        real = np.dtype(model.run.precision)
        cuts = self.layout.cuts(threads)
        tiles = tile(model, self.layout, cuts)
        self.connections: Connections = connect(model, self.layout, tiles.cuts, real, threads)
        self.cells, self.structures = build_cells(model, self.layout)
        self.work = build_work(threads)
        self.arrivals = build_arrivals(model, self.layout, self.connections)
        self.trains = build_trains(model, self.layout)
        self.currents = build_currents(model, self.layout)
        self.step = 0
        self.spike_counts = dict.fromkeys(model.populations, 0)
        self.shift = 0  # steps since the refractory clocks were last counted from
        self._build_log(np.array(cuts, np.int64), np.array(tiles.first, np.int64), min(chunk_steps, REBASE))
        self._build_samples(cuts)

    def _build_log(self, cuts: npt.NDArray[np.int64], tiles: npt.NDArray[np.int64], chunk_steps: int) -> None:
        delays = self.connections.projections[:, DELAY]
        history = int(delays.max(initial=0)) + 1
        epoch = min(int(delays.min(initial=MOST_EPOCH)) + 1, MOST_EPOCH)
        patience = meeting.PATIENCE if self.threads <= jit.available_processors() else 0
        self.plan = meeting.Plan(
            cuts, tiles, history, epoch, np.full(self.threads * meeting.LINE, -1, np.int64), patience, False
        )
        self.chunk_steps = max(chunk_steps // epoch, 1) * epoch
        lanes = int(np.diff(cuts).max()) * LANES
        # Whatever fires, every step that is kept and an epoch more have room; memory that no spike touches
        # is never taken.
        capacity = LOG_SPIKES + lanes * (history + epoch)
        self.log = meeting.Log(
            np.zeros((self.threads, capacity), np.int32),
            np.zeros((self.threads, history + self.chunk_steps + 1), np.int64),
            np.zeros((self.threads, len(self.model.populations)), np.int64),
            np.full((self.threads, 2), -1, np.int64),
        )

    def _build_samples(self, cuts: list[int]) -> None:
        traces = self.model.traces
        places, part_cuts, widths = [], np.zeros((len(traces), self.threads + 1), np.int64), []
        at = 0
        for i, trace in enumerate(traces):
            structure = structure_of(self.model, self.model.cell_of(trace.population))
            lanes = self.layout.places[trace.population].first + np.arange(*trace.nodes)
            row = structure.rows[trace.variable]
            starts = self.cells.starts[lanes // LANES].astype(np.int64)
            places.append(starts + row * LANES + lanes % LANES)
            part_cuts[i] = at + np.searchsorted(lanes, np.array(cuts) * LANES)
            widths.append(lanes.size)
            at += lanes.size
        every = np.array([round(trace.every / self.model.run.dt) for trace in traces], np.int64)
        width = np.array(widths, np.int64)
        if at:
            most = max(FRAME_BYTES // int(4 * width.sum()), 1) * int(every.min())
            self.chunk_steps = max(min(self.chunk_steps, most) // self.plan.epoch, 1) * self.plan.epoch
        rows = -(-self.chunk_steps // every) + 1 if at else every
        offsets = np.concatenate([[0], np.cumsum(rows * width)]).astype(np.int64)
        self.samples = cpu.Samples(
            np.concatenate([np.zeros(0, np.int64), *places]),
            part_cuts,
            every,
            width,
            offsets[:-1],
            np.zeros(int(offsets[-1]), np.float32),
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
            self._run(0, 0, 0)
        self._spikes(0, 0)

    def _advance(self, steps: int) -> int:
        """Advance by up to `steps` steps; fewer when the log is full or a potential diverges."""
        with jit.threads_of_our_own():
            return self._advance_alone(self.step, self.step + steps) - self.step

    def _advance_alone(self, first: int, end: int) -> int:
        """The step that was reached."""
        if self.plan.together:
            return self._run(first, end, first)
        # Threads may run one after another: a parallel region for each epoch, at whose end all have met.
        step = first
        while step < end:
            epoch_end = min(end, (step // self.plan.epoch + 1) * self.plan.epoch)
            step = self._run(step, epoch_end, first)
            if meeting.settle(self.plan, self.log, self.plan.history + step - 1 - first, step - 1):
                break
        return step

    def _run(self, begin: int, end: int, first: int) -> int:
        return int(
            self._module.advance(
                begin,
                end,
                first,
                self.shift,
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

    @property
    def suppressed_crossings(self) -> dict[str, int]:
        """Threshold crossings within the refractory time, for each population."""
        totals = self.log.suppressed.sum(axis=0)
        return {name: int(total) for name, total in zip(self.model.populations, totals, strict=True)}

    def advance(self, most_steps: int | None = None) -> Chunk:
        """Advance by one chunk, which ends at the end of the run or of an epoch; returns what it recorded."""
        first = self.step
        steps = min(self.chunk_steps - first % self.plan.epoch, self.model.run.steps - first)
        if most_steps is not None:
            epochs_end = -(-(first + most_steps) // self.plan.epoch) * self.plan.epoch
            steps = min(steps, max(epochs_end - first, 1))
        done = self._advance(steps)
        self.shift = done
        self.step = first + done
        diverged = self._diverged()
        if diverged is not None:
            done = round(diverged.t_ms / self.model.run.dt) - first
            self.step = first + done
        chunk = Chunk(first, done, self._spikes(first, done), list(self._frames(first, done)), diverged)
        self._keep_history(self.shift)
        for name, (steps_of_spikes, _) in chunk.spikes.items():
            self.spike_counts[name] += len(steps_of_spikes)
        return chunk

    def _diverged(self) -> Diverged | None:
        failures = self.log.failures[self.log.failures[:, 0] >= 0]
        if not failures.size:
            return None
        step, lane = min((int(step), int(lane)) for step, lane in failures)
        for place in self.layout.places.values():
            if place.first <= lane < place.first + place.size:
                return Diverged(
                    place.name, lane - place.first, step * self.model.run.dt, self._states(place.name, lane)
                )
        raise AssertionError("a failure outside every population")

    def _states(self, population: str, lane: int) -> dict[str, float]:
        """All states of the cell in `lane`, as they are now."""
        start = int(self.cells.starts[lane // LANES]) + lane % LANES
        states = structure_of(self.model, self.model.cell_of(population)).states
        return {name: float(self.cells.state[start + row * LANES]) for row, name in enumerate(states)}

    def _spikes(
        self, first: int, steps: int
    ) -> dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        return {
            name: cpu.spikes_of(self.log, self.plan.history, first, steps, place.first, place.size)
            for name, place in self.layout.places.items()
        }

    def _frames(self, first: int, steps: int) -> Iterator[npt.NDArray[np.float32]]:
        for offset, every, width in zip(
            self.samples.offsets, self.samples.every, self.samples.width, strict=True
        ):
            count = -(-(first + steps) // every) - -(-first // every)
            yield self.samples.frames[offset : offset + count * width].reshape(count, width)

    def _keep_history(self, steps: int) -> None:
        """Move the spikes that delays still reach back to, to the front of the log."""
        history = self.plan.history
        for nodes, ends in zip(self.log.nodes, self.log.ends, strict=True):
            rows = ends[steps : steps + history + 1].copy()
            nodes[: rows[-1] - rows[0]] = nodes[rows[0] : rows[-1]].copy()
            ends[: history + 1] = rows - rows[0]
