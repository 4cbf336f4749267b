"""Checkpoints on disk: at each moment a whole one, and never a damaged one believed."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hhsim.errors import FileFailed
from hhsim.recording.streams import Position
from hhsim.recording.writer import Positions
from hhsim.simulation.checkpoint import store
from hhsim.simulation.checkpoint.snapshot import Snapshot
from hhsim.simulation.checkpoint.store import Checkpoint, checkpoint_path, previous_path


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


class Disk:
    """A folder as a disk may have it after a loss of power: all that was synced, and any of the rest.

    The content of a file is sure once the file was synced, its name once the folder was.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.whole: dict[int, bytes] = {}  # content that is sure, by inode
        self.names: dict[str, int] = {}  # names that are sure
        self.pending: list[tuple[str, str | None, int]] = []  # renames and new names that are not
        self.moments: list[list[dict[str, bytes]]] = []  # what may be found after each operation
        replace, fsync, create = os.replace, os.fsync, Path.open

        def replaced(old, new):
            inode = os.stat(old).st_ino
            replace(old, new)
            self.pending.append((Path(new).name, Path(old).name, inode))
            self.moment()

        def synced(descriptor):
            fsync(descriptor)
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            if path.is_dir():
                for new, old, inode in self.pending:
                    self._name(self.names, new, old, inode)
                self.pending.clear()
            else:
                self.whole[os.fstat(descriptor).st_ino] = path.read_bytes()
            self.moment()

        def opened(path, mode="r", *arguments, **named):
            file = create(path, mode, *arguments, **named)
            if "x" in mode or "w" in mode:
                self.pending.append((path.name, None, os.fstat(file.fileno()).st_ino))
                self.moment()
            return file

        monkeypatch.setattr(os, "replace", replaced)
        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(Path, "open", opened)

    @staticmethod
    def _name(names: dict[str, int], new: str, old: str | None, inode: int) -> None:
        if old is not None:
            names.pop(old, None)
        names[new] = inode

    def moment(self) -> None:
        """Note what a loss of power now may leave: for every choice of the pending names."""
        found = []
        for choice in itertools.product((False, True), repeat=len(self.pending)):
            names = dict(self.names)
            for chosen, (new, old, inode) in zip(choice, self.pending, strict=True):
                if chosen:
                    self._name(names, new, old, inode)
            found.append({name: self.whole.get(inode, b"torn") for name, inode in names.items()})
        self.moments.append(found)


def test_a_loss_of_power_at_any_moment_of_saving_leaves_a_whole_checkpoint(tmp_path, monkeypatch) -> None:
    """And once a checkpoint is saved, it is that one which is found."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with monkeypatch.context() as patch:
        disk = Disk(folder, patch)
        saved = []
        for step in (1, 2, 3):
            store.save(folder / "out.h5", checkpoint(step))
            saved.append(len(disk.moments))
    after = tmp_path / "after"
    for number, moment in enumerate(disk.moments[saved[0] - 1 :], start=saved[0]):
        done = sum(number >= each for each in saved)  # checkpoints that were saved by then
        for files in moment:
            after.mkdir()
            for name, content in files.items():
                (after / name).write_bytes(content)
            found, _ = store.load(after / "out.h5")
            step = found.snapshot.step
            assert same(found, step)
            assert step == done if number in saved else step in (done, done + 1)
            shutil.rmtree(after)
