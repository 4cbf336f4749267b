"""A fixed number of targets, chosen for each source."""

from __future__ import annotations

from typing import Any

import numpy as np

from hhsim.jit.options import compiled
from hhsim.model.rules import FixedOutdegree
from hhsim.network.plan import BEGIN, END, Plan
from hhsim.network.rows import keep
from hhsim.network.rules import BySources, Numbers
from hhsim.network.sampling import Among, choose, scratch


@compiled
def outdegree_rows(plan: Plan, first: int, last: int, row_starts: Any, kept: Any) -> tuple[int, int]:
    """k targets for each source in [first, last)."""
    pieces = plan.pieces
    row = np.empty(plan.k + 1, np.int64)
    work = scratch()
    at = 0
    for source in range(first, last):
        self_number = plan.self_first + source if plan.self_first >= 0 else -1
        among = Among(plan.union_size, self_number, pieces[0, BEGIN], pieces[-1, END])
        count = choose(plan, source, among, row, work)
        if at + count > kept.size:
            return source, at
        at = keep(plan, source, count, row, row_starts, kept, at)
    return last, at


def _numbers(rule: FixedOutdegree) -> Numbers:
    return Numbers(k=rule.k, replacement=rule.replacement, autapses=rule.autapses)


WAY = BySources(_numbers, outdegree_rows)
