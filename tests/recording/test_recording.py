"""The output file: what goes in comes out, for us and for other people's readers, whatever happens."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp
from places import ROOT

from hhsim.errors import FileFailed, OutputExists
from hhsim.recording import Recorder, TraceColumns, check_output, open_recording
from hhsim.recording.layout import FrameClock, frame_chunk, frame_rows, sibling_path

libsonata = pytest.importorskip("libsonata")

DT = 0.1
TRACES = (
    TraceColumns("exc", "v", range(2, 6), 0.1),
    TraceColumns("inh", "v", (1, 4, 9), 0.7),
    TraceColumns("exc", "na.m", range(3), 0.1, units="1"),
)


def recorder(path: Path, traces: tuple[TraceColumns, ...] = TRACES, overwrite: bool = False) -> Recorder:
    return Recorder(
        path,
        populations={"exc": 4000, "inh": 1000},
        traces=traces,
        dt=DT,
        duration=1000.0,
        resolved_config='title = "Erregung µ"\n',
        facts={"seed": 2007, "versions.hhsim": "0.1.0", "machine": "x86", "load": 0.5, "big": 2**64 - 1},
        overwrite=overwrite,
    )


def sha256(steps: np.ndarray, nodes: np.ndarray) -> str:
    return hashlib.sha256(steps.astype("<i8").tobytes() + nodes.astype("<i8").tobytes()).hexdigest()


def some_spikes(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    steps, nodes = np.divmod(rng.choice(10000 * 1000, count, replace=False), 1000)
    order = np.lexsort((nodes, steps))
    return steps[order], nodes[order]


def write_example(path: Path, overwrite: bool = False) -> dict[str, np.ndarray]:
    """A finished recording of 20000 spikes, and 43 frames: bmtk's arithmetic falls one short of 4.3 / 0.1."""
    steps, nodes = some_spikes(20000)
    frames = np.random.default_rng(2).random((43, 4), np.float32)
    with recorder(path, overwrite=overwrite) as out:
        out.append_spikes("exc", steps, nodes)
        out.append_frames(0, frames)
        out.append_frames(1, frames[:, 1:])
        out.append_frames(2, frames[:, :3] / 2)
        out.close(True, 1000.0, {"simulate": 1.5}, json.dumps({"rate_hz": 36.0}))
    return {"steps": steps, "nodes": nodes, "frames": frames}


# --- what goes in comes out ---------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(), count=st.sampled_from([0, 1, 7, 3000, 70000]), frames=st.sampled_from([0, 1, 300, 5000])
)
def test_how_rows_are_cut_leaves_no_trace(tmp_path_factory, data, count, frames) -> None:
    """Any pieces, with or without flushes between, give the same datasets and the same checksum."""
    path = tmp_path_factory.mktemp("cut") / "out.h5"
    steps, nodes = some_spikes(count)
    values = np.arange(frames * 4, dtype=np.float32).reshape(frames, 4)
    cuts = data.draw(stnp.arrays(np.float64, st.integers(0, 5), elements=st.floats(0, 1)))
    flushes = data.draw(st.sets(st.integers(0, 5)))
    edges = [0.0, *np.sort(cuts), 1.0]
    with recorder(path) as out:
        for piece, (start, stop) in enumerate(pairwise(edges)):
            part = slice(int(start * count), int(stop * count))
            out.append_spikes("inh", steps[part], nodes[part])
            out.append_frames(0, values[int(start * frames) : int(stop * frames)])
            if piece in flushes:
                out.flush(stop)
        assert out.sha256()["inh"] == sha256(steps, nodes)
        assert out.spike_counts() == {"exc": 0, "inh": count}
        out.close(True, 1000.0)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["spikes/inh/timestamps"][:], (steps + 1) * DT)
        np.testing.assert_array_equal(file["spikes/inh/node_ids"][:], nodes)
        np.testing.assert_array_equal(file["report/exc/data"][:], values)
    with open_recording(path) as found:
        np.testing.assert_array_equal(found.spikes["inh"].steps, steps)
        assert found.checksums["inh"] == found.sha256("inh") == sha256(steps, nodes)


