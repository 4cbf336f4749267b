"""Numbers of a config: one for all, drawn from a distribution, from a file, or a gate at rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import assert_never


@dataclass(frozen=True)
class Constant:
    """The same number for every cell or synapse."""

    value: float


@dataclass(frozen=True)
class Normal:
    """Drawn from a normal distribution, then clipped to [min, max]."""

    mean: float
    sd: float
    min: float = float("-inf")
    max: float = float("inf")


@dataclass(frozen=True)
class Uniform:
    """Drawn evenly from [low, high)."""

    low: float
    high: float


@dataclass(frozen=True)
class FromFile:
    """One number for each cell, from the dataset of the state's name in a SONATA nodes file."""

    path: Path


@dataclass(frozen=True)
class Steady:
    """A gate at its steady state for the initial membrane potential."""


Value = Constant | Normal | Uniform
InitialValue = Constant | Normal | Uniform | FromFile | Steady


def mean(value: Value) -> float:
    """The mean of `value`, clipping left out."""
    match value:
        case Constant(number):
            return number
        case Normal(middle):
            return middle
        case Uniform(low, high):
            return low / 2 + high / 2
        case _:
            assert_never(value)


def constant(value: Value | None) -> float | None:
    """The number that all cells or synapses share; None where each has its own, drawn or from a file."""
    match value:
        case Constant(number):
            return number
        case None | Normal() | Uniform():
            return None
        case _:
            assert_never(value)


def in_file(value: InitialValue) -> bool:
    """Whether initial values stand in a file, which fixes the size of the population."""
    match value:
        case FromFile():
            return True
        case Constant() | Normal() | Uniform() | Steady():
            return False
        case _:
            assert_never(value)
