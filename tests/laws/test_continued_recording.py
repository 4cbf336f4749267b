"""A recording that is continued is the recording that was never interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import libsonata
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_journal import DT, content

from hhsim.errors import FileFailed
from hhsim.recording import Recorder, TraceColumns, open_recording

TRACES = (TraceColumns("exc", "v", range(3), DT), TraceColumns("exc", "na.m", range(2), DT, "1"))


def recorder(path: Path, resume=None, duration: float = 100.0, traces=TRACES) -> Recorder:
    return Recorder(
        path,
        populations={"exc": 1000, "inh": 10},
        traces=traces,
        dt=DT,
        duration=duration,
        resolved_config=f"duration = {duration}",
        facts={"seed": 1, "versions.hhsim": "1"},
        resume=resume,
    )


def append(writer: Recorder, parts: range, end: bool = False) -> None:
    for i in parts:
        steps, nodes, frames = content(i)
        writer.append_spikes("exc", steps, nodes)
        writer.append_spikes("inh", steps[:5], np.arange(5) + i)
        writer.append_frames(0, frames)
        writer.append_frames(1, frames[:, :2])
        writer.flush(10.0 * (i + 1))
    if end:
        writer.close(True, 10.0 * parts.stop, {"simulate": 1.0}, "{}")


def everything(path: Path) -> tuple[object, ...]:
    with open_recording(path) as found:
        spikes = [(name, s.steps.tolist(), s.nodes.tolist()) for name, s in found.spikes.items()]
        traces = [(key, t.frames, t.data.tobytes()) for key, t in found.traces.items()]
        assert found.checksums == {name: found.sha256(name) for name in found.spikes}
        assert found.complete
        reader = libsonata.SpikeReader(str(path))["exc"].get_dict()
        assert list(reader["node_ids"]) == found.spikes["exc"].nodes.tolist()
        return spikes, traces, found.checksums, found.stopped_at_ms, found.duration_ms, found.config


@given(kept=st.integers(0, 4), lost=st.integers(0, 2), killed=st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_continued_recording_is_the_whole(kept, lost, killed, tmp_path_factory) -> None:
    """Written up to a checkpoint, further until it stopped, then continued from the checkpoint."""
    folder = tmp_path_factory.mktemp("continued")
    whole, parted = folder / "whole.h5", folder / "out.h5"
    with recorder(whole) as writer:
        append(writer, range(6), end=True)
    with recorder(parted) as writer:
        append(writer, range(kept))
        positions = writer.positions()
        append(writer, range(kept, kept + lost))
        if not killed:
            writer.close(False, 10.0 * (kept + lost))
    with recorder(parted, positions) as writer:
        append(writer, range(kept, 6), end=True)
    assert everything(parted) == everything(whole)
    assert sorted(path.name for path in folder.iterdir()) == [
        "out.h5", "out.na.m.h5", "whole.h5", "whole.na.m.h5",
    ]  # fmt: skip


def test_a_finished_recording_can_be_extended(tmp_path) -> None:
    path = tmp_path / "out.h5"
    with recorder(path) as writer:
        append(writer, range(4))
        positions = writer.positions()
        append(writer, range(4, 4), end=True)
    with recorder(path, positions, duration=200.0) as writer:
        append(writer, range(4, 6), end=True)
    with open_recording(path) as found:
        assert (found.duration_ms, found.config) == (200.0, "duration = 200.0")
        assert found.facts["resumed_at_ms"] == [40.0]
        assert len(found.spikes["exc"]) == 6 * 700


@pytest.fixture
def stopped(tmp_path: Path):
    """A recording that stopped, and its positions."""
    path = tmp_path / "out.h5"
    with recorder(path) as writer:
        append(writer, range(3))
        positions = writer.positions()
        append(writer, range(3, 4))
        writer.close(False, 40.0)
    return path, positions


def refused(path: Path, positions, match: str, **options) -> None:
    """Going on is refused, and nothing is changed."""
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(FileFailed, match=match):
        recorder(path, positions, **options)
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before


def test_what_was_changed_meanwhile_is_noticed(stopped) -> None:
    path, positions = stopped
    for place, change in (
        ("spikes/exc/timestamps", 55.5),
        ("spikes/inh/node_ids", 9),
        ("report/exc/data", 1.5),
    ):
        copy = path.with_name("copy.h5")
        shutil.copy(path, copy)
        shutil.copy(path.with_name("out.na.m.h5"), path.with_name("copy.na.m.h5"))
        with h5py.File(copy, "r+") as file:
            file[place][3] = change
        refused(copy, positions, "other (spikes|values) than were written")


def test_what_was_lost_meanwhile_is_noticed(stopped) -> None:
    path, positions = stopped
    for file in (path.with_name("out.na.m.h5"), path):
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        refused(path, positions, "cut off")
        file.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file["spikes/exc/timestamps"].resize((7,))
    refused(path, positions, "has lost rows: 7 of 2100")


def test_missing_files_and_those_of_another_run_are_refused(stopped, tmp_path) -> None:
    path, positions = stopped
    other = tmp_path / "other"
    other.mkdir()
    with recorder(other / "out.h5") as writer:
        append(writer, range(4), end=True)
    sibling = path.with_name("out.na.m.h5")
    ours = sibling.read_bytes()
    shutil.copy(other / "out.na.m.h5", sibling)
    with pytest.raises(FileFailed, match="belongs to another run"):
        recorder(path, positions)
    sibling.unlink()
    with pytest.raises(FileFailed, match="is gone"):
        recorder(path, positions)
    sibling.write_bytes(ours)
    with recorder(path, positions) as writer:
        append(writer, range(3, 6), end=True)
