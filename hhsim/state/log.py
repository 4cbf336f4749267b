"""The log of spikes: those of a chunk of steps, and those before it that delays still reach back to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.jit.options import compiled

# Columns of `Log.failures`.
FAILED_STEP = 0  # of the first potential that is not finite; −1: there is none
FAILED_LANE = 1  # where it is
FAILURE_COLUMNS = 2


class Log(NamedTuple):
    """Spikes of a chunk and of the steps before it that delays still reach back to.

    Row r is for step `first_step − history + r`; portion q's spikes of row r are
    lanes[q, ends[q, r] : ends[q, r + 1]], in ascending order. Each part of the cells has a portion, and so
    have all cells of other processes below them, and all above: in the order of lanes.
    """

    lanes: npt.NDArray[np.int32]  # (portions, capacity)
    ends: npt.NDArray[np.int64]  # (portions, history + most steps + 1)
    suppressed: npt.NDArray[np.int64]  # (portions, populations) crossings within the refractory time
    failures: npt.NDArray[np.int64]  # (portions, FAILURE_COLUMNS)


def build_log(portions: int, capacity: int, rows: int, populations: int) -> Log:
    """An empty log with room for `capacity` spikes in each portion, and for `rows` steps."""
    return Log(
        np.zeros((portions, capacity), np.int32),
        np.zeros((portions, rows + 1), np.int64),
        np.zeros((portions, populations), np.int64),
        np.full((portions, FAILURE_COLUMNS), -1, np.int64),
    )


def keep_history(log: Log, history: int, steps: int) -> None:
    """After a chunk of `steps` steps: move the last `history` rows to the front of the log."""
    for lanes, ends in zip(log.lanes, log.ends, strict=True):
        rows = ends[steps : steps + history + 1].copy()
        lanes[: rows[-1] - rows[0]] = lanes[rows[0] : rows[-1]].copy()
        ends[: history + 1] = rows - rows[0]


@compiled
def spikes_of(
    log: Log, history: int, first_step: int, steps: int, first_lane: int, cells: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The spikes of a chunk in the lanes of one population: their steps and its cells, by time, then cell."""
    count = 0
    for part in range(log.lanes.shape[0]):
        for spike in range(log.ends[part, history], log.ends[part, history + steps]):
            count += 0 <= log.lanes[part, spike] - first_lane < cells
    when, who = np.empty(count, np.int64), np.empty(count, np.int64)
    at = 0
    for row in range(history, history + steps):
        for part in range(log.lanes.shape[0]):  # each owns the lanes above those of the part before
            for spike in range(log.ends[part, row], log.ends[part, row + 1]):
                cell = log.lanes[part, spike] - first_lane
                if 0 <= cell < cells:
                    when[at] = first_step + row - history
                    who[at] = cell
                    at += 1
    return when, who
