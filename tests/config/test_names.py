"""Names and texts of other people: what an HDF5 file can hold is taken everywhere, the rest is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import hhsim
from hhsim.cli import cli
from hhsim.config import differing_keys, load, parse
from hhsim.config.locate import locate
from hhsim.config.names import as_key, not_a_population, plain_key
from hhsim.config.problems import show
from hhsim.errors import ConfigRefused, FileFailed

NAMES = ("nodes-A", "a.b", "L2 3", 'ü "q", $x_1$ [red]%d\\n{0}', "_9'")
SECOND = NAMES[3]


def config(*names: str) -> str:
    """A population of each name; the first drives all, a Poisson input the second."""
    populations = "".join(
        f'[population.{as_key(name)}]\ncell = "hh"\nsize = {i + 2}\n'
        'initial = { v = { normal = ["-65 mV", "5 mV"] }, g.exc = "30 nS" }\n'
        for i, name in enumerate(names)
    )
    listed = json.dumps(names, ensure_ascii=False)
    second = as_text(names[1])
    return f"""
title = "names"
[run]
duration = "10 ms"
seed = 3
[cell.hh]
capacitance = "200 pF"
spike = {{ rule = "level", threshold = "-20 mV", refractory = "3 ms" }}
channel.leak = {{ model = "leak", g_max = "10 nS", e_rev = "-60 mV" }}
channel.na = {{ model = "Na_TM1991", g_max = "20 uS", e_rev = "50 mV", v_t = "-63 mV" }}
channel.k = {{ model = "K_TM1991", g_max = "6 uS", e_rev = "-90 mV", v_t = "-63 mV" }}
receptor.exc = {{ model = "exponential", tau = "5 ms", e_rev = "0 mV" }}
{populations}
[[projection]]
source = {as_text(names[0])}
target = {listed}
receptor = "exc"
rule = "all_to_all"
weight = {{ uniform = ["1 nS", "6 nS"] }}
[[input]]
name = "drive"
target = {second}
model = "poisson"
rate = "300 Hz"
weight = "60 nS"
receptor = "exc"
[record]
spikes = {listed}
[[record.trace]]
population = {second}
variable = "v"
"""


def as_text(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    (folder / "net.toml").write_text(config(*NAMES), encoding="utf-8")
    hhsim.run(folder / "net.toml", output=folder / "out.h5", threads=1)
    return folder


def done(folder: Path, *arguments: str) -> str:
    result = CliRunner().invoke(
        cli, [a.replace("DIR", str(folder)) for a in arguments], standalone_mode=False
    )
    assert result.exception is None, result.exception
    return result.stdout


def test_a_recording_holds_each_population_under_its_name(recorded) -> None:
    with hhsim.open(recorded / "out.h5") as recording:
        assert dict(recording.populations) == {name: i + 2 for i, name in enumerate(NAMES)}
        assert list(recording.traces) == [(NAMES[1], "v")]
        assert all(len(recording.spikes[name]) for name in NAMES)
    with h5py.File(recorded / "out.h5") as file:
        assert set(file["spikes"]) == set(NAMES)
        assert set(file["report"]) == {NAMES[1]}


def test_the_stored_config_is_its_own_resolution(recorded) -> None:
    with hhsim.open(recorded / "out.h5") as recording:
        again = parse(recording.config)
    assert again.model == load(recorded / "net.toml").model
    assert parse(again.resolved).resolved == again.resolved
    assert "[population.nodes-A]" in again.resolved
    assert '[population."a.b".initial]' in again.resolved


@pytest.mark.parametrize(
    "command",
    [
        ("stats", "DIR/out.h5", "--population", SECOND),
        ("info", "DIR/out.h5"),
        ("plot", "DIR/out.h5", "-o", "DIR/a.png", "--population", SECOND),
        ("plot", "DIR/out.h5", "-o", "DIR/b.svg", "--kind", "raster,rate,trace,isi,psd"),
        ("rerun", "DIR/out.h5", "--verify", "--threads", "2"),
        ("validate", "DIR/net.toml"),
        ("run", "DIR/net.toml", "--dry-run"),
    ],
    ids=lambda command: command[0],
)
def test_commands_take_such_names(recorded, command) -> None:
    done(recorded, *command)


def test_the_rows_of_a_csv_file_are_whole(recorded) -> None:
    done(recorded, "export-spikes", "DIR/out.h5", "--format", "csv", "-o", "DIR/s.csv")
    with (recorded / "s.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with hhsim.open(recorded / "out.h5") as recording:
        for name in NAMES:
            ours = [(float(row["time_ms"]), int(row["node"])) for row in rows if row["population"] == name]
            spikes = recording.spikes[name]
            assert len(ours) == len(spikes)
    assert {row["population"] for row in rows} == set(NAMES)


def test_arrays_for_numpy_are_called_after_them(recorded) -> None:
    done(recorded, "export-spikes", "DIR/out.h5", "--format", "npz", "-o", "DIR/s.npz")
    with np.load(recorded / "s.npz") as arrays:
        assert {f"{name}.nodes" for name in NAMES} <= set(arrays)


def test_an_exported_circuit_runs_the_same_network(recorded) -> None:
    done(recorded, "export", "DIR/net.toml", "-o", "DIR/circuit")
    again = hhsim.run(recorded / "circuit" / "config.toml", output=recorded / "again.h5")
    with hhsim.open(recorded / "out.h5") as recording:
        stored = json.loads(json.dumps(again.spikes_sha256))
        assert {name: len(recording.spikes[name]) for name in NAMES} == dict(again.spikes)
    assert stored == hhsim.run(recorded / "net.toml", output=recorded / "third.h5").spikes_sha256


def test_a_run_goes_on_with_such_names(recorded, tmp_path) -> None:
    whole = hhsim.run(recorded / "net.toml", output=tmp_path / "whole.h5", duration="20 ms")
    hhsim.run(recorded / "net.toml", output=tmp_path / "out.h5", checkpoint_every_s=1000.0)
    longer = hhsim.run(recorded / "net.toml", output=tmp_path / "out.h5", duration="20 ms", resume=True)
    assert longer.spikes_sha256 == whole.spikes_sha256


# --set, and what messages call it


@pytest.mark.parametrize("name", NAMES)
def test_set_reaches_each_name(name) -> None:
    changed = parse(config(*NAMES), overrides=[f"population.{as_key(name)}.size=99"])
    assert changed.model.populations[name].size == 99
    literal = f"population.'{name}'.size=98"
    if "'" not in name:
        assert parse(config(*NAMES), overrides=[literal]).model.populations[name].size == 98


@pytest.mark.parametrize("name", ["a.b", "L2 3", SECOND])
def test_forgotten_quotes_are_told_of(name) -> None:
    with pytest.raises(ConfigRefused, match="stands in quotes") as refused:
        parse(config(*NAMES), overrides=[f"population.{name}.size=99"])
    assert f"population.{as_key(name)}.size=99" in str(refused.value).replace("'\"'\"'", "'")


def test_a_message_names_the_key_as_it_can_be_typed() -> None:
    text = config(*NAMES).replace("size = 3", "size = 0")
    with pytest.raises(ConfigRefused) as refused:
        parse(text)
    (problem,) = refused.value.problems
    assert problem.path == 'population."a.b".size'
    assert text.splitlines()[problem.line - 1] == "size = 0"


def test_differing_keys_are_quoted() -> None:
    a, b = (parse(config(*NAMES), overrides=[f'population."a.b".size={n}']).resolved for n in (5, 6))
    assert 'population."a.b".size' in [entry.key for entry in differing_keys(a, b)]


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(codec="utf-8"), max_size=12))
def test_a_name_is_refused_or_survives(name: str) -> None:
    """What is taken is written, located and read back as the same name, and HDF5 holds it."""
    if not_a_population(name):
        with pytest.raises(ConfigRefused):
            parse(config("first", name))
        return
    if name == "first":
        return
    assert plain_key(as_key(name)) == name
    loaded = parse(config("first", name))
    assert list(loaded.model.populations) == ["first", name]
    assert parse(loaded.resolved).model == loaded.model
    path = show(("population", name, "size"))
    assert loaded.resolved.split("\n")[locate(loaded.resolved)[path] - 1] == "size = 3"
    assert parse(config("first", name), overrides=[f"{path}=7"]).model.populations[name].size == 7


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        (".", "folder"),
        ("..", "folder"),
        ("a/b", '"/"'),
        ("a\nb", "control"),
        ("x" * 256, "256 bytes"),
    ],
)
def test_what_cannot_be_a_group_is_refused(name, reason) -> None:
    with pytest.raises(ConfigRefused) as refused:
        parse(config("first", name))
    assert reason in next(p.message for p in refused.value.problems if p.path == show(("population", name)))


# Texts that no file can hold


@pytest.mark.parametrize("text", ["a\0b", "\0", "a\udcff", "\ud800"])
@pytest.mark.parametrize(
    "key", ["title", "input.0.name", "population.nodes-A.cell", "record.trace.0.variable", "run.method"]
)
def test_a_text_that_no_file_can_hold_is_refused_at_its_key(key, text) -> None:
    shown = key.replace(".0", "[0]")
    override = f"{key}={json.dumps(text)}" if "\0" in text else f"{key}={text}"
    with pytest.raises(ConfigRefused) as refused:
        parse(config(*NAMES), overrides=[override])
    assert [problem.path for problem in refused.value.problems] == [shown]
    str(refused.value).encode()


@pytest.mark.parametrize("text", ["a\\u0000b"])
def test_a_key_that_no_file_can_hold_is_refused(text) -> None:
    with pytest.raises(ConfigRefused, match="NUL"):
        parse(config(*NAMES).replace("[population.nodes-A]", f'[population."{text}"]'))


def test_a_run_of_such_a_config_does_no_work(tmp_path) -> None:
    (tmp_path / "net.toml").write_text(config(*NAMES).replace('"names"', '"a\\u0000b"'))
    with pytest.raises(ConfigRefused):
        hhsim.run(tmp_path / "net.toml", output=tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()
    with pytest.raises(FileFailed):
        hhsim.run("a\0b.toml", output=tmp_path / "out.h5")
