"""The rules of connection: which targets a source has, drawn from keys alone.

Every law holds for each source and each fixed block of targets by itself, so that a part draws its own
synapses without drawing everybody's, and every partition of one config is the same network. Numbers of
targets count through the union of the target populations (see `hhsim.network.plan`).

All rules have one signature. With `fill` false they count: the length of the row of source s is added to
place s + 1 of its part in `row_starts`. With `fill` true they store the targets.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hhsim.jit import compiled
from hhsim.network.plan import BEGIN, END, PART, SHIFT, Plan
from hhsim.network.sampling import LEAF, choose, scratch
from hhsim.random import ZERO, philox, uniform

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
def _store(plan: Plan, source: int, count: int, row: Any, fill: bool, row_starts: Any, targets: Any) -> None:
    """Count a row for each part, or put it where the counts said it belongs."""
    i = 0
    part = -1
    at = 0
    for piece in range(plan.pieces.shape[0]):
        while i < count and row[i] < plan.pieces[piece, BEGIN]:
            i += 1
        start = i
        end, shift = plan.pieces[piece, END], plan.pieces[piece, SHIFT]
        if fill:
            if plan.pieces[piece, PART] != part:
                part = plan.pieces[piece, PART]
                at = plan.synapse_bases[part] + np.int64(row_starts[plan.row_bases[part] + source])
            while i < count and row[i] < end:
                targets[at] = row[i] + shift
                at += 1
                i += 1
        else:
            while i < count and row[i] < end:
                i += 1
            row_starts[plan.row_bases[plan.pieces[piece, PART]] + source + 1] += np.uint32(i - start)


@compiled
def bernoulli(plan: Plan, first: int, last: int, fill: bool, row_starts: Any, targets: Any) -> None:
    """Every pair of a source in [first, last) and a target, with probability p."""
    pieces = plan.pieces
    row = np.empty(plan.union_size + 1, np.int64)
    for source in range(first, last):
        count = _gaps(plan, source, pieces[0, BEGIN], pieces[-1, END], row)
        _store(plan, source, count, row, fill, row_starts, targets)


@compiled
def fixed_outdegree(plan: Plan, first: int, last: int, fill: bool, row_starts: Any, targets: Any) -> None:
    """k targets for each source in [first, last)."""
    pieces = plan.pieces
    row = np.empty(plan.k + 1, np.int64)
    work = scratch()
    for source in range(first, last):
        self_number = plan.self_first + source if plan.self_first >= 0 else -1
        count = choose(
            plan, source, plan.union_size, self_number, pieces[0, BEGIN], pieces[-1, END], row, work
        )
        _store(plan, source, count, row, fill, row_starts, targets)


@compiled
def one_to_one(plan: Plan, first: int, last: int, fill: bool, row_starts: Any, targets: Any) -> None:
    """Source i to target i of the union."""
    row = np.empty(1, np.int64)
    for source in range(first, last):
        row[0] = source
        _store(plan, source, 1, row, fill, row_starts, targets)


@compiled
def fixed_indegree(plan: Plan, first: int, last: int, fill: bool, row_starts: Any, targets: Any) -> None:
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
            count = choose(plan, number, plan.source_size, self_number, 0, plan.source_size, row, work)
            for i in range(count):
                at = starts + row[i]
                if fill:
                    targets[base + np.int64(row_starts[at])] = number + plan.pieces[piece, SHIFT]
                row_starts[at] += np.uint32(1)
