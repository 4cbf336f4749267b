"""`hhsim.run` and `hhsim.open`: what a run tells of itself, and what its output holds."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from pathlib import Path

import libsonata
import numpy as np
import pytest
from conftest import DURATION_MS

import hhsim
from hhsim.config import load
from hhsim.errors import OutputExists

SUMMARY = {
    "config", "output", "seed", "threads", "device", "precision", "method", "neurons", "synapses", "steps",
    "biological_s", "wall_s", "realtime_factor", "ns_per_neuron_step", "peak_rss_bytes", "spikes", "rate_hz",
    "suppressed_crossings", "spikes_sha256", "complete", "resumed_at_ms", "checkpoint", "version", "ranks",
}  # fmt: skip


def test_the_summary_adds_up(small, small_run) -> None:
    told = json.loads(small_run.to_json())
    assert told.keys() == SUMMARY
    assert told == dataclasses.asdict(small_run)
    assert (told["config"], told["seed"], told["threads"], told["device"]) == (str(small), 2007, 2, "cpu")
    assert (told["method"], told["precision"]) == ("exponential_euler", "float64")
    assert (told["neurons"], told["steps"], told["biological_s"]) == (200, 1000, 0.1)
    assert told["synapses"] == pytest.approx(0.2 * 200 * 200, rel=0.05)
    wall = told["wall_s"]
    assert list(wall) == ["startup", "build", "compile", "simulate", "write", "total"]
    assert wall["total"] == pytest.approx(sum(wall.values()) - wall["total"], abs=1e-5)
    assert told["realtime_factor"] == pytest.approx(wall["simulate"] / 0.1, rel=1e-3)
    assert told["ns_per_neuron_step"] == pytest.approx(wall["simulate"] / (200 * 1000) * 1e9, rel=1e-3)
    assert 50e6 < told["peak_rss_bytes"] < 4e9
    for name, size in (("exc", 160), ("inh", 40)):
        assert told["spikes"][name] > size
        assert told["rate_hz"][name] == pytest.approx(told["spikes"][name] / size / 0.1)
    assert told["complete"] is True


def test_a_recording_is_what_the_summary_says(small, small_run) -> None:
    with hhsim.open(small_run.output) as recording:
        assert recording.complete
        assert (recording.dt_ms, recording.stopped_at_ms, recording.seed) == (0.1, DURATION_MS, 2007)
        assert recording.populations == {"exc": 160, "inh": 40}
        assert recording.checksums == small_run.spikes_sha256
        for name, spikes in recording.spikes.items():
            assert len(spikes) == small_run.spikes[name]
            assert spikes.steps.shape == spikes.nodes.shape == spikes.times_ms.shape == (len(spikes),)
            assert spikes.nodes.min() >= 0
            assert spikes.nodes.max() < recording.populations[name]
            order = np.lexsort((spikes.nodes, spikes.steps))
            assert np.array_equal(order, np.arange(len(spikes)))
            bits = spikes.steps.astype("<i8").tobytes() + spikes.nodes.astype("<i8").tobytes()
            assert hashlib.sha256(bits).hexdigest() == small_run.spikes_sha256[name]
        trace = recording.trace("exc", "v")
        assert trace.data.shape == (100, 10)
        assert trace.t_ms.tolist() == [float(t) for t in range(100)]
        assert np.isfinite(trace.data).all()
        assert -100 < trace.data.min() < -60 < 0 < trace.data.max() < 60
        config = tomllib.loads(recording.config)
        assert config["run"]["seed"] == 2007
        assert {"exc", "inh"} == config["population"].keys()
        stored = {key: value for key, value in recording.summary.items() if key != "wall_s"}
        assert stored == {k: v for k, v in json.loads(small_run.to_json()).items() if k != "wall_s"}


def test_libsonata_reads_a_run(small_run) -> None:
    spikes = libsonata.SpikeReader(small_run.output)["exc"].get_dict()
    frames = libsonata.ElementReportReader(small_run.output)["exc"].get()
    with hhsim.open(small_run.output) as recording:
        assert np.array_equal(spikes["timestamps"], recording.spikes["exc"].times_ms)
        assert np.array_equal(spikes["node_ids"], recording.spikes["exc"].nodes)
        assert np.array_equal(frames.data, recording.trace("exc", "v").data)


@pytest.mark.parametrize("threads", [1, 3, 16])
def test_threads_change_no_spike(small, small_run, tmp_path, threads) -> None:
    again = hhsim.run(small, output=tmp_path / "out.h5", threads=threads)
    assert again.threads == threads
    assert again.spikes_sha256 == small_run.spikes_sha256
    assert again.suppressed_crossings == small_run.suppressed_crossings
    with hhsim.open(again.output) as one, hhsim.open(small_run.output) as other:
        assert np.array_equal(one.trace("exc").data, other.trace("exc").data)


def test_a_run_repeats_from_the_config_in_its_output(small_run, tmp_path) -> None:
    with hhsim.open(small_run.output) as recording:
        (tmp_path / "again.toml").write_text(recording.config)
    again = hhsim.run(tmp_path / "again.toml", output=tmp_path / "out.h5")
    assert again.spikes_sha256 == small_run.spikes_sha256


def test_a_short_run_is_the_beginning_of_a_long_one(small, small_run, tmp_path) -> None:
    hhsim.run(small, output=tmp_path / "short.h5", duration="12.3 ms")
    with hhsim.open(tmp_path / "short.h5") as short, hhsim.open(small_run.output) as long:
        steps = long.spikes["exc"].steps
        assert np.array_equal(short.spikes["exc"].steps, steps[steps < 123])
        assert short.trace("exc").data.shape == (13, 10)


def test_settings_replace_those_of_the_config(small, small_run, tmp_path) -> None:
    summary = hhsim.run(
        str(small),
        output=str(tmp_path / "out.h5"),
        seed=1,
        duration="10 ms",
        overrides=['projection.1.weight="60 nS"', "run.seed=5"],
    )
    assert (summary.seed, summary.steps) == (1, 100)
    with hhsim.open(summary.output) as recording:
        assert tomllib.loads(recording.config)["projection"][1]["weight"] == "60 nS"


def test_a_loaded_config_takes_no_further_settings(small, tmp_path) -> None:
    loaded = load(small, run={"duration": "1 ms"})
    assert hhsim.run(loaded, output=tmp_path / "out.h5").steps == 10
    with pytest.raises(TypeError, match="seed: the config is loaded already"):
        hhsim.run(loaded, output=tmp_path / "other.h5", seed=1)


def test_an_existing_output_is_refused_before_any_work(small, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hhsim.simulation.simulation.Simulation.__init__", None)
    (tmp_path / "out.h5").write_text("precious")
    with pytest.raises(OutputExists):
        hhsim.run(small, output=tmp_path / "out.h5")
    assert (tmp_path / "out.h5").read_text() == "precious"


def test_progress_is_told_of_every_phase(small, tmp_path) -> None:
    seen: list[hhsim.simulation.summary.Progress] = []
    hhsim.run(small, output=tmp_path / "out.h5", duration="20 ms", watch=seen.append)
    phases = list(dict.fromkeys(progress.phase for progress in seen if progress.phase != "compile"))
    assert phases == ["build", "load", "simulate"]
    assert seen[-1].t_ms == seen[-1].duration_ms == 20.0
    times = [progress.t_ms for progress in seen if progress.phase == "simulate"]
    assert times[0] == 0
    assert times == sorted(set(times))


def test_every_state_can_be_recorded_and_an_unrecorded_population_is_counted(small, tmp_path) -> None:
    overrides = [
        'record.spikes=["inh"]',
        'record.trace=[{population="inh", variable="na.m"}, {population="exc", variable="g.exc"}]',
    ]
    summary = hhsim.run(small, output=tmp_path / "out.h5", duration="10 ms", overrides=overrides)
    assert summary.spikes.keys() == {"exc", "inh"}
    assert summary.spikes_sha256.keys() == {"inh"}
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == ["out.g.exc.h5", "out.h5", "out.na.m.h5"]
    with hhsim.open(summary.output) as recording:
        gates, conductance = recording.trace("inh", "na.m"), recording.trace("exc", "g.exc")
    assert (gates.units, conductance.units) == ("1", "nS")
