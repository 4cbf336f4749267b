"""Spikes of an epoch as a parcel for other processes.

A parcel holds the number of spikes in each step, then their lanes, step by step.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hhsim.jit.options import compiled
from hhsim.state.meeting import Log, Plan


@compiled
def size_of(log: Log, plan: Plan, row: int, steps: int) -> int:
    """How long the parcel of all own parts is, for `steps` rows of the log from `row` on."""
    size = steps
    for part in range(plan.own, plan.own + plan.cuts.size - 1):
        size += log.ends[part, row + steps] - log.ends[part, row]
    return size


@compiled
def pack(log: Log, plan: Plan, row: int, steps: int, parcel: npt.NDArray[np.int32]) -> None:
    """Fill the parcel of all own parts."""
    first, last = plan.own, plan.own + plan.cuts.size - 1
    at = steps
    for step in range(steps):
        begin = at
        for part in range(first, last):
            for spike in range(log.ends[part, row + step], log.ends[part, row + step + 1]):
                parcel[at] = log.nodes[part, spike]
                at += 1
        parcel[step] = at - begin


@compiled
def unpack(log: Log, portion: int, row: int, steps: int, parcels: npt.NDArray[np.int32], count: int) -> None:
    """Write `count` parcels, which follow one another in the order of lanes, into a portion of the log."""
    counts, lanes = np.empty(count, np.int64), np.empty(count, np.int64)  # where those of each parcel stand
    at = 0
    for parcel in range(count):
        counts[parcel] = at
        at += steps
        lanes[parcel] = at
        for step in range(steps):
            at += parcels[counts[parcel] + step]
    for step in range(steps):
        end = log.ends[portion, row + step]
        for parcel in range(count):
            for _ in range(parcels[counts[parcel] + step]):
                log.nodes[portion, end] = parcels[lanes[parcel]]
                lanes[parcel] += 1
                end += 1
        log.ends[portion, row + step + 1] = end


@compiled
def room_left(log: Log, plan: Plan, row: int) -> bool:
    """Have the portions of other processes room for two epochs more, beside what they hold up to `row`?

    One of them is on its way when this is asked; the next begins only if all processes say so.
    """
    capacity = log.nodes.shape[1]
    for portion in range(log.nodes.shape[0]):
        if plan.own <= portion < plan.own + plan.cuts.size - 1:
            continue
        lanes = plan.bounds[portion + 1] - plan.bounds[portion]
        if log.ends[portion, row] + 2 * lanes * plan.epoch > capacity:
            return False
    return True
