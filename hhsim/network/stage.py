"""One projection while it is built: what is done to it, with the work shared among threads."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple, assert_never

import numpy as np
import numpy.typing as npt

from hhsim.jit.structs import pack
from hhsim.model import Model, Value, constant
from hhsim.network import connections as c
from hhsim.network import synapses
from hhsim.network.connections import Connections
from hhsim.network.plan import END, PART, SHIFT, Plan
from hhsim.network.random import Purpose, distribution, stream_key
from hhsim.network.rows import place
from hhsim.network.rules import BySources, ByTargets, InFile, way_of

TASKS_PER_THREAD = 8  # so that threads end together although rows differ
KEPT = 1 << 22  # synapses for which memory is asked at a time, until they are placed
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class Kept(NamedTuple):
    """Rows that are drawn and counted, but have no place yet."""

    first: int  # of the sources
    last: int
    lanes: npt.NDArray[Any]  # of their targets, row after row


class Stage:
    """A projection in the making: `count`, then, when all bases are known, `fill`, `weigh` and `delay`."""

    def __init__(self, model: Model, index: int, plan: Plan, threads: ThreadPoolExecutor, width: int) -> None:
        self.model = model
        self.index = index
        self.spec = model.projections[index]
        self.way = way_of(self.spec.rule)
        self.plan = plan
        self._packed = pack(plan)  # for compiled code
        self.threads = threads
        tasks = min(plan.source_size, width * TASKS_PER_THREAD) if len(plan.pieces) else 0
        bounds = [plan.source_size * i // tasks for i in range(tasks + 1)] if tasks else []
        self.source_runs = list(pairwise(bounds))
        changes = np.flatnonzero(np.diff(plan.pieces[:, PART], prepend=-1, append=-1)).tolist()
        self.piece_runs = list(pairwise(changes))  # the pieces of each part
        self.kept: list[Kept] = []
        self.parts = [int(plan.pieces[begin, PART]) for begin, _ in self.piece_runs]

    def count(self, row_starts: npt.NDArray[np.uint32], kind: npt.DTypeLike) -> None:
        """Write the length of each row to where the start of the next row will stand.

        `kind` is the type of targets.
        """
        kind = np.dtype(kind)
        match self.way:
            case BySources(_, rows):
                kept = self._each(lambda run: list(self._keep(rows, run, row_starts, kind)), self.source_runs)
                self.kept = [one for of_run in kept for one in of_run]
            case ByTargets(_, columns):
                none = np.empty(0, kind)
                self._each(lambda run: columns(self._packed, *run, False, row_starts, none), self.piece_runs)
            case InFile():
                self.way.place(self.model, self.index, self.plan, row_starts, None)
            case _:
                assert_never(self.way)

    def fill(self, built: Connections) -> None:
        """Put each synapse in its place, with the weight and the delay that a file gives it."""
        self.plan = self.plan._replace(synapse_bases=built.places[:, self.index, c.SYNAPSE_BASE].copy())
        self._packed = pack(self.plan)
        match self.way:
            case BySources():
                self._each(lambda _: self._place(built), range(len(self.kept)))
            case ByTargets(_, columns):
                self._shift_starts(built)
                self._each(
                    lambda run: columns(self._packed, *run, True, built.row_starts, built.targets),
                    self.piece_runs,
                )
            case InFile():
                self._shift_starts(built)
                self.way.place(self.model, self.index, self.plan, built.row_starts, built)
                self._each(lambda part: synapses.sort_rows(built, part, self.index), self.parts)
            case _:
                assert_never(self.way)

    def _shift_starts(self, built: Connections) -> None:
        for part in self.parts:
            synapses.shift_starts(built.rows(part, self.index))

    def weigh(self, built: Connections) -> None:
        """Draw individual weights."""
        weight = self.spec.weight
        if weight is not None and constant(weight) is None:
            self._draw_each(built, Purpose.WEIGHT, weight, 0.0, built.weights, c.WEIGHT_BASE)

    def delay(self, built: Connections) -> None:
        """Draw individual delays."""
        delay = self.spec.delay
        if delay is not None and constant(delay) is None:
            longest = self._draw_each(built, Purpose.DELAY, delay, self.model.run.dt, built.lags, c.LAG_BASE)
            synapses.check_steps(longest, self.index)

    def _delays(self, built: Connections) -> list[npt.NDArray[np.uint16]]:
        if constant(self.spec.delay) is not None:
            return []
        return [run for run in (synapses.lags_of(built, part, self.index) for part in self.parts) if run.size]

    def delays(self, built: Connections) -> tuple[int, int]:
        """The least and the longest of the individual delays, steps; beyond all, and 0, if there are none."""
        runs = self._delays(built)
        least = min((int(run.min()) for run in runs), default=synapses.MOST_STEPS + 1)
        return least, max((int(run.max()) for run in runs), default=0)

    def split_delays(self, built: Connections, least: int, most: int) -> None:
        """Split individual delays, `least` to `most` in the whole network, into the least and the lags."""
        if constant(self.spec.delay) is not None:
            return
        least = min(least, most)
        for run in self._delays(built):
            run -= np.uint16(least)
        built.projections[self.index, c.DELAY] = least
        built.projections[self.index, c.SLOTS] = 1 + most - least

    def in_degree(self, built: Connections) -> int:
        """The most synapses onto one cell."""

        def most(part: int) -> int:
            entries = built.entries(part, self.index)
            pieces = self.plan.pieces[self.plan.pieces[:, PART] == part]
            lanes = int((pieces[:, END] + pieces[:, SHIFT]).max())
            return int(synapses.in_degree(built.targets, entries.start, entries.stop, lanes))

        return max(self._each(most, self.parts), default=0)

    def _each(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> list[Any]:
        return list(self.threads.map(function, tasks))

    def _keep(
        self,
        rows: Callable[..., tuple[int, int]],
        run: tuple[int, int],
        row_starts: npt.NDArray[np.uint32],
        kind: np.dtype[Any],
    ) -> Iterator[Kept]:
        """Let the rule draw the rows of some sources.

        They are kept in memory that goes back to the system as soon as they are placed: while the targets
        grow, what is kept shrinks, so that both together take little more than the targets in the end.
        """
        first, last = run
        room = max(KEPT, self.plan.union_size, self.plan.k)
        while first < last:
            lanes = np.frombuffer(mmap.mmap(-1, room * kind.itemsize, PRIVATE), kind)
            reached, count = rows(self._packed, first, last, row_starts, lanes)
            yield Kept(first, reached, lanes[:count])
            first = reached

    def _place(self, built: Connections) -> None:
        """Place the rows of one run that was kept, and forget them."""
        kept = self.kept.pop()
        place(self._packed, kept.first, kept.last, built.row_starts, kept.lanes, built.targets)

    def _draw_each(
        self,
        built: Connections,
        purpose: Purpose,
        value: Value,
        quantum: float,
        out: npt.NDArray[Any],
        column: int,
    ) -> float:
        """Draw a value for each synapse; returns the largest."""
        key, terms = stream_key(purpose, self.index), distribution(value)

        def draw(task: tuple[int, tuple[int, int]]) -> float:
            part, (first, last) = task
            base = int(built.places[part, self.index, column])
            draws = synapses.Draws(key, part, first, last, quantum)
            arrays = built.row_starts, built.targets, out[base:]
            return float(synapses.draw_rows(self._packed, draws, terms, *arrays))

        tasks = [(part, run) for part in self.parts for run in self.source_runs]
        return max(self._each(draw, tasks), default=0.0)
