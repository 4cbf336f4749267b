"""Readers of everything that is neither a quantity nor a rule: words, counts, lists of names, files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hhsim.config.measures import Measure
from hhsim.config.names import escaped, not_a_label, unstorable
from hhsim.config.reading import Reader, Surroundings, Wrong, describe, each, typed
from hhsim.model import FromFile, InitialValue, Steady
from hhsim.model.spelling import unknown
from hhsim.model.state import State


def file(raw: Any, around: Surroundings) -> Path:
    """A file that exists; relative paths start at the folder of the config."""
    if not isinstance(raw, str) or not raw:
        raise Wrong(((), f"expected the name of a file, found {describe(raw)}"))
    path = Path(around.folder, raw).absolute()
    reason = unstorable(str(path))
    if reason:
        raise Wrong(((), f"the path {escaped(str(path))} {reason}"))
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


def name(raw: Any, around: Surroundings) -> str:
    """A name that the user gives to a section: a text of one line."""
    found = text(raw, around)
    reason = not_a_label(found)
    if reason:
        raise Wrong(((), f"{escaped(found)} {reason}"))
    return found


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
        found = "an empty list" if raw == [] else describe(raw)
        raise Wrong(((), f"expected a name or a list of names, found {found}"))
    return names(raw, around)


def nodes(raw: Any, around: Surroundings) -> tuple[int, int]:
    """A half-open range of cells, [first, end]."""
    if not isinstance(raw, list) or len(raw) != 2:
        raise Wrong(((), f"expected a range [first, end], with end itself left out; found {describe(raw)}"))
    first, end = each(((0,), lambda: whole()(raw[0], around)), ((1,), lambda: whole()(raw[1], around)))
    if first >= end:
        raise Wrong(((), f"the range [{first}, {end}] is empty: end itself is left out"))
    return first, end


def low_and_high(measure: Measure) -> Reader:
    """Two quantities, the lower one first."""

    def read(raw: Any, around: Surroundings) -> tuple[float, float]:
        if not isinstance(raw, list) or len(raw) != 2:
            raise Wrong(((), f"expected [low, high], found {describe(raw)}"))
        low, high = each(
            ((0,), lambda: measure.one(raw[0], around)), ((1,), lambda: measure.one(raw[1], around))
        )
        if low >= high:
            raise Wrong(((), f"low is not below high ({typed(raw[0])} and {typed(raw[1])})"))
        return low, high

    return read


def initial(state: State) -> Reader:
    """How the initial value of `state` is read."""
    measure = Measure(state.unit, *state.bounds)

    def read(raw: Any, around: Surroundings) -> InitialValue:
        if raw == "steady":
            if not state.can_be_steady:
                raise Wrong(((), '"steady" is for gates alone'))
            return Steady()
        if isinstance(raw, dict) and "file" in raw:
            strays = [key for key in raw if key != "file"]
            if strays:
                raise Wrong(*(((key,), "has no effect beside file") for key in strays))
            return FromFile(each((("file",), lambda: file(raw["file"], around)))[0])
        return measure.value(raw, around)

    return read
