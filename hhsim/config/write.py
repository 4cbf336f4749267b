"""A model as the text of a config: complete, with units, and with every default written out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from hhsim.channels import all_channels, all_receptors
from hhsim.config import units
from hhsim.model import (
    CellType,
    Constant,
    EdgesFromFile,
    FixedIndegree,
    FixedOutdegree,
    FromFile,
    Guards,
    InitialValue,
    Input,
    Model,
    Normal,
    OneToOne,
    PairwiseBernoulli,
    PoissonInput,
    Population,
    Projection,
    Rule,
    Steady,
)


def write(model: Model) -> str:
    """The config of `model`; reading it gives an equal model."""
    run = model.run
    lines = [
        f"title = {_text(model.title)}",
        *_header("[run]"),
        f"duration = {_quantity(run.duration, 'ms')}",
        f"dt = {_quantity(run.dt, 'ms')}",
        f"method = {_text(run.method)}",
        f"precision = {_text(run.precision)}",
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
            f"population = {_text(trace.population)}",
            f"variable = {_text(trace.variable)}",
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
        f"spike = {{ rule = {_text(spike.rule)}, threshold = {_quantity(spike.threshold, 'mV')}, "
        f"refractory = {_quantity(spike.refractory, 'ms')} }}",
    ]
    kinds = (("channel", cell.channels, all_channels()), ("receptor", cell.receptors, all_receptors()))
    for kind, mechanisms, definitions in kinds:
        for mechanism in mechanisms:
            lines += [
                *_header(f"[cell.{cell.name}.{kind}.{mechanism.key}]"),
                f"model = {_text(mechanism.model)}",
            ]
            parameters = definitions[mechanism.model].parameters
            for name, value in mechanism.parameters.items():
                lines.append(f"{name} = {_value(value, parameters[name].unit)}")
    return lines


def _population(population: Population, cell: CellType) -> list[str]:
    lines = [
        *_header(f"[population.{population.name}]"),
        f"cell = {_text(population.cell)}",
        f"size = {population.size}",
        *_header(f"[population.{population.name}.initial]"),
    ]
    receptors = {f"g.{receptor.key}" for receptor in cell.receptors}
    for state, value in population.initial.items():
        unit = "mV" if state == "v" else "nS" if state in receptors else ""
        lines.append(f"{_text(state)} = {_value(value, unit)}")
    return lines


def _projection(projection: Projection) -> list[str]:
    lines = [
        *_header("[[projection]]"),
        f"source = {_text(projection.source)}",
        f"target = {_names(projection.targets)}",
        f"receptor = {_text(projection.receptor)}",
        f"rule = {_rule(projection.rule, autapses_possible=projection.source in projection.targets)}",
    ]
    if projection.weight is not None:
        lines.append(f"weight = {_value(projection.weight, 'nS')}")
    if projection.delay is not None:
        lines.append(f"delay = {_value(projection.delay, 'ms')}")
    return lines


def _rule(rule: Rule, *, autapses_possible: bool) -> str:
    if isinstance(rule, PairwiseBernoulli):
        return f"{{ pairwise_bernoulli = {_number(rule.p)} }}"
    if isinstance(rule, EdgesFromFile):
        types = "" if rule.edge_types is None else f", edge_types = {_text(str(rule.edge_types))}"
        return f"{{ file = {_text(str(rule.path))}, edges = {_text(rule.edges)}{types} }}"
    if isinstance(rule, FixedOutdegree | FixedIndegree):
        name = "fixed_outdegree" if isinstance(rule, FixedOutdegree) else "fixed_indegree"
        autapses = f", autapses = {_bool(rule.autapses)}" if autapses_possible else ""
        return f"{{ {name} = {rule.k}, replacement = {_bool(rule.replacement)}{autapses} }}"
    return _text("one_to_one" if isinstance(rule, OneToOne) else "all_to_all")


def _input(section: Input) -> list[str]:
    poisson = isinstance(section, PoissonInput)
    lines = [
        *_header("[[input]]"),
        f"target = {_text(section.target)}",
        f"model = {_text('poisson' if poisson else 'step_current')}",
    ]
    if isinstance(section, PoissonInput):
        lines += [
            f"rate = {_quantity(section.rate, '1/ms')}",
            f"weight = {_value(section.weight, 'nS')}",
            f"receptor = {_text(section.receptor)}",
        ]
    else:
        lines.append(f"amplitude = {_value(section.amplitude, 'pA')}")
    lines.append(f"start = {_quantity(section.start, 'ms')}")
    if math.isfinite(section.stop):
        lines.append(f"stop = {_quantity(section.stop, 'ms')}")
    return [*lines, f"nodes = {list(section.nodes)}"]


def _value(value: InitialValue, unit: str) -> str:
    if isinstance(value, Constant):
        return _quantity(value.value, unit)
    if isinstance(value, Normal):
        limits: Mapping[str, float] = {"min": value.min, "max": value.max}
        clip = "".join(f", {k} = {_quantity(x, unit)}" for k, x in limits.items() if math.isfinite(x))
        return f"{{ normal = [{_quantity(value.mean, unit)}, {_quantity(value.sd, unit)}]{clip} }}"
    if isinstance(value, FromFile):
        return f"{{ file = {_text(str(value.path))} }}"
    if isinstance(value, Steady):
        return _text("steady")
    return f"{{ uniform = [{_quantity(value.low, unit)}, {_quantity(value.high, unit)}] }}"


def _quantity(number: float, unit: str) -> str:
    return _text(units.write(number, unit)) if unit not in ("", "1") else _number(number)


def _number(number: float) -> str:
    return repr(float(number))


def _names(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(_text(name) for name in names) + "]"


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _text(text: str) -> str:
    """A TOML string: JSON's escapes are TOML's, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _header(header: str) -> list[str]:
    return ["", header]
