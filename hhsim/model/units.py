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

from hhsim.model.spelling import nearest

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
    "pA/um^2": ("a current per area", "1 uA/cm^2"),
    "nS/um^2": ("a conductance per area", "0.05 mS/cm^2"),
    "pF/um^2": ("a capacitance per area", "1 uF/cm^2"),
}

# For the nearest unit to one that is unknown.
COMMON_UNITS = (
    *("s", "ms", "us", "min", "Hz", "kHz", "V", "mV", "uV", "A", "nA", "pA", "uA", "F", "uF", "nF", "pF"),
    *("S", "mS", "uS", "nS", "pS", "m", "cm", "mm", "um", "nm", "um^2", "cm^2", "mm^2"),
    *("S/cm^2", "mS/cm^2", "uS/cm^2", "nS/cm^2", "pS/um^2", "uF/cm^2", "nF/cm^2", "pF/um^2"),
)

# How people write out units, and prefixes, in lower case.
_SPELLINGS = {
    "s": ("sec", "secs", "second", "seconds"),
    "min": ("mins", "minute", "minutes"),
    "Hz": ("hertz", "hz"),
    "V": ("volt", "volts"),
    "A": ("amp", "amps", "ampere", "amperes"),
    "S": ("siemens", "mho", "mhos"),
    "F": ("farad", "farads"),
    "m": ("meter", "meters", "metre", "metres"),
}
_PREFIXES = {"milli": "m", "micro": "u", "nano": "n", "pico": "p", "kilo": "k", "mega": "M", "centi": "c"}
_WORDS = "|".join(name for names in _SPELLINGS.values() for name in names)
_LONG = re.compile(rf"((?i:{'|'.join(_PREFIXES)})|[mµμunpkMc]|)((?i:{_WORDS})|(?:S|V|A|F|s|Hz|m))")
_OHM = re.compile(r"(?:[a-zµμ]*)(?:ohms?|Ω|Ω)", re.I)

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
    found = _meant(name)
    if _OHM.fullmatch(name):
        return f'unknown unit "{name}"; a conductance is in S: that of 100 megaohms is "10 nS"'
    if name.lower() in ("h", "hr", "hrs", "hour", "hours"):
        return f'unknown unit "{name}"; an hour is "60 min"'
    if name.lower() in ("d", "day", "days"):
        return f'unknown unit "{name}"; a day is "1440 min"'
    return f'unknown unit "{name}"' + (f'; did you mean "{found}"?' if found else "")


def _meant(name: str) -> str | None:
    """The unit that `name` most likely stands for: its other spellings first, then what looks like it."""
    per = re.sub(r"^\s*/", "1/", name.strip()).replace("⁻¹", "^-1")
    spelled = re.sub(r"([A-Za-zµμ])([2²]|\*\*2)(?!\d)", r"\1^2", per)
    spelled = re.sub(r"[A-Za-zµμ]+", lambda word: _symbol(word.group()), spelled)
    try:
        if spelled != name and _UNIT.fullmatch(spelled):
            _registry().parse_units(spelled)
            return spelled
    except Exception:  # as in `_factor`
        pass
    return nearest(name, COMMON_UNITS)


def _symbol(word: str) -> str:
    """The symbol of a unit that is written out in some way: "msecs" is ms, "kHertz" kHz, "MicroS" uS."""
    match = _LONG.fullmatch(word)
    if match is None:
        return word
    prefix, unit = match.groups()
    short = _PREFIXES.get(prefix.lower(), prefix) if prefix else ""
    return short + next((symbol for symbol, names in _SPELLINGS.items() if unit.lower() in names), unit)


def write(number: float, unit: str) -> str:
    """`number` in `unit` as a config has it: write(6.0, "nS") is "6 nS"."""
    assert math.isfinite(number)
    digits = repr(float(number)).removesuffix(".0")
    return f"{digits} {'kHz' if unit == '1/ms' else unit}"
