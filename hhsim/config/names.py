"""Names and texts: what a TOML or an HDF5 file can hold, and how a name stands in a key path."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from hhsim.config.problems import KeyPath, Report, is_bare
from hhsim.config.reading import MOST_SHOWN

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MOST_BYTES = 255  # of a population's name

KEY = r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*'"""  # one key of a path, as TOML writes it


def plain_key(text: str) -> str:
    """One key of a path without its quotes. Raises ValueError for escapes that TOML does not know."""
    if text.startswith("'"):
        return text[1:-1]
    if not text.startswith('"'):
        return text
    return str(next(iter(tomllib.loads(f"{text} = 0"))))


def quoted(text: str) -> str:
    """A TOML string: JSON's escapes are TOML's, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def escaped(text: str) -> str:
    """`text` for a message, whatever it holds."""
    return json.dumps(text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…")


def as_key(name: str) -> str:
    """`name` as a key of a TOML file, in quotes where it needs them."""
    return name if is_bare(name) else quoted(name)


def unstorable(text: str) -> str:
    """Why no file can hold `text`; empty if one can."""
    if "\0" in text:
        return "holds a NUL character, which no recording can hold"
    if _SURROGATE.search(text):
        return "holds bytes that are not UTF-8, which no recording can hold"
    return ""


def not_a_population(name: str) -> str:
    """Why `name` cannot be that of a population, a group of an HDF5 file; empty if it can."""
    reason = unstorable(name)
    if reason:
        return reason
    if "/" in name or name in (".", ".."):
        what = 'holds a "/"' if "/" in name else "means a folder"
        return f"{what}: the name of a population is that of a group of an HDF5 file"
    return not_a_label(name)


def not_a_label(name: str) -> str:
    """Why `name` cannot stand in a line of text, such as a key path; empty if it can."""
    if not name:
        return "is empty"
    if _CONTROL.search(name):
        return "holds a control character, such as the end of a line"
    if len(name.encode()) > _MOST_BYTES:
        return f"is a name of {len(name.encode()):,} bytes; at most {_MOST_BYTES} are taken"
    return ""


def not_an_identifier(name: str) -> str:
    """Why `name` cannot be that of a cell type, a channel or a receptor; empty if it can."""
    if _IDENTIFIER.fullmatch(name):
        return ""
    return "is no name: letters, digits and _ alone, and no digit at the start"


def check_texts(raw: Any, report: Report) -> bool:
    """Report every text and key of a config that no file can hold; returns whether all can be held."""
    found = False
    for path, reason in _unstorable_in((), raw):
        report.add(path, reason)
        found = True
    return not found


def _unstorable_in(path: KeyPath, raw: Any) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(raw, str):
        reason = unstorable(raw)
        if reason:
            yield path, f"{escaped(raw)} {reason}"
    elif isinstance(raw, dict):
        for name, value in raw.items():
            if unstorable(name):
                yield path, f"the key {escaped(name)} {unstorable(name)}"
            else:
                yield from _unstorable_in((*path, name), value)
    elif isinstance(raw, list):
        for i, value in enumerate(raw):
            yield from _unstorable_in((*path, i), value)
