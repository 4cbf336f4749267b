"""Which keys each table of a config has, and what may stand behind them.

A key is declared once, here; the keys of channels and receptors come from their declarations in
`hhsim.channels`. A section whose values were refused in part is still made, with BROKEN in their place, so
that all that is wrong can be told at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator

from hhsim.channels import Parameter
from hhsim.config import fields
from hhsim.config.fields import BROKEN, Surroundings, describe, one_of, typed, whole
from hhsim.config.problems import KeyPath, Report, unknown
from hhsim.config.rules import rule


class Section(BaseModel):
    """One table of a config."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _leave_broken(cls, value: Any, handler: Any) -> Any:
        return value if value is BROKEN else handler(value)


class Run(Section):
    duration: typed(fields.POSITIVE_TIME.one)
    dt: typed(fields.POSITIVE_TIME.one) = 0.1
    method: typed(one_of("method", ("exponential_euler", "staggered"))) = "exponential_euler"
    precision: typed(one_of("precision", ("float64", "float32"))) = "float64"
    seed: typed(whole(below=2**64)) = None


class Spike(Section):
    rule: typed(one_of("spike rule", ("level", "crossing", "peak")))
    threshold: typed(fields.POTENTIAL.one)
    refractory: typed(fields.TIME.one) = 0.0


class Area(Section):
    """Read before the rest of a cell, whose densities need it."""

    model_config = ConfigDict(extra="ignore")
    area: typed(fields.AREA.one) = None


class Cell(Section):
    area: Any = None
    capacitance: typed(fields.CAPACITANCE.value)
    spike: Any
    channel: Any = Field(default_factory=dict)
    receptor: Any = Field(default_factory=dict)


class Population(Section):
    cell: typed(fields.text)
    size: typed(whole(1, below=2**31))
    initial: Any


class Projection(Section):
    source: typed(fields.text)
    target: typed(fields.name_or_names)
    receptor: typed(fields.text)
    rule: typed(rule)
    weight: typed(fields.CONDUCTANCE.value) = None
    delay: typed(fields.TIME.value) = None


class PoissonInput(Section):
    target: typed(fields.name_or_names)
    model: Any
    rate: typed(fields.RATE.one)
    weight: typed(fields.CONDUCTANCE.value)
    receptor: typed(fields.text)
    start: typed(fields.TIME.one) = 0.0
    stop: typed(fields.TIME.one) = float("inf")
    nodes: typed(fields.nodes) = None


class StepCurrent(Section):
    target: typed(fields.name_or_names)
    model: Any
    amplitude: typed(fields.CURRENT.value)
    start: typed(fields.TIME.one) = 0.0
    stop: typed(fields.TIME.one) = float("inf")
    nodes: typed(fields.nodes) = None


INPUTS: Mapping[str, type[Section]] = {"poisson": PoissonInput, "step_current": StepCurrent}


class Record(Section):
    spikes: typed(fields.names) = None
    trace: Any = Field(default_factory=list)


class Trace(Section):
    population: typed(fields.text)
    variable: typed(fields.text)
    nodes: typed(fields.nodes) = None
    every: typed(fields.POSITIVE_TIME.one) = None


class Config(Section):
    title: typed(fields.text) = ""
    run: Any
    cell: Any
    population: Any
    projection: Any = Field(default_factory=list)
    input: Any = Field(default_factory=list)
    record: Any = Field(default_factory=dict)


def mechanism(parameters: Mapping[str, Parameter]) -> type[Section]:
    """The section of a channel or receptor that has these parameters."""
    keys: dict[str, Any] = {"model": (Any, ...)}
    for name, parameter in parameters.items():
        measure = fields.parameter(parameter.unit, parameter.per_area)
        default: Any = ... if parameter.default is None else _constant(parameter.default)
        keys[name] = (typed(measure.value), default)
    return create_model("Mechanism", __base__=Section, **keys)


def initial(states: Iterable[str], gates: Iterable[str]) -> type[Section]:
    """The section of the initial values of a population whose cells have these states.

    Its fields are named s0, s1, ... in the order of `states`, since the name of a state is no identifier.
    """
    keys: dict[str, Any] = {}
    for i, state in enumerate(states):
        measure = fields.POTENTIAL if state == "v" else fields.CONDUCTANCE
        reader = fields.initial(fields.GATE if state in gates else measure, gate=state in gates)
        default: Any = ... if state == "v" else _constant(0.0)
        keys[f"s{i}"] = (typed(reader), Field(default, alias=state))
    return create_model("Initial", __base__=Section, **keys)


def _constant(value: float) -> Any:
    from hhsim.model import Constant

    return Constant(value)


S = TypeVar("S", bound=Section)


def read(
    section: type[S], raw: Any, path: KeyPath, report: Report, around: Surroundings, *, key: str = "key"
) -> S | None:
    """The section at `path`, with BROKEN for every value that was refused and reported.

    None if it is no table at all. `key` is what its keys are called in a message.
    """
    if not isinstance(raw, dict):
        report.add(path, f"expected a table with keys, found {describe(raw)}")
        return None
    known = {info.alias or name: name for name, info in section.model_fields.items()}
    try:
        return section.model_validate(raw, context=around)
    except ValidationError as error:
        broken = set()
        for mistake in error.errors(include_url=False, include_input=False):
            at = tuple(mistake["loc"])
            if mistake["type"] == "missing":
                report.add((*path, *at), "is missing")
            elif mistake["type"] == "extra_forbidden":
                report.add((*path, *at), unknown(key, str(at[0]), known))
            else:
                report.add((*path, *at), mistake["msg"])
            broken.add(at[0])
    usable = {name: value for name, value in raw.items() if name in known and name not in broken}
    usable |= {name: BROKEN for name in known if name in broken}
    return section.model_validate(usable, context=around)
