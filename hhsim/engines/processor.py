"""The engine of the processor: a thread for each part of the cells, many steps in a call of compiled code."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.engines import snapshot
from hhsim.engines.base import Arrays
from hhsim.engines.crew import Crew
from hhsim.engines.exchange import Alone, Exchange, share_out
from hhsim.engines.host import Host, Spikes
from hhsim.errors import HhsimWarning
from hhsim.jit import options as jit
from hhsim.jit.structs import address_of, pack, part_of
from hhsim.kernels.cpu import meeting, parcels, stopwatch
from hhsim.kernels.cpu.parts import Task
from hhsim.kernels.render import compiling, load, render_loop, render_steps
from hhsim.model import Model
from hhsim.network.build import tile
from hhsim.network.layout import Layout
from hhsim.state.build import build_work
from hhsim.state.shares import Cut

PRICE_TRIALS = 50  # exchanges, to measure one


class Processor:
    """An engine (`hhsim.engines.base`) that cuts its cells into a part for each thread; no result depends on
    the cuts.

    The ranks of `exchange` have a run of parts each.
    """

    device: str = "cpu"

    def __init__(
        self,
        model: Model,
        layout: Layout,
        threads: int,
        chunk_steps: int,
        exchange: Exchange | None = None,
    ) -> None:
        jit.set_threads(threads)
        self.threads = threads
        self.crew = Crew(threads)
        self.exchange = exchange or Alone()
        shares = share_out(layout.blocks, self.exchange.tell(threads)[:, 0].tolist())
        cuts = shares[self.exchange.rank]
        self._blocks_of_ranks = [range(each[0], each[-1]) for each in shares]
        processors = jit.available_processors() // self.exchange.sharing
        cut = Cut(cuts, tile(model, layout, cuts), jit.SPINS if threads <= processors else 0)
        self.host = Host(model, layout, cut, threads, chunk_steps, self.exchange.gather)
        self.work = build_work(threads)
        self._failed_elsewhere: list[tuple[int, int]] = []  # step and lane
        if self.host.epoch == 1 and self.exchange.ranks > 1:
            self._tell_price()

    def _tell_price(self) -> None:
        """Measure what an exchange takes, and say what one in each step will cost."""
        begin = time.perf_counter()
        for _ in range(PRICE_TRIALS):
            self.exchange.gather(np.zeros(1, np.int32))
        each_s = (time.perf_counter() - begin) / PRICE_TRIALS
        if self.exchange.rank == 0:
            warnings.warn(
                f"the least delay is 0 steps, so that the {self.exchange.ranks} ranks meet after every step: "
                f"that alone takes {each_s * 1e6:.0f} µs a step here, "
                f"{each_s * self.host.model.run.steps:.2g} s for this run",
                HhsimWarning,
                stacklevel=2,
            )

    def compile(self, timed: bool = False) -> None:
        """Load or compile the code; with `timed`, steps count in `work.ticks` how long each part is in each
        of `stopwatch.PHASES`."""
        with jit.threads_of_our_own(), compiling(self.host.structures):
            self._link(timed)
            self._run(0, 0, 0, 0)
        self.crew = Crew(self.threads)  # compiling is nobody's turn
        self.spikes(0, 0)
        if self.exchange.ranks > 1:
            log, shares = self.host.network.log, self.host.network.shares
            parcel = np.empty(parcels.size_of(log, shares, 0, 0), np.int32)
            parcels.pack(log, shares, 0, 0, parcel)
            parcels.unpack(log, 0, 0, 0, parcel, 0)
            parcels.room_left(log, shares, 0)

    def _link(self, timed: bool) -> None:
        """Load or compile the steps of the structures and the loop, and note where they begin."""
        cells = self.host.network.cells
        real = cells.state.dtype.type
        like = (cells.state, np.uint64(0), self.work.marks[0], cells.parameters[0], real(0), real(0))
        steps = [address_of(load(render_steps([each])).step_0, *like) for each in self.host.structures]
        self._steps: Any = steps if jit.JIT_DISABLED else np.array(steps, np.uint64)
        self._task: Any = pack(Task(self._steps, self.work, self.host.packed))
        loop = load(render_loop(timed))
        self._advance = loop.advance
        self._loop = address_of(loop.advance_parts, *[np.int64(0)] * 5, self._task)

    def advance(self, first: int, end: int, shift: int) -> int:
        """Advance from step `first` up to `end`; returns the step that was reached."""
        if self.exchange.ranks == 1:
            with jit.threads_of_our_own():
                return self._run(first, end, first, shift)
        # A parallel region for each epoch, after which ranks tell each other what fired.
        shares, log = part_of(self.host.packed, "shares"), part_of(self.host.packed, "log")
        epoch = self.host.epoch
        step = first
        while step < end:
            begin, step = step, min(end, (step // epoch + 1) * epoch)
            with jit.threads_of_our_own():
                self._run(begin, step, first, shift)
            row = self.host.network.shares.history + begin - first
            stop = meeting.settle(shares, log, row + step - 1 - begin, step - 1)
            if self._swap(row, step - begin, stop):
                break
        return step

    def _swap(self, row: int, steps: int, stop: bool) -> bool:
        """Exchange the spikes of an epoch with the other ranks, and whether all have to `stop` after it."""
        log, shares = self.host.network.log, self.host.network.shares
        parcel = np.empty(parcels.size_of(log, shares, row, steps), np.int32)
        full = stop or not parcels.room_left(log, shares, row)
        failure = self.host.failure() or (-1, -1)
        told, all_parcels = self.exchange.swap(
            parcel, full, *failure, fill=lambda: parcels.pack(log, shares, row, steps, parcel)
        )
        rank, last = self.exchange.rank, len(log.lanes) - 1
        if shares.own:
            parcels.unpack(log, 0, row, steps, np.concatenate(all_parcels[:rank]), rank)
        if last >= shares.own + self.threads:
            above = all_parcels[rank + 1 :]
            parcels.unpack(log, last, row, steps, np.concatenate(above), len(above))
        self._failed_elsewhere = [(int(step), int(lane)) for _, step, lane in told if step >= 0]
        return bool(told[:, 0].any())

    def _run(self, begin: int, end: int, first: int, shift: int) -> int:
        """Let all threads advance their parts from step `begin` to `end` of the chunk from `first` on."""
        jit.set_threads(self.crew.at_work)
        wall, cpu_s = time.perf_counter(), time.process_time()
        meeting.open_parts(self.host.network.shares, begin)
        task = self._task if jit.JIT_DISABLED else self._task.address
        self._advance(self._loop, self.threads, begin, end, first, shift, task)
        self.crew.worked(time.perf_counter() - wall, time.process_time() - cpu_s)
        return int(self.work.reached[0])

    def phase_ticks(self) -> dict[str, float]:
        """The mean of the ticks of all parts in each phase, where steps are timed."""
        means = self.work.ticks[:, : len(stopwatch.PHASES)].mean(axis=0)
        return dict(zip(stopwatch.PHASES, means.tolist(), strict=True))

    def spikes(self, first: int, steps: int) -> dict[str, Spikes]:
        """The spikes of a chunk, of each population: each rank has those of all."""
        return self.host.spikes(first, steps)

    def frames(self, first: int, steps: int) -> list[npt.NDArray[np.float32]]:
        """What was sampled in a chunk: all nodes on rank 0, the own ones on others."""
        own = self.host.frames(first, steps)
        if self.exchange.ranks == 1:
            return own
        gathered = [self.exchange.to_root(frames.ravel()) for frames in own]
        if self.exchange.rank > 0:
            return own
        whole = []
        for frames, trace, pieces in zip(own, self.host.model.traces, gathered, strict=True):
            count, nodes = len(frames), trace.nodes[1] - trace.nodes[0]
            shares = [piece.reshape(count, piece.size // count) for piece in pieces] if count else []
            whole.append(np.concatenate(shares, axis=1) if count else np.zeros((0, nodes), np.float32))
        return whole

    def failure(self) -> tuple[int, int] | None:
        """Step and lane of the first potential that is not finite, on whichever rank."""
        own = self.host.failure()
        return min([*self._failed_elsewhere, *([own] if own else [])], default=None)

    def suppressed(self) -> list[int]:
        """Threshold crossings within the refractory time, in each population, on all ranks together."""
        own = self.host.suppressed()
        return [int(total) for total in np.sum(self.exchange.gather(own), axis=0)]

    def values_of(self, population: str, name: str) -> npt.NDArray[np.floating]:
        """One state of all cells of a population, on every rank."""
        return np.concatenate(self.exchange.gather(self.host.values_of(population, name)))

    def keep_history(self, steps: int) -> None:
        """After a chunk of `steps` steps: keep what delays still reach back to."""
        self.host.keep_history(steps)

    def snapshot(self) -> Arrays:
        """All that decides what comes next, whole on rank 0; where it is alone, not copies."""
        arrays = snapshot.take(self.host, self.exchange, self._blocks_of_ranks)
        return {**arrays, "suppressed": np.array(self.suppressed(), np.int64)}

    def restore(self, arrays: Arrays) -> None:
        """Go on from a snapshot, which rank 0 alone needs; raises ValueError for that of another network."""
        snapshot.put_back(self.host, self.exchange, self._blocks_of_ranks, arrays)
