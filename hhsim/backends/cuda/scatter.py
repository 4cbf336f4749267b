"""Spikes on their way: from the log to the arrivals of their targets, a team of threads for each row."""

from __future__ import annotations

from typing import Any

import numpy as np

from hhsim.arrivals import WIDTH
from hhsim.backends.cuda.compiling import cuda, kernel
from hhsim.backends.cuda.intrinsics import atomic_add
from hhsim.backends.cuda.tables import (
    CAPACITY,
    CHANNEL_COLUMNS,
    CHANNELS,
    DELAY,
    ENDS,
    FAILURE,
    FIRST_STEP,
    HISTORY,
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

index = np.uint64


@kernel
def scatter(
    tables: Any,
    targets: Any,
    row_starts: Any,
    weights: Any,
    lags: Any,
    counts: Any,
    sums: Any,
    spikes: Any,
    ledger: Any,
) -> None:
    """Begin the next step: bring the spikes whose least delay is over to their targets' arrivals.

    Its first thread decides whether there is a next step: not where the spikes of one more may find no room,
    nor after a potential that is not finite. Counts and whole units are exact in any order of additions.
    """
    k = ledger[SCATTER_STEP]
    ends = tables[ENDS]
    row = tables[HISTORY] + k - ledger[FIRST_STEP]
    goes_on = ledger[ends + row] + tables[LANES_IN_ALL] <= tables[CAPACITY] and ledger[FAILURE] == NO_FAILURE
    if cuda.grid(1) == 0 and cuda.threadIdx.y == 0:
        ledger[UPDATE_STEP] = k if goes_on else -1
        if goes_on:
            ledger[ends + row + 1] = ledger[ends + row]
    if not goes_on:
        return
    team = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
    teams = cuda.gridDim.x * cuda.blockDim.y
    for number in range(tables[PROJECTION_COUNT]):
        about = tables[PROJECTIONS] + number * PROJECTION_COLUMNS
        emitted = row - 1 - tables[about + DELAY]
        if emitted < 0:
            continue
        first_source, sources = tables[about + SOURCE_FIRST], tables[about + SOURCE_SIZE]
        slots, width = tables[about + SLOTS], tables[tables[CHANNELS] + number * CHANNEL_COLUMNS + WIDTH]
        base, slot = tables[about + TARGET_BASE], k % slots
        weight_base, lag_base = tables[about + WEIGHT_BASE], tables[about + LAG_BASE]
        for spike in range(ledger[ends + emitted] + team, ledger[ends + emitted + 1], teams):
            source = spikes[index(spike)] - first_source
            if source < 0 or source >= sources:
                continue
            row_start = tables[about + ROW_BASE] + source
            begins, finish = (
                np.int64(row_starts[index(row_start)]),
                np.int64(row_starts[index(row_start + 1)]),
            )
            for own in range(begins + cuda.threadIdx.x, finish, cuda.blockDim.x):
                later = slot
                if lag_base >= 0:
                    later += np.int64(lags[index(lag_base + own)])
                    later -= slots if later >= slots else 0
                target = np.int64(targets[index(tables[about + SYNAPSE_BASE] + own)])
                at = base + later * width + target
                if weight_base >= 0:
                    atomic_add(sums, index(at), np.int64(weights[index(weight_base + own)]))
                else:
                    atomic_add(counts, index(at), np.uint32(1))
