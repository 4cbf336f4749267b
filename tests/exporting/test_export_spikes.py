"""`hhsim export-spikes`: each format, read back by its own readers, has the same spikes of the same cells."""

from __future__ import annotations

import csv
import json
import os
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hhsim
from hhsim.commands.export_spikes import export_spikes as command_itself
from hhsim.exporting import export_spikes
from hhsim.exporting.formats import csv as table
from hhsim.recording import Recorder, TraceColumns, open_recording, select
from hhsim.simulation.checkpoint.container import MAGIC

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what these import is their own affair
    import pynwb
    from neo.io import NWBIO, NixIO

Spikes = dict[tuple[str, int], list[int]]  # the steps at which each cell fired; cells without a spike as well

KINDS = ("csv", "npz", "nix", "nwb")


def record(path: Path, populations: dict[str, int], spikes: dict[str, list[tuple[int, int]]], dt=0.1, **more):
    with Recorder(
        path,
        populations=populations,
        traces=more.get("traces", []),
        dt=dt,
        duration=100 * dt,
        resolved_config="# a config",
        facts={"seed": 5},
        overwrite=True,
    ) as writer:
        for name, rows in spikes.items():
            steps, nodes = (np.array(column, np.int64) for column in zip(*sorted(rows), strict=True))
            writer.append_spikes(name, steps, nodes)
        writer.close(more.get("complete", True), more.get("stopped", 100 * dt), {}, "{}")
    return path


def expected(path: Path, **choice) -> Spikes:
    """By plain loops, from the recording itself."""
    with open_recording(path) as recording:
        selection = select(recording, **choice)
        spikes: Spikes = {
            (name, node): []
            for name, cells in selection.cells.items()
            if name in recording.populations
            for node in cells
        }
        first, end = (round(t / recording.dt_ms) for t in (selection.start_ms, selection.stop_ms))
        for name in recording.populations:
            for step, node in zip(recording.spikes[name].steps, recording.spikes[name].nodes, strict=True):
                if first <= step < end and (name, int(node)) in spikes:
                    spikes[name, int(node)].append(int(step))
    return spikes


def read_back(path: Path, dt: float = 0.1) -> Spikes:
    """By the reader that people use for a format; CSV and NPZ tell of cells with spikes alone."""
    spikes: Spikes = {}

    def put(name: str, node: int, times_ms) -> None:
        spikes.setdefault((name, node), []).extend(round(t / dt) - 1 for t in times_ms)

    if path.suffix == ".csv":
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                put(row["population"], int(row["node"]), [float(row["time_ms"])])
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            for name in json.loads(str(arrays["metadata"]))["cells"]:
                times, nodes = arrays[f"{name}.times_ms"], arrays[f"{name}.nodes"]
                assert (times.dtype, nodes.dtype) == (np.float64, np.int64)
                for t, node in zip(times, nodes.tolist(), strict=True):
                    put(name, node, [t])
    elif path.suffix == ".nwb":
        with pynwb.NWBHDF5IO(path, "r") as reader:
            units = reader.read().units
            for i in range(len(units)):
                put(units["population"][i], int(units["node"][i]), units["spike_times"][i] * 1000)
    else:
        with NixIO(str(path), "ro") as reader:
            (segment,) = reader.read_block().segments
        for train in segment.spiketrains:
            told, times = train.annotations, train.rescale("ms").magnitude
            put(told["population"], int(told["node_id"]), times)
    return spikes


def with_spikes(spikes: Spikes) -> Spikes:
    return {cell: steps for cell, steps in spikes.items() if steps}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "choice", [{}, {"start_ms": 20.0, "stop_ms": 70.0, "nodes": (30, 50)}], ids=["all", "part"]
)
def test_each_format_holds_the_same_spikes_of_the_same_cells(small_run, tmp_path, kind, choice) -> None:
    with hhsim.open(small_run.output) as recording:
        path = export_spikes(recording, select(recording, **choice), kind, tmp_path / f"out.{kind}")
    wanted, found = expected(Path(small_run.output), **choice), read_back(path)
    assert len(wanted) == (200 if not choice else 30)
    assert sum(map(len, wanted.values())) > 10
    if kind in ("csv", "npz"):
        wanted = with_spikes(wanted)
    assert found == wanted


