"""What belongs to single synapses: individual weights and delays, and how many arrive at a cell."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.errors import DelayTooLong
from hhsim.jit.options import compiled
from hhsim.network.connections import LAG_BASE, SYNAPSE_BASE, WEIGHT_BASE, Connections
from hhsim.network.plan import END, PART, SHIFT, Plan
from hhsim.network.random import philox, value_from

MOST_STEPS = 2**16 - 1  # the longest delay that a uint16 holds


def check_steps(steps: float, projection: int) -> None:
    """Refuse a delay that cannot be kept."""
    if steps > MOST_STEPS:
        raise DelayTooLong(projection, steps, MOST_STEPS)


def whole_steps(delay: float, dt: float, projection: int) -> int:
    """A delay (ms) in steps, to the nearest."""
    steps = max(0.0, float(np.rint(delay / dt)))
    check_steps(steps, projection)
    return int(steps)


class Draws(NamedTuple):
    """Which values are drawn: for the synapses of the sources in [first, last) onto a part."""

    key1: np.uint64  # what the values are, and the number of the projection
    part: int
    first: int
    last: int
    quantum: float  # values are counted in it; 0: as they are


@compiled
def draw_rows(plan: Plan, draws: Draws, terms: Any, row_starts: Any, targets: Any, values: Any) -> float:
    """Draw a value for each synapse of some sources onto a part; returns the largest.

    The counter is (source, number of the target, ordinal among the synapses of that pair), so that the
    value does not depend on the cut. With a quantum, values are rounded to whole quanta (none at least) and
    counted in them. `terms` are those of `hhsim.network.random.distribution`; `values` is parallel to the
    targets of the part.
    """
    part, quantum = draws.part, draws.quantum
    largest = -np.inf
    at = plan.synapse_bases[part]
    first_piece = 0
    while plan.pieces[first_piece, PART] != part:
        first_piece += 1
    for source in range(draws.first, draws.last):
        start = np.int64(row_starts[plan.row_bases[part] + source])
        end = np.int64(row_starts[plan.row_bases[part] + source + 1])
        piece = first_piece
        before = -1
        ordinal = 0
        for i in range(start, end):
            lane = np.int64(targets[at + i])
            while lane >= plan.pieces[piece, END] + plan.pieces[piece, SHIFT]:
                piece += 1
            number = lane - plan.pieces[piece, SHIFT]
            ordinal = ordinal + 1 if number == before else 0
            before = number
            block = philox(
                plan.key0, draws.key1, np.uint64(source), np.uint64(number), np.uint64(ordinal), np.uint64(0)
            )
            value = value_from(block, *terms)
            if quantum > 0.0:
                value = max(0.0, np.rint(value / quantum))
            largest = max(largest, value)
            if quantum == 0.0 or value <= MOST_STEPS:
                values[i] = value
    return largest


@compiled
def in_degree(targets: Any, begin: int, end: int, lanes: int) -> np.int64:
    """The most synapses in targets[begin:end] onto one of `lanes` lanes."""
    counts = np.zeros(lanes, np.uint32)
    for i in range(begin, end):
        counts[targets[i]] += np.uint32(1)
    most = np.int64(0)
    for lane in range(lanes):
        if counts[lane] > most:
            most = np.int64(counts[lane])
    return most


@compiled
def take_places(rows: Any, row_starts: Any, places: Any) -> None:
    """Hand out the next place of each row: row_starts[rows[i]], which moves on by one."""
    for i in range(rows.size):
        places[i] = row_starts[rows[i]]
        row_starts[rows[i]] += np.uint32(1)


def shift_starts(starts: npt.NDArray[np.uint32]) -> None:
    """Hold the start of each row one place further up, to move on to its end while the row is filled."""
    starts[1:] = starts[:-1].copy()


def lags_of(connections: Connections, part: int, projection: int) -> npt.NDArray[np.uint16]:
    """The lags of a (part, projection), to be changed in place."""
    base = int(connections.places[part, projection, LAG_BASE])
    return connections.lags[base : base + connections.size_of(part, projection)]


def sort_rows(connections: Connections, part: int, projection: int, block: int = 1 << 20) -> None:
    """Sort each row by target, with its weights and lags; equal targets keep their order.

    Rows that are sorted already cost one look.
    """
    place = connections.places[part, projection]
    rows = connections.rows(part, projection).astype(np.int64)
    base = int(place[SYNAPSE_BASE])
    first = 0
    while first < rows.size - 1:
        last = max(first + 1, int(np.searchsorted(rows, rows[first] + block, "right")) - 1)
        begin, end = int(rows[first]), int(rows[last])
        key = np.repeat(np.arange(last - first), np.diff(rows[first : last + 1])) << 32
        key += connections.targets[base + begin : base + end]
        if np.any(key[1:] < key[:-1]):
            order = np.argsort(key, kind="stable")
            arrays = (
                (connections.targets, base),
                (connections.weights, place[WEIGHT_BASE]),
                (connections.lags, place[LAG_BASE]),
            )
            for array, array_base in arrays:
                if array_base >= 0:
                    part_of = array[array_base + begin : array_base + end]
                    part_of[:] = part_of[order]
        first = last
