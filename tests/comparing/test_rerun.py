"""`hhsim rerun`: the stored config gives the recording again, and where it does not, it is said."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import recordings
from diverging import ABSURD, DIVERGING
from places import TESTS

import hhsim
from hhsim.errors import Diverged, GuardStopped


@pytest.fixture
def temporary(tmp_path_factory, monkeypatch) -> Path:
    """Where temporary folders are made during a test."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def cut_off_at_half(path: str, to: Path, duration_ms: float = 100.0) -> Path:
    """What would be left of the small network's recording, had it been killed half-way."""
    with hhsim.open(path) as whole:
        spikes = {
            name: list(zip(train.steps.tolist(), train.nodes.tolist(), strict=True))
            for name, train in whole.spikes.items()
        }
        trace = whole.trace("exc", "v")
        return recordings.write(
            to,
            {name: [spike for spike in train if spike[0] < 500] for name, train in spikes.items()},
            trace.data[:50],
            duration_ms=duration_ms,
            cells=tuple(trace.nodes.tolist()),
            sizes=whole.populations,
            config=whole.config,
            facts=whole.facts,
            cut_off=True,
        )


def test_a_rerun_gives_the_same_spikes(command, small_run) -> None:
    result = command("rerun", small_run.output, "--threads", "1", "--json", "-q")
    assert (result.code, result.err) == (0, "")
    told = json.loads(result.out)
    assert told["spikes_sha256"] == small_run.spikes_sha256
    assert (told["output"], told["threads"], told["seed"]) == ("out.h5", 1, small_run.seed)
    assert hhsim.open("out.h5").config == hhsim.open(small_run.output).config
    assert command("diff", small_run.output, "out.h5").code == 0


def test_verifying_keeps_nothing(command, small_run, temporary, tmp_path) -> None:
    result = command("rerun", small_run.output, "--verify")
    assert result.code == 0, result.err
    assert result.out.splitlines()[:2] == [f"A  {small_run.output}", "B  the rerun"]
    assert f"equal: {sum(small_run.spikes.values()):,} spikes and 1 trace" in result.out
    assert not [*tmp_path.iterdir(), *temporary.iterdir()]


def test_verifying_with_an_output_keeps_it(command, small_run, temporary) -> None:
    result = command("rerun", small_run.output, "--verify", "-o", "again.h5", "--json", "-q")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert told["summary"]["spikes_sha256"] == small_run.spikes_sha256
    assert told["comparison"]["equal"] is True
    assert hhsim.open("again.h5").complete
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("what", ["spike", "value"])
def test_a_changed_recording_fails_to_verify(command, small_run, tmp_path, what) -> None:
    path = Path(shutil.copy(small_run.output, tmp_path / "changed.h5"))
    with h5py.File(path, "r+") as file:
        if what == "spike":  # the first cell that spikes is another one
            nodes = file["spikes/exc/node_ids"]
            nodes[0] = 0 if nodes[0] else 159
            node = int(nodes[0])
        else:
            file["report/exc/data"][17, 3] += 1.0
    result = command("rerun", path, "--verify")
    assert result.code == 7
    assert f"hhsim: {path} and its rerun differ" in result.err
    if what == "spike":
        assert f"cell {node} of exc spikes in A alone" in result.out or "in B alone" in result.out
    else:
        assert "differ from 17 ms on: v of exc, cell 3 has" in result.out
    assert "versions and machine are the same" in result.out


def test_what_was_made_elsewhere_is_said(command, small_run, tmp_path) -> None:
    path = Path(shutil.copy(small_run.output, tmp_path / "changed.h5"))
    with h5py.File(path, "r+") as file:
        file["report/exc/data"][17, 3] += 1.0
        file["hhsim/versions"].attrs["numba"] = "0.1"
        file["hhsim/machine"].attrs["processor"] = "abacus"
        del file["hhsim"].attrs["content_sha256"]  # else it is refused as changed
    result = command("rerun", path, "--verify")
    assert result.code == 7
    assert 'versions.numba     "0.1" in A' in result.out
    assert 'machine.processor  "abacus" in A' in result.out
    assert "the same bits are not promised" in result.out
    told = json.loads(command("rerun", path, "--verify", "--json").out)
    assert {"versions.numba", "machine.processor"} <= {
        entry["key"] for entry in told["comparison"]["origins"]
    }


