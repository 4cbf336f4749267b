"""Spikes on their way: from the log to the inboxes, and on to the conductances."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.jit.intrinsics import prefetch
from hhsim.jit.options import compiled_inline, inline, kernel
from hhsim.kernels.network import Network
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
)
from hhsim.network.layout import LANES
from hhsim.state.inboxes import BASE, ENTRY_INBOX, ENTRY_ROW, FIRST, RING, SUMS, WIDTH

index = np.uint64  # an index that cannot be negative needs no look at its sign


AHEAD = 8  # spikes between the one whose row is delivered and the one whose row is asked for
LINE = 64  # bytes that memory brings at once
MOST_LINES = 16  # of a row that are asked for: the processor foresees what follows
NEAR = 1 << 20  # bytes of targets that lie in the caches anyway


@kernel
def deliver(part: int, k: int, row: int, network: Network) -> None:
    """Bring the spikes whose least delay ends at step k (row `row` of the log) to this part's inboxes.

    Tile by tile, so that their arrivals stay in the cache; within a tile in the order of projections, then
    sources: a sum of individual weights is always added up in that order.
    """
    log, connections, shares = network.log, network.connections, network.shares
    for tile in range(shares.tiles[part], shares.tiles[part + 1]):
        for projection in range(connections.projections.shape[0]):
            about = connections.projections[projection]
            emitted = row - 1 - about[DELAY]
            if emitted < 0:
                continue
            first = about[SOURCE_FIRST_LANE]
            beyond = first + about[SOURCE_SIZE]
            for source_part in range(log.lanes.shape[0]):
                begin, end = log.ends[source_part, emitted], log.ends[source_part, emitted + 1]
                while begin < end and log.lanes[source_part, begin] < first:
                    begin += 1
                while begin < end and log.lanes[source_part, end - 1] >= beyond:
                    end -= 1
                if begin < end:
                    _deliver_rows(tile, projection, k, log.lanes[source_part, :end], begin, network)


@inline
def _deliver_rows(
    tile: int, projection: int, k: int, lanes: npt.NDArray[np.int32], begin: int, network: Network
) -> None:
    """Bring the rows of the sources in lanes[begin:] to one tile.

    A row lies anywhere in memory and is short: it is asked for while those before it are delivered.
    """
    connections, inboxes = network.connections, network.inboxes
    place, about = connections.places[tile, projection], connections.projections[projection]
    inbox = inboxes.table[projection]
    starts, end = connections.row_starts, lanes.size
    targets, weights, lags = connections.targets, connections.weights, connections.lags
    counts, sums = inboxes.counts, inboxes.sums
    first_row = place[ROW_BASE] - about[SOURCE_FIRST_LANE]
    first_target, first_weight, first_lag = place[SYNAPSE_BASE], place[WEIGHT_BASE], place[LAG_BASE]
    weighted, lagging = first_weight >= 0, first_lag >= 0
    base = inbox[BASE] + place[FIRST_LANE] - inbox[FIRST]
    slots, width = about[SLOTS], inbox[WIDTH]
    slot = k % slots
    far = targets.nbytes > NEAR
    for spike in range(begin - AHEAD if far else begin, end):
        if far and spike + 2 * AHEAD < end:
            prefetch(starts, first_row + lanes[spike + 2 * AHEAD])
        if far and spike + AHEAD < end:
            row = first_row + lanes[spike + AHEAD]
            here, there = np.int64(starts[index(row)]), np.int64(starts[index(row + 1)])
            _ask_for(targets, first_target, here, there)
            if weighted:
                _ask_for(weights, first_weight, here, there)
            if lagging:
                _ask_for(lags, first_lag, here, there)
        if spike < begin:
            continue
        row = first_row + lanes[spike]
        here, there = np.int64(starts[index(row)]), np.int64(starts[index(row + 1)])
        if not weighted and not lagging:
            for synapse in range(here, there):
                counts[index(base) + index(targets[index(first_target + synapse)])] += np.uint8(1)
        elif not lagging:
            for synapse in range(here, there):
                at = index(base) + index(targets[index(first_target + synapse)])
                sums[at] += weights[index(first_weight + synapse)]
        else:
            for synapse in range(here, there):
                later = slot + np.int64(lags[index(first_lag + synapse)])
                later -= slots if later >= slots else 0
                at = index(base + later * width) + index(targets[index(first_target + synapse)])
                if weighted:
                    sums[at] += weights[index(first_weight + synapse)]
                else:
                    counts[at] += np.uint8(1)


@compiled_inline
def _ask_for(array: npt.NDArray[Any], base: int, begin: int, end: int) -> None:
    """Ask for array[base + begin : base + end], or for the beginning of it."""
    line = LINE // array.itemsize
    for i in range(begin, min(end, begin + MOST_LINES * line), line):
        prefetch(array, base + i)


@inline
def receive(block: int, k: int, network: Network) -> None:
    """Add what arrives at step k to the conductances of a block, and empty its slots."""
    cells, inboxes = network.cells, network.inboxes
    real = cells.state.dtype.type  # or a float32 times a uint16 would be computed in float64
    start = cells.starts[block]
    for entry in range(inboxes.starts[block], inboxes.starts[block + 1]):
        inbox = inboxes.table[inboxes.entries[entry, ENTRY_INBOX]]
        weight = inboxes.weights[entry]
        to = start + index(inboxes.entries[entry, ENTRY_ROW] * LANES)
        at = index(inbox[BASE] + (k % inbox[RING]) * inbox[WIDTH] + block * LANES - inbox[FIRST])
        if inbox[SUMS]:
            for i in range(LANES):
                cells.state[to + index(i)] += weight * inboxes.sums[at + index(i)]
                inboxes.sums[at + index(i)] = 0
        else:
            for i in range(LANES):
                count = real(inboxes.counts[at + index(i)])
                cells.state[to + index(i)] += weight * count
                inboxes.counts[at + index(i)] = 0
