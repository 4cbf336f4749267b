"""The bytes of a file under HDF5: a disk that fills up must not bring the process down.

HDF5's own driver cannot give up a file whose writes fail: it tries again in `close` and at the end of the
process, where it crashes (h5py 3.16, HDF5 2.0: segmentation fault, exit code 139).
"""

from __future__ import annotations

import os
from pathlib import Path


class Storage:
    """A file that h5py writes to and that never fails in its sight.

    The first failure is kept in `error` for the caller to raise, and from then on nothing more reaches
    the file: it stays as it was, so that what was flushed before can be read. Never locks the file.
    """

    def __init__(self, path: Path) -> None:
        """Create the file; raises OSError if it exists already or cannot be made."""
        self.error: OSError | None = None
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._position = 0

    def check(self) -> None:
        """Raise the error that writing met, if any."""
        if self.error is not None:
            raise self.error

    def sync(self) -> None:
        """Wait until the disk has it all: HDF5 never does."""
        self.check()
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    # What h5py asks of a file object: see its "fileobj" driver.

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (os.fstat(self._descriptor).st_size if whence == os.SEEK_END else 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        data = os.pread(self._descriptor, size, self._position)
        return data if self.error is None else data.ljust(size, b"\0")

    def readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view) and self.error is None:
            try:
                done += os.pwrite(self._descriptor, view[done:], self._position + done)
            except OSError as error:
                self.error = error
        return len(view)

    def truncate(self, size: int) -> int:
        if self.error is None:
            try:
                os.ftruncate(self._descriptor, size)
            except OSError as error:
                self.error = error
        return size

    def flush(self) -> None:
        """Nothing is buffered here."""
