"""What a device has to know of a network, laid out in two arrays: whole numbers and real ones.

An array that a kernel takes costs time at each launch, so that all small tables stand in one: `tables` begins
with a header that says where each of them does. `numbers` holds the values of parameters, weights of entries
and amplitudes, and `ledger` what the kernels tell each other and the host.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.inputs.poisson import CELLS, OFFSET, WEIGHTED, Trains
from hhsim.kernels.network import Network
from hhsim.network import connections as c
from hhsim.network.connections import Connections
from hhsim.network.layout import LANES, Layout
from hhsim.state.build import Cells
from hhsim.state.inboxes import BASE, FIRST, SUMS, Inboxes
from hhsim.state.inboxes import (
    INBOX_COLUMNS as INBOX_COLUMNS,  # (the kernels take all columns from here)
)
from hhsim.state.samples import Samples

# The header of `tables`: counts, and where each table begins.
(LANES_IN_ALL, HISTORY, CAPACITY, STAGGERED, ENDS, PROJECTION_COUNT,
 BLOCKS, OWNERS, ENTRIES, CURRENTS, TRACES, PROJECTIONS, INBOXES) = range(13)  # fmt: skip
HEADER = 13

# Columns of a block.
BLOCK_START, BLOCK_KIND, BLOCK_OWNER, BLOCK_END = range(4)
BLOCK_COLUMNS = 4

# Columns of an owner: a population. `FIRST_` and `END_` are rows of the other tables.
(CLOCK_ROW, CURRENT_ROW, REFRACTORY, PARAMETERS, FIRST_ENTRY, END_ENTRY,
 FIRST_CURRENT, END_CURRENT, FIRST_TRACE, END_TRACE) = range(10)  # fmt: skip
OWNER_COLUMNS = 10

# Columns of an entry: which inbox enters which conductance of one population.
ENTRY_INBOX, ENTRY_ROW, ENTRY_WEIGHT = range(3)  # inbox, row of the conductance, place in `numbers`
ENTRY_COLUMNS = 3

# Columns of an inbox: those of `Inboxes.table`.

# Columns of a step current: lanes, steps, and where its amplitudes begin in `numbers`.
CURRENT_FIRST, CURRENT_LAST, CURRENT_ON, CURRENT_OFF, CURRENT_AMPLITUDES = range(5)
CURRENT_COLUMNS = 5

# Columns of a trace: lanes, row of the state, steps between samples, width and begin of its frames.
TRACE_FIRST, TRACE_LAST, TRACE_ROW, TRACE_EVERY, TRACE_WIDTH, TRACE_OFFSET = range(6)
TRACE_COLUMNS = 6

# Columns of a projection.
(SOURCE_FIRST, SOURCE_SIZE, DELAY, SLOTS, ROW_BASE, SYNAPSE_BASE, WEIGHT_BASE, LAG_BASE,
 TARGET_BASE) = range(9)  # fmt: skip  # TARGET_BASE: what target 0 is in a slot of the inbox
PROJECTION_COLUMNS = 9

# Columns of `ledger`; then the crossings within the refractory time of each population, and, from
# tables[ENDS] on, the ends of the rows of spikes (as `Log.ends`).
SCATTER_STEP = 0  # that `scatter` does next
UPDATE_STEP = 1  # that the other kernels do next; -1: none, as there is no room or a potential diverged
FIRST_STEP = 2  # of the chunk
SHIFT = 3  # steps since the refractory clocks were last counted from
FAILURE = 4  # step since the first · 2³² + lane of the first potential that is not finite, or NO_FAILURE
SUPPRESSED = 5

NO_FAILURE = np.iinfo(np.int64).max

INPUT_KINDS = ("poisson", "step_current")  # those that a device has kernels for; others are refused

LANE_BITS = 32
EXACT_BITS = 52  # sums of weights are whole numbers of units below 2⁵²: a float64 holds them exactly


class Tables(NamedTuple):
    tables: npt.NDArray[np.int64]
    numbers: npt.NDArray[Any]  # real


def units_of(connections: Connections, trains: Trains) -> npt.NDArray[np.float64]:
    """What one means in the sums of each inbox, in nS: powers of two; 1 where an inbox counts.

    A weight is a whole number of units, of 30 bits in float32, and in float64 of as many as leave every sum
    below 2⁵²: with 200 nS at most and 1000 synapses, a unit is 6e-11 nS. Sums of whole numbers do not depend
    on the order in which they are added up.
    """
    units = np.ones(len(connections.projections) + len(trains.table))
    half = connections.weights.dtype == np.float32
    for number, projection in enumerate(connections.projections):
        if np.isnan(connections.uniform_weights[number]):
            units[number] = _unit(weights_of(connections, number), int(projection[c.IN_DEGREE_MAX]), half)
    for number, (table, gap) in enumerate(
        zip(trains.table, trains.gaps, strict=True), len(connections.projections)
    ):
        if table[WEIGHTED]:
            weights = trains.weights[table[OFFSET] : table[OFFSET] + table[CELLS]]
            units[number] = _unit(weights, 1000 + 20 / gap, half)  # no cell gets so many spikes in a step
    return units


def weights_of(connections: Connections, projection: int) -> npt.NDArray[Any]:
    """The individual weights of a projection, a view."""
    base = connections.places[0, projection, c.WEIGHT_BASE]
    weights: npt.NDArray[Any] = connections.weights[base : base + connections.size_of(0, projection)]
    return weights


def _unit(weights: npt.NDArray[Any], most: float, half: bool) -> float:
    largest = float(np.abs(weights).max(initial=0.0))
    if largest == 0:
        return 1.0
    return max(_power(largest * most) / 2.0**EXACT_BITS, _power(largest) / 2.0**30 if half else 0.0)


def _power(value: float) -> float:
    """The least power of two above `value`."""
    return float(2.0 ** np.frexp(value)[1])


def whole(weights: npt.NDArray[Any], unit: float | npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Weights in nS as whole numbers of units."""
    return np.rint(weights.astype(np.float64) / unit).astype(np.int64)


