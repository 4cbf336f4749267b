"""The bytes of a file under HDF5: whole between flushes, and harmless when the disk fills up.

HDF5's own driver cannot give up a file whose writes fail: it tries again in `close` and at the end of the
process, and crashes there (h5py 3.16, HDF5 2.0: segmentation fault, exit code 139). And it overwrites what
readers rely on piece by piece, whenever its caches ask for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from hhsim.errors import FileFailed
from hhsim.recording.journal import Journal

HEAD_BYTES = 2048  # that are looked at for what somebody else wrote: the superblock and the root


class Storage:
    """A file that h5py writes to, that changes at once in `commit`, and that never fails in its sight.

    Bytes beyond the end of what was committed are written straight away: nothing refers to them yet. Bytes
    that replace committed ones, some KiB of indices and one chunk a dataset, wait in memory for `commit`.
    So the file is, but for the instant of a commit, what the last commit left, whatever happens; and that
    instant is written down in a journal first, so that it can be finished.

    The first failure is kept in `error` for the caller to raise, and from then on nothing more reaches the
    file. It is never locked, so that readers with HDF5's default settings can open it meanwhile.
    """

    def __init__(self, path: Path, journal: Journal, name: Path, *, existing: bool = False) -> None:
        """Create the file, or open an `existing` one; `name` is what it is called when it is complete.

        Raises OSError where that cannot be done.
        """
        self.error: OSError | FileFailed | None = None
        self._name = name
        self._journal = journal
        how = 0 if existing else os.O_CREAT | os.O_EXCL
        self._descriptor = os.open(path, os.O_RDWR | how | os.O_CLOEXEC, 0o666)
        self._position = 0
        self._size = os.fstat(self._descriptor).st_size  # in the sight of h5py
        self._committed = self._size  # bytes that readers may rely on
        self._end = self._size  # of the file, as it was left: an append would hide that it was cut off
        self._head = bytearray(os.pread(self._descriptor, HEAD_BYTES, 0))  # its beginning, as it was left
        self._appended = False  # anything since the last commit
        self._unfinished = False  # a commit began, and met an error
        self._waiting: dict[tuple[int, int], bytes] = {}  # by (address, size), in the order of writing

    def check(self) -> None:
        """Raise the error that writing met, if any."""
        if self.error is not None:
            raise self.error

    def check_place(self, path: Path) -> None:
        """Note an error unless the file is the one under the name `path`, and as it was left.

        A file that was deleted stays there for who has it open: a run would go on for days into nothing.
        """
        if self.error is None:
            try:
                gone = not os.path.samestat(os.stat(path), os.fstat(self._descriptor))
            except FileNotFoundError:
                gone = True
            except OSError as error:
                self.error = error
                return
            if gone:
                self.error = FileFailed(str(path), "was deleted or replaced while the run was writing it")
        self._check_untouched()
        self._check_head()

    def _check_untouched(self) -> None:
        """Note an error unless the file is as long as it was left."""
        if self.error is None:
            size = os.fstat(self._descriptor).st_size
            if size != self._end:
                self._refuse("was cut off" if size < self._end else "was written to")

    def _check_head(self) -> None:
        """Note an error unless the file begins as it was left."""
        if self.error is None and os.pread(self._descriptor, HEAD_BYTES, 0) != self._head:
            self._refuse("was overwritten")

    def _refuse(self, what: str) -> None:
        self.error = FileFailed(str(self._name), f"{what} by someone while the run was writing it")

    def commit(self) -> None:
        """Let the file become what h5py has written, so that neither a kill nor a loss of power undoes it.

        Waits for the disk twice: what was appended must be there before the journal that makes it part of
        the file, and so must be what the journal held until now. Readers may see a mixture for some 0.1 ms,
        therefore in this order: the superblock, which tells where the file ends; the indices of chunks; then
        the rest, such as the lengths of datasets.
        """
        self._resize(self._size)
        changes = self._changes()
        if changes:
            self._guarded(lambda: os.fdatasync(self._descriptor))
            self._guarded(lambda: self._journal.write(self._descriptor, self._size, changes))
        begun = self.error is None
        for address, data in changes:
            self._put(data, address)
        self._unfinished |= begun and self.error is not None
        self._waiting.clear()
        self._committed = self._size
        self._appended = False

    def sync(self) -> None:
        """Wait until the disk has it all: HDF5 never does."""
        self._guarded(lambda: os.fsync(self._descriptor))

    def close(self) -> None:
        """Close the file; the journal goes, unless a commit could not be finished."""
        os.close(self._descriptor)
        if self._unfinished:
            self._journal.close()
        else:
            self._journal.remove()

    def abandon(self) -> None:
        """Close an existing file as it was when it was opened, or last committed."""
        self._waiting.clear()
        self._resize(self._committed)
        self.close()

    def _guarded(self, action: Callable[[], None]) -> None:
        if self.error is None:
            try:
                action()
            except OSError as error:
                self.error = error

    def _changes(self) -> list[tuple[int, bytes]]:
        """What a commit has to write, by address, in the order of `commit`."""
        waiting = [(address, data) for (address, _), data in self._waiting.items()]
        if any(first + len(data) > second for (first, data), (second, _) in pairwise(sorted(waiting))):
            return waiting  # they overlap, as none of HDF5 2.0 do: what was written later counts
        return [
            (address, data) for address, data in sorted(waiting, key=_turn) if self._differs(address, data)
        ]

    def _differs(self, address: int, data: bytes) -> bool:
        """Is something else there now? HDF5 writes much anew that has not changed."""
        try:
            return os.pread(self._descriptor, len(data), address) != data
        except OSError:
            return True

    def _put(self, data: bytes, address: int) -> None:
        done = 0
        self._check_untouched()
        if not self._appended:
            self._check_head()
            self._appended = True
        while done < len(data) and self.error is None:
            try:
                done += os.pwrite(self._descriptor, data[done:] if done else data, address + done)
            except OSError as error:
                self.error = error
        self._end = max(self._end, address + done)
        if address < HEAD_BYTES:
            self._head.extend(bytes(max(0, min(address + done, HEAD_BYTES) - len(self._head))))
            self._head[address : address + done] = data[: min(done, HEAD_BYTES - address)]

    def _resize(self, size: int) -> None:
        self._check_untouched()
        self._guarded(lambda: os.ftruncate(self._descriptor, size))
        if self.error is None:
            self._end = size
            del self._head[size:]
            self._head.extend(bytes(min(size, HEAD_BYTES) - len(self._head)))

    # What h5py asks of a file object: see its "fileobj" driver.

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (self._size if whence == os.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        start, stop = self._position, self._position + size
        if start >= self._size:  # which damage may ask for
            return b""
        found = os.pread(self._descriptor, size, start)
        data = bytearray(found.ljust(min(size, max(0, self._size - start)), b"\0"))
        for (address, length), waiting in self._waiting.items():
            first, last = max(start, address), min(stop, address + length)
            if first < last:
                data[first - start : last - start] = waiting[first - address : last - address]
        return bytes(data)

    def readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        whole = bytes(data)
        address = self._position
        if address >= self._committed:
            self._put(whole, address)
        else:
            self._waiting.pop((address, len(whole)), None)
            self._waiting[address, len(whole)] = whole
        self._size = max(self._size, address + len(whole))
        return len(whole)

    def truncate(self, size: int) -> int:
        self._size = size
        return size

    def flush(self) -> None:
        """HDF5 asks for this more often than the file may change: see `commit`."""


def _turn(change: tuple[int, bytes]) -> int:
    address, data = change
    if address == 0:
        return 0
    return 1 if data.startswith(b"TREE") else 2  # "TREE": a node of a B-tree, by HDF5's file format
