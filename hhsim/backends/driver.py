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

    from hhsim.backends.cpu import begin, collect, prepare, receive, settle, wait
    from hhsim.backends.stopwatch import DELIVERY, DETECTION, RECEPTION, UPDATE, WAITING, lap
    from hhsim.intrinsics import read_ticks
    from hhsim.structs import call


def advance_part(part, begin_step, end_step, first_step, shift, network):  # type: ignore[no-untyped-def]
    cells, work, arrivals, log, plan = (
        network.cells,
        network.work,
        network.arrivals,
        network.log,
        network.plan,
    )
    real = cells.state.dtype.type
    marks = work.marks[part]
    if begin_step == first_step:
        begin(part, cells, plan, shift)
    ticks, moment = work.ticks[part], read_ticks()  # timed
    reached = begin_step
    while reached < end_step:
        k = reached
        reached += 1
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
        if (k + 1) % plan.epoch == 0:
            if plan.together:
                wait(plan, part, k)
            moment = lap(ticks, WAITING, moment)  # timed
            if settle(plan, log, row, k):
                break
    work.reached[part] = reached


def advance(loop, parts, begin_step, end_step, first_step, shift, network):  # type: ignore[no-untyped-def]
    # All steps are one parallel region; between epochs the parts meet at a barrier of our own.
    for part in prange(parts):
        call(loop, np.int64(part), begin_step, end_step, first_step, shift, network)
