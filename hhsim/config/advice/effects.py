"""Delays that are rounded, and sections of a config that change nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hhsim.model import (
    Model,
    constant,
)
from hhsim.model.values import is_zero


def delays(model: Model) -> Iterator[str]:
    """Delays that are no multiple of the step."""
    dt = model.run.dt
    for i, projection in enumerate(model.projections):
        delay = constant(projection.delay)
        if delay is None:
            continue
        steps = round(delay / dt) if delay / dt < 2**53 else delay / dt
        if not math.isclose(steps * dt, delay, rel_tol=1e-9, abs_tol=1e-9 * dt):
            yield (
                f"projection[{i}].delay: {delay:g} ms is no multiple of dt = {dt:g} ms and is rounded to "
                f"{steps * dt:g} ms"
            )


def without_effect(model: Model) -> Iterator[str]:
    """Projections and inputs that do nothing."""
    for i, projection in enumerate(model.projections):
        empty = projection.rule.without_synapses()
        if empty:
            yield f"projection[{i}] has no synapses: {empty}"
        if projection.weight is not None and is_zero(projection.weight):
            yield f"projection[{i}] has no effect: its weight is 0 nS"
    for section in model.inputs:
        yield from (f"{section} has no effect: {reason}" for reason in section.idle())
        if section.start >= model.run.duration:
            yield (
                f"{section} has no effect: it starts at {section.start:g} ms, but the run ends at "
                f"{model.run.duration:g} ms"
            )
        elif section.start == section.stop:
            yield f"{section} has no effect: it stops at {section.stop:g} ms, when it starts"
