"""The loop of a run: each turn advances the network by a chunk of steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from hhsim.errors import Interrupted
from hhsim.simulation.checkpoint.keeper import Keeper
from hhsim.simulation.guards import Watch
from hhsim.simulation.output import Output
from hhsim.simulation.simulation import Chunk, Simulation
from hhsim.simulation.summary import Clock, Progress, Watcher, to_nobody

FLUSH_SECONDS = 2.0  # what a kill can cost, in wall time
CHUNK_SECONDS = 0.2  # how long a signal may wait
FIRST_STEPS = 10  # of the first chunk, before it is known how long a step takes


@dataclass(frozen=True)
class Between:
    """What is looked at between two chunks of steps."""

    pending: Sequence[int] = ()  # signals that came, each of which stops the run
    watch: Watcher = to_nobody
    guards: Watch | None = None  # None: those of the config, from the beginning
    keeper: Keeper | None = None  # of checkpoints and of the wall time


def simulate(simulation: Simulation, recorder: Output, clock: Clock, between: Between | None = None) -> None:
    """Advance, record, flush, save and look at guards and signals, until the end of the run.

    Raises Diverged, GuardStopped, OutOfTime or Interrupted where it ends before.
    """
    settings = simulation.model.run
    between = between or Between()
    guards = between.guards or Watch(simulation)
    from_ms = simulation.step * settings.dt
    begin = flushed = time.perf_counter()
    most_steps = FIRST_STEPS
    between.watch(Progress("simulate", from_ms, settings.steps * settings.dt, from_ms=from_ms))
    while simulation.step < settings.steps:
        chunk_begin = time.perf_counter()
        left = guards.steps_left()
        chunk = simulation.advance(most_steps if left is None else min(most_steps, left))
        clock.lap("simulate")
        for population, (steps, nodes) in chunk.spikes.items():
            if population in simulation.model.record_spikes:
                recorder.append_spikes(population, steps, nodes)
        for i, frames in enumerate(chunk.frames):
            recorder.append_frames(i, frames)
        now = time.perf_counter()
        if now - flushed > FLUSH_SECONDS:
            recorder.flush(simulation.step * settings.dt)
            flushed = now
        clock.lap("write")
        # All ranks go on by the clock of rank 0, and stop if one of them has a signal.
        wanted = next_steps(chunk, now - chunk_begin)
        told = simulation.exchange.tell(wanted, between.pending[0] if between.pending else 0)
        most_steps, stop = int(told[0, 0]), int(told[:, 1].max())
        between.watch(_progress(simulation, chunk, now - begin, from_ms))
        if chunk.diverged is not None:
            raise chunk.diverged
        guards.look(chunk)
        if simulation.step < settings.steps:
            if stop:
                raise Interrupted(stop, simulation.step * settings.dt)
            if between.keeper is not None:
                between.keeper.after_chunk(now - chunk_begin)
        clock.lap("write")


def next_steps(chunk: Chunk, seconds: float) -> int:
    """Steps that take about CHUNK_SECONDS, judged from the last chunk, at most four times as many."""
    return max(1, min(4 * chunk.steps, int(chunk.steps * CHUNK_SECONDS / max(seconds, 1e-9))))


def _progress(simulation: Simulation, chunk: Chunk, wall_s: float, from_ms: float) -> Progress:
    dt = simulation.model.run.dt
    seconds = max(chunk.steps, 1) * dt / 1000
    rates = {
        name: len(steps) / simulation.model.populations[name].size / seconds
        for name, (steps, _) in chunk.spikes.items()
    }
    return Progress("simulate", simulation.step * dt, simulation.model.run.steps * dt, wall_s, rates, from_ms)
