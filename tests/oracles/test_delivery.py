"""Delivery: what arrives is what a slow count says, however rows are cut, and the loops are tight."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from assembly import has_avx2, innermost_loops
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import NOUGHT, ONE, network

from hhsim.jit.structs import pack
from hhsim.kernels.cpu.delivery import AHEAD, LINE, MOST_LINES, NEAR, deliver
from hhsim.model import Constant, FixedOutdegree, Model, Normal, PairwiseBernoulli, Uniform, Value
from hhsim.network import build
from hhsim.network import connections as c
from hhsim.network.build import Tiles, connect, memory_needed, tile
from hhsim.network.connections import Connections
from hhsim.network.layout import LANES, Layout, lay_out
from hhsim.state.inboxes import Inboxes
from hhsim.state.log import Log
from hhsim.state.shares import Shares

STEPS = 40


def shares_of(cuts, tiles):
    """How the parts between `cuts` share the work, with `tiles` as in `Tiles.first`."""
    cuts = np.array(cuts)
    progress, bell = np.zeros(1, np.int64), np.zeros(1, np.int32)
    return Shares(cuts, np.array(tiles), 0, 1, progress, bell, 0, 0, cuts * LANES)


def log_of(spikes: list[np.ndarray], cuts: list[int]) -> Log:
    """A log of the lanes that fired at each step, without history, in the parts of `cuts`."""
    parts = len(cuts) - 1
    ends = np.zeros((parts, STEPS + 1), np.int64)
    fired_lanes = np.zeros((parts, sum(len(each) for each in spikes) + 1), np.int32)
    for part in range(parts):
        at = 0
        for step, lanes in enumerate(spikes):
            mine = lanes[(lanes >= cuts[part] * LANES) & (lanes < cuts[part + 1] * LANES)]
            fired_lanes[part, at : at + mine.size] = mine
            at += mine.size
            ends[part, step + 1] = at
    return Log(fired_lanes, ends, np.zeros((parts, 2), np.int64), np.full((parts, 2), -1, np.int64))


def inboxes_for(built: Connections) -> Inboxes:
    """An inbox for each projection, of counts and of sums, whichever it is."""
    inboxes, size = [], 0
    for about in built.projections:
        inboxes.append((0, size, about[c.SPAN_FIRST_LANE], about[c.SPAN_LANES], about[c.SLOTS]))
        size += about[c.SPAN_LANES] * about[c.SLOTS]
    rest = (np.zeros(1, np.int64), np.zeros((0, 2), np.int64), np.zeros(0))
    return Inboxes(np.zeros(size, np.uint16), np.zeros(size), np.array(inboxes, np.int64), *rest)


class Delivery(NamedTuple):
    """What `deliver` looks at, of a network."""

    connections: Connections
    inboxes: Inboxes
    log: Log
    shares: Shares


def fired(layout: Layout, seed: int) -> list[np.ndarray]:
    """Random spikes: steps with none, with a few, and with more than are looked ahead."""
    generator = np.random.default_rng(seed)
    lanes = np.concatenate([place.first + np.arange(place.size) for place in layout.places.values()])
    counts = [generator.choice([0, 1, 5, 3 * AHEAD]) for _ in range(STEPS)]
    return [np.sort(generator.choice(lanes, count, replace=False)) for count in counts]


def delivered(model: Model, cuts: list[int], tiles: Tiles, seed: int) -> list[np.ndarray]:
    """What has arrived by each step at the slots of that step, taken out as a run would; bit by bit."""
    layout = lay_out(model)
    built = connect(model, layout, tiles.cuts, np.float64, threads=2)
    inboxes = inboxes_for(built)
    shares = shares_of(cuts, tiles.first)
    log = log_of(fired(layout, seed), cuts)
    network = pack(Delivery(built, inboxes, log, shares))
    taken = []
    for k in range(STEPS + 1):
        for part in range(len(cuts) - 1):
            deliver(part, k, k, network)
        for number, inbox in enumerate(inboxes.table):
            _, base, _, width, ring = inbox
            slot = slice(base + k % ring * width, base + (k % ring + 1) * width)
            whole = np.isnan(built.uniform_weights[number])
            values = inboxes.sums if whole else inboxes.counts
            taken.append(values[slot].copy())
            values[slot] = 0
    return taken


def expected(model: Model, seed: int) -> list[np.ndarray]:
    """The same, spike by spike and synapse by synapse, from the rows of one part."""
    layout = lay_out(model)
    built = connect(model, layout, layout.cuts(1), np.float64, threads=2)
    spikes = fired(layout, seed)
    taken = []
    for number, about in enumerate(built.projections):
        place, rows = built.places[0, number], built.rows(0, number).astype(int)
        sums = np.zeros((STEPS + 1 + int(about[c.DELAY] + about[c.SLOTS]), about[c.SPAN_LANES]))
        for step, lanes in enumerate(spikes):
            for source in lanes - about[c.SOURCE_FIRST_LANE]:
                if not 0 <= source < about[c.SOURCE_SIZE]:
                    continue
                row = slice(rows[source], rows[source + 1])
                lags, amounts = 0, 1.0
                if place[c.LAG_BASE] >= 0:
                    lags = built.lags[place[c.LAG_BASE] :][row].astype(int)
                if place[c.WEIGHT_BASE] >= 0:
                    amounts = built.weights[place[c.WEIGHT_BASE] :][row]
                when = np.broadcast_to(step + 1 + about[c.DELAY] + lags, row.stop - row.start)
                np.add.at(sums, (when, built.targets[place[c.SYNAPSE_BASE] :][row]), amounts)
        taken.append(sums)
    return [sums[k] for k in range(STEPS + 1) for sums in taken]


weights = st.sampled_from([Constant(6.0), Normal(6.0, 2.0), Uniform(1.0, 2.0)])
delays = st.sampled_from([Constant(0.0), Constant(0.3), Uniform(0.2, 2.0)])
rules = st.sampled_from([PairwiseBernoulli(0.2), FixedOutdegree(0), FixedOutdegree(150, replacement=True)])


@settings(max_examples=12, deadline=None)
@given(rules, weights, delays, st.integers(1, 900), st.integers(0, 3))
def test_what_arrives_is_what_a_slow_count_says(rule, weight, delay, size, seed):
    check_arrivals(network((size, 300), rule, weight, delay, targets=("b",) if seed % 2 else None), seed)


@pytest.mark.parametrize(
    ("weight", "delay"),
    [
        (ONE, NOUGHT),
        (ONE, Uniform(0.2, 2.0)),
        (Normal(6.0, 2.0), NOUGHT),
        (Normal(6.0, 2.0), Uniform(0.2, 2.0)),
    ],
)
def test_rows_that_are_asked_for_arrive_the_same(weight, delay):
    """In a network beyond the caches, with rows beyond what is asked for."""
    model = network((900, 300), FixedOutdegree(600), weight, delay)
    assert NEAR < 1200 * 600 * 2
    assert MOST_LINES * LINE < 600 * 2
    check_arrivals(model, 1)


def check_arrivals(model: Model, seed: int) -> None:
    layout = lay_out(model)
    wanted = expected(model, seed)
    for parts, per_part in ((1, 1), (1, 3), (2, 2), (3, 1)):
        cuts = layout.cuts(parts)
        runs = [range(cuts[part], cuts[part + 1]) for part in range(parts)]
        fine = [run.start + len(run) * i // per_part for run in runs for i in range(per_part)]
        tiles = Tiles([*fine, cuts[-1]], list(range(0, parts * per_part + 1, per_part)))
        for got, want in zip(delivered(model, cuts, tiles, seed), wanted, strict=True):
            assert np.array_equal(got, want)  # to the bit: sums are added up in the order of sources


@pytest.mark.skipif(not has_avx2(), reason="instructions are looked for on x86-64 alone")
def test_the_loops_over_a_row_hold_nothing_but_the_arrivals():
    """Without calls, counts of references or looks at bounds; one target and one count an event."""
    model = network((100,), FixedOutdegree(10))
    layout = lay_out(model)
    built = connect(model, layout, layout.cuts(1), np.float64)
    shipped = deliver
    fresh = type(shipped)(shipped.py_func, targetoptions=shipped.targetoptions)  # not cached
    shares = shares_of([0, 1], [0, 1])
    log = log_of(fired(layout, 1), [0, 1])
    fresh(0, 0, 0, pack(Delivery(built, inboxes_for(built), log, shares)))
    (assembly,) = fresh.inspect_asm().values()
    loops = [[line.split()[0] for line in body[1:]] for body in innermost_loops(assembly)]
    counting = [body for body in loops if "incw" in body]
    adding = [body for body in loops if "vaddsd" in body]
    assert counting
    assert adding
    for body in counting + adding:
        assert not [each for each in body if each.startswith(("call", "lock"))]
    plain = max((body for body in counting if "imulq" not in body), key=len)
    events = plain.count("incw")
    assert events >= 4
    assert plain.count("movzwl") == events
    assert len(plain) - 2 * events <= 4  # the loop's own, and an address that found no register


def cortical(cells: int, degree: int, weight: Value = ONE) -> Model:
    return network((cells * 4 // 5, cells // 5), FixedOutdegree(degree), weight)


@pytest.mark.parametrize(
    ("cells", "degree", "parts", "tiles"),
    [
        (100_000, 1000, 1, 4),
        (100_000, 1000, 2, 4),
        (100_000, 80, 2, 2),
        (4000, 1000, 2, 2),
        (10**6, 10**4, 2, 32),
    ],
)
def test_long_rows_are_cut_into_tiles(cells, degree, parts, tiles):
    model = cortical(cells, degree)
    layout = lay_out(model)
    cuts = layout.cuts(parts)
    found = tile(model, layout, cuts)
    assert len(found.cuts) - 1 == tiles == found.first[-1]
    assert [found.cuts[first] for first in found.first] == cuts
    assert found.cuts == sorted(found.cuts)
    assert memory_needed(model, parts) < 2.2 * cells * degree
    individual = cortical(cells, degree, Normal(6.0, 2.0))
    assert tile(individual, layout, cuts).cuts == cuts


def test_a_network_without_projections_has_a_tile_for_each_part():
    model = replace(cortical(1000, 10), projections=())
    layout = lay_out(model)
    assert tile(model, layout, layout.cuts(3)) == Tiles(layout.cuts(3), [0, 1, 2, 3])


def test_tiles_change_no_spike(small, monkeypatch):
    """A run of the small network, with tiles of one block."""
    from runs import run

    from hhsim.config import load

    model = load(small, run={"duration": "30 ms"}).model
    whole = run(model, 2)
    monkeypatch.setattr(build, "TILE_LANES", LANES)
    monkeypatch.setattr(build, "LEAST_PIECE", 1)
    cut = run(model, 1)
    assert cut.simulation.engine.host.network.shares.tiles.tolist() == [0, 3]
    assert cut.sha256() == whole.sha256()