def test_the_command_writes_beside_the_recording(command, small_run, tmp_path) -> None:
    source = tmp_path / "sub" / "run.h5"
    source.parent.mkdir()
    source.write_bytes(Path(small_run.output).read_bytes())
    result = command("export-spikes", source, "--format", "csv", "--population", "inh", "--stop", "50 ms")
    assert (result.code, result.out, result.err) == (0, f"{source.with_suffix('.csv')}\n", "")
    assert read_back(source.with_suffix(".csv")) == with_spikes(
        expected(source, populations=["inh"], stop_ms=50.0)
    )
    assert sorted(path.name for path in source.parent.iterdir()) == ["run.csv", "run.h5"]
    assert command("export-spikes", source, "--format", "npz", "-o", "mine").out == "mine\n"
    assert Path("mine").exists(), "the name is taken as it is given"


def test_the_formats_offered_are_those_that_are_there() -> None:
    (option,) = (option for option in command_itself.params if option.name == "kind")
    modules = {path.stem for path in Path(table.__file__).parent.glob("*.py")}
    assert {*option.type.choices} == modules - {"__init__"}


def test_rows_are_in_order_of_time_and_told_in_decimals(small_run, tmp_path) -> None:
    with hhsim.open(small_run.output) as recording:
        path = export_spikes(recording, select(recording), "csv", tmp_path / "out.csv")
        first = f"{recording.spikes['exc'].times_ms[0]:.1f},exc,{recording.spikes['exc'].nodes[0]}"
    lines = path.read_text().splitlines()
    assert lines[:2] == ["time_ms,population,node", first]
    assert len(lines) == 1 + sum(small_run.spikes.values())
    times = [float(line.split(",")[0]) for line in lines[1 : 1 + small_run.spikes["exc"]]]
    assert times == sorted(times)
    assert max(map(len, lines[1:])) < 20, "no digits that only rounding has made"


@pytest.mark.parametrize("dt", [0.1, 0.025, 1.0, 1 / 3, 1 / 128])
def test_a_step_survives_its_decimals(tmp_path, dt) -> None:
    rows = [(step, step % 3) for step in range(100)]
    path = record(tmp_path / "out.h5", {"a": 3}, {"a": rows}, dt)
    with open_recording(path) as recording:
        found = read_back(export_spikes(recording, select(recording), "csv", tmp_path / "out.csv"), dt)
    assert found == expected(path)


spikes_of_cells = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 4)), max_size=40, unique=True)


@given(spikes_of_cells, spikes_of_cells, st.integers(0, 50), st.integers(51, 100), st.integers(0, 4))
@settings(deadline=None, max_examples=15)
def test_any_part_of_any_recording(tmp_path_factory, a, b, start, stop, first) -> None:
    folder = tmp_path_factory.getbasetemp()
    rows = {name: rows for name, rows in (("a", a), ("b", b)) if rows}
    path = record(folder / "any.h5", {"a": 5, "b": 5}, rows)
    choice = {"start_ms": start * 0.1, "stop_ms": stop * 0.1, "nodes": (first, 5)}
    with open_recording(path) as recording:
        selection = select(recording, **choice)
        for kind in ("csv", "npz", "nwb"):
            place = export_spikes(recording, selection, kind, folder / f"any.{kind}", overwrite=True)
            wanted = expected(path, **choice)
            assert read_back(place) == (wanted if kind == "nwb" else with_spikes(wanted))


