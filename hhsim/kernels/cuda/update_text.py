"""The kernel that advances every cell, as text for a rendered module, where `step` is that of its cell types.

Numba compiles a function together with those that it calls by name; hence this text goes into each rendered
module (`hhsim.kernels.render.device`) and is never called here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numba import cuda

    from hhsim.kernels.cuda.arrays import Place
    from hhsim.kernels.cuda.lanes import apply_currents, begin, collect, fact, index, sample, take
    from hhsim.kernels.cuda.tables import (
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


def advance_lane(lane, k, arrays):  # type: ignore[no-untyped-def]
    state, numbers, tables = arrays.state, arrays.numbers, arrays.tables
    block = fact(tables, BLOCKS) + lane // LANES * BLOCK_COLUMNS
    if lane >= fact(tables, block + BLOCK_END):
        return
    population = fact(tables, block + BLOCK_OWNER)
    owner = fact(tables, OWNERS) + population * OWNER_COLUMNS
    at = fact(tables, block + BLOCK_START) + lane % LANES
    place = Place(lane, at, owner, population)
    first = fact(arrays.ledger, FIRST_STEP)
    if k == first:
        begin(place, arrays)
    sample(place, k, first, arrays)
    apply_currents(place, k, arrays)
    for number in range(fact(tables, owner + FIRST_ENTRY), fact(tables, owner + END_ENTRY)):
        amount = take(lane, number, k, arrays)
        if amount != 0:
            entry = fact(tables, ENTRIES) + number * ENTRY_COLUMNS
            to = index(at + fact(tables, entry + ENTRY_ROW) * LANES)
            state[to] += numbers[index(fact(tables, entry + ENTRY_WEIGHT))] * real(amount)
    p = index(fact(tables, owner + PARAMETERS))
    gate_dt = numbers[p]
    if fact(tables, STAGGERED) != 0 and k == 0:
        gate_dt = real(0.5) * numbers[p]  # the gates get half a step ahead
    if step(fact(tables, block + BLOCK_KIND), state, index(at), numbers, p, real(k - first), gate_dt):
        collect(place, k - first, arrays)


def update(arrays):  # type: ignore[no-untyped-def]
    k = fact(arrays.ledger, UPDATE_STEP)
    lane = np.int64(cuda.grid(1))
    while k >= 0 and lane < fact(arrays.tables, LANES_IN_ALL):
        advance_lane(lane, k, arrays)  # type: ignore[no-untyped-call]
        lane += cuda.gridsize(1)
    if k >= 0 and cuda.grid(1) == 0:
        arrays.ledger[SCATTER_STEP] = k + 1
