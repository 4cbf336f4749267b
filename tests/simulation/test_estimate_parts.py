"""Estimates of memory and disk, part by part, against the bytes of what is then made."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import estimated
from places import ROOT

import hhsim
from hhsim.config import load
from hhsim.recording.sizes import FILE_BYTES, spike_bytes
from hhsim.recording.space import bytes_of_traces
from hhsim.simulation import memory
from hhsim.simulation.simulation import Simulation

CONFIGS = ROOT / "configs"
LARGE = ("population.exc.size=16000", "population.inh.size=4000")

KINDS = {
    "one weight, one delay": [],
    "one weight, several delays": [f'projection.{i}.delay={{uniform=["1 ms", "2 ms"]}}' for i in (0, 1)],
    "several weights, one delay": [
        f'projection.{i}.weight={{normal=["6 nS", "1 nS"], min="0 nS"}}' for i in (0, 1)
    ],
    "several of both, traces": [
        'projection.0.delay={uniform=["0 ms", "5 ms"]}',
        'projection.0.weight={uniform=["1 nS", "2 nS"]}',
        'record.trace=[{population="exc", variable="g.inh", every="0.1 ms"}]',
    ],
}


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_memory_part_by_part(precision, kind) -> None:
    sparse = [f"projection.{i}.rule.pairwise_bernoulli=0.004" for i in (0, 1)]
    model = load(CONFIGS / "coba.toml", [*LARGE, *sparse, *KINDS[kind]], run={"precision": precision}).model
    needed = memory.needed(model, 2)
    simulation = Simulation(model, 2)
    connections, arrays = simulation.connections, simulation.engine.host.network
    # The state, and as float64 the values that it was made from.
    state = arrays.cells.state
    assert needed.state == pytest.approx(state.nbytes * (1 + 8 / state.itemsize), rel=0.01)
    assert needed.network == pytest.approx(connections.nbytes, rel=0.03)
    # Arrivals on their way, eight bytes for each number, which may be a count in two or a sum in eight.
    inboxes = arrays.inboxes
    assert needed.buffers > inboxes.counts.nbytes + inboxes.sums.nbytes
    beside = 4 * simulation.layout.lanes + 32 * sum(trace.nodes[1] for trace in model.traces)
    assert needed.buffers - beside == pytest.approx(8 * (inboxes.counts.size + inboxes.sums.size), rel=0.05)


@pytest.mark.parametrize("variable", ["v", "na.m", "g.exc"])
def test_the_disk_of_traces(small, tmp_path, variable) -> None:
    """1.3 MB of frames beside some kB of all else, in the main file or in one of their own."""
    trace = f'record.trace=[{{population="exc", variable="{variable}", every="0.1 ms"}}]'
    loaded = load(small, [trace], run={"duration": "200 ms"})
    told = estimated(loaded, output=tmp_path / "out.h5", threads=1).disk_bytes
    summary = hhsim.run(loaded, output=tmp_path / "out.h5", threads=1)
    files = {path.name: path.stat().st_size for path in tmp_path.glob("*.h5")}
    assert len(files) == (1 if variable == "v" else 2)
    frames = 2000 * 160 * np.dtype(np.float32).itemsize
    assert told["traces"] == bytes_of_traces(loaded.model) == pytest.approx(frames, rel=0.06)
    assert told["spikes"] == sum(spike_bytes(count) for count in summary.spikes.values())
    assert told["total"] == told["spikes"] + told["traces"] + FILE_BYTES
    assert told["total"] == pytest.approx(sum(files.values()), rel=0.03)
