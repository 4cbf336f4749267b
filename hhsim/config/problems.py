"""Every mistake of a config, collected and put into plain words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from hhsim.errors import ConfigRefused, Problem

KeyPath = tuple[str | int, ...]  # ("projection", 1, "rule"): projection[1].rule


_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STATE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def is_bare(key: str) -> bool:
    """Whether TOML takes `key` without quotes."""
    return _BARE.fullmatch(key) is not None


def show(path: KeyPath) -> str:
    """`path` as the user reads and types it: `projection[1].rule.pairwise_bernoulli`.

    A name that TOML wants in quotes has them, but for a state's, such as `g.exc`, which may stand without.
    """
    text = ""
    for i, part in enumerate(path):
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        state = i == 3 and path[0] == "population" and path[2] == "initial" and _STATE.fullmatch(part)
        word = part if is_bare(part) or state else json.dumps(part, ensure_ascii=False)
        text += f".{word}" if text else word
    return text


class Report:
    """Collects the problems of one config; `raise_if_any` tells them all at once."""

    def __init__(self, source: str, lines: Mapping[str, int] | None = None) -> None:
        self.source = source
        self.lines = dict(lines or {})  # by shown path
        self.given_by: dict[str, str] = {}  # shown path -> the option that set it
        self._problems: dict[Problem, None] = {}  # each once, in the order in which they were found

    def add(self, path: KeyPath, message: str) -> None:
        option = self._option(path)
        if option is not None:
            problem = Problem(show(path), f"{message} (given by {option})", None)
        else:
            problem = Problem(show(path), message, self._line(path))
        self._problems[problem] = None

    def raise_if_any(self) -> None:
        """Raises ConfigRefused with every problem, in the order of the file."""
        if self._problems:
            ordered = sorted(self._problems, key=lambda p: (p.line is None, p.line or 0))
            raise ConfigRefused(self.source, tuple(ordered))

    @property
    def problems(self) -> Sequence[Problem]:
        return tuple(self._problems)

    def _option(self, path: KeyPath) -> str | None:
        prefixes = (show(path[:length]) for length in range(len(path), 0, -1))
        return next((self.given_by[prefix] for prefix in prefixes if prefix in self.given_by), None)

    def _line(self, path: KeyPath) -> int | None:
        """The line of `path`, or of the nearest table around it that stands in the file."""
        prefixes = (show(path[:length]) for length in range(len(path), 0, -1))
        return next((self.lines[prefix] for prefix in prefixes if prefix in self.lines), None)
