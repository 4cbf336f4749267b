"""How the connection rules are drawn: a file for each, named as the rule's own in `hhsim/model/rules`.

Every law holds for each source and each fixed block of targets by itself, so that a part draws its own
synapses without drawing everybody's, and every partition of one config is the same network. Numbers of
targets count through the union of the target populations (see `hhsim.network.plan`).

Such a file holds `WAY`, one of the three ways below. It is imported when a config has the rule: compiled
functions that no config uses are neither compiled nor loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

from hhsim.model.rules import Rule


class Numbers(NamedTuple):
    """What compiled code reads of a rule, as fields of its `Plan`."""

    k: int = 0  # synapses of each source or target
    p: float = 1.0  # the probability of a pair
    replacement: bool = False
    autapses: bool = True


@dataclass(frozen=True)
class BySources:
    """A rule that tells the targets of each source: each row is drawn once, and kept until all are counted.

    `rows(plan, first, last, row_starts, kept)` draws the rows of the sources in [first, last) into `kept`
    and counts them (`hhsim.network.rows.keep`). It stops before the row that `kept` cannot hold, and
    returns the source that it came to and how many synapses it kept.
    """

    numbers: Callable[[Any], Numbers]  # of the rule
    rows: Callable[..., tuple[int, int]]


@dataclass(frozen=True)
class ByTargets:
    """A rule that tells the sources of each target: all is drawn twice, first to count and then to store.

    `columns(plan, first, last, fill, row_starts, targets)` does either for the pieces in [first, last).
    """

    numbers: Callable[[Any], Numbers]
    columns: Callable[..., None]


@dataclass(frozen=True)
class InFile:
    """A rule whose synapses stand in a file, which is read twice: to count and to store.

    `count(rule)` says how many there are, without building anything. `place(model, index, plan,
    row_starts, built)` counts those of a projection, and stores them where `built` is given.
    """

    numbers: Callable[[Any], Numbers]
    count: Callable[[Any], int]
    place: Callable[..., None]


Way = BySources | ByTargets | InFile


def way_of(rule: Rule) -> Way:
    """How `rule` is drawn."""
    way: Way = import_module(f"{__name__}.{rule.name}").WAY
    return way
