"""The loop over steps and blocks, as text for a rendered module of its own: it knows no cell type.

The step of each cell type is called through its address (`Task.steps`), so that this is compiled once for
all cells. Lines that end with `# timed` are for a rendering that tells how long each phase takes, and left
out of all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numba import prange

    from hhsim.jit.intrinsics import read_ticks
    from hhsim.jit.structs import call
    from hhsim.kernels.cpu.delivery import receive
    from hhsim.kernels.cpu.meeting import claim, finish, settle, wait
    from hhsim.kernels.cpu.parts import begin, collect, prepare
    from hhsim.kernels.cpu.stopwatch import DELIVERY, DETECTION, RECEPTION, UPDATE, WAITING, lap

    def drive(part: int, k: int, first_step: int, network: Any) -> None:
        """Let the inputs of every kind act on a part at step k (`hhsim.kernels.render.inputs`)."""


def advance_parts(worker, begin_step, end_step, first_step, shift, task):  # type: ignore[no-untyped-def]
    work, network = task.work, task.network
    cells, shares = network.cells, network.shares
    real = cells.state.dtype.type
    parts = shares.cuts.size - 1
    ticks, moment = work.ticks[worker], read_ticks()  # timed
    reached = begin_step
    while reached < end_step:
        until = min(end_step, (reached // shares.epoch + 1) * shares.epoch)
        # The part that has this thread's number first, then whatever no other thread has begun: one that has
        # lost its processor to another program keeps nobody waiting, unless it is within a part.
        for turn in range(parts):
            part = (worker + turn) % parts
            if not claim(shares, part, reached):
                continue
            marks = work.marks[part]
            if reached == first_step:
                begin(part, cells, shares, shift)
            for k in range(reached, until):
                prepare(part, k, first_step, network)
                drive(part, k, first_step, network)
                moment = lap(ticks, DELIVERY, moment)  # timed
                now = k - first_step
                row = shares.history + now
                for block in range(shares.cuts[part], shares.cuts[part + 1]):
                    receive(block, k, network)
                    moment = lap(ticks, RECEPTION, moment)  # timed
                    p = cells.parameters[cells.owners[block]]
                    gate_dt = p[0]
                    if cells.staggered and k == 0:
                        gate_dt = real(0.5) * p[0]  # the gates get half a step ahead
                    step = task.steps[cells.kinds[block]]
                    call(step, cells.state, cells.starts[block], marks, p, real(now), gate_dt)
                    moment = lap(ticks, UPDATE, moment)  # timed
                    collect(part, block, k, now, row, task)
                    moment = lap(ticks, DETECTION, moment)  # timed
            finish(shares, part, until)
        wait(shares, until)
        moment = lap(ticks, WAITING, moment)  # timed
        reached = until
        if settle(shares, network.log, shares.history + until - 1 - first_step, until - 1):
            break
    work.reached[worker] = reached


def advance(loop, workers, begin_step, end_step, first_step, shift, task):  # type: ignore[no-untyped-def]
    # Seven plain numbers: a tuple is taken apart where a parallel region begins, which is slow to compile
    # (`hhsim.jit.structs`).
    # All steps are one region; between epochs the threads meet at a barrier of our own.
    for worker in prange(workers):
        call(loop, np.int64(worker), begin_step, end_step, first_step, shift, task)