def build_tables(layout: Layout, network: Network, units: npt.NDArray[np.float64], capacity: int) -> Tables:
    """The tables of a whole network, in one part; `capacity` is the room for spikes of a chunk."""
    cells, connections, inboxes = network.cells, network.connections, network.inboxes
    currents = network.inputs.step_current
    owners = len(layout.places)
    numbers = [cells.parameters.ravel(), np.zeros(len(inboxes.weights)), currents.amplitudes]
    begins = np.cumsum([0, *(len(each) for each in numbers)]).tolist()
    entries = np.zeros((0, ENTRY_COLUMNS), np.int64)
    about = np.zeros((owners, OWNER_COLUMNS), np.int64)
    about[:, CLOCK_ROW], about[:, CURRENT_ROW] = cells.clock_rows, cells.current_rows
    about[:, REFRACTORY] = cells.refractory
    about[:, PARAMETERS] = np.arange(owners) * cells.parameters.shape[1]
    weights = numbers[1]
    for owner, place in enumerate(layout.places.values()):
        rows = slice(inboxes.starts[place.blocks.start], inboxes.starts[place.blocks.start + 1])
        own = np.zeros((rows.stop - rows.start, ENTRY_COLUMNS), np.int64)
        own[:, :2] = inboxes.entries[rows]
        own[:, ENTRY_WEIGHT] = begins[1] + np.arange(rows.start, rows.stop)
        sums = inboxes.table[own[:, ENTRY_INBOX], SUMS] == 1
        weights[rows] = np.where(sums, units[own[:, ENTRY_INBOX]], inboxes.weights[rows])
        about[owner, [FIRST_ENTRY, END_ENTRY]] = len(entries), len(entries) + len(own)
        entries = np.concatenate([entries, own])
    driven = currents.table.copy()
    driven[:, CURRENT_AMPLITUDES] += begins[2]
    driven = _by_owner(driven, about, (FIRST_CURRENT, END_CURRENT), layout)
    traces = _by_owner(_traces(cells, network.samples), about, (FIRST_TRACE, END_TRACE), layout)
    blocks = np.stack([cells.starts.astype(np.int64), cells.kinds, cells.owners, cells.ends], axis=1)
    pieces = {
        BLOCKS: blocks,
        OWNERS: about,
        ENTRIES: entries,
        CURRENTS: driven,
        TRACES: traces,
        PROJECTIONS: _projections(connections, inboxes),
        INBOXES: inboxes.table,
    }
    header = np.zeros(HEADER, np.int64)
    header[[LANES_IN_ALL, HISTORY, CAPACITY]] = layout.lanes, network.shares.history, capacity
    header[[STAGGERED, ENDS]] = cells.staggered, SUPPRESSED + owners
    header[PROJECTION_COUNT] = len(connections.projections)
    for which in pieces:
        header[which] = HEADER + sum(each.size for other, each in pieces.items() if other < which)
    return Tables(
        np.concatenate([header, *(piece.ravel() for piece in pieces.values())]).astype(np.int64),
        np.concatenate(numbers).astype(cells.state.dtype),
    )


