"""A short try of a network, to see how long its steps take and how its cells fire."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hhsim.engines.exchange import Exchange
from hhsim.errors import Diverged
from hhsim.model import Model
from hhsim.network.build import expected_synapses
from hhsim.simulation.estimate.shrinking import can_shrink, shrunk
from hhsim.simulation.loop import FIRST_STEPS, next_steps
from hhsim.simulation.simulation import Simulation

Result = TypeVar("Result")

PROBE_SECONDS = 2.0  # of steps, in chunks that grow as those of a run do
# Synapses, and fifty for each cell, of the largest network that is built for a probe: about a second of
# work, and more than caches hold, so that a step costs for each cell what it costs in a larger one.
MOST_WORK = 30_000_000
CELL_WORK = 50
# Compiled code that is in the cache takes 0.06 to 0.35 s to load; more time than this was spent compiling.
CACHED_SECONDS = 0.5


@dataclass(frozen=True)
class Probe:
    """What a try of `cells` cells over `steps` steps has shown, as it stands for the whole network."""

    device: str
    cells: int
    synapses: int
    steps: int
    wall_s: float  # of its steps
    build_s: float  # what building the whole network is expected to take
    compile_s: float  # loading the compiled code, once it is in the cache
    first_s: float  # what the steps tried take in the whole network
    step_s: float  # a step after those, in the whole network
    spikes: dict[str, int]  # of the whole network within the steps tried
    spikes_per_step: dict[str, float]  # of the whole network after those
    diverged: Diverged | None


@dataclass(frozen=True)
class _Mark:
    """How far the try was at a moment."""

    steps: int
    wall_s: float
    spikes: dict[str, int]


def probe(model: Model, threads: int, device: str = "cpu", exchange: Exchange | None = None) -> Probe:
    """Try `model`, or a smaller network like it, for a second or two.

    A network of files is tried as a whole, however large it is. Cells that have just been set going may
    fire more, or less, than later on: what comes after the probe is judged from its second half.
    """
    work = _work(model)
    tried = shrunk(model, MOST_WORK / work) if work > MOST_WORK and can_shrink(model) else model
    load_s = 0.0
    if tried is not model or work <= MOST_WORK:  # else too large to be built twice
        _, load_s = _timed(lambda: Simulation(tried, threads, device=device, exchange=exchange))
    simulation, build_s = _timed(lambda: Simulation(tried, threads, device=device, exchange=exchange))
    load_s = min(max(load_s - build_s, 0.0), CACHED_SECONDS)  # of the functions that build
    _, compile_s = _timed(simulation.compile)
    marks, diverged = _try(simulation)
    middle, end = next(mark for mark in marks if mark.wall_s >= marks[-1].wall_s / 2), marks[-1]
    if middle is end:
        middle = _Mark(0, 0.0, dict.fromkeys(end.spikes, 0))
    cells = {name: population.size for name, population in tried.populations.items()}
    larger = {name: model.populations[name].size / size for name, size in cells.items()}
    ratio = sum(population.size for population in model.populations.values()) / sum(cells.values())
    steps = max(end.steps - middle.steps, 1)
    return Probe(
        device=simulation.device,
        cells=sum(cells.values()),
        synapses=simulation.exchange.total(simulation.connections.synapses),
        steps=end.steps,
        wall_s=end.wall_s,
        build_s=load_s + build_s * ratio,
        compile_s=min(compile_s, CACHED_SECONDS),
        first_s=end.wall_s * ratio,
        step_s=(end.wall_s - middle.wall_s) / steps * ratio,
        spikes={name: round(count * larger[name]) for name, count in end.spikes.items()},
        spikes_per_step={
            name: (end.spikes[name] - middle.spikes[name]) / steps * larger[name] for name in cells
        },
        diverged=diverged,
    )


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What `work` returns, and how many seconds it took."""
    begin = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begin


def _work(model: Model) -> float:
    """How large a network is, in synapses."""
    synapses = sum(expected_synapses(model, index) for index in range(len(model.projections)))
    return synapses + CELL_WORK * sum(population.size for population in model.populations.values())


def _try(simulation: Simulation) -> tuple[list[_Mark], Diverged | None]:
    """Advance as a run does, until the time is up or the run at its end."""
    marks: list[_Mark] = []
    most_steps, wall_s, diverged = FIRST_STEPS, 0.0, None
    while wall_s < PROBE_SECONDS and simulation.step < simulation.model.run.steps and diverged is None:
        begin = time.perf_counter()
        chunk = simulation.advance(most_steps)
        own_s = time.perf_counter() - begin
        seconds = int(simulation.exchange.tell(round(own_s * 1e9))[0, 0]) / 1e9  # all by one clock
        wall_s += seconds
        most_steps = next_steps(chunk, seconds)
        diverged = chunk.diverged
        marks.append(_Mark(simulation.step, wall_s, dict(simulation.spike_counts)))
    return marks, diverged
