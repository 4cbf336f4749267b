"""Recordings as objects of Neo: the same spikes and traces, made in one go, and taken by Elephant."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hhsim
from hhsim.errors import NotInstalled, SelectionRefused
from hhsim.recording import Recorder, TraceColumns, open_recording

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Elephant and Neo import is their own affair
    import elephant.statistics
    import neo
    import quantities as pq

DT = 0.1


def record(path: Path, sizes: dict[str, int], spikes=(), traces=(), frames=(), stopped=10.0, complete=True):
    with Recorder(
        path,
        populations=sizes,
        traces=list(traces),
        dt=DT,
        duration=10.0,
        resolved_config="# a config",
        facts={"title": "A title", "seed": 5},
        overwrite=True,
    ) as writer:
        for name, steps, nodes in spikes:
            writer.append_spikes(name, np.array(steps, np.int64), np.array(nodes, np.int64))
        for number, rows in enumerate(frames):
            writer.append_frames(number, rows)
        writer.close(complete, stopped, {}, "{}")
    return path


def segment_of(block: neo.Block) -> neo.Segment:
    (segment,) = block.segments
    return segment


def test_every_train_holds_the_spikes_of_its_cell(small_run) -> None:
    with hhsim.open(small_run.output) as recording:
        block = recording.to_neo()
        trains = segment_of(block).spiketrains
        assert len(trains) == 200
        seen = [(train.annotations["population"], train.annotations["node_id"]) for train in trains]
        assert seen == [("exc", i) for i in range(160)] + [("inh", i) for i in range(40)]
        for train, (population, node) in zip(trains, seen, strict=True):
            spikes = recording.spikes[population]
            assert np.array_equal(train.magnitude, spikes.times_ms[spikes.nodes == node])
            assert train.units == pq.ms
            assert (train.t_start, train.t_stop) == (0 * pq.ms, 100 * pq.ms)
            assert train.segment is segment_of(block)
        assert block.annotations["dt_ms"] == DT
        assert block.annotations["seed"] == 2007
        assert "[population.exc]" in block.annotations["config"]


def test_trains_are_what_neo_itself_would_make(small_run) -> None:
    """The trains are cut from one; each must be as if it had been made alone."""
    with hhsim.open(small_run.output) as recording:
        trains = segment_of(recording.to_neo()).spiketrains
    for train in list(trains)[:10]:
        alone = neo.SpikeTrain(train.magnitude, units="ms", t_start=0 * pq.ms, t_stop=100 * pq.ms)
        assert isinstance(train, neo.SpikeTrain)
        assert np.array_equal(train, alone)
        assert train.sampling_rate == alone.sampling_rate
        assert (train.t_start, train.t_stop, train.dtype) == (alone.t_start, alone.t_stop, alone.dtype)
        assert train.array_annotations == alone.array_annotations
    assert trains[0].annotations is not trains[1].annotations
    part = trains[3].time_slice(20 * pq.ms, 50 * pq.ms).magnitude
    assert part.tolist() == [t for t in trains[3].magnitude if 20 <= t <= 50]


def test_all_spikes_without_the_trains(small_run) -> None:
    with hhsim.open(small_run.output) as recording:
        channels, times = segment_of(recording.to_neo()).spiketrains.multiplexed
        assert np.all(np.diff(times) >= 0)
        for name, first, size in (("exc", 0, 160), ("inh", 160, 40)):
            chosen = (channels >= first) & (channels < first + size)
            assert np.array_equal(times.magnitude[chosen], recording.spikes[name].times_ms)
            assert np.array_equal(channels[chosen] - first, recording.spikes[name].nodes)


@pytest.mark.filterwarnings("ignore")  # of Elephant's own making
def test_elephant_takes_them(small_run) -> None:
    with hhsim.open(small_run.output) as recording:
        trains = segment_of(recording.to_neo(populations=["inh"])).spiketrains
    rates = [elephant.statistics.mean_firing_rate(train).rescale("Hz").item() for train in trains]
    assert len(rates) == 40
    assert np.mean(rates) == pytest.approx(small_run.rate_hz["inh"])
    counts = elephant.statistics.time_histogram(list(trains), 5 * pq.ms)
    assert counts.sum().item() == small_run.spikes["inh"]


def test_traces_become_signals_with_units(tmp_path) -> None:
    v, gate = np.arange(50 * 3, dtype=np.float32).reshape(50, 3), np.full((100, 1), 0.5, np.float32)
    path = record(
        tmp_path / "out.h5",
        {"a": 9},
        traces=[TraceColumns("a", "v", (2, 4, 8), 0.2), TraceColumns("b", "g.exc", (7,), 0.1, "nS")],
        frames=[v, gate],
    )
    with open_recording(path) as recording:
        signal, other = segment_of(recording.to_neo()).analogsignals
        assert (signal.name, other.name) == ("a.v", "b.g.exc")
        assert np.array_equal(signal.magnitude, v)
        assert signal.units == pq.mV
        assert other.units == pq.nS
        assert other.annotations == {"population": "b", "variable": "g.exc"}
        assert signal.sampling_period.item() == 0.2
        assert signal.times[3].item() == pytest.approx(0.6)
        assert signal.array_annotations["node_id"].tolist() == [2, 4, 8]
        part = segment_of(recording.to_neo(start_ms=3.9, stop_ms=6.0, nodes=(3, 8))).analogsignals[0]
        assert np.array_equal(part.magnitude, v[20:30, 1:2])
        assert part.t_start.item() == pytest.approx(4.0)
        assert part.array_annotations["node_id"].tolist() == [4]
        assert not segment_of(recording.to_neo(nodes=(0, 2))).analogsignals
        assert not segment_of(recording.to_neo(traces=False)).analogsignals


def test_a_gate_has_no_unit(tmp_path) -> None:
    path = record(
        tmp_path / "out.h5",
        {},
        traces=[TraceColumns("a", "na.m", (0,), 0.1, "1")],
        frames=[np.ones((4, 1), np.float32)],
    )
    with open_recording(path) as recording:
        (signal,) = segment_of(recording.to_neo()).analogsignals
        assert signal.units == pq.dimensionless
        assert len(segment_of(recording.to_neo()).spiketrains) == 0


spikes_of_cells = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 6)), max_size=60, unique=True)


@given(spikes_of_cells, spikes_of_cells, st.integers(0, 50), st.integers(51, 100), st.integers(0, 6))
@settings(deadline=None, max_examples=40)
def test_a_selection_is_a_part_of_the_whole(tmp_path_factory, a, b, start, stop, first) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.h5"
    rows = [(name, *zip(*sorted(spikes), strict=True)) for name, spikes in (("a", a), ("b", b)) if spikes]
    record(path, {"a": 7, "b": 7}, rows)
    with open_recording(path) as recording:
        block = recording.to_neo(start_ms=start * DT, stop_ms=stop * DT, nodes=(first, 9))
    trains = list(segment_of(block).spiketrains)
    assert len(trains) == 2 * (7 - first)
    for i, train in enumerate(trains):
        name, node = ("a", "b")[i // (7 - first)], first + i % (7 - first)
        own = a if name == "a" else b
        steps = sorted(step for step, cell in own if cell == node and start <= step < stop)
        assert (train.annotations["population"], train.annotations["node_id"]) == (name, node)
        assert np.array_equal(np.rint(train.magnitude / DT) - 1, steps)


def test_no_spikes_at_all(tmp_path) -> None:
    with open_recording(record(tmp_path / "out.h5", {"a": 3})) as recording:
        trains = segment_of(recording.to_neo()).spiketrains
        assert [len(train) for train in trains] == [0, 0, 0]
        assert elephant.statistics.mean_firing_rate(trains[2]) == 0 / pq.ms


def test_a_recording_that_was_cut_off(tmp_path) -> None:
    path = record(tmp_path / "out.h5", {"a": 2}, [("a", [3, 30], [0, 1])], stopped=4.0, complete=False)
    with open_recording(path) as recording:
        block = recording.to_neo()
        assert block.annotations["complete"] is False
        assert segment_of(block).spiketrains[1].t_stop == 4 * pq.ms


def test_what_is_not_there_is_refused(small_run) -> None:
    with hhsim.open(small_run.output) as recording, pytest.raises(SelectionRefused, match="there are: exc"):
        recording.to_neo(populations=["esc"])


@pytest.mark.parametrize("package", ["neo", "quantities"])
def test_a_missing_neo_says_how_to_get_it(small_run, monkeypatch, package) -> None:
    monkeypatch.delitem(sys.modules, "hhsim.recording.neo", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with hhsim.open(small_run.output) as recording, pytest.raises(NotInstalled, match=r"hhsim\[neo\]"):
        recording.to_neo()


def test_many_cells_take_seconds(tmp_path) -> None:
    """1.5 s; a minute if all spikes were looked through for each cell, as Neo's own list does."""
    cells, count = 100_000, 1_000_000
    rng = np.random.default_rng(1)
    steps, nodes = np.divmod(np.sort(rng.choice(100 * cells, count, replace=False)), cells)
    path = record(tmp_path / "out.h5", {"a": cells}, [("a", steps, nodes)])
    with open_recording(path) as recording:
        begin = time.perf_counter()
        trains = segment_of(recording.to_neo()).spiketrains
        flat = time.perf_counter() - begin
        assert sum(len(train) for train in trains) == count
    assert flat < 2
    assert time.perf_counter() - begin < 15
