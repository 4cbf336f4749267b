"""Each source has the same number of targets."""

from __future__ import annotations

from dataclasses import dataclass

from hhsim.model.rules.base import Ends
from hhsim.model.rules.degree import FixedDegree, keys_of


@dataclass(frozen=True)
class FixedOutdegree(FixedDegree):
    """Each source has `k` targets in the union of the target populations."""

    name = "fixed_outdegree"
    usage = "{ fixed_outdegree = 80 }"
    keys = keys_of(name)
    partners = "targets"

    def expected(self, ends: Ends) -> float:
        return self.k * ends.sources

    def choice(self, sources: int | None, targets: int | None) -> int | None:
        return targets
