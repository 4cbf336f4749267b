"""When a run is saved, and how long it may take: what its user decides."""

from __future__ import annotations

import math
from dataclasses import dataclass

EVERY_SECONDS = 900.0


@dataclass(frozen=True)
class Policy:
    """How careful a run is. Seconds are those of the wall clock, counted by a clock that nobody can set."""

    every_s: float = EVERY_SECONDS  # between two checkpoints; infinity: none but when the run is stopped
    most_s: float = math.inf  # for all of the run, its start included
    at_end: bool = False  # save the end as well, so that a longer duration can go on from there

    @classmethod
    def of(cls, every_s: float | None, most_s: float | None) -> Policy:
        """The policy that a user asks for; who gives a time between checkpoints wants the end saved, too."""
        return cls(
            EVERY_SECONDS if every_s is None else every_s,
            math.inf if most_s is None else most_s,
            every_s is not None,
        )
