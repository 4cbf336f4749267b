"""Which keys of two stored configs differ, and which facts of how the recordings were made."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hhsim.errors import FileFailed
from hhsim.recording import Recording

# Facts that say on what a recording was made. All others stand in the config as well, or name it.
ORIGINS = ("versions.", "machine.", "device", "threads")


@dataclass(frozen=True)
class Entry:
    """What stands at a key path such as `projection[0].weight`; None where the key is not there."""

    key: str
    a: Any
    b: Any


def differing_keys(a: Recording, b: Recording) -> list[Entry]:
    """The keys in which the configs differ, each as high up as one of the two has nothing there."""
    return list(_walk("", _tree(a), _tree(b)))


def differing_origins(a: Recording, b: Recording) -> list[Entry]:
    """In which versions, machine, device and threads the recordings differ."""
    keys = [key for key in {**a.facts, **b.facts} if key.startswith(ORIGINS)]
    entries = [Entry(key, a.facts.get(key), b.facts.get(key)) for key in keys]
    return [entry for entry in entries if entry.a != entry.b]


def _tree(recording: Recording) -> dict[str, Any]:
    try:
        return tomllib.loads(recording.config)
    except tomllib.TOMLDecodeError as error:
        raise FileFailed(str(recording.path), f"is damaged: its config is not valid TOML: {error}") from None


def _walk(path: str, a: Any, b: Any) -> Iterator[Entry]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in dict.fromkeys([*a, *b]):
            at = f'"{key}"' if "." in key else key
            yield from _walk(f"{path}.{at}" if path else at, a.get(key), b.get(key))
    elif _of_tables(a) and _of_tables(b):
        for i in range(max(len(a), len(b))):
            yield from _walk(f"{path}[{i}]", *(each[i] if i < len(each) else None for each in (a, b)))
    elif a != b:
        yield Entry(path, a, b)


def _of_tables(value: Any) -> bool:
    """Whether `value` is a list of sections; any other list, such as `nodes`, is one value."""
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)
