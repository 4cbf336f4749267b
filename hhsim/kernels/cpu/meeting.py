"""How the threads of a process meet: they claim parts, give them back, and wait for all of them."""

from __future__ import annotations

from hhsim.jit.intrinsics import (
    atomic_load,
    atomic_replace,
    atomic_swap,
    pause,
    sleep_while,
    wake,
)
from hhsim.jit.options import compiled, compiled_inline
from hhsim.state.log import FAILED_STEP, Log
from hhsim.state.shares import ASLEEP, LINE, RUNG, Shares


def open_parts(shares: Shares, step: int) -> None:
    """Before the threads begin: all parts stand at `step`."""
    shares.progress[::LINE] = 2 * step


@compiled_inline
def claim(shares: Shares, part: int, step: int) -> bool:
    """Take a part that stands at `step`, for this thread to advance; False if another thread has."""
    at = part * LINE
    return atomic_load(shares.progress, at) == 2 * step and atomic_replace(
        shares.progress, at, 2 * step, 2 * step + 1
    )


@compiled_inline
def finish(shares: Shares, part: int, step: int) -> None:
    """Give back a part that was claimed, which now stands at `step`."""
    atomic_swap(shares.progress, part * LINE, 2 * step)


@compiled
def wait(shares: Shares, step: int) -> None:
    """Wait until all parts stand at `step` or beyond.

    All of them have been claimed before, hence a thread works on each that is not there yet, though its
    processor may be busy with something else for milliseconds: after `patience` looks the waiting thread
    sleeps. Whoever sees that all parts are there wakes the others; of those who finish one, the last does.
    """
    parts = shares.cuts.size - 1
    part = looks = 0
    while part < parts:
        if atomic_load(shares.progress, part * LINE) >= 2 * step:
            part += 1
        elif looks < shares.patience:
            looks += 1
            pause()
        else:
            rung = atomic_load(shares.bell, RUNG)
            atomic_swap(shares.bell, ASLEEP, 1)
            if atomic_load(shares.progress, part * LINE) < 2 * step:
                sleep_while(shares.bell, RUNG, rung)
    if atomic_load(shares.bell, ASLEEP) == 1 and atomic_swap(shares.bell, ASLEEP, 0) == 1:
        rung = atomic_load(shares.bell, RUNG)
        while not atomic_replace(shares.bell, RUNG, rung, (rung + 1) % (1 << 30)):
            rung = atomic_load(shares.bell, RUNG)
        wake(shares.bell, RUNG)


@compiled
def settle(shares: Shares, log: Log, row: int, last_step: int) -> bool:
    """After a meeting at the end of `last_step`: must all stop here? All parts come to the same answer."""
    capacity = log.lanes.shape[1]
    for part in range(shares.own, shares.own + shares.cuts.size - 1):
        lanes = shares.bounds[part + 1] - shares.bounds[part]
        if log.ends[part, row + 1] + lanes * shares.epoch > capacity:
            return True
        if 0 <= log.failures[part, FAILED_STEP] <= last_step:
            return True
    return False
