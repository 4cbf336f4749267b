"""Parts of a recording: windows share no spike and lose none, and reading a part is a part of reading all."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hhsim
from hhsim.errors import SelectionRefused
from hhsim.recording import TraceColumns, open_recording, select
from hhsim.recording.writer import Recorder

DT = 0.1


@given(st.lists(st.integers(0, 1000), min_size=0, max_size=5))
@settings(deadline=None, max_examples=50)
def test_windows_share_no_spike_and_lose_none(small_run, cuts) -> None:
    edges = [0.0, *sorted(cut * DT for cut in cuts), 100.0]
    with hhsim.open(small_run.output) as recording:
        spikes = recording.spikes["exc"]
        rows = [spikes.rows(a, b) for a, b in pairwise(edges)]
        assert [row for part in rows for row in part] == list(range(len(spikes)))
        for (a, b), part in zip(pairwise(edges), rows, strict=True):
            steps = spikes.steps[part.start : part.stop]
            assert np.all((steps >= round(a / DT)) & (steps < round(b / DT)))


def test_pieces_put_together_are_all_spikes(small_run, monkeypatch) -> None:
    monkeypatch.setattr("hhsim.recording.contents.SLAB", 7)
    with hhsim.open(small_run.output) as recording:
        spikes = recording.spikes["inh"]
        pieces = list(spikes.pieces())
        assert max(len(times) for times, _ in pieces) == 7
        assert np.array_equal(np.concatenate([times for times, _ in pieces]), spikes.times_ms)
        assert np.array_equal(np.concatenate([nodes for _, nodes in pieces]), spikes.nodes)
        part = list(spikes.pieces(range(5, 16)))
        assert np.array_equal(np.concatenate([nodes for _, nodes in part]), spikes.nodes[5:16])


def test_a_part_of_a_trace(small_run) -> None:
    with hhsim.open(small_run.output) as recording:
        trace = recording.trace("exc", "v")
        assert np.array_equal(trace.read(range(10, 90, 7), slice(2, 5)), trace.data[10:90:7, 2:5])


def test_all_is_selected_by_default(small_run) -> None:
    with hhsim.open(small_run.output) as recording:
        selection = select(recording)
        assert selection.whole
        assert (selection.start_ms, selection.stop_ms) == (0, 100)
        assert selection.cells == {"exc": range(160), "inh": range(40)}
        part = select(recording, start_ms=20, stop_ms=500, nodes=(30, 50), populations=["inh"])
        assert not part.whole
        assert (part.start_ms, part.stop_ms, part.cells) == (20, 100, {"inh": range(30, 40)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_ms": 100.0}, "starts at 100 ms, after the end of the recording at 100 ms"),
        ({"start_ms": -1.0}, "0 ms or later, not at -1 ms"),
        ({"start_ms": 50.0, "stop_ms": 20.0}, "between 50 and 20 ms"),
        ({"populations": ["esc"]}, "there are: exc, inh"),
        ({"nodes": (5, 5)}, "a range is FIRST:END"),
        ({"nodes": (160, 170)}, "the largest population has 160"),
    ],
)
def test_what_is_not_there_is_refused(small_run, arguments, message) -> None:
    with hhsim.open(small_run.output) as recording, pytest.raises(SelectionRefused, match=message):
        select(recording, **arguments)


def test_a_population_of_which_only_traces_are_recorded_has_the_traced_cells(tmp_path) -> None:
    writer = Recorder(
        tmp_path / "out.h5",
        populations={},
        traces=[TraceColumns("exc", "v", (3, 8), 0.1)],
        dt=DT,
        duration=1.0,
        resolved_config="",
        facts={},
    )
    with writer:
        writer.append_frames(0, np.zeros((10, 2), np.float32))
        writer.close(True, 1.0, {}, "{}")
    with open_recording(tmp_path / "out.h5") as recording:
        assert recording.sizes == {"exc": 9}
        assert select(recording).cells == {"exc": range(9)}


def test_populations_are_in_the_order_of_the_config(tmp_path) -> None:
    config = "[population.thalamus]\n[population.cortex]\n[population.area]\n"
    names = ["thalamus", "cortex", "area"]
    for text, wanted in ((config, names), ("", sorted(names)), ("no = toml = 1", sorted(names))):
        writer = Recorder(
            tmp_path / "out.h5",
            populations=dict.fromkeys(sorted(names), 3),
            traces=[],
            dt=DT,
            duration=1.0,
            resolved_config=text,
            facts={},
            overwrite=True,
        )
        writer.close(True, 1.0)
        with open_recording(tmp_path / "out.h5") as recording:
            assert list(recording.populations) == list(recording.spikes) == wanted
