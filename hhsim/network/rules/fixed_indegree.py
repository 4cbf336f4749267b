"""A fixed number of sources, chosen for each target."""

from __future__ import annotations

from typing import Any

import numpy as np

from hhsim.jit.options import compiled
from hhsim.model.rules import FixedIndegree
from hhsim.network.plan import BEGIN, END, PART, SHIFT, Plan
from hhsim.network.rules import ByTargets, Numbers
from hhsim.network.sampling import Among, choose, scratch


@compiled
def indegree_columns(plan: Plan, first: int, last: int, fill: bool, row_starts: Any, targets: Any) -> None:
    """k sources for each target of the pieces in [first, last).

    Filling takes the targets in ascending order and moves the start of a source's row, held one place
    further up, along with what was put there.
    """
    row = np.empty(plan.k + 1, np.int64)
    work = scratch()
    for piece in range(first, last):
        part = plan.pieces[piece, PART]
        starts = plan.row_bases[part] + 1
        base = plan.synapse_bases[part]
        for number in range(plan.pieces[piece, BEGIN], plan.pieces[piece, END]):
            self_number = number - plan.self_first if plan.self_first >= 0 else -1
            if self_number >= plan.source_size:
                self_number = -1
            among = Among(plan.source_size, self_number, 0, plan.source_size)
            count = choose(plan, number, among, row, work)
            for i in range(count):
                at = starts + row[i]
                if fill:
                    targets[base + np.int64(row_starts[at])] = number + plan.pieces[piece, SHIFT]
                row_starts[at] += np.uint32(1)


def _numbers(rule: FixedIndegree) -> Numbers:
    return Numbers(k=rule.k, replacement=rule.replacement, autapses=rule.autapses)


WAY = ByTargets(_numbers, indegree_columns)
