"""Poisson input: an independent train of spikes for each cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from hhsim.model.inputs.base import Arrival, Drawn, Given, Input, Number, ReceptorName
from hhsim.model.values import Value, is_zero

MOST_SPIKES = 1000  # in a step: a cell's arrivals are counted in 16 bits


@dataclass(frozen=True, kw_only=True)
class PoissonInput(Input):
    """An independent Poisson train for each cell from `start` to `stop`."""

    kind = "poisson"
    flows = False

    rate: Annotated[float, Number("1/ms", least=0.0)]
    weight: Annotated[Value, Drawn("nS", least=0.0)]
    receptor: Annotated[str, ReceptorName()]

    @property
    def arrival(self) -> Arrival:
        return Arrival(self.receptor, self.weight)

    def idle(self) -> Iterator[str]:
        if self.rate == 0.0:
            yield "its rate is 0 Hz"
        if is_zero(self.weight):
            yield "its weight is 0 nS"

    @classmethod
    def contradictions(cls, given: Given) -> Iterator[tuple[str, str]]:
        rate = given.values.get("rate")
        if rate is not None and given.dt is not None and rate * given.dt > MOST_SPIKES:
            text = f"{given.typed['rate']} is {rate * given.dt:g} spikes in each step of {given.typed_dt}"
            yield "rate", f"{text}; at most {MOST_SPIKES} can be counted"
