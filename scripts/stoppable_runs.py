"""Runs of hhsim in processes of their own, stopped from outside at any moment, and what they leave behind.

A run costs 0.8 s of starting and loading compiled code, too much for thousands of them. So the first process
loads all that is needed with one thread (`warm`), workers are forked from it (`spread`), and each run is
forked from a worker (`Run`). Forking is safe here, as no process but the runs ever starts threads; Numba
refuses to work in a child of the process that loaded its code, but not in a grandchild.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import hhsim
from hhsim.cli import main
from hhsim.config import load
from hhsim.jit import options as jit
from hhsim.recording import Recorder, recover  # noqa: F401  (loaded before any fork)
from hhsim.recording.journal import Journal
from hhsim.recording.storage import Storage
from hhsim.simulation import loop
from hhsim.simulation.simulation import Simulation

PATIENCE_S = 120.0  # for a run that should take less than a second: more is a hang


class Apart:
    """`function()` in a forked process, so that nothing it does can harm this one; it returns JSON."""

    def __init__(self, function: Callable[[], Any]) -> None:
        end, start = os.pipe()
        sys.stdout.flush()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(end)
                with os.fdopen(start, "w") as pipe:
                    json.dump(function(), pipe)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(1)
        os.close(start)
        self._pipe = end

    def result(self) -> Any:
        """What the function returned; raises ChildProcessError where it failed or crashed."""
        with os.fdopen(self._pipe) as pipe:
            told = pipe.read()
        _, status = os.waitpid(self._pid, 0)
        if status:
            raise ChildProcessError(f"ended with {os.waitstatus_to_exitcode(status)}")
        return json.loads(told)


def spread(tasks: Iterable[Callable[[], Any]], jobs: int) -> Iterator[Any]:
    """The results of `tasks` in their order, with `jobs` of them under way at a time."""
    under_way: list[Apart] = []
    for task in tasks:
        if len(under_way) == jobs:
            yield under_way.pop(0).result()
        under_way.append(Apart(task))
    for each in under_way:
        yield each.result()


def warm(config: Path) -> None:
    """Load the compiled code that a run of `config` needs, or compile it."""
    Simulation(load(config).model, threads=1).compile()
    jit._started_in = None  # with one thread OpenMP has started none, and forking is safe
    gc.freeze()  # what is here already need not be looked at, and copied, by every child


class Beacon:
    """What a run tells of itself in memory that it shares with whoever started it."""

    def __init__(self) -> None:
        self._values = np.frombuffer(mmap.mmap(-1, 6 * 8), np.float64)

    @property
    def is_open(self) -> bool:
        """Whether the output is there."""
        return bool(self._values[0])

    @property
    def step(self) -> int:
        """At which the chunk under way began."""
        return int(self._values[1])

    @property
    def flushed_ms(self) -> float:
        """Up to when the run was told that its output is safe."""
        return float(self._values[2])

    @property
    def commits(self) -> bool:
        """Whether a file is being changed where readers look."""
        return bool(self._values[5])

    @property
    def moment(self) -> str:
        """What the run is doing to its output."""
        flushes, writes, left = self._values[3:]
        if left:
            return "a file's commit about to begin" if left == writes else "in the middle of a file's commit"
        return "in a flush, its commits apart" if flushes else "between flushes"

    def attach(self) -> None:
        """From now on the runs of this process tell here how far they are."""
        values = self._values
        begin, flush, advance = Recorder.__init__, Recorder.flush, Simulation.advance
        write, put, commit = Journal.write, Storage._put, Storage.commit

        def noted_begin(self: Recorder, *arguments: Any, **options: Any) -> None:
            begin(self, *arguments, **options)
            values[0] = 1

        def noted_advance(self: Simulation, most_steps: int | None = None) -> Any:
            values[1] = self.step
            return advance(self, most_steps)

        def noted_flush(self: Recorder, t_ms: float) -> None:
            values[3] = 1
            flush(self, t_ms)
            values[2:4] = t_ms, 0

        def noted_write(self: Journal, file: int, size: int, changes: list[tuple[int, bytes]]) -> None:
            write(self, file, size, changes)
            values[4:] = len(changes)

        def noted_put(self: Storage, data: bytes, address: int) -> None:
            put(self, data, address)
            values[5] = max(0, values[5] - 1)

        def noted_commit(self: Storage) -> None:
            commit(self)
            values[4:] = 0

        for owner, name, function in (
            (Recorder, "__init__", noted_begin),
            (Recorder, "flush", noted_flush),
            (Simulation, "advance", noted_advance),
            (Journal, "write", noted_write),
            (Storage, "_put", noted_put),
            (Storage, "commit", noted_commit),
        ):
            setattr(owner, name, function)


def restless(seed: str, longest_chunk: int, flush_every_s: float = 0.0) -> None:
    """From now on the runs of this process have chunks of random lengths, and flush all the time."""
    chooser = random.Random(seed)
    loop.FLUSH_SECONDS = flush_every_s
    loop.FIRST_STEPS = 1
    loop.next_steps = lambda chunk, seconds: chooser.randint(1, longest_chunk)


class Run:
    """`hhsim ARGUMENTS` in a forked process, in a folder of its own; `prepare` is called there first."""

    def __init__(
        self, arguments: Sequence[object], folder: Path, prepare: Callable[[], None] = lambda: None
    ) -> None:
        self.folder = folder
        self.arguments = [str(argument) for argument in arguments]
        self._pid = os.fork()
        if self._pid == 0:
            code = 1
            try:
                os.chdir(folder)
                for descriptor, name in ((1, "stdout"), (2, "stderr")):
                    os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
                signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell may have it ignored
                prepare()
                code = main(self.arguments)
                sys.stdout.flush()
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)

    def ended(self) -> int | None:
        """The exit code, negative for a signal; None while the run goes on."""
        if self._pid:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if not pid:
                return None
            self._pid = 0
            self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def send(self, number: int) -> None:
        if self.ended() is None:
            os.kill(self._pid, number)

    def wait(self) -> int:
        """The exit code, once there is one; raises TimeoutError for a run that hangs."""
        self.until(lambda: False)
        code = self.ended()
        assert code is not None
        return code

    def until(self, condition: Callable[[], bool], pause_s: float = 0.0005) -> None:
        """Wait until `condition` holds or the run has ended; raises TimeoutError for one that hangs."""
        deadline = time.monotonic() + PATIENCE_S
        while self.ended() is None and not condition():
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
                raise TimeoutError(f"hhsim {' '.join(self.arguments)}: no end after {PATIENCE_S:g} s")
            if pause_s:
                time.sleep(pause_s)

    def words(self) -> str:
        """What the run said on stderr."""
        return (self.folder / "stderr").read_text()


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays agree in every bit."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def differences(output: Path, wanted: Path) -> list[str]:
    """In what a recording differs from another one, in words; empty if they agree to the bit."""
    found = []
    with hhsim.open(output) as ours, hhsim.open(wanted) as theirs:
        facts = ["complete", "stopped_at_ms", "checksums"]
        facts += (
            ["duration_ms"] if theirs.complete else []
        )  # else it may have been stopped while it was shorter
        for what in facts:
            if getattr(ours, what) != getattr(theirs, what):
                found.append(f"{what}: {getattr(ours, what)} instead of {getattr(theirs, what)}")
        for name in theirs.spikes:
            if ours.sha256(name) != theirs.sha256(name):
                found.append(f"spikes of {name}: {len(ours.spikes[name])} and {len(theirs.spikes[name])}")
        for key, trace in theirs.traces.items():
            if not same(ours.traces[key].data, trace.data):
                found.append(f"trace of {key[1]} of {key[0]}")
    return found
