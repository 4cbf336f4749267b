"""Which keys each table of a config has, and what may stand behind them.

A key is declared once, here; the keys of channels and receptors come from their declarations in
`hhsim.channels`. A section whose values were refused in part is still made, with BROKEN in their place, so
that all that is wrong can be told at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, assert_never, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator

from hhsim import model
from hhsim.channels import Parameter
from hhsim.config import fields, measures
from hhsim.config.fields import one_of, whole
from hhsim.config.problems import KeyPath, Report
from hhsim.config.reading import BROKEN, Reader, Surroundings, by, describe
from hhsim.config.rules import rule as read_rule
from hhsim.model import Constant, Method, Precision, Rule, SpikeRuleName, Value
from hhsim.model.inputs.base import Drawn, Key, Number, ReceptorName
from hhsim.model.spelling import unknown
from hhsim.model.state import State


class Section(BaseModel):
    """One table of a config."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _leave_broken(cls, value: Any, handler: Any) -> Any:
        return value if value is BROKEN else handler(value)

    def get(self, key: str) -> Any:
        """The value behind `key`, as the config spells it."""
        names = {info.alias or name: name for name, info in type(self).model_fields.items()}
        return getattr(self, names[key])


class Run(Section):
    duration: Annotated[float, by(measures.POSITIVE_TIME.one)]
    dt: Annotated[float, by(measures.POSITIVE_TIME.one)] = 0.1
    method: Annotated[Method, by(one_of("method", get_args(Method)))] = "exponential_euler"
    precision: Annotated[Precision | None, by(one_of("precision", get_args(Precision)))] = None
    seed: Annotated[int | None, by(whole(below=2**64))] = None


class Spike(Section):
    rule: Annotated[SpikeRuleName, by(one_of("spike rule", get_args(SpikeRuleName)))]
    threshold: Annotated[float, by(measures.POTENTIAL.one)]
    refractory: Annotated[float, by(measures.TIME.one)] = 0.0


class Area(Section):
    """Read before the rest of a cell, whose densities need it."""

    model_config = ConfigDict(extra="ignore")
    area: Annotated[float | None, by(measures.AREA.one)] = None


class Cell(Section):
    area: Any = None
    capacitance: Annotated[Value, by(measures.CAPACITANCE.value)]
    spike: Any
    channel: Any = Field(default_factory=dict)
    receptor: Any = Field(default_factory=dict)


class Population(Section):
    cell: Annotated[str, by(fields.text)]
    size: Annotated[int, by(whole(1, below=2**31))]
    initial: Any


class Projection(Section):
    source: Annotated[str, by(fields.text)]
    target: Annotated[tuple[str, ...], by(fields.name_or_names)]
    receptor: Annotated[str, by(fields.text)]
    rule: Annotated[Rule, by(read_rule)]
    weight: Annotated[Value | None, by(measures.CONDUCTANCE.value)] = None
    delay: Annotated[Value | None, by(measures.TIME.value)] = None


class Input(Section):
    """An element of `input`; `input_section` makes the section of each kind."""

    kind: ClassVar[type[model.Input]]

    if TYPE_CHECKING:  # the keys of all kinds
        name: str
        target: tuple[str, ...]
        start: float
        stop: float
        nodes: tuple[int, int] | None

    @property
    def own(self) -> dict[str, Any]:
        """The values of the keys that this kind alone has."""
        return {key: self.get(key) for key in self.kind.own_keys()}


class Record(Section):
    spikes: Annotated[tuple[str, ...] | None, by(fields.names)] = None
    trace: Any = Field(default_factory=list)


class Trace(Section):
    population: Annotated[str, by(fields.text)]
    variable: Annotated[str, by(fields.text)]
    nodes: Annotated[tuple[int, int] | None, by(fields.nodes)] = None
    every: Annotated[float | None, by(measures.POSITIVE_TIME.one)] = None


class Guards(Section):
    rate_max: Annotated[float | None, by(measures.RATE.one)] = None
    silent_for: Annotated[float | None, by(measures.POSITIVE_TIME.one)] = None
    v_range: Annotated[tuple[float, float] | None, by(fields.low_and_high(measures.POTENTIAL))] = None
    every: Annotated[float, by(measures.POSITIVE_TIME.one)] = 100.0


class Config(Section):
    title: Annotated[str, by(fields.text)] = ""
    run: Any
    cell: Any
    population: Any
    projection: Any = Field(default_factory=list)
    input: Any = Field(default_factory=list)
    record: Any = Field(default_factory=dict)
    guards: Any = None


@cache
def mechanism(parameters: tuple[tuple[str, Parameter], ...]) -> type[Section]:
    """The section of a channel or receptor that has these parameters."""
    keys: dict[str, tuple[Any, Any]] = {"model": (Any, ...)}
    for name, parameter in parameters:
        measure = measures.parameter(parameter.unit, parameter.per_area)
        default = ... if parameter.default is None else Constant(parameter.default)
        keys[name] = (Annotated[Any, by(measure.value)], default)
    return _section(keys)


@cache
def input_section(kind: type[model.Input]) -> type[Input]:
    """The section of an input of this kind."""
    own: dict[str, Any] = {
        name: (Annotated[Any, by(_reader(key))], kind.default(name)) for name, key in kind.own_keys().items()
    }
    section = create_model(
        kind.kind,
        __base__=Input,
        name=(Annotated[str, by(fields.name)], ""),
        target=(Annotated[tuple[str, ...], by(fields.name_or_names)], ...),
        model=(Any, ...),
        **own,
        start=(Annotated[float, by(measures.TIME.one)], 0.0),
        stop=(Annotated[float, by(measures.TIME.one)], math.inf),
        nodes=(Annotated[tuple[int, int] | None, by(fields.nodes)], None),
    )
    section.kind = kind
    return section


def _reader(key: Key) -> Reader:
    """How the value of a key of an input is read."""
    match key:
        case Number(unit, least):
            return measures.Measure(unit, least).one
        case Drawn(unit, least):
            return measures.Measure(unit, least).value
        case ReceptorName():
            return fields.text
        case _:
            assert_never(key)


@cache
def initial(states: tuple[State, ...]) -> type[Section]:
    """The section of the initial values of a population whose cells have these states."""
    keys: dict[str, tuple[Any, Any]] = {}
    for state in states:
        default = ... if state.must_be_given else Constant(state.start)
        keys[state.name] = (Annotated[Any, by(fields.initial(state))], default)
    return _section(keys)


def _section(keys: Mapping[str, tuple[Any, Any]]) -> type[Section]:
    """A section with these keys, which need not be identifiers: `Section.get` reads them."""
    aliased: dict[str, Any] = {
        f"key{i}": (kind, Field(default, alias=key)) for i, (key, (kind, default)) in enumerate(keys.items())
    }
    return create_model("Made", __base__=Section, **aliased)


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
