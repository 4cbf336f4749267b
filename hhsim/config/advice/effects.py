"""Delays that are rounded, and sections of a config that change nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import assert_never

from hhsim.model import (
    Constant,
    Input,
    Model,
    Normal,
    PoissonInput,
    StepCurrent,
    Uniform,
    Value,
    constant,
)


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
        if _zero(projection.weight):
            yield f"projection[{i}] has no effect: its weight is 0 nS"
    for section in model.inputs:
        what, reasons = _idle(section)
        yield from (f"{what} has no effect: {reason}" for reason in reasons)
        if section.start >= model.run.duration:
            yield (
                f"{what} has no effect: it starts at {section.start:g} ms, but the run ends at "
                f"{model.run.duration:g} ms"
            )
        elif section.start == section.stop:
            yield f"{what} has no effect: it stops at {section.stop:g} ms, when it starts"


def _idle(section: Input) -> tuple[str, list[str]]:
    """What an input is called, and why it does nothing."""
    match section:
        case PoissonInput():
            reasons = ["its rate is 0 Hz"] if section.rate == 0.0 else []
            reasons += ["its weight is 0 nS"] if _zero(section.weight) else []
            return f'the poisson input of "{section.target}"', reasons
        case StepCurrent():
            reasons = ["its amplitude is 0 pA"] if _zero(section.amplitude) else []
            return f'the step_current input of "{section.target}"', reasons
        case _:
            assert_never(section)


def _zero(value: Value | None) -> bool:
    match value:
        case None:
            return False
        case Constant(number):
            return number == 0.0
        case Normal(mean, sd):
            return mean == 0.0 and sd == 0.0
        case Uniform(low, high):
            return low == high == 0.0
        case _:
            assert_never(value)