@pytest.mark.parametrize("kind", KINDS)
def test_no_spikes_are_written_and_read_as_none(tmp_path, kind) -> None:
    path = record(tmp_path / "out.h5", {"a": 3}, {})
    with open_recording(path) as recording:
        place = export_spikes(recording, select(recording), kind)
    assert place == path.with_suffix(f".{kind}")
    assert read_back(place) == ({} if kind in ("csv", "npz") else expected(path))


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_that_was_cut_off(tmp_path, kind) -> None:
    path = record(tmp_path / "out.h5", {"a": 2}, {"a": [(1, 0), (30, 1)]}, complete=False, stopped=4.0)
    with open_recording(path) as recording:
        assert read_back(export_spikes(recording, select(recording), kind)) == expected(path)


def test_nwb_is_valid_and_tells_of_the_window(small_run, tmp_path) -> None:
    with hhsim.open(small_run.output) as recording:
        path = export_spikes(recording, select(recording, start_ms=20.0), "nwb", tmp_path / "out.nwb")
        config = recording.config
    with pynwb.NWBHDF5IO(path, "r") as reader:
        file = reader.read()
        assert file.notes == config
        assert file.units.resolution == pytest.approx(1e-4)
        assert np.asarray(file.units["obs_intervals"][7]).tolist() == [[0.02, 0.1]]
        assert not pynwb.validate(io=reader)
    (block,) = NWBIO(str(path), "r").read_all_blocks()
    trains = block.segments[0].spiketrains
    wanted = expected(Path(small_run.output), start_ms=20.0)
    assert len(trains) == 200
    assert np.rint(trains[3].rescale("ms").magnitude / 0.1 - 1).tolist() == wanted["exc", 3]


def test_metadata_say_where_arrays_come_from(small_run, tmp_path) -> None:
    with hhsim.open(small_run.output) as recording:
        path = export_spikes(recording, select(recording, nodes=(5, 50)), "npz", tmp_path / "out.npz")
    with np.load(path, allow_pickle=False) as arrays:
        metadata = json.loads(str(arrays["metadata"]))
        assert arrays.files == ["metadata", "exc.times_ms", "exc.nodes", "inh.times_ms", "inh.nodes"]
    assert metadata["cells"] == {"exc": [5, 50], "inh": [5, 40]}
    assert (metadata["dt_ms"], metadata["seed"], metadata["stop_ms"]) == (0.1, 2007, 100.0)


def test_nix_refuses_more_cells_than_it_can_take(command, tmp_path) -> None:
    record(tmp_path / "out.h5", {"a": 1001}, {})
    result = command("export-spikes", "out.h5", "--format", "nix")
    assert result.code == 2
    assert "1,001 cells are too many for NIX" in result.err
    assert sorted(os.listdir()) == ["out.h5"]
    assert command("export-spikes", "out.h5", "--format", "nix", "--nodes", "0:2").code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_exists_stays_unless_forced(command, tmp_path, kind) -> None:
    path = record(tmp_path / "out.h5", {"a": 2}, {"a": [(1, 0)]})
    place = tmp_path / f"out.{kind}"
    place.write_text("mine")
    result = command("export-spikes", path, "--format", kind)
    assert (result.code, result.out) == (5, "")
    assert "--force" in result.err
    assert place.read_text() == "mine"
    assert command("export-spikes", path, "--format", kind, "--force").code == 0
    assert with_spikes(read_back(place)) == {("a", 0): [1]}


def test_the_recording_itself_is_never_replaced(command, tmp_path) -> None:
    path = record(
        tmp_path / "out.h5", {"a": 2}, {"a": [(1, 0)]}, traces=[TraceColumns("a", "na.m", (0,), 0.1)]
    )
    Path("link.h5").symlink_to(path)
    for output in ("out.h5", "link.h5", "out.na.m.h5"):
        before = Path(output).read_bytes()
        result = command("export-spikes", path, "--format", "csv", "-o", output, "--force")
        assert result.code == 5
        assert "belongs to the recording" in result.err
        assert Path(output).read_bytes() == before


