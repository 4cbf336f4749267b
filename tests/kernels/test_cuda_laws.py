"""What holds on a CUDA device, against the processor: run on a device where there is one, and by
`test_cuda_simulator` in the simulator of one."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from cuda_device import on_device, simulated
from runs import COBA_CELL, Outcome, run
from zoo import PROJECTIONS, ZOO

from hhsim.config import parse
from hhsim.errors import Diverged
from hhsim.model import Model
from hhsim.simulation.checkpoint import snapshot
from hhsim.simulation.simulation import Simulation

EVERYTHING = (
    """
title = "everything that a device does in its own way"
[run]
duration = "16 ms"
seed = 20
"""
    + COBA_CELL
    + """
[population.exc]
cell = "hh"
size = 20
initial = { v = { normal = ["-60 mV", "5 mV"] }, g.exc = { normal = ["40 nS", "15 nS"], min = "0 nS" } }
[population.inh]
cell = "hh"
size = 7
initial = { v = { normal = ["-65 mV", "5 mV"] }, na.h = "steady" }

[[projection]] # counts, one delay
source = "exc"
target = ["exc", "inh"]
receptor = "exc"
rule = { pairwise_bernoulli = 0.3 }
weight = "6 nS"
delay = "DELAY"
[[projection]] # sums, many delays
source = "inh"
target = ["inh", "exc"]
receptor = "inh"
rule = { fixed_indegree = 4 }
weight = { normal = ["67 nS", "20 nS"], min = "0 nS" }
delay = { uniform = ["DELAY", "2.5 ms"] }
[[projection]] # sums, one delay
source = "exc"
target = "exc"
receptor = "exc"
rule = { fixed_outdegree = 9, replacement = true }
weight = { uniform = ["0 nS", "9 nS"] }
delay = "1.1 ms"
[[projection]] # counts, many delays
source = "exc"
target = "inh"
receptor = "exc"
rule = { fixed_outdegree = 3 }
weight = "4 nS"
delay = { uniform = ["1 ms", "3 ms"] }

[[input]]
model = "poisson"
target = "exc"
rate = "900 Hz"
weight = "6 nS"
receptor = "exc"
nodes = [3, 17]
stop = "13 ms"
[[input]]
model = "poisson"
target = ["inh", "exc"]
rate = "4000 Hz"
weight = { uniform = ["0 nS", "2 nS"] }
receptor = "exc"
start = "2.3 ms"
[[input]]
model = "step_current"
target = "exc"
amplitude = { normal = ["150 pA", "50 pA"] }
nodes = [4, 15]
start = "3 ms"
stop = "11.3 ms"
[[input]]
model = "step_current"
target = "exc"
amplitude = "-80 pA"
start = "8 ms"
[[record.trace]]
population = "exc"
variable = "v"
nodes = [3, 9]
every = "0.7 ms"
[[record.trace]]
population = "inh"
variable = "g.inh"
every = "1 ms"
[[record.trace]]
population = "inh"
variable = "v"
every = "0.1 ms"
"""
)
DELAYS = ["0 ms", "0.3 ms"]


@cache
def everything(delay: str = "0.3 ms", precision: str = "float64", method: str = "exponential_euler") -> Model:
    settings = {"precision": precision, "method": method}
    return parse(EVERYTHING.replace("DELAY", delay), run=settings).model


@cache
def on_processor(*arguments: str) -> Outcome:
    return run(everything(*arguments))


@cache
def on_cuda(*arguments: str) -> Outcome:
    return run(everything(*arguments), device="cuda")


def same(a: Outcome, b: Outcome, tolerance: float) -> None:
    """The same spikes, and traces and states within a tolerance (mV, nS)."""
    assert a.spikes == b.spikes
    assert a.suppressed == b.suppressed
    for one, other in zip(a.frames, b.frames, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=tolerance)
    for name in a.simulation.model.populations:
        np.testing.assert_allclose(a.state(name, "v"), b.state(name, "v"), rtol=0, atol=tolerance)


@on_device
@pytest.mark.parametrize("delay", DELAYS)
def test_everything_as_on_the_processor_spike_for_spike(delay):
    same(on_cuda(delay), on_processor(delay), 1e-7)
    counts = {name: len(spikes) for name, spikes in on_cuda(delay).spikes.items()}
    assert min(counts.values()) >= 5, counts
    assert sum(on_cuda(delay).suppressed.values()) > 0


TRAINS = (
    """
[run]
duration = "103 ms"
seed = 8
"""
    + COBA_CELL
    + """
