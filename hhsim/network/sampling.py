"""A fixed number of draws from the numbers 0, 1, ..., ascending, of which any range can be had by itself.

The draws are split over halves of the leaves (LEAF numbers each), again and again, by binomial numbers (with
replacement) or hypergeometric ones (without), as in Funke et al. 2018, "Communication-free massively
distributed graph generation". A branch ends at a single leaf, or when FEW draws are left: to draw those costs
less than to split them further.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.jit.options import compiled
from hhsim.network.plan import Plan
from hhsim.network.random import ZERO, bounded, philox, uniform
from hhsim.network.splits import binomial, hypergeometric

LEAF = 16384  # part of every result
FEW = 128  # part of every result
DENSE = 64  # part of every result: more than one draw in 64 numbers is marked in a table, fewer are sorted
BUCKETS = 128
DEPTH = 64  # of the tree: enough for 2^63 leaves
SPLIT = np.uint64(2**64 - 1)  # the last counter of a split; the draws of a branch count their rounds there

# Columns of `Scratch.stack`.
FIRST = 0  # first leaf
END = 1  # one past the last leaf
DRAWS = 2  # numbers to draw from them
STACK_COLUMNS = 3


class Scratch(NamedTuple):
    """Working memory of one thread."""

    marks: npt.NDArray[np.int32]  # (LEAF,) how often each number of a leaf was drawn
    heads: npt.NDArray[np.int32]  # (BUCKETS + 1,)
    spare: npt.NDArray[np.int64]  # (LEAF // DENSE + FEW,)
    stack: npt.NDArray[np.int64]  # (DEPTH, STACK_COLUMNS) branches that are still to be drawn


@compiled
def scratch() -> Scratch:
    return Scratch(
        np.empty(LEAF, np.int32),
        np.empty(BUCKETS + 1, np.int32),
        np.empty(LEAF // DENSE + FEW, np.int64),
        np.empty((DEPTH, STACK_COLUMNS), np.int64),
    )


class Among(NamedTuple):
    """Of which numbers some are drawn, and which of these are wanted."""

    size: int  # of the numbers 0 ... size − 1
    itself: int  # the one that is left out where autapses are; −1: there is none
    low: int  # wanted are those in [low, high)
    high: int


class Branch(NamedTuple):
    """What is drawn from a run of leaves: `draws` numbers from [low, low + width)."""

    row_id: int
    leaves: int  # first leaf << 32 | last leaf + 1: the key of its draws
    low: int
    width: int
    draws: int


@compiled
def _sort(values: npt.NDArray[np.int64], low: int, width: int, work: Scratch) -> None:
    """Sort values that lie evenly in [low, low + width): into buckets, then by insertion."""
    shift = 0
    while width > BUCKETS << shift:
        shift += 1
    heads, spare = work.heads, work.spare
    heads[:] = 0
    for i in range(values.size):
        heads[((values[i] - low) >> shift) + 1] += 1
    for bucket in range(BUCKETS):
        heads[bucket + 1] += heads[bucket]
    for i in range(values.size):
        bucket = (values[i] - low) >> shift
        spare[heads[bucket]] = values[i]
        heads[bucket] += 1
    for i in range(values.size):
        value = spare[i]
        j = i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value


@compiled
def _draw_few(plan: Plan, branch: Branch, row: Any, work: Scratch) -> None:
    """Put the numbers of a branch into the beginning of `row`, ascending.

    Without replacement, what occurs twice is dropped and drawn again until enough are there, which is the
    same as drawing one after the other and refusing those that are there already.
    """
    row_id, leaves = np.uint64(branch.row_id), np.uint64(branch.leaves)
    low, width, count = branch.low, branch.width, branch.draws
    have = 0
    round_ = 0
    while have < count:
        at = have
        a = b = c = d = ZERO
        for i in range(count - have):
            if i % 4 == 0:
                a, b, c, d = philox(
                    plan.key0, plan.key1, row_id, leaves, np.uint64(i // 4), np.uint64(round_)
                )
            row[at + i] = low + bounded(a, width)
            a, b, c = b, c, d
        _sort(row[:count], low, width, work)
        if plan.replacement:
            return
        have = 1
        for i in range(1, count):
            if row[i] != row[i - 1]:
                row[have] = row[i]
                have += 1
        round_ += 1


@compiled
def _draw_many(plan: Plan, branch: Branch, row: Any, work: Scratch) -> None:
    """The same within a leaf, by counting in a table; more than half of a leaf is drawn as its complement."""
    row_id, leaves = np.uint64(branch.row_id), np.uint64(branch.leaves)
    low, width, count = branch.low, branch.width, branch.draws
    marks = work.marks
    marks[:width] = 0
    inverse = not plan.replacement and 2 * count > width
    wanted = width - count if inverse else count
    have = 0
    draw = 0
    a = b = c = d = ZERO
    while have < wanted:
        if draw % 4 == 0:
            a, b, c, d = philox(plan.key0, plan.key1, row_id, leaves, np.uint64(draw // 4), ZERO)
        draw += 1
        number = bounded(a, width)
        a, b, c = b, c, d
        if plan.replacement or marks[number] == 0:
            marks[number] += 1
            have += 1
    at = 0
    for number in range(width):
        times = 1 - marks[number] if inverse else marks[number]
        for _ in range(times):
            row[at] = low + number
            at += 1


@compiled
def choose(plan: Plan, row_id: int, among: Among, row: Any, work: Scratch) -> int:
    """Draw plan.k numbers and write those near the wanted ones into `row`, ascending.

    Returns how many were written: all that lie in [among.low, among.high), and some beside them, whose
    branches reach there.
    """
    size = among.size
    skip = among.itself if among.itself >= 0 and not plan.autapses else size
    if skip < size:
        size -= 1
    stack = work.stack
    stack[0, FIRST], stack[0, END], stack[0, DRAWS] = 0, (size + LEAF - 1) // LEAF, plan.k
    top = 1
    written = 0
    while top > 0:
        top -= 1
        first, last, count = stack[top, FIRST], stack[top, END], stack[top, DRAWS]
        begin, end = first * LEAF, min(last * LEAF, size)
        if count == 0 or end < among.low or begin >= among.high:
            continue
        leaves = first << 32 | last
        width = end - begin
        branch = Branch(row_id, leaves, begin, width, count)
        if last - first == 1 and count * DENSE > width:
            _draw_many(plan, branch, row[written:], work)
            written += count
        elif last - first == 1 or count <= FEW:
            _draw_few(plan, branch, row[written:], work)
            written += count
        else:
            middle = (first + last) // 2
            left = middle * LEAF - begin
            bits = philox(plan.key0, plan.key1, np.uint64(row_id), np.uint64(leaves), ZERO, SPLIT)[0]
            if plan.replacement:
                taken = binomial(uniform(bits), count, left / width)
            else:
                taken = hypergeometric(uniform(bits), left, width - left, count)
            stack[top, FIRST], stack[top, END], stack[top, DRAWS] = middle, last, count - taken
            stack[top + 1, FIRST], stack[top + 1, END], stack[top + 1, DRAWS] = first, middle, taken
            top += 2
    i = written
    while i > 0 and row[i - 1] >= skip:
        row[i - 1] += 1
        i -= 1
    return written
