"""Which keys of two stored configs differ, and which facts of how the recordings were made."""

from __future__ import annotations

import tomllib

from hhsim.config import Entry, differing_keys
from hhsim.errors import FileFailed
from hhsim.recording import Recording

# Facts that say on what a recording was made. All others stand in the config as well, or name it.
ORIGINS = ("versions.", "machine.", "device", "threads")


def differing_settings(a: Recording, b: Recording) -> list[Entry]:
    """The keys in which the stored configs differ. Raises FileFailed if one of them is damaged."""
    if a.foreign or b.foreign:
        return []
    for recording in (a, b):
        try:
            tomllib.loads(recording.config)
        except tomllib.TOMLDecodeError as error:
            raise FileFailed(
                str(recording.path), f"is damaged: its config is not valid TOML: {error}"
            ) from None
    return differing_keys(a.config, b.config)


def differing_origins(a: Recording, b: Recording) -> list[Entry]:
    """In which versions, machine, device and threads the recordings differ."""
    if a.foreign or b.foreign:
        return []
    keys = [key for key in {**a.facts, **b.facts} if key.startswith(ORIGINS)]
    entries = [Entry(key, a.facts.get(key), b.facts.get(key)) for key in keys]
    return [entry for entry in entries if entry.a != entry.b]
