"""The bytes of a file under HDF5: whole between flushes, and harmless when the disk fills up.

HDF5's own driver cannot give up a file whose writes fail: it tries again in `close` and at the end of the
process, and crashes there (h5py 3.16, HDF5 2.0: segmentation fault, exit code 139). And it overwrites what
readers rely on piece by piece, whenever its caches ask for it.
"""

from __future__ import annotations

import os
from pathlib import Path


class Storage:
    """A file that h5py writes to, that changes at once in `commit`, and that never fails in its sight.

    Bytes beyond the end of what was committed are written straight away: nothing refers to them yet. Bytes
    that replace committed ones, some KiB of indices and one chunk a dataset, wait in memory for `commit`.
    So the file is, but for the instant of a commit, what the last commit left, whatever happens.

    The first failure is kept in `error` for the caller to raise, and from then on nothing more reaches the
    file. It is never locked, so that readers with HDF5's default settings can open it meanwhile.
    """

    def __init__(self, path: Path) -> None:
        """Create the file; raises OSError if it exists already or cannot be made."""
        self.error: OSError | None = None
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._position = 0
        self._size = 0  # in the sight of h5py
        self._committed = 0  # bytes that readers may rely on
        self._waiting: dict[tuple[int, int], bytes] = {}  # by (address, size), in the order of writing

    def check(self) -> None:
        """Raise the error that writing met, if any."""
        if self.error is not None:
            raise self.error

    def commit(self) -> None:
        """Let the file become what h5py has written.

        Readers may see a mixture for some 0.1 ms, therefore in this order: the superblock, which tells
        where the file ends; the indices of chunks; then the rest, such as the lengths of datasets.
        """
        self._resize(self._size)
        for (address, _), data in sorted(self._waiting.items(), key=_turn):
            self._put(data, address)
        self._waiting.clear()
        self._committed = self._size

    def sync(self) -> None:
        """Wait until the disk has it all: HDF5 never does."""
        if self.error is None:
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self.error = error

    def close(self) -> None:
        os.close(self._descriptor)

    def _put(self, data: bytes, address: int) -> None:
        done = 0
        while done < len(data) and self.error is None:
            try:
                done += os.pwrite(self._descriptor, data[done:] if done else data, address + done)
            except OSError as error:
                self.error = error

    def _resize(self, size: int) -> None:
        if self.error is None:
            try:
                os.ftruncate(self._descriptor, size)
            except OSError as error:
                self.error = error

    # What h5py asks of a file object: see its "fileobj" driver.

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (self._size if whence == os.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        start, stop = self._position, self._position + size
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


def _turn(item: tuple[tuple[int, int], bytes]) -> int:
    (address, _), data = item
    if address == 0:
        return 0
    return 1 if data.startswith(b"TREE") else 2  # "TREE": a node of a B-tree, by HDF5's file format
