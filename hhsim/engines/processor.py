"""The engine of the processor: a thread for each part of the cells, many steps in a call of compiled code."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.channels.structure import LONGEST_CHUNK, structure_of
from hhsim.engines import keeping
from hhsim.engines.crew import Crew
from hhsim.engines.exchange import Alone, Exchange, share_out
from hhsim.errors import HhsimWarning
from hhsim.inputs.build import build_currents, build_trains
from hhsim.jit import options as jit
from hhsim.jit.structs import address_of, pack, part_of
from hhsim.kernels.cpu import cpu, parcels, stopwatch
from hhsim.kernels.render import compiling, load, render_loop, render_steps
from hhsim.model import Model
from hhsim.network.build import Tiles, connect, tile
from hhsim.network.connections import DELAY, Connections
from hhsim.network.layout import LANES, Layout
from hhsim.state import meeting
from hhsim.state.arrivals import build_arrivals
from hhsim.state.build import aligned, build_cells, build_work
from hhsim.state.samples import build_samples, frames_of, limit_chunk

PRICE_TRIALS = 50  # exchanges, to measure one
LOG_SPIKES = 1 << 18  # spikes that a portion of the log can hold beside what its cells could fire at most
MOST_EPOCH = 32  # steps between two meetings: enough to forget their cost, and a bound for the log

Spikes = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]  # steps, node ids; by time, then id


class Processor:
    """A network in memory, cut into a part for each thread; no result depends on the cuts.

    `chunk_steps` is the most steps between two calls of `keep_history`; `whole`, in one part whatever the
    threads, is for an engine that computes elsewhere. The ranks of `exchange` have a run of parts each, and
    call all verbs together.
    """

    device: str = "cpu"

    def __init__(
        self,
        model: Model,
        layout: Layout,
        threads: int,
        chunk_steps: int,
        whole: bool = False,
        exchange: Exchange | None = None,
    ) -> None:
        jit.set_threads(threads)
        self.model = model
        self.layout = layout
        self.threads = threads
        self.crew = Crew(threads)
        self.exchange = exchange or Alone()
        real = np.dtype(model.run.precision)
        parts = self.exchange.tell(1 if whole else threads)[:, 0].tolist()
        self.shares = share_out(layout.blocks, parts)
        cuts = self.shares[self.exchange.rank]
        self.blocks = range(cuts[0], cuts[-1])
        tiles = Tiles(cuts, [0, 1]) if whole else tile(model, layout, cuts)
        self.connections: Connections = connect(
            model, layout, tiles.cuts, real, threads, self.exchange.gather
        )
        self.cells, self.structures = build_cells(model, layout, self.blocks)
        self.work = build_work(len(cuts) - 1)
        self.arrivals = build_arrivals(model, layout, self.connections, self.blocks)
        self.trains = build_trains(model, layout, self.blocks)
        self.currents = build_currents(model, layout, self.blocks)
        delays = self.connections.projections[:, DELAY]
        history = int(delays.max(initial=0)) + 1
        self.epoch = min(int(delays.min(initial=MOST_EPOCH)) + 1, MOST_EPOCH)
        self.chunk_steps = (
            max(limit_chunk(model, min(chunk_steps, LONGEST_CHUNK)) // self.epoch, 1) * self.epoch
        )
        self.samples = build_samples(model, layout, self.cells, cuts, self.chunk_steps)
        self._steps: Any = np.zeros(0, np.uint64)  # where the compiled step of each structure begins
        self._network: tuple[cpu.Network, Any] | None = None
        self._failed_elsewhere: list[tuple[int, int]] = []  # step and lane
        self._plan_work(np.array(cuts, np.int64), np.array(tiles.first, np.int64), history)
        if self.epoch == 1 and self.exchange.ranks > 1:
            self._tell_price()

    def _plan_work(self, cuts: npt.NDArray[np.int64], tiles: npt.NDArray[np.int64], history: int) -> None:
        parts = len(cuts) - 1
        progress, bell = aligned(parts * meeting.LINE, np.int64), aligned(4 * meeting.LINE, np.int32)
        processors = jit.available_processors() // self.exchange.sharing
        patience = jit.SPINS if parts <= processors else 0
        below = [0] if cuts[0] > 0 else []
        above = [self.layout.blocks] if cuts[-1] < self.layout.blocks else []
        bounds = np.array([*below, *cuts, *above], np.int64) * LANES
        self.plan = meeting.Plan(
            cuts, tiles, history, self.epoch, progress, bell, patience, len(below), bounds
        )
        # Whatever fires, every step that is kept has room, and an epoch more, or two for those of other
        # ranks; memory that no spike touches is never taken.
        epochs = 1 if self.exchange.ranks == 1 else 2
        capacity = LOG_SPIKES + int(np.diff(bounds).max()) * (history + epochs * self.epoch)
        portions = bounds.size - 1
        self.log = meeting.Log(
            np.zeros((portions, capacity), np.int32),
            np.zeros((portions, history + self.chunk_steps + 1), np.int64),
            np.zeros((portions, len(self.model.populations)), np.int64),
            np.full((portions, 2), -1, np.int64),
        )

    def _tell_price(self) -> None:
        """Measure what an exchange takes, and say what one in each step will cost."""
        begin = time.perf_counter()
        for _ in range(PRICE_TRIALS):
            self.exchange.gather(np.zeros(1, np.int32))
        each_s = (time.perf_counter() - begin) / PRICE_TRIALS
        if self.exchange.rank == 0:
            warnings.warn(
                f"the least delay is 0 steps, so that the {self.exchange.ranks} ranks meet after every step: "
                f"that alone takes {each_s * 1e6:.0f} µs a step here, {each_s * self.model.run.steps:.2g} s "
                "for this run",
                HhsimWarning,
                stacklevel=2,
            )

    def compile(self, timed: bool = False) -> None:
        """Load the compiled code from the cache, or compile it; runs no step.

        With `timed`, steps count in `work.ticks` how long each part is in each of `stopwatch.PHASES`.
        """
        with jit.threads_of_our_own(), compiling(self.structures):
            self._link(timed)
            self._run(0, 0, 0, 0)
        self.crew = Crew(self.threads)  # compiling is nobody's turn
        self.spikes(0, 0)
        if self.exchange.ranks > 1:
            parcel = np.empty(parcels.size_of(self.log, self.plan, 0, 0), np.int32)
            parcels.pack(self.log, self.plan, 0, 0, parcel)
            parcels.unpack(self.log, 0, 0, 0, parcel, 0)
            parcels.room_left(self.log, self.plan, 0)

    def advance(self, first: int, end: int, shift: int) -> int:
        """Advance from step `first`, where a chunk begins, up to `end`; returns the step that was reached.

        It lies before `end` where the log is full or a potential diverged. `shift` is the steps since the
        refractory clocks were last counted from.
        """
        if self.exchange.ranks == 1:
            with jit.threads_of_our_own():
                return self._run(first, end, first, shift)
        # A parallel region for each epoch, after which ranks tell each other what fired.
        step = first
        while step < end:
            begin, step = step, min(end, (step // self.epoch + 1) * self.epoch)
            with jit.threads_of_our_own():
                self._run(begin, step, first, shift)
            row = self.plan.history + begin - first
            packed = self._packed()
            plan, log = part_of(packed, "plan"), part_of(packed, "log")
            stop = meeting.settle(plan, log, row + step - 1 - begin, step - 1)
            if self._swap(row, step - begin, stop):
                break
        return step

    def _swap(self, row: int, steps: int, stop: bool) -> bool:
        """Exchange the spikes of an epoch with the other ranks, and whether all have to `stop` after it."""
        parcel = np.empty(parcels.size_of(self.log, self.plan, row, steps), np.int32)
        full = stop or not parcels.room_left(self.log, self.plan, row)
        failure = self._own_failure() or (-1, -1)
        told, all_parcels = self.exchange.swap(
            parcel, full, *failure, fill=lambda: parcels.pack(self.log, self.plan, row, steps, parcel)
        )
        rank, last = self.exchange.rank, len(self.log.nodes) - 1
        if self.plan.own:
            parcels.unpack(self.log, 0, row, steps, np.concatenate(all_parcels[:rank]), rank)
        if last >= self.plan.own + self.threads:
            above = all_parcels[rank + 1 :]
            parcels.unpack(self.log, last, row, steps, np.concatenate(above), len(above))
        self._failed_elsewhere = [(int(step), int(lane)) for _, step, lane in told if step >= 0]
        return bool(told[:, 0].any())

    def _link(self, timed: bool) -> None:
        """Load or compile the steps of the structures and the loop, and note where they begin."""
        real = self.cells.state.dtype.type
        like = (
            self.cells.state,
            np.uint64(0),
            self.work.marks[0],
            self.cells.parameters[0],
            real(0),
            real(0),
        )
        steps = [address_of(load(render_steps([each])).step_0, *like) for each in self.structures]
        self._steps = steps if jit.JIT_DISABLED else np.array(steps, np.uint64)
        loop = load(render_loop(timed))
        self._advance = loop.advance
        self._loop = address_of(loop.advance_parts, *[np.int64(0)] * 5, self._packed())

    def _packed(self) -> Any:
        """All arrays as compiled code takes them; packed anew where one of them was exchanged."""
        network = cpu.Network(
            self._steps,
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
        if self._network is None or any(a is not b for a, b in zip(network, self._network[0], strict=True)):
            self._network = network, pack(network)
        return self._network[1]

    def _run(self, begin: int, end: int, first: int, shift: int) -> int:
        jit.set_threads(self.crew.at_work)
        wall, cpu_s = time.perf_counter(), time.process_time()
        meeting.open_parts(self.plan, begin)
        network = self._packed()
        address = network if jit.JIT_DISABLED else network.address
        self._advance(self._loop, len(self.plan.cuts) - 1, begin, end, first, shift, address)
        self.crew.worked(time.perf_counter() - wall, time.process_time() - cpu_s)
        return int(self.work.reached[0])

    def phase_ticks(self) -> dict[str, float]:
        """The mean of the ticks of all parts in each phase, where steps are timed; empty if none can tell."""
        means = self.work.ticks[:, : len(stopwatch.PHASES)].mean(axis=0)
        return dict(zip(stopwatch.PHASES, means.tolist(), strict=True))

    def spikes(self, first: int, steps: int) -> dict[str, Spikes]:
        """The spikes of `steps` steps from `first` on, where the chunk began, of each population."""
        log = part_of(self._packed(), "log")
        return {
            name: cpu.spikes_of(log, self.plan.history, first, steps, place.first, place.size)
            for name, place in self.layout.places.items()
        }

    def frames(self, first: int, steps: int) -> list[npt.NDArray[np.float32]]:
        """What was sampled in these steps, (frames, nodes) of each trace; overwritten by the next chunk.

        Ranks other than 0 have their own nodes alone.
        """
        own = frames_of(self.samples, first, steps)
        if self.exchange.ranks == 1:
            return own
        gathered = [self.exchange.to_root(frames.ravel()) for frames in own]
        if self.exchange.rank > 0:
            return own
        whole = []
        for frames, trace, pieces in zip(own, self.model.traces, gathered, strict=True):
            count, nodes = len(frames), trace.nodes[1] - trace.nodes[0]
            shares = [piece.reshape(count, piece.size // count) for piece in pieces] if count else []
            whole.append(np.concatenate(shares, axis=1) if count else np.zeros((0, nodes), np.float32))
        return whole

    def failure(self) -> tuple[int, int] | None:
        """Step and lane of the first potential that is not finite, if there is one."""
        own = self._own_failure()
        return min([*self._failed_elsewhere, *([own] if own else [])], default=None)

    def _own_failure(self) -> tuple[int, int] | None:
        failures = self.log.failures[self.log.failures[:, 0] >= 0]
        return min(((int(step), int(lane)) for step, lane in failures), default=None)

    def suppressed(self) -> list[int]:
        """Threshold crossings within the refractory time, in each population."""
        own = self.log.suppressed.sum(axis=0)
        return [int(total) for total in np.sum(self.exchange.gather(own), axis=0)]

    def states_of(self, population: str, node: int) -> dict[str, float]:
        """All states of one cell, as they are now."""
        states = structure_of(self.model, self.model.cell_of(population)).states
        return {each.name: float(self.values_of(population, each.name)[node]) for each in states}

    def values_of(self, population: str, name: str) -> npt.NDArray[np.floating]:
        """One state of all cells of a population, as it is now."""
        place = self.layout.places[population]
        row = structure_of(self.model, self.model.cell_of(population)).rows[name]
        own = place.blocks_in(self.blocks)
        starts = self.cells.starts[own.start : own.stop].astype(np.int64) + row * LANES
        values = self.cells.state[starts[:, None] + np.arange(LANES)].ravel()
        return np.concatenate(self.exchange.gather(values[: len(place.nodes_in(self.blocks))]))

    def keep_history(self, steps: int) -> None:
        """After a chunk of `steps` steps: move what delays still reach back to, to the front of the log."""
        history = self.plan.history
        for nodes, ends in zip(self.log.nodes, self.log.ends, strict=True):
            rows = ends[steps : steps + history + 1].copy()
            nodes[: rows[-1] - rows[0]] = nodes[rows[0] : rows[-1]].copy()
            ends[: history + 1] = rows - rows[0]

    def snapshot(self) -> dict[str, npt.NDArray[np.generic]]:
        """All that decides what comes next, whatever the cuts (`hhsim.engines.keeping`)."""
        return keeping.take(self)

    def restore(self, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
        """Go on from a snapshot of an engine with the same network.

        Raises ValueError if the arrays are not those of this network.
        """
        keeping.put_back(self, arrays)
