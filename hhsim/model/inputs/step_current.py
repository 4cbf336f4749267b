"""Step current: the same current from its start to its stop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from hhsim.model.inputs.base import Drawn, Given, Input
from hhsim.model.values import Value, is_zero


@dataclass(frozen=True, kw_only=True)
class StepCurrent(Input):
    """A constant current from `start` to `stop`."""

    kind = "step_current"
    flows = True

    amplitude: Annotated[Value, Drawn("pA")]

    @property
    def arrival(self) -> None:
        return None

    def idle(self) -> Iterator[str]:
        if is_zero(self.amplitude):
            yield "its amplitude is 0 pA"

    @classmethod
    def contradictions(cls, given: Given) -> Iterator[tuple[str, str]]:
        yield from ()
