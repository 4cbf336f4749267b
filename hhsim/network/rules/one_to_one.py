"""One target for each source, of the same number."""

from __future__ import annotations

from typing import Any

import numpy as np

from hhsim.jit.options import compiled
from hhsim.model.rules import OneToOne
from hhsim.network.plan import Plan
from hhsim.network.rows import keep
from hhsim.network.rules import BySources, Numbers


@compiled
def equal_rows(plan: Plan, first: int, last: int, row_starts: Any, kept: Any) -> tuple[int, int]:
    """Source i to target i of the union."""
    row = np.empty(1, np.int64)
    at = 0
    for source in range(first, last):
        if at == kept.size:
            return source, at
        row[0] = source
        at = keep(plan, source, 1, row, row_starts, kept, at)
    return last, at


def _numbers(rule: OneToOne) -> Numbers:
    return Numbers()


WAY = BySources(_numbers, equal_rows)
