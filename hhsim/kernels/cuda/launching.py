"""Launches: the same few kernels for every step, recorded once and replayed.

A launch from Python costs 7 µs and 4 µs for each array that it takes (numba-cuda's own measure), more than a
small network computes in a step. As the number of the step lies on the device, the arguments never change,
and a graph of many steps is started by one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hhsim.kernels.cuda.compiling import SIMULATED, cuda

GRAPH_STEPS = (64, 8, 1)  # of the graphs that are recorded; any number of steps is made of these
TEAM = 32  # threads that share a row of synapses: a warp
TEAMS = 8  # in a block of `scatter`
WAVES = 2  # blocks of `scatter` for each multiprocessor


class Launch(NamedTuple):
    """A kernel with all that it takes; threads and blocks are (x, y)."""

    kernel: Any
    blocks: tuple[int, int]
    threads: tuple[int, int]
    arguments: tuple[Any, ...]


def shape_of_lanes(lanes: int, threads: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Blocks and threads for a kernel with a thread for each lane. The simulator, which starts a thread of
    the system for each, has a single one go through all lanes."""
    return ((1, 1), (1, 1)) if SIMULATED else ((-(-lanes // threads), 1), (threads, 1))


def shape_of_teams() -> tuple[tuple[int, int], tuple[int, int]]:
    """Blocks and threads for `scatter`."""
    if SIMULATED:
        return (1, 1), (1, 1)
    return (WAVES * cuda.get_current_device().MULTIPROCESSOR_COUNT, 1), (TEAM, TEAMS)


class Steps:
    """Runs the launches of a step as often as asked."""

    def __init__(self, launches: Sequence[Launch], index: int) -> None:
        """Compiles the kernels by launching each once, and records them."""
        self._launches = launches
        self._graphs: list[tuple[int, Any]] = []
        for launch in launches:
            launch.kernel[launch.blocks, launch.threads](*launch.arguments)
        cuda.synchronize()
        if not SIMULATED:
            self._record(index)

    def _record(self, index: int) -> None:
        from cuda.core import Device

        device = Device(index)
        device.set_current()
        self._stream = device.create_stream()
        for steps in GRAPH_STEPS:
            builder = device.create_graph_builder()
            builder.begin_building()
            for _ in range(steps):
                for launch in self._launches:
                    launch.kernel[launch.blocks, launch.threads, builder](*launch.arguments)
            self._graphs.append((steps, builder.end_building().complete()))

    def run(self, steps: int) -> None:
        """Do `steps` steps; returns when all are done."""
        cuda.synchronize()  # what was copied has arrived
        if SIMULATED:
            for launch in [*self._launches] * steps:
                launch.kernel[launch.blocks, launch.threads](*launch.arguments)
            return
        for size, graph in self._graphs:
            for _ in range(steps // size):
                graph.launch(self._stream)
            steps %= size
        self._stream.sync()
