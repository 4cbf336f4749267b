"""What this machine does not give: files, memory, room on the disk, devices, packages."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral

from hhsim.errors.base import HhsimError


class FileFailed(HhsimError):
    """A file could not be read or written, or holds something else than it should."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class OutputExists(FileFailed):
    """The output is there already and may not be overwritten."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "the file exists already")


class NotEnoughMemory(HhsimError):
    """The run would need more memory than this machine has to give."""

    def __init__(
        self, needed_bytes: int, available_bytes: int, what: str, parts: Mapping[str, int] | None = None
    ) -> None:
        """`parts` says what the memory is for, in bytes."""
        super().__init__(needed_bytes, available_bytes, what, parts)
        self.needed_bytes = needed_bytes
        self.available_bytes = available_bytes
        self.what = what
        self.parts = parts or {}

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {size / 1e9:,.2f}" for name, size in self.parts.items())
        return (
            f"{self.what} needs {self.needed_bytes / 1e9:,.2f} GB of memory{f' ({parts})' if parts else ''}, "
            f"but only {self.available_bytes / 1e9:,.2f} GB are free"
        )


class NotEnoughSpace(HhsimError):
    """The output would not fit onto the disk that it is meant for."""

    def __init__(self, needed_bytes: int, free_bytes: int, folder: str, what: str) -> None:
        super().__init__(needed_bytes, free_bytes, folder, what)
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes
        self.folder = folder
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.what} would take {self.needed_bytes / 1e9:,.2f} GB of disk, "
            f"but only {self.free_bytes / 1e9:,.2f} GB are free in the folder {self.folder}"
        )


class TooManyCells(HhsimError):
    """The network has more cells than this program can number."""

    def __init__(self, cells: int, most: int) -> None:
        super().__init__(cells, most)
        self.cells = cells
        self.most = most

    def __str__(self) -> str:
        return f"the network has {self.cells:,} cells, and no more than {self.most:,} fit into one process"


class TooManySynapses(HhsimError):
    """A projection has more synapses onto the cells of one thread than can be counted."""

    def __init__(self, projection: int, synapses: int, most: int) -> None:
        super().__init__(projection, synapses, most)
        self.projection = projection
        self.synapses = synapses
        self.most = most

    def __str__(self) -> str:
        return (
            f"projection[{self.projection}] has {self.synapses} synapses onto the cells of one thread, and "
            f"no more than {self.most} fit; with more threads or processes, each has fewer"
        )


class NoSuchDevice(HhsimError):
    """The device that was asked for is not there."""


class NoThreads(HhsimError):
    """The threads that a run needs cannot be had in this process."""


class NotInstalled(HhsimError):
    """A package that only some uses need is not there."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return f"this needs {self.package}: python -m pip install 'hhsim[{self.extra}]'"


def check_threads(threads: int | None) -> None:
    """Raises ValueError for a number of threads that is none; None leaves it to hhsim."""
    if threads is not None and (
        isinstance(threads, bool) or not isinstance(threads, Integral) or threads < 1
    ):
        raise ValueError(f"threads must be a whole number from 1 on, found {threads!r}")
