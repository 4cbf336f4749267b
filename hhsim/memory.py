"""How much memory a run needs, before it takes any, and how much there is."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hhsim.cell import structure_of
from hhsim.errors import HhsimError, NotEnoughMemory
from hhsim.model import Model
from hhsim.network.build import memory_needed as connections_needed
from hhsim.network.layout import lay_out

MOST_LANES = 2**31 - 1  # spikes on their way are kept as int32 lanes
OVERHEAD = 300 << 20  # interpreter, libraries, compiled code and buffers of constant size


class TooManyCells(HhsimError):
    """The network has more cells than this program can number."""

    exit_code = 6

    def __init__(self, cells: int) -> None:
        super().__init__(cells)
        self.cells = cells

    def __str__(self) -> str:
        return f"the network has {self.cells:,} cells, and no more than {MOST_LANES:,} fit into one process"


def available_bytes() -> int:
    """Memory that this process may still take: what is free, or what a group has left."""
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
    return min([available, *_left_to_groups()])


def _left_to_groups() -> Iterator[int]:
    """What each control group around this process that has a limit (of a container, of a job) has left."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, limit, usage = Path("/sys/fs/cgroup"), "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root, limit, usage = (
                Path("/sys/fs/cgroup/memory"),
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
            )
        else:
            continue
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            most, used = _read(folder / limit).strip(), _read(folder / usage).strip()
            if most.isdigit() and used.isdigit():
                yield int(most) - int(used) + _reclaimable(folder)
            if folder == root:
                break


def _reclaimable(group: Path) -> int:
    """Bytes of files in the cache, which count as used but give way."""
    fields = (line.split() for line in _read(group / "memory.stat").splitlines())
    values = {field[0]: int(field[1]) for field in fields if len(field) == 2}
    return values.get("total_inactive_file", values.get("inactive_file", 0))


def _read(path: Path) -> str:
    try:
        return path.read_text()
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
        when the estimate is above what is free
    TooManyCells
        when there are more than the numbers of cells, held in 32 bits, can tell apart
    FileFailed
        when a file of edges cannot be read
    """
    cells = sum(population.size for population in model.populations.values())
    if lay_out(model).lanes > MOST_LANES:
        raise TooManyCells(cells)
    needed, available = needed_bytes(model, threads), available_bytes()
    if needed > available:
        raise NotEnoughMemory(needed, available, f"this network of {cells:,} cells")


def peak_bytes() -> int:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
