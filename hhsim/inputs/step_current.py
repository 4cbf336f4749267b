"""Step currents: the same current from its start to its stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.inputs.driven import Driven, Parts, drawn, joined
from hhsim.jit.options import compiled_inline, kernel
from hhsim.model import Model, StepCurrent
from hhsim.network.layout import LANES
from hhsim.network.random import Purpose, identify

# Columns of `Currents.table`.
FIRST, LAST = 0, 1  # lanes that it drives
ON, OFF = 2, 3  # steps
OFFSET = 4  # where its amplitudes begin
COLUMNS = 5


class Currents(NamedTuple):
    """Step currents into the cells of a process."""

    table: npt.NDArray[np.int64]  # (inputs, COLUMNS)
    amplitudes: npt.NDArray[Any]  # real (cells,), pA


def build(inputs: Sequence[Driven[StepCurrent]], model: Model) -> Currents:
    """The arrays of these step currents."""
    table = np.zeros((len(inputs), COLUMNS), np.int64)
    amplitudes: list[npt.NDArray[np.float64]] = []
    offset = 0
    for row, one in zip(table, inputs, strict=True):
        row[:] = one.lanes.start, one.lanes.stop, one.on, one.off, offset
        amplitudes.append(drawn(one, "amplitude", model, Purpose.AMPLITUDE, identify("current", *one.names)))
        offset += len(one.nodes)
    return Currents(table, joined(amplitudes, model))


@compiled_inline
def changes(k: int, currents: Currents) -> bool:
    """Whether a current goes on or off at step k."""
    changed = False
    for i in range(currents.table.shape[0]):
        changed |= currents.table[i, ON] == k or currents.table[i, OFF] == k
    return changed


@kernel
def flow(part: int, k: int, currents: Currents, network: Parts) -> None:
    """Add what flows from step k on to the outer currents of a part."""
    cells, cuts = network.cells, network.shares.cuts
    low, high = cuts[part] * LANES, cuts[part + 1] * LANES
    for i in range(currents.table.shape[0]):
        current = currents.table[i]
        if not current[ON] <= k < current[OFF]:
            continue
        for lane in range(max(current[FIRST], low), min(current[LAST], high)):
            block = lane // LANES
            row = cells.current_rows[cells.owners[block]]
            at = cells.starts[block] + np.uint64(row * LANES + lane % LANES)
            cells.state[at] += currents.amplitudes[current[OFFSET] + lane - current[FIRST]]
