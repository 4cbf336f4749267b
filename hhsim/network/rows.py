"""Rows of targets that are drawn by their sources: counted and kept, then put where the counts say.

The length of the row of source s is added to place s + 1 of its part in `row_starts`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hhsim.jit.options import compiled
from hhsim.network.plan import BEGIN, END, PART, SHIFT, Plan


@compiled
def keep(plan: Plan, source: int, count: int, row: Any, row_starts: Any, kept: Any, at: int) -> int:
    """Count a row for each part, and put its target lanes into kept[at:]; returns where they end."""
    i = 0
    for piece in range(plan.pieces.shape[0]):
        while i < count and row[i] < plan.pieces[piece, BEGIN]:
            i += 1
        start = i
        end, shift = plan.pieces[piece, END], plan.pieces[piece, SHIFT]
        while i < count and row[i] < end:
            kept[at] = row[i] + shift
            at += 1
            i += 1
        row_starts[plan.row_bases[plan.pieces[piece, PART]] + source + 1] += np.uint32(i - start)
    return at


@compiled
def place(plan: Plan, first: int, last: int, row_starts: Any, kept: Any, targets: Any) -> None:
    """Put the rows that were kept of the sources in [first, last) where the counts say they belong."""
    at = 0
    for source in range(first, last):
        part = -1
        for piece in range(plan.pieces.shape[0]):
            if plan.pieces[piece, PART] == part:
                continue
            part = plan.pieces[piece, PART]
            row = plan.row_bases[part] + source
            base = plan.synapse_bases[part]
            for i in range(np.int64(row_starts[row]), np.int64(row_starts[row + 1])):
                targets[base + i] = kept[at]
                at += 1
