"""What to say of a word that is not known: the nearest of those that are, or a list of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_COMPARED = 1000  # words among which the nearest is looked for
MOST_NAMED = 30  # words that a message lists


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