[population.cells]
cell = "hh"
size = 2
initial = { v = "-65 mV" }
[[input]]
model = "poisson"
target = "cells"
rate = "800 Hz"
weight = "6 nS"
receptor = "exc"
"""
)


@on_device
def test_poisson_trains_are_the_same_beyond_a_window_of_draws():
    model = parse(TRAINS).model
    ours, theirs = run(model, chunk_steps=400, device="cuda"), run(model)
    same(ours, theirs, 1e-7)
    np.testing.assert_allclose(ours.state("cells", "g.exc"), theirs.state("cells", "g.exc"), rtol=1e-9)
    assert theirs.state("cells", "g.exc").min() > 0


@on_device
def test_float32_stays_near_the_processor():
    """Roundings differ: some spikes may fall into the step beside."""
    ours, theirs = on_cuda("0.3 ms", "float32"), on_processor("0.3 ms", "float32")
    for name, spikes in theirs.spikes.items():
        assert len(ours.spikes[name]) == len(spikes)
        late = [
            abs(a[0] - b[0])
            for a, b in zip(
                sorted(ours.spikes[name], key=lambda s: s[::-1]),
                sorted(spikes, key=lambda s: s[::-1]),
                strict=True,
            )
        ]
        assert max(late) <= 2
    assert ours.state("exc", "v").dtype == np.float32


@on_device
@pytest.mark.parametrize("method", ["exponential_euler", "staggered"])
def test_every_kind_of_cell_as_on_the_processor(method):
    sizes = {"hh": 14, "peak": 10, "squid": 2, "passive": 9, "bare": 1}
    text = (ZOO + PROJECTIONS.replace("FIRST", "0.3 ms")).replace("DT", "0.1 ms")
    overrides = [f"population.{name}.size={size}" for name, size in sizes.items()]
    model = parse(text, overrides=overrides, run={"method": method, "duration": "16 ms"}).model
    ours, theirs = run(model, device="cuda"), run(model)
    same(ours, theirs, 1e-7)
    assert len(theirs.spikes["hh"]) > 20
    assert sum(map(bool, theirs.spikes.values())) >= 4


@on_device
def test_chunks_do_not_change_a_bit():
    outcome = run(everything(), chunk_steps=37, most_steps=(None, 3, 11), device="cuda")
    assert outcome.sha256() == on_cuda("0.3 ms", "float64", "exponential_euler").sha256()


@on_device
def test_a_full_log_ends_a_chunk_and_loses_nothing(monkeypatch):
    from hhsim.engines.cuda import Cuda

    monkeypatch.setattr(Cuda, "_capacity", lambda self: self.host.layout.lanes + 20)
    simulation = Simulation(everything(), device="cuda")
    simulation.compile()
    steps = []
    while simulation.step < simulation.model.run.steps:
        steps.append(simulation.advance().steps)
    assert len(steps) > 3
    assert simulation.spike_counts == {name: len(each) for name, each in on_cuda("0.3 ms").spikes.items()}


@on_device
def test_the_order_in_which_threads_write_spikes_down_does_not_matter(monkeypatch):
    from hhsim.engines.cuda import Cuda
    from hhsim.kernels.cuda import memory

    fetch_log = Cuda._fetch_log
    crowded = 0

    def reversed_within_steps(self, first, steps):
        nonlocal crowded
        ends = self._ledger[-self.network.log.ends.shape[1] :][: self.network.shares.history + steps + 1]
        lanes = np.empty(ends[-1], np.int32)
        memory.fetch(self._arrays.spikes, lanes)
        for low, high in pairwise(ends.tolist()):
            lanes[low:high] = lanes[low:high][::-1].copy()
            crowded += high - low > 1
        memory.replace(self._arrays.spikes, lanes)
        fetch_log(self, first, steps)

    monkeypatch.setattr(Cuda, "_fetch_log", reversed_within_steps)
    assert run(everything(), device="cuda").sha256() == on_cuda("0.3 ms").sha256()
    assert crowded > 3


def taken(simulation: Simulation) -> snapshot.Snapshot:
    shot = snapshot.take(simulation)
    return snapshot.Snapshot(
        shot.step,
        shot.shift,
        shot.spike_counts,
        shot.suppressed,
        shot.network,
        {name: array.copy() for name, array in shot.arrays.items()},
    )


@on_device
@pytest.mark.parametrize(("first", "second"), [("cuda", "cuda"), ("cpu", "cuda"), ("cuda", "cpu")])
def test_a_run_goes_on_from_a_snapshot(first, second):
    """To the same bits on one kind of device; from one to the other as far as roundings agree."""
    model = everything()
    begun, resumed = Simulation(model, device=first), Simulation(model, device=second)
    begun.compile()
    resumed.compile()
    begun.advance(71)
    assert begun.step < model.run.steps
    snapshot.restore(resumed, taken(begun))
    spikes: dict[str, list[tuple[int, int]]] = {name: [] for name in model.populations}
    while resumed.step < model.run.steps:
        for name, (steps, nodes) in resumed.advance().spikes.items():
            spikes[name] += zip(steps.tolist(), nodes.tolist(), strict=True)
    whole = on_cuda("0.3 ms") if second == "cuda" else on_processor("0.3 ms")
    for name, all_spikes in whole.spikes.items():
        assert spikes[name] == [spike for spike in all_spikes if spike[0] >= begun.step]
    if first == second:
        for name in model.populations:
            np.testing.assert_array_equal(resumed.values_of(name, "v"), whole.state(name, "v"))
    assert resumed.suppressed_crossings == whole.suppressed


DIVERGING = (
    EVERYTHING.replace("DELAY", "0.3 ms")
    + """
