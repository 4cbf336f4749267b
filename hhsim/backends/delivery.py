"""Spikes on their way: from Poisson inputs and from the log to the channels, and on to the conductances."""

from __future__ import annotations

import numpy as np

from hhsim.arrivals import BASE, FIRST, RING, SUMS, WIDTH, Arrivals
from hhsim.backends.meeting import Log, Plan
from hhsim.inputs import (
    CELLS,
    CHANNEL,
    OFF,
    OFFSET,
    ON,
    WEIGHTED,
    WINDOW,
    Trains,
    draw_next,
    enter_window,
)
from hhsim.inputs import FIRST as TRAIN_FIRST
from hhsim.intrinsics import prefetch
from hhsim.jit import compiled, inline, kernel
from hhsim.network.connections import (
    DELAY,
    FIRST_LANE,
    LAG_BASE,
    ROW_BASE,
    SLOTS,
    SOURCE_FIRST_LANE,
    SOURCE_SIZE,
    SYNAPSE_BASE,
    WEIGHT_BASE,
    Connections,
)
from hhsim.network.layout import LANES
from hhsim.state import Cells

index = np.uint64  # an index that cannot be negative needs no look at its sign


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
        base = channel[BASE] + place[FIRST_LANE] - channel[FIRST]
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
