"""The arrays of a network in the memory of a device, and the place of one cell in them."""

from __future__ import annotations

from typing import Any, NamedTuple


class Arrays(NamedTuple):
    """What every kernel takes. A device adds up in integers of 32 or 64 bits alone, whatever the host has.

    `tables`, `numbers` and `ledger` are those of `hhsim.kernels.cuda.tables`.
    """

    state: Any  # real, as `Cells.state`
    numbers: Any  # real
    tables: Any  # int64
    ledger: Any  # int64
    targets: Any  # uint16 or uint32, as in `Connections`, like the next two
    row_starts: Any  # uint32
    lags: Any  # uint16
    weights: Any  # int32 or int64: individual weights, in units of their inboxes
    counts: Any  # uint32, as `Inboxes.counts`
    sums: Any  # int64: `Inboxes.sums` in units of their inboxes
    spikes: Any  # int32: the lanes that spiked, in any order within a step
    frames: Any  # float32, as `Samples.frames`


class Place(NamedTuple):
    """Where the cell of a thread stands, in whole numbers."""

    lane: Any
    at: Any  # its first row in `state`
    owner: Any  # where the row of its population begins in `tables`
    population: Any  # number of its population
