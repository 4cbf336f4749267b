"""Real runs of `mpiexec -n N hhsim run`: the bits of one process, one file, and one message when it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

import hhsim
from hhsim.cli import main
from hhsim.errors import OutOfTime

MPIEXEC = Path(sys.executable).with_name("mpiexec")  # of the wheel mpich
MAIN = "import sys; from hhsim.cli import main; sys.exit(main())"
LIMIT_S = 120  # a run that hangs fails here


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str
    seconds: float


def start(ranks: int, *arguments: object, cwd: Path, code: str = MAIN) -> subprocess.Popen[str]:
    command = [MPIEXEC, "-n", ranks, sys.executable, "-c", code, *arguments]
    names = ("HHSIM_THREADS", "HHSIM_SEED", "HHSIM_PRECISION")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.Popen(
        [str(each) for each in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> Done:
    begin = time.monotonic()
    try:
        out, err = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Done(process.returncode, out, err, time.monotonic() - begin)


def mpi(ranks: int, *arguments: object, cwd: Path, code: str = MAIN) -> Done:
    return end(start(ranks, *arguments, cwd=cwd, code=code))


def datasets(path: Path) -> dict[str, np.ndarray]:
    """Spikes and traces of an output."""
    found = {}
    with h5py.File(path) as file:
        for group in ("spikes", "report"):
            file[group].visititems(
                lambda name, each: found.update({name: each[()]}) if isinstance(each, h5py.Dataset) else None
            )
    return found


DELAYS = ('projection.0.delay="0.5 ms"', 'projection.1.delay="0.4 ms"')


def settings(delays: bool) -> list[str]:
    return [word for each in DELAYS for word in ("--set", each)] if delays else []


@pytest.mark.parametrize(("ranks", "threads", "delays"), [(2, 1, False), (3, 1, True), (5, 1, True)])
def test_any_number_of_ranks_writes_what_one_process_writes(
    small, small_run, tmp_path, ranks, threads, delays
) -> None:
    if delays:
        small_run = hhsim.run(small, output=tmp_path / "one.h5", overrides=DELAYS)
    done = mpi(ranks, "run", small, "--json", "-q", "--threads", threads, *settings(delays), cwd=tmp_path)
    assert done.code == 0, done.err
    told = json.loads(done.out)  # one object: one rank speaks
    assert (told["ranks"], told["threads"]) == (ranks, threads)
    for same in ("spikes", "spikes_sha256", "suppressed_crossings", "synapses", "neurons", "steps"):
        assert told[same] == getattr(small_run, same), same
    assert told["complete"]
    ours, theirs = datasets(tmp_path / "out.h5"), datasets(Path(small_run.output))
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    if delays:
        assert done.err == ""
    else:
        (warning,) = done.err.splitlines()
        assert warning.startswith(
            "hhsim: warning: the least delay is 0 steps, so that the 2 ranks meet after"
        )


def interrupted(running: subprocess.Popen[str], output: Path, number: int, since: int = 0) -> Done:
    """Send the signal to mpiexec once the run writes its output, later than at `since`."""
    while not output.exists() or output.stat().st_mtime_ns < since:
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)
    time.sleep(0.2)
    running.send_signal(number)
    done = end(running)
    assert "hhsim" not in done.out  # mpiexec speaks of Ctrl-C there
    assert done.err.count("hhsim: interrupted at t = ") == 1
    return done


def test_interrupted_on_two_ranks_resumed_on_three_and_finished_on_one(small, tmp_path) -> None:
    long = ("--duration", "12 s", *settings(True))
    shown = ("-q", "--threads", 1)
    output = tmp_path / "out.h5"
    whole = hhsim.run(small, output=tmp_path / "whole.h5", duration="12 s", overrides=DELAYS)
    first = start(2, "run", small, *long, *shown, cwd=tmp_path)
    assert interrupted(first, output, signal.SIGINT).code == 130
    with hhsim.open(output) as recording:
        stops = [recording.stopped_at_ms]
        assert not recording.complete
    since = time.time_ns()
    second = start(3, "run", "--resume", *shown, cwd=tmp_path)
    assert interrupted(second, output, signal.SIGUSR1, since).code == 75
    with hhsim.open(output) as recording:
        stops.append(recording.stopped_at_ms)
    assert 0 < stops[0] < stops[1] < 12000
    last = hhsim.run(small, output=output, duration="12 s", overrides=DELAYS, resume=True)
    assert last.spikes_sha256 == whole.spikes_sha256
    ours, theirs = datasets(output), datasets(tmp_path / "whole.h5")
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


# What goes wrong on one rank alone, after a few chunks of steps.
FAILING = """
import sys
from hhsim.errors import FileFailed
from hhsim.engines.exchange.mpi import MPI
from hhsim.recording import Recorder
from hhsim.simulation.simulation import Simulation
calls = 0
def failing(method, error):
    def wrapped(*arguments, **settings):
        global calls
        calls += 1
        if calls > 4:
            raise error
        return method(*arguments, **settings)
    return wrapped
