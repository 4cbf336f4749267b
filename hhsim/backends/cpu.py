"""Loops over steps, parts, blocks and lanes on the processor. No physics: that is in the rendered `step`.

The network is cut by target: each part belongs to one thread, which brings arrivals to its own cells,
advances them, and writes their spikes into its own part of the log. Threads meet once an epoch, the longest
time in which no spike can reach another cell (one step without delays).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.arrivals import BASE, FIRST, RING, SUMS, WIDTH, Arrivals
from hhsim.cell import HUGE
from hhsim.inputs import (
    CELLS,
    CHANNEL,
    OFF,
    OFFSET,
    ON,
    WEIGHTED,
    WINDOW,
    Currents,
    Trains,
    draw_next,
    enter_window,
)
from hhsim.inputs import FIRST as TRAIN_FIRST
from hhsim.jit import (
    atomic_add,
    atomic_load,
    compiled,
    compiled_inline,
    compiled_parallel,
    inline,
    kernel,
    pause,
    prange,
    prefetch,
    yield_processor,
)
from hhsim.network.connections import (
    DELAY,
    FIRST_LANE,
    LAG_BASE,
    ROW_BASE,
    SLOTS,
    SOURCE_FIRST_LANE,
    SOURCE_SIZE,
    SPAN_FIRST_LANE,
    SYNAPSE_BASE,
    WEIGHT_BASE,
    Connections,
)
from hhsim.network.layout import LANES
from hhsim.state import Cells, Work

__all__ = ["begin", "collect", "prepare", "receive", "settle", "wait"]  # what a rendered module calls

index = np.uint64  # an index that cannot be negative needs no look at its sign
PATIENCE = 2000  # looks at the barrier before a thread offers its processor to others
ARRIVED, GENERATION = 0, 16  # elements of `Plan.barrier`, a cache line apart


class Log(NamedTuple):
    """Spikes of a chunk and of the steps before it that delays still reach back to.

    Row r is for step `first_step − history + r`; part q's spikes of row r are
    nodes[q, ends[q, r] : ends[q, r + 1]], lanes in ascending order.
    """

    nodes: npt.NDArray[np.int32]  # (parts, capacity)
    ends: npt.NDArray[np.int64]  # (parts, history + most steps + 1)
    suppressed: npt.NDArray[np.int64]  # (parts, populations) crossings within the refractory time
    failures: npt.NDArray[np.int64]  # (parts, 2): step and lane of the first potential not finite, or −1


class Samples(NamedTuple):
    """States that are recorded. Trace t samples every `every[t]` steps into rows of `width[t]` numbers."""

    places: npt.NDArray[np.int64]  # index in the state of each sampled number
    cuts: npt.NDArray[np.int64]  # (traces, parts + 1): part p samples places[cuts[t, p] : cuts[t, p + 1]]
    every: npt.NDArray[np.int64]  # (traces,) steps
    width: npt.NDArray[np.int64]  # (traces,)
    offsets: npt.NDArray[np.int64]  # (traces,) where the chunk's frames begin in `frames`
    frames: npt.NDArray[np.float32]


class Plan(NamedTuple):
    """How the work is shared out."""

    cuts: npt.NDArray[np.int64]  # (parts + 1,) part p owns the blocks from cuts[p] to cuts[p + 1]
    history: int  # steps of the log before the chunk
    epoch: int  # steps between two meetings of the threads
    barrier: npt.NDArray[np.int64]
    patience: int  # looks at the barrier before yielding
    together: bool  # the threads of all parts run at once, so that they can wait for each other


@compiled
def wait(plan: Plan) -> None:
    """Wait until all parts are here."""
    parts = plan.cuts.size - 1
    if parts == 1:
        return
    barrier = plan.barrier
    generation = atomic_load(barrier, GENERATION)
    if atomic_add(barrier, ARRIVED, 1) == parts - 1:
        atomic_add(barrier, ARRIVED, -parts)
        atomic_add(barrier, GENERATION, 1)
        return
    looks = 0
    while atomic_load(barrier, GENERATION) == generation:
        looks += 1
        if looks > plan.patience:
            yield_processor()
        else:
            pause()


@compiled_parallel
def threads_meet(parts: int, met: npt.NDArray[np.int64]) -> None:
    """How many of `parts` threads really run at once, in met[1]: each waits for all, but not for ever."""
    for _ in prange(parts):
        atomic_add(met, 0, 1)
        for _look in range(200_000):
            if atomic_load(met, 0) == parts:
                atomic_add(met, 1, 1)
                break
            yield_processor()


@compiled
def settle(plan: Plan, log: Log, row: int, last_step: int) -> bool:
    """After a meeting at the end of `last_step`: must all stop here? All parts come to the same answer."""
    capacity = log.nodes.shape[1]
    for part in range(log.nodes.shape[0]):
        lanes = (plan.cuts[part + 1] - plan.cuts[part]) * LANES
        if log.ends[part, row + 1] + lanes * plan.epoch > capacity:
            return True
        if 0 <= log.failures[part, 0] <= last_step:
            return True
    return False


@kernel
def begin(part: int, cells: Cells, plan: Plan, shift: int) -> None:
    """Count the refractory clocks from this chunk's start, `shift` steps after that of the one before."""
    for block in range(plan.cuts[part], plan.cuts[part + 1]):
        row = cells.clock_rows[cells.owners[block]] * LANES
        at = cells.starts[block] + index(row)
        for i in range(LANES):
            cells.state[at + index(i)] = max(cells.state[at + index(i)] - shift, -1)


