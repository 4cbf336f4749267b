"""What a commit is about to change in a file, written down first: so that it is done wholly or not at all.

A commit overwrites a few KiB in the middle of an HDF5 file, in several places. A process that is killed in
between, or a machine that loses its power, would leave a mixture that nobody can read. So the new bytes go
into a journal beside the file first; `replay` finishes what was begun. (Write-ahead logging: Mohan et al.
1992, ACM Trans. Database Syst. 17:94-162.)

The journal is also the lock by which a second run on the same output is refused.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hhsim.errors import FileFailed

MAGIC = b"hhsimjr2"
HEAD = struct.Struct("<8s32s32sQQ")  # the fields of Commit, and how many changes there are
CHANGE = struct.Struct("<QQ")  # address, bytes
NAMED_WITHIN = 1 << 16  # bytes at the beginning of a recording, where it is named
DIGEST = hashlib.sha256().digest_size

LOOKS = 5  # for a lock that is held, as it may be but a reader's that asks whether the writer lives
PAUSE_S = 0.01  # between them


def journal_path(path: Path) -> Path:
    """Where the journal of a file lies: hidden, beside it, or beside what it links to."""
    target = Path(os.path.realpath(path))
    return target.with_name(f".{target.name}.journal")


@dataclass(frozen=True)
class Commit:
    """What a journal holds."""

    run: bytes  # the name of the run
    before: bytes  # SHA-256 of the bytes that are changed, one place after the other
    size: int  # of the file afterwards
    changes: list[tuple[int, bytes]]  # address, new bytes


class Journal:
    """The journal of a file that is being written, and the lock on it.

    Raises FileFailed if another process holds it, and OSError where the folder cannot be written.
    """

    def __init__(self, path: Path, run: str) -> None:
        """`run` is the name of the run, which stands in the file as well: 32 characters."""
        self.path = journal_path(path)
        self._run = run.encode()
        self._descriptor = _lock(path, self.path)
        os.ftruncate(self._descriptor, 0)

    def write(self, file: int, size: int, changes: list[tuple[int, bytes]]) -> None:
        """Write down a commit to the open `file`, and wait until the disk has it."""
        before = _digest_of(file, changes)
        parts = [CHANGE.pack(address, len(data)) + data for address, data in changes]
        whole = b"".join([HEAD.pack(MAGIC, self._run, before, size, len(parts)), *parts])
        whole += hashlib.sha256(whole).digest()
        done = 0
        while done < len(whole):
            done += os.pwrite(self._descriptor, whole[done:], done)
        os.ftruncate(self._descriptor, len(whole))
        os.fdatasync(self._descriptor)

    def remove(self) -> None:
        """The file is whole: forget the journal, and let go of the lock."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the lock; what was written down stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _lock(path: Path, journal: Path) -> int:
    looks = LOOKS
    while True:
        descriptor = os.open(journal, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            looks -= 1
            if not looks:
                raise FileFailed(str(path), "another run is writing it at this moment") from error
            time.sleep(PAUSE_S)
            continue
        except OSError:  # a file system without locks: better to run unlocked than not at all
            return descriptor
        try:
            if os.path.samestat(os.stat(journal), os.fstat(descriptor)):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)  # whoever held it has removed it meanwhile


def _digest_of(file: int, changes: list[tuple[int, bytes]]) -> bytes:
    """SHA-256 of what an open file holds in the places that `changes` are for."""
    digest = hashlib.sha256()
    for address, data in changes:
        digest.update(os.pread(file, len(data), address))
    return digest.digest()


def read_journal(journal: Path) -> Commit | None:
    """The commit that a journal holds.

    None if there is no journal, or one whose own writing was cut off: then the commit had not begun.
    """
    try:
        whole = journal.read_bytes()
    except FileNotFoundError:
        return None
    body, digest = whole[:-DIGEST], whole[-DIGEST:]
    if len(whole) < HEAD.size + DIGEST or hashlib.sha256(body).digest() != digest:
        return None
    magic, run, before, size, count = HEAD.unpack_from(body)
    if magic != MAGIC:
        return None
    changes, at = [], HEAD.size
    for _ in range(count):
        address, length = CHANGE.unpack_from(body, at)
        at += CHANGE.size
        changes.append((address, body[at : at + length]))
        at += length
    return Commit(run, before, size, changes)


def interrupted(path: Path) -> bool:
    """Did the writer of `path` die in the middle of a commit? Then the file is a mixture until `replay`.

    It is none where not a byte of the commit was written yet, nor where all were.
    """
    try:
        descriptor = os.open(journal_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        found = read_journal(journal_path(path))
        with path.open("rb") as file:
            if found is None or found.run not in file.read(NAMED_WITHIN):
                return False
            after = hashlib.sha256(b"".join(data for _, data in found.changes)).digest()
            return _digest_of(file.fileno(), found.changes) not in (found.before, after)
    except OSError:  # the writer is alive, or this file system has no locks
        return False
    finally:
        os.close(descriptor)


def replay(path: Path) -> bool:
    """Finish the commit that was under way when the writer of `path` died; was there one?

    Does the same however often it is done. Raises FileFailed if the writer is alive, or the file is not
    what the journal is for.
    """
    with _held(path) as journal:
        found = read_journal(journal)
        if found is not None:
            with path.open("r+b") as file:
                if found.run not in file.read(NAMED_WITHIN):
                    raise FileFailed(str(path), f"is not the file that {journal.name} is for")
                if os.fstat(file.fileno()).st_size < found.size:
                    raise FileFailed(str(path), "is shorter than its journal says: part of it is lost")
                for address, data in found.changes:
                    os.pwrite(file.fileno(), data, address)
                os.ftruncate(file.fileno(), found.size)
                os.fsync(file.fileno())
        journal.unlink(missing_ok=True)
    return found is not None


@contextmanager
def _held(path: Path) -> Iterator[Path]:
    journal = journal_path(path)
    descriptor = _lock(path, journal)
    try:
        yield journal
    finally:
        os.close(descriptor)
