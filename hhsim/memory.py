"""How much memory a run needs, before it takes any, and how much there is."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np

from hhsim.cell import structure_of
from hhsim.errors import NotEnoughMemory
from hhsim.model import Model
from hhsim.network.build import memory_needed as connections_needed
from hhsim.network.layout import lay_out

OVERHEAD = 300 << 20  # interpreter, libraries, compiled code and buffers of constant size


def available_bytes() -> int:
    """Memory that this process may still take: what the machine has free, or the limit of its group."""
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
    limit, used = _read("/sys/fs/cgroup/memory.max").strip(), _read("/sys/fs/cgroup/memory.current").strip()
    if limit.isdigit() and used.isdigit():
        available = min(available, int(limit) - int(used))
    return available


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def needed_bytes(model: Model, threads: int) -> int:
    """An estimate, from above, of the memory that a run of `model` takes at its peak."""
    layout = lay_out(model)
    real = np.dtype(model.run.precision).itemsize
    cells = 0
    for population in model.populations.values():
        place = layout.places[population.name]
        rows = len(structure_of(model, model.cells[population.cell]).rows)
        # While the state is laid out, the initial values of a population exist as float64 too.
        cells += (place.end - place.first) * rows * (real + 8)
    delays = 8 * layout.lanes * max(1, len(model.projections))  # arrivals; more with distributed delays
    return OVERHEAD + cells + delays + 4 * layout.lanes + connections_needed(model, threads)


def require(model: Model, threads: int) -> None:
    """Refuse a run that cannot fit, before any work is done.

    Raises
    ------
    NotEnoughMemory
        when the estimate is above what is free.
    """
    needed, available = needed_bytes(model, threads), available_bytes()
    if needed > available:
        raise NotEnoughMemory(needed, available, f"this network ({lay_out(model).lanes:,} cells)")


def peak_bytes() -> int:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
