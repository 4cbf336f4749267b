"""The rules of connection: which targets a source has, drawn from keys alone.

Every law holds for each source and each fixed block of targets by itself, so that a part draws its own
synapses without drawing everybody's, and every partition of one config is the same network. Numbers of
targets count through the union of the target populations (see `hhsim.network.plan`).

Rules that are told by their sources draw each row once and keep it, in `kept`, until all rows are counted:
the length of the row of source s is added to place s + 1 of its part in `row_starts`. They stop before the
row that `kept` cannot hold, and return the source that they came to and how many synapses they kept.

Rules that are told by their targets draw twice: with `fill` false they count, with `fill` true they store.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hhsim.jit.options import compiled
from hhsim.network.plan import BEGIN, END, PART, SHIFT, Plan
from hhsim.network.random import ZERO, philox, uniform
from hhsim.network.sampling import LEAF, Among, choose, scratch

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
def _keep(plan: Plan, source: int, count: int, row: Any, row_starts: Any, kept: Any, at: int) -> int:
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


@compiled
def bernoulli(plan: Plan, first: int, last: int, row_starts: Any, kept: Any) -> tuple[int, int]:
    """Every pair of a source in [first, last) and a target, with probability p."""
    pieces = plan.pieces
    row = np.empty(plan.union_size + 1, np.int64)
    at = 0
    for source in range(first, last):
        count = _gaps(plan, source, pieces[0, BEGIN], pieces[-1, END], row)
        if at + count > kept.size:
            return source, at
        at = _keep(plan, source, count, row, row_starts, kept, at)
    return last, at


@compiled
def fixed_outdegree(plan: Plan, first: int, last: int, row_starts: Any, kept: Any) -> tuple[int, int]:
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
        at = _keep(plan, source, count, row, row_starts, kept, at)
    return last, at


@compiled
def one_to_one(plan: Plan, first: int, last: int, row_starts: Any, kept: Any) -> tuple[int, int]:
    """Source i to target i of the union."""
    row = np.empty(1, np.int64)
    at = 0
    for source in range(first, last):
        if at == kept.size:
            return source, at
        row[0] = source
        at = _keep(plan, source, 1, row, row_starts, kept, at)
    return last, at


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
            among = Among(plan.source_size, self_number, 0, plan.source_size)
            count = choose(plan, number, among, row, work)
            for i in range(count):
                at = starts + row[i]
                if fill:
                    targets[base + np.int64(row_starts[at])] = number + plan.pieces[piece, SHIFT]
                row_starts[at] += np.uint32(1)
