"""What a killed run leaves half done is never taken for whole, and never stays."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from hhsim.errors import FileFailed
from hhsim.recording import Recorder, TraceColumns, open_recording, recover
from hhsim.recording.journal import Journal, interrupted, journal_path, read_journal
from hhsim.recording.storage import Storage
from hhsim.recording.writer import Positions
from hhsim.simulation.checkpoint import container, store
from hhsim.simulation.checkpoint.snapshot import Snapshot
from hhsim.simulation.checkpoint.store import Checkpoint

DT = 0.1
PATHS = (store.checkpoint_path, store.previous_path)


def recorder(path: Path) -> Recorder:
    traces = [TraceColumns("exc", "v", range(3), DT)]
    return Recorder(
        path, populations={"exc": 9}, traces=traces, dt=DT, duration=9.0, resolved_config="", facts={}
    )


def flush(recording: Recorder, number: int) -> None:
    recording.append_spikes("exc", np.arange(10 * number, 10 * number + 10), np.arange(10) % 9)
    recording.append_frames(0, np.full((10, 3), number, np.float32))
    recording.flush(number + 1.0)


@pytest.fixture
def unfinished(tmp_path) -> tuple[Path, list[tuple[int, bytes]]]:
    """A file before its second flush, whose journal holds that flush; and what the flush is to change."""
    path, kept = tmp_path / "out.h5", tmp_path / "kept"
    with recorder(path) as recording:
        flush(recording, 0)
        before = path.read_bytes()
        flush(recording, 1)
        after, size = journal_path(path).read_bytes(), path.stat().st_size
        found = read_journal(journal_path(path))
        kept.write_bytes(path.read_bytes()[len(before) :])
    path.write_bytes(before + kept.read_bytes())
    assert path.stat().st_size == size
    journal_path(path).write_bytes(after)
    assert found is not None
    return path, found.changes


def test_a_mixture_and_nothing_else_is_refused_and_recovered(unfinished) -> None:
    """A kill after each write of a flush, and where one was cut, as it may be at the end of a page."""
    path, changes = unfinished
    assert len(changes) > 2
    before, journal = path.read_bytes(), journal_path(path).read_bytes()
    whole = bytearray(before)
    for address, data in changes:
        whole[address : address + len(data)] = data
    cuts = [
        (number, len(data) * share // 4) for number, (_, data) in enumerate(changes) for share in range(4)
    ]
    seen = set()
    for number, kept in [*cuts, (len(changes), 0)]:
        now = bytearray(before)
        for i, (address, data) in enumerate(changes[: number + 1]):
            some = data if i < number else data[:kept]
            now[address : address + len(some)] = some
        path.write_bytes(now)
        journal_path(path).write_bytes(journal)
        seen.add((mixture := now not in (before, whole), now == whole))
        assert interrupted(path) == mixture
        if mixture:
            with pytest.raises(FileFailed, match="killed in the middle of a flush; `hhsim recover"):
                open_recording(path)
        else:
            with open_recording(path) as recording:
                flushes = 2 if now == whole else 1
                assert recording.stopped_at_ms == flushes
                assert len(recording.spikes["exc"]) == len(recording.trace("exc").data) == 10 * flushes
        recover(path)
        with open_recording(path) as recording:
            assert recording.spikes["exc"].steps.tolist() == list(range(20))
            assert np.array_equal(recording.trace("exc").data[:, 0], np.repeat([0, 1], 10))
    assert seen == {(False, False), (True, False), (False, True)}


def test_another_file_in_its_place_is_none_of_the_journal(unfinished, tmp_path) -> None:
    path, _ = unfinished
    with recorder(tmp_path / "other.h5") as other:
        flush(other, 0)
    (tmp_path / "other.h5").rename(path)
    assert not interrupted(path)
    with open_recording(path) as recording:
        assert len(recording.spikes["exc"]) == 10


def test_a_recording_that_is_being_written_is_never_refused(tmp_path) -> None:
    path = tmp_path / "out.h5"
    with recorder(path) as recording:
        for number in range(3):
            flush(recording, number)
            with path.open("r+b") as file:  # as a reader may see it in the instant of a commit
                found = read_journal(journal_path(path))
                assert found is not None
                address, data = found.changes[-1]
                os.pwrite(file.fileno(), bytes(len(data)), address)
                assert not interrupted(path)
                os.pwrite(file.fileno(), data, address)
            with open_recording(path) as seen:
                assert seen.stopped_at_ms == number + 1


def test_a_reader_that_asks_does_not_keep_a_run_from_its_output(unfinished) -> None:
    path, _ = unfinished
    descriptor = os.open(journal_path(path), os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    threading.Timer(0.015, os.close, [descriptor]).start()
    Journal(path, "x" * 32).close()


def test_a_copy_without_its_journal_opens(unfinished, tmp_path) -> None:
    path, _ = unfinished
    shutil.copy(path, tmp_path / "copy.h5")
    with open_recording(tmp_path / "copy.h5") as recording:
        assert recording.stopped_at_ms == 1


def test_what_a_killed_creation_left_goes_with_the_next_run(tmp_path) -> None:
    left = [tmp_path / f".out.h5.{name}.tmp" for name in ("0123abcd", "ffffffff")]
    others = [tmp_path / name for name in (".out.h5.notes.tmp", ".out.na.m.h5.0123abcd.tmp", "0123abcd.tmp")]
    for path in (*left, *others):
        path.touch()
    with recorder(tmp_path / "out.h5"):
        assert not any(path.exists() for path in left)
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "out.h5"])


def checkpoint(step: int) -> Checkpoint:
    snapshot = Snapshot(step, 0, {}, {}, 0, {"state": np.zeros(20)})
    return Checkpoint(snapshot, Positions("a" * 32, 0.1 * step, {}, []), "", {}, {})


@pytest.mark.parametrize("content", [b"", b"nothing", None])
def test_a_damaged_checkpoint_does_not_push_out_the_whole_one(tmp_path, content) -> None:
    output = tmp_path / "out.h5"
    store.save(output, checkpoint(1))
    store.save(output, checkpoint(2))
    assert store.load(output).remark == ""
    assert [container.read(path(output))[0]["snapshot"]["step"] for path in PATHS] == [2, 1]
    if content is None:
        store.checkpoint_path(output).unlink()
    else:
        store.checkpoint_path(output).write_bytes(content)
    found, remark = store.load(output)
    assert (found.snapshot.step, "going on from the checkpoint before it" in remark) == (1, True)
    store.drop_newest(output)
    found, remark = store.load(output)
    assert (found.snapshot.step, remark) == (1, "")
    store.save(output, checkpoint(3))
    assert [container.read(path(output))[0]["snapshot"]["step"] for path in PATHS] == [3, 1]


def test_a_checkpoint_whose_writing_was_cut_off_goes_with_the_others(tmp_path) -> None:
    output = tmp_path / "out.h5"
    store.save(output, checkpoint(1))
    whole = store.checkpoint_path(output).read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            store.save(output, checkpoint(2))
    assert store.checkpoint_path(output).read_bytes() == whole
    assert len(list(tmp_path.iterdir())) == 2
    store.remove(output)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("existing", [False, True])
def test_what_was_written_later_counts_even_where_writes_overlap(tmp_path, existing) -> None:
    path = tmp_path / "bytes"
    if existing:
        path.write_bytes(bytes(100))
    storage = Storage(path, Journal(path, "a" * 32), path, existing=existing)
    wanted = bytearray(100)
    chooser = random.Random(existing)
    for turn in range(200):
        for _ in range(chooser.randint(0, 6)):
            at = chooser.randrange(100)
            data = chooser.choice([b"TREE", bytes([turn, 1])]) + bytes(chooser.randrange(20))
            data = data[: 100 - at]
            storage.seek(at)
            storage.write(data)
            wanted[at : at + len(data)] = data
        storage.seek(0)
        assert storage.read(100) == wanted[: len(storage.read(100))]
        storage.commit()
        assert path.read_bytes() == wanted[: path.stat().st_size]
    storage.close()
