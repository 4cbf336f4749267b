"""How a model is run: its steps, what is recorded of it, and what stops it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Trace:
    """A state of some cells, sampled at t = 0, every, 2·every, ... below the duration."""

    population: str
    variable: str
    nodes: tuple[int, int]  # half-open range
    every: float  # ms


Method = Literal["exponential_euler", "staggered"]
Precision = Literal["float64", "float32"]


@dataclass(frozen=True)
class RunSettings:
    duration: float  # ms
    dt: float  # ms
    method: Method
    precision: Precision
    seed: int

    @property
    def steps(self) -> int:
        return round(self.duration / self.dt)


def usual_precision(device: str) -> Precision:
    """The precision of a config that names none: many graphics processors have few units for float64."""
    return "float32" if device.startswith("cuda") else "float64"


@dataclass(frozen=True)
class Guards:
    """What stops a run, looked at every `every` ms (to the next meeting of the threads)."""

    every: float  # ms
    rate_max: float | None = None  # 1/ms, mean over a population and `every`
    silent_for: float | None = None  # ms without a spike of a population
    v_range: tuple[float, float] | None = None  # mV, of every cell
