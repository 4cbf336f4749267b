"""Checkpoints on disk: at each moment a whole one, and never a damaged one believed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hhsim.checkpoint import store
from hhsim.checkpoint.snapshot import Snapshot
from hhsim.checkpoint.store import Checkpoint, checkpoint_path, previous_path
from hhsim.errors import FileFailed
from hhsim.recording.streams import Position
from hhsim.recording.writer import Positions


def checkpoint(step: int) -> Checkpoint:
    snapshot = Snapshot(step, 3, {"exc": 5}, {"exc": 1}, 2**64 - 1, {"state": np.full(20, float(step))})
    positions = Positions("a" * 32, step * 0.1, {"exc": Position(5, "ab")}, [Position(1, "cd")])
    return Checkpoint(snapshot, positions, "title = 'µ'", {"hhsim": "1"}, {"window_step": 5})


def same(found: Checkpoint, step: int) -> bool:
    wanted = checkpoint(step)
    assert (found.positions, found.config, found.origin) == (wanted.positions, wanted.config, wanted.origin)
    assert found.snapshot.facts == wanted.snapshot.facts
    return np.array_equal(found.snapshot.arrays["state"], wanted.snapshot.arrays["state"])


def test_the_newest_is_loaded_and_the_one_before_is_kept(tmp_path) -> None:
    output = tmp_path / "out.h5"
    assert not store.exists(output)
    for step in (1, 2, 3):
        store.save(output, checkpoint(step))
    found, note = store.load(output)
    assert same(found, 3)
    assert note == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.checkpoint", "out.checkpoint.previous"]
    store.remove(output)
    assert not list(tmp_path.iterdir())


@given(at=st.integers(0, 10**6), bit=st.integers(0, 7), cut=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(
    at, bit, cut, tmp_path_factory
) -> None:
    output = tmp_path_factory.mktemp("store") / "out.h5"
    store.save(output, checkpoint(1))
    store.save(output, checkpoint(2))
    whole = checkpoint_path(output).read_bytes()
    at %= len(whole)
    damaged = whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
    checkpoint_path(output).write_bytes(damaged)
    found, note = store.load(output)
    assert same(found, 1)
    assert "out.checkpoint: is" in note
    assert "0.1 ms" in note
    previous_path(output).write_bytes(b"nothing")
    with pytest.raises(FileFailed, match=r"out.checkpoint: .*previous: is no checkpoint"):
        store.load(output)


def test_a_kill_at_any_moment_of_saving_leaves_a_whole_checkpoint(tmp_path) -> None:
    """At each operation that changes the folder."""
    total = 0
    for limit in range(20):
        folder = tmp_path / str(limit)
        folder.mkdir()
        store.save(folder / "out.h5", checkpoint(1))
        child = os.fork()
        if child == 0:
            done = 0
            with pytest.MonkeyPatch.context() as patch:

                def counted(function, limit=limit):
                    def act(*arguments, **named):
                        nonlocal done
                        if done == limit:
                            os._exit(9)
                        done += 1
                        return function(*arguments, **named)

                    return act

                patch.setattr(os, "replace", counted(os.replace))
                patch.setattr(os, "fsync", counted(os.fsync))
                patch.setattr(Path, "open", counted(Path.open))
                store.save(folder / "out.h5", checkpoint(2))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        found, _ = store.load(folder / "out.h5")
        if os.waitstatus_to_exitcode(status) == 0:
            assert same(found, 2)
            break
        total += 1
        assert same(found, found.snapshot.step)
    assert total == 5


def test_a_full_disk_leaves_the_earlier_one(tmp_path, monkeypatch) -> None:
    output = tmp_path / "out.h5"
    store.save(output, checkpoint(1))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileFailed, match="No space left"):
        store.save(output, checkpoint(2))
    assert [path.name for path in tmp_path.iterdir()] == ["out.checkpoint"]
    assert same(store.load(output)[0], 1)


def test_without_any_there_is_nothing_to_load(tmp_path) -> None:
    with pytest.raises(FileFailed, match="there is no such file"):
        store.load(tmp_path / "out.h5")
