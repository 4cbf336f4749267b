"""What one thread does for the cell in its lane, beside the step: inboxes, currents, samples and spikes."""

from __future__ import annotations

from typing import Any

import numpy as np

from hhsim.channels.structure import HUGE
from hhsim.kernels.cuda.compiling import inline
from hhsim.kernels.cuda.intrinsics import atomic_add, atomic_min
from hhsim.kernels.cuda.tables import (
    CLOCK_ROW,
    CURRENT_AMPLITUDES,
    CURRENT_COLUMNS,
    CURRENT_FIRST,
    CURRENT_LAST,
    CURRENT_OFF,
    CURRENT_ON,
    CURRENT_ROW,
    CURRENTS,
    END_CURRENT,
    END_TRACE,
    ENDS,
    ENTRIES,
    ENTRY_COLUMNS,
    ENTRY_INBOX,
    FAILURE,
    FIRST_CURRENT,
    FIRST_TRACE,
    HISTORY,
    INBOX_COLUMNS,
    INBOXES,
    LANE_BITS,
    REFRACTORY,
    SHIFT,
    SUPPRESSED,
    TRACE_COLUMNS,
    TRACE_EVERY,
    TRACE_FIRST,
    TRACE_LAST,
    TRACE_OFFSET,
    TRACE_ROW,
    TRACE_WIDTH,
    TRACES,
)
from hhsim.network.layout import LANES
from hhsim.state.inboxes import BASE, FIRST, RING, SUMS, WIDTH

index = np.uint64  # an index that cannot be negative needs no look at its sign


@inline
def fact(table: Any, place: Any) -> Any:
    """A number of `tables` or of the ledger."""
    return table[index(place)]


@inline
def slot_of(k: Any, slots: Any) -> Any:
    """The slot for step k; most inboxes have one, and a remainder of 64 bits takes 90 instructions."""
    return k % slots if slots > 1 else np.int64(0)


@inline
def begin(place: Any, arrays: Any) -> None:
    """Count the refractory clock from this chunk's start."""
    state = arrays.state
    clock = index(place.at + fact(arrays.tables, place.owner + CLOCK_ROW) * LANES)
    state[clock] = max(state[clock] - fact(arrays.ledger, SHIFT), -1)


@inline
def sample(place: Any, k: Any, first: Any, arrays: Any) -> None:
    """Record the states at the beginning of step k, in a chunk that began at step `first`."""
    lane, owner, tables = place.lane, place.owner, arrays.tables
    for number in range(fact(tables, owner + FIRST_TRACE), fact(tables, owner + END_TRACE)):
        trace = fact(tables, TRACES) + number * TRACE_COLUMNS
        every, low = fact(tables, trace + TRACE_EVERY), fact(tables, trace + TRACE_FIRST)
        if low <= lane < fact(tables, trace + TRACE_LAST) and k % every == 0:
            frame = k // every - (first + every - 1) // every
            to = fact(tables, trace + TRACE_OFFSET) + frame * fact(tables, trace + TRACE_WIDTH) + lane - low
            at = index(place.at + fact(tables, trace + TRACE_ROW) * LANES)
            arrays.frames[index(to)] = arrays.state[at]


@inline
def apply_currents(place: Any, k: Any, arrays: Any) -> None:
    """Where a current of this population goes on or off at step k, add up what flows from now on."""
    lane, owner = place.lane, place.owner
    state, numbers, tables = arrays.state, arrays.numbers, arrays.tables
    begins, ends = fact(tables, owner + FIRST_CURRENT), fact(tables, owner + END_CURRENT)
    changed = False
    for number in range(begins, ends):
        current = fact(tables, CURRENTS) + number * CURRENT_COLUMNS
        changed |= fact(tables, current + CURRENT_ON) == k or fact(tables, current + CURRENT_OFF) == k
    if not changed:
        return
    to = index(place.at + fact(tables, owner + CURRENT_ROW) * LANES)
    state[to] = 0
    for number in range(begins, ends):
        current = fact(tables, CURRENTS) + number * CURRENT_COLUMNS
        low = fact(tables, current + CURRENT_FIRST)
        flows = fact(tables, current + CURRENT_ON) <= k < fact(tables, current + CURRENT_OFF)
        if flows and low <= lane < fact(tables, current + CURRENT_LAST):
            state[to] += numbers[index(fact(tables, current + CURRENT_AMPLITUDES) + lane - low)]


@inline
def take(lane: Any, entry: Any, k: Any, arrays: Any) -> Any:
    """What arrives in an entry's inbox at step k, a count or a sum of units; empties its slot."""
    tables, counts, sums = arrays.tables, arrays.counts, arrays.sums
    number = fact(tables, fact(tables, ENTRIES) + entry * ENTRY_COLUMNS + ENTRY_INBOX)
    inbox = fact(tables, INBOXES) + number * INBOX_COLUMNS
    slot = slot_of(k, fact(tables, inbox + RING)) * fact(tables, inbox + WIDTH)
    at = index(fact(tables, inbox + BASE) + slot + lane - fact(tables, inbox + FIRST))
    amount = np.int64(0)
    if fact(tables, inbox + SUMS) != 0:
        amount = sums[at]
        if amount != 0:
            sums[at] = 0
    else:
        amount = np.int64(counts[at])
        if amount != 0:
            counts[at] = 0
    return amount


@inline
def collect(place: Any, now: Any, arrays: Any) -> None:
    """Write down the spike of a lane that `step` marked and set its refractory clock; `now` is the step
    within the chunk."""
    state, tables, ledger = arrays.state, arrays.tables, arrays.ledger
    clock = index(place.at + fact(tables, place.owner + CLOCK_ROW) * LANES)
    if not abs(state[index(place.at)]) < HUGE:  # the same test as in `step`
        atomic_min(ledger, FAILURE, (now << LANE_BITS) | place.lane)
    elif state[clock] <= now:
        end = atomic_add(ledger, fact(tables, ENDS) + fact(tables, HISTORY) + now + 1, 1)
        arrays.spikes[index(end)] = place.lane
        state[clock] = now + fact(tables, place.owner + REFRACTORY)
    else:
        atomic_add(ledger, SUPPRESSED + place.population, 1)
