"""What all inputs have in common, and what each kind of input declares.

A kind of input is two files of one name, which are found by it: `hhsim/model/inputs/<kind>.py` declares what
a config says of it, as a subclass of `Input`; `hhsim/inputs/<kind>.py` has its arrays and its kernel
(`hhsim.inputs.build` says which functions). Reading, checks, advice and the written config follow from the
declaration. A device needs a kernel of its own (`hhsim/kernels/cuda`), and refuses the kind until it has one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, ClassVar, NamedTuple, assert_never, get_type_hints

from hhsim.model.values import Value


@dataclass(frozen=True)
class Number:
    """A key with one quantity for all cells: `rate: Annotated[float, Number("1/ms", least=0.0)]`."""

    unit: str
    least: float = -math.inf


@dataclass(frozen=True)
class Drawn:
    """A key with a quantity or a distribution, as `Annotated[Value, Drawn("pA")]`."""

    unit: str
    least: float = -math.inf


@dataclass(frozen=True)
class ReceptorName:
    """The key `receptor`, which every target must have: `Annotated[str, ReceptorName()]`."""


Key = Number | Drawn | ReceptorName


class Given(NamedTuple):
    """A section of a config, as far as it is understood, for the checks of a kind."""

    values: Mapping[str, Any]  # by key; what is missing or was refused is left out
    typed: Mapping[str, str]  # the same values as the user wrote them
    dt: float | None  # ms; None if it was refused
    typed_dt: str


class Arrival(NamedTuple):
    """What the spikes of an input arrive at."""

    receptor: str
    weight: Value  # in the unit of the receptor's state


@dataclass(frozen=True, kw_only=True)
class Input(ABC):
    """What drives some cells of a population from `start` to `stop`.

    Fields of a kind beside these are its keys in a config, each annotated with a `Key`.
    """

    kind: ClassVar[str]  # what a config calls it: `model = "poisson"`
    flows: ClassVar[bool]  # whether it is a current, added to the outer current of its cells

    target: str
    nodes: tuple[int, int]  # half-open range
    start: float  # ms
    stop: float  # ms; infinity: to the end
    name: str = ""

    def __init_subclass__(cls) -> None:
        """Raises TypeError for a kind without one of the two facts above."""
        for fact in ("kind", "flows"):
            if not hasattr(cls, fact):
                raise TypeError(f"{cls.__name__} does not say its {fact}")

    @property
    @abstractmethod
    def arrival(self) -> Arrival | None:
        """Where its spikes arrive, each adding its weight; None for an input without spikes."""

    @abstractmethod
    def idle(self) -> Iterator[str]:
        """Why it does nothing, if so, as in "its rate is 0 Hz"."""

    @classmethod
    @abstractmethod
    def contradictions(cls, given: Given) -> Iterator[tuple[str, str]]:
        """The keys of a section whose values cannot be run, and what is wrong with each."""

    @classmethod
    def own_keys(cls) -> Mapping[str, Key]:
        """The keys that this kind has beside those of all inputs, in the order of its fields."""
        return _keys(cls)

    @classmethod
    def default(cls, key: str) -> Any:
        """What a key is where a config leaves it out; Ellipsis if it must be given."""
        default = next(field.default for field in fields(cls) if field.name == key)
        return ... if default is MISSING else default

    @classmethod
    def drawn_keys(cls) -> Iterator[tuple[str, str]]:
        """The keys whose values may be distributions, each with its unit."""
        for name, key in cls.own_keys().items():
            match key:
                case Drawn(unit):
                    yield name, unit
                case Number() | ReceptorName():
                    continue
                case _:
                    assert_never(key)

    def __str__(self) -> str:
        return f'the {self.kind} input of "{self.target}"'


@cache
def _keys(kind: type[Input]) -> Mapping[str, Key]:
    hints = get_type_hints(kind, include_extras=True)
    common = {field.name for field in fields(Input)}
    names = [field.name for field in fields(kind) if field.name not in common]
    return {name: hints[name].__metadata__[0] for name in names}
