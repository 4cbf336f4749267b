"""Where arrivals wait to enter the conductances: one inbox for each projection and each input with spikes.

With one weight for all, an inbox counts spikes: exact in any order, and multiplied by the weight once.
With individual weights it adds them up, always in the same order. An inbox has a slot for each delay that
its synapses may have beyond the least; slot k mod slots is for step k.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.channels.definition import conductance
from hhsim.channels.structure import structure_of
from hhsim.model import Model, constant
from hhsim.network.connections import IN_DEGREE_MAX, SLOTS, SPAN_FIRST_LANE, SPAN_LANES, Connections
from hhsim.network.layout import LANES, Layout
from hhsim.state.build import aligned

# Columns of `Inboxes.table`.
SUMS = 0  # 0: an inbox of counts, 1: an inbox of sums
BASE = 1  # where its slots begin in `counts` or `sums`
FIRST = 2  # the lane that its number 0 is for
WIDTH = 3  # lanes of a slot
RING = 4  # slots
INBOX_COLUMNS = 5

# Columns of `Inboxes.entries`: which inbox enters which conductance of a block.
ENTRY_INBOX = 0  # number of the inbox
ENTRY_ROW = 1  # row of the conductance in the block
ENTRY_COLUMNS = 2

MOST_EXACT = np.iinfo(np.uint16).max


class Inboxes(NamedTuple):
    """The inboxes of the cells of some blocks, and which of them enters which conductance."""

    counts: npt.NDArray[Any]  # uint16, or uint32 where a cell may get more than 65535 spikes in a step
    sums: npt.NDArray[Any]  # real, nS
    table: npt.NDArray[np.int64]  # (inboxes, INBOX_COLUMNS)
    starts: npt.NDArray[np.int64]  # (blocks + 1,): block b has the entries from starts[b] to starts[b + 1]
    entries: npt.NDArray[np.int64]  # (entries, ENTRY_COLUMNS)
    weights: npt.NDArray[Any]  # real (entries,), nS for each count; 1 for sums


def inboxes_of(
    model: Model, layout: Layout, connections: Connections, blocks: range
) -> tuple[npt.NDArray[np.int64], tuple[int, int]]:
    """The inboxes of the cells in `blocks`, and how long `counts` and `sums` are.

    Those for the projections come in their order, then those for the inputs with spikes, in theirs.
    """
    rows = []
    for about, weight in zip(connections.projections, connections.uniform_weights, strict=True):
        first = int(about[SPAN_FIRST_LANE])
        rows.append((bool(np.isnan(weight)), first, first + int(about[SPAN_LANES]), int(about[SLOTS])))
    for one, arrival in model.arriving_inputs:
        place = layout.places[one.target]
        rows.append((constant(arrival.weight) is None, place.first, place.end, 1))
    table = np.zeros((len(rows), INBOX_COLUMNS), np.int64)
    sizes = [0, 0]
    for inbox, (individual, first, end, ring) in zip(table, rows, strict=True):
        first = max(first, blocks.start * LANES)
        width = max(min(end, blocks.stop * LANES) - first, 0)
        inbox[:] = (individual, sizes[individual], first, width, ring)
        sizes[individual] += width * ring
    return table, (sizes[0], sizes[1])


def portion(table: npt.NDArray[np.int64], part: npt.NDArray[np.int64], sums: int) -> npt.NDArray[np.int64]:
    """Where in the `counts` (`sums` 0) or `sums` (1) of `table` each number of those of `part` stands.

    `part` is the table of some of the blocks that `table` is for.
    """
    places = [
        of[BASE] + np.arange(own[RING])[:, None] * of[WIDTH] + own[FIRST] - of[FIRST] + np.arange(own[WIDTH])
        for of, own in zip(table, part, strict=True)
        if own[SUMS] == sums
    ]
    return np.concatenate([np.zeros(0, np.int64), *(each.ravel() for each in places)])


def build_inboxes(
    model: Model, layout: Layout, connections: Connections, blocks: range | None = None
) -> Inboxes:
    """Empty inboxes of the cells of some blocks, or all."""
    mine = range(layout.blocks) if blocks is None else blocks
    real = np.dtype(model.run.precision)
    table, sizes = inboxes_of(model, layout, connections, mine)
    entries: list[tuple[int, str, str, float]] = []
    for number, projection in enumerate(model.projections):
        weight = 1.0 if table[number, SUMS] else float(connections.uniform_weights[number])
        entries += [(number, target, projection.receptor, weight) for target in projection.targets]
    for number, (one, arrival) in enumerate(model.arriving_inputs, start=len(model.projections)):
        common = constant(arrival.weight)
        weight = 1.0 if common is None else common
        entries.append((number, one.target, arrival.receptor, weight))

    by_population: dict[str, list[tuple[int, int, float]]] = {name: [] for name in model.populations}
    for number, target, receptor, weight in sorted(entries):
        rows = structure_of(model, model.cell_of(target)).rows
        by_population[target].append((number, rows[conductance(receptor)], weight))
    starts = np.zeros(layout.blocks + 1, np.int64)
    flat: list[tuple[int, int, float]] = []
    for name, place in layout.places.items():
        for block in place.blocks:
            flat += by_population[name] if block in mine else []
            starts[block + 1] = len(flat)
    most = int(connections.projections[:, IN_DEGREE_MAX].max(initial=0))
    return Inboxes(
        aligned(sizes[0], np.uint16 if most <= MOST_EXACT else np.uint32),
        aligned(sizes[1], real),
        table,
        starts,
        np.array([entry[:2] for entry in flat], np.int64).reshape(-1, ENTRY_COLUMNS),
        np.array([entry[2] for entry in flat], real),
    )