def test_a_recording_tells_all_that_it_was_given(tmp_path) -> None:
    given_rows = write_example(tmp_path / "out.h5")
    with open_recording(tmp_path / "out.h5") as found:
        assert found.complete
        assert (found.dt_ms, found.duration_ms, found.stopped_at_ms) == (DT, 1000.0, 1000.0)
        assert found.populations == {"exc": 4000, "inh": 1000}
        assert found.config == 'title = "Erregung µ"\n'
        assert found.seed == 2007
        assert found.versions == {"hhsim": "0.1.0"}
        assert found.facts == {
            "seed": 2007,
            "versions.hhsim": "0.1.0",
            "machine": "x86",
            "load": 0.5,
            "big": 2**64 - 1,
        }
        assert found.timings == {"simulate": 1.5}
        assert found.summary == {"rate_hz": 36.0}
        spikes = found.spikes["exc"]
        np.testing.assert_array_equal(spikes.steps, given_rows["steps"])
        np.testing.assert_array_equal(spikes.nodes, given_rows["nodes"])
        np.testing.assert_array_equal(spikes.times_ms, (given_rows["steps"] + 1) * DT)
        assert len(found.spikes["inh"]) == len(found.spikes["inh"].nodes) == 0
        assert list(found.traces) == [("exc", "v"), ("inh", "v"), ("exc", "na.m")]
        np.testing.assert_array_equal(found.trace("exc").data, given_rows["frames"])
        np.testing.assert_array_equal(found.trace("exc").t_ms, np.arange(43) * 0.1)
        np.testing.assert_array_equal(found.traces["inh", "v"].nodes, [1, 4, 9])
        gate = found.trace("exc", "na.m")
        assert (gate.units, gate.variable, gate.every_ms) == ("1", "na.m", 0.1)
        np.testing.assert_array_equal(gate.data, given_rows["frames"][:, :3] / 2)
        assert "20000 spikes of exc" in repr(found)
        with pytest.raises(KeyError, match=r"no trace of k\.n of exc was recorded"):
            found.trace("exc", "k.n")


# --- other people's readers ---------------------------------------------------------------------------


def test_libsonata_reads_the_same(tmp_path) -> None:
    given_rows = write_example(tmp_path / "out.h5")
    reader = libsonata.SpikeReader(str(tmp_path / "out.h5"))
    assert reader.get_population_names() == ["exc", "inh"]
    assert reader["exc"].sorting == "by_time"
    assert reader["exc"].time_units == "ms"
    spikes = reader["exc"].get_dict()
    np.testing.assert_array_equal(spikes["node_ids"], given_rows["nodes"])
    np.testing.assert_array_equal(spikes["timestamps"], (given_rows["steps"] + 1) * DT)
    assert len(reader["inh"].get_dict()["node_ids"]) == 0
    reports = libsonata.ElementReportReader(str(tmp_path / "out.h5"))
    assert reports.get_population_names() == ["exc", "inh"]
    assert reports["exc"].data_units == "mV"
    np.testing.assert_array_equal(reports["exc"].get().data, given_rows["frames"])
    np.testing.assert_array_equal(reports["inh"].get().data, given_rows["frames"][:, 1:])
    np.testing.assert_array_equal(reports["inh"].get_node_ids(), [1, 4, 9])
    gates = libsonata.ElementReportReader(str(tmp_path / "out.na.m.h5"))["exc"]
    np.testing.assert_array_equal(gates.get().data, given_rows["frames"][:, :3] / 2)


@pytest.mark.filterwarnings("ignore")  # bmtk's own
def test_bmtk_reads_the_same(tmp_path) -> None:
    spike_trains = pytest.importorskip("bmtk.utils.reports.spike_trains")
    compartment = pytest.importorskip("bmtk.utils.reports.compartment")
    given_rows = write_example(tmp_path / "out.h5")
    trains = spike_trains.SpikeTrains.load(str(tmp_path / "out.h5"))
    node = int(given_rows["nodes"][0])
    expected = (given_rows["steps"][given_rows["nodes"] == node] + 1) * DT
    np.testing.assert_array_equal(np.sort(trains.get_times(node_id=node, population="exc")), expected)
    report = compartment.CompartmentReport(str(tmp_path / "out.h5"))["exc"]
    assert (report.variable(), report.units()) == ("v", "mV")
    np.testing.assert_array_equal(report.data(), given_rows["frames"])
    np.testing.assert_array_equal(report.data(node_id=3)[:, 0], given_rows["frames"][:, 1])


