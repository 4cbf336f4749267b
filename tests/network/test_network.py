"""Laws of the connectivity: degrees, independence of the partition, individual weights and delays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import listed, network, synapses_of
from places import SUPPORT
from scipy import stats

from hhsim.errors import ConfigRefused, DelayTooLong, TooManySynapses
from hhsim.model import (
    AllToAll,
    Constant,
    FixedIndegree,
    FixedOutdegree,
    Normal,
    OneToOne,
    PairwiseBernoulli,
    Uniform,
)
from hhsim.network import build, stage
from hhsim.network import connections as c
from hhsim.network.build import connect, expected_synapses, memory_needed
from hhsim.network.layout import LANES, lay_out

booleans = st.booleans()
degrees = st.builds(FixedOutdegree, st.integers(0, 60), booleans, booleans) | st.builds(
    FixedIndegree, st.integers(0, 60), booleans, booleans
)
any_rule = (
    st.builds(PairwiseBernoulli, st.sampled_from([0.0, 1e-3, 0.02, 0.3])) | degrees | st.just(AllToAll())
)
any_weight = st.sampled_from([Constant(6.0), Normal(6.0, 2.0, 5.0, 9.0), Uniform(1.0, 2.0)])
any_delay = st.sampled_from([Constant(1.04), Normal(1.0, 1.0), Uniform(0.5, 2.0)])


@settings(max_examples=25, deadline=None)
@given(any_rule, any_weight, any_delay, st.integers(61, 200), st.integers(61, 300), st.integers(0, 3))
def test_every_partition_is_the_same_network(rule, weight, delay, first, second, seed):
    model = network((first, second), rule, weight, delay, seed=seed)
    whole = synapses_of(model, 1)
    for parts in (2, 7):
        assert synapses_of(model, parts) == whole


@settings(max_examples=15, deadline=None)
@given(any_rule, st.integers(61, 300), st.integers(0, 3), st.integers(0, 4))
def test_a_part_builds_its_own_synapses_alone(rule, size, begin, length):
    model = network((size, 250), rule, Normal(6.0, 2.0), Uniform(1.0, 2.0))
    layout = lay_out(model)
    cuts = [min(begin, layout.blocks), min(begin + length, layout.blocks)]
    lanes = range(cuts[0] * LANES, cuts[1] * LANES)
    expected = [[entry for entry in p if entry[1] in lanes] for p in synapses_of(model, 1)]
    assert synapses_of(model, cuts=cuts) == expected


@pytest.mark.parametrize(
    ("rule", "sizes", "source", "targets"),
    [
        (PairwiseBernoulli(0.003), (40_000, 50), "b", ("a", "b")),
        (FixedOutdegree(300), (40_000, 50), "b", ("a", "b")),
        (FixedOutdegree(300, replacement=True), (40_000, 50), "b", ("a", "b")),
        (FixedOutdegree(39_000, autapses=False), (40_000, 1), "b", ("a", "b")),
        (FixedIndegree(300), (40_000, 50), "a", ("b",)),
    ],
)
def test_partitions_agree_beyond_a_leaf(rule, sizes, source, targets):
    model = network(sizes, rule, sources=(source,), targets=targets)
    (whole,) = synapses_of(model, 1)
    assert synapses_of(model, 7) == [whole]
    tolerance = 0.1 if isinstance(rule, PairwiseBernoulli) else 0.0
    assert len(whole) == pytest.approx(expected_synapses(model, 0), rel=tolerance)
    pairs = {entry[:2] for entry in whole}
    assert (len(pairs) < len(whole)) is getattr(rule, "replacement", False)
    if isinstance(rule, FixedOutdegree) and rule.k == 300:
        quarters = np.histogram([lane for _, lane, *_ in whole], np.arange(5) * 10_000)[0]
        assert stats.chisquare(quarters).pvalue > 1e-3


@settings(max_examples=20, deadline=None)
@given(degrees, st.integers(0, 9))
def test_fixed_degrees(rule, seed):
    outwards = isinstance(rule, FixedOutdegree)
    for synapses, size in zip(synapses_of(network((90, 70), rule, seed=seed), 3), (90, 70), strict=True):
        counts = Counter(entry[0 if outwards else 1] for entry in synapses)
        assert rule.k == 0 or len(counts) == (size if outwards else 160)
        assert set(counts.values()) <= {rule.k}
        assert rule.replacement or len({entry[:2] for entry in synapses}) == len(synapses)
        assert all(lane < 90 or 128 <= lane < 198 for _, lane, *_ in synapses)
        assert synapses == sorted(synapses)


@settings(max_examples=15, deadline=None)
@given(degrees, st.integers(0, 9))
def test_autapses_can_be_excluded(rule, seed):
    model = network((62, 5), replace(rule, autapses=False), seed=seed, sources=("a",), targets=("a",))
    (synapses,) = synapses_of(model)
    assert len(synapses) == rule.k * 62
    assert not any(source == lane for source, lane, *_ in synapses)


@pytest.mark.parametrize("kind", [FixedOutdegree, FixedIndegree])
@pytest.mark.parametrize(("k", "replacement"), [(1, False), (7, False), (60, False), (7, True), (200, True)])
@pytest.mark.parametrize("autapses", [True, False])
def test_all_pairs_are_equally_likely(kind, k, replacement, autapses):
    """By partner and by distance; sorted draws, tables and complements alike."""
    model = network((70,), kind(k, replacement, autapses))
    pairs = np.zeros((70, 70))
    for seed in range(max(2, 60 // k)):
        (synapses,) = synapses_of(replace(model, run=replace(model.run, seed=seed)))
        for source, lane, *_ in synapses:
            pairs[source, lane] += 1
    distances = [np.trace(np.roll(pairs, -shift, 1)) for shift in range(70)]
    assert autapses == (distances[0] > 0)
    # Without replacement counts vary less than independent ones do: the limit errs on the safe side.
    assert stats.chisquare(pairs.sum(0 if kind is FixedOutdegree else 1)).pvalue > 1e-3
    assert stats.chisquare(distances if autapses else distances[1:]).pvalue > 1e-3


@pytest.mark.parametrize("rule", [FixedOutdegree(2), FixedIndegree(2), FixedOutdegree(3)])
def test_all_sets_of_partners_are_equally_likely(rule):
    model = network((5,), rule)
    sets: Counter[tuple[int, ...]] = Counter()
    for seed in range(120):
        (synapses,) = synapses_of(replace(model, run=replace(model.run, seed=seed)))
        rows: list[list[int]] = [[] for _ in range(5)]
        for source, lane, *_ in synapses:
            owner, partner = (source, lane) if isinstance(rule, FixedOutdegree) else (lane, source)
            rows[owner].append(partner)
        sets.update(tuple(row) for row in rows)
    assert len(sets) == 10
    assert stats.chisquare(list(sets.values())).pvalue > 1e-3


def test_pairwise_bernoulli_has_its_statistics():
    model = network((600, 300), PairwiseBernoulli(0.02), targets=("b", "a"))
    first, second = synapses_of(model, 2)
    pairs = 900 * 900
    assert abs(len(first) + len(second) - 0.02 * pairs) < 4 * (pairs * 0.02 * 0.98) ** 0.5
    rows = np.bincount([source for source, *_ in first], minlength=600)
    columns = np.bincount([lane for _, lane, *_ in first + second])[:600]
    bins = np.array([0, 13, 15, 17, 18, 19, 21, 23, 1000])
    for counts in (rows, columns):
        expected = np.diff(stats.binom(900, 0.02).cdf(bins - 1)) * 600
        assert stats.chisquare(np.histogram(counts, bins)[0], expected).pvalue > 1e-3


def test_rare_synapses_are_as_many_as_they_should_be():
    model = network((3000, 60_000), PairwiseBernoulli(1e-5), sources=("a",))
    (synapses,) = synapses_of(model, 3)
    assert synapses == synapses_of(model, 1)[0]
    assert abs(len(synapses) - 1890) < 4 * 1890**0.5


def test_all_to_all_and_one_to_one():
    everybody, _ = synapses_of(network((3, 130), AllToAll()), 2)
    lanes = [0, 1, 2, *range(128, 258)]
    assert everybody == [(source, lane, 1.0, 0) for source in range(3) for lane in lanes]
    (pairs,) = synapses_of(network((130, 130), OneToOne(), sources=("a",), targets=("b",)), 2)
    assert pairs == [(i, 256 + i, 1.0, 0) for i in range(130)]


def test_weights_and_delays_have_their_distributions():
    model = network((100, 100), AllToAll(), Normal(6.0, 2.0, 3.0), Uniform(1.0, 2.0), sources=("a",))
    (synapses,) = synapses_of(model)
    weights = np.array([weight for *_, weight, _ in synapses])
    assert weights.min() == 3.0
    inside = weights[weights > 3.0]
    assert stats.kstest(inside, stats.truncnorm(-1.5, np.inf, 6.0, 2.0).cdf).pvalue > 1e-3
    assert len(set(inside)) == inside.size
    delays = np.bincount([delay for *_, delay in synapses])
    assert delays.size == 21
    assert stats.chisquare(delays[11:20]).pvalue > 1e-3  # the first and the last step have half a share


def test_multapses_have_weights_of_their_own():
    model = network((20,), FixedOutdegree(60, replacement=True), Uniform(0.0, 1.0))
    (synapses,) = synapses_of(model)
    assert len({entry[:2] for entry in synapses}) < len(synapses)
    assert len({entry[2] for entry in synapses}) == len(synapses)


def test_the_tables_describe_the_synapses():
    model = network((300, 200), FixedIndegree(9), Constant(6.5), Normal(1.5, 0.5), targets=("b",))
    layout = lay_out(model)
    built = connect(model, layout, layout.cuts(2), np.float32)
    for index, synapses in enumerate(listed(built)):
        about = built.projections[index]
        assert about[c.SOURCE_FIRST_LANE] == (0, 384)[index]
        assert about[c.SOURCE_SIZE] == (300, 200)[index]
        assert about[c.SPAN_FIRST_LANE] == 384
        assert about[c.SPAN_LANES] == 256
        delays = [delay for *_, delay in synapses]
        assert about[c.DELAY] == min(delays)
        assert about[c.SLOTS] == max(delays) - min(delays) + 1
        assert about[c.IN_DEGREE_MAX] == 9
    assert built.uniform_weights.tolist() == [6.5, 6.5]
    assert built.targets.dtype == np.uint16
    assert built.synapses == 2 * 200 * 9
    assert sum(array.nbytes for array in built[:4]) == memory_needed(model, 2)


def test_wide_portions_have_wide_targets():
    model = network((66_000,), FixedOutdegree(1), Uniform(1.0, 2.0))
    layout = lay_out(model)
    for parts, kind in ((1, np.uint32), (2, np.uint16)):
        assert connect(model, layout, layout.cuts(parts), np.float64).targets.dtype == kind
    assert synapses_of(model, 2) == synapses_of(model, 1)


def test_a_network_without_synapses():
    model = replace(network((10,), AllToAll()), projections=())
    layout = lay_out(model)
    assert connect(model, layout, layout.cuts(2), np.float64).synapses == 0
    assert synapses_of(network((10,), FixedOutdegree(0), delay=Uniform(1.0, 2.0)), 2) == [[]]


@pytest.mark.parametrize(
    ("rule", "sizes", "message"),
    [
        (FixedOutdegree(11), (10,), "11 is more than the 10 targets"),
        (FixedOutdegree(10, autapses=False), (10,), "the 9 targets to choose from, a cell itself left out"),
        (FixedOutdegree(1, replacement=True, autapses=False), (1,), "the 0 targets"),
        (FixedIndegree(11), (10,), "11 is more than the 10 sources"),
        (OneToOne(), (10, 11), "equal sizes"),
    ],
)
def test_impossible_rules_are_refused(rule, sizes, message):
    with pytest.raises(ConfigRefused, match=message):
        synapses_of(network(sizes, rule))


@pytest.mark.parametrize("rule", [PairwiseBernoulli(0.2), FixedOutdegree(40), AllToAll()])
def test_rows_wait_for_their_place_in_any_number_of_pieces(rule, monkeypatch):
    model = network((150, 130), rule, Normal(6.0, 2.0))
    whole = synapses_of(model, 1)
    monkeypatch.setattr(stage, "KEPT", 1)
    for parts in (1, 3):
        assert synapses_of(model, parts) == whole


def test_offsets_and_delays_never_wrap(monkeypatch):
    monkeypatch.setattr(build, "MOST_IN_A_PART", 99)
    with pytest.raises(TooManySynapses, match="100 synapses"):
        synapses_of(network((10,), AllToAll()))
    synapses_of(network((10,), FixedOutdegree(9)))
    for delay in (Constant(7000.0), Uniform(6000.0, 7000.0)):
        with pytest.raises(DelayTooLong):
            synapses_of(network((9,), AllToAll(), delay=delay))


PRINT = """
from networks import network, synapses_of
from hhsim.model import *
for rule in (PairwiseBernoulli(0.1), FixedOutdegree(5), FixedIndegree(4, True, False)):
    print(synapses_of(network((40, 9), rule, Normal(6.0, 2.0), Uniform(1.0, 2.0)), 2))
for replacement in (True, False):
    print(synapses_of(network((33_000, 1), FixedOutdegree(200, replacement), sources=("b",))))
"""


def test_the_jit_changes_no_bit():
    def output(disable: str) -> str:
        paths = os.pathsep.join([str(SUPPORT), *sys.path])
        environment = os.environ | {"NUMBA_DISABLE_JIT": disable, "PYTHONPATH": paths}
        command = [sys.executable, "-W", "error", "-c", PRINT]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert output("1") == output("0")
