"""`hhsim info`: what is in a recording is told as it is, and no changed byte of a spike goes unseen."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest
import recordings
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT

import hhsim
from hhsim.comparing.info import inspect
from hhsim.config import load
from hhsim.recording import Recorder

TRAIN = {"exc": {(3, 1), (3, 4), (20, 0), (700, 6)}, "inh": {(5, 2)}}


def told_of(result) -> dict:
    return json.loads(result.out)


def test_what_a_run_told_is_told_again(command, small, small_run) -> None:
    result = command("info", small_run.output, "--json")
    assert (result.code, result.err) == (0, "")
    told = told_of(result)
    assert told["state"] == "complete"
    assert told["written_by"] is None
    assert (told["seed"], told["method"], told["precision"], told["threads"]) == (
        small_run.seed,
        small_run.method,
        small_run.precision,
        small_run.threads,
    )
    assert (told["neurons"], told["synapses"]) == (small_run.neurons, small_run.synapses)
    assert (told["duration_ms"], told["stopped_at_ms"], told["dt_ms"]) == (100, 100, 0.1)
    assert told["timings_s"].keys() == small_run.wall_s.keys()
    assert told["versions"]["hhsim"] == hhsim.__version__
    assert told["machine"]["processor"]
    for name, population in told["populations"].items():
        assert population["spikes"] == small_run.spikes[name]
        assert population["rate_hz"] == pytest.approx(small_run.rate_hz[name])
        assert population["checksum"] == population["stored_checksum"] == small_run.spikes_sha256[name]
        assert (population["agrees"], population["fault"]) == (True, None)
    (trace,) = told["traces"]
    assert (trace["population"], trace["variable"], trace["unit"]) == ("exc", "v", "mV")
    assert (trace["cells"], trace["first_cell"], trace["last_cell"]) == (10, 0, 9)
    assert (trace["frames"], trace["every_ms"]) == (100, 1)
    assert told["files"] == [{"file": small_run.output, "bytes": os.stat(small_run.output).st_size}]
    assert told["config"] == load(small).resolved


def test_people_read_the_same(command, small_run) -> None:
    result = command("info", small_run.output)
    assert result.code == 0
    for words in (
        "complete",
        f"{small_run.spikes['exc']:,} spikes of 160 cells",
        "seed 2007",
        "float64",
        "100 frames of 10 cells (0 to 9), every 1 ms, in mV",
        "the same as those stored",
        f"numpy {np.__version__}",
    ):
        assert words in result.out


def test_the_stored_config_alone_can_be_run_again(command, small, small_run) -> None:
    result = command("info", small_run.output, "--config")
    assert (result.code, result.err) == (0, "")
    assert tomllib.loads(result.out)["run"]["seed"] == 2007
    Path("again.toml").write_text(result.out)
    assert load(Path("again.toml")).model == load(small).model


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_no_changed_byte_of_a_spike_goes_unseen(tmp_path_factory, data) -> None:
    path = recordings.write(tmp_path_factory.mktemp("changed") / "out.h5", TRAIN)
    name = data.draw(st.sampled_from(["exc", "inh"]))
    dataset = data.draw(st.sampled_from(["timestamps", "node_ids"]))
    with h5py.File(path) as file:
        chunk = file[f"spikes/{name}/{dataset}"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    at = chunk.byte_offset + data.draw(st.integers(0, 8 * len(TRAIN[name]) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    told = inspect(path)["populations"]
    other = "inh" if name == "exc" else "exc"
    assert told[name]["fault"] or told[name]["agrees"] is False
    assert (told[other]["fault"], told[other]["agrees"]) == (None, True)


def change(path: Path, dataset: str, row: int, value: float) -> None:
    with h5py.File(path, "r+") as file:
        file[dataset][row] = value


def test_a_changed_value_of_a_trace_is_seen(command, small_run, tmp_path) -> None:
    path = Path(shutil.copy(small_run.output, tmp_path / "changed.h5"))
    with hhsim.open(path) as recording:
        assert recording.trace_checksums == {("exc", "v"): recording.trace("exc").sha256()}
    with h5py.File(path, "r+") as file:
        file["report/exc/data"][57, 3] = np.nextafter(file["report/exc/data"][57, 3], np.float32(0))
    result = command("info", path)
    assert result.code == 7
    assert "v of exc is NOT what was written" in result.out
    assert "the trace of v of exc is not what was written: its checksum differs" in result.err
    damaged = command("recover", path)
    assert damaged.code == 5
    assert "its trace of v of exc is not that which was written" in damaged.err


@pytest.mark.parametrize(
    ("dataset", "row", "value", "words"),
    [
        ("spikes/exc/node_ids", 1, 5, "checksum differs"),
        ("spikes/exc/node_ids", 1, 7, "row 1 of the spikes of exc, cell 7"),
        ("spikes/exc/node_ids", 1, 1, "row 1 of the spikes of exc"),
        ("spikes/exc/timestamps", 2, 2.15, "row 2 of the spikes of exc, cell 0 at 2.15 ms"),
        ("spikes/inh/timestamps", 0, float("nan"), "row 0 of the spikes of inh, cell 2 at nan ms"),
        ("spikes/inh/timestamps", 0, 1e300, "row 0 of the spikes of inh"),
        ("spikes/exc/timestamps", 3, 0.1, "row 3 of the spikes of exc, cell 6 at 0.1 ms"),
    ],
)
def test_changed_spikes_are_named_with_exit_code_7(command, tmp_path, dataset, row, value, words) -> None:
    path = recordings.write(tmp_path / "out.h5", TRAIN)
    change(path, dataset, row, value)
    result = command("info", path)
    assert result.code == 7
    assert words in result.err
    assert "complete" not in result.out
    assert "NOT those that were written" in result.out
    assert "Traceback" not in result.err
    assert command("info", path, "--json").code == 7


def test_the_order_is_looked_at_across_pieces(tmp_path, monkeypatch) -> None:
    train = {"exc": {(step, step % 7) for step in range(50)}}
    path = recordings.write(tmp_path / "out.h5", train)
    monkeypatch.setattr("hhsim.recording.contents.SLAB", 8)
    assert inspect(path)["populations"]["exc"]["fault"] is None
    for dataset in ("timestamps", "node_ids"):
        with h5py.File(path, "r+") as file:
            file[f"spikes/exc/{dataset}"][16] = file[f"spikes/exc/{dataset}"][15]
    assert "row 16 " in inspect(path)["populations"]["exc"]["fault"]


def test_a_cut_off_recording_says_so_and_shows_its_checksum(command, tmp_path) -> None:
    path = recordings.write(tmp_path / "out.h5", TRAIN, cut_off=True)
    told = told_of(command("info", path, "--json"))
    assert (told["state"], told["stopped_at_ms"], told["duration_ms"]) == ("cut off", 50, 100)
    with hhsim.open(path) as recording:
        assert told["populations"]["exc"]["checksum"] == recording.sha256("exc")
    assert told["populations"]["exc"]["stored_checksum"] is told["populations"]["exc"]["agrees"] is None
    result = command("info", path)
    assert result.code == 0
    assert "50 ms of 100 ms" in result.out
    assert "cut off" in result.out
    assert "none were stored" in result.out
    assert told["populations"]["exc"]["checksum"] in result.out
    assert "another machine" in result.out  # may still write what has just changed
    os.utime(path, (0, 0))
    assert "another machine" not in command("info", path).out


def test_a_killed_writer_writes_no_more(tmp_path) -> None:
    code = (
        "import os, signal, sys; from hhsim.recording import Recorder\n"
        "recorder = Recorder(sys.argv[1], populations={'exc': 3}, traces=[], dt=0.1, duration=100.0,"
        " resolved_config='', facts={})\n"
        "recorder.flush(20.0); print('flushed', flush=True); sys.stdin.read()"
    )
    path = tmp_path / "out.h5"
    line = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"flushed\n"
        told = inspect(path)
        assert (told["state"], told["written_by"]) == ("being written", process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        told = inspect(path)
        assert (told["state"], told["written_by"], told["stopped_at_ms"]) == ("cut off", None, 20)


def test_a_reader_is_not_taken_for_a_writer(tmp_path) -> None:
    path = recordings.write(tmp_path / "out.h5", TRAIN, cut_off=True)
    with path.open("rb"):
        assert inspect(path)["state"] == "cut off"
    with path.open("rb+"):
        assert (inspect(path)["state"], inspect(path)["written_by"]) == ("being written", os.getpid())


def test_a_run_that_was_stopped_is_told_from_one_that_was_cut_off(tmp_path, command) -> None:
    path = tmp_path / "out.h5"
    with Recorder(
        path, populations={}, traces=[], dt=0.1, duration=100.0, resolved_config="", facts={}
    ) as recorder:
        recorder.close(False, 30.0, {"total": 1.0}, "{}")
    assert inspect(path)["state"] == "stopped"
    result = command("info", path)
    assert "30 ms of 100 ms" in result.out
    assert "stopped before its end" in result.out
    assert "no spikes were recorded" in result.out


def test_files_beside_it_are_told_and_missed(tmp_path, command) -> None:
    path = recordings.write(tmp_path / "out.h5", TRAIN, np.zeros((100, 3)), variable="na.m")
    beside = tmp_path / "out.na.m.h5"
    told = told_of(command("info", path, "--json"))
    assert [file["file"] for file in told["files"]] == [str(path), str(beside)]
    beside.unlink()
    result = command("info", path)
    assert result.code == 5
    assert f"{beside}: is missing" in result.err
    assert "complete" not in result.out
    assert "the spikes are as they were written" in result.out
    assert "na.m of exc could not be read" in result.out
    assert told_of(command("info", path, "--json"))["state"] == "damaged"
    assert "4 spikes of 7 cells" in result.out, "what there is, is told"
    other = recordings.write(tmp_path / "other.h5", TRAIN, np.zeros((100, 3)), variable="na.m")
    shutil.copy(other.with_name("other.na.m.h5"), beside)
    result = command("info", path)
    assert (result.code, "belongs to another run" in result.err) == (5, True)


def test_what_is_no_recording_is_refused(tmp_path, command) -> None:
    for name in ("nowhere.h5", "text.h5", "other.h5"):
        if name == "text.h5":
            Path(name).write_text("no recording")
        if name == "other.h5":
            h5py.File(name, "w").close()
        for options in ((), ("--json",), ("--config",)):
            result = command("info", name, *options)
            assert (result.code, result.out) == (5, "")
            assert result.err.startswith(f"hhsim: {name}: ")


def test_wrong_usage_is_told(command, small_run) -> None:
    assert command("info").code == 2
    result = command("info", small_run.output, "--json", "--config")
    assert (result.code, result.out) == (2, "")
