"""Build the synapses of a network: count them by row, find out where each row begins, then put them there.

Both passes draw the same numbers from the same keys, so that nothing but the synapses themselves is ever
held. Threads share the sources, or the parts where a rule is told by its targets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.errors import ConfigRefused, HhsimError, Problem
from hhsim.jit import available_processors
from hhsim.model import Constant, EdgesFromFile, FixedIndegree, FixedOutdegree, Model, OneToOne, Projection, Value
from hhsim.network import connections as c
from hhsim.network import rules, synapses
from hhsim.network.connections import Connections
from hhsim.network.layout import LANES, Layout
from hhsim.network.plan import BEGIN, END, PART, SHIFT, Plan, plan_projection, span_of, target_type
from hhsim.network.sonata import read_edges
from hhsim.random import Purpose, distribution, stream_key

TASKS_PER_THREAD = 8  # so that threads end together although rows differ

Task = tuple[int, int]


class TooManySynapses(HhsimError):
    """A projection has more synapses onto one part than the offsets of its rows can count."""

    exit_code = 6

    def __init__(self, projection: int, synapses: int) -> None:
        super().__init__(projection, synapses)
        self.projection = projection
        self.synapses = synapses

    def __str__(self) -> str:
        return (
            f"projection[{self.projection}] has {self.synapses} synapses onto the cells of one thread, which can "
            f"hold {synapses.MOST_IN_A_PART}; with more threads or processes, each has fewer"
        )


@dataclass
class _Projection:
    """One projection while it is built."""

    index: int
    model: Model
    spec: Projection
    plan: Plan
    threads: ThreadPoolExecutor
    sources: list[Task]  # runs of sources that share the work
    parts: list[Task]  # the runs of pieces of each part that has any

    def part_numbers(self) -> list[int]:
        return [int(self.plan.pieces[begin, PART]) for begin, _ in self.parts]

    def each(self, function: Callable[..., Any], tasks: Any) -> list[Any]:
        return list(self.threads.map(function, tasks))


def connect(
    model: Model, layout: Layout, cuts: list[int], real: npt.DTypeLike, threads: int | None = None
) -> Connections:
    """Build all synapses onto the blocks from cuts[0] to cuts[-1], cut into len(cuts) - 1 parts.

    Every partition of one config yields the same network; the cuts need not cover all of it. `real` is
    the type of individual weights. Raises ConfigRefused for a rule that its populations cannot satisfy,
    FileFailed for a file of edges that cannot be used, and TooManySynapses.
    """
    threads = threads or available_processors()
    places, table, uniform_weights = _tables(model, layout, cuts)
    row_starts = np.zeros(int((table[:, c.SOURCE_SIZE] + 1).sum()) * (len(cuts) - 1), np.uint32)
    kind = target_type(model, layout, cuts)
    with ThreadPoolExecutor(threads) as pool:
        projections = [
            _begin(model, layout, cuts, index, places[:, index, c.ROW_BASE].copy(), pool, threads)
            for index in range(len(model.projections))
        ]
        for projection in projections:
            _count(projection, row_starts, np.empty(0, kind))
        counts = _accumulate(places, table, row_starts)
        individual_weights = np.isnan(uniform_weights)
        individual_delays = np.array([not isinstance(p.delay, Constant) for p in model.projections], bool)
        built = Connections(
            targets=np.empty(_lay_out(places, counts, c.SYNAPSE_BASE, np.ones_like(individual_weights)), kind),
            row_starts=row_starts,
            weights=np.empty(_lay_out(places, counts, c.WEIGHT_BASE, individual_weights), real),
            lags=np.empty(_lay_out(places, counts, c.LAG_BASE, individual_delays), np.uint16),
            places=places,
            projections=table,
            uniform_weights=uniform_weights,
        )
        for projection in projections:
            bases = places[:, projection.index, c.SYNAPSE_BASE].copy()
            projection.plan = projection.plan._replace(synapse_bases=bases)
            _fill(projection, built)
            _weigh(projection, built)
            _delay(projection, built)
            table[projection.index, c.IN_DEGREE_MAX] = _in_degree(projection, built)
    return built


def _tables(
    model: Model, layout: Layout, cuts: list[int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """`places`, `projections` and `uniform_weights` as far as they are known before anything is drawn."""
    parts, count = len(cuts) - 1, len(model.projections)
    places = np.full((parts, count, c.PLACE_COLUMNS), c.NONE, np.int64)
    table = np.zeros((count, c.PROJECTION_COLUMNS), np.int64)
    uniform_weights = np.full(count, np.nan)
    for index, projection in enumerate(model.projections):
        source, span = layout.places[projection.source], span_of(projection, layout)
        table[index, c.SOURCE_FIRST_LANE] = source.first
        table[index, c.SOURCE_SIZE] = source.size
        table[index, c.SLOTS] = 1
        table[index, c.SPAN_FIRST_LANE] = span.first
        table[index, c.SPAN_LANES] = span.end - span.first
        places[:, index, c.FIRST_LANE] = [span.first_lane(cut * LANES) for cut in cuts[:-1]]
        if isinstance(projection.weight, Constant):
            uniform_weights[index] = projection.weight.value
        if isinstance(projection.delay, Constant):
            table[index, c.DELAY] = synapses.whole_steps(projection.delay.value, model.run.dt, index)
    lengths = np.tile(table[:, c.SOURCE_SIZE] + 1, parts)
    places[:, :, c.ROW_BASE] = (np.cumsum(lengths) - lengths).reshape(parts, count)
    return places, table, uniform_weights


def _begin(
    model: Model,
    layout: Layout,
    cuts: list[int],
    index: int,
    row_bases: npt.NDArray[np.int64],
    pool: ThreadPoolExecutor,
    threads: int,
) -> _Projection:
    plan = plan_projection(model, layout, cuts, index, row_bases)
    tasks = min(plan.source_size, threads * TASKS_PER_THREAD)
    bounds = [plan.source_size * i // tasks for i in range(tasks + 1)] if len(plan.pieces) else [0]
    changes = np.flatnonzero(np.diff(plan.pieces[:, PART], prepend=-1, append=-1)).tolist()
    sources, parts = (list(zip(x, x[1:], strict=False)) for x in (bounds, changes))
    return _Projection(index, model, model.projections[index], plan, pool, sources, parts)


def _count(projection: _Projection, row_starts: npt.NDArray[np.uint32], no_targets: npt.NDArray[Any]) -> None:
    """Write the length of each row to the place where the next row's start will stand."""
    if isinstance(projection.spec.rule, EdgesFromFile):
        _place_edges(projection, row_starts, None)
    else:
        _draw(projection, False, row_starts, no_targets)


