"""Every mistake of a config, collected and put into plain words."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence

from hhsim.errors import ConfigRefused, Problem

MOST_COMPARED = 1000  # words among which the nearest is looked for
MOST_NAMED = 30  # words that a message lists

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


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `word` was most likely meant to be, if any is near."""
    lower = {candidate.lower(): candidate for candidate in sorted(known, reverse=True)}
    if len(lower) > MOST_COMPARED:
        return None
    found = difflib.get_close_matches(word.lower(), lower, n=1)
    return lower[found[0]] if found else None


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """`unknown key; did you mean "size"?`, or a list of what there is if nothing is near."""
    choices = list(known)
    near = nearest(word, choices)
    if near is not None:
        return f'unknown {what}; did you mean "{near}"?'
    return f"unknown {what}; {listed(choices)}"


def unknown_model(what: str, word: str, known: Iterable[str]) -> str:
    """`unknown input model; did you mean "poisson"? known: poisson, step_current`."""
    choices = list(known)
    near = nearest(word, choices)
    meant = f'; did you mean "{near}"? ' if near is not None else "; "
    return f"unknown {what}{meant}{listed(choices)}"


def listed(known: Iterable[str]) -> str:
    """All there are, or the first of them, for a message."""
    choices = list(known)
    if not choices:
        return "there is none"
    more = f" and {len(choices) - MOST_NAMED:,} more" if len(choices) > MOST_NAMED else ""
    return f"known: {', '.join(choices[:MOST_NAMED])}{more}"


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
