"""Poisson inputs: trains that are drawn window by window, so that any lane can be entered at any step.

Within a window of steps the gaps between the spikes of a train are exponential, keyed by (seed, input, cell,
window, draw). The exponential distribution has no memory, so that starting afresh at each window changes
nothing, and a train needs no past.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.inputs.driven import Driven, Parts, drawn, joined
from hhsim.jit.options import compiled
from hhsim.model import Model, PoissonInput, constant
from hhsim.network.layout import LANES
from hhsim.network.random import Purpose, exponential, identify, philox, seed_key, stream_key
from hhsim.state.inboxes import BASE
from hhsim.state.inboxes import FIRST as FIRST_OF_INBOX

WINDOW = 1024  # steps
RAREST = 1e-300  # spikes in a step; with fewer a train never fires

# Columns of `Trains.table`.
INBOX = 0  # where its spikes arrive
FIRST = 1  # the first lane that it drives here
CELLS = 2  # how many lanes it drives here
OFFSET = 3  # where the entries of its cells begin
ON, OFF = 4, 5  # steps
WEIGHTED = 6  # 1: each cell has a weight of its own, 0: spikes are counted
NUMBER = 7  # of the first cell here among all that it drives; the draws of a cell are keyed by its number
COLUMNS = 8


class Trains(NamedTuple):
    """Poisson inputs of the cells of a process."""

    table: npt.NDArray[np.int64]  # (inputs, COLUMNS)
    keys: npt.NDArray[np.uint64]  # (inputs, 2) of Philox
    gaps: npt.NDArray[np.float64]  # (inputs,) mean steps between two spikes
    next: npt.NDArray[np.int64]  # (cells,) step of the next spike; at or beyond the window's end: none
    time: npt.NDArray[np.float64]  # (cells,) its exact time in steps from the window's start
    draws: npt.NDArray[np.int64]  # (cells,) draws made in this window
    weights: npt.NDArray[Any]  # real (cells,), nS, used where WEIGHTED


def build(inputs: Sequence[Driven[PoissonInput]], model: Model) -> Trains:
    """The arrays of these Poisson inputs."""
    table = np.zeros((len(inputs), COLUMNS), np.int64)
    keys = np.zeros((len(inputs), 2), np.uint64)
    gaps = np.zeros(len(inputs))
    weights: list[npt.NDArray[np.float64]] = []
    offset = 0
    for row, one in enumerate(inputs):
        expected = one.input.rate * model.run.dt  # spikes in a step
        table[row, INBOX] = one.inbox
        table[row, [FIRST, CELLS, OFFSET]] = one.lanes.start, len(one.lanes), offset
        table[row, [ON, OFF]] = one.on, one.off if expected > RAREST else 0
        table[row, WEIGHTED] = constant(one.input.weight) is None
        table[row, NUMBER] = one.nodes.start - one.input.nodes[0]
        keys[row] = seed_key(model.run.seed), stream_key(Purpose.POISSON, identify(*one.names))
        gaps[row] = 1 / expected if expected > RAREST else np.inf
        weights.append(drawn(one, "weight", model, Purpose.WEIGHT, identify("poisson", *one.names)))
        offset += len(one.nodes)
    return Trains(
        table=table,
        keys=keys,
        gaps=gaps,
        next=np.zeros(offset, np.int64),
        time=np.zeros(offset),
        draws=np.zeros(offset, np.int64),
        weights=joined(weights, model),
    )


@compiled
def arrive(part: int, k: int, first_step: int, trains: Trains, network: Parts) -> None:
    """Let the spikes arrive that fall into step k."""
    inboxes, cuts = network.inboxes, network.shares.cuts
    low, high = cuts[part] * LANES, cuts[part + 1] * LANES
    for train in range(trains.table.shape[0]):
        table = trains.table[train]
        on = table[ON]
        if not on <= k < table[OFF]:
            continue
        first = max(table[FIRST], low)
        last = min(table[FIRST] + table[CELLS], high)
        entering = k % WINDOW == 0 or k in (first_step, on)
        inbox = inboxes.table[table[INBOX]]
        for lane in range(first, last):
            cell = table[OFFSET] + lane - table[FIRST]
            if entering:
                enter_window(trains, train, cell, k)
            while trains.next[cell] == k:
                at = inbox[BASE] + lane - inbox[FIRST_OF_INBOX]
                if table[WEIGHTED]:
                    inboxes.sums[at] += trains.weights[cell]
                else:
                    inboxes.counts[at] += np.uint8(1)
                draw_next(trains, train, cell, k // WINDOW)


@compiled
def draw_next(trains: Trains, train: int, cell: int, window: int) -> None:
    """Move one cell's train to its next spike within `window`."""
    key = trains.keys[train]
    node = np.uint64(cell - trains.table[train, OFFSET] + trains.table[train, NUMBER])
    draw = trains.draws[cell]
    bits = philox(key[0], key[1], node, np.uint64(window), np.uint64(draw), np.uint64(0))[0]
    trains.draws[cell] = draw + 1
    trains.time[cell] += exponential(bits) * trains.gaps[train]
    trains.next[cell] = window * WINDOW + np.int64(min(trains.time[cell], WINDOW))


@compiled
def enter_window(trains: Trains, train: int, cell: int, k: int) -> None:
    """Make one cell's train ready for step k, wherever in its window that is."""
    trains.draws[cell] = 0
    trains.time[cell] = 0.0
    window = k // WINDOW
    draw_next(trains, train, cell, window)
    while trains.next[cell] < k:
        draw_next(trains, train, cell, window)