def _accumulate(
    places: npt.NDArray[np.int64], table: npt.NDArray[np.int64], row_starts: npt.NDArray[np.uint32]
) -> npt.NDArray[np.int64]:
    """Turn lengths of rows into their starts; returns the synapses of each (part, projection)."""
    counts = np.zeros(places.shape[:2], np.int64)
    for part, projection in np.ndindex(*counts.shape):
        base = places[part, projection, c.ROW_BASE]
        starts = row_starts[base : base + table[projection, c.SOURCE_SIZE] + 1]
        counts[part, projection] = starts.sum(dtype=np.int64)
        if counts[part, projection] > synapses.MOST_IN_A_PART:
            raise TooManySynapses(projection, int(counts[part, projection]))
        np.cumsum(starts, out=starts)
    return counts


def _lay_out(
    places: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], column: int, wanted: npt.NDArray[Any]
) -> int:
    """Give each wanted (part, projection) its place in one array; returns the array's length."""
    lengths = np.where(wanted[np.newaxis, :], counts, 0)
    bases = (np.cumsum(lengths) - lengths.ravel()).reshape(counts.shape)
    places[:, :, column] = np.where(wanted[np.newaxis, :], bases, c.NONE)
    return int(lengths.sum())


def _fill(projection: _Projection, built: Connections) -> None:
    """Put each synapse in its place, with the weight and the delay that a file gives it."""
    rule = projection.spec.rule
    if isinstance(rule, FixedIndegree | EdgesFromFile):
        for part in projection.part_numbers():
            synapses.shift_starts(built.rows(part, projection.index))
    if isinstance(rule, EdgesFromFile):
        _place_edges(projection, built.row_starts, built)
        projection.each(lambda part: synapses.sort_rows(built, part, projection.index), projection.part_numbers())
    else:
        _draw(projection, True, built.row_starts, built.targets)


def _draw(
    projection: _Projection, fill: bool, row_starts: npt.NDArray[np.uint32], targets: npt.NDArray[Any]
) -> None:
    """Let the rule draw; the functions of rules that no config uses are never compiled."""
    match projection.spec.rule:
        case FixedOutdegree():
            function, tasks = rules.fixed_outdegree, projection.sources
        case FixedIndegree():
            function, tasks = rules.fixed_indegree, projection.parts
        case OneToOne():
            function, tasks = rules.one_to_one, projection.sources
        case _:  # all to all is pairwise Bernoulli with p = 1
            function, tasks = rules.bernoulli, projection.sources
    projection.each(lambda task: function(projection.plan, *task, fill, row_starts, targets), tasks)


