"""What a state of a cell is: its name, its unit, and which values it may have."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """A number that each cell has and that changes as it runs.

    It is declared once, by the definition of what has it (`hhsim.channels`); configs, files and outputs ask
    here for its unit and its bounds.
    """

    name: str  # as a config has it: "v", "na.m", "g.exc"
    unit: str  # "mV", "nS", ...; "" if it has none
    bounds: tuple[float, float] = (-math.inf, math.inf)  # the least and the largest initial value
    start: float = 0.0  # the initial value where none is given
    must_be_given: bool = False  # a config that gives no initial value is refused
    can_be_steady: bool = False  # it may begin at its steady state for the initial membrane potential

    @property
    def written_unit(self) -> str:
        """The unit as outputs have it, where a plain number has the unit "1"."""
        return self.unit or "1"
