"""The loop over steps and blocks, as text for a rendered module of its own: it knows no cell type.

The step of each cell type is called through its address (`Network.steps`), so that this is compiled once for
all cells. Lines that end with `# timed` are for a rendering that tells how long each phase takes, and left
out of all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numba import prange

    from hhsim.jit.intrinsics import read_ticks
    from hhsim.jit.structs import call
    from hhsim.kernels.cpu.cpu import begin, claim, collect, finish, prepare, receive, settle, wait
    from hhsim.kernels.cpu.stopwatch import DELIVERY, DETECTION, RECEPTION, UPDATE, WAITING, lap


def advance_parts(worker, begin_step, end_step, first_step, shift, network):  # type: ignore[no-untyped-def]
    cells, work, arrivals, log, plan = (
        network.cells,
        network.work,
        network.arrivals,
        network.log,
        network.plan,
    )
    real = cells.state.dtype.type
    parts = plan.cuts.size - 1
    ticks, moment = work.ticks[worker], read_ticks()  # timed
    reached = begin_step
    while reached < end_step:
        until = min(end_step, (reached // plan.epoch + 1) * plan.epoch)
        # The part that has this thread's number first, then whatever no other thread has begun: one that has
        # lost its processor to another program keeps nobody waiting, unless it is within a part.
        for turn in range(parts):
            part = (worker + turn) % parts
            if not claim(plan, part, reached):
                continue
            marks = work.marks[part]
            if reached == first_step:
                begin(part, cells, plan, shift)
            for k in range(reached, until):
                prepare(part, k, first_step, network)
                moment = lap(ticks, DELIVERY, moment)  # timed
                now = k - first_step
                row = plan.history + now
                for block in range(plan.cuts[part], plan.cuts[part + 1]):
                    receive(block, k, cells, arrivals)
                    moment = lap(ticks, RECEPTION, moment)  # timed
                    p = cells.parameters[cells.owners[block]]
                    gate_dt = p[0]
                    if cells.staggered and k == 0:
                        gate_dt = real(0.5) * p[0]  # the gates get half a step ahead
                    step = network.steps[cells.kinds[block]]
                    call(step, cells.state, cells.starts[block], marks, p, real(now), gate_dt)
                    moment = lap(ticks, UPDATE, moment)  # timed
                    collect(part, block, k, now, row, network)
                    moment = lap(ticks, DETECTION, moment)  # timed
            finish(plan, part, until)
        wait(plan, until)
        moment = lap(ticks, WAITING, moment)  # timed
        reached = until
        if settle(plan, log, plan.history + until - 1 - first_step, until - 1):
            break
    work.reached[worker] = reached


def advance(loop, workers, begin_step, end_step, first_step, shift, network):  # type: ignore[no-untyped-def]
    # All steps are one parallel region; between epochs the threads meet at a barrier of our own.
    for worker in prange(workers):
        call(loop, np.int64(worker), begin_step, end_step, first_step, shift, network)
