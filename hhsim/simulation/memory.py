"""How much memory a run needs, before it takes any, and how much there is."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import assert_never

import numpy as np

from hhsim.channels.structure import structure_of
from hhsim.errors import NotEnoughMemory, TooManyCells, TooManySynapses
from hhsim.model import Constant, Model, Normal, Projection, Uniform
from hhsim.network.build import MOST_IN_A_PART, expected_synapses, tile
from hhsim.network.build import memory_needed as connections_needed
from hhsim.network.layout import lay_out
from hhsim.network.plan import span_of
from hhsim.network.synapses import MOST_STEPS

MOST_LANES = 2**31 - 1  # spikes on their way are kept as int32 lanes
OVERHEAD = 300 << 20  # interpreter, libraries, compiled code and buffers of constant size


@dataclass(frozen=True)
class Memory:
    """What a run takes at its peak, in bytes, by what it is for."""

    state: int  # the cells
    network: int  # the synapses
    buffers: int  # spikes on their way, and frames
    overhead: int  # the program itself

    @property
    def total(self) -> int:
        return self.state + self.network + self.buffers + self.overhead


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


def needed(model: Model, threads: int, ranks: int = 1) -> Memory:
    """An estimate, from above, of the memory that a run of `model` takes at its peak, in each of its ranks.

    Raises FileFailed when a file of edges cannot be read.
    """
    layout = lay_out(model)
    real = np.dtype(model.run.precision).itemsize
    state = 0
    for population in model.populations.values():
        place = layout.places[population.name]
        rows = len(structure_of(model, model.cells[population.cell]).rows)
        # While the state is laid out, the initial values of a population exist as float64 too.
        state += (place.end - place.first) * rows * (real + 8)
    buffers = 4 * layout.lanes  # the log of spikes
    for projection in model.projections:
        span = span_of(projection, layout)
        buffers += 8 * (span.end - span.first) * _slots(projection, model.run.dt)
    buffers += 32 * sum(trace.nodes[1] - trace.nodes[0] for trace in model.traces)  # some frames, and places
    network = connections_needed(model, threads, ranks)
    return Memory(-(-state // ranks), network, -(-buffers // ranks), OVERHEAD)


def _slots(projection: Projection, dt: float) -> int:
    """Steps for which arrivals are kept: as far as the delays of a projection are likely to be apart."""
    delay = projection.delay
    match delay:
        case None | Constant():
            return 1
        case Uniform(low, high):
            least, most = low, high
        case Normal(mean, sd, low, high):
            least, most = max(mean - 6 * sd, low, 0.0), min(mean + 6 * sd, high)
        case _:
            assert_never(delay)
    return 1 + round(min(max((most - least) / dt, 0.0), MOST_STEPS))


def require(model: Model, threads: int, ranks: int = 1, on_host: int = 1) -> None:
    """Refuse a run that cannot fit, before any work is done and without taking memory.

    Of its `ranks`, `on_host` share the memory of this machine.

    Raises
    ------
    NotEnoughMemory
        when the estimate is above what is free
    TooManyCells
        when there are more than the numbers of cells, held in 32 bits, can tell apart
    TooManySynapses
        when a projection has more synapses onto the cells of a thread than can be counted
    FileFailed
        when a file of edges cannot be read
    """
    cells = sum(population.size for population in model.populations.values())
    layout = lay_out(model)
    if layout.lanes > MOST_LANES:
        raise TooManyCells(cells, MOST_LANES)
    memory, available = needed(model, threads, ranks), available_bytes() // on_host
    if memory.total > available:
        raise NotEnoughMemory(memory.total, available, _what(cells, ranks), asdict(memory))
    tiles = len(tile(model, layout, layout.cuts(threads * ranks)).cuts) - 1
    for index in range(len(model.projections)):
        synapses = round(expected_synapses(model, index) / tiles)
        if synapses > MOST_IN_A_PART:
            raise TooManySynapses(index, synapses, MOST_IN_A_PART)


def _what(cells: int, ranks: int) -> str:
    network = f"this network of {cells:,} cells"
    return network if ranks == 1 else f"each of the {ranks} ranks of {network}"


def peak_bytes() -> int:
    """The most memory that this process has had so far.

    Not `ru_maxrss` where it can be helped: it begins with what the process that started this one had.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