def test_a_checkpoint_is_never_replaced(command, tmp_path) -> None:
    path = record(tmp_path / "out.h5", {"a": 2}, {"a": [(1, 0)]})
    for name in ("out.checkpoint", "other.ckpt"):
        Path(name).write_bytes(MAGIC)
        result = command("export-spikes", path, "--format", "csv", "-o", name, "--force")
        assert (result.code, "is the checkpoint of a run" in result.err) == (5, True)
        assert Path(name).read_bytes() == MAGIC


def test_a_failure_leaves_nothing_behind(command, small_run, tmp_path, monkeypatch) -> None:
    def fail(*arguments: object) -> None:
        Path(arguments[2]).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(table, "write", fail)
    Path("out.csv").write_text("mine")
    result = command("export-spikes", small_run.output, "--format", "csv", "-o", "out.csv", "--force")
    assert result.code == 5
    assert "no space is left" in result.err
    assert os.listdir() == ["out.csv"]
    assert Path("out.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("missing.h5", "--format", "csv"), 5, "no such file"),
        (("junk.h5", "--format", "csv"), 5, "not an HDF5 file"),
        (("out.h5", "--format", "xls"), 2, "xls"),
        (("out.h5",), 2, "--format"),
        (("out.h5", "--format", "csv", "--population", "b"), 2, "there are: a"),
        (("out.h5", "--format", "csv", "--start", "20"), 2, "ms"),
        (("out.h5", "--format", "csv", "-o", "no/where.csv"), 5, "does not exist"),
        (("out.h5", "--format", "csv", "-o", "."), 5, "is a folder"),
        (("trace.h5", "--format", "csv"), 2, "no spikes were recorded"),
    ],
)
def test_bad_input_is_refused_in_plain_words(command, tmp_path, arguments, code, words) -> None:
    record(tmp_path / "out.h5", {"a": 2}, {"a": [(1, 0)]})
    record(tmp_path / "trace.h5", {}, {}, traces=[TraceColumns("t", "v", (0,), 0.1)])
    Path("junk.h5").write_text("junk")
    before = sorted(os.listdir())
    result = command("export-spikes", *arguments)
    assert (result.code, result.out) == (code, "")
    assert words in result.err
    assert "Traceback" not in result.err
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("kind", "package"), [("nwb", "pynwb"), ("nix", "nixio"), ("nix", "neo"), ("nix", "quantities")]
)
def test_missing_packages_are_named_with_their_extra(command, tmp_path, monkeypatch, kind, package) -> None:
    record(tmp_path / "out.h5", {"a": 2}, {})
    for module in (f"hhsim.exporting.formats.{kind}", "hhsim.recording.neo"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    result = command("export-spikes", "out.h5", "--format", kind)
    assert (result.code, result.out) == (6, "")
    assert f"this needs {package}" in result.err
    assert "hhsim[neo]" in result.err
    assert command("export-spikes", "out.h5", "--format", "csv").code == 0


def test_csv_takes_constant_memory(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hhsim.recording.contents.SLAB", 1000)
    monkeypatch.setattr("hhsim.recording.streams.SLAB", 1000)
    monkeypatch.setattr(table, "ROWS", 1000)
    rng = np.random.default_rng(1)
    peaks = []
    for count in (5_000, 100_000):
        with Recorder(
            tmp_path / "out.h5",
            populations={"a": 10},
            traces=[],
            dt=0.1,
            duration=1000.0,
            resolved_config="",
            facts={},
            overwrite=True,
        ) as writer:
            writer.append_spikes("a", *np.divmod(np.sort(rng.choice(100_000, count, replace=False)), 10))
            writer.close(True, 100.0, {}, "{}")
        with open_recording(tmp_path / "out.h5") as recording:
            tracemalloc.start()
            export_spikes(recording, select(recording), "csv", overwrite=True)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 300_000  # of 1.6 MB
