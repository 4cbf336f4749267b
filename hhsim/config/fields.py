"""What may stand behind a key: readers that turn a TOML value into a number, a distribution or a rule.

A reader raises `Wrong` with every mistake in its value. `field` makes a reader a type of a pydantic field.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from hhsim.config import units
from hhsim.config.problems import KeyPath, unknown
from hhsim.model import Constant, FromFile, InitialValue, Normal, Steady, Uniform, Value

BROKEN: Any = object()  # stands in a section for a value that was refused


class Wrong(Exception):
    """Mistakes inside one value: where, seen from the value, and what."""

    def __init__(self, *mistakes: tuple[KeyPath, str]) -> None:
        super().__init__(mistakes)
        self.mistakes = mistakes


@dataclass
class Surroundings:
    """What a reader must know of the config around its value."""

    folder: Path = Path()  # relative paths start here
    area: Fraction | None = None  # of the cell, um^2
    area_broken: bool = False  # it was given, but wrongly
    area_used: bool = field(default=False)


Reader = Callable[[Any, Surroundings], Any]


def typed(reader: Reader) -> Any:
    """`reader` as the type of a pydantic field."""

    def validate(raw: Any, info: ValidationInfo) -> Any:
        try:
            return reader(raw, info.context)
        except Wrong as wrong:
            details = [
                InitErrorDetails(type=PydanticCustomError("hhsim", "{text}", {"text": text}), loc=path, input=None)
                for path, text in wrong.mistakes
            ]
            raise ValidationError.from_exception_data("value", details) from None

    return Annotated[Any, PlainValidator(validate)]


def each(*steps: tuple[KeyPath, Callable[[], Any]]) -> list[Any]:
    """The results of all steps; raises the mistakes of all, each put below the path of its step."""
    results, mistakes = [], []
    for path, step in steps:
        try:
            results.append(step())
        except Wrong as wrong:
            mistakes += [((*path, *inner), text) for inner, text in wrong.mistakes]
    if mistakes:
        raise Wrong(*mistakes)
    return results


def describe(raw: Any) -> str:
    """A TOML value in few words, for a message."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, str):
        return f'"{raw}"'
    if isinstance(raw, dict):
        return "a table"
    if isinstance(raw, list):
        return "a list"
    return str(raw)


def is_number(raw: Any) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool)


