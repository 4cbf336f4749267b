"""A run that was stopped and goes on gives the bits of a run that was not, or says why it cannot."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import DURATION_MS

import hhsim
from hhsim.config import advice
from hhsim.errors import FileFailed, OutOfTime
from hhsim.simulation import loop, output, prepare
from hhsim.simulation.checkpoint import container, store
from hhsim.simulation.checkpoint.store import checkpoint_path, previous_path
from hhsim.simulation.simulation import Simulation

MAIN = "import sys; from hhsim.cli import main; sys.exit(main())"


def same(output: str | Path, whole) -> None:
    with hhsim.open(output) as found, hhsim.open(whole.output) as wanted:
        assert found.complete
        assert found.checksums == wanted.checksums == {name: found.sha256(name) for name in found.spikes}
        assert np.array_equal(found.trace("exc").data, wanted.trace("exc").data)
        assert found.duration_ms == wanted.duration_ms


def interrupted_run(command, small, monkeypatch, step: int = 400, *arguments: str) -> None:
    with monkeypatch.context() as patch:
        advance = Simulation.advance

        def once(self, most=None):
            if self.step >= step:
                signal.raise_signal(signal.SIGTERM)
            return advance(self, min(most or 50, 50))

        patch.setattr(Simulation, "advance", once)
        result = command("run", small, "-q", *arguments)
    assert result.code == 143, result.err


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (3, 16)])
def test_a_continued_run_gives_the_same_bits(command, small, small_run, monkeypatch, before, after) -> None:
    interrupted_run(command, small, monkeypatch, 300, "--threads", str(before))
    result = command("run", small, "-q", "--json", "--resume", "--threads", after)
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert told["spikes_sha256"] == small_run.spikes_sha256
    assert told["spikes"] == small_run.spikes
    assert told["rate_hz"] == pytest.approx(small_run.rate_hz)
    assert told["suppressed_crossings"] == small_run.suppressed_crossings
    assert told["resumed_at_ms"] == pytest.approx(35, abs=10)
    assert told["checkpoint"] == "out.checkpoint"
    same("out.h5", small_run)


def test_many_short_sessions_give_the_same_bits(command, small, small_run, monkeypatch) -> None:
    """As in a queue whose time limit is far too short: each session gets its first chunk done."""
    monkeypatch.setattr(loop, "FIRST_STEPS", 77)
    codes = []
    for _ in range(20):
        codes.append(command("run", small, "-q", "--resume", "--max-wall", "1s").code)
        if codes[-1] == 0:
            break
    assert set(codes[:-1]) == {75}
    assert len(codes) == -(-1000 // 77)
    same("out.h5", small_run)


def test_resume_begins_where_nothing_has_begun_and_ends_where_all_is_done(command, small, small_run) -> None:
    assert command("run", small, "-q", "--resume").code == 0
    same("out.h5", small_run)
    before = Path("out.h5").read_bytes()
    again = command("run", small, "-q", "--resume", "--json")
    assert again.code == 0
    assert json.loads(again.out)["spikes_sha256"] == small_run.spikes_sha256
    assert Path("out.h5").read_bytes() == before


def killed_run(small, folder, *options: str) -> None:
    """A run that is killed after its first flush."""
    line = [sys.executable, "-c", MAIN, "run", str(small), "-q", "--duration", "1000 s", *options]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(line, cwd=folder, env=environment) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(0.1)
            with suppress(FileFailed), hhsim.open(folder / "out.h5") as recording:
                if recording.stopped_at_ms > 0:
                    break
        process.kill()


def test_a_run_killed_before_its_first_checkpoint_begins_anew(command, small, small_run) -> None:
    killed_run(small, Path())
    assert not store.exists(Path("out.h5"))
    before = Path("out.h5").read_bytes()
    other = command("run", small, "-q", "--resume", "--seed", "77")
    assert other.code == 3
    assert "out.h5 cannot be gone on from: the config is another one" in other.err
    assert "run.seed: 2007 then, 77 now" in other.err
    assert Path("out.h5").read_bytes() == before
    anew = command("run", "--resume", "--duration", f"{DURATION_MS:g} ms")  # its own config
    assert anew.code == 0, anew.err
    assert "ms, before its first checkpoint: the run begins anew" in anew.err
    same("out.h5", small_run)


def test_a_killed_run_keeps_the_seed_that_was_drawn_for_it(command, small) -> None:
    Path("any.toml").write_text(re.sub(r"\nseed .*", "", small.read_text()))
    killed_run(Path("any.toml").absolute(), Path())
    with hhsim.open("out.h5") as recording:
        seed = recording.seed
    result = command("run", "any.toml", "-q", "--resume", "--json", "--duration", "10 ms")
    assert result.code == 0, result.err
    assert json.loads(result.out)["seed"] == seed


def test_a_run_whose_checkpoint_is_gone_does_not_begin_anew(command, small, monkeypatch) -> None:
    interrupted_run(command, small, monkeypatch)
    store.remove(Path("out.h5"))
    before = Path("out.h5").read_bytes()
    result = command("run", small, "-q", "--resume")
    assert (result.code, result.out) == (5, "")
    assert "out.h5: cannot be continued: it has no out.checkpoint" in result.err
    assert Path("out.h5").read_bytes() == before


def test_without_a_config_there_must_be_a_run_to_go_on_with(command) -> None:
    result = command("run", "--resume")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Usage: hhsim run ")
    assert "Error: name a CONFIG: there is no checkpoint to take one from" in result.err


def test_a_longer_duration_extends_a_run(command, small, small_run) -> None:
    half = f"{DURATION_MS / 2:g} ms"
    assert command("run", small, "-q", "--checkpoint-every", "1h", "--duration", half).code == 0
    result = command("run", small, "-q", "--resume")
    assert result.code == 0, result.err
    same("out.h5", small_run)
    shorter = command("run", small, "-q", "--resume", "--duration", half)
    assert shorter.code == 3
    assert "the run is at 100 ms already, beyond 50 ms" in shorter.err
    same("out.h5", small_run)


def test_a_run_whose_end_was_not_saved_cannot_be_extended(command, small) -> None:
    assert command("run", small, "-q", "--duration", "10 ms").code == 0
    assert not store.exists(Path("out.h5"))
    before = Path("out.h5").read_bytes()
    result = command("run", small, "-q", "--resume")
    assert (result.code, result.out) == (5, "")
    assert "out.h5: cannot be continued: it has no out.checkpoint" in result.err
    assert Path("out.h5").read_bytes() == before


def test_a_seed_that_was_drawn_is_kept(command, small, monkeypatch) -> None:
    text = small.read_text().replace("seed      = 2007\n", "")
    assert "seed" not in text
    Path("no_seed.toml").write_text(text)
    interrupted_run(command, Path("no_seed.toml"), monkeypatch)
    seed = hhsim.open("out.h5").seed
    result = command("run", "no_seed.toml", "-q", "--resume", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["seed"] == seed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--seed", "7"), "run.seed: 2007 then, 7 now"),
        (("--precision", "float32"), "run.precision: float64 then, float32 now"),
        (("--set", 'projection.0.weight="7 nS"'), "projection[0].weight: 6 nS then, 7 nS now"),
        (("--set", "population.inh.size=41"), "population.inh.size: 40 then, 41 now"),
        (("--set", 'record.spikes=["exc"]'), "record.spikes"),
    ],
)
def test_another_config_is_refused_and_says_in_what(command, small, monkeypatch, arguments, words) -> None:
    interrupted_run(command, small, monkeypatch)
    before = {path: path.read_bytes() for path in Path().iterdir()}
    result = command("run", small, "-q", "--resume", *arguments)
    assert (result.code, result.out) == (3, "")
    assert "out.checkpoint cannot be gone on from: the config is another one" in result.err
    assert words in result.err
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_other_code_is_refused(command, small, monkeypatch) -> None:
    interrupted_run(command, small, monkeypatch)
    monkeypatch.setattr("hhsim.jit.options.source_key", lambda: "other")
    monkeypatch.setattr(
        "hhsim.simulation.checkpoint.continuing.versions",
        lambda: {"hhsim": "9.9", "numba": "0.1", "numpy": "2"},
    )
    result = command("run", small, "-q", "--resume")
    assert result.code == 3
    assert "written by another version of the program" in result.err
    assert f"hhsim {hhsim.__version__} then, 9.9 now" in result.err


def test_another_processor_is_a_note(command, small, small_run, monkeypatch) -> None:
    interrupted_run(command, small, monkeypatch)
    monkeypatch.setattr(
        "hhsim.simulation.checkpoint.continuing.describe_machine", lambda: {"processor": "abacus"}
    )
    result = command("run", small, "--resume")
    assert result.code == 0
    assert "spikes may differ in the last bits" in result.err
    assert "abacus now" in result.err
    same("out.h5", small_run)


def test_a_changed_edges_file_is_refused(command, small, monkeypatch) -> None:
    assert command("export", small, "-o", "circuit").code == 0
    interrupted_run(command, Path("circuit/config.toml"), monkeypatch)
    with h5py.File("circuit/edges.h5", "r+") as file:
        targets = file["edges/exc__exc/target_node_id"]
        targets[7] = (targets[7] + 1) % 160
    result = command("run", "circuit/config.toml", "-q", "--resume")
    assert result.code == 3
    assert "the network is another one: an edges file was changed" in result.err


def test_a_damaged_checkpoint_falls_back_to_the_one_before(command, small, small_run, monkeypatch) -> None:
    interrupted_run(command, small, monkeypatch, 400, "--checkpoint-every", "0s")
    assert previous_path(Path("out.h5")).exists()
    damaged = bytearray(checkpoint_path(Path("out.h5")).read_bytes())
    damaged[len(damaged) // 2] ^= 4
    checkpoint_path(Path("out.h5")).write_bytes(damaged)
    result = command("run", small, "--resume")
    assert result.code == 0
    assert "out.checkpoint: is damaged" in result.err
    assert "going on from the checkpoint before it" in result.err
    same("out.h5", small_run)


def test_a_truncated_or_deleted_output_is_refused(command, small, monkeypatch) -> None:
    interrupted_run(command, small, monkeypatch)
    whole = Path("out.h5").read_bytes()
    Path("out.h5").write_bytes(whole[: len(whole) // 2])
    result = command("run", small, "-q", "--resume")
    assert result.code == 5
    assert "cut off" in result.err
    Path("out.h5").unlink()
    result = command("run", small, "-q", "--resume")
    assert result.code == 5
    assert "is gone" in result.err


def test_force_starts_anew_and_forgets_the_checkpoint(command, small, small_run, monkeypatch) -> None:
    interrupted_run(command, small, monkeypatch)
    assert command("run", small, "-q", "--force").code == 0
    assert sorted(path.name for path in Path().iterdir()) == ["out.h5"]
    same("out.h5", small_run)
    assert command("run", small, "-q", "--force", "--resume").code == 2


@pytest.fixture
def asked(monkeypatch) -> Counter[str]:
    """How often a run asks what is to be asked once."""
    counts: Counter[str] = Counter()

    def count(module, name: str) -> None:
        function = getattr(module, name)

        def counting(*arguments, **settings):
            counts[name] += 1
            return function(*arguments, **settings)

        monkeypatch.setattr(module, name, counting)

    count(container, "read")  # and hash a checkpoint
    count(output, "check_recording")
    count(prepare, "require")  # the device
    count(advice, "warnings")
    return counts


def test_what_a_run_needs_is_asked_once(command, small, monkeypatch, asked) -> None:
    assert command("run", small, "--json", "-o", "new.h5").code == 0
    assert asked == {"check_recording": 1, "require": 1, "warnings": 1}
    interrupted_run(command, small, monkeypatch)
    asked.clear()
    assert command("run", small, "--json", "--resume").code == 0
    assert asked == {"read": 1, "require": 1, "warnings": 1}
    asked.clear()
    assert hhsim.run(small, output="out.h5", resume=True).complete  # all was done
    assert asked == {"read": 1, "require": 1}


@pytest.mark.parametrize("time", ["5", "5 years", "", "h", "3h50", "-3s", "1e3s"])
def test_a_time_that_is_none_is_refused(command, small, time) -> None:
    assert command("run", small, "--max-wall", time).code == 2
    assert not list(Path().iterdir())


@pytest.fixture(scope="module")
def long_run(small, tmp_path_factory):
    return hhsim.run(small, output=tmp_path_factory.mktemp("long") / "out.h5", duration="3 s")


@pytest.mark.parametrize("killed_after", [0.1, 0.5, 0.9])
def test_a_killed_run_goes_on(small, long_run, fast, killed_after) -> None:
    """SIGKILL at a random moment while checkpoints are written all the time; then to the end."""
    options = ["run", str(small), "-q", "--duration", "3 s", "--json"]
    line = [sys.executable, "-c", MAIN, *options]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([*line, "--checkpoint-every", "0s"], cwd=fast, env=environment) as process:
        deadline = time.monotonic() + 60
        while not (fast / "out.checkpoint").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(killed_after)
        process.kill()
    done = subprocess.run([*line, "--resume"], cwd=fast, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["spikes_sha256"] == long_run.spikes_sha256


def test_the_api_resumes(small, small_run, tmp_path) -> None:
    output = tmp_path / "out.h5"
    with pytest.raises(OutOfTime):
        hhsim.run(small, output=output, max_wall_s=0.01)
    with hhsim.open(output) as recording:
        assert 0 < recording.stopped_at_ms < DURATION_MS
    summary = hhsim.run(small, output=output, resume=True)
    assert summary.spikes_sha256 == small_run.spikes_sha256


def test_extending_keeps_one_recording(command, small, tmp_path) -> None:
    """Sessions are told of in the file."""
    assert command("run", small, "-q", "--checkpoint-every", "1h", "--duration", "30 ms").code == 0
    assert command("run", small, "-q", "--resume", "--duration", "60 ms").code == 0
    assert command("run", small, "-q", "--resume").code == 0
    with hhsim.open("out.h5") as recording:
        assert recording.facts["resumed_at_ms"] == pytest.approx([30, 60])
    shutil.copy("out.h5", "copy.h5")
    assert command("diff", "out.h5", "copy.h5").code == 0
