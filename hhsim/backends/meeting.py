"""How the threads share the work, what they leave for each other, and how they meet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.intrinsics import atomic_add, atomic_load, atomic_store, pause, yield_processor
from hhsim.jit import compiled, compiled_parallel, prange

PATIENCE = 2000  # looks at the barrier before a thread offers its processor to others
LINE = 16  # elements between those of two parts in `Plan.arrived`: two cache lines, fetched in pairs


class Log(NamedTuple):
    """Spikes of a chunk and of the steps before it that delays still reach back to.

    Row r is for step `first_step − history + r`; portion q's spikes of row r are
    nodes[q, ends[q, r] : ends[q, r + 1]], lanes in ascending order. Each part of the cells has a portion,
    and so have all cells of other processes below them, and all above: in the order of lanes.
    """

    nodes: npt.NDArray[np.int32]  # (portions, capacity)
    ends: npt.NDArray[np.int64]  # (portions, history + most steps + 1)
    suppressed: npt.NDArray[np.int64]  # (portions, populations) crossings within the refractory time
    failures: npt.NDArray[np.int64]  # (portions, 2): step and lane of the first potential not finite, or −1


class Plan(NamedTuple):
    """How the work is shared out."""

    cuts: npt.NDArray[np.int64]  # (parts + 1,) part p owns the blocks from cuts[p] to cuts[p + 1]
    tiles: npt.NDArray[np.int64]  # (parts + 1,) part p owns the tiles from tiles[p] to tiles[p + 1]
    history: int  # steps of the log before the chunk
    epoch: int  # steps between two meetings of the threads
    arrived: npt.NDArray[np.int64]  # (parts · LINE,) the last step that each part has done
    patience: int  # looks at the barrier before yielding
    together: bool  # the threads of all parts run at once, so that they can wait for each other
    own: int  # the portion of the log that is part 0's
    bounds: npt.NDArray[np.int64]  # (portions + 1,) portion q of the log is for the lanes from bounds[q] on


@compiled
def wait(plan: Plan, part: int, step: int) -> None:
    """Wait until all parts have done `step`.

    Each part has a cache line of its own to say how far it is, and looks at those of the others: one
    transfer between processors, where a common counter takes three.
    """
    arrived = plan.arrived
    atomic_store(arrived, part * LINE, step)
    for other in range(plan.cuts.size - 1):
        looks = 0
        while atomic_load(arrived, other * LINE) < step:
            looks += 1
            if looks > plan.patience:
                yield_processor()
            else:
                pause()


@compiled_parallel
def threads_meet(parts: int, met: npt.NDArray[np.int64]) -> None:
    """How many of `parts` threads really run at once, in met[1]: each waits for all, but not for ever."""
    for _ in prange(parts):
        atomic_add(met, 0, 1)
        for _look in range(200_000):
            if atomic_load(met, 0) == parts:
                atomic_add(met, 1, 1)
                break
            yield_processor()


@compiled
def settle(plan: Plan, log: Log, row: int, last_step: int) -> bool:
    """After a meeting at the end of `last_step`: must all stop here? All parts come to the same answer."""
    capacity = log.nodes.shape[1]
    for part in range(plan.own, plan.own + plan.cuts.size - 1):
        lanes = plan.bounds[part + 1] - plan.bounds[part]
        if log.ends[part, row + 1] + lanes * plan.epoch > capacity:
            return True
        if 0 <= log.failures[part, 0] <= last_step:
            return True
    return False