if MPI.COMM_WORLD.rank == 0:
    if WHERE == "disk":
        Recorder.append_spikes = failing(Recorder.append_spikes, FileFailed("out.h5", "the disk is full"))
elif WHERE == "mistake":
    Simulation.advance = failing(Simulation.advance, ZeroDivisionError("a mistake"))
from hhsim.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("where", "code", "message"),
    [
        ("disk", 5, "hhsim: out.h5: the disk is full"),
        ("mistake", 1, "hhsim: this is a mistake in hhsim, not in your config; please report it"),
    ],
)
def test_a_rank_that_fails_stops_all_with_one_message(small, tmp_path, where, code, message) -> None:
    arguments = ("run", small, "-q", "--duration", "1000 s", "--threads", 1, *settings(True))
    done = mpi(2, *arguments, cwd=tmp_path, code=f"WHERE = {where!r}\n{FAILING}")
    assert (done.code, done.out) == (code, "")
    told = done.err.splitlines()
    if where == "mistake":
        assert told.count("Traceback (most recent call last):") == 1
        assert told.count("ZeroDivisionError: a mistake") == 1
        told = told[-1:]
    assert told == [message]
    with hhsim.open(tmp_path / "out.h5") as recording:
        assert not recording.complete
        assert recording.stopped_at_ms >= 0


def test_a_rank_that_is_killed_ends_the_run_and_leaves_the_output_whole(small, tmp_path) -> None:
    arguments = ("-q", "--duration", "1000 s", "--threads", 1, "--checkpoint-every", "0.2s", *settings(True))
    running = start(2, "run", small, *arguments, cwd=tmp_path)
    while not (tmp_path / "out.checkpoint").exists():
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    ranks = [
        rank
        for child in children
        for rank in Path(f"/proc/{child}/task/{child}/children").read_text().split()
    ]
    assert len(ranks) == 2
    os.kill(int(ranks[1]), signal.SIGKILL)
    done = end(running)
    assert done.code != 0
    assert done.seconds < 30
    assert "hhsim:" not in done.err
    assert "Killed (signal 9)" in done.out  # mpiexec says what happened
    assert main(["recover", str(tmp_path / "out.h5")]) == 0
    with hhsim.open(tmp_path / "out.h5") as recording:
        stopped_at_ms = recording.stopped_at_ms
    with pytest.raises(OutOfTime):  # it goes on, in one process or in many
        hhsim.run(
            small,
            output=tmp_path / "out.h5",
            duration="1000 s",
            overrides=DELAYS,
            resume=True,
            max_wall_s=1.5,
        )
    with hhsim.open(tmp_path / "out.h5") as recording:
        assert recording.stopped_at_ms > stopped_at_ms > 0


def test_a_config_that_is_refused_is_refused_once(small, tmp_path) -> None:
    done = mpi(3, "run", small, "--set", "run.durration=1", cwd=tmp_path)
    assert (done.code, done.out) == (3, "")
    assert done.err.count("unknown key") == done.err.count("1 mistake in the config; nothing was run") == 1
    done = mpi(2, "run", "--nonsense", cwd=tmp_path)
    assert (done.code, done.err.count("No such option")) == (2, 1)
    assert not list(tmp_path.iterdir())


def test_without_mpi4py_processes_that_were_started_together_do_nothing(
    command, small, tmp_path, monkeypatch
) -> None:
    """Each would take itself for the only one, and write the same file."""
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setenv("PMI_SIZE", "2")
    for rank, words in (("0", "hhsim: this needs mpi4py: python -m pip install 'hhsim[mpi]'\n"), ("1", "")):
        monkeypatch.setenv("PMI_RANK", rank)
        result = command("run", small)
        assert (result.code, result.out, result.err) == (6, "", words)
    assert not list(tmp_path.iterdir())


def test_processes_of_another_mpi_do_nothing(small, tmp_path) -> None:
    environment = os.environ | {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "run", str(small)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 6
    assert done.stderr.startswith("hhsim: this is one of 2 processes, but MPI sees 1: ")
    assert not list(tmp_path.iterdir())
