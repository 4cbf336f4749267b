"""Spikes on their way: from the log to the arrivals of their targets, a team of threads for each row."""

from __future__ import annotations

from typing import Any

import numpy as np

from hhsim.kernels.cuda.compiling import cuda, kernel
from hhsim.kernels.cuda.intrinsics import atomic_add
from hhsim.kernels.cuda.lanes import fact, index, slot_of
from hhsim.kernels.cuda.tables import (
    CAPACITY,
    DELAY,
    ENDS,
    FAILURE,
    FIRST_STEP,
    HISTORY,
    INBOX_COLUMNS,
    INBOXES,
    LAG_BASE,
    LANES_IN_ALL,
    NO_FAILURE,
    PROJECTION_COLUMNS,
    PROJECTION_COUNT,
    PROJECTIONS,
    ROW_BASE,
    SCATTER_STEP,
    SLOTS,
    SOURCE_FIRST,
    SOURCE_SIZE,
    SYNAPSE_BASE,
    TARGET_BASE,
    UPDATE_STEP,
    WEIGHT_BASE,
)
from hhsim.state.inboxes import WIDTH


@kernel
def scatter(arrays: Any) -> None:
    """Begin the next step: bring the spikes whose least delay is over to their targets' inboxes.

    Its first thread decides whether there is a next step: not where the spikes of one more may find no room,
    nor after a potential that is not finite. Counts and whole units are exact in any order of additions.
    """
    tables, ledger, spikes = arrays.tables, arrays.ledger, arrays.spikes
    targets, row_starts, weights, lags = arrays.targets, arrays.row_starts, arrays.weights, arrays.lags
    k = fact(ledger, SCATTER_STEP)
    ends = fact(tables, ENDS)
    row = fact(tables, HISTORY) + k - fact(ledger, FIRST_STEP)
    room = fact(tables, CAPACITY) - fact(tables, LANES_IN_ALL)
    goes_on = fact(ledger, ends + row) <= room and fact(ledger, FAILURE) == NO_FAILURE
    if cuda.grid(1) == 0 and cuda.threadIdx.y == 0:
        ledger[UPDATE_STEP] = k if goes_on else -1
        if goes_on:
            ledger[ends + row + 1] = fact(ledger, ends + row)
    if not goes_on:
        return
    team = np.int64(cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y)
    teams = cuda.gridDim.x * cuda.blockDim.y
    for number in range(fact(tables, PROJECTION_COUNT)):
        about = fact(tables, PROJECTIONS) + number * PROJECTION_COLUMNS
        emitted = row - 1 - fact(tables, about + DELAY)
        if emitted < 0:
            continue
        first_source, sources = fact(tables, about + SOURCE_FIRST), fact(tables, about + SOURCE_SIZE)
        slots = fact(tables, about + SLOTS)
        width = fact(tables, fact(tables, INBOXES) + number * INBOX_COLUMNS + WIDTH)
        base, slot = fact(tables, about + TARGET_BASE), slot_of(k, slots)
        weight_base, lag_base = fact(tables, about + WEIGHT_BASE), fact(tables, about + LAG_BASE)
        synapse_base = fact(tables, about + SYNAPSE_BASE)
        spike, end = fact(ledger, ends + emitted) + team, fact(ledger, ends + emitted + 1)
        while spike < end:
            source = spikes[index(spike)] - first_source
            spike += teams
            if source < 0 or source >= sources:
                continue
            row_start = fact(tables, about + ROW_BASE) + source
            own = np.int64(row_starts[index(row_start)]) + cuda.threadIdx.x
            finish = np.int64(row_starts[index(row_start + 1)])
            while own < finish:
                later = slot
                if lag_base >= 0:
                    later += np.int64(lags[index(lag_base + own)])
                    later -= slots if later >= slots else 0
                at = base + later * width + np.int64(targets[index(synapse_base + own)])
                if weight_base >= 0:
                    atomic_add(arrays.sums, index(at), np.int64(weights[index(weight_base + own)]))
                else:
                    atomic_add(arrays.counts, index(at), np.uint32(1))
                own += cuda.blockDim.x
