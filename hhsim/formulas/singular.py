"""Potentials at which a formula divides by zero: x/(eˣ − 1), as papers print it, has no value at x = 0.

The quotient has a limit there, but a processor finds 0/0, and digits are lost in a neighbourhood. Looking at
some potentials would miss it at all others: here each denominator is followed along the potential, and where
it changes its sign, or touches zero, the zero is looked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from hhsim import mathx
from hhsim.formulas.evaluate import Formula
from hhsim.formulas.linker import Division

STEP = 0.5  # mV, between two looks
BISECTIONS = 200
NEAR = 1e-6  # of what a number is nearby or at most: as good as zero

Key = tuple[int, int]  # division, how manieth of it in a call


class Singularity(NamedTuple):
    """A zero of a denominator, on which some results of the formula depend."""

    v: float  # mV
    division: Division
    results: tuple[int, ...]  # their numbers
    removable: bool  # the numerator is zero, too


def singularity(formula: Formula, arguments: Sequence[float], low: float, high: float) -> Singularity | None:
    """The first division by zero between the potentials `low` and `high`, mV; None where there is none.

    `arguments` are those of the formula after the potential.
    """
    steps = math.ceil((high - low) / STEP)
    potentials = [low + STEP * i for i in range(-1, steps + 2)]
    looks = [_look(formula, v, arguments) for v in potentials]
    # Those of hhsim.mathx have their limits.
    own = [division.path != mathx.__file__ for division in formula.divisions]
    keys = {key: None for look in looks for key in look if own[key[0]]}
    for key in keys:
        for i, v in enumerate(potentials):
            zero = _zero_after(formula, key, arguments, potentials, looks, i)
            if zero is None:
                continue
            found = _singular(formula, key, arguments, zero, v, looks)
            if found is not None:
                return found
    return None


Look = dict[Key, tuple[float, float]]  # numerator and denominator


def _look(formula: Formula, v: float, arguments: Sequence[float]) -> Look:
    formula(v, *arguments)
    look: Look = {}
    count: dict[int, int] = {}
    for division, a, b in formula.quotients:
        nth = count.get(division, 0)
        count[division] = nth + 1
        look[division, nth] = (a, b)
    return look


def _zero_after(
    formula: Formula,
    key: Key,
    arguments: Sequence[float],
    potentials: Sequence[float],
    looks: Sequence[Look],
    i: int,
) -> float | None:
    """Where the denominator is zero at potential number i, between it and the next, or next to it."""
    here = looks[i].get(key)
    if here is None or not math.isfinite(here[1]):
        return None
    if here[1] == 0:
        return potentials[i]
    after = looks[i + 1].get(key) if i + 1 < len(looks) else None
    if after is None or not math.isfinite(after[1]) or after[1] == 0:
        return None
    if (here[1] > 0) != (after[1] > 0):
        return _bisected(formula, key, arguments, potentials[i], potentials[i + 1])
    before = looks[i - 1].get(key) if i else None
    sides = sorted((abs(before[1]), abs(after[1]))) if before is not None else (0.0, 0.0)
    if abs(here[1]) <= sides[0] and abs(here[1]) < sides[1]:  # no plateau
        lowest = _lowest(formula, key, arguments, potentials[i - 1], potentials[i + 1])
        look = _look(formula, lowest, arguments).get(key)
        if look is not None and abs(look[1]) <= NEAR * sides[0]:
            return lowest
    return None


def _bisected(
    formula: Formula, key: Key, arguments: Sequence[float], low: float, high: float
) -> float | None:
    """The zero between two potentials at which the denominator has different signs; None at a jump, or
    where the formula chooses something else than the quotient near the zero."""
    ends = [_look(formula, v, arguments)[key][1] for v in (low, high)]
    below, small = ends[0] > 0, NEAR * min(map(abs, ends))
    middle = low
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        look = _look(formula, middle, arguments).get(key)
        if look is None or not math.isfinite(look[1]):
            return None
        if look[1] == 0:
            return middle
        if middle in (low, high):
            return middle if abs(look[1]) <= small else None
        if (look[1] > 0) == below:
            low = middle
        else:
            high = middle
    return middle


def _lowest(formula: Formula, key: Key, arguments: Sequence[float], low: float, high: float) -> float:
    """Where the denominator is nearest to zero, by thirds."""

    def far(v: float) -> float:
        look = _look(formula, v, arguments).get(key)
        return abs(look[1]) if look is not None and math.isfinite(look[1]) else math.inf

    for _ in range(100):
        third = (high - low) / 3
        if far(low + third) <= far(high - third):
            high -= third
        else:
            low += third
    return (low + high) / 2


def _singular(
    formula: Formula,
    key: Key,
    arguments: Sequence[float],
    zero: float,
    v: float,
    looks: Sequence[Look],
) -> Singularity | None:
    """What hangs on the quotient at its zero; None if the formula gives something else there."""
    rounded = round(zero, 9)  # "-35" where the zero lies at −35 but for rounding
    for at in (rounded, zero):
        look = _look(formula, at, arguments)
        if key not in look:
            continue
        numerators = [abs(other[key][0]) for other in looks if key in other]
        removable = abs(look[key][0]) <= NEAR * max(numerators, default=0.0)
        order = [number for number, _ in enumerate(formula.quotients)]
        place = _place(formula, key)
        results = formula(at, *arguments, poisoned=order[place])
        hit = tuple(i for i, result in enumerate(results) if result != result)
        if hit:
            return Singularity(at, formula.divisions[key[0]], hit, removable)
    return None


def _place(formula: Formula, key: Key) -> int:
    """The number of a division among all of the last call."""
    nth = -1
    for number, (division, _, _) in enumerate(formula.quotients):
        nth += division == key[0]
        if division == key[0] and nth == key[1]:
            return number
    raise AssertionError(key)
