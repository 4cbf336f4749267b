"""`hhsim diff`: against counts and shifts by brute force, and whatever one thing was changed is named."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
import recordings
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT
from recordings import DT, SIZES

import hhsim
from hhsim.comparing import compare
from hhsim.comparing.spikes import REACH_MS
from hhsim.errors import SelectionRefused
from hhsim.recording import Recorder

STEPS = 1000
TRAINS = st.fixed_dictionaries(
    {
        name: st.sets(st.tuples(st.integers(0, STEPS - 1), st.integers(0, size - 1)), max_size=40)
        for name, size in SIZES.items()
    }
)


def compared(a: Path, b: Path, **choice):
    with hhsim.open(a) as first, hhsim.open(b) as second:
        return compare(first, second, **choice)


@pytest.fixture(scope="module")
def folder(fast_of_module) -> Path:
    return fast_of_module


def in_ms(train, dt):
    return {(round((step + 1) * dt, 6), node) for step, node in train}


def shifts(train, other):
    """How far each spike is from the nearest of its cell in the other train, ms."""
    return [
        min((abs(t - u) for u, cell in other if cell == node), default=np.inf) for t, node in sorted(train)
    ]


@given(a=TRAINS, b=TRAINS, coarse=st.sampled_from([1, 2, 5]), window=st.sampled_from([None, (30.0, 70.0)]))
@settings(deadline=None, max_examples=30)
def test_counts_and_shifts_are_those_of_brute_force(folder, a, b, coarse, window) -> None:
    """Also with another dt, in a window of time, and however the spikes are cut into pieces."""
    dt_b = DT * coarse
    b = {name: {(step // coarse, node) for step, node in train} for name, train in b.items()}
    paths = recordings.write(folder / "a.h5", a), recordings.write(folder / "b.h5", b, dt=dt_b)
    start, stop = window or (0.0, 100.0)
    told = {}
    for slab, block in ((65536, 1 << 18), (3, 1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hhsim.recording.contents.SLAB", slab)
            patch.setattr("hhsim.comparing.spikes.BLOCK", block)
            told[slab] = compared(*paths, **({} if window is None else {"start_ms": start, "stop_ms": stop}))
    assert told[3] == told[65536]
    pooled = []
    for name, one in told[3].spikes.items():
        left, right = (
            {(t, node) for t, node in in_ms(train[name], dt) if start < t <= stop}
            for train, dt in ((a, DT), (b, dt_b))
        )
        assert (one.whole.both, one.whole.only_a, one.whole.only_b) == (
            len(left & right),
            len(left - right),
            len(right - left),
        )
        for window_told in one.windows:
            inside = [
                {(t, node) for t, node in train if window_told.start_ms < t <= window_told.stop_ms}
                for train in (left, right)
            ]
            counts = (len(inside[0] & inside[1]), len(inside[0] - inside[1]), len(inside[1] - inside[0]))
            assert (window_told.both, window_told.only_a, window_told.only_b) == counts
        if left == right:
            assert one.first is None
        else:
            t, node, side = min([(*spike, "A") for spike in left - right] + [(*s, "B") for s in right - left])
            assert one.first is not None
            assert one.first.t_ms == pytest.approx(t)
            assert (one.first.population, one.first.node, one.first.only_in) == (name, node, side)
        distances = np.array(shifts(left, right) + shifts(right, left))
        near = np.sort(distances[distances <= REACH_MS + 1e-6])
        assert one.whole.unmatched == len(distances) - len(near)
        if len(near):
            assert one.whole.max_shift_ms == pytest.approx(near[-1], abs=1e-6)
            assert one.whole.median_shift_ms == pytest.approx(near[(len(near) - 1) // 2], abs=1e-6)
        else:
            assert one.whole.max_shift_ms is one.whole.median_shift_ms is None
        pooled.append(one)
    for i, both in enumerate(told[3].windows):
        assert both.only_a == sum(one.windows[i].only_a for one in pooled)
        assert both.unmatched == sum(one.windows[i].unmatched for one in pooled)


@given(a=TRAINS, b=TRAINS)
@settings(deadline=None, max_examples=12)
def test_a_comparison_is_symmetric(folder, a, b) -> None:
    paths = [recordings.write(folder / f"{name}.h5", train) for name, train in (("a", a), ("b", b))]
    one, other = compared(*paths), compared(*paths[::-1])
    assert one.equal == other.equal == (a == b)
    swapped = {"A": "B", "B": "A"}
    for name in SIZES:
        x, y = one.spikes[name], other.spikes[name]
        assert (x.whole.both, x.whole.only_a, x.whole.only_b) == (
            y.whole.both,
            y.whole.only_b,
            y.whole.only_a,
        )
        assert (x.whole.median_shift_ms, x.whole.max_shift_ms) == (
            y.whole.median_shift_ms,
            y.whole.max_shift_ms,
        )
        if x.first is not None:
            assert (x.first.t_ms, x.first.node, swapped[x.first.only_in]) == (
                y.first.t_ms,
                y.first.node,
                y.first.only_in,
            )


@given(train=TRAINS.filter(lambda train: all(train.values())), data=st.data())
@settings(deadline=None, max_examples=25)
def test_one_changed_spike_is_named(folder, train, data) -> None:
    name = data.draw(st.sampled_from(sorted(SIZES)))
    step, node = data.draw(st.sampled_from(sorted(train[name])))
    everything = product(range(STEPS), range(SIZES[name]))
    gone = (step, node)
    added = data.draw(st.none() | st.sampled_from(sorted(set(everything) - train[name])))
    changed = train | {name: train[name] - {gone} | ({added} if added else set())}
    told = compared(recordings.write(folder / "a.h5", train), recordings.write(folder / "b.h5", changed))
    expected = (gone, "A") if added is None or gone < added else (added, "B")
    first = told.first_spike
    assert not told.equal
    assert first is not None
    assert first == told.spikes[name].first
    found = (round(first.t_ms / DT) - 1, first.node), first.only_in
    assert found == expected
    assert first.t_ms == (expected[0][0] + 1) * DT, "the time that is written in the file"
    assert (told.spikes[name].whole.only_a, told.spikes[name].whole.only_b) == (1, added is not None)
    other = "inh" if name == "exc" else "exc"
    assert told.spikes[other].first is None


VALUES = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(frame=st.integers(0, 99), column=st.integers(0, 2), value=VALUES, seed=st.integers(0, 9))
@settings(deadline=None, max_examples=25)
def test_one_changed_value_is_named(folder, frame, column, value, seed) -> None:
    frames = np.random.default_rng(seed).normal(-60, 5, (100, 3)).astype(np.float32)
    changed = frames.copy()
    changed[frame, column] = value
    old, new = float(frames[frame, column]), float(np.float32(value))
    paths = [recordings.write(folder / f"{i}.h5", {}, data) for i, data in enumerate((frames, changed))]
    for block in (1 << 20, 7):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("hhsim.comparing.traces.BLOCK", block)
            (trace,) = compared(*paths).traces
        if old == new:
            assert trace.first is None
            continue
        first = trace.first
        assert first is not None
        assert (first.t_ms, first.node, first.a) == (frame, (0, 2, 5)[column], old)
        assert trace.differing == 1
        if np.isfinite(new):
            assert first.b == new
            assert trace.largest == pytest.approx(abs(new - old), rel=1e-12)
            assert (trace.largest_t_ms, trace.largest_node) == (frame, first.node)
            assert trace.rms == pytest.approx(abs(new - old) / np.sqrt(300), rel=1e-12)
            assert [window.largest != 0 for window in trace.windows] == [i == frame // 10 for i in range(10)]
        else:
            assert (first.b, trace.not_finite, trace.largest, trace.rms) == (None, 1, 0, 0)


def test_values_that_are_no_number_in_both_are_the_same(tmp_path) -> None:
    frames = np.full((100, 3), np.nan)
    frames[50:] = np.inf
    path = recordings.write(tmp_path / "a.h5", {}, frames)
    assert compared(path, path).equal


def test_the_tolerance_is_how_far_values_may_be_apart(command, tmp_path) -> None:
    frames = np.zeros((100, 3))
    a = recordings.write(tmp_path / "a.h5", {}, frames)
    frames[40, 1] = 0.5
    frames[60, 2] = -2.0
    b = recordings.write(tmp_path / "b.h5", {}, frames)
    firsts = {atol: compared(a, b, atol=atol).traces[0].first for atol in (0.0, 0.5, 1.9, 2.0)}
    assert (firsts[0.0].t_ms, firsts[0.5].t_ms, firsts[1.9].t_ms) == (40, 60, 60)
    assert firsts[2.0] is None
    assert command("diff", a, b, "--atol", "1.9").code == 7
    result = command("diff", a, b, "--atol", "2")
    assert result.code == 0
    assert "within the tolerance" in result.out
    assert "at most 2 mV apart" in result.out


@given(every=st.tuples(st.integers(1, 12), st.integers(1, 12)), start=st.integers(0, 5))
@settings(deadline=None, max_examples=20)
def test_traces_of_different_frames_are_compared_where_both_have_one(folder, every, start) -> None:
    """Each holds its own time and cell: equal wherever the comparison is at the same time and cell."""
    cells = ((0, 2, 5), (2, 3, 5, 6))
    paths = []
    for i, (steps, nodes) in enumerate(zip(every, cells, strict=True)):
        times = np.arange(0, STEPS, steps)
        frames = times[:, None] + 0.125 * np.array(nodes)
        paths.append(recordings.write(folder / f"{i}.h5", {}, frames, every_ms=steps * DT, cells=nodes))
    told = compared(*paths, start_ms=start * 10.0, stop_ms=90.0)
    (trace,) = told.traces
    assert trace.first is None
    assert trace.cells == 2
    assert trace.frames == len([t for t in range(start * 100, 900) if t % every[0] == t % every[1] == 0])
    assert ("v of exc, 1 cells" in told.only_a, "v of exc, 2 cells" in told.only_b) == (True, True)
    assert any("every" in what for what in told.only_a) == (every[0] != every[1])
    (same,) = compared(*paths, start_ms=start * 10.0, stop_ms=90.0, nodes=(5, 6)).traces
    assert same.cells == 1


def test_a_recording_equals_itself(command, small_run) -> None:
    result = command("diff", small_run.output, small_run.output)
    assert (result.code, result.err) == (0, "")
    assert f"equal: {sum(small_run.spikes.values()):,} spikes and 1 trace" in result.out
    told = json.loads(command("diff", small_run.output, small_run.output, "--json").out)
    assert told["equal"] is True
    assert told["config"] == told["origins"] == told["only_a"] == told["only_b"] == []


def test_runs_of_other_precision_part_later(command) -> None:
    """All of COBAHH, as the small network has too little activity of its own to amplify a rounding error."""
    config = ROOT / "configs" / "coba.toml"
    for precision, threads in (("float64", 2), ("float32", 1)):
        line = ("run", config, "-q", "-o", f"{precision}.h5", "--precision", precision, "--threads", threads)
        assert command(*line, "--duration", "300 ms").code == 0
    result = command("diff", "float64.h5", "float32.h5")
    assert result.code == 7
    assert result.err == "hhsim: float64.h5 and float32.h5 differ\n"
    assert 'run.precision  "float64" in A, "float32" in B' in result.out
    assert all(len(line) <= 80 for line in result.out.splitlines() if "rms by tenths" not in line)
    told = json.loads(command("diff", "float64.h5", "float32.h5", "--json").out)
    assert [entry["key"] for entry in told["config"]] == ["run.precision"]
    assert {"key": "threads", "a": 2, "b": 1} in told["origins"]
    (trace,) = told["traces"]
    first = min(one["first"]["t_ms"] for one in told["spikes"].values() if one["first"])
    assert 0 < trace["first"]["t_ms"] < first
    assert trace["windows"][0]["rms"] < 0.1 < 1 < trace["windows"][-1]["rms"]
    early, late = told["windows"][0], told["windows"][-1]
    assert early["only_a"] == early["max_shift_ms"] == 0 < early["both"]
    assert late["only_a"] > late["both"]
    before = ("--stop", f"{trace['first']['t_ms']} ms")
    assert command("diff", "float64.h5", "float32.h5", *before).code == 0


def test_the_beginning_of_a_recording_is_equal_as_far_as_it_goes(command, small, small_run) -> None:
    assert command("run", small, "-q", "-o", "short.h5", "--duration", "40 ms").code == 0
    result = command("diff", small_run.output, "short.h5")
    assert result.code == 7
    assert "equal as far as both go: B ends at 40 ms, A at 100 ms" in result.out
    told = json.loads(command("diff", "short.h5", small_run.output, "--json").out)
    assert (told["equal"], told["same_content"]) == (False, True)
    assert (told["start_ms"], told["stop_ms"], told["end_a_ms"], told["end_b_ms"]) == (0, 40, 40, 100)
    assert command("diff", small_run.output, "short.h5", "--stop", "40 ms").code == 0
    assert command("diff", small_run.output, "short.h5", "--start", "20 ms", "--stop", "30 ms").code == 0


def test_a_cut_off_recording_is_compared_up_to_there(tmp_path, command) -> None:
    trains = {"exc": {(step, step % 7) for step in range(1000)}}
    whole = recordings.write(tmp_path / "whole.h5", trains)
    cut = recordings.write(tmp_path / "cut.h5", trains, cut_off=True)
    told = compared(whole, cut)
    assert told.spikes["exc"].whole.both == 500
    assert (told.same_content, told.equal) == (True, False)
    assert command("diff", whole, cut).code == 7
    assert command("diff", whole, cut, "--stop", "50 ms").code == 0


def test_a_part_is_compared_alone(tmp_path, command) -> None:
    a = recordings.write(tmp_path / "a.h5", {"exc": {(10, 1), (500, 2), (800, 3)}, "inh": {(5, 0)}})
    b = recordings.write(tmp_path / "b.h5", {"exc": {(10, 1), (501, 2), (800, 3)}, "inh": {(6, 0)}})
    for options, code in (
        ((), 7),
        (("--population", "exc"), 7),
        (("--population", "exc", "--stop", "50 ms"), 0),
        (("--start", "50.2 ms"), 0),
        (("--start", "50.1 ms"), 7),
        (("--nodes", "1:2"), 0),
        (("--nodes", "1:3"), 7),
        (("--nodes", "0:1"), 7),
    ):
        assert command("diff", a, b, *options).code == code, options


def test_what_only_one_holds_is_a_difference(tmp_path, command) -> None:
    frames = np.zeros((100, 3))
    a = recordings.write(tmp_path / "a.h5", {}, frames)
    b = recordings.write(tmp_path / "b.h5", {}, sizes={"exc": 7, "glia": 2})
    told = compared(a, b)
    assert (told.only_a, told.only_b) == (["spikes of inh", "v of exc"], ["spikes of glia"])
    assert (told.equal, told.same_content) == (False, True)
    result = command("diff", a, b)
    assert result.code == 7
    assert "equal in all that both hold, but one holds more" in result.out
    assert "only in A  v of exc" in result.out
    assert compared(a, b, populations=["glia"]).only_b == ["spikes of glia"]
    with pytest.raises(SelectionRefused, match=r"no population 'glai'.*a\.h5|a\.h5: no population 'glai'"):
        compared(a, b, populations=["glai"])


def test_other_sizes_are_a_difference(tmp_path, command) -> None:
    a = recordings.write(tmp_path / "a.h5")
    b = recordings.write(tmp_path / "b.h5", sizes={"exc": 9, "inh": 3})
    result = command("diff", a, b)
    assert result.code == 7
    assert "exc has 7 cells in A, 9 in B" in result.out
    assert compared(a, b, nodes=(0, 7)).equal


CONFIG_A = """
[run]
dt = "0.1 ms"
seed = 1
[population.exc]
size = 7
[[projection]]
weight = "6 nS"
[[projection]]
weight = "7 nS"
[[record.trace]]
nodes = [0, 3]
"""
CONFIG_B = """
[run]
dt = "0.1 ms"
seed = 2
[population.exc]
size = 7
[population.inh]
size = 3
[[projection]]
weight = "8 nS"
[[record.trace]]
nodes = [0, 4]
"""


def test_configs_are_compared_key_by_key(tmp_path, command) -> None:
    a = recordings.write(tmp_path / "a.h5", config=CONFIG_A, facts={"versions.numpy": "1", "threads": 2})
    b = recordings.write(tmp_path / "b.h5", config=CONFIG_B, facts={"versions.numpy": "2", "threads": 2})
    told = compared(a, b)
    assert told.equal, "configs do not count"
    assert {entry.key: (entry.a, entry.b) for entry in told.config} == {
        "run.seed": (1, 2),
        "population.inh": (None, {"size": 3}),
        "projection[0].weight": ("6 nS", "8 nS"),
        "projection[1]": ({"weight": "7 nS"}, None),
        "record.trace[0].nodes": ([0, 3], [0, 4]),
    }
    assert [(entry.key, entry.a, entry.b) for entry in told.origins] == [("versions.numpy", "1", "2")]
    result = command("diff", a, b)
    assert result.code == 0
    assert "run.seed" in result.out
    assert "nothing in A" in result.out


def test_an_edited_recording_is_refused(tmp_path, command) -> None:
    a = recordings.write(tmp_path / "a.h5", {"exc": {(5, 1), (9, 1)}})
    b = recordings.write(tmp_path / "b.h5", {"exc": {(5, 1), (9, 1)}})
    with h5py.File(b, "r+") as file:
        file["spikes/exc/timestamps"][0] = 99.0
    result = command("diff", a, b)
    assert (result.code, result.out) == (5, "")
    assert "b.h5: was changed after the run: row 1 of the spikes of exc" in result.err


def test_nothing_recorded_yet_compares_as_nothing(tmp_path, command) -> None:
    for name in ("a.h5", "b.h5"):
        Recorder(name, populations=SIZES, traces=[], dt=DT, duration=1.0, resolved_config="", facts={}).close(
            False, 0.0
        )
    result = command("diff", "a.h5", "b.h5")
    assert result.code == 0
    assert "0 to 0 ms" in result.out


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--atol", "-1"), 2, "--atol"),
        (("--atol", "nan"), 2, "no finite number"),
        (("--atol", "inf"), 2, "no finite number"),
        (("--start", "100 ms"), 2, "after the end of the recording"),
        (("--start", "5"), 2, "no unit"),
        (("--nodes", "900:901"), 2, "there are no cells from 900 on"),
        (("--population", "esc"), 2, "no population 'esc'"),
    ],
)
def test_bad_options_are_told(command, small_run, options, code, words) -> None:
    result = command("diff", small_run.output, small_run.output, *options)
    assert (result.code, result.out) == (code, "")
    assert words in result.err


def test_bad_files_are_told(command, tmp_path, small_run) -> None:
    assert command("diff", small_run.output).code == 2
    for pair in (("nowhere.h5", small_run.output), (small_run.output, "nowhere.h5")):
        result = command("diff", *pair)
        assert (result.code, result.out, result.err) == (5, "", "hhsim: nowhere.h5: there is no such file\n")
    path = recordings.write(tmp_path / "out.h5", {}, np.zeros((100, 3)), variable="na.m")
    (tmp_path / "out.na.m.h5").unlink()
    result = command("diff", path, path)
    assert (result.code, "out.na.m.h5: is missing" in result.err) == (5, True)
