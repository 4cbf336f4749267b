"""Every pair of a source and a target is joined with the same probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from hhsim.model.rules.base import Ends, Key, Resized, Rule
from hhsim.model.rules.fixed_outdegree import FixedOutdegree


@dataclass(frozen=True)
class PairwiseBernoulli(Rule):
    """Each pair of cells has a synapse with probability `p`."""

    p: float

    name = "pairwise_bernoulli"
    usage = "{ pairwise_bernoulli = 0.02 }"
    keys: ClassVar[Mapping[str, Key]] = {"pairwise_bernoulli": Key("p", "probability")}
    drawn = True
    in_file = False

    def expected(self, ends: Ends) -> float:
        return self.p * ends.sources * ends.targets

    def impossible(self, sources: int | None, targets: int | None, recurrent: bool) -> None:
        return None

    def resized(self, before: Ends, after: Ends) -> Resized:
        """Divides p by the growth of the sources; where it would exceed 1, a pair has several synapses."""
        p = self.p * before.sources / after.sources
        if p <= 1:
            return Resized(PairwiseBernoulli(p))
        degree = f"a cell has {p * after.sources:,.0f} sources"
        return Resized(
            FixedOutdegree(max(1, round(self.p * before.targets)), replacement=True),
            f"{degree}, more than the {after.sources:,} cells to choose from",
        )

    def without_synapses(self) -> str:
        return "the probability is 0" if self.p == 0.0 else ""