@dataclass(frozen=True)
class Measure:
    """A number of the unit `unit` ("" if it has none) within [least, most].

    `positive` refuses zero as well. With `per_area` a density is taken too, and multiplied by the cell's area.
    """

    unit: str
    least: float = -math.inf
    most: float = math.inf
    positive: bool = False
    per_area: bool = False

    def one(self, raw: Any, around: Surroundings) -> float:
        """One quantity, in the coherent unit."""
        return self._within(self._plain(raw, around))

    def value(self, raw: Any, around: Surroundings) -> Value:
        """One quantity or a distribution."""
        if not isinstance(raw, dict):
            return Constant(self.one(raw, around))
        kinds = [key for key in ("normal", "uniform") if key in raw]
        if len(kinds) != 1:
            strange = [((key,), unknown("key", key, ("normal", "uniform", "min", "max"))) for key in raw]
            strange = [(path, text) for path, text in strange if path[0] not in ("normal", "uniform", "min", "max")]
            raise Wrong(*strange, *([] if strange else [((), "expected either normal = [mean, sd] or uniform = [low, high]")]))
        known = ("normal", "min", "max") if kinds == ["normal"] else ("uniform",)
        strays = [(key,) for key in raw if key not in known]
        if strays:
            limits = ("min", "max")
            raise Wrong(
                *(
                    (path, "has no effect on a uniform distribution")
                    if path[0] in limits
                    else (path, unknown("key", path[0], known))
                    for path in strays
                )
            )
        return self._normal(raw, around) if kinds == ["normal"] else self._uniform(raw, around)

    def _normal(self, raw: Any, around: Surroundings) -> Value:
        pair = raw["normal"]
        if not (isinstance(pair, list) and len(pair) == 2):
            raise Wrong((("normal",), f"expected a list [mean, sd], found {describe(pair)}"))
        limits = [key for key in ("min", "max") if key in raw]
        mean, sd, *rest = each(
            (("normal", 0), lambda: self.one(pair[0], around)),
            (("normal", 1), lambda: self._spread(pair[1], around)),
            *(((key,), lambda key=key: self.one(raw[key], around)) for key in limits),
        )
        given = dict(zip(limits, rest, strict=True))
        if self.positive and "min" not in given and sd > 0:
            raise Wrong(((), f"needs a min, since {self._noun} must be positive"))
        low, high = given.get("min", self.least), given.get("max", self.most)
        if low > high:
            raise Wrong((("min",), f"is above max ({self._show(low)} > {self._show(high)})"))
        return Normal(mean, sd, low, high)

    def _uniform(self, raw: Any, around: Surroundings) -> Value:
        pair = raw["uniform"]
        if not (isinstance(pair, list) and len(pair) == 2):
            raise Wrong((("uniform",), f"expected a list [low, high], found {describe(pair)}"))
        low, high = each(
            (("uniform", 0), lambda: self.one(pair[0], around)), (("uniform", 1), lambda: self.one(pair[1], around))
        )
        if low > high:
            raise Wrong((("uniform",), f"low is above high ({self._show(low)} > {self._show(high)})"))
        return Uniform(low, high)

    def _spread(self, raw: Any, around: Surroundings) -> float:
        sd = self._plain(raw, around)
        if sd < 0:
            raise Wrong(((), f"a standard deviation must not be negative, found {describe(raw)}"))
        return sd

    def _plain(self, raw: Any, around: Surroundings) -> float:
        if not self.unit:
            if not is_number(raw):
                raise Wrong(((), f"expected a plain number, found {describe(raw)}"))
            if not math.isfinite(raw):
                raise Wrong(((), f"{raw} is not a finite number"))
            return float(raw)
        wanted = units.expected(self.unit, per_area=self.per_area)
        if is_number(raw):
            raise Wrong(((), f"{raw} has no unit; expected {wanted}"))
        if not isinstance(raw, str):
            raise Wrong(((), f"expected {wanted}, found {describe(raw)}"))
        try:
            number, density = units.read(raw, self.unit, per_area=self.per_area)
        except units.NotAQuantity as error:
            raise Wrong(((), str(error))) from None
        if density:
            around.area_used = True
            if around.area is None:
                if around.area_broken:
                    return max(0.0, float(number))  # the area has been reported
                raise Wrong(((), f'"{raw}" is per area, but the cell has no area; add area = "20000 um^2" or the like'))
            number *= around.area
        return float(number)

    def _within(self, number: float) -> float:
        if self.positive and number <= 0:
            raise Wrong(((), f"must be positive, found {self._show(number)}"))
        if not self.least <= number <= self.most:
            if math.isfinite(self.most):
                raise Wrong(((), f"must lie between {self.least:g} and {self.most:g}, found {self._show(number)}"))
            raise Wrong(((), f"must not be negative, found {self._show(number)}"))
        return number

    @property
    def _noun(self) -> str:
        return units.kind(self.unit) if self.unit else "it"

    def _show(self, number: float) -> str:
        if self.unit:
            return units.write(number, self.unit) if math.isfinite(number) else str(number)
        return f"{number:g}"


TIME = Measure("ms", least=0.0)
POSITIVE_TIME = Measure("ms", least=0.0, positive=True)
POTENTIAL = Measure("mV")
CURRENT = Measure("pA")
RATE = Measure("1/ms", least=0.0)
AREA = Measure("um^2", least=0.0, positive=True)
CONDUCTANCE = Measure("nS", least=0.0)
CAPACITANCE = Measure("pF", least=0.0, positive=True, per_area=True)
GATE = Measure("", least=0.0, most=1.0)


def parameter(unit: str, per_area: bool) -> Measure:
    """How a parameter of a channel or receptor is read: times are positive, conductances not negative."""
    if unit in ("", "1"):
        return Measure("")
    if unit == "ms":
        return POSITIVE_TIME
    return Measure(unit, least=0.0 if unit == "nS" else -math.inf, per_area=per_area)


