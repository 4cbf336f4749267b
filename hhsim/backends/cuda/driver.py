"""The kernel that advances every cell, as text for a rendered module, where `step` is the one of its types.

Numba compiles a function together with those that it calls by name; hence this text goes into each rendered
module (`hhsim.rendering.device`) and is never called here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numba import cuda

    from hhsim.backends.cuda.lanes import apply_currents, begin, collect, index, sample, take
    from hhsim.backends.cuda.tables import (
        BLOCK_COLUMNS,
        BLOCK_END,
        BLOCK_KIND,
        BLOCK_OWNER,
        BLOCK_START,
        BLOCKS,
        END_ENTRY,
        ENTRIES,
        ENTRY_COLUMNS,
        ENTRY_ROW,
        ENTRY_WEIGHT,
        FIRST_ENTRY,
        FIRST_STEP,
        LANES_IN_ALL,
        OWNER_COLUMNS,
        OWNERS,
        PARAMETERS,
        SCATTER_STEP,
        STAGGERED,
        UPDATE_STEP,
    )
    from hhsim.network.layout import LANES

    real = np.float64

    def step(*arguments: Any) -> bool:
        """One step of one cell: rendered."""


def update(state, numbers, tables, counts, sums, spikes, ledger, frames):  # type: ignore[no-untyped-def]
    k, first = ledger[UPDATE_STEP], ledger[FIRST_STEP]
    if k < 0:
        return
    now = k - first
    for lane in range(cuda.grid(1), tables[LANES_IN_ALL], cuda.gridsize(1)):
        block = tables[BLOCKS] + lane // LANES * BLOCK_COLUMNS
        if lane >= tables[block + BLOCK_END]:
            continue
        population = tables[block + BLOCK_OWNER]
        owner = tables[OWNERS] + population * OWNER_COLUMNS
        at = tables[block + BLOCK_START] + lane % LANES
        if now == 0:
            begin(at, owner, state, tables, ledger)
        sample(lane, at, owner, k, first, state, tables, frames)
        apply_currents(lane, at, owner, k, state, numbers, tables)
        for number in range(tables[owner + FIRST_ENTRY], tables[owner + END_ENTRY]):
            amount = take(lane, number, k, tables, counts, sums)
            if amount != 0:
                entry = tables[ENTRIES] + number * ENTRY_COLUMNS
                to = index(at + tables[entry + ENTRY_ROW] * LANES)
                state[to] += numbers[index(tables[entry + ENTRY_WEIGHT])] * real(amount)
        p = numbers[tables[owner + PARAMETERS] :]
        gate_dt = p[0]
        if tables[STAGGERED] != 0 and k == 0:
            gate_dt = real(0.5) * p[0]  # the gates get half a step ahead
        if step(tables[block + BLOCK_KIND], state, index(at), p, real(now), gate_dt):
            collect(lane, at, owner, population, now, state, tables, spikes, ledger)
    if cuda.grid(1) == 0:
        ledger[SCATTER_STEP] = k + 1
