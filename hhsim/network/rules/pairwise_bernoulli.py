"""The targets of a source, each with the same probability, as geometric gaps between them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hhsim.jit.options import compiled
from hhsim.model.rules import PairwiseBernoulli
from hhsim.network.plan import BEGIN, END, Plan
from hhsim.network.random import ZERO, philox, uniform
from hhsim.network.rows import keep
from hhsim.network.rules import BySources, Numbers
from hhsim.network.sampling import LEAF

RARE = 16  # targets of a source in a leaf, on average; part of every result


@compiled
def _gaps(plan: Plan, source: int, low: int, high: int, row: Any) -> int:
    """The Bernoulli targets of a source whose leaves reach into [low, high), ascending.

    The gaps between the targets in a leaf are geometric numbers, so that only what is there is drawn. Where
    targets are rare, leaves are longer: the draw that ends a leaf is one too many.
    """
    written = 0
    scale = math.log1p(-plan.p) if plan.p < 1.0 else 0.0
    width = LEAF
    while width * plan.p < RARE and width < plan.union_size:
        width *= 2
    for leaf in range(low // width, (high + width - 1) // width):
        at = leaf * width
        end = min(at + width, plan.union_size)
        if plan.p >= 1.0:
            while at < end:
                row[written] = at
                written += 1
                at += 1
        draw = 0
        a = b = c = d = ZERO
        while at < end and plan.p > 0.0:
            if draw % 4 == 0:
                a, b, c, d = philox(
                    plan.key0, plan.key1, np.uint64(source), np.uint64(leaf), np.uint64(draw // 4), ZERO
                )
            draw += 1
            gap = math.log(1.0 - uniform(a)) / scale
            a, b, c = b, c, d
            if gap >= end - at:
                break
            at += int(gap)
            row[written] = at
            written += 1
            at += 1
    return written


@compiled
def bernoulli_rows(plan: Plan, first: int, last: int, row_starts: Any, kept: Any) -> tuple[int, int]:
    """Every pair of a source in [first, last) and a target, with probability p."""
    pieces = plan.pieces
    row = np.empty(plan.union_size + 1, np.int64)
    at = 0
    for source in range(first, last):
        count = _gaps(plan, source, pieces[0, BEGIN], pieces[-1, END], row)
        if at + count > kept.size:
            return source, at
        at = keep(plan, source, count, row, row_starts, kept, at)
    return last, at


def _numbers(rule: PairwiseBernoulli) -> Numbers:
    return Numbers(p=rule.p)


WAY = BySources(_numbers, bernoulli_rows)
