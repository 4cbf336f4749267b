"""How the threads share the work, what they leave for each other, and how they meet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.jit.intrinsics import (
    atomic_load,
    atomic_replace,
    atomic_swap,
    pause,
    sleep_while,
    wake,
)
from hhsim.jit.options import compiled, compiled_inline

LINE = 16  # elements between those of two parts in `Plan.progress`: two cache lines, fetched in pairs
RUNG, ASLEEP = 0, 2 * LINE  # in `Plan.bell`: how often it was rung; whether somebody sleeps until it is


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
    progress: npt.NDArray[np.int64]  # (parts · LINE,) twice the steps of each part, 1 more while it advances
    bell: npt.NDArray[np.int32]  # (4 · LINE,) for threads that wait
    patience: int  # looks at a part that is not done before sleeping
    own: int  # the portion of the log that is part 0's
    bounds: npt.NDArray[np.int64]  # (portions + 1,) portion q of the log is for the lanes from bounds[q] on


def open_parts(plan: Plan, step: int) -> None:
    """Before the threads begin: all parts stand at `step`."""
    plan.progress[::LINE] = 2 * step


@compiled_inline
def claim(plan: Plan, part: int, step: int) -> bool:
    """Take a part that stands at `step`, for this thread to advance; False if another thread has."""
    at = part * LINE
    return atomic_load(plan.progress, at) == 2 * step and atomic_replace(
        plan.progress, at, 2 * step, 2 * step + 1
    )


@compiled_inline
def finish(plan: Plan, part: int, step: int) -> None:
    """Give back a part that was claimed, which now stands at `step`."""
    atomic_swap(plan.progress, part * LINE, 2 * step)


@compiled
def wait(plan: Plan, step: int) -> None:
    """Wait until all parts stand at `step` or beyond.

    All of them have been claimed before, hence a thread works on each that is not there yet, though its
    processor may be busy with something else for milliseconds: after `patience` looks the waiting thread
    sleeps. Whoever sees that all parts are there wakes the others; of those who finish one, the last does.
    """
    parts = plan.cuts.size - 1
    part = looks = 0
    while part < parts:
        if atomic_load(plan.progress, part * LINE) >= 2 * step:
            part += 1
        elif looks < plan.patience:
            looks += 1
            pause()
        else:
            rung = atomic_load(plan.bell, RUNG)
            atomic_swap(plan.bell, ASLEEP, 1)
            if atomic_load(plan.progress, part * LINE) < 2 * step:
                sleep_while(plan.bell, RUNG, rung)
    if atomic_load(plan.bell, ASLEEP) == 1 and atomic_swap(plan.bell, ASLEEP, 0) == 1:
        rung = atomic_load(plan.bell, RUNG)
        while not atomic_replace(plan.bell, RUNG, rung, (rung + 1) % (1 << 30)):
            rung = atomic_load(plan.bell, RUNG)
        wake(plan.bell, RUNG)


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
