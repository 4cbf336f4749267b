"""The rules of connection: which targets a source has, drawn from keys alone.

Every law here holds for each pair of a source and a fixed block of targets by itself, so that a part draws
its own synapses without drawing everybody's, and every partition of one config is the same network:

- pairwise Bernoulli: the targets are cut into leaves of LEAF numbers, and the gaps between the targets of
  one source in one leaf are geometric numbers;
- fixed degree: the k draws of a source are split over halves of the leaves, again and again, by binomial
  (with replacement) or hypergeometric numbers, as in Funke et al. 2018 ("Communication-free massively
  distributed graph generation"). A branch ends at a single leaf, or when FEW draws are left: drawing those
  costs less than splitting them further.

Numbers of targets count through the union of the target populations (see `hhsim.network.plan`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.jit import compiled
from hhsim.network.plan import BEGIN, END, PART, SHIFT, Plan
from hhsim.random import ZERO, binomial, bounded, hypergeometric, philox, uniform

LEAF = 16384
FEW = 128
DENSE = 64  # in a leaf, more than one draw in 64 numbers is marked in a table; fewer are sorted
BUCKETS = 128
DEPTH = 64  # of the tree: enough for 2^63 leaves
SPLIT = np.uint64(2**64 - 1)  # the last counter of a split; the draws of a branch count rounds there


class Scratch(NamedTuple):
    """Working memory of one thread."""

    marks: npt.NDArray[np.int32]  # (LEAF,) how often each number of a leaf was drawn
    heads: npt.NDArray[np.int32]  # (BUCKETS + 1,)
    spare: npt.NDArray[np.int64]  # (LEAF // DENSE + FEW,)
    stack: npt.NDArray[np.int64]  # (DEPTH, 3): first leaf, last leaf + 1, draws


@compiled
def _scratch() -> Scratch:
    return Scratch(
        np.empty(LEAF, np.int32),
        np.empty(BUCKETS + 1, np.int32),
        np.empty(LEAF // DENSE + FEW, np.int64),
        np.empty((DEPTH, 3), np.int64),
    )


@compiled
def _sort(values: npt.NDArray[np.int64], begin: int, end: int, low: int, width: int, work: Scratch) -> None:
    """Sort values[begin:end], which lie evenly in [low, low + width): into buckets, then by insertion."""
    shift = 0
    while width > BUCKETS << shift:
        shift += 1
    heads, spare = work.heads, work.spare
    heads[:] = 0
    for i in range(begin, end):
        heads[((values[i] - low) >> shift) + 1] += 1
    for bucket in range(BUCKETS):
        heads[bucket + 1] += heads[bucket]
    for i in range(begin, end):
        bucket = (values[i] - low) >> shift
        spare[heads[bucket]] = values[i]
        heads[bucket] += 1
    for i in range(end - begin):
        value = spare[i]
        j = begin + i
        while j > begin and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value


@compiled
def _draw_few(
    plan: Plan, row_id: int, branch: int, low: int, width: int, count: int, begin: int, row: Any, work: Scratch
) -> None:
    """Put `count` numbers from [low, low + width) into row[begin:], ascending.

    Without replacement, what occurs twice is dropped and drawn again until enough are there, which is the
    same as drawing one after the other and refusing those that are there already.
    """
    have = 0
    round_ = 0
    while have < count:
        at = begin + have
        a = b = c = d = ZERO
        for i in range(count - have):
            if i % 4 == 0:
                a, b, c, d = philox(
                    plan.key0, plan.key1, np.uint64(row_id), np.uint64(branch), np.uint64(i // 4), np.uint64(round_)
                )
            row[at + i] = low + bounded(a, width)
            a, b, c = b, c, d
        _sort(row, begin, begin + count, low, width, work)
        if plan.replacement:
            return
        have = 1
        for i in range(begin + 1, begin + count):
            if row[i] != row[i - 1]:
                row[begin + have] = row[i]
                have += 1
        round_ += 1


@compiled
def _draw_many(
    plan: Plan, row_id: int, branch: int, low: int, width: int, count: int, begin: int, row: Any, work: Scratch
) -> None:
    """The same within a leaf, by counting in a table; more than half of a leaf is drawn as its complement."""
    marks = work.marks
    marks[:width] = 0
    inverse = not plan.replacement and 2 * count > width
    wanted = width - count if inverse else count
    have = 0
    draw = 0
    a = b = c = d = ZERO
    while have < wanted:
        if draw % 4 == 0:
            a, b, c, d = philox(
                plan.key0, plan.key1, np.uint64(row_id), np.uint64(branch), np.uint64(draw // 4), ZERO
            )
        draw += 1
        number = bounded(a, width)
        a, b, c = b, c, d
        if plan.replacement or marks[number] == 0:
            marks[number] += 1
            have += 1
    at = begin
    for number in range(width):
        times = 1 - marks[number] if inverse else marks[number]
        for _ in range(times):
            row[at] = low + number
            at += 1


@compiled
def choose(plan: Plan, row_id: int, size: int, self_number: int, low: int, high: int, row: Any, work: Scratch) -> int:
    """Draw plan.k of `size` numbers and write those near [low, high) into `row`, ascending.

    `self_number` is left out where autapses are (-1: there is none). Returns how many were written: all
    that lie in [low, high), and some beside them, whose branches reach there.
    """
    skip = self_number if self_number >= 0 and not plan.autapses else size
    if skip < size:
        size -= 1
    stack = work.stack
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, (size + LEAF - 1) // LEAF, plan.k
    top = 1
    written = 0
    while top > 0:
        top -= 1
        first, last, count = stack[top, 0], stack[top, 1], stack[top, 2]
        begin, end = first * LEAF, min(last * LEAF, size)
        if count == 0 or end < low or begin >= high:
            continue
        branch = first << 32 | last
        width = end - begin
        if last - first == 1 and count * DENSE > width:
            _draw_many(plan, row_id, branch, begin, width, count, written, row, work)
            written += count
        elif last - first == 1 or count <= FEW:
            _draw_few(plan, row_id, branch, begin, width, count, written, row, work)
            written += count
        else:
            middle = (first + last) // 2
            left = middle * LEAF - begin
            bits = philox(plan.key0, plan.key1, np.uint64(row_id), np.uint64(branch), ZERO, SPLIT)[0]
            if plan.replacement:
                taken = binomial(uniform(bits), count, left / width)
            else:
                taken = hypergeometric(uniform(bits), left, width - left, count)
            stack[top, 0], stack[top, 1], stack[top, 2] = middle, last, count - taken
            stack[top + 1, 0], stack[top + 1, 1], stack[top + 1, 2] = first, middle, taken
            top += 2
    i = written
    while i > 0 and row[i - 1] >= skip:
        row[i - 1] += 1
        i -= 1
    return written


@compiled
def _gaps(plan: Plan, source: int, low: int, high: int, row: Any) -> int:
    """The Bernoulli targets of a source whose leaves reach into [low, high), ascending."""
    written = 0
    scale = math.log1p(-plan.p) if plan.p < 1.0 else 0.0
    for leaf in range(low // LEAF, (high + LEAF - 1) // LEAF):
        at = leaf * LEAF
        end = min(at + LEAF, plan.union_size)
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
    """Count a row for each part, or put it where the counts said it belongs.

    Counting writes the length of the row of source s to place s + 1 of its part.
    """
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
    work = _scratch()
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
    work = _scratch()
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
