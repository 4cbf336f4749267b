"""The first source is joined to the first target, the second to the second, and so on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from hhsim.model.rules.base import Ends, Key, Resized, Rule
from hhsim.model.rules.fixed_indegree import FixedIndegree


@dataclass(frozen=True)
class OneToOne(Rule):
    """Source i has one synapse, onto target i of the union of the target populations."""

    name = "one_to_one"
    usage = '"one_to_one"'
    keys: ClassVar[Mapping[str, Key]] = {}
    drawn = False
    in_file = False

    def expected(self, ends: Ends) -> float:
        return ends.sources

    def impossible(self, sources: int | None, targets: int | None, recurrent: bool) -> tuple[str, str] | None:
        if sources is None or targets is None or sources == targets:
            return None
        return "", f"one_to_one needs equal sizes, but {sources} sources meet {targets} targets"

    def resized(self, before: Ends, after: Ends) -> Resized:
        """The same; where sizes that were equal are rounded apart, each target has a source that is drawn."""
        problem = self.impossible(*after)
        if problem is None or self.impossible(*before) is not None:
            return Resized(self)
        return Resized(FixedIndegree(1), problem[1])

    def without_synapses(self) -> str:
        return ""
