"""Numbers with units, alone or as distributions, and within their bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hhsim.config.reading import Surroundings, Wrong, describe, each, is_number, typed
from hhsim.model import Constant, Normal, Uniform, Value, units
from hhsim.model.spelling import unknown

_DISTRIBUTIONS = {"normal": ("normal", "min", "max"), "uniform": ("uniform",)}


@dataclass(frozen=True)
class Measure:
    """A number of the unit `unit` ("" if it has none) within [least, most].

    `positive` refuses zero as well. With `per_area` a density is taken too, and multiplied by the cell's
    area.
    """

    unit: str
    least: float = -math.inf
    most: float = math.inf
    positive: bool = False
    per_area: bool = False

    def one(self, raw: Any, around: Surroundings) -> float:
        """One quantity, in the coherent unit."""
        return self._within(self._plain(raw, around), raw)

    def value(self, raw: Any, around: Surroundings) -> Value:
        """One quantity or a distribution.

        What is normally distributed is clipped to what is allowed at all, if the config sets no limits:
        a conductance at zero.
        """
        if not isinstance(raw, dict):
            return Constant(self.one(raw, around))
        kinds = [key for key in _DISTRIBUTIONS if key in raw]
        known = _DISTRIBUTIONS[kinds[0]] if len(kinds) == 1 else ("normal", "uniform", "min", "max")
        strays = [key for key in raw if key not in known]
        if strays:
            raise Wrong(*(((key,), _stray(key, kinds, known)) for key in strays))
        if len(kinds) != 1:
            raise Wrong(((), "expected either normal = [mean, sd] or uniform = [low, high]"))
        readers = {"normal": self._normal, "uniform": self._uniform}
        return readers[kinds[0]](raw, around)

    def _normal(self, raw: Any, around: Surroundings) -> Value:
        pair = _pair(raw, "normal", "[mean, sd]")
        limits = [key for key in ("min", "max") if key in raw]
        mean, sd, *rest = each(
            (("normal", 0), lambda: self.one(pair[0], around)),
            (("normal", 1), lambda: self._spread(pair[1], around)),
            *(((key,), lambda key=key: self.one(raw[key], around)) for key in limits),
        )
        given = dict(zip(limits, rest, strict=True))
        if self.positive and "min" not in given and sd > 0:
            raise Wrong(((), f"needs a min above zero, since {self._noun} must be positive"))
        low, high = given.get("min", self.least), given.get("max", self.most)
        if low > high:
            raise Wrong((("min",), f"is above max ({typed(raw['min'])} > {typed(raw['max'])})"))
        return Normal(mean, sd, low, high)

    def _uniform(self, raw: Any, around: Surroundings) -> Value:
        pair = _pair(raw, "uniform", "[low, high]")
        low, high = each(
            (("uniform", 0), lambda: self.one(pair[0], around)),
            (("uniform", 1), lambda: self.one(pair[1], around)),
        )
        if low > high:
            raise Wrong((("uniform",), f"low is above high ({typed(pair[0])} > {typed(pair[1])})"))
        return Uniform(low, high)

    def _spread(self, raw: Any, around: Surroundings) -> float:
        sd = self._plain(raw, around)
        if sd < 0:
            raise Wrong(((), f"a standard deviation must not be negative, found {typed(raw)}"))
        return sd

    def _plain(self, raw: Any, around: Surroundings) -> float:
        if not self.unit:
            return _plain_number(raw)
        wanted = units.expected(self.unit, per_area=self.per_area)
        if is_number(raw):
            raise Wrong(((), f"{raw} has no unit; expected {wanted}"))
        if not isinstance(raw, str):
            raise Wrong(((), f"expected {wanted}, found {describe(raw)}"))
        try:
            number, density = units.read(raw, self.unit, per_area=self.per_area)
            if density:
                number *= self._area(raw, around)
            return float(number)
        except units.NotAQuantity as error:
            raise Wrong(((), str(error))) from None
        except OverflowError:
            raise Wrong(((), f'"{raw}" is out of range')) from None

    def _area(self, raw: str, around: Surroundings) -> Fraction:
        around.area_used = True
        if around.area is not None:
            return around.area
        if around.area_broken:
            return Fraction(1)  # the area has been reported
        raise Wrong(((), f'"{raw}" is per area, but the cell has no area; add, say, area = "20000 um^2"'))

    def _within(self, number: float, raw: Any) -> float:
        if self.positive and number <= 0:
            raise Wrong(((), f"must be positive, found {typed(raw)}"))
        if not self.least <= number <= self.most:
            if math.isfinite(self.most):
                text = f"must lie between {self.least:g} and {self.most:g}, found {typed(raw)}"
                raise Wrong(((), text))
            raise Wrong(((), f"must not be negative, found {typed(raw)}"))
        return number

    @property
    def _noun(self) -> str:
        return units.kind(self.unit) if self.unit else "it"


TIME = Measure("ms", least=0.0)
POSITIVE_TIME = Measure("ms", least=0.0, positive=True)
POTENTIAL = Measure("mV")
CURRENT = Measure("pA")
RATE = Measure("1/ms", least=0.0)
AREA = Measure("um^2", least=0.0, positive=True)
CONDUCTANCE = Measure("nS", least=0.0)
CAPACITANCE = Measure("pF", least=0.0, positive=True, per_area=True)


def parameter(unit: str, per_area: bool) -> Measure:
    """How a parameter of a channel or receptor is read: times are positive, conductances not negative."""
    if unit in ("", "1"):
        return Measure("")
    if unit == "ms":
        return POSITIVE_TIME
    return Measure(unit, least=0.0 if unit == "nS" else -math.inf, per_area=per_area)


def _stray(key: str, kinds: Sequence[str], known: Sequence[str]) -> str:
    if kinds == ["uniform"] and key in ("min", "max"):
        return "has no effect on a uniform distribution"
    return unknown("key", key, known)


def _pair(raw: Any, key: str, form: str) -> list[Any]:
    pair = raw[key]
    if not (isinstance(pair, list) and len(pair) == 2):
        raise Wrong(((key,), f"expected a list {form}, found {describe(pair)}"))
    return pair


def _plain_number(raw: Any) -> float:
    if not is_number(raw):
        raise Wrong(((), f"expected a plain number, found {describe(raw)}"))
    try:
        number = float(raw)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Wrong(((), f"{raw} is not a finite number"))
    return number