[[input]]
model = "step_current"
target = "inh"
nodes = [4, 6]
amplitude = "1e305 nA"
start = "9 ms"
"""
)


@on_device
def test_divergence_names_the_first_cell_and_keeps_earlier_spikes():
    model = parse(DIVERGING).model
    ours, theirs = run(model, device="cuda"), run(model)
    assert isinstance(ours.diverged, Diverged)
    assert theirs.diverged is not None
    assert (ours.diverged.population, ours.diverged.node) == ("inh", 4)
    assert ours.diverged.t_ms == theirs.diverged.t_ms
    assert ours.spikes == theirs.spikes


@on_device
@pytest.mark.skipif("not __import__('cuda_device').simulated()", reason="a device has no other shapes")
def test_any_blocks_and_threads_give_the_same_bits(monkeypatch):
    """Also those of a device: a block of threads for a block of lanes, a warp for each row."""
    from hhsim.kernels.cuda import launching

    model = parse(EVERYTHING.replace("DELAY", "0 ms"), run={"duration": "2.5 ms"}).model
    plain = run(model, device="cuda")
    monkeypatch.setattr(
        launching, "shape_of_lanes", lambda lanes, threads: ((-(-lanes // threads), 1), (threads, 1))
    )
    monkeypatch.setattr(launching, "shape_of_teams", lambda: ((2, 1), (32, 2)))
    shaped = run(model, device="cuda")
    assert shaped.sha256() == plain.sha256()
    assert sum(map(len, plain.spikes.values())) >= 5


GUARDED = '[guards]\nevery = "4 ms"\nv_range = ["-200 mV", "-100 mV"]\n'


@on_device
def test_a_run_stopped_by_a_guard_goes_on_from_its_checkpoint(command, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(EVERYTHING.replace("DELAY", "0.3 ms").replace('"16 ms"', '"10 ms"'))
    arguments = (config, "--device", "cuda:0", "--json", "-q")
    whole = command("run", *arguments, "-o", "whole.h5")
    assert whole.code == 0, whole.err
    told = json.loads(whole.out)
    assert told["device"].startswith("cuda:0 (")
    assert min(told["spikes"].values()) > 0
    assert told["precision"] == "float32"  # unless someone asks for more
    config.write_text(config.read_text() + GUARDED)
    stopped = command("run", *arguments, "-o", "out.h5")
    assert stopped.code == 4, stopped.err
    resumed = command(
        "run", *arguments, "-o", "out.h5", "--resume", "--set", 'guards.v_range=["-200 mV", "200 mV"]'
    )
    assert resumed.code == 0, resumed.err
    again = json.loads(resumed.out)
    assert again["resumed_at_ms"] == 4
    assert again["spikes_sha256"] == told["spikes_sha256"]
    command("run", *arguments, "-o", "other.h5")
    elsewhere = command("run", "-o", "other.h5", "--resume", "--set", 'guards.v_range=["-200 mV", "200 mV"]')
    assert elsewhere.code == 0, elsewhere.err
    assert f"device {told['device']} then, cpu now" in elsewhere.err


@on_device
def test_a_device_that_is_not_there_is_refused(command, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(EVERYTHING.replace("DELAY", "0.3 ms"))
    refused = command("run", config, "--device", "cuda:99")
    assert refused.code == 6
    assert "cuda:99" in refused.err
    assert not (tmp_path / "out.h5").exists()


@on_device
def test_a_simulator_or_a_device():
    """So that nobody takes one for the other."""
    assert ("simulator" in on_cuda("0.3 ms").simulation.device) == simulated()


@on_device
def test_bench_measures_a_device(command, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(TRAINS)
    told = command(
        *("bench", config, "--device", "cuda", "--duration", "3 ms", "--repeats", 1, "--threads", 2),
        *("--json", "bench.json", "-q"),
    )
    assert told.code == 0, told.err
    kept = json.loads((tmp_path / "bench.json").read_text())
    assert kept["device"].startswith("cuda:0 (")
    assert kept["peaks"] == []
    (series,) = kept["series"]
    assert series["precision"] == "float32"
    (row,) = series["rows"]
    assert row["phases"] == {}
    assert row["median"] > 0
    assert "of peak" not in told.out
    assert kept["device"] in told.out
