"""What a projection asks for, in the plain numbers that compiled code draws from.

The targets of a projection are numbered as one population, their union, in the order of the layout, so that
ascending numbers are ascending lanes. A piece is a run of these numbers that lies in one population and in
one part; the numbers of a piece turn into target lanes by adding its shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.errors import ConfigRefused, Problem
from hhsim.model import Model, Projection
from hhsim.network.layout import LANES, Layout
from hhsim.network.random import Purpose, seed_key, stream_key
from hhsim.network.rules import way_of

# Columns of `Plan.pieces`.
BEGIN, END, PART, SHIFT = range(4)


class Plan(NamedTuple):
    """A projection and its cut, for compiled code."""

    key0: np.uint64  # seed
    key1: np.uint64  # CONNECT and the number of the projection
    source_size: int
    union_size: int
    self_first: int  # the number that source 0 has in the union; -1 where sources are no targets
    k: int  # synapses of each source (out-degree) or target (in-degree)
    p: float
    replacement: bool
    autapses: bool
    pieces: npt.NDArray[np.int64]  # (pieces, 4), ascending
    row_bases: npt.NDArray[np.int64]  # (parts,), into row_starts
    synapse_bases: npt.NDArray[np.int64]  # (parts,), into targets


@dataclass(frozen=True)
class Span:
    """The lanes of a projection's targets and how they are cut."""

    first: int  # the first lane of the first target population
    end: int  # one past the last lane of the last block of the last
    offsets: tuple[tuple[str, int, int, int], ...]  # population, first lane, first number, size
    size: int  # of the union

    def first_lane(self, part_first: int) -> int:
        """The lane that target 0 means in a part that begins at `part_first`."""
        return max(part_first, self.first)

    def lanes_in(self, begin: int, end: int) -> int:
        """Lanes that the span has within a part."""
        return max(0, min(end, self.end) - self.first_lane(begin))


def span_of(projection: Projection, layout: Layout) -> Span:
    places = sorted((layout.places[name] for name in set(projection.targets)), key=lambda place: place.first)
    offsets, number = [], 0
    for place in places:
        offsets.append((place.name, place.first, number, place.size))
        number += place.size
    return Span(places[0].first, places[-1].end, tuple(offsets), number)


def target_type(model: Model, layout: Layout, cuts: list[int]) -> type[np.uint16] | type[np.uint32]:
    """The narrowest type that holds every target lane, counted from the first of its portion."""
    widest = 0
    for projection in model.projections:
        span = span_of(projection, layout)
        for begin, end in pairwise(cuts):
            widest = max(widest, span.lanes_in(begin * LANES, end * LANES))
    return np.uint16 if widest <= 2**16 else np.uint32


def pieces_of(span: Span, cuts: list[int]) -> npt.NDArray[np.int64]:
    """Cut the union of targets by population and by part."""
    pieces = []
    for _, first, number, size in span.offsets:
        for part in range(len(cuts) - 1):
            begin = max(cuts[part] * LANES, first)
            end = min(cuts[part + 1] * LANES, first + size)
            if begin < end:
                to_lane = first - number
                shift = to_lane - span.first_lane(cuts[part] * LANES)
                pieces.append((begin - to_lane, end - to_lane, part, shift))
    return np.array(pieces, np.int64).reshape(-1, 4)


def plan_projection(
    model: Model, layout: Layout, cuts: list[int], index: int, row_bases: npt.NDArray[np.int64]
) -> Plan:
    """Plan the projection number `index`.

    Raises ConfigRefused for a rule that its populations cannot satisfy.
    """
    projection = model.projections[index]
    rule = projection.rule
    source = layout.places[projection.source]
    span = span_of(projection, layout)
    self_first = next((number for name, _, number, _ in span.offsets if name == source.name), -1)
    problem = rule.impossible(source.size, span.size, self_first >= 0)
    if problem is not None:
        key, text = problem
        path = f"projection[{index}].rule" + (f".{key}" if key else "")
        raise ConfigRefused(model.title or "config", (Problem(path, text),))
    numbers = way_of(rule).numbers(rule)
    return Plan(
        key0=seed_key(model.run.seed),
        key1=stream_key(Purpose.CONNECT, index),
        source_size=source.size,
        union_size=span.size,
        self_first=self_first,
        k=numbers.k,
        p=numbers.p,
        replacement=numbers.replacement,
        autapses=numbers.autapses,
        pieces=pieces_of(span, cuts),
        row_bases=row_bases,
        synapse_bases=np.zeros(len(cuts) - 1, np.int64),
    )
