"""The loop over steps and blocks, as text for a rendered module, where `step` is the one of its cell types.

Numba keeps a function on disk only together with the functions that it calls by name; hence the text of
these two goes into each rendered module (`hhsim.rendering.program`) and is never called here. Lines that
end with `# timed` are for a rendering that tells how long each phase takes, and left out of all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numba import prange

    from hhsim.backends.cpu import begin, collect, prepare, receive, settle, wait
    from hhsim.backends.stopwatch import DELIVERY, DETECTION, RECEPTION, UPDATE, WAITING, lap
    from hhsim.intrinsics import borrow, read_ticks

    real = np.float64

    def step(*arguments: Any) -> None:
        """One step of one block: rendered."""


def advance_part(  # type: ignore[no-untyped-def]
    part,
    begin_step,
    end_step,
    first_step,
    shift,
    cells,
    work,
    connections,
    arrivals,
    trains,
    currents,
    samples,
    log,
    plan,
):
    cells, work, connections, arrivals = borrow(cells), borrow(work), borrow(connections), borrow(arrivals)
    trains, currents, samples, log, plan = (
        borrow(trains),
        borrow(currents),
        borrow(samples),
        borrow(log),
        borrow(plan),
    )
    blocks = range(plan.cuts[part], plan.cuts[part + 1])
    marks = work.marks[part]
    if begin_step == first_step:
        begin(part, cells, plan, shift)
    ticks, moment = work.ticks[part], read_ticks()  # timed
    for k in range(begin_step, end_step):
        prepare(part, k, first_step, cells, connections, arrivals, trains, currents, samples, log, plan)
        moment = lap(ticks, DELIVERY, moment)  # timed
        now = k - first_step
        row = plan.history + now
        for block in blocks:
            receive(block, k, cells, arrivals)
            moment = lap(ticks, RECEPTION, moment)  # timed
            p = cells.parameters[cells.owners[block]]
            gate_dt = p[0]
            if cells.staggered and k == 0:
                gate_dt = real(0.5) * p[0]  # the gates get half a step ahead
            step(cells.kinds[block], cells.state, cells.starts[block], marks, p, real(now), gate_dt)
            moment = lap(ticks, UPDATE, moment)  # timed
            collect(part, block, k, now, row, cells, work, log, plan)
            moment = lap(ticks, DETECTION, moment)  # timed
        if (k + 1) % plan.epoch == 0:
            if plan.together:
                wait(plan, part, k)
            moment = lap(ticks, WAITING, moment)  # timed
            if settle(plan, log, row, k):
                return k + 1
    return end_step


def advance(  # type: ignore[no-untyped-def]
    begin_step,
    end_step,
    first_step,
    shift,
    cells,
    work,
    connections,
    arrivals,
    trains,
    currents,
    samples,
    log,
    plan,
):
    # All steps are one parallel region; between epochs the parts meet at a barrier of our own.
    ends = np.zeros(plan.cuts.size - 1, np.int64)
    for part in prange(plan.cuts.size - 1):
        ends[part] = advance_part(  # type: ignore[no-untyped-call]
            np.int64(part),
            begin_step,
            end_step,
            first_step,
            shift,
            cells,
            work,
            connections,
            arrivals,
            trains,
            currents,
            samples,
            log,
            plan,
        )
    return ends[0]
