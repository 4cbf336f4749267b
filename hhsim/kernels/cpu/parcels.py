"""Spikes of an epoch as a parcel for other processes.

A parcel holds the number of spikes in each step, then their lanes, step by step.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hhsim.jit.options import compiled
from hhsim.state.log import Log
from hhsim.state.shares import Shares


@compiled
def size_of(log: Log, shares: Shares, row: int, steps: int) -> int:
    """How long the parcel of all own parts is, for `steps` rows of the log from `row` on."""
    size = steps
    for part in range(shares.own, shares.own + shares.cuts.size - 1):
        size += log.ends[part, row + steps] - log.ends[part, row]
    return size


@compiled
def pack(log: Log, shares: Shares, row: int, steps: int, parcel: npt.NDArray[np.int32]) -> None:
    """Fill the parcel of all own parts."""
    first, last = shares.own, shares.own + shares.cuts.size - 1
    at = steps
    for step in range(steps):
        begin = at
        for part in range(first, last):
            for spike in range(log.ends[part, row + step], log.ends[part, row + step + 1]):
                parcel[at] = log.lanes[part, spike]
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
                log.lanes[portion, end] = parcels[lanes[parcel]]
                lanes[parcel] += 1
                end += 1
        log.ends[portion, row + step + 1] = end


@compiled
def room_left(log: Log, shares: Shares, row: int) -> bool:
    """Have the portions of other processes room for two epochs more, beside what they hold up to `row`?

    One of them is on its way when this is asked; the next begins only if all processes say so.
    """
    capacity = log.lanes.shape[1]
    for portion in range(log.lanes.shape[0]):
        if shares.own <= portion < shares.own + shares.cuts.size - 1:
            continue
        lanes = shares.bounds[portion + 1] - shares.bounds[portion]
        if log.ends[portion, row] + 2 * lanes * shares.epoch > capacity:
            return False
    return True
