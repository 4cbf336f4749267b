"""Laws of the connectivity: degrees, independence of the partition, individual weights and delays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Synapses, network, synapses_of
from scipy import stats

from hhsim.errors import ConfigRefused
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
from hhsim.network import connections as c
from hhsim.network.build import TooManySynapses, connect, expected_synapses, memory_needed
from hhsim.network.layout import lay_out

booleans = st.booleans()
degrees = st.builds(FixedOutdegree, st.integers(0, 60), booleans, booleans) | st.builds(
    FixedIndegree, st.integers(0, 60), booleans, booleans
)
any_rule = st.builds(PairwiseBernoulli, st.sampled_from([0.0, 1e-3, 0.02, 0.3, 1.0])) | degrees | st.just(AllToAll())
any_weight = st.sampled_from([Constant(6.0), Normal(6.0, 2.0, 5.0, 9.0), Uniform(1.0, 2.0)])
any_delay = st.sampled_from([Constant(1.04), Normal(1.0, 1.0), Uniform(0.5, 2.0)])


@settings(max_examples=60, deadline=None)
@given(any_rule, any_weight, any_delay, st.integers(61, 400), st.integers(61, 300), st.integers(0, 3))
def test_every_partition_is_the_same_network(rule, weight, delay, first, second, seed):
    model = network((first, second), rule, weight, delay, seed=seed)
    whole = synapses_of(model, 1)
    for parts in (2, 7):
        assert synapses_of(model, parts) == whole


@settings(max_examples=30, deadline=None)
@given(any_rule, st.integers(61, 400), st.integers(0, 3), st.integers(0, 4))
def test_a_part_builds_its_own_synapses_alone(rule, size, begin, length):
    model = network((size, 250), rule, Normal(6.0, 2.0), Constant(0.0))
    layout = lay_out(model)
    blocks = [min(begin, layout.blocks), min(begin + length, layout.blocks)]
    lanes = range(blocks[0] * 128, blocks[1] * 128)
    expected = [[entry for entry in p if entry[1] in lanes] for p in synapses_of(model, 1)]
    assert synapses_of(model, cuts=blocks) == expected


@pytest.mark.parametrize("rule", [PairwiseBernoulli(0.001), FixedOutdegree(300), FixedOutdegree(300, True), FixedIndegree(300)])
def test_partitions_agree_beyond_a_leaf(rule):
    model = network((40_000, 50), rule, Constant(1.0), Constant(0.0), sources=("b",) if not isinstance(rule, FixedIndegree) else ("a",), targets=("a", "b") if not isinstance(rule, FixedIndegree) else ("b",))
    assert synapses_of(model, 5) == synapses_of(model, 1)


@settings(max_examples=40, deadline=None)
@given(degrees, st.integers(0, 9))
def test_fixed_degrees(rule, seed):
    model = network((90, 70), rule, seed=seed)
    for synapses in synapses_of(model, 3):
        end = 0 if isinstance(rule, FixedOutdegree) else 1
        counts = Counter(entry[end] for entry in synapses)
        assert set(counts.values()) <= {rule.k}
        assert len(synapses) == rule.k * (160 if end else len({e[0] for e in synapses})) or rule.k == 0
        if not rule.replacement:
            assert len({entry[:2] for entry in synapses}) == len(synapses)


@settings(max_examples=30, deadline=None)
@given(degrees, st.integers(0, 9))
def test_autapses_can_be_excluded(rule, seed):
    model = network((62, 5), FixedOutdegree(rule.k, rule.replacement, False) if isinstance(rule, FixedOutdegree) else FixedIndegree(rule.k, rule.replacement, False), seed=seed, sources=("a",), targets=("a",))
    (synapses,) = synapses_of(model, 1)
    assert len(synapses) == rule.k * 62
    assert not any(source == target for source, target, *_ in synapses)
