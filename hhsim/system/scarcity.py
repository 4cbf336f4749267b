"""Memory that is made scarce for a moment, so that a damaged length is an error and not gigabytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STATM = Path("/proc/self/statm")  # its first number: pages of this process, Linux


@contextmanager
def little_memory(most: int) -> Iterator[None]:
    """While it lasts, this process cannot take `most` bytes of memory more; without /proc it may."""
    try:
        import resource

        now = int(STATM.read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError, ValueError, IndexError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = now + most
    if soft != resource.RLIM_INFINITY and soft <= limit:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
