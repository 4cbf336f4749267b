"""Compiled code on disk, made safe against damage and against many processes that start at once.

Numba (0.61 to 0.68) believes whatever stands in the files of its cache, and writes the index of a function
and its code without regard to others. Of two processes that compile one function for different types at the
same time, both take the same file, and a third one may be served float64 code for float32 arrays. A file that
was cut off ends the program with an error; machine code with a flipped bit would be run.

Files are pickles, as Numba makes them: they are read only where `hhsim.system.trust` says that nobody
else can have written them.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from numba.core import config, event
from numba.core.caching import FunctionCache, IndexDataCacheFile

from hhsim.errors import HhsimWarning
from hhsim.jit.compiling import turn
from hhsim.system import trust

DIGEST = hashlib.sha256().digest_size
OURS = ("hhsim.", "hhsim_kernel_")
cache_tag = sys.implementation.cache_tag


class KernelCache(FunctionCache):  # type: ignore[misc]
    """What is kept of one function. Nothing that befalls the folder is worse than compiling once more."""

    _cache_path: str

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        with suppress(OSError):
            for folder in (config.CACHE_DIR, self._cache_path):  # Numba has made them
                trust.tighten(Path(folder))
        base, stamp = self._impl.filename_base, self._impl.locator.get_source_stamp()
        if function.__module__.startswith(OURS):
            # The folder is keyed by the sources: neither where they are installed nor their lines matter.
            self._cache_path = config.CACHE_DIR
            base = re.sub(r"[^\w.]", "_", f"{function.__module__}.{function.__qualname__}.{cache_tag}")
            stamp = None
        self._cache_file = _Files(self._cache_path, base, stamp)

    def load_overload(self, signature: Any, context: Any) -> Any:
        found = self._load(signature, context)
        if found is None:
            if turn.begin(Path(self._cache_path), self._py_func):
                found = self._load(signature, context)  # another process may have compiled it meanwhile
            if found is None:
                turn.compiles(self._py_func)
            else:
                turn.end()
        return found

    def _load(self, signature: Any, context: Any) -> Any:
        try:
            return super().load_overload(signature, context)
        except OSError:  # not ours to read, or a disk that fails
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        try:
            super().save_overload(signature, compiled)
        except OSError as error:
            text = f"compiled code cannot be kept in {self._cache_path} ({error.strerror}); runs start slowly"
            warnings.warn(text, HhsimWarning, stacklevel=2)
        finally:
            turn.end()


class _Failures(event.Listener):  # type: ignore[misc]
    """Ends the turn of a process whose compiling fails: nothing will be saved."""

    def on_start(self, what: Any) -> None:
        """Nothing to do."""

    def on_end(self, what: Any) -> None:
        """Look at how it went."""
        if what._exc_details is not None:
            turn.give_up()


event.register("numba:compile", _Failures())


class _Files(IndexDataCacheFile):  # type: ignore[misc]
    """The index and the code of one function, each with a checksum at its end, which unpickling ignores.

    A file whose checksum does not fit, or that another user can have written, is as if it were not there, and
    is replaced.
    """

    def save(self, key: Any, data: Any) -> None:
        with self._locked(fcntl.LOCK_EX):
            super().save(key, data)

    def load(self, key: Any) -> Any:
        with self._locked(fcntl.LOCK_SH):
            return super().load(key)

    def _load_index(self) -> Any:
        return super()._load_index() if _whole(Path(self._index_path)) else {}

    def _load_data(self, name: str) -> Any:
        path = Path(self._data_path(name))
        if not _whole(path):
            raise FileNotFoundError(str(path))
        return super()._load_data(name)

    @contextmanager
    def _open_for_write(self, path: str) -> Iterator[io.BytesIO]:
        content = io.BytesIO()
        yield content
        with super()._open_for_write(path) as file:
            trust.tighten(file.fileno())
            file.write(content.getvalue())
            file.write(hashlib.sha256(content.getvalue()).digest())

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Index and code of a folder change together."""
        descriptor = -1
        try:
            descriptor = os.open(
                Path(self._cache_path) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666
            )
            trust.tighten(descriptor)
            fcntl.flock(descriptor, how)
        except OSError:  # a file system without locks, or not ours to write: as Numba alone would do
            pass
        try:
            yield
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def _whole(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            if not trust.is_ours(os.fstat(file.fileno())):
                return False
            content = file.read()
    except FileNotFoundError:
        return False
    return hashlib.sha256(content[:-DIGEST]).digest() == content[-DIGEST:]
