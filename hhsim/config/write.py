"""A model as the text of a config: complete, with units, and with every default written out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import assert_never

from hhsim.channels import all_channels, all_receptors
from hhsim.config.names import as_key, quoted
from hhsim.config.rules import written
from hhsim.model import (
    CellType,
    Constant,
    FromFile,
    Guards,
    InitialValue,
    Input,
    Model,
    Normal,
    PoissonInput,
    Population,
    Projection,
    Steady,
    StepCurrent,
    Uniform,
    units,
)


def write(model: Model) -> str:
    """The config of `model`; reading it gives an equal model."""
    run = model.run
    lines = [
        f"title = {quoted(model.title)}",
        *_header("[run]"),
        f"duration = {_quantity(run.duration, 'ms')}",
        f"dt = {_quantity(run.dt, 'ms')}",
        f"method = {quoted(run.method)}",
        f"precision = {quoted(run.precision)}",
        f"seed = {run.seed}",
    ]
    for cell in model.cells.values():
        lines += _cell(cell)
    for population in model.populations.values():
        lines += _population(population, model.cell_of(population.name))
    for projection in model.projections:
        lines += _projection(projection)
    for section in model.inputs:
        lines += _input(section)
    lines += [*_header("[record]"), f"spikes = {_names(model.record_spikes)}"]
    for trace in model.traces:
        lines += [
            *_header("[[record.trace]]"),
            f"population = {quoted(trace.population)}",
            f"variable = {quoted(trace.variable)}",
            f"nodes = {list(trace.nodes)}",
            f"every = {_quantity(trace.every, 'ms')}",
        ]
    if model.guards is not None:
        lines += _guards(model.guards)
    return "\n".join(lines) + "\n"


def _guards(guards: Guards) -> list[str]:
    lines = [*_header("[guards]"), f"every = {_quantity(guards.every, 'ms')}"]
    if guards.rate_max is not None:
        lines.append(f"rate_max = {_quantity(guards.rate_max, '1/ms')}")
    if guards.silent_for is not None:
        lines.append(f"silent_for = {_quantity(guards.silent_for, 'ms')}")
    if guards.v_range is not None:
        low, high = (_quantity(v, "mV") for v in guards.v_range)
        lines.append(f"v_range = [{low}, {high}]")
    return lines


def _cell(cell: CellType) -> list[str]:
    spike = cell.spike
    lines = [
        *_header(f"[cell.{cell.name}]"),
        f"capacitance = {_value(cell.capacitance, 'pF')}",
        f"spike = {{ rule = {quoted(spike.rule)}, threshold = {_quantity(spike.threshold, 'mV')}, "
        f"refractory = {_quantity(spike.refractory, 'ms')} }}",
    ]
    kinds = (("channel", cell.channels, all_channels()), ("receptor", cell.receptors, all_receptors()))
    for kind, mechanisms, definitions in kinds:
        for mechanism in mechanisms:
            lines += [
                *_header(f"[cell.{cell.name}.{kind}.{mechanism.key}]"),
                f"model = {quoted(mechanism.model)}",
            ]
            parameters = definitions[mechanism.model].parameters
            for name, value in mechanism.parameters.items():
                lines.append(f"{name} = {_value(value, parameters[name].unit)}")
    return lines


def _population(population: Population, cell: CellType) -> list[str]:
    name = as_key(population.name)
    lines = [
        *_header(f"[population.{name}]"),
        f"cell = {quoted(population.cell)}",
        f"size = {population.size}",
        *_header(f"[population.{name}.initial]"),
    ]
    receptors = {f"g.{receptor.key}" for receptor in cell.receptors}
    for state, value in population.initial.items():
        unit = "mV" if state == "v" else "nS" if state in receptors else ""
        lines.append(f"{quoted(state)} = {_value(value, unit)}")
    return lines


def _projection(projection: Projection) -> list[str]:
    lines = [
        *_header("[[projection]]"),
        f"source = {quoted(projection.source)}",
        f"target = {_names(projection.targets)}",
        f"receptor = {quoted(projection.receptor)}",
        f"rule = {written(projection.rule, recurrent=projection.source in projection.targets)}",
    ]
    if projection.weight is not None:
        lines.append(f"weight = {_value(projection.weight, 'nS')}")
    if projection.delay is not None:
        lines.append(f"delay = {_value(projection.delay, 'ms')}")
    return lines


def _input(section: Input) -> list[str]:
    lines = [*_header("[[input]]"), f"target = {quoted(section.target)}"]
    if section.name:
        lines.append(f"name = {quoted(section.name)}")
    match section:
        case PoissonInput():
            lines += [
                'model = "poisson"',
                f"rate = {_quantity(section.rate, '1/ms')}",
                f"weight = {_value(section.weight, 'nS')}",
                f"receptor = {quoted(section.receptor)}",
            ]
        case StepCurrent():
            lines += ['model = "step_current"', f"amplitude = {_value(section.amplitude, 'pA')}"]
        case _:
            assert_never(section)
    lines.append(f"start = {_quantity(section.start, 'ms')}")
    if math.isfinite(section.stop):
        lines.append(f"stop = {_quantity(section.stop, 'ms')}")
    return [*lines, f"nodes = {list(section.nodes)}"]


def _value(value: InitialValue, unit: str) -> str:
    match value:
        case Constant(number):
            return _quantity(number, unit)
        case Normal(mean, sd, low, high):
            limits: Mapping[str, float] = {"min": low, "max": high}
            clip = "".join(f", {k} = {_quantity(x, unit)}" for k, x in limits.items() if math.isfinite(x))
            return f"{{ normal = [{_quantity(mean, unit)}, {_quantity(sd, unit)}]{clip} }}"
        case Uniform(low, high):
            return f"{{ uniform = [{_quantity(low, unit)}, {_quantity(high, unit)}] }}"
        case FromFile(path):
            return f"{{ file = {quoted(str(path))} }}"
        case Steady():
            return quoted("steady")
        case _:
            assert_never(value)


def _quantity(number: float, unit: str) -> str:
    return quoted(units.write(number, unit)) if unit not in ("", "1") else _number(number)


def _number(number: float) -> str:
    return repr(float(number))


def _names(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(quoted(name) for name in names) + "]"


def _header(header: str) -> list[str]:
    return ["", header]