def _by_owner(
    table: npt.NDArray[np.int64], about: npt.NDArray[np.int64], columns: tuple[int, int], layout: Layout
) -> npt.NDArray[np.int64]:
    """Rows, which begin with a first lane, in the order of owners; tells each where its own stand."""
    firsts = [place.first for place in layout.places.values()]
    owner_of = np.searchsorted(firsts, table[:, 0], side="right") - 1
    order = np.argsort(owner_of, kind="stable")
    for owner in range(len(firsts)):
        about[owner, columns] = np.searchsorted(owner_of[order], [owner, owner + 1])
    return table[order]


def _traces(cells: Cells, samples: Samples) -> npt.NDArray[np.int64]:
    """The rows of traces, in the order in which the config has them."""
    table = np.zeros((len(samples.every), TRACE_COLUMNS), np.int64)
    at = 0
    for row, width in zip(table, samples.width, strict=True):
        place = samples.places[at]  # in the state, of the first cell
        block = int(np.searchsorted(cells.starts, place, side="right")) - 1
        within = int(place) - int(cells.starts[block])
        first = block * LANES + within % LANES
        row[[TRACE_FIRST, TRACE_LAST, TRACE_ROW]] = first, first + width, within // LANES
        at += int(width)
    table[:, TRACE_EVERY], table[:, TRACE_WIDTH] = samples.every, samples.width
    table[:, TRACE_OFFSET] = samples.offsets
    return table


def _projections(connections: Connections, inboxes: Inboxes) -> npt.NDArray[np.int64]:
    table = np.zeros((len(connections.projections), PROJECTION_COLUMNS), np.int64)
    about, places = connections.projections, connections.places[0]
    for own, theirs in (
        (SOURCE_FIRST, c.SOURCE_FIRST_LANE),
        (SOURCE_SIZE, c.SOURCE_SIZE),
        (DELAY, c.DELAY),
        (SLOTS, c.SLOTS),
    ):
        table[:, own] = about[:, theirs]
    for own, theirs in (
        (ROW_BASE, c.ROW_BASE),
        (SYNAPSE_BASE, c.SYNAPSE_BASE),
        (WEIGHT_BASE, c.WEIGHT_BASE),
        (LAG_BASE, c.LAG_BASE),
    ):
        table[:, own] = places[:, theirs]
    first = inboxes.table[: len(table)]
    table[:, TARGET_BASE] = first[:, BASE] + places[:, c.FIRST_LANE] - first[:, FIRST]
    return table
