"""Normal distributions that are clipped, so that their mean is another one than the config says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import assert_never

from hhsim.channels import all_channels, all_receptors
from hhsim.channels.states import states_of
from hhsim.model import (
    CellType,
    Constant,
    FromFile,
    InitialValue,
    Model,
    Normal,
    Population,
    Steady,
    Uniform,
)

NOTABLE = 0.01  # share of clipped draws that is worth a word
NOTABLE_AT_START = 0.05  # the same of initial values, which a run forgets


def clipped(model: Model) -> Iterator[str]:
    """A sentence for each normal distribution of which a notable share is clipped."""
    for name in dict.fromkeys(population.cell for population in model.populations.values()):
        yield from _cell(model.cells[name])
    for population in model.populations.values():
        yield from _initial(population, model.cells[population.cell])
    for i, projection in enumerate(model.projections):
        for key, value, unit in (("weight", projection.weight, "nS"), ("delay", projection.delay, "ms")):
            if value is not None:
                yield from note(f"projection[{i}].{key}", value, unit)
    for one in model.inputs:
        for key, unit in one.drawn_keys():
            yield from note(f"{key} of {one}", getattr(one, key), unit)


def _cell(cell: CellType) -> Iterator[str]:
    yield from note(f"cell.{cell.name}.capacitance", cell.capacitance, "pF")
    kinds = (("channel", cell.channels, all_channels()), ("receptor", cell.receptors, all_receptors()))
    for kind, mechanisms, definitions in kinds:
        for mechanism in mechanisms:
            parameters = definitions[mechanism.model].parameters
            for name, value in mechanism.parameters.items():
                where = f"cell.{cell.name}.{kind}.{mechanism.key}.{name}"
                yield from note(where, value, parameters[name].unit)


def _initial(population: Population, cell: CellType) -> Iterator[str]:
    states = states_of(cell)
    for state, value in population.initial.items():
        where = f"population.{population.name}.initial.{state}"
        yield from note(where, value, states[state].unit, NOTABLE_AT_START)


def note(where: str, value: InitialValue, unit: str, notable: float = NOTABLE) -> Iterator[str]:
    """What clipping does to `value`, if it is a normal distribution that loses more than `notable`."""
    match value:
        case Constant() | Uniform() | FromFile() | Steady():
            return
        case Normal(mean, sd, low, high):
            if sd == 0:
                return
        case _:
            assert_never(value)
    unit = "" if unit in ("", "1") else f" {unit}"
    below, above = _cdf((low - mean) / sd), _cdf((mean - high) / sd)
    sides = [
        f"{share:.0%} of the draws lie {side} {limit:g}{unit} and become {limit:g}{unit}"
        for share, side, limit in ((below, "below", low), (above, "above", high))
        if share > notable
    ]
    if sides:
        told = f"their mean is {clipped_mean(value):.4g}{unit}, not {mean:g}{unit}"
        yield f"{where}: {', '.join(sides)}; {told}"


def clipped_mean(value: Normal) -> float:
    """The mean of what is drawn from `value`, whose sd is not 0."""
    low, high = (value.min - value.mean) / value.sd, (value.max - value.mean) / value.sd
    inside = value.mean * (_cdf(high) - _cdf(low)) - value.sd * (_density(high) - _density(low))
    at_low = value.min * _cdf(low) if math.isfinite(low) else 0.0
    at_high = value.max * _cdf(-high) if math.isfinite(high) else 0.0
    return inside + at_low + at_high


def _cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _density(z: float) -> float:
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
