"""Damaged files: what the study of them found, each kind for itself, and a short study."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import CONFIGS

from hhsim.errors import FileFailed
from hhsim.recording import Recorder, TraceColumns, open_recording
from hhsim.system.hdf5 import foreign, open_plain

STUDY = CONFIGS.parent / "scripts" / "damage_study.py"
TRACES = [TraceColumns("exc", "v", range(2), 1.0), TraceColumns("exc", "na.m", range(2), 1.0, "1")]


def recorder(path: Path, resume=None) -> Recorder:
    return Recorder(
        path,
        populations={"exc": 5},
        traces=TRACES,
        dt=0.1,
        duration=100.0,
        resolved_config="",
        facts={},
        resume=resume,
    )


@pytest.mark.parametrize("key", [24, 40])
def test_a_name_that_cannot_be_looked_up_is_refused_in_words(tmp_path, key) -> None:
    """The tree of a group points beyond its heap of names: what h5py raised within a visit of the library
    became a SystemError."""
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file["spikes/exc/timestamps"] = np.arange(3.0)
    whole = path.read_bytes()
    nodes = [at for at in range(len(whole)) if whole.startswith(b"TREE\0", at)]
    assert len(nodes) == 3
    for node in nodes:
        damaged = bytearray(whole)
        damaged[node + key : node + key + 8] = (1 << 20).to_bytes(8, "little")
        path.write_bytes(damaged)
        with pytest.raises(FileFailed, match="cannot be read as numbers"), foreign(path, "numbers"):
            open_plain(path)


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("name", ["out.h5", "out.na.m.h5"])
@pytest.mark.parametrize("place", ["node_ids", "time", "element_pos"])
def test_a_run_does_not_go_on_with_another_mapping(tmp_path, closed, name, place) -> None:
    """What it would sign at its end as if it had written it."""
    path = tmp_path / "out.h5"
    out = recorder(path)
    for trace in range(2):
        out.append_frames(trace, np.zeros((5, 2), np.float32))
    out.flush(5.0)
    positions = out.positions()
    if closed:
        out.close(False, 5.0)
    else:
        files = {each: each.read_bytes() for each in tmp_path.glob("*.h5")}
        out.close(False, 5.0)
        for each, data in files.items():
            each.write_bytes(data)
    recorder(path, positions).close(False, 5.0)  # as it is, it goes on
    with open_recording(path) as recording:
        recording.verify()
    with h5py.File(tmp_path / name, "r+") as file:
        values = file[f"report/exc/mapping/{place}"]
        values[-1] = values[-1] + 1
        if not closed:
            del file["hhsim"].attrs["content_sha256"]
    before = (tmp_path / name).read_bytes()
    with pytest.raises(FileFailed, match=r"what (surrounds|it tells)"):
        recorder(path, positions)
    assert (tmp_path / name).read_bytes() == before


def test_no_damaged_copy_ends_in_a_fault(tmp_path) -> None:
    """A short study; the long one is the script's own default."""
    line = [sys.executable, str(STUDY), "--copies", "80", "--commands", "1", "--seed", "1"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "80 copies" in done.stdout
