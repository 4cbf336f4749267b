"""In which keys two configs differ."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hhsim.config.names import as_key


@dataclass(frozen=True)
class Entry:
    """What stands at a key path such as `projection[0].weight`; None where the key is not there."""

    key: str
    a: Any
    b: Any


def differing_keys(a: str, b: str) -> list[Entry]:
    """The keys in which two configs, as TOML, differ, each as high up as one of the two has nothing there.

    Raises tomllib.TOMLDecodeError.
    """
    return list(_walk("", tomllib.loads(a), tomllib.loads(b)))


def _walk(path: str, a: Any, b: Any) -> Iterator[Entry]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in dict.fromkeys([*a, *b]):
            at = as_key(key)
            yield from _walk(f"{path}.{at}" if path else at, a.get(key), b.get(key))
    elif _of_tables(a) and _of_tables(b):
        for i in range(max(len(a), len(b))):
            yield from _walk(f"{path}[{i}]", *(each[i] if i < len(each) else None for each in (a, b)))
    elif a != b:
        yield Entry(path, a, b)


def _of_tables(value: Any) -> bool:
    """Whether `value` is a list of sections; any other list, such as `nodes`, is one value."""
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)
