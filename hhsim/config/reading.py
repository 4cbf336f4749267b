"""What a reader is: it turns the TOML value behind a key into what it means, or tells all that is wrong.

A reader raises `Wrong` with every mistake in its value. `by` makes it the validator of a pydantic field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import PlainValidator, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from hhsim.config.problems import KeyPath

MOST_DOTS = 1000  # in a line: for a key of 10,000 parts, `tomllib` takes a second, and four for twice as many
MOST_SHOWN = 100  # characters of a value in a message

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
    area_used: bool = False


Reader = Callable[[Any, Surroundings], Any]


def by(reader: Reader) -> PlainValidator:
    """`reader` as the validator of a pydantic field: Annotated[float, by(reader)]."""

    def validate(raw: Any, info: ValidationInfo[Surroundings]) -> Any:
        try:
            return reader(raw, info.context)
        except Wrong as wrong:
            details = [
                InitErrorDetails(
                    type=PydanticCustomError("hhsim", "{text}", {"text": text}), loc=path, input=None
                )
                for path, text in wrong.mistakes
            ]
            raise ValidationError.from_exception_data("value", details) from None

    return PlainValidator(validate)


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
        return f'"{raw}"' if len(raw) <= MOST_SHOWN else f'"{raw[:MOST_SHOWN]}…"'
    if isinstance(raw, dict):
        return "a table"
    if isinstance(raw, list):
        return "a list"
    shown = str(raw)
    return shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}…"


def is_text(text: str) -> bool:
    """Whether `text` can be written as UTF-8; what the shell passes on need not be."""
    return as_text(text) == text


def as_text(text: str) -> str:
    """`text` with the bytes that were no UTF-8 written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def typed(raw: Any) -> str:
    """A quantity as it was typed, without quotes."""
    return " ".join(raw.split()) if isinstance(raw, str) else describe(raw)


def is_number(raw: Any) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool)
