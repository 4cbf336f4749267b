"""Every source is joined to every target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from hhsim.model.rules.base import Ends, Key, Resized, Rule
from hhsim.model.rules.fixed_outdegree import FixedOutdegree


@dataclass(frozen=True)
class AllToAll(Rule):
    """Each pair of cells has one synapse, a cell with itself included."""

    name = "all_to_all"
    usage = '"all_to_all"'
    keys: ClassVar[Mapping[str, Key]] = {}
    drawn = False
    in_file = False

    def expected(self, ends: Ends) -> float:
        return ends.sources * ends.targets

    def impossible(self, sources: int | None, targets: int | None, recurrent: bool) -> None:
        return None

    def resized(self, before: Ends, after: Ends) -> Resized:
        """As many synapses of a source as before, on targets that are chosen more than once."""
        return Resized(
            FixedOutdegree(before.targets, replacement=True),
            "with all_to_all the synapses of a cell grow with the network",
        )

    def without_synapses(self) -> str:
        return ""
