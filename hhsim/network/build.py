"""Build the synapses of a network: count them by row, find out where each row begins, then put them there.

Nothing but the synapses themselves is ever held: rows wait for their place where they were drawn, or, where a
rule is told by its targets, are drawn twice from the same keys. Threads share the sources, or the parts.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.errors import TooManySynapses, check_threads
from hhsim.jit.options import available_processors
from hhsim.model import Model, constant
from hhsim.network import connections as c
from hhsim.network.connections import Connections, Gather, alone
from hhsim.network.layout import LANES, Layout, lay_out
from hhsim.network.plan import plan_projection, span_of, target_type
from hhsim.network.rules import InFile, way_of
from hhsim.network.stage import Stage
from hhsim.network.synapses import whole_steps

MOST_IN_A_PART = 2**32 - 1  # synapses of one projection: what the uint32 of `row_starts` can count

# Arrivals of so many cells stay near the processor while all spikes of a step are delivered, and their lanes
# fit uint16; but each piece of a row costs some 50 ns. Measured with 100 000 cells of 1000 synapses for each
# of two threads: 0.98 ns an event without tiles, 0.80 with two (250 synapses in a piece), 1.03 with four.
TILE_LANES = 32768
LEAST_PIECE = 192  # synapses that a tile's piece of a row should have on average


def connect(
    model: Model,
    layout: Layout,
    cuts: list[int],
    real: npt.DTypeLike,
    threads: int | None = None,
    gather: Gather = alone,
) -> Connections:
    """Build all synapses onto the blocks from cuts[0] to cuts[-1], cut into len(cuts) - 1 parts.

    Every partition of one config yields the same network; the cuts need not cover all of it. `real` is the
    type of individual weights. `gather` brings together what concerns the whole network, such as the least
    delay, from the processes that share it. Raises ConfigRefused for a rule that its populations cannot
    satisfy, FileFailed for a file of edges that cannot be used, and TooManySynapses.
    """
    check_threads(threads)
    threads = available_processors() if threads is None else threads
    places, table, uniform_weights = _tables(model, layout, cuts)
    row_starts = np.zeros(int((table[:, c.SOURCE_SIZE] + 1).sum()) * (len(cuts) - 1), np.uint32)
    kind = target_type(model, layout, cuts)
    with ThreadPoolExecutor(threads) as pool:
        stages = []
        for index in range(len(model.projections)):
            plan = plan_projection(model, layout, cuts, index, places[:, index, c.ROW_BASE].copy())
            stages.append(Stage(model, index, plan, pool, threads))
        for stage in stages:
            stage.count(row_starts, kind)
        counts = _accumulate(places, table, row_starts)
        individual_weights = np.isnan(uniform_weights)
        individual_delays = np.array([constant(p.delay) is None for p in model.projections], bool)
        built = Connections(
            targets=np.empty(
                _lay_out(places, counts, c.SYNAPSE_BASE, np.ones_like(individual_weights)), kind
            ),
            row_starts=row_starts,
            weights=np.empty(_lay_out(places, counts, c.WEIGHT_BASE, individual_weights), real),
            lags=np.empty(_lay_out(places, counts, c.LAG_BASE, individual_delays), np.uint16),
            places=places,
            projections=table,
            uniform_weights=uniform_weights,
        )
        for stage in stages:
            stage.fill(built)
            stage.weigh(built)
            stage.delay(built)
        rows = [(*stage.delays(built), stage.in_degree(built)) for stage in stages]
        own = np.array(rows, np.int64).reshape(-1, 3)
        everywhere = np.stack([each.reshape(own.shape) for each in gather(own.ravel())])
        for stage, (least, most, in_degree) in zip(stages, _extremes(everywhere), strict=True):
            stage.split_delays(built, least, most)
            table[stage.index, c.IN_DEGREE_MAX] = in_degree
    return built


def _extremes(everywhere: npt.NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Least and longest delay and largest in-degree of each projection, from (processes, projections, 3)."""
    least, most = everywhere[:, :, 0].min(axis=0), everywhere[:, :, 1:].max(axis=0)
    return [(int(a), int(b), int(c)) for a, (b, c) in zip(least, most, strict=True)]


