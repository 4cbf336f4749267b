"""What drives cells from outside: Poisson trains and step currents, cut so that any lane can be asked alone.

A Poisson train is drawn window by window: within a window of steps the gaps between its spikes are
exponential, keyed by (seed, input, cell, window, draw). The exponential distribution has no memory, so that
starting afresh at each window changes nothing, and a train can be entered at any step without its past.

An input is known by what it is, not by its place in the config: by its model, its target, its name if it has
one, and its number among those that share all of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.jit.options import compiled
from hhsim.model import Input, Model, PoissonInput, StepCurrent, constant
from hhsim.network.layout import Layout
from hhsim.network.random import (
    Purpose,
    draw_values,
    exponential,
    identify,
    in_precision,
    philox,
    seed_key,
    stream_key,
)

WINDOW = 1024  # steps
RAREST = 1e-300  # spikes in a step; with fewer a train never fires

# Columns of `Trains.table`.
INBOX, FIRST, CELLS, OFFSET, ON, OFF, WEIGHTED, NUMBER = range(8)


class Trains(NamedTuple):
    """Poisson inputs. Input i drives `CELLS` lanes from `FIRST` on, whose entries begin at `OFFSET`.

    Among all cells that the input drives, the first of them has the number `NUMBER`, by which it is drawn.
    """

    table: npt.NDArray[np.int64]  # (inputs, 8)
    keys: npt.NDArray[np.uint64]  # (inputs, 2) of Philox
    gaps: npt.NDArray[np.float64]  # (inputs,) mean steps between two spikes
    next: npt.NDArray[np.int64]  # (cells,) step of the next spike; at or beyond the window's end: none
    time: npt.NDArray[np.float64]  # (cells,) its exact time in steps from the window's start
    draws: npt.NDArray[np.int64]  # (cells,) draws made in this window
    weights: npt.NDArray[Any]  # real (cells,), nS, used where WEIGHTED


class Currents(NamedTuple):
    """Step currents. Input i drives the lanes from `table[i, 0]` to `table[i, 1]` in the steps from
    `table[i, 2]` to `table[i, 3]`; its amplitudes begin at `table[i, 4]`."""

    table: npt.NDArray[np.int64]  # (inputs, 5)
    amplitudes: npt.NDArray[Any]  # real (cells,), pA


def _steps(time: float, dt: float, steps: int) -> int:
    return max(0, round(min(time / dt, steps)))


def _identities(inputs: Iterable[Input]) -> list[tuple[str, ...]]:
    """By what names the draws of each of several inputs of one model are keyed."""
    earlier: Counter[tuple[str, ...]] = Counter()
    found = []
    for one in inputs:
        own = (one.target, one.name) if one.name else (one.target,)
        found.append((*own, str(earlier[own])))
        earlier[own] += 1
    return found


def _driven(one: Input, layout: Layout, blocks: range) -> tuple[int, int]:
    """The cells of an input that are in `blocks`, a half-open range."""
    nodes = layout.places[one.target].nodes_in(blocks)
    first = min(max(one.nodes[0], nodes.start), one.nodes[1])
    return first, max(first, min(one.nodes[1], nodes.stop))


def build_trains(model: Model, layout: Layout, blocks: range | None = None) -> Trains:
    """The Poisson inputs of the cells of some blocks, or all."""
    mine = range(layout.blocks) if blocks is None else blocks
    real = np.dtype(model.run.precision)
    inputs = model.inputs_of(PoissonInput)
    table = np.zeros((len(inputs), 8), np.int64)
    keys = np.zeros((len(inputs), 2), np.uint64)
    gaps = np.zeros(len(inputs))
    weights: list[npt.NDArray[np.float64]] = []
    offset = 0
    for row, (one, names) in enumerate(zip(inputs, _identities(inputs), strict=True)):
        first, last = _driven(one, layout, mine)
        expected = one.rate * model.run.dt  # spikes in a step
        cells = last - first
        table[row] = (
            len(model.projections) + row,
            layout.places[one.target].first + first,
            cells,
            offset,
            _steps(one.start, model.run.dt, model.run.steps),
            _steps(one.stop, model.run.dt, model.run.steps) if expected > RAREST else 0,
            constant(one.weight) is None,
            first - one.nodes[0],
        )
        keys[row] = seed_key(model.run.seed), stream_key(Purpose.POISSON, identify(*names))
        gaps[row] = 1 / expected if expected > RAREST else np.inf
        identity = identify("poisson", *names)
        drawn = draw_values(model.run.seed, Purpose.WEIGHT, identity, one.weight, first, cells)
        weights.append(in_precision(drawn, model.run.precision, f'weight of the input of "{one.target}"'))
        offset += cells
    return Trains(
        table,
        keys,
        gaps,
        np.zeros(offset, np.int64),
        np.zeros(offset),
        np.zeros(offset, np.int64),
        np.concatenate([np.zeros(0), *weights]).astype(real),
    )


def build_currents(model: Model, layout: Layout, blocks: range | None = None) -> Currents:
    """The currents into the cells of some blocks, or all."""
    mine = range(layout.blocks) if blocks is None else blocks
    real = np.dtype(model.run.precision)
    rows: list[tuple[int, int, int, int, int]] = []
    amplitudes: list[npt.NDArray[np.float64]] = []
    offset = 0
    inputs = model.inputs_of(StepCurrent)
    for one, names in zip(inputs, _identities(inputs), strict=True):
        first, last = _driven(one, layout, mine)
        lane = layout.places[one.target].first
        on, off = (_steps(time, model.run.dt, model.run.steps) for time in (one.start, one.stop))
        rows.append((lane + first, lane + last, on, off, offset))
        identity = identify("current", *names)
        drawn = draw_values(model.run.seed, Purpose.AMPLITUDE, identity, one.amplitude, first, last - first)
        where = f'amplitude of the input of "{one.target}"'
        amplitudes.append(in_precision(drawn, model.run.precision, where))
        offset += last - first
    return Currents(
        np.array(rows, np.int64).reshape(-1, 5), np.concatenate([np.zeros(0), *amplitudes]).astype(real)
    )


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