def initial(measure: Measure, *, gate: bool) -> Reader:
    """How the initial value of a state is read."""

    def read(raw: Any, around: Surroundings) -> InitialValue:
        if raw == "steady":
            if not gate:
                raise Wrong(((), '"steady" is for gates alone'))
            return Steady()
        if isinstance(raw, dict) and "file" in raw:
            strays = [key for key in raw if key != "file"]
            if strays:
                raise Wrong(*(((key,), "has no effect beside file") for key in strays))
            return FromFile(each((("file",), lambda: file(raw["file"], around)))[0])
        return measure.value(raw, around)

    return read


def file(raw: Any, around: Surroundings) -> Path:
    """A file that exists; relative paths start at the folder of the config."""
    if not isinstance(raw, str) or not raw:
        raise Wrong(((), f"expected the name of a file, found {describe(raw)}"))
    path = Path(around.folder, raw).absolute()
    if not path.is_file():
        raise Wrong(((), f"there is no file {path}"))
    return path


def whole(least: int = 0, below: int | None = None) -> Reader:
    """A whole number from `least` on."""

    def read(raw: Any, around: Surroundings) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise Wrong(((), f"expected a whole number, found {describe(raw)}"))
        if raw < least:
            rule = "must be positive" if least == 1 else "must not be negative"
            raise Wrong(((), f"{rule}, found {raw}"))
        if below is not None and raw >= below:
            raise Wrong(((), f"must be below 2**{below.bit_length() - 1}, found {raw}"))
        return raw

    return read


def probability(raw: Any, around: Surroundings) -> float:
    """A number from 0 to 1."""
    return Measure("", least=0.0, most=1.0).one(raw, around)


def text(raw: Any, around: Surroundings) -> str:
    if not isinstance(raw, str):
        raise Wrong(((), f"expected a text in quotes, found {describe(raw)}"))
    return raw


def yes_or_no(raw: Any, around: Surroundings) -> bool:
    if not isinstance(raw, bool):
        raise Wrong(((), f"expected true or false, found {describe(raw)}"))
    return raw


def one_of(what: str, choices: Iterable[str]) -> Reader:
    """One of a few words."""
    known = list(choices)

    def read(raw: Any, around: Surroundings) -> str:
        if not isinstance(raw, str):
            raise Wrong(((), f"expected a text in quotes, one of {', '.join(known)}; found {describe(raw)}"))
        if raw not in known:
            raise Wrong(((), f'"{raw}": {unknown(what, raw, known)}'))
        return raw

    return read


def names(raw: Any, around: Surroundings) -> tuple[str, ...]:
    """A list of names."""
    if not isinstance(raw, list):
        raise Wrong(((), f"expected a list of names, found {describe(raw)}"))
    found = each(*(((i,), lambda item=item: text(item, around)) for i, item in enumerate(raw)))
    twice = [((i,), f'"{name}" is named twice') for i, name in enumerate(found) if name in found[:i]]
    if twice:
        raise Wrong(*twice)
    return tuple(found)


def name_or_names(raw: Any, around: Surroundings) -> tuple[str, ...]:
    """A name, or a list of at least one."""
    if isinstance(raw, str):
        return (raw,)
    if not isinstance(raw, list) or not raw:
        raise Wrong(((), f"expected a name or a list of names, found {describe(raw) if raw != [] else 'an empty list'}"))
    return names(raw, around)


def nodes(raw: Any, around: Surroundings) -> tuple[int, int]:
    """A half-open range of cells, [first, end]."""
    if not isinstance(raw, list) or len(raw) != 2:
        raise Wrong(((), f"expected a range [first, end], with end itself left out; found {describe(raw)}"))
    first, end = each(((0,), lambda: whole()(raw[0], around)), ((1,), lambda: whole()(raw[1], around)))
    if first >= end:
        raise Wrong(((), f"the range [{first}, {end}] is empty: end itself is left out"))
    return first, end