def test_a_cut_off_recording_is_verified_as_far_as_it_goes(command, small_run, tmp_path) -> None:
    path = cut_off_at_half(small_run.output, tmp_path / "cut.h5")
    result = command("rerun", path, "--verify", "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert told["summary"]["biological_s"] == 0.05, "no more was run"
    comparison = told["comparison"]
    assert (comparison["equal"], comparison["stop_ms"], comparison["end_b_ms"]) == (True, 50, 50)
    with hhsim.open(path) as recording:
        spikes = sum(len(train) for train in recording.spikes.values())
    assert sum(one["whole"]["both"] for one in comparison["spikes"].values()) == spikes > 0
    assert comparison["traces"][0]["frames"] == 50


def test_a_cut_off_recording_is_completed(command, small_run, tmp_path) -> None:
    path = cut_off_at_half(small_run.output, tmp_path / "cut.h5")
    for options in ((), ("--verify",)):
        result = command("rerun", path, "-o", f"again{len(options)}.h5", *options)
        assert result.code == 0, result.err
        assert command("diff", small_run.output, f"again{len(options)}.h5").code == 0


def test_nothing_to_verify_is_refused(command, small_run, tmp_path, monkeypatch) -> None:
    path = recordings.write(tmp_path / "cut.h5", duration_ms=0.0, cut_off=True)
    monkeypatch.setattr("hhsim.simulation.simulation.Simulation.__init__", None)
    result = command("rerun", path, "--verify")
    assert (result.code, result.out) == (5, "")
    assert "there is nothing to verify" in result.err


def test_a_diverged_run_diverges_again(command, tmp_path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(DIVERGING.replace("AMPLITUDE", ABSURD["float32"]))
    with pytest.raises(Diverged):
        hhsim.run(config, output=tmp_path / "diverged.h5", precision="float32")
    result = command("rerun", "diverged.h5", "--verify")
    assert result.code == 0, result.err
    assert "equal: " in result.out
    assert command("rerun", "diverged.h5").code == 4
    assert hhsim.open("out.h5").stopped_at_ms == hhsim.open("diverged.h5").stopped_at_ms


def test_a_run_that_a_guard_stopped_is_verified(command, small, tmp_path) -> None:
    guards = ('guards.rate_max="1 Hz"', 'guards.every="5 ms"')
    with pytest.raises(GuardStopped):
        hhsim.run(small, output=tmp_path / "stopped.h5", overrides=guards)
    result = command("rerun", "stopped.h5", "--verify")
    assert result.code == 0, result.err
    assert "equal: " in result.out
    with h5py.File(tmp_path / "stopped.h5", "r+") as file:
        file["spikes/exc/timestamps"][0] = np.nextafter(file["spikes/exc/timestamps"][0], 1e9)
    assert command("rerun", "stopped.h5", "--verify").code in (5, 7)


OWN_CHANNEL = """
[run]
duration = "5 ms"
[cell.axon]
capacitance = "200 pF"
spike = { rule = "crossing", threshold = "0 mV" }
channel.k = { model = "K_HH1952", g_max = "7 uS", e_rev = "-77 mV" }
[population.axons]
cell = "axon"
size = 2
initial.v = { normal = ["-60 mV", "5 mV"] }
[[record.trace]]
population = "axons"
variable = "k.n"
every = "0.1 ms"
"""


@pytest.mark.slow
def test_own_channels_are_asked_for_and_taken(tmp_path) -> None:
    """In processes of their own, as a declared channel stays declared."""
    config, recording = tmp_path / "own.toml", tmp_path / "out.h5"
    config.write_text(OWN_CHANNEL)
    channels = ("--channels", TESTS / "data" / "squid_channels.py")
    made = cli("run", config, "-q", "-o", recording, *channels)
    assert made.returncode == 0, made.stderr
    refused = cli("rerun", recording, "--verify")
    assert refused.returncode == 3
    assert "K_HH1952" in refused.stderr
    same = cli("rerun", recording, "--verify", *channels)
    assert same.returncode == 0, same.stderr
    assert "50 frames of 2 cells, the same in both" in same.stdout


def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; from hhsim.cli import main; sys.exit(main())"
    line = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, cwd=TESTS.parent)


def test_an_interrupted_check_leaves_nothing(small_run, tmp_path) -> None:
    with hhsim.open(small_run.output) as recording:
        config = recording.config.replace('duration = "100 ms"', 'duration = "1000000 ms"')
    path = recordings.write(tmp_path / "long.h5", config=config, sizes={"exc": 160, "inh": 40})
    folder = tmp_path / "temporary"
    folder.mkdir()
    code = "import sys; from hhsim.cli import main; sys.exit(main())"
    line = [sys.executable, "-c", code, "rerun", str(path), "--verify"]
    environment = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(
        line, env=environment, cwd=TESTS.parent, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not list(folder.glob("hhsim-*/again.h5")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "interrupted before anything was written" in err
    assert not list(folder.iterdir())


def test_nothing_is_replaced_without_force(command, small_run, monkeypatch) -> None:
    monkeypatch.setattr("hhsim.simulation.simulation.Simulation.__init__", None)
    Path("out.h5").write_text("precious")
    for options in ((), ("-o", "out.h5"), ("-o", "out.h5", "--verify")):
        result = command("rerun", small_run.output, *options)
        assert (result.code, result.out) == (5, "")
        assert "--force" in result.err
    assert Path("out.h5").read_text() == "precious"


def test_a_recording_is_not_replaced_by_its_rerun(command, small_run, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hhsim.simulation.simulation.Simulation.__init__", None)
    path = Path(shutil.copy(small_run.output, tmp_path / "out.h5"))
    content = path.read_bytes()
    Path("link.h5").symlink_to("out.h5")
    for options in (("--force",), ("--force", "-o", "link.h5"), ("--force", "--verify", "-o", "./out.h5")):
        result = command("rerun", "out.h5", *options)
        assert result.code == 5
        assert "is the recording itself" in result.err
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ((), 2, "Missing argument 'FILE'"),
        (("nowhere.h5",), 5, "nowhere.h5: there is no such file"),
        (("text.h5",), 5, "text.h5: is not an HDF5 file"),
        (("empty.h5",), 3, "the config in empty.h5"),
        (("broken.h5",), 3, "the config in broken.h5: is not valid TOML"),
        (("empty.h5", "--verify", "--force"), 2, "--force has no effect"),
        (("empty.h5", "--channels", "nowhere.py"), 5, "nowhere.py"),
        (("empty.h5", "--threads", "0"), 2, "--threads"),
    ],
)
def test_bad_input_is_told(command, tmp_path, options, code, words) -> None:
    Path("text.h5").write_text("no recording")
    recordings.write(tmp_path / "empty.h5", {}, np.zeros((100, 3)))
    recordings.write(tmp_path / "broken.h5", config="[run")
    result = command("rerun", *options)
    assert (result.code, result.out) == (code, "")
    assert words in result.err
    assert "Traceback" not in result.err
