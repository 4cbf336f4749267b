"""Bad input: a clear error with the right exit code before any work is done, and nothing overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

EDGES = '{file="edges.h5", edges="exc__inh"}'
INITIAL = '{file="nodes.h5"}'


@pytest.fixture
def refused(command, small, tmp_path, monkeypatch):
    """Runs the small network with overrides, over an existing output that has to stay as it is."""
    config = tmp_path / "small.toml"
    config.write_text(small.read_text())

    def run(code: int, *words: str, overrides: tuple[str, ...] = (), output: str = "out.h5") -> str:
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        options = [option for override in overrides for option in ("--set", override)]
        result = command("run", "small.toml", "-q", "-o", output, "--force", *options)
        assert (result.code, result.out) == (code, ""), result.err
        for word in words:
            assert word in result.err
        assert "Traceback" not in result.err
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
        return result.err

    (tmp_path / "out.h5").write_text("precious")
    return run


@pytest.fixture
def no_work(monkeypatch) -> None:
    """Building a network fails the test."""

    def build(*arguments: object, **settings: object) -> None:
        raise AssertionError("the network was built")

    monkeypatch.setattr("hhsim.simulation.simulation.Simulation.__init__", build)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("run.metod=1", ["run.metod", "unknown key", '"method"']),
        ("projection.0.rule={pairwise_bernuli=0.1}", ["unknown rule", '"pairwise_bernoulli"']),
        ('projection.0.weight="6 nA"', ["projection[0].weight", "current", "conductance"]),
        ('projection.0.weight="6 nanosiem"', ["projection[0].weight", "nanosiem"]),
        ("projection.0.weight=6", ["projection[0].weight", "no unit"]),
        ('projection.0.weight="nan nS"', ["projection[0].weight", "not a finite number"]),
        ("projection.0.weight=nan", ["projection[0].weight"]),
        ("population.exc.size=-1", ["population.exc.size", "must be positive"]),
        ("population.exc.size=nan", ["population.exc.size", "whole number"]),
        ("population.exc.size=0", ["population.exc.size", "must be positive"]),
        ('cell.hh.area="-1 um^2"', ["cell.hh.area", "must be positive"]),
        ('cell.hh.receptor.exc.tau="0 ms"', ["cell.hh.receptor.exc.tau", "must be positive"]),
        ('projection.0.target="ihn"', ["projection[0].target", "unknown population", '"inh"']),
        ("projection.0.rule={pairwise_bernoulli=1.01}", ["pairwise_bernoulli", "1.01"]),
        ("projection.0.rule={pairwise_bernoulli=-0.1}", ["pairwise_bernoulli", "-0.1"]),
        ("projection.0.rule={fixed_outdegree=201}", ["fixed_outdegree", "201", "200 targets"]),
        ('run.duration="0.25 ms"', ["run.duration", "not a multiple of dt"]),
        ('run.duration="-1 s"', ["run.duration", "must be positive"]),
        ('run.dt="0 ms"', ["run.dt", "must be positive"]),
        ('record.trace.0.every="0.15 ms"', ["record.trace[0].every", "not a multiple of dt"]),
        ("record.trace.0.nodes=[0, 161]", ["record.trace[0].nodes", "160 cells"]),
        ("population.exc.size=10000000000", ["population.exc.size", "must be below 2**31"]),
        ("run.seed=18446744073709551616", ["run.seed", "2**64"]),
    ],
)
def test_a_config_that_is_wrong_is_refused(refused, override, words) -> None:
    message = refused(3, *words, "1 mistake in the config; nothing was run", overrides=(override,))
    assert message.startswith("small.toml")


def test_all_mistakes_are_told_at_once(refused) -> None:
    overrides = ("run.seeed=1", 'run.dt="1 mV"', "population.exc.size=-3", 'projection.0.target="x"', "a=1")
    message = refused(3, "5 mistakes in the config", overrides=overrides)
    assert len(message.splitlines()) == 6


def test_a_refused_config_is_told_at_once_and_with_its_line(tmp_path, small) -> None:
    """Nothing heavy is imported for it, but NumPy, by pint."""
    (tmp_path / "bad.toml").write_text(small.read_text().replace("size = 160", "sise = 160"))
    code = (
        "import sys; from hhsim.cli import main; code = main(); "
        "print(sorted({'numba', 'h5py', 'matplotlib', 'rich'} & set(sys.modules))); sys.exit(code)"
    )
    line = [sys.executable, "-c", code, "run", "bad.toml"]
    run = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 3
    assert run.stderr.startswith("bad.toml:")
    assert 'population.exc.sise: unknown key; did you mean "size"?' in run.stderr
    assert run.stdout == "[]\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", ["run"]), (b"[run\n", ["not valid TOML"]), (b"\xff\xfe", ["UTF-8"]), (b"dt = 1 ms", ["quotes"])],
)
def test_a_file_that_is_no_config_is_refused(command, tmp_path, content, words) -> None:
    (tmp_path / "bad.toml").write_bytes(content)
    result = command("run", "bad.toml")
    assert result.code == 3
    for word in words:
        assert word in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


def test_a_config_that_is_not_there_is_told(command, tmp_path) -> None:
    assert (command("run", "none.toml").code, command("run", ".").code) == (5, 5)
    assert command("run", "none.toml").err == "hhsim: none.toml: there is no such file\n"
    assert not list(tmp_path.iterdir())


# Outputs


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("none/out.h5", "the folder none does not exist"),
        ("out.h5/out.h5", "not a folder"),
        ("/proc/out.h5", "/proc"),
        (".", "is a folder"),
        ("/dev/null", "not a regular file"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(refused, output, words) -> None:
    refused(5, words, output=output)


@pytest.mark.usefixtures("no_work")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(refused, tmp_path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    refused(5, "cannot be written", output="closed/out.h5")


@pytest.mark.usefixtures("no_work")
def test_no_file_of_an_output_is_overwritten_without_force(command, small) -> None:
    Path("out.na.m.h5").write_text("precious")
    result = command("run", small, "--set", 'record.trace.0.variable="na.m"')
    assert result.code == 5
    assert "out.na.m.h5: the file exists already" in result.err
    assert [path.read_text() for path in Path().iterdir()] == ["precious"]


# HDF5 files


def write_edges(path: Path, sources: list[int], targets: list[int], **columns: list[float]) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group("edges/exc__inh")
        for name, ids in (("source", sources), ("target", targets)):
            group[f"{name}_node_id"] = np.array(ids, np.uint64)
            group[f"{name}_node_id"].attrs["node_population"] = {"source": "exc", "target": "inh"}[name]
        for name, values in columns.items():
            group[f"0/{name}"] = np.array(values, float)


FROM_FILE = (f"projection.0.rule={EDGES}", 'projection.0.target="inh"')


@pytest.mark.parametrize(
    ("sources", "targets", "words"),
    [
        ([0, 160, 3], [0, 1, 2], ["row 1", "cell 160", "'exc' has 160 cells"]),
        ([0, 1, 2], [0, 1, 40], ["row 2", "cell 40", "'inh' has 40 cells"]),
        ([2**63, 1, 2], [0, 1, 2], ["row 0"]),
    ],
)
def test_edges_that_point_outside_a_population_are_refused(
    refused, tmp_path, sources, targets, words
) -> None:
    write_edges(tmp_path / "edges.h5", sources, targets)
    refused(5, "edges.h5", *words, overrides=FROM_FILE)


def damaged(kind: str, path: Path) -> None:
    write_edges(path, list(range(160)), [0] * 160)
    content = path.read_bytes()
    if kind == "missing":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("source target\n0 1\n")
    elif kind == "foreign":
        with h5py.File(path, "w") as file:
            file["data"] = np.zeros(3)


@pytest.mark.parametrize("kind", ["missing", "truncated", "empty", "text", "foreign"])
def test_files_of_edges_and_cells_that_are_no_such_files_are_refused(refused, tmp_path, kind) -> None:
    code = 3 if kind == "missing" else 5
    damaged(kind, tmp_path / "edges.h5")
    refused(code, "edges.h5", overrides=FROM_FILE)
    damaged(kind, tmp_path / "nodes.h5")
    refused(code, "nodes.h5", overrides=(f"population.exc.initial.v={INITIAL}",))


def test_good_edges_and_cells_are_taken(command, small, tmp_path) -> None:
    (tmp_path / "small.toml").write_text(small.read_text())
    write_edges(tmp_path / "edges.h5", [0, 159], [39, 0])
    with h5py.File(tmp_path / "nodes.h5", "w") as file:
        file["nodes/exc/0/v"] = np.full(160, -70.0)
    overrides = (*FROM_FILE, f"population.exc.initial.v={INITIAL}", 'run.duration="1 ms"')
    options = [option for override in overrides for option in ("--set", override)]
    assert command("run", "small.toml", *options).code == 0


# Size


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("population.exc.size=2000000000", "projection.0.rule={fixed_outdegree=1000}"), "GB"),
        (("population.exc.size=2147483647", "population.inh.size=1"), "no more than 2,147,483,647"),
        (("population.exc.size=2147483647", "population.inh.size=2147483647"), "no more than"),
        (("population.exc.size=3000000",), "GB"),
        (("population.exc.size=3000000", 'projection.0.rule="all_to_all"'), "GB"),
    ],
)
def test_more_than_the_machine_has_is_refused(refused, overrides, words) -> None:
    refused(6, "cells", words, overrides=overrides)


@pytest.mark.usefixtures("no_work")
def test_edges_that_no_file_can_hold_are_refused(refused, tmp_path) -> None:
    with h5py.File(tmp_path / "edges.h5", "w") as file:
        for name in ("source", "target"):
            file.create_dataset(f"edges/exc__inh/{name}_node_id", (2**40,), np.uint64, chunks=(2**20,))
            file[f"edges/exc__inh/{name}_node_id"].attrs["node_population"] = {
                "source": "exc",
                "target": "inh",
            }[name]
    refused(5, "claims 8,796,093,022,208 bytes, more than the file has", overrides=FROM_FILE)


def test_more_synapses_than_can_be_counted_are_refused(refused, monkeypatch) -> None:
    monkeypatch.setattr("hhsim.network.build.MOST_IN_A_PART", 1000)
    refused(6, "projection[0] has", "no more than 1000 fit")


def test_an_export_is_refused_before_any_work(command, small, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hhsim.exporting.circuit.connect", None)
    (tmp_path / "file").write_text("precious")
    for folder in ("file", "file/folder", "/proc/folder"):
        assert command("export", small, "-o", folder).code == 5
    assert command("export", small, "-o", "new", "--set", "population.exc.size=2000000000").code == 6
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


# Channels of one's own


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [("1 / 0", 3, "ZeroDivisionError"), ("def f(:", 3, "SyntaxError"), (None, 5, "none.py")],
)
def test_a_file_of_channels_that_fails_is_refused(command, small, tmp_path, text, code, words) -> None:
    if text is not None:
        (tmp_path / "none.py").write_text(text)
    result = command("run", small, "--channels", "none.py")
    assert result.code == code
    assert words in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "out.h5").exists()
