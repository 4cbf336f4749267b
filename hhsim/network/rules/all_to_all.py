"""All targets of each source: pairwise Bernoulli with p = 1, by the same compiled function."""

from __future__ import annotations

from hhsim.model.rules import AllToAll
from hhsim.network.rules import BySources, Numbers
from hhsim.network.rules.pairwise_bernoulli import bernoulli_rows


def _numbers(rule: AllToAll) -> Numbers:
    return Numbers(p=1.0)


WAY = BySources(_numbers, bernoulli_rows)