class Tiles(NamedTuple):
    """The cells of each part in runs of blocks, whose synapses lie together."""

    cuts: list[int]  # blocks: tile t owns those from cuts[t] to cuts[t + 1]
    first: list[int]  # part p owns the tiles from first[p] to first[p + 1]


def tile(model: Model, layout: Layout, cuts: list[int]) -> Tiles:
    """Cut parts into tiles for `connect`, where that makes delivery faster.

    It does for long rows of synapses with one weight: sums of individual weights gain nothing.
    """
    rows = sum(model.populations[one.source].size for one in model.projections)
    uniform = [i for i, one in enumerate(model.projections) if constant(one.weight) is not None]
    length = sum(expected_synapses(model, i) for i in uniform) / max(rows, 1)  # of a row, on average
    tile_cuts, first = [], [0]
    for begin, end in pairwise(cuts):
        wanted = -(-(end - begin) * LANES // TILE_LANES)
        allowed = int(length * (end - begin) / (max(layout.blocks, 1) * LEAST_PIECE))
        count = max(1, min(wanted, allowed))
        tile_cuts += [begin + (end - begin) * i // count for i in range(count)]
        first.append(len(tile_cuts))
    return Tiles([*tile_cuts, cuts[-1]], first)


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
        weight, delay = constant(projection.weight), constant(projection.delay)
        if weight is not None:
            uniform_weights[index] = weight
        if delay is not None:
            table[index, c.DELAY] = whole_steps(delay, model.run.dt, index)
    lengths = np.tile(table[:, c.SOURCE_SIZE] + 1, parts)
    places[:, :, c.ROW_BASE] = (np.cumsum(lengths) - lengths).reshape(parts, count)
    return places, table, uniform_weights


def _accumulate(
    places: npt.NDArray[np.int64], table: npt.NDArray[np.int64], row_starts: npt.NDArray[np.uint32]
) -> npt.NDArray[np.int64]:
    """Turn lengths of rows into their starts; returns the synapses of each (part, projection)."""
    counts = np.zeros(places.shape[:2], np.int64)
    for part, projection in np.ndindex(*counts.shape):
        base = places[part, projection, c.ROW_BASE]
        starts = row_starts[base : base + table[projection, c.SOURCE_SIZE] + 1]
        counts[part, projection] = starts.sum(dtype=np.int64)
        if counts[part, projection] > MOST_IN_A_PART:
            raise TooManySynapses(projection, int(counts[part, projection]), MOST_IN_A_PART)
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


def expected_synapses(model: Model, projection: int) -> float:
    """How many synapses a projection will have on average (exactly, but for pairwise Bernoulli)."""
    spec = model.projections[projection]
    expected = model.expected_synapses(spec)
    if expected is not None:
        return float(expected)
    way = way_of(spec.rule)
    assert isinstance(way, InFile), f"the rule {spec.rule.name} does not know how many synapses it makes"
    return float(way.count(spec.rule))


def memory_needed(model: Model, parts: int, ranks: int = 1) -> int:
    """Bytes that the connections will take, cut into the tiles of `parts`, before they are built.

    With several ranks, of which each has so many parts: in each of them.
    """
    layout = lay_out(model)
    cuts = tile(model, layout, layout.cuts(parts * ranks)).cuts
    size_of_target = np.dtype(target_type(model, layout, cuts)).itemsize
    size_of_weight = np.dtype(model.run.precision).itemsize
    total = 0.0
    for index, projection in enumerate(model.projections):
        each = size_of_target
        each += 0 if constant(projection.weight) is not None else size_of_weight
        each += 0 if constant(projection.delay) is not None else 2
        total += expected_synapses(model, index) * each / ranks
        total += 4 * (model.populations[projection.source].size + 1) * (len(cuts) - 1) / ranks
    return round(total)