@given(
    every=st.sampled_from([0.1, 0.05, 0.025, 0.2, 0.3, 0.7, 1.0, 1 / 3, 12.5]), frames=st.integers(0, 3000)
)
@settings(max_examples=200, deadline=None)
def test_readers_count_the_frames_that_are_there(every, frames) -> None:
    """Their arithmetic, repeated on purpose: libsonata adds up, bmtk divides."""
    clock = FrameClock(every)
    clock.advance(frames // 3)
    clock.advance(frames - frames // 3)
    t, counted = 0.0, 0
    while t < clock.stop - 1e-6:
        t, counted = t + every, counted + 1
    assert counted == frames
    assert int(clock.stop / every) == frames
    assert clock.stop == pytest.approx(frames * every, rel=1e-15)


def test_libsonata_counts_long_reports(tmp_path) -> None:
    """With stop = frames * every, libsonata 0.2.2 would read one frame too many from 536351 at 0.2 ms on."""
    frames = 540_000
    with recorder(tmp_path / "out.h5", (TraceColumns("exc", "v", range(1), 0.2),)) as out:
        out.append_frames(0, np.arange(frames, dtype=np.float32)[:, None])
    report = libsonata.ElementReportReader(str(tmp_path / "out.h5"))["exc"].get()
    assert len(report.times) == frames
    np.testing.assert_array_equal(report.data[:, 0], np.arange(frames))
    with open_recording(tmp_path / "out.h5") as found:
        assert found.trace("exc").frames == frames


def test_a_main_file_without_v_is_still_readable(tmp_path) -> None:
    with recorder(tmp_path / "out.h5", (TraceColumns("exc", "g.exc", range(2), 1.0, "nS"),)) as out:
        out.append_frames(0, np.ones((3, 2), np.float32))
    assert libsonata.ElementReportReader(str(tmp_path / "out.h5")).get_population_names() == []
    assert libsonata.ElementReportReader(str(tmp_path / "out.g.exc.h5"))["exc"].get().data.shape == (3, 2)


# --- while it is written, and after accidents ---------------------------------------------------------

WRITER = """
import sys
import numpy as np
from hhsim.recording import Recorder, TraceColumns
traces = [TraceColumns("exc", "v", range(3), 0.1), TraceColumns("exc", "na.m", range(3), 0.1, "1")]
with Recorder(sys.argv[1], populations={"exc": 4000}, traces=traces, dt=0.1, duration=1e6,
              resolved_config="", facts={}) as out:
    step = 0
    while True:  # each step: 20 spikes, 1 frame
        for _ in range(50):
            out.append_spikes("exc", np.full(20, step), np.arange(20))
            for trace in range(2):
                out.append_frames(trace, np.full((1, 3), step, np.float32))
            step += 1
        out.flush(step * 0.1)
        print(step, flush=True)
        if sys.stdin.readline() != "on\\n":
            break
    out.append_spikes("exc", np.full(20, step), np.arange(20))  # never flushed
    print("hanging", flush=True)
    sys.stdin.readline()
"""

READER = """
import json, sys
import libsonata
spikes = libsonata.SpikeReader(sys.argv[1])["exc"].get_dict()
answer = {"spikes": len(spikes["node_ids"]), "last": float(spikes["timestamps"][-1])}
for name in sys.argv[1:]:
    data = libsonata.ElementReportReader(name)["exc"].get().data
    answer.setdefault("frames", []).append([len(data), float(data[-1, -1])])
from bmtk.utils.reports.compartment import CompartmentReport
answer["bmtk"] = len(CompartmentReport(sys.argv[1])["exc"].data())
print(json.dumps(answer))
"""


def plain_environment() -> dict[str, str]:
    """As a user's shell has it: readers get no help from HDF5_USE_FILE_LOCKING."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HDF5_")}
    return kept | {"PYTHONPATH": str(ROOT)}


def start_writer(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=plain_environment()
    )


def test_others_read_while_the_run_goes_on_and_after_a_kill(tmp_path) -> None:
    path = tmp_path / "out.h5"
    with start_writer(path) as writer:
        try:
            assert writer.stdin is not None
            assert writer.stdout is not None
            for _ in range(3):
                flushed = int(writer.stdout.readline())
                if flushed < 150:
                    writer.stdin.write("on\n")
                    writer.stdin.flush()
            command = [sys.executable, "-c", READER, str(path), str(sibling_path(path, "na.m"))]
            answer = json.loads(subprocess.check_output(command, env=plain_environment()))
            expected = {
                "spikes": 20 * flushed,
                "last": flushed * 0.1,
                "frames": [[flushed, flushed - 1.0]] * 2,
                "bmtk": flushed,
            }
            assert answer == expected
            with open_recording(path) as found:
                assert not found.complete
                assert found.stopped_at_ms == flushed * 0.1
                assert found.trace("exc").data[-1, 0] == flushed - 1
            writer.stdin.write("hang\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == "hanging\n"
        finally:
            writer.kill()
    assert writer.returncode == -signal.SIGKILL
    with open_recording(path) as found:
        assert "incomplete" in repr(found)
        assert len(found.spikes["exc"]) == 20 * flushed
        assert found.trace("exc", "na.m").frames == flushed
        expected_hash = sha256(np.repeat(np.arange(flushed), 20), np.tile(np.arange(20), flushed))
        assert found.sha256("exc") == expected_hash
    assert json.loads(subprocess.check_output(command, env=plain_environment())) == expected


def test_a_new_file_can_be_read_before_the_first_flush(tmp_path) -> None:
    with recorder(tmp_path / "new.h5"):
        assert libsonata.SpikeReader(str(tmp_path / "new.h5"))["exc"].get_dict()["node_ids"].size == 0
        report = libsonata.ElementReportReader(str(tmp_path / "new.h5"))["exc"]
        assert report.times == (0.0, 0.0, 0.1)  # it can be opened, though libsonata will not `get` no frames


def test_a_file_does_not_change_between_flushes(tmp_path) -> None:
    """Only bytes beyond its end are added: whatever happens, it is what the last flush left."""
    path = tmp_path / "out.h5"
    steps, nodes = some_spikes(300_000)
    with recorder(path) as out:
        out.append_spikes("exc", steps[:1000], nodes[:1000])
        out.append_frames(0, np.ones((100, 4), np.float32))
        out.flush(1.0)
        before = path.read_bytes()
        out.append_spikes("exc", steps[1000:], nodes[1000:])
        out.append_frames(0, np.ones((9000, 4), np.float32))
        assert out.sha256()["exc"] == sha256(steps, nodes)
        after = path.read_bytes()
        assert len(after) > len(before)
        assert after[: len(before)] == before
        out.flush(2.0)
        assert path.read_bytes()[: len(before)] != before


def test_the_shorter_array_counts_after_a_torn_flush(tmp_path) -> None:
    write_example(tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5", "r+") as file:
        file["spikes/exc/node_ids"].resize((19990,))
        file["report/exc/data"].resize(40, axis=0)
    with open_recording(tmp_path / "out.h5") as found:
        assert len(found.spikes["exc"].times_ms) == len(found.spikes["exc"].nodes) == 19990
        assert len(found.trace("exc").t_ms) == len(found.trace("exc").data) == 40


def test_an_error_under_way_leaves_a_readable_file(tmp_path) -> None:
    def diverging_run() -> None:
        with recorder(tmp_path / "out.h5") as out:
            out.append_spikes("exc", np.array([3]), np.array([5]))
            out.flush(1.0)
            out.append_spikes("exc", np.array([4]), np.array([6]))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        diverging_run()
    with open_recording(tmp_path / "out.h5") as found:
        assert (found.complete, found.stopped_at_ms, len(found.spikes["exc"])) == (False, 1.0, 2)


FULL_DISK = """
import resource, sys
import numpy as np
from hhsim.errors import FileFailed, exit_code_of
from hhsim.recording import Recorder, TraceColumns
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    with Recorder(sys.argv[1], populations={"exc": 40000}, traces=[TraceColumns("exc", "v", range(100), 0.1)],
                  dt=0.1, duration=1e6, resolved_config="", facts={}) as out:
        for step in range(1000):
            out.append_spikes("exc", np.full(1000, step), np.arange(1000))
            out.append_frames(0, np.full((10, 100), step, np.float32))
            out.flush((step + 1) * 0.1)
            print(step, flush=True)
except FileFailed as error:
    print(error)
    sys.exit(exit_code_of(error))
"""


@pytest.mark.parametrize("limit", [5_000, 3_000_000])
def test_a_full_disk_is_an_error_that_keeps_what_was_flushed(tmp_path, limit) -> None:
    """HDF5's own driver would end the process with a segmentation fault. (A limit stands in for the disk.)"""
    path = tmp_path / "out.h5"
    command = [sys.executable, "-c", FULL_DISK, str(path), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, env=plain_environment(), check=False)
    assert done.returncode == 5
    assert done.stderr == ""
    *steps, message = done.stdout.splitlines()
    assert message == f"{path}: no space is left to write it (File too large)"
    if not steps:
        assert list(tmp_path.iterdir()) == []
        return
    flushed = len(steps)
    with open_recording(path) as found:
        assert found.stopped_at_ms == pytest.approx(flushed * 0.1)
        expected = sha256(np.repeat(np.arange(flushed), 1000), np.tile(np.arange(1000), flushed))
        assert found.sha256("exc") == expected
        np.testing.assert_array_equal(found.trace("exc").data[:, 7], np.repeat(np.arange(flushed), 10))


# --- files that are there, or not, or something else --------------------------------------------------


def test_an_existing_output_is_refused_and_stays(tmp_path) -> None:
    for name in ("out.h5", "out.na.m.h5"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(OutputExists, match=f"{name}: the file exists already"):
            check_output(tmp_path / "out.h5", ["v", "na.m"])
        with pytest.raises(OutputExists):
            recorder(tmp_path / "out.h5")
        assert [file.name for file in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()


def test_overwriting_replaces_what_belongs_together(tmp_path) -> None:
    write_example(tmp_path / "out.h5")
    (tmp_path / "out.g.exc.h5").write_text("of somebody else")
    with recorder(tmp_path / "out.h5", (), overwrite=True) as out:
        out.close(True, 0.0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.g.exc.h5", "out.h5"]
    with open_recording(tmp_path / "out.h5") as found:
        assert len(found.spikes["exc"]) == len(found.traces) == 0


def test_a_failed_creation_leaves_the_old_output(tmp_path, monkeypatch) -> None:
    write_example(tmp_path / "out.h5")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hhsim.recording.layout.create_report", fail)
    with pytest.raises(FileFailed, match="no space is left"):
        recorder(tmp_path / "out.h5", overwrite=True)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_link_keeps_pointing_at_the_output(tmp_path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out.h5").symlink_to(tmp_path / "disk" / "real.h5")
    write_example(tmp_path / "out.h5")
    assert (tmp_path / "out.h5").is_symlink()
    with open_recording(tmp_path / "disk" / "real.h5") as found:
        assert found.complete


def test_places_that_cannot_be_written_are_refused_in_plain_words(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    for path, reason in [
        (tmp_path / "nix" / "out.h5", f"the folder {tmp_path / 'nix'} does not exist"),
        (tmp_path / "file" / "out.h5", f"{tmp_path / 'file'} is not a folder"),
        (tmp_path / "file" / "deep" / "out.h5", f"{tmp_path / 'file'} is not a folder"),
        (tmp_path, "is a folder"),
        (Path("/proc/out.h5"), "it cannot be written in the folder /proc (No such file or directory)"),
    ]:
        with pytest.raises(FileFailed) as refused:
            check_output(path)
        assert (refused.value.path, refused.value.reason) == (str(path), reason)
        with pytest.raises(FileFailed):
            recorder(path)
    with pytest.raises(FileFailed, match="is not a regular file"):
        check_output("/dev/null", overwrite=True)


def test_two_traces_of_one_variable_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="two traces of the same variable"):
        recorder(tmp_path / "out.h5", (TRACES[0], TRACES[0]))
    assert list(tmp_path.iterdir()) == []


def test_rows_that_do_not_fit_are_the_callers_mistake(tmp_path) -> None:
    with recorder(tmp_path / "out.h5") as out:
        with pytest.raises(ValueError, match="2 steps, but 1 nodes"):
            out.append_spikes("exc", np.array([1, 2]), np.array([1]))
        with pytest.raises(ValueError, match=r"frames of shape \(2, 3\) for a report of 4 nodes"):
            out.append_frames(0, np.zeros((2, 3), np.float32))
        with pytest.raises(KeyError):
            out.append_spikes("nix", np.array([1]), np.array([1]))


def refusal(path: Path) -> str:
    with pytest.raises(FileFailed) as refused:
        open_recording(path)
    assert refused.value.path == str(path)
    return refused.value.reason


def test_files_that_are_no_recordings_are_refused_in_plain_words(tmp_path) -> None:
    path = tmp_path / "in.h5"
    assert refusal(path) == "there is no such file"
    path.write_text("[run]\n")
    os.utime(path, (1, 1))
    assert refusal(path) == "is not an HDF5 file"
    with h5py.File(path, "w") as file:
        file["spikes/exc/node_ids"] = [1]
    assert refusal(path) == "is an HDF5 file, but no recording of hhsim"
    write_example(tmp_path / "out.h5")
    whole = (tmp_path / "out.h5").read_bytes()
    path.write_bytes(whole[:100_000])
    os.utime(path, (1, 1))
    assert refusal(path) == f"the file is cut off: 100000 of {len(whole)} bytes are there"
    with h5py.File(tmp_path / "out.h5", "r+") as file:
        del file["spikes/inh/node_ids"]
    assert refusal(tmp_path / "out.h5").startswith("is damaged, or no recording of hhsim")


def test_a_trace_file_that_is_missing_or_of_another_run_is_named(tmp_path) -> None:
    write_example(tmp_path / "out.h5")
    write_example(tmp_path / "other.h5")
    (tmp_path / "other.na.m.h5").replace(tmp_path / "out.na.m.h5")
    with open_recording(tmp_path / "out.h5") as found:
        with pytest.raises(FileFailed, match=r"out\.na\.m\.h5: belongs to another run than out\.h5"):
            found.trace("exc", "na.m")
        assert found.trace("exc", "v").frames == 43
    with (
        open_recording(tmp_path / "other.h5") as found,
        pytest.raises(FileFailed, match=r"other\.na\.m\.h5: is missing"),
    ):
        found.trace("exc", "na.m")


def test_a_closed_recording_keeps_what_was_read(tmp_path) -> None:
    write_example(tmp_path / "out.h5")
    found = open_recording(tmp_path / "out.h5")
    assert len(found.spikes["exc"].nodes) == 20000
    found.close()
    assert len(found.spikes["exc"].nodes) == len(found.spikes["exc"].times_ms) == 20000
    found = open_recording(tmp_path / "out.h5")
    found.close()
    with pytest.raises(FileFailed, match="closed before this was read"):
        _ = found.spikes["exc"].times_ms


@pytest.mark.parametrize(
    ("path", "variable", "beside"),
    [
        ("out.h5", "v", "out.h5"),
        ("a/out.h5", "na.m", "a/out.na.m.h5"),
        ("run.2.h5", "g.exc", "run.2.g.exc.h5"),
        ("run.2.hdf5", "g.exc", "run.2.hdf5.g.exc.hdf5"),
        ("run.2", "g.exc", "run.2.g.exc.hdf5"),
    ],
)
def test_names_of_the_files_beside(path, variable, beside) -> None:
    assert sibling_path(Path(path), variable) == Path(beside)


# --- cost ---------------------------------------------------------------------------------------------


@given(count=st.integers(1, 3_000_000))
@settings(deadline=None)
def test_chunks_and_buffers_of_frames_have_a_constant_size(count) -> None:
    rows, columns = frame_chunk(count)
    assert frame_rows(count) % rows == 0
    assert frame_rows(count) * count * 4 <= max(1 << 20, count * 4)
    assert 1 <= columns <= count
    assert rows * columns * 4 <= 1 << 16
    strips = -(-count // columns)
    assert strips * columns < count + strips  # so little is wasted at the edge


def test_memory_does_not_grow_with_the_run(tmp_path) -> None:
    """5 million spikes and 100 MB of frames, in pieces: the same few MB as for the first tenth of them."""
    steps, nodes = np.arange(50_000), np.arange(50_000)
    frames = np.ones((250, 100), np.float32)
    peaks = []
    with recorder(tmp_path / "out.h5", (TraceColumns("exc", "v", range(100), 0.1),)) as out:
        tracemalloc.start()
        try:
            for block in range(100):
                for _ in range(10):
                    out.append_frames(0, frames)
                out.append_spikes("exc", steps + block, nodes)
                out.flush(float(block))
                if block in (9, 99):
                    peaks.append(tracemalloc.get_traced_memory()[1])
                    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf(
                        "SC_PAGE_SIZE"
                    )
                    peaks.append(resident)
        finally:
            tracemalloc.stop()
        out.close(True, 1.0)
    traced_early, resident_early, traced_late, resident_late = peaks
    assert traced_late < traced_early + 1e6  # of 180 MB that were written in between
    assert traced_late < 20e6
    assert resident_late < resident_early + 10e6


def test_flushing_often_takes_no_more_space(tmp_path) -> None:
    sizes = []
    for flushes in (1, 200):
        path = tmp_path / f"{flushes}.h5"
        with recorder(path, ()) as out:
            for step in range(200):
                out.append_spikes("exc", np.full(100, step), np.arange(100))
                if step % (200 // flushes) == 0:
                    out.flush(step * DT)
            out.close(True, 20.0)
        sizes.append(path.stat().st_size)
    assert sizes[0] == sizes[1]


def test_the_room_imports_nothing_heavy() -> None:
    heavy = ("numba", "click", "pint", "pydantic")
    code = f"import sys, hhsim.recording; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.check_output([sys.executable, "-c", code], text=True, env=plain_environment())
    assert answer == "[]\n"
