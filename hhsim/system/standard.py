"""Standard input, output and error of the program: there, whatever it was started with."""

from __future__ import annotations

import errno
import io
import os
import sys


class Tolerant(io.FileIO):
    """A descriptor whose failing writes are remembered, not raised: what is computed matters more."""

    error: OSError | None = None  # the first

    def write(self, data) -> int:  # type: ignore[no-untyped-def]
        """Write what can be written; all of it counts as written."""
        view = memoryview(data).cast("B")
        done = 0
        while self.error is None and done < len(view):
            try:
                done += super().write(view[done:]) or 0
            except OSError as error:
                self.error = error
        return len(view)


def open_descriptors() -> None:
    """Open those of 0, 1 and 2 that are closed on /dev/null.

    Else the next file that is opened gets the number, and whatever a library prints is written into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)


def prepare() -> Tolerant:
    """Let output and error be there, and never raise; returns the descriptor of the output."""
    open_descriptors()
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    output, error = (Tolerant(number, "w", closefd=False) for number in (1, 2))
    sys.stdout, sys.stderr = _text(output, sys.stdout), _text(error, sys.stderr)
    return output


def _text(raw: Tolerant, before: object) -> io.TextIOWrapper:
    """Text onto a descriptor, in the encoding that Python chose; what it has not is escaped."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


def failure(output: Tolerant) -> str:
    """Why not all of the output was written, in words; empty if it was, or its reader wanted no more."""
    sys.stdout.flush()
    if output.error is None or output.error.errno == errno.EPIPE:
        return ""
    return os.strerror(output.error.errno or errno.EIO).lower()