@kernel
def sample(part: int, k: int, first_step: int, cells: Cells, samples: Samples) -> None:
    """Record the states at the beginning of step k."""
    for trace in range(samples.every.size):
        every = samples.every[trace]
        if k % every == 0:
            first_frame = -(-first_step // every)
            row = samples.offsets[trace] + (k // every - first_frame) * samples.width[trace]
            base = samples.cuts[trace, 0]
            for i in range(samples.cuts[trace, part], samples.cuts[trace, part + 1]):
                samples.frames[row + i - base] = cells.state[samples.places[i]]


@kernel
def apply_currents(part: int, k: int, cells: Cells, currents: Currents, plan: Plan) -> None:
    """Where a current goes on or off at step k, add up what flows from now on."""
    changed = False
    for i in range(currents.table.shape[0]):
        changed |= currents.table[i, 2] == k or currents.table[i, 3] == k
    if not changed:
        return
    low, high = plan.cuts[part] * LANES, plan.cuts[part + 1] * LANES
    for adding in range(2):
        for i in range(currents.table.shape[0]):
            first, last, on, off, offset = currents.table[i]
            if adding == 1 and not on <= k < off:
                continue
            for lane in range(max(first, low), min(last, high)):
                block = lane // LANES
                row = cells.current_rows[cells.owners[block]]
                at = cells.starts[block] + index(row * LANES + lane % LANES)
                if adding == 0:
                    cells.state[at] = 0
                else:
                    cells.state[at] += currents.amplitudes[offset + lane - first]


@compiled
def bring_trains(part: int, k: int, first_step: int, trains: Trains, arrivals: Arrivals, plan: Plan) -> None:
    """Let the spikes of the Poisson inputs arrive that fall into step k."""
    low, high = plan.cuts[part] * LANES, plan.cuts[part + 1] * LANES
    for train in range(trains.table.shape[0]):
        table = trains.table[train]
        on = table[ON]
        if not on <= k < table[OFF]:
            continue
        first = max(table[TRAIN_FIRST], low)
        last = min(table[TRAIN_FIRST] + table[CELLS], high)
        entering = k % WINDOW == 0 or k in (first_step, on)
        channel = arrivals.channels[table[CHANNEL]]
        for lane in range(first, last):
            cell = table[OFFSET] + lane - table[TRAIN_FIRST]
            if entering:
                enter_window(trains, train, cell, k)
            while trains.next[cell] == k:
                at = channel[BASE] + lane - channel[FIRST]
                if table[WEIGHTED]:
                    arrivals.sums[at] += trains.weights[cell]
                else:
                    arrivals.counts[at] += np.uint8(1)
                draw_next(trains, train, cell, k // WINDOW)


@kernel
def deliver(part: int, k: int, row: int, log: Log, connections: Connections, arrivals: Arrivals) -> None:
    """Bring the spikes whose least delay ends at step k (row `row` of the log) to this part's channels.

    In the order of projections, then sources: a sum of individual weights is always added up in that order.
    """
    targets, starts = connections.targets, connections.row_starts
    for projection in range(connections.projections.shape[0]):
        about = connections.projections[projection]
        emitted = row - 1 - about[DELAY]
        if emitted < 0:
            continue
        place = connections.places[part, projection]
        channel = arrivals.channels[projection]
        base = channel[BASE] + place[FIRST_LANE] - about[SPAN_FIRST_LANE]
        slots, width = about[SLOTS], channel[WIDTH]
        slot = k % slots
        first_source, sources = about[SOURCE_FIRST_LANE], about[SOURCE_SIZE]
        plain = place[WEIGHT_BASE] < 0 and place[LAG_BASE] < 0
        for source_part in range(log.nodes.shape[0]):
            spike, end = log.ends[source_part, emitted], log.ends[source_part, emitted + 1]
            while spike < end and log.nodes[source_part, spike] < first_source:
                spike += 1
            while spike < end:
                source = log.nodes[source_part, spike] - first_source
                if source >= sources:
                    break
                spike += 1
                row_start = place[ROW_BASE] + source
                begins = place[SYNAPSE_BASE] + np.int64(starts[index(row_start)])
                ends = place[SYNAPSE_BASE] + np.int64(starts[index(row_start + 1)])
                if spike < end:
                    next_source = log.nodes[source_part, spike] - first_source
                    if next_source < sources:
                        upcoming = place[SYNAPSE_BASE] + np.int64(
                            starts[index(place[ROW_BASE] + next_source)]
                        )
                        prefetch(targets, upcoming)
                        prefetch(targets, upcoming + 32)
                if plain:
                    for synapse in range(begins, ends):
                        at = index(base) + index(targets[index(synapse)])
                        arrivals.counts[at] += np.uint8(1)
                else:
                    lag = np.int64(0)
                    for synapse in range(begins, ends):
                        own = synapse - place[SYNAPSE_BASE]
                        if place[LAG_BASE] >= 0:
                            lag = np.int64(connections.lags[place[LAG_BASE] + own])
                        later = slot + lag
                        later -= slots if later >= slots else 0
                        at = index(base + later * width) + index(targets[index(synapse)])
                        if place[WEIGHT_BASE] >= 0:
                            arrivals.sums[at] += connections.weights[place[WEIGHT_BASE] + own]
                        else:
                            arrivals.counts[at] += np.uint8(1)


@kernel
def prepare(
    part: int,
    k: int,
    first_step: int,
    cells: Cells,
    connections: Connections,
    arrivals: Arrivals,
    trains: Trains,
    currents: Currents,
    samples: Samples,
    log: Log,
    plan: Plan,
) -> None:
    """All that happens to a part's cells at t = k·dt, before they are advanced to t + dt."""
    row = plan.history + k - first_step
    log.ends[part, row + 1] = log.ends[part, row]
    sample(part, k, first_step, cells, samples)
    apply_currents(part, k, cells, currents, plan)
    bring_trains(part, k, first_step, trains, arrivals, plan)
    deliver(part, k, row, log, connections, arrivals)


@inline
def receive(block: int, k: int, cells: Cells, arrivals: Arrivals) -> None:
    """Add what arrives at step k to the conductances of a block, and empty its slots."""
    real = cells.state.dtype.type  # or a float32 times a uint16 would be computed in float64
    start = cells.starts[block]
    for entry in range(arrivals.starts[block], arrivals.starts[block + 1]):
        channel = arrivals.channels[arrivals.entries[entry, 0]]
        weight = arrivals.weights[entry]
        to = start + index(arrivals.entries[entry, 1] * LANES)
        at = index(channel[BASE] + (k % channel[RING]) * channel[WIDTH] + block * LANES - channel[FIRST])
        if channel[SUMS]:
            for i in range(LANES):
                cells.state[to + index(i)] += weight * arrivals.sums[at + index(i)]
                arrivals.sums[at + index(i)] = 0
        else:
            for i in range(LANES):
                count = real(arrivals.counts[at + index(i)])
                cells.state[to + index(i)] += weight * count
                arrivals.counts[at + index(i)] = 0


@compiled_inline
def collect(part: int, block: int, k: int, now: int, row: int, cells: Cells, work: Work, log: Log) -> None:
    """Write the spikes that `step` marked in a block into the log and set their refractory clocks."""
    words, marks = work.words[part], work.marks[part]
    for word in range(LANES // 8):
        if words[word] == 0:
            continue
        owner = cells.owners[block]
        for i in range(word * 8, word * 8 + 8):
            lane = block * LANES + i
            if marks[i] == 0 or lane >= cells.ends[block]:
                continue
            at = cells.starts[block] + index(i)
            clock = at + index(cells.clock_rows[owner] * LANES)
            if not abs(cells.state[at]) < HUGE:  # the same test as in `step`
                if log.failures[part, 0] < 0:
                    log.failures[part, 0] = k
                    log.failures[part, 1] = lane
            elif cells.state[clock] <= now:
                end = log.ends[part, row + 1]
                log.nodes[part, end] = lane
                log.ends[part, row + 1] = end + 1
                cells.state[clock] = now + cells.refractory[owner]
            else:
                log.suppressed[part, owner] += 1