def _place_edges(projection: _Projection, row_starts: npt.NDArray[np.uint32], built: Connections | None) -> None:
    """Count the edges of a file, or store them."""
    spec, plan, model = projection.spec, projection.plan, projection.model
    assert isinstance(spec.rule, EdgesFromFile)
    if len(spec.targets) != 1:
        problem = Problem(f"projection[{projection.index}].target", "edges from a file lead to one population")
        raise ConfigRefused(model.title or "config", (problem,))
    source, target = ((name, model.populations[name].size) for name in (spec.source, spec.targets[0]))
    chunks = read_edges(
        spec.rule.path, spec.rule.edges, source, target, spec.weight is None, spec.delay is None
    )
    for edges in chunks:
        if not len(plan.pieces):
            continue
        piece = np.minimum(np.searchsorted(plan.pieces[:, END], edges.targets, "right"), len(plan.pieces) - 1)
        of = plan.pieces[piece]
        ours = (of[:, BEGIN] <= edges.targets) & (edges.targets < of[:, END])
        part, lanes = of[ours, PART], (edges.targets + of[:, SHIFT])[ours]
        at = np.empty(part.size, np.int64)
        synapses.take_places(plan.row_bases[part] + edges.sources[ours] + 1, row_starts, at)
        if built is None:
            continue
        bases = built.places[part, projection.index]
        built.targets[bases[:, c.SYNAPSE_BASE] + at] = lanes
        if edges.weights is not None:
            built.weights[bases[:, c.WEIGHT_BASE] + at] = edges.weights[ours]
        if edges.delays is not None:
            steps = np.rint(edges.delays[ours] / model.run.dt)
            synapses.check_steps(float(steps.max(initial=0.0)), projection.index)
            built.lags[bases[:, c.LAG_BASE] + at] = steps


def _weigh(projection: _Projection, built: Connections) -> None:
    """Draw individual weights."""
    weight = projection.spec.weight
    if weight is not None and not isinstance(weight, Constant):
        _draw_each(projection, built, Purpose.WEIGHT, weight, 0.0, built.weights, c.WEIGHT_BASE)


def _delay(projection: _Projection, built: Connections) -> None:
    """Draw individual delays, and split all delays into the least and the lags beyond it."""
    delay, index = projection.spec.delay, projection.index
    if isinstance(delay, Constant):
        return
    if delay is not None:
        dt = projection.model.run.dt
        longest = _draw_each(projection, built, Purpose.DELAY, delay, dt, built.lags, c.LAG_BASE)
        synapses.check_steps(longest, index)
    runs = [synapses.lags_of(built, part, index) for part in projection.part_numbers()]
    runs = [run for run in runs if run.size]
    least = min((int(run.min()) for run in runs), default=0)
    for run in runs:
        run -= np.uint16(least)
    built.projections[index, c.DELAY] = least
    built.projections[index, c.SLOTS] = 1 + max((int(run.max()) for run in runs), default=0)


def _draw_each(
    projection: _Projection,
    built: Connections,
    purpose: Purpose,
    value: Value,
    quantum: float,
    out: npt.NDArray[Any],
    column: int,
) -> float:
    """Draw a value for each synapse; returns the largest."""
    assert not isinstance(value, Constant)
    key, terms = stream_key(purpose, projection.index), distribution(value)

    def draw(task: tuple[int, Task]) -> float:
        part, (first, last) = task
        base = built.places[part, projection.index, column]
        largest = synapses.draw_rows(
            projection.plan, key, part, first, last, *terms, quantum, built.row_starts, built.targets, out, base
        )
        return float(largest)

    tasks = [(part, run) for part in projection.part_numbers() for run in projection.sources]
    return max(projection.each(draw, tasks), default=0.0)


def _in_degree(projection: _Projection, built: Connections) -> int:
    def most(part: int) -> int:
        entries = built.entries(part, projection.index)
        lanes = projection.plan.pieces
        lanes = lanes[lanes[:, PART] == part]
        return int(synapses.in_degree(built.targets, entries.start, entries.stop, int((lanes[:, END] + lanes[:, SHIFT]).max())))

    return max(projection.each(most, projection.part_numbers()), default=0)
