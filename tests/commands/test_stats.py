"""`hhsim stats`: what it prints, and what it makes of files that are not as they should be."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

import hhsim
from hhsim.analysis import statistics
from hhsim.recording import Recorder, TraceColumns, select


def table(text: str) -> dict[str, list[str]]:
    """The cells of each row of a table, by its label; the definitions below it are left out."""
    text = text[: text.index("  CV   ")]
    rows = re.findall(r"^  (\s*\S.*?)  +(\S.*)$", text, re.MULTILINE)
    return {label.strip(): re.split(r"  +", cells.strip()) for label, cells in rows}


def recording(path, populations, *, spikes=(), traces=(), stopped=100.0, complete=True):
    with Recorder(
        path,
        populations=populations,
        traces=traces,
        dt=0.1,
        duration=100.0,
        resolved_config="",
        facts={},
    ) as writer:
        for name, steps, nodes in spikes:
            writer.append_spikes(name, np.array(steps), np.array(nodes))
        writer.close(complete, stopped, {}, "{}")
    return path


def test_the_table_tells_of_each_population(command, small_run) -> None:
    result = command("stats", small_run.output)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == f"{small_run.output}: 0 to 100 ms"
    assert lines[2].split() == ["exc", "inh"]
    assert max(map(len, lines[1:])) <= 80
    assert "\x1b" not in result.out
    rows = table(result.out)
    assert rows["cells"] == ["160", "40"]
    assert rows["spikes"] == [f"{small_run.spikes[name]:,}" for name in ("exc", "inh")]
    assert [float(cell) for cell in rows["mean rate (Hz)"]] == pytest.approx(
        [small_run.rate_hz["exc"], small_run.rate_hz["inh"]], rel=0.01
    )
    assert rows["Fano factor"][0] == "–", "one window of 100 ms has no variance"
    assert "  –              too little to tell it from" in lines
    assert "counts in 100 ms" in result.out
    assert "counts in 5 ms" in result.out


def test_json_is_what_python_tells(command, small_run) -> None:
    result = command("stats", small_run.output, "--json", "--window", "20 ms", "--bin", "2 ms")
    assert (result.code, result.err) == (0, "")
    with hhsim.open(small_run.output) as opened:
        told = statistics(opened, window_ms=20, bin_ms=2)
    assert json.loads(result.out) == json.loads(json.dumps(told.to_dict()))
    assert (told.window_ms, told.bin_ms) == (20, 2)
    exc = json.loads(result.out)["populations"]["exc"]
    assert {"rate_hz", "cv", "lv", "fano", "chi", "correlation", "peak_hz"} <= exc.keys()
    assert exc["fano"] > 0


def test_a_part(command, small_run) -> None:
    line = "--start", "20 ms", "--stop", "0.06 s", "--nodes", "0:30", "--population", "inh"
    result = command("stats", small_run.output, *line, "--json")
    with hhsim.open(small_run.output) as opened:
        chosen = select(opened, start_ms=20, stop_ms=60, nodes=(0, 30), populations=["inh"])
        told = json.loads(json.dumps(statistics(opened, chosen).to_dict()))
    assert json.loads(result.out) == told
    assert list(told["populations"]) == ["inh"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--population", "esc"], 2, "there are: exc, inh"),
        (["--start", "100 ms"], 2, "starts at 100 ms, after the end"),
        (["--start", "5"], 2, "--start"),
        (["--nodes", "5-6"], 2, "nor a range of cells"),
        (["--nodes", "500:600"], 2, "the largest population has 160"),
        (["--bin", "0 ms"], 2, "bins of 0 ms"),
        (["--window", "-5 ms"], 2, "bins of -5 ms"),
        (["--bin", "5 mV"], 2, "--bin"),
        (["--bin", "nan ms"], 2, "--bin"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_what_cannot_be_told_is_refused(command, small_run, arguments, code, message, form) -> None:
    result = command("stats", small_run.output, *arguments, *form)
    assert (result.code, result.out) == (code, "")
    assert message in result.err
    assert "Traceback" not in result.err


def test_files_that_are_no_recordings(command, tmp_path) -> None:
    (tmp_path / "text.h5").write_text("no HDF5")
    for name, reason in (("text.h5", "not an HDF5 file"), ("none.h5", "no such file")):
        result = command("stats", name)
        assert (result.code, result.out) == (5, "")
        assert reason in result.err


def test_a_file_that_is_too_short(command, small_run, tmp_path) -> None:
    shutil.copyfile(small_run.output, tmp_path / "short.h5")
    with open(tmp_path / "short.h5", "r+b") as file:
        file.truncate(4000)
    result = command("stats", "short.h5")
    assert (result.code, result.out) == (5, "")
    assert "cut off" in result.err


def test_a_run_that_was_cut_off(command, tmp_path) -> None:
    recording(
        tmp_path / "cut.h5",
        {"exc": 2},
        spikes=[("exc", [10, 200], [0, 1])],
        stopped=40.0,
        complete=False,
    )
    result = command("stats", "cut.h5")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("cut.h5: 0 to 40 ms (the run goes on, or was cut off)\n")
    assert table(result.out)["mean rate (Hz)"] == ["25.0"]
    assert json.loads(command("stats", "cut.h5", "--json").out)["complete"] is False


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_little_to_tell_of(command, tmp_path, form) -> None:
    recording(tmp_path / "begun.h5", {"exc": 3}, stopped=0.0, complete=False)
    recording(tmp_path / "silent.h5", {"exc": 3, "inh": 1}, spikes=[("inh", [5], [0])])
    recording(tmp_path / "nothing.h5", {})
    recording(tmp_path / "traces.h5", {}, traces=[TraceColumns("exc", "v", (3, 8), 0.1)])
    for name in ("begun", "silent", "nothing", "traces"):
        result = command("stats", f"{name}.h5", *form)
        assert (result.code, result.err) == (0, ""), name
        assert "nan" not in result.out.lower()
        if form:
            json.loads(result.out)


def test_undefined_figures_are_dashes(command, tmp_path) -> None:
    recording(tmp_path / "silent.h5", {"exc": 3, "inh": 1}, spikes=[("inh", [5], [0])])
    rows = table(command("stats", "silent.h5").out)
    assert rows["mean rate (Hz)"] == ["0", "10.0"]
    assert rows["silent cells"] == ["100.0 %", "0.0 %"]
    assert rows["CV of intervals"] == ["–", "–"]
    assert rows["synchrony χ"] == ["–", "1.00"]
    assert rows["spectrum peak (Hz)"][0] == "–"
    recording(tmp_path / "traces.h5", {}, traces=[TraceColumns("exc", "v", (3, 8), 0.1)])
    assert "no spikes were recorded" in command("stats", "traces.h5").out


def test_many_populations_fold_into_blocks(command, tmp_path) -> None:
    names = [f"layer_{i}_excitatory" for i in range(7)]
    recording(tmp_path / "many.h5", dict.fromkeys(names, 4))
    out = command("stats", "many.h5").out
    assert max(map(len, out.splitlines())) <= 80
    heads = [line.split() for line in out.splitlines() if "layer_" in line]
    assert [name for head in heads for name in head] == names
    assert len(heads) > 1
    assert out.count("mean rate (Hz)") == len(heads)
