"""One projection while it is built: what is done to it, with the work shared among threads."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple, assert_never

import numpy as np
import numpy.typing as npt

from hhsim.circuits.edges import Wanted, read_edges
from hhsim.errors import ConfigRefused, Problem
from hhsim.jit.structs import pack
from hhsim.model import (
    AllToAll,
    EdgesFromFile,
    FixedIndegree,
    FixedOutdegree,
    Model,
    OneToOne,
    PairwiseBernoulli,
    Value,
    constant,
)
from hhsim.network import connections as c
from hhsim.network import rules, synapses
from hhsim.network.connections import Connections
from hhsim.network.plan import BEGIN, END, PART, SHIFT, Plan
from hhsim.network.random import Purpose, distribution, stream_key

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
        rule, kind = self.spec.rule, np.dtype(kind)
        match rule:
            case EdgesFromFile():
                self._place_edges(rule, row_starts, None)
            case FixedIndegree():
                self._each(
                    lambda run: rules.fixed_indegree(
                        self._packed, *run, False, row_starts, np.empty(0, kind)
                    ),
                    self.piece_runs,
                )
            case PairwiseBernoulli() | AllToAll() | FixedOutdegree() | OneToOne():
                kept = self._each(lambda run: list(self._keep(run, row_starts, kind)), self.source_runs)
                self.kept = [one for of_run in kept for one in of_run]
            case _:
                assert_never(rule)

    def fill(self, built: Connections) -> None:
        """Put each synapse in its place, with the weight and the delay that a file gives it."""
        rule = self.spec.rule
        self.plan = self.plan._replace(synapse_bases=built.places[:, self.index, c.SYNAPSE_BASE].copy())
        self._packed = pack(self.plan)
        match rule:
            case EdgesFromFile():
                self._shift_starts(built)
                self._place_edges(rule, built.row_starts, built)
                self._each(lambda part: synapses.sort_rows(built, part, self.index), self.parts)
            case FixedIndegree():
                self._shift_starts(built)
                self._each(
                    lambda run: rules.fixed_indegree(
                        self._packed, *run, True, built.row_starts, built.targets
                    ),
                    self.piece_runs,
                )
            case PairwiseBernoulli() | AllToAll() | FixedOutdegree() | OneToOne():
                self._each(lambda _: self._place(built), range(len(self.kept)))
            case _:
                assert_never(rule)

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
        self, run: tuple[int, int], row_starts: npt.NDArray[np.uint32], kind: np.dtype[Any]
    ) -> Iterator[Kept]:
        """Let the rule draw the rows of some sources; functions that no config uses are never compiled.

        They are kept in memory that goes back to the system as soon as they are placed: while the targets
        grow, what is kept shrinks, so that both together take little more than the targets in the end.
        """
        rule = self.spec.rule
        match rule:
            case PairwiseBernoulli() | AllToAll():  # all to all is pairwise Bernoulli with p = 1
                function = rules.bernoulli
            case FixedOutdegree():
                function = rules.fixed_outdegree
            case OneToOne():
                function = rules.one_to_one
            case FixedIndegree() | EdgesFromFile():
                raise AssertionError("a rule that is told by its targets keeps no rows")
            case _:
                assert_never(rule)
        first, last = run
        room = max(KEPT, self.plan.union_size, self.plan.k)
        while first < last:
            lanes = np.frombuffer(mmap.mmap(-1, room * kind.itemsize, PRIVATE), kind)
            reached, count = function(self._packed, first, last, row_starts, lanes)
            yield Kept(first, reached, lanes[:count])
            first = reached

    def _place(self, built: Connections) -> None:
        """Place the rows of one run that was kept, and forget them."""
        kept = self.kept.pop()
        rules.place(self._packed, kept.first, kept.last, built.row_starts, kept.lanes, built.targets)

    def _place_edges(
        self, rule: EdgesFromFile, row_starts: npt.NDArray[np.uint32], built: Connections | None
    ) -> None:
        """Count the edges of a file, or store them."""
        spec, pieces = self.spec, self.plan.pieces
        if len(spec.targets) != 1:
            problem = Problem(f"projection[{self.index}].target", "edges from a file lead to one population")
            raise ConfigRefused(self.model.title or "config", (problem,))
        source, target = ((name, self.model.populations[name].size) for name in (spec.source, *spec.targets))
        longest = (synapses.MOST_STEPS + 0.5) * self.model.run.dt
        wanted = Wanted(spec.weight is None, spec.delay is None, longest)
        for edges in read_edges(rule, source, target, wanted):
            if len(pieces) == 0:
                continue
            last = len(pieces) - 1
            of = pieces[np.minimum(np.searchsorted(pieces[:, END], edges.targets, "right"), last)]
            ours = (of[:, BEGIN] <= edges.targets) & (edges.targets < of[:, END])
            part, lanes = of[ours, PART], (edges.targets + of[:, SHIFT])[ours]
            at = np.empty(part.size, np.int64)
            synapses.take_places(self.plan.row_bases[part] + edges.sources[ours] + 1, row_starts, at)
            if built is None:
                continue
            bases = built.places[part, self.index]
            built.targets[bases[:, c.SYNAPSE_BASE] + at] = lanes
            if edges.weights is not None:
                built.weights[bases[:, c.WEIGHT_BASE] + at] = edges.weights[ours]
            if edges.delays is not None:
                steps = np.rint(edges.delays[ours] / self.model.run.dt)
                synapses.check_steps(float(steps.max(initial=0.0)), self.index)
                built.lags[bases[:, c.LAG_BASE] + at] = steps

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
