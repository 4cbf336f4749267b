"""The synapses of a network as the kernels read them: cut by target, sorted by source, then by target.

Part p owns the blocks from cuts[p] to cuts[p + 1] with their lanes, and all synapses onto them. Within a
part every projection has a row of target lanes for each source, and the rows follow one another, so that
the delivery of a spike reads one short run of memory. A thread may own several of these parts: its tiles
(`hhsim.network.build.tile`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

# Columns of `Connections.places`.
ROW_BASE = 0  # where the row_starts of a (part, projection) begin
SYNAPSE_BASE = 1  # where its targets begin
WEIGHT_BASE = 2  # where its weights begin; -1: one weight for all
LAG_BASE = 3  # where its lags begin; -1: one delay for all
FIRST_LANE = 4  # the lane that target 0 means
PLACE_COLUMNS = 5

# Columns of `Connections.projections`.
SOURCE_FIRST_LANE = 0
SOURCE_SIZE = 1
DELAY = 2  # the least delay, steps
SLOTS = 3  # the largest lag + 1
SPAN_FIRST_LANE = 4  # the lanes from the first target population to the end of the last, padding included
SPAN_LANES = 5
IN_DEGREE_MAX = 6  # the most synapses onto one cell
PROJECTION_COLUMNS = 7

NONE = -1

# Takes an array of one process and returns those of all processes that share a network.
Gather = Callable[[npt.NDArray[Any]], list[npt.NDArray[Any]]]


def alone(own: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Nobody shares the network with this process."""
    return [own]


class Connections(NamedTuple):
    """All synapses onto the blocks of some parts.

    The row of a source s is targets[base + starts[s] : base + starts[s + 1]], where base is the place's
    SYNAPSE_BASE and starts begins at its ROW_BASE. Multapses are entries that repeat.
    """

    targets: npt.NDArray[Any]  # uint16 or uint32: lanes less FIRST_LANE of their place, ascending in a row
    row_starts: npt.NDArray[np.uint32]  # source size + 1 of them for each (part, projection), from 0
    weights: npt.NDArray[Any]  # real, nS: parallel to the targets of projections with individual weights
    lags: npt.NDArray[np.uint16]  # steps beyond the least delay, for projections with individual delays
    places: npt.NDArray[np.int64]  # (parts, projections, PLACE_COLUMNS)
    projections: npt.NDArray[np.int64]  # (projections, PROJECTION_COLUMNS)
    uniform_weights: npt.NDArray[np.float64]  # (projections,), nS; NaN where weights are individual

    @property
    def synapses(self) -> int:
        return int(self.targets.size)

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self)

    def size_of(self, part: int, projection: int) -> int:
        """Synapses of one projection onto one part."""
        place = self.places[part, projection]
        return int(self.row_starts[place[ROW_BASE] + self.projections[projection, SOURCE_SIZE]])

    def rows(self, part: int, projection: int) -> npt.NDArray[np.uint32]:
        """Where each source's row begins in `entries`, and the end."""
        base = self.places[part, projection, ROW_BASE]
        return self.row_starts[base : base + self.projections[projection, SOURCE_SIZE] + 1]

    def entries(self, part: int, projection: int) -> slice:
        """The place of a (part, projection) in `targets`."""
        base = int(self.places[part, projection, SYNAPSE_BASE])
        return slice(base, base + self.size_of(part, projection))
