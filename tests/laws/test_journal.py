"""A recording after its writer died: at every single operation, and with every loss that a disk may inflict.

Operations on the files are those of `Storage` and `Journal`: nothing else touches them.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import libsonata
import numpy as np
import pytest

from hhsim.errors import FileFailed
from hhsim.recording import Recorder, TraceColumns, open_recording, recover
from hhsim.recording.journal import interrupted, journal_path, read_journal

DT, FLUSHES = 0.1, 2
SPIKES, FRAMES = 700, 40  # of each flush


def record(folder: Path, created: Callable[[], None] = lambda: None) -> None:
    """A recording with several flushes; flush i holds the steps from 100·i to 100·(i + 1)."""
    recorder = Recorder(
        folder / "out.h5",
        populations={"exc": 1000},
        traces=[TraceColumns("exc", "v", range(3), DT), TraceColumns("exc", "na.m", range(2), DT, "1")],
        dt=DT,
        duration=1000.0,
        resolved_config="",
        facts={},
    )
    created()
    for i in range(FLUSHES):
        steps, nodes, frames = content(i)
        recorder.append_spikes("exc", steps, nodes)
        recorder.append_frames(0, frames)
        recorder.append_frames(1, frames[:, :2])
        recorder.flush(100.0 * DT * (i + 1))
    recorder.close(True, 100.0 * DT * FLUSHES)


def content(flush: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(flush)
    steps, nodes = np.divmod(np.sort(rng.choice(100 * 1000, SPIKES, replace=False)), 1000)
    return 100 * flush + steps, nodes, rng.normal(size=(FRAMES, 3)).astype(np.float32)


def check(folder: Path, twice: bool = True) -> int:
    """Recover a recording and hold it against what was written; how many flushes are in it.

    Where it is not said to be a mixture, it must be whole without that, too. If `twice`, there is nothing to
    do for a second recovery.
    """
    path = folder / "out.h5"
    if not interrupted(path) and not interrupted(folder / "out.na.m.h5"):
        hold(path)
    found = recover(path)
    assert not journal_path(path).exists()
    assert not interrupted(path)
    if twice:
        assert recover(path).finished == ()
    flushes = hold(path)
    assert flushes == round(found.stopped_at_ms / (100.0 * DT))
    return flushes


def hold(path: Path) -> int:
    with open_recording(path) as recording:
        flushes = round(recording.stopped_at_ms / (100.0 * DT))
        spikes = recording.spikes["exc"]
        whole = [content(i) for i in range(flushes)]
        assert len(spikes) == flushes * SPIKES
        assert np.array_equal(spikes.steps, np.concatenate([np.zeros(0, int), *(c[0] for c in whole)]))
        assert np.array_equal(spikes.nodes, np.concatenate([np.zeros(0, int), *(c[1] for c in whole)]))
        for variable, width in (("v", 3), ("na.m", 2)):
            trace = recording.trace("exc", variable)
            # files are committed one after the other: one may be a flush ahead
            assert trace.frames in (flushes * FRAMES, (flushes + 1) * FRAMES)
            wanted = np.concatenate([content(i)[2][:, :width] for i in range(trace.frames // FRAMES)] or [[]])
            assert np.array_equal(trace.data.ravel(), wanted.ravel())
    assert len(libsonata.SpikeReader(str(path))["exc"].get_dict()["timestamps"]) == flushes * SPIKES
    return flushes


class Killed(BaseException):
    pass


def count_operations(monkeypatch: pytest.MonkeyPatch, limit: float, whole: bool = True) -> list[str]:
    """From now on each operation on a file is noted; at number `limit` the process as it were dies."""
    done: list[str] = []

    def watched(name: str, function):
        def act(descriptor, *arguments):
            if len(done) >= limit:
                if name == "pwrite" and not whole:
                    function(descriptor, arguments[0][: len(arguments[0]) // 2], arguments[1])
                raise Killed
            done.append(name)
            return function(descriptor, *arguments)

        return act

    for name in ("pwrite", "ftruncate", "fdatasync"):
        monkeypatch.setattr(os, name, watched(name, getattr(os, name)))
    return done


def record_and_die(folder: Path, limit: int, whole: bool = True, created: bool = False) -> None:
    """A recording in a process of its own that ends at operation `limit`, without closing anything.

    Operations count from the beginning, or from when the recording was `created`.
    """
    child = os.fork()
    if child == 0:
        try:
            with pytest.MonkeyPatch.context() as patch:
                if created:
                    record(folder, lambda: count_operations(patch, limit, whole) and None)
                else:
                    count_operations(patch, limit, whole)
                    record(folder)
        finally:
            os._exit(9)
    os.waitpid(child, 0)


def moments(operations: list[str], begin: int, whole: bool) -> list[int]:
    """At which operations to die; `begin` of them were done when the recording came into being.

    Where one leaves other files than the one before: not after a sync, which no kill undoes, and in the
    middle of writes alone. Each change from one kind of operation to another, and of the writes between, one
    after the other in turn between operations and in the middle. While there is no recording yet, a few.
    """
    creation = [*range(0, begin - 3, 12), *range(begin - 3, begin)]
    kinds = ["", *operations, ""]  # operation i is kinds[i + 1]
    later = range(begin, len(operations))
    if whole:
        return [*creation, *(i for i in later if kinds[i] != "fdatasync" and (kinds[i] != "pwrite" or i % 2))]
    written = [i for i in [*creation, *later] if operations[i] == "pwrite"]
    return [i for i in written if kinds[i + 2] != "pwrite" or i % 2 == 0]


@pytest.mark.parametrize("whole", [True, False], ids=["between operations", "in the middle of a write"])
def test_a_kill_at_any_operation_loses_nothing_that_was_flushed(fast, whole) -> None:
    """For each kind of moment of a whole recording, in a process that ends there."""
    counted = fast / "counted"
    counted.mkdir()
    beginnings: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        operations = count_operations(patch, np.inf)
        record(counted, lambda: beginnings.append(len(operations)))
    assert check(counted) == FLUSHES
    assert len(operations) - beginnings[0] > 50, operations
    seen = set()
    for number, limit in enumerate(moments(operations, beginnings[0], whole)):
        folder = fast / str(limit)
        folder.mkdir()
        record_and_die(folder, limit, whole)
        if (folder / "out.h5").exists():  # else it died before there was a recording
            seen.add(check(folder, twice=number % 3 == 0))
        shutil.rmtree(folder)
    assert seen == set(range(FLUSHES + 1))


@dataclass(frozen=True)
class Write:
    file: str
    address: int
    data: bytes


@dataclass(frozen=True)
class Resize:
    file: str
    size: int


@dataclass(frozen=True)
class Sync:
    file: str


def trace_of_operations(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Write | Resize | Sync], int]:
    """All that a recording does to its files, which are named as they are at the end; and how much of it
    was done when the recording came into being."""
    events: list[Write | Resize | Sync] = []

    def file_of(descriptor: int) -> str:
        name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
        return (
            ".".join(part for part in name.removeprefix(".").split(".")[:-2])
            if name.endswith(".tmp")
            else name
        )

    pwrite, ftruncate, fdatasync, fsync = os.pwrite, os.ftruncate, os.fdatasync, os.fsync

    def write(descriptor, data, address):
        events.append(Write(file_of(descriptor), address, bytes(data)))
        return pwrite(descriptor, data, address)

    def resize(descriptor, size):
        events.append(Resize(file_of(descriptor), size))
        ftruncate(descriptor, size)

    def sync(descriptor):
        events.append(Sync(file_of(descriptor)))
        fdatasync(descriptor)

    def sync_all(descriptor):
        events.append(Sync(file_of(descriptor)))
        fsync(descriptor)

    for name, function in (
        ("pwrite", write),
        ("ftruncate", resize),
        ("fdatasync", sync),
        ("fsync", sync_all),
    ):
        monkeypatch.setattr(os, name, function)
    beginnings: list[int] = []
    record(folder, lambda: beginnings.append(len(events)))
    return events, beginnings[0]


def after_loss_of_power(events: list[Write | Resize | Sync], chooser: random.Random) -> dict[str, bytes]:
    """The files as a disk may have them: all that was synced, and any part of what came after."""
    files: dict[str, bytearray] = {}
    for i, event in enumerate(events):
        if isinstance(event, Sync):
            continue
        synced = any(isinstance(e, Sync) and e.file == event.file for e in events[i:])
        if not synced and chooser.random() < 0.5:
            continue
        content = files.setdefault(event.file, bytearray())
        if isinstance(event, Resize):
            del content[event.size :]
            content.extend(bytes(event.size - len(content)))
            continue
        data = event.data
        if not synced and chooser.random() < 0.3:  # torn
            data = data[: chooser.randrange(len(data) + 1)]
        content.extend(bytes(max(0, event.address + len(data) - len(content))))
        content[event.address : event.address + len(data)] = data
    return {name: bytes(content) for name, content in files.items()}


def test_a_loss_of_power_at_any_moment_loses_nothing_that_was_flushed(fast, monkeypatch) -> None:
    written = fast / "written"
    written.mkdir()
    with monkeypatch.context() as patch:
        events, begin = trace_of_operations(written, patch)
    assert {event.file for event in events} == {
        "out.h5", ".out.h5.journal", "out.na.m.h5", ".out.na.m.h5.journal",
    }  # fmt: skip
    chooser = random.Random(2007)
    seen = set()
    for end in range(begin, len(events) + 1):
        # at each moment; more often where a write is followed by something else
        between_writes = isinstance(events[end - 1], Write) and isinstance(events[end % len(events)], Write)
        for often in range(1 if between_writes else 3):
            files = after_loss_of_power(events[:end], chooser)
            folder = fast / "disk"
            folder.mkdir()
            for name, data in files.items():
                (folder / name).write_bytes(data)
            seen.add(check(folder, twice=often == 2))
            shutil.rmtree(folder)
    assert seen == set(range(FLUSHES + 1))


def test_a_second_run_on_the_same_output_is_refused(tmp_path) -> None:
    options = {"traces": (), "dt": DT, "duration": 1.0, "resolved_config": "", "facts": {}, "overwrite": True}
    with Recorder(tmp_path / "out.h5", populations={"exc": 3}, **options) as first:
        first.append_spikes("exc", np.array([0]), np.array([1]))
        with pytest.raises(FileFailed, match="another run is writing it"):
            Recorder(tmp_path / "out.h5", populations={"exc": 3}, **options)
        with pytest.raises(FileFailed, match="another run is writing it"):
            recover(tmp_path / "out.h5")
        first.close(True, 1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]
    with open_recording(tmp_path / "out.h5") as recording:
        assert len(recording.spikes["exc"]) == 1


COMMITS = [0]  # the operation after which a journal holds its first commit, once that was found


def die_in_a_commit(folder: Path) -> None:
    """A recording that ends as soon as its journal holds a commit."""
    for limit in range(COMMITS[-1], 100):
        for file in folder.iterdir():
            file.unlink()
        record_and_die(folder, limit, created=True)
        if read_journal(journal_path(folder / "out.h5")) is not None:
            COMMITS.append(limit)
            return
    raise AssertionError("no journal")


def test_a_journal_of_another_file_changes_nothing(fast) -> None:
    for name in ("a", "b"):
        (fast / name).mkdir()
        die_in_a_commit(fast / name)
    ours = (fast / "a/out.h5").read_bytes()
    shutil.copy(journal_path(fast / "b/out.h5"), journal_path(fast / "a/out.h5"))
    with pytest.raises(FileFailed, match="is not the file that"):
        recover(fast / "a/out.h5")
    assert (fast / "a/out.h5").read_bytes() == ours


def test_a_damaged_journal_is_not_replayed(fast) -> None:
    """A journal whose own writing was cut off: its commit had not begun."""
    die_in_a_commit(fast)
    journal = journal_path(fast / "out.h5")
    whole = journal.read_bytes()
    for damaged in (whole[:-1], whole[:50], b"", whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]):
        journal.write_bytes(damaged)
        before = (fast / "out.h5").read_bytes()
        assert str(fast / "out.h5") not in recover(fast / "out.h5").finished
        assert (fast / "out.h5").read_bytes() == before


def test_what_was_written_beyond_a_commit_is_cut_off(fast) -> None:
    """A commit says how long the file is: bytes that were appended for the next one are no part of it."""
    die_in_a_commit(fast)
    path = fast / "out.h5"
    found = read_journal(journal_path(path))
    assert found is not None
    with path.open("ab") as file:
        file.write(b"the beginning of another flush" * 1000)
    recover(path)
    assert path.stat().st_size == found.size
    hold(path)
