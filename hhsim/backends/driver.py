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

    from hhsim.backends.cpu import begin, claim, collect, finish, open_parts, prepare, receive, settle, wait
    from hhsim.backends.stopwatch import DELIVERY, DETECTION, RECEPTION, UPDATE, WAITING, lap
    from hhsim.intrinsics import borrow, read_ticks

    real = np.float64

    def step(*arguments: Any) -> None:
        """One step of one block: rendered."""


def advance_parts(  # type: ignore[no-untyped-def]
    worker,
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
            blocks = range(plan.cuts[part], plan.cuts[part + 1])
            marks = work.marks[part]
            if reached == first_step:
                begin(part, cells, plan, shift)
            for k in range(reached, until):
                prepare(
                    part, k, first_step, cells, connections, arrivals, trains, currents, samples, log, plan
                )
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
            finish(plan, part, until)
        wait(plan, until)
        moment = lap(ticks, WAITING, moment)  # timed
        reached = until
        if settle(plan, log, plan.history + until - 1 - first_step, until - 1):
            break
    return reached


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
    # All steps are one parallel region; between epochs the threads meet at a barrier of our own.
    ends = np.zeros(plan.cuts.size - 1, np.int64)
    open_parts(plan, begin_step)
    for worker in prange(plan.cuts.size - 1):
        ends[worker] = advance_parts(  # type: ignore[no-untyped-call]
            np.int64(worker),
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
