"""The same config and seed give the same bits: with any number of threads, any chunks and either way of
starting the threads."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import COBA_CELL, Outcome, run

from hhsim.config import parse
from hhsim.model import Model

NETWORK = (
    """
title = "everything that could depend on the order of things"
[run]
duration = "40 ms"
seed = 20
"""
    + COBA_CELL
    + """
[population.exc]
cell = "hh"
size = 1100 # 9 blocks
initial = { v = { normal = ["-65 mV", "5 mV"] }, g.exc = { normal = ["40 nS", "15 nS"], min = "0 nS" } }
[population.inh]
cell = "hh"
size = 300 # 3 blocks: with 16 threads some have no cells at all
initial = { v = { normal = ["-65 mV", "5 mV"] }, na.h = "steady" }

[[projection]] # counts, one delay
source = "exc"
target = ["exc", "inh"]
receptor = "exc"
rule = { pairwise_bernoulli = 0.04 }
weight = "6 nS"
delay = "DELAY"
[[projection]] # sums, many delays
source = "inh"
target = ["inh", "exc"]
receptor = "inh"
rule = { fixed_indegree = 20 }
weight = { normal = ["67 nS", "20 nS"], min = "0 nS" }
delay = { uniform = ["DELAY", "2.5 ms"] }
[[projection]] # sums, one delay
source = "exc"
target = "exc"
receptor = "exc"
rule = { fixed_outdegree = 9, replacement = true }
weight = { uniform = ["0 nS", "9 nS"] }
delay = "1.1 ms"

[[input]]
model = "poisson"
target = "exc"
rate = "400 Hz"
weight = "6 nS"
receptor = "exc"
nodes = [3, 900]
stop = "31 ms"
[[input]]
model = "poisson"
target = ["inh", "exc"]
rate = "2000 Hz"
weight = { uniform = ["0 nS", "2 nS"] }
receptor = "exc"
start = "7.3 ms"
[[input]]
model = "step_current"
target = "exc"
amplitude = { normal = ["150 pA", "50 pA"] }
nodes = [100, 1000]
start = "5 ms"
stop = "33.3 ms"
[[input]]
model = "step_current"
target = "exc"
amplitude = "-80 pA"
start = "20 ms"

[[record.trace]]
population = "exc"
variable = "v"
nodes = [120, 140] # across the end of a block
every = "0.7 ms"
[[record.trace]]
population = "inh"
variable = "g.inh"
every = "1 ms"
"""
)
LEAST_DELAYS = ["0 ms", "0.3 ms"]  # threads meet after each step, or after each fourth


@cache
def model(delay: str, precision: str) -> Model:
    return parse(NETWORK.replace("DELAY", delay), run={"precision": precision}).model


@cache
def plain(delay: str, precision: str) -> Outcome:
    """One thread, one chunk."""
    return run(model(delay, precision))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("delay", LEAST_DELAYS)
def test_the_network_is_alive(delay, precision):
    """Else equal results would mean nothing."""
    outcome = plain(delay, precision)
    assert len(outcome.spikes["exc"]) > 500
    assert len(outcome.spikes["inh"]) > 150
    assert outcome.state("exc", "v").dtype == np.dtype(precision)
    other = run(parse(NETWORK.replace("DELAY", delay), run={"precision": precision, "seed": 21}).model)
    assert other.sha256() != outcome.sha256()


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("delay", LEAST_DELAYS)
def test_threads_do_not_change_a_bit(delay, precision, threads):
    outcome = run(model(delay, precision), threads)
    assert outcome.spikes == plain(delay, precision).spikes
    assert outcome.suppressed == plain(delay, precision).suppressed
    assert outcome.sha256() == plain(delay, precision).sha256()


@pytest.mark.parametrize("delay", LEAST_DELAYS)
@given(
    threads=st.sampled_from([1, 2, 3]),
    chunk_steps=st.integers(3, 400),
    most_steps=st.lists(st.none() | st.integers(3, 300), min_size=1, max_size=4).map(tuple),
    at_once=st.sampled_from([None, 1, 2]),
)
@settings(max_examples=5, deadline=None)
def test_chunks_do_not_change_a_bit(delay, threads, chunk_steps, most_steps, at_once):
    """Nor does it when fewer threads run than there are parts."""
    outcome = run(model(delay, "float64"), threads, chunk_steps, most_steps, at_once)
    assert outcome.sha256() == plain(delay, "float64").sha256()


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_sixteen_parts_with_fewer_threads(at_once):
    outcome = run(model("0.3 ms", "float32"), 16, 77, at_once=at_once)
    assert outcome.sha256() == plain("0.3 ms", "float32").sha256()


def test_longer_runs_begin_like_shorter_ones():
    """Also across windows of the Poisson trains, which are 1024 steps long."""
    long, short = (
        run(parse(NETWORK.replace("DELAY", "0 ms"), run={"duration": f"{ms} ms"}).model, 2)
        for ms in (110, 40)
    )
    for population, spikes in short.spikes.items():
        assert spikes == [spike for spike in long.spikes[population] if spike[0] < 400]
    rerun = run(long.simulation.model, 1, 333)
    assert rerun.sha256() == long.sha256()


def test_spikes_are_in_the_order_of_time_then_cell():
    for spikes in plain("0.3 ms", "float64").spikes.values():
        assert spikes == sorted(spikes)
        assert len(set(spikes)) == len(spikes)
