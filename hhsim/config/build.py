"""From the sections of a config that is known to be right to the model."""

from __future__ import annotations

import secrets
from typing import Any, assert_never

from hhsim import model
from hhsim.config import schema
from hhsim.config.read import CellParts, Document


def build(
    document: Document, default_seed: int | None = None, default_precision: model.Precision = "float64"
) -> model.Model:
    """The model that `document` describes; draws a seed if neither it nor the caller has one."""
    run = document.run
    assert run is not None
    seed = default_seed if run.seed is None else run.seed
    populations = {}
    for name, section in document.populations.items():
        assert section is not None
        populations[name] = model.Population(name, section.cell, section.size, document.initial[name])
    return model.Model(
        title=document.title,
        run=model.RunSettings(
            run.duration,
            run.dt,
            run.method,
            run.precision or default_precision,
            secrets.randbits(63) if seed is None else seed,
        ),
        cells={name: _cell(name, parts) for name, parts in document.cells.items()},
        populations=populations,
        projections=tuple(_projection(p) for p in document.projections if p is not None),
        inputs=tuple(i for s in document.inputs if s is not None for i in _inputs(s, populations)),
        record_spikes=tuple(populations) if document.spikes is None else document.spikes,
        traces=tuple(_trace(t, populations, run.dt) for t in document.traces if t is not None),
        guards=_guards(document.guards),
    )


def _cell(name: str, parts: CellParts) -> model.CellType:
    spike: Any = parts.spike
    return model.CellType(
        name,
        parts.capacitance,
        tuple(model.Mechanism(key, kind, values) for key, (kind, values) in parts.channels.items()),
        tuple(model.Mechanism(key, kind, values) for key, (kind, values) in parts.receptors.items()),
        model.SpikeRule(spike.rule, spike.threshold, spike.refractory),
        parts.area,
    )


def _projection(section: schema.Projection) -> model.Projection:
    delay = section.delay
    if delay is None and not section.rule.in_file:
        delay = model.Constant(0.0)
    return model.Projection(
        section.source, section.target, section.receptor, section.rule, section.weight, delay
    )


def _inputs(section: schema.Input, populations: dict[str, model.Population]) -> list[model.Input]:
    return [_input(section, target, populations[target].size) for target in section.target]


def _input(section: schema.Input, target: str, size: int) -> model.Input:
    nodes = section.nodes or (0, size)
    match section:
        case schema.PoissonInput():
            return model.PoissonInput(
                target,
                nodes,
                section.start,
                section.stop,
                section.rate,
                section.weight,
                section.receptor,
                section.name,
            )
        case schema.StepCurrent():
            return model.StepCurrent(
                target, nodes, section.start, section.stop, section.amplitude, section.name
            )
        case _:
            assert_never(section)


def _trace(section: schema.Trace, populations: dict[str, model.Population], dt: float) -> model.Trace:
    nodes = section.nodes or (0, populations[section.population].size)
    return model.Trace(
        section.population, section.variable, nodes, dt if section.every is None else section.every
    )


def _guards(section: schema.Guards | None) -> model.Guards | None:
    if section is None:
        return None
    return model.Guards(section.every, section.rate_max, section.silent_for, section.v_range)
