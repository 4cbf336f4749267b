"""The loop over steps and blocks, as text for a rendered module, where `step` is the one of its cell types.

Numba keeps a function on disk only together with the functions that it calls by name; hence the text of
these two goes into each rendered module (`hhsim.rendering.program`) and is never called here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numba import prange

    from hhsim.backends.cpu import begin, collect, prepare, receive, settle, wait

    def step(*arguments: Any) -> None:
        """One step of one block: rendered."""


def advance_part(  # type: ignore[no-untyped-def]
    part, k, first_step, cells, work, connections, arrivals, trains, currents, samples, log, plan
):
    prepare(part, k, first_step, cells, connections, arrivals, trains, currents, samples, log, plan)
    now = k - first_step
    gate_dt_share = 0.5 if cells.staggered and k == 0 else 1.0  # the gates get half a step ahead
    for block in range(plan.cuts[part], plan.cuts[part + 1]):
        receive(block, k, cells, arrivals)
        p = cells.parameters[cells.owners[block]]
        gate_dt = real(p[0] * gate_dt_share)  # noqa: F821  (`real` is the number type of the module)
        step(
            cells.kinds[block],
            cells.state,
            cells.starts[block],
            work.marks[part],
            p,
            real(now),  # noqa: F821
            gate_dt,
        )
        collect(part, block, k, now, plan.history + now, cells, work, log)


def advance_together(  # type: ignore[no-untyped-def]
    steps, first_step, shift, cells, work, connections, arrivals, trains, currents, samples, log, plan
):
    # One parallel region for all steps, with a barrier of our own between epochs.
    parts = plan.cuts.size - 1
    done = np.zeros(parts, np.int64)
    for each in prange(parts):
        part = np.int64(each)
        begin(part, cells, plan, shift)
        for now in range(steps):
            k = first_step + now
            advance_part(part, k, first_step, cells, work, connections, arrivals, trains, currents, samples, log, plan)
            done[part] = now + 1
            if (k + 1) % plan.epoch == 0:
                wait(plan, parts)
                if settle(plan, log, plan.history + now, k):
                    break
    return done[0]


def advance_apart(  # type: ignore[no-untyped-def]
    steps, first_step, shift, cells, work, connections, arrivals, trains, currents, samples, log, plan
):
    # A region for each step: slower, but right even if the parts run one after another.
    parts = plan.cuts.size - 1
    for each in prange(parts):
        begin(np.int64(each), cells, plan, shift)
    for now in range(steps):
        k = first_step + now
        for each in prange(parts):
            part = np.int64(each)
            advance_part(part, k, first_step, cells, work, connections, arrivals, trains, currents, samples, log, plan)
        if (k + 1) % plan.epoch == 0 and settle(plan, log, plan.history + now, k):
            return now + 1
    return steps
