"""Arrivals on their way into the conductances: one channel for each projection and each Poisson input.

With one weight for all, a channel counts spikes: exact in any order, and multiplied by the weight once.
With individual weights it adds them up, always in the same order. A channel has a slot for each delay that
its synapses may have beyond the least; slot k mod slots is for step k.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.cell import structure_of
from hhsim.model import Constant, Model, PoissonInput
from hhsim.network.connections import IN_DEGREE_MAX, SLOTS, SPAN_FIRST_LANE, SPAN_LANES, Connections
from hhsim.network.layout import Layout
from hhsim.state import aligned

# Columns of `Arrivals.channels`.
SUMS = 0  # 0: a channel of counts, 1: a channel of sums
BASE = 1  # where its slots begin in `counts` or `sums`
FIRST = 2  # the lane that its number 0 is for
WIDTH = 3  # lanes of a slot
RING = 4  # slots
CHANNEL_COLUMNS = 5

MOST_EXACT = np.iinfo(np.uint16).max


class Arrivals(NamedTuple):
    counts: npt.NDArray[Any]  # uint16, or uint32 where a cell may get more than 65535 spikes in a step
    sums: npt.NDArray[Any]  # real, nS
    channels: npt.NDArray[np.int64]  # (channels, CHANNEL_COLUMNS)
    starts: npt.NDArray[np.int64]  # (blocks + 1,): block b has the entries from starts[b] to starts[b + 1]
    entries: npt.NDArray[np.int64]  # (entries, 2): channel, row of the conductance in the block
    weights: npt.NDArray[Any]  # real (entries,), nS for each count; 1 for sums


def build_arrivals(model: Model, layout: Layout, connections: Connections) -> Arrivals:
    """Channels for the projections, in their order, then for the Poisson inputs, in theirs."""
    real = np.dtype(model.run.precision)
    inputs = [one for one in model.inputs if isinstance(one, PoissonInput)]
    channels = np.zeros((len(model.projections) + len(inputs), CHANNEL_COLUMNS), np.int64)
    sizes = [0, 0]
    entries: list[tuple[int, str, str, float]] = []
    for number, row in enumerate(connections.projections):
        individual = bool(np.isnan(connections.uniform_weights[number]))
        channels[number] = (individual, 0, row[SPAN_FIRST_LANE], row[SPAN_LANES], row[SLOTS])
        weight = 1.0 if individual else float(connections.uniform_weights[number])
        projection = model.projections[number]
        entries += [(number, target, projection.receptor, weight) for target in projection.targets]
    for number, one in enumerate(inputs, start=len(model.projections)):
        place = layout.places[one.target]
        uniform = isinstance(one.weight, Constant)
        channels[number] = (not uniform, 0, place.first, place.end - place.first, 1)
        weight = one.weight.value if isinstance(one.weight, Constant) else 1.0
        entries.append((number, one.target, one.receptor, weight))
    for channel in channels:
        channel[BASE] = sizes[channel[SUMS]]
        sizes[channel[SUMS]] += channel[WIDTH] * channel[RING]

    by_population: dict[str, list[tuple[int, int, float]]] = {name: [] for name in model.populations}
    for number, target, receptor, weight in sorted(entries):
        rows = structure_of(model, model.cell_of(target)).rows
        by_population[target].append((number, rows[f"g.{receptor}"], weight))
    starts = np.zeros(layout.blocks + 1, np.int64)
    flat: list[tuple[int, int, float]] = []
    for name, place in layout.places.items():
        for block in place.blocks:
            flat += by_population[name]
            starts[block + 1] = len(flat)
    most = int(connections.projections[:, IN_DEGREE_MAX].max(initial=0))
    return Arrivals(
        aligned(sizes[0], np.uint16 if most <= MOST_EXACT else np.uint32),
        aligned(sizes[1], real),
        channels,
        starts,
        np.array([entry[:2] for entry in flat], np.int64).reshape(-1, 2),
        np.array([entry[2] for entry in flat], real),
    )
