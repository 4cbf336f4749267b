"""`hhsim run --dry-run`: what it foretells against what a run then takes, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import estimated
from places import DATA, ROOT

import hhsim
from hhsim.config import load
from hhsim.errors import exit_code_of
from hhsim.model import AllToAll, FixedIndegree, OneToOne, PairwiseBernoulli
from hhsim.network.build import expected_synapses
from hhsim.recording.sizes import FILE_BYTES, spike_bytes, trace_bytes
from hhsim.simulation import memory
from hhsim.simulation.estimate import probe
from hhsim.simulation.estimate.shrinking import can_shrink, shrunk
from hhsim.simulation.simulation import Simulation

CONFIGS = ROOT / "configs"
FILES = DATA / "brian2_400" / "config.toml"
TRACES = (
    'record.trace=[{population="exc", variable="v", every="0.1 ms"},'
    '{population="inh", variable="na.m", nodes=[3, 10], every="0.5 ms"}]'
)

Usage = namedtuple("Usage", "total used free")


def test_a_try_of_the_whole_run_tells_what_the_run_does(command, small, small_run) -> None:
    result = command("run", small, "--dry-run", "--json", "--threads", 2)
    assert (result.code, result.err.count("\n")) == (0, result.err.count("note:"))
    assert not list(Path().iterdir()), "nothing is written"
    told = json.loads(result.out)
    done = json.loads(small_run.to_json())
    same = ("seed", "threads", "device", "precision", "method", "neurons", "synapses", "steps")
    for key in (*same, "biological_s", "spikes", "rate_hz"):
        assert told[key] == done[key], key
    assert told["synapses_exact"]
    assert told["probe"]["steps"] == told["steps"]
    assert told["wall_s"].keys() == done["wall_s"].keys()
    assert told["wall_s"]["total"] == pytest.approx(
        sum(value for key, value in told["wall_s"].items() if key != "total"), abs=1e-5
    )
    parts = told["memory_bytes"]
    assert parts["total"] == sum(parts[key] for key in ("state", "network", "buffers", "overhead"))
    size = Path(small_run.output).stat().st_size
    assert told["disk_bytes"]["total"] == pytest.approx(size, rel=0.01, abs=8192)


def test_the_sizes_of_files_are_known_beforehand(small, tmp_path) -> None:
    summary = hhsim.run(small, output=tmp_path / "out.h5", overrides=[TRACES], threads=1)
    told = estimated(load(small, [TRACES]), output=tmp_path / "new.h5", threads=1).disk_bytes
    sizes = [path.stat().st_size for path in (tmp_path / "out.h5", tmp_path / "out.na.m.h5")]
    assert told["total"] == pytest.approx(sum(sizes), abs=16384)
    assert told["spikes"] == sum(spike_bytes(count) for count in summary.spikes.values())
    assert told["traces"] >= 4 * (1000 * 160 + 200 * 7)


@pytest.mark.parametrize("spikes", [0, 1, 8192, 8193, 1_000_000])
def test_the_size_of_spikes(tmp_path, spikes) -> None:
    from hhsim.recording import Recorder

    path = tmp_path / "out.h5"
    with Recorder(
        path, populations={"a": 10}, traces=[], dt=0.1, duration=1.0, resolved_config="", facts={}
    ) as writer:
        writer.append_spikes("a", np.arange(spikes), np.zeros(spikes, np.int64))
        writer.close(True, 1.0, {}, "{}")
    held = spike_bytes(spikes) + FILE_BYTES
    assert held == pytest.approx(path.stat().st_size, rel=0.005, abs=14_000)


def test_traces_take_four_bytes_a_number() -> None:
    for nodes, frames in ((10, 100_000), (1000, 20_000), (1, 10_000_000)):
        assert 4 * nodes * frames < trace_bytes(nodes, frames) < 1.03 * 4 * nodes * frames + 1e6


def test_a_part_of_the_run_is_carried_on(small, monkeypatch) -> None:
    """The rates that the probe sees are taken to last; time grows with the steps that are left."""
    monkeypatch.setattr(probe, "PROBE_SECONDS", 1e-9)
    monkeypatch.setattr(probe, "FIRST_STEPS", 500)
    short, long = (estimated(load(small, run={"duration": d}), threads=1) for d in ("100 ms", "10 s"))
    for told in (short, long):
        assert told.probe.steps == 500
        assert told.probe.cells == told.neurons == 200
        assert told.rate_hz == pytest.approx(told.probe.rate_hz, rel=0.02)
        assert told.disk_bytes["spikes"] == sum(spike_bytes(count) for count in told.spikes.values())
    assert long.spikes["exc"] == pytest.approx(100 * short.spikes["exc"], rel=0.02)
    assert long.wall_s["simulate"] == pytest.approx(long.steps * long.probe.wall_s / 500, rel=1e-3)


@pytest.fixture(scope="module")
def large():
    """20 000 cells with about 800 000 synapses."""
    sizes = ["population.exc.size=16000", "population.inh.size=4000"]
    rules = [f"projection.{i}.rule.pairwise_bernoulli=0.002" for i in (0, 1)]
    return load(CONFIGS / "coba.toml", [*sizes, *rules], run={"duration": "30 ms"})


def test_a_smaller_network_stands_for_a_large_one(large, monkeypatch) -> None:
    real = Simulation(large.model, 1)
    real.compile()
    while real.step < 300:
        real.advance()
    monkeypatch.setattr(probe, "MOST_WORK", probe.CELL_WORK * 8000)
    monkeypatch.setattr(probe, "PROBE_SECONDS", 1000.0)
    told = estimated(large, threads=1)
    assert told.probe.steps == 300
    assert 4000 < told.probe.cells < 8000
    assert told.synapses / told.neurons == pytest.approx(told.probe.synapses / told.probe.cells, rel=0.02)
    assert not told.synapses_exact
    assert told.synapses == pytest.approx(real.connections.synapses, rel=0.01)
    for name, count in real.spike_counts.items():
        assert told.spikes[name] == pytest.approx(count, rel=0.25), "fewer cells fluctuate more"


@pytest.mark.parametrize("share", [0.5, 0.1, 0.001])
@pytest.mark.parametrize(
    "rule",
    [
        "{pairwise_bernoulli=0.02}",
        "{fixed_outdegree=80}",
        "{fixed_indegree=80, autapses=false}",
        "{fixed_outdegree=8000, replacement=true}",
        "all_to_all",
    ],
)
def test_each_cell_keeps_its_synapses(share, rule) -> None:
    text = f'"{rule}"' if rule == "all_to_all" else rule
    model = load(CONFIGS / "coba.toml", [f"projection.{i}.rule={text}" for i in (0, 1)]).model
    smaller = shrunk(model, share)
    assert can_shrink(model)
    for name, population in smaller.populations.items():
        assert population.size == max(1, round(model.populations[name].size * share))
    for i, projection in enumerate(smaller.projections):
        if isinstance(projection.rule, FixedIndegree):
            each, all_each = (
                expected_synapses(one, i) / sum(p.size for p in one.populations.values())
                for one in (model, smaller)
            )
        else:
            each, all_each = (
                expected_synapses(one, i) / one.populations[projection.source].size
                for one in (model, smaller)
            )
        assert each == pytest.approx(all_each)
    connections = Simulation(smaller, 1).connections
    expected = sum(expected_synapses(smaller, i) for i in range(2))
    assert connections.synapses == pytest.approx(expected, rel=0.2)


def test_one_to_one_keeps_one_synapse_for_each_cell() -> None:
    model = load(CONFIGS / "coba.toml").model
    several = replace(model.projections[0], targets=("exc",), rule=OneToOne())
    smaller = shrunk(replace(model, projections=(several,)), 0.1)
    assert expected_synapses(smaller, 0) == smaller.populations["exc"].size == 320


def test_ranges_of_cells_shrink_with_their_population() -> None:
    model = load(
        CONFIGS / "coba.toml",
        [
            'input=[{target="inh", model="step_current", amplitude="1 pA", nodes=[700, 800]}]',
            'record.trace=[{population="exc", variable="v", nodes=[3199, 3200]}]',
        ],
    ).model
    smaller = shrunk(model, 0.1)
    assert smaller.inputs[0].nodes == (70, 80)
    assert smaller.traces[0].nodes == (319, 320)


def test_what_stands_in_files_is_tried_as_a_whole(monkeypatch) -> None:
    loaded = load(FILES)
    assert not can_shrink(loaded.model)
    monkeypatch.setattr(probe, "MOST_WORK", 1)
    told = estimated(loaded, threads=1)
    assert (told.probe.cells, told.synapses_exact) == (400, True)


def test_dense_networks_are_no_less_dense_when_they_shrink() -> None:
    model = load(CONFIGS / "coba.toml").model
    dense = replace(model.projections[0], rule=AllToAll())
    sparse = replace(model.projections[0], rule=PairwiseBernoulli(0.0))
    assert expected_synapses(shrunk(replace(model, projections=(dense,)), 0.01), 0) == 32 * 4000
    assert expected_synapses(shrunk(replace(model, projections=(sparse,)), 0.01), 0) == 0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("population.exc.size=2000000000", "2,000,000,800 cells needs"),
        ("projection.0.rule={fixed_outdegree=1000000000, replacement=true}", "network 6"),
        ("population.exc.size=2147483647", "no more than 2,147,483,647"),
    ],
)
def test_what_cannot_fit_is_refused_at_once(command, setting, message, monkeypatch) -> None:
    for module in (memory, probe):
        monkeypatch.setattr(module, "Simulation", None, raising=False)  # nothing is built
    result = command("run", CONFIGS / "coba.toml", "--dry-run", "-q", "--set", setting)
    assert (result.code, result.out) == (6, "")
    assert message in result.err
    if "needs" in result.err:
        for part in ("state", "network", "buffers", "overhead"):
            assert f"{part} " in result.err


def test_more_synapses_than_a_thread_can_count_are_refused(small, monkeypatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 1 << 60)
    model = load(small, ["projection.0.rule={fixed_outdegree=60000000, replacement=true}"]).model
    memory.require(model, 3)
    with pytest.raises(hhsim.errors.HhsimError, match="more threads") as refusal:
        memory.require(model, 2)
    assert exit_code_of(refusal.value) == 6


def test_delays_that_differ_take_room_for_as_long() -> None:
    apart = ['projection.0.delay={uniform=["1 ms", "21 ms"]}', 'projection.1.delay={normal=["5 ms", "1 ms"]}']
    same = memory.needed(load(CONFIGS / "coba.toml").model, 1)
    different = memory.needed(load(CONFIGS / "coba.toml", apart).model, 1)
    assert different.buffers > 8 * 4000 * 200
    assert different.state == same.state


def test_a_full_disk_is_refused(command, small, monkeypatch) -> None:
    free = FILE_BYTES + 100_000
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(1 << 40, 0, free))
    with monkeypatch.context() as nothing:
        nothing.setattr(probe, "Simulation", None)
        result = command("run", small, "--dry-run", "-q", "--set", TRACES)
    assert result.code == 6
    assert "0.00 GB are free in the folder" in result.err
    assert command("run", small, "--dry-run", "-q").code == 6, "the spikes do not fit either"
    Path("out.h5").write_bytes(bytes(1_000_000))
    assert command("run", small, "--dry-run", "-q", "--force").code == 0, "what is replaced gives room"


def test_outputs_are_refused_as_in_a_run(command, small) -> None:
    Path("out.h5").write_bytes(b"mine")
    for more in ((), ("-o", "nowhere/out.h5"), ("-o", ".")):
        dry, wet = (command("run", small, *option, *more) for option in (("--dry-run",), ()))
        assert (dry.code, dry.out, dry.err) == (wet.code, wet.out, wet.err)
        assert dry.code == 5
    assert command("run", small, "--dry-run", "--force", "-q").code == 0
    assert Path("out.h5").read_bytes() == b"mine"
    assert command("run", "missing.toml", "--dry-run").code == command("run", "missing.toml").code


def test_a_network_that_diverges_is_told_of(command, small) -> None:
    current = 'input=[{target="exc", model="step_current", amplitude="1e300 pA"}]'
    result = command("run", small, "--dry-run", "-q", "--set", current)
    assert (result.code, result.out) == (4, "")
    assert result.err.startswith("hhsim: a run would be stopped: the membrane potential of cell ")
    assert not list(Path().iterdir())


def test_the_table(command, small) -> None:
    result = command("run", small, "--dry-run", "-q", "--threads", 1)
    assert (result.code, result.err) == (0, "")
    assert "\x1b" not in result.out
    lines = result.out.splitlines()
    assert lines[0].startswith(f"{small}: 200 cells, 7,")
    assert max(map(len, lines[1:-1])) <= 80
    labels = " ".join(line.split()[0] for line in lines[2:-2])
    assert labels == (
        "memory state network buffers overhead disk traces spikes exc inh "
        "time startup build compile simulate step write"
    )
    assert lines[-1].startswith("  Time and spikes are judged from the whole time of the network itself")
