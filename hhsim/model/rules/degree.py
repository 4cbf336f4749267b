"""What the rules with a fixed number of synapses for each cell have in common."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from hhsim.model.rules.base import Ends, Key, Resized, Rule


@dataclass(frozen=True)
class FixedDegree(Rule):
    """A cell on one side of the projection has `k` partners on the other side."""

    k: int
    replacement: bool = False  # whether a partner may be chosen more than once
    autapses: bool = True  # whether a cell may be chosen for itself

    partners: ClassVar[str]  # what is chosen: "sources" or "targets"
    drawn = False
    in_file = False

    @abstractmethod
    def choice(self, sources: int | None, targets: int | None) -> int | None:
        """How many cells there are to choose the partners from; None if that is not known."""

    def impossible(self, sources: int | None, targets: int | None, recurrent: bool) -> tuple[str, str] | None:
        cells = self.choice(sources, targets)
        if cells is None:
            return None
        itself_left_out = recurrent and not self.autapses
        cells -= itself_left_out
        if self.k <= cells or (self.replacement and cells > 0):
            return None
        limit = ", a cell itself left out" if itself_left_out else ""
        way = "" if self.replacement or cells == 0 else "; replacement = true would allow more"
        text = f"{self.k} is more than the {cells} {self.partners} to choose from{limit}{way}"
        return self.name, text

    def resized(self, before: Ends, after: Ends) -> Resized:
        """Keeps k; where there are fewer cells to choose from, they are chosen more than once."""
        if self.impossible(*after) is None:
            return Resized(self)
        cells = self.choice(after.sources, after.targets) or 0
        cells -= after.recurrent and not self.autapses
        return Resized(
            replace(self, replacement=True, autapses=True),
            f"a cell has {self.k:,} {self.partners}, more than the {cells:,} cells to choose from",
        )

    def without_synapses(self) -> str:
        return "their number is 0" if self.k == 0 else ""


def keys_of(name: str) -> dict[str, Key]:
    """The keys of such a rule."""
    return {
        name: Key("k", "count"),
        "replacement": Key("replacement", "flag"),
        "autapses": Key("autapses", "flag", recurrent=True),
    }
