"""Each target has the same number of sources."""

from __future__ import annotations

from dataclasses import dataclass

from hhsim.model.rules.base import Ends
from hhsim.model.rules.degree import FixedDegree, keys_of


@dataclass(frozen=True)
class FixedIndegree(FixedDegree):
    """Each target has `k` sources."""

    name = "fixed_indegree"
    usage = "{ fixed_indegree = 80 }"
    keys = keys_of(name)
    partners = "sources"

    def expected(self, ends: Ends) -> float:
        return self.k * ends.targets

    def choice(self, sources: int | None, targets: int | None) -> int | None:
        return sources
