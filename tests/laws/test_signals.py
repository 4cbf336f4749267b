"""Ctrl-C and SIGTERM, and runs that break: whenever it happens, what is left behind is whole."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import libsonata
import numpy as np
import pytest

import hhsim
from hhsim.errors import Interrupted, Stopped, exit_code_of
from hhsim.recording import Recorder
from hhsim.recording.storage import Storage
from hhsim.simulation.simulation import Simulation
from hhsim.system.stopping import noted, stoppable

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

# A shell may start its jobs with SIGINT ignored: a command of ours would respect that.
PREPARE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
MAIN = "import sys; from hhsim.cli import main; sys.exit(main())"

both = pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)


def raise_first(number: int, function: Callable[..., object]) -> Callable[..., object]:
    """`function`, before whose first call the signal comes."""
    signals = [number]

    def wrapped(*arguments: object, **settings: object) -> object:
        while signals:
            signal.raise_signal(signals.pop())
        return function(*arguments, **settings)

    return wrapped


@both
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("hhsim.config.load", "parse"),
        ("hhsim.recording.owners", "facts_of"),
        ("hhsim.network.build", "Stage"),
        ("hhsim.engines.host", "build_cells"),
        ("hhsim.engines.processor", "load"),
    ],
)
def test_before_the_first_step_nothing_is_left_behind(
    command, small, tmp_path, monkeypatch, number, module, name
) -> None:
    home = importlib.import_module(module)
    monkeypatch.setattr(home, name, raise_first(number, getattr(home, name)))
    (tmp_path / "old.h5").write_text("precious")
    result = command("run", small, "-q", "-o", "old.h5", "--force")
    assert (result.code, result.out) == (CODES[number], "")
    assert result.err == "hhsim: interrupted before anything was written\n"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("library", ["pint", "h5py", "numba", "hhsim.simulation.simulation"])
def test_imports_can_be_interrupted(small, tmp_path, library) -> None:
    code = f"""
import sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == {library!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder)
"""
    run = subprocess.run(
        [sys.executable, "-c", PREPARE + code + MAIN, "run", str(small), "-q"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (130, "")
    assert run.stderr == "hhsim: interrupted before anything was written\n"
    assert not list(tmp_path.iterdir())


def same_beginning(path: Path, whole: Path, stopped_ms: float) -> None:
    """The file at `path` holds what the whole run recorded up to `stopped_ms`, and no more."""
    with hhsim.open(path) as part, hhsim.open(whole) as all_of_it:
        assert not part.complete
        assert part.stopped_at_ms == pytest.approx(stopped_ms)
        last = round(stopped_ms / part.dt_ms)
        for name, spikes in all_of_it.spikes.items():
            early = spikes.steps < last
            assert np.array_equal(part.spikes[name].steps, spikes.steps[early])
            assert np.array_equal(part.spikes[name].nodes, spikes.nodes[early])
            assert part.sha256(name) == part.checksums[name]
        frames = part.trace("exc").data
        assert len(frames) == len(range(0, last, 10))
        assert np.array_equal(frames, all_of_it.trace("exc").data[: len(frames)])
    assert len(libsonata.SpikeReader(str(path))["exc"].get()) > 0


@both
def test_an_interrupted_run_closes_its_file(command, small, small_run, monkeypatch, number) -> None:
    advance, calls = Simulation.advance, []

    def interrupted(self: Simulation, most_steps: int | None = None):
        calls.append(self.step)
        if len(calls) == 4:
            signal.raise_signal(number)
        return advance(self, min(most_steps or 100, 100))

    monkeypatch.setattr(Simulation, "advance", interrupted)
    result = command("run", small, "-q")
    assert (result.code, result.out) == (CODES[number], "")
    assert 0 < calls[-1] < 900
    (stopped,) = [float(word) for word in result.err.split() if word.replace(".", "").isdecimal()]
    assert result.err.startswith(f"hhsim: interrupted at t = {stopped:g} ms; the output holds everything")
    assert "--resume goes on" in result.err
    assert stopped > calls[-1] * 0.1
    same_beginning(Path("out.h5"), Path(small_run.output), stopped)
    assert sorted(path.name for path in Path().iterdir()) == ["out.checkpoint", "out.h5"]
    monkeypatch.setattr(Simulation, "advance", advance)
    again = command("run", "-q", "--resume")
    assert again.code == 0, again.err
    with hhsim.open("out.h5") as recording:
        assert recording.checksums == small_run.spikes_sha256


@both
def test_a_signal_while_the_output_is_made_waits_for_it(
    command, small, small_run, monkeypatch, number
) -> None:
    monkeypatch.setattr(Recorder, "_create", raise_first(number, Recorder._create))
    assert command("run", small, "-q").code == CODES[number]
    with hhsim.open("out.h5") as recording:
        stopped = recording.stopped_at_ms
    assert 0 < stopped < 100
    with hhsim.open("out.h5") as part, hhsim.open(small_run.output) as whole:
        early = whole.spikes["exc"].steps < round(stopped / 0.1)
        assert np.array_equal(part.spikes["exc"].nodes, whole.spikes["exc"].nodes[early])


def test_a_signal_after_the_last_step_changes_nothing(command, small, monkeypatch) -> None:
    monkeypatch.setattr(Recorder, "close", raise_first(signal.SIGINT, Recorder.close))
    assert command("run", small, "-q").code == 0
    assert hhsim.open("out.h5").complete


def test_the_api_raises_interrupted(small, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Simulation, "advance", raise_first(signal.SIGINT, Simulation.advance))
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as interrupted:
        hhsim.run(small, output=tmp_path / "out.h5")
    assert exit_code_of(interrupted.value) == 130
    assert not hhsim.open(tmp_path / "out.h5").complete
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@contextmanager
def started(code: str, *arguments: object, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that runs the command after `code`; it does not outlive a test that fails."""
    line = [sys.executable, "-c", PREPARE + code + MAIN, *map(str, arguments)]
    with subprocess.Popen(
        line, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@both
def test_a_real_run_is_stopped_by_a_real_signal(small, tmp_path, number) -> None:
    with started("", "run", small, "-q", "--duration", "10000 s", cwd=tmp_path) as process:
        output = tmp_path / "out.h5"
        deadline = time.monotonic() + 60
        while not output.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
        process.send_signal(number)
        begin = time.monotonic()
        out, err = process.communicate(timeout=30)
        assert time.monotonic() - begin < 5
    assert (process.returncode, out) == (CODES[number], "")
    with hhsim.open(output) as recording:
        assert not recording.complete
        assert f"t = {recording.stopped_at_ms:g} ms" in err
        assert 0 < recording.spikes["exc"].times_ms[-1] <= recording.stopped_at_ms
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.checkpoint", "out.h5"]


def test_sigusr1_stops_with_exit_code_75_and_does_not_count_as_a_first_signal(small, tmp_path) -> None:
    with started("", "run", small, "-q", "--duration", "10000 s", cwd=tmp_path) as process:
        output = tmp_path / "out.h5"
        deadline = time.monotonic() + 60
        while not output.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode in (75, 143)  # whichever of the two was looked at first
    assert "--resume goes on" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.checkpoint", "out.h5"]


@both
def test_the_second_signal_acts_at_once(small, tmp_path, number) -> None:
    busy = """
import hashlib, hhsim.simulation.simulation
def compile(self):
    print("compiling", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # minutes of compiled code
hhsim.simulation.simulation.Simulation.compile = compile
"""
    with started(busy, "run", small, "-q", cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "compiling\n"
        time.sleep(0.5)  # until it really is
        process.send_signal(number)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(number)
        _, err = process.communicate(timeout=5)
    assert process.returncode == CODES[number]
    assert "stopped at once" in err
    assert not list(tmp_path.iterdir())


@both
def test_who_has_stopped_is_not_asked_again(small, tmp_path, number) -> None:
    """Not while the interpreter is taken down either, after all handlers of ours."""
    twice = f"""
import atexit, signal, hhsim.simulation.simulation
def compile(self):
    signal.raise_signal({int(number)})
hhsim.simulation.simulation.Simulation.compile = compile
atexit.register(signal.raise_signal, {int(number)})
"""
    with started(twice, "run", small, "-q", cwd=tmp_path) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == CODES[number]
    assert err == "hhsim: interrupted before anything was written\n"


@both
def test_an_interrupted_export_leaves_no_file(command, small, tmp_path, monkeypatch, number) -> None:
    home = importlib.import_module("hhsim.exporting.circuit")
    monkeypatch.setattr(home, "_write_edges", raise_first(number, home._write_edges))
    assert command("export", small, "-o", "circuit").code == CODES[number]
    assert [path.name for path in tmp_path.rglob("*")] == ["circuit"]


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(Stopped):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@both
def test_sigusr1_never_cuts_short_what_is_written(number) -> None:
    """Nor does it as the second one, after which another Ctrl-C would end the process."""
    with stoppable(), noted() as pending:
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGUSR1)
        assert pending == [signal.SIGUSR1, number, signal.SIGUSR1]
        assert all(signal.getsignal(each) != signal.SIG_DFL for each in CODES)


def test_no_descriptor_is_lost() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for _ in range(20):
        with stoppable():
            pass
    deadline = time.monotonic() + 5
    while descriptors() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert descriptors() <= before


# Runs that break by themselves


def test_a_diverged_run_keeps_everything_up_to_then(command, small, small_run) -> None:
    flood = 'target="inh", nodes=[7, 8], start="50 ms", rate="20 kHz", receptor="exc", weight="1e308 nS"'
    result = command("run", small, "-q", "--set", f'input=[{{model="poisson", {flood}}}]')
    assert (result.code, result.out) == (4, "")
    assert "cell 7 of population 'inh'" in result.err
    with hhsim.open("out.h5") as recording:
        stopped = recording.stopped_at_ms
        assert f"t = {stopped:g} ms" in result.err
    assert 50 <= stopped < 60
    same_beginning(Path("out.h5"), Path(small_run.output), stopped)


def test_a_full_disk_is_told(command, small, monkeypatch) -> None:
    put, room = Storage._put, [100]

    def put_while_there_is_room(self: Storage, data: bytes, address: int) -> None:
        room[0] -= 1
        if room[0] > 0:
            put(self, data, address)
        else:
            self.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Storage, "_put", put_while_there_is_room)
    result = command("run", small, "-q", "--duration", "500 ms")
    assert result.code == 5
    assert "out.h5: no space is left" in result.err
