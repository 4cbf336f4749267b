"""Quantities with units → plain numbers in hhsim's coherent units, exactly.

The units that a config may use are defined here, in a pint registry of their own: it is made in 5 ms, where
pint's default one takes 170 ms. Conversion is done in fractions and rounded to a float once, so that
"0.05 mS/cm^2" of "20000 um^2" is 10 nS to the last bit.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import cache
from typing import Any

from hhsim.config.problems import nearest

_DEFINITIONS = """
milli- = 1e-3 = m-
micro- = 1e-6 = u- = µ- = μ-
nano- = 1e-9 = n-
pico- = 1e-12 = p-
kilo- = 1e3 = k-
mega- = 1e6 = M-
centi- = 1e-2 = c-
meter = [length] = m
second = [time] = s
minute = 60 * second = min
volt = [potential] = V
siemens = [conductance] = S
farad = siemens * second = F
ampere = siemens * volt = A
hertz = 1 / second = Hz
"""

# What a coherent unit measures, and an example of it in the units that people use.
_KINDS = {
    "ms": ("a time", "5 ms"),
    "mV": ("a potential", "-65 mV"),
    "nS": ("a conductance", "6 nS"),
    "pF": ("a capacitance", "200 pF"),
    "pA": ("a current", "200 pA"),
    "1/ms": ("a rate", "300 Hz"),
    "um^2": ("an area", "20000 um^2"),
    "um": ("a length", "10 um"),
    "nS/um^2": ("a conductance per area", "0.05 mS/cm^2"),
    "pF/um^2": ("a capacitance per area", "1 uF/cm^2"),
}

# For the nearest unit to one that is unknown.
COMMON_UNITS = (
    *("s", "ms", "us", "min", "Hz", "kHz", "V", "mV", "uV", "A", "nA", "pA", "uA", "F", "uF", "nF", "pF"),
    *("S", "mS", "uS", "nS", "pS", "m", "cm", "mm", "um", "nm", "um^2", "cm^2", "mm^2"),
    *("S/cm^2", "mS/cm^2", "uS/cm^2", "nS/cm^2", "pS/um^2", "uF/cm^2", "nF/cm^2", "pF/um^2"),
)

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d+))?|[+-]?(?:inf|nan)\w*)\s*(.*?)\s*", re.I)
_UNIT = re.compile(r"[\w\s*/^().·²³-]+")
_MOST_CHARACTERS = 200
_LARGEST_EXPONENT = 400  # of ten; a float ends before, and a fraction of more takes for ever


class NotAQuantity(ValueError):
    """A text is no quantity of the expected kind; the message says so in the user's words."""


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(_DEFINITIONS.splitlines(), non_int_type=Fraction)


def kind(unit: str) -> str:
    """What `unit` measures, such as "a time"; the unit itself where that has no name."""
    return _KINDS[unit][0] if unit in _KINDS else "a quantity"


def expected(unit: str, *, per_area: bool = False) -> str:
    """The expected quantity in words, such as `a time such as "5 ms"`."""
    words = [
        f'{_KINDS[u][0]} such as "{_KINDS[u][1]}"' if u in _KINDS else f"a quantity in {u}" for u in [unit]
    ]
    if per_area:
        density = f"{unit}/um^2"
        example = f' such as "{_KINDS[density][1]}"' if density in _KINDS else f", in {density}"
        words.append(f"one per area{example}")
    return " or ".join(words)


def read(text: str, unit: str, *, per_area: bool = False) -> tuple[Fraction, bool]:
    """The number that `text` ("6 nS") means in `unit`, and whether it was given per area.

    With `per_area` a density is taken as well; its number is in `unit`/um^2. Raises NotAQuantity.
    """
    if len(text) > _MOST_CHARACTERS:
        what = expected(unit, per_area=per_area)
        raise NotAQuantity(f"a text of {len(text):,} characters is no quantity; expected {what}")
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise NotAQuantity(
            f'"{text}" is not a number and a unit; expected {expected(unit, per_area=per_area)}'
        )
    digits, exponent, name = match.groups()
    if digits.lstrip("+-").lower().startswith(("inf", "nan")):
        raise NotAQuantity(f'"{text}" is not a finite number')
    if exponent is not None and abs(int(exponent)) > _LARGEST_EXPONENT:
        raise NotAQuantity(f'"{text}" is out of range')
    if not name:
        raise NotAQuantity(f'"{text}" has no unit; expected {expected(unit, per_area=per_area)}')
    number = Fraction(digits)
    for candidate, density in ((unit, False), (f"{unit}/um^2", True)) if per_area else ((unit, False),):
        factor = _factor(name, candidate)
        if factor is not None:
            return _finite(number * factor, text), density
    found = next((k for u, (k, _) in _KINDS.items() if _factor(name, u) is not None), None)
    what = f'"{text}" is {found}' if found else f'"{text}" is not {kind(unit)}'
    raise NotAQuantity(f"{what}; expected {expected(unit, per_area=per_area)}")


def factor(name: str, unit: str) -> Fraction | None:
    """By how much a number in units of `name` is multiplied to be in `unit`; None: of another dimension.

    Raises NotAQuantity for a unit that is unknown.
    """
    if len(name) > _MOST_CHARACTERS:
        raise NotAQuantity(f"a text of {len(name):,} characters is no unit")
    return _factor(name, unit)


def _finite(number: Fraction, text: str) -> Fraction:
    try:
        float(number)
    except OverflowError:
        raise NotAQuantity(f'"{text}" is out of range') from None
    return number


@cache
def _factor(name: str, unit: str) -> Fraction | None:
    """By how much a number in units of `name` is multiplied to be in `unit`; None: of another dimension."""
    ureg = _registry()
    try:
        if not _UNIT.fullmatch(name):
            raise ValueError(name)
        given, wanted = ureg.parse_units(name), ureg.parse_units(unit)
        if ureg.get_dimensionality(given) != ureg.get_dimensionality(wanted):
            return None
    except Exception:  # pint raises a dozen types, from tokenize.TokenError to AssertionError
        raise NotAQuantity(_unknown_unit(name)) from None
    return Fraction(ureg.convert(Fraction(1), given, wanted))


def _unknown_unit(name: str) -> str:
    found = nearest(name, COMMON_UNITS)
    return f'unknown unit "{name}"' + (f'; did you mean "{found}"?' if found else "")


def write(number: float, unit: str) -> str:
    """`number` in `unit` as a config has it: write(6.0, "nS") is "6 nS"."""
    assert math.isfinite(number)
    digits = repr(float(number)).removesuffix(".0")
    return f"{digits} {'kHz' if unit == '1/ms' else unit}"
