"""Values that are well-formed but hardly meant, each against what is known of real cells.

Distributions are judged by the range in which their draws lie, that is 99.7 % of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import assert_never

from hhsim.channels import all_channels, all_receptors
from hhsim.config.advice.dynamics import resting_conductance
from hhsim.model import (
    CellType,
    Constant,
    FromFile,
    InitialValue,
    Model,
    Normal,
    Steady,
    Uniform,
    Value,
)

MOST_WEIGHT = 1000.0  # times the whole resting conductance of a cell
FARTHEST = 200.0  # mV, from 0
MOST_INHIBITORY = -40.0  # mV, a reversal potential
LONGEST_REFRACTORY = 100.0  # ms
MOST_CURRENT = 1e5  # pA
CAPACITANCE = (0.1, 10.0)  # uF/cm^2; membranes have 0.5 to 2
UF_PER_CM2 = 100.0  # of 1 pF/um^2
SPREAD = 3.0  # standard deviations to either side

_INHIBITORY = re.compile(r"(?<![a-z])(inh|inhib|inhibitory|inhibition|gaba[abc]?)(?![a-z])")


def implausible(model: Model) -> Iterator[str]:
    """A sentence for each value that no cell is known to have."""
    used = dict.fromkeys(population.cell for population in model.populations.values())
    for name in used:
        yield from _cell(model.cells[name])
        yield from _spike(model.cells[name], model.run.dt)
    for population in model.populations.values():
        if "v" in population.initial:
            yield from _far(f"population.{population.name}.initial.v", population.initial["v"])
    for i, projection in enumerate(model.projections):
        yield from _weight(model, f"projection[{i}].weight", projection.weight, projection.targets)
    for one in model.inputs:
        for key, unit in one.drawn_keys():
            where, value = f"{key} of {one}", getattr(one, key)
            if unit == "nS":
                yield from _weight(model, where, value, (one.target,))
            elif unit == "pA":
                yield from _current(where, value)


def occurring(value: InitialValue) -> tuple[float, float] | None:
    """The least and the largest number that is likely to occur; None where a file or a gate decides."""
    match value:
        case Constant(number):
            return number, number
        case Uniform(low, high):
            return low, high
        case Normal(mean, sd, least, most):
            low, high = (min(max(mean + side * SPREAD * sd, least), most) for side in (-1, 1))
            return low, high
        case FromFile() | Steady():
            return None
        case _:
            assert_never(value)


def _cell(cell: CellType) -> Iterator[str]:
    channels = [("channel", each, all_channels()[each.model].parameters) for each in cell.channels]
    receptors = [("receptor", each, all_receptors()[each.model].parameters) for each in cell.receptors]
    for kind, mechanism, parameters in (*channels, *receptors):
        where = f"cell.{cell.name}.{kind}.{mechanism.key}"
        for name, value in mechanism.parameters.items():
            if parameters[name].unit == "mV":
                yield from _far(f"{where}.{name}", value)
        e_rev = occurring(mechanism.parameters["e_rev"])
        if e_rev is not None and e_rev[1] > MOST_INHIBITORY and _sounds_inhibitory(mechanism.key):
            yield (
                f"{where}.e_rev: {_shown(*e_rev)} mV is above {MOST_INHIBITORY:g} mV, "
                f'though "{mechanism.key}" sounds inhibitory'
            )
    capacitance = occurring(cell.capacitance)
    if cell.area is not None and capacitance is not None:
        low, high = (UF_PER_CM2 * each / cell.area for each in capacitance)
        if low < CAPACITANCE[0] or high > CAPACITANCE[1]:
            yield (
                f"cell.{cell.name}.capacitance: {_shown(*capacitance)} pF on {cell.area:g} um^2 is "
                f"{_shown(low, high)} uF/cm^2; membranes have about 1 uF/cm^2"
            )


def _spike(cell: CellType, dt: float) -> Iterator[str]:
    spike, where = cell.spike, f"cell.{cell.name}.spike"
    yield from _far(f"{where}.threshold", Constant(spike.threshold))
    if spike.refractory > LONGEST_REFRACTORY:
        yield (
            f"{where}.refractory: {spike.refractory:g} ms is longer than {LONGEST_REFRACTORY:g} ms: no cell "
            f"fires faster than {1000 / spike.refractory:.2g} Hz"
        )
    if spike.refractory / dt >= 1.5:  # two steps
        return
    time = "no refractory time" if spike.refractory == 0 else f"a refractory time of {spike.refractory:g} ms"
    match spike.rule:
        case "level":
            when = "above the threshold"
        case "peak":
            when = "above the threshold where V falls"
        case "crossing":
            return
        case _:
            assert_never(spike.rule)
    yield (
        f'{where}: with rule = "{spike.rule}" and {time} an action potential counts as a spike at every step '
        f"{when}"
    )


def _far(where: str, value: InitialValue) -> Iterator[str]:
    found = occurring(value)
    if found is not None and max(map(abs, found)) > FARTHEST:
        yield f"{where}: {_shown(*found)} mV lies beyond ±{FARTHEST:g} mV"


def _current(where: str, amplitude: Value) -> Iterator[str]:
    found = occurring(amplitude)
    if found is not None and max(map(abs, found)) > MOST_CURRENT:
        yield f"{where}: {_shown(*(each / 1000 for each in found))} nA is beyond {MOST_CURRENT / 1000:g} nA"


def _weight(model: Model, where: str, weight: Value | None, targets: tuple[str, ...]) -> Iterator[str]:
    found = None if weight is None else occurring(weight)
    if found is None:
        return
    for name in dict.fromkeys(model.populations[target].cell for target in targets):
        rest = resting_conductance(model.cells[name])
        if 0 < rest < math.inf and found[1] > MOST_WEIGHT * rest:
            yield (
                f"{where}: {_shown(*found)} nS is {found[1] / rest:,.0f} times the {rest:.3g} nS that all "
                f'channels of a cell of type "{name}" have at rest'
            )


def _sounds_inhibitory(key: str) -> bool:
    """Whether `key` has an inhibitory word in it, as `inh_fast`, `GABA_A` and `fastInh` have."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return _INHIBITORY.search(words.lower()) is not None


def _shown(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
