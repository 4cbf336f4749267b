"""A network that advances chunk by chunk, on whatever engine, and what it records on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.channels.structure import Structure, structure_of
from hhsim.engines.base import Engine
from hhsim.engines.choice import engine_for
from hhsim.engines.exchange import Alone, Exchange
from hhsim.engines.host import Spikes
from hhsim.errors import Diverged, check_threads
from hhsim.model import Model
from hhsim.network.connections import Connections
from hhsim.network.layout import lay_out

CHUNK_STEPS = 4096  # the most steps between two looks at signals and files


@dataclass(frozen=True)
class Chunk:
    """What a chunk of steps left behind."""

    first_step: int
    steps: int
    spikes: dict[str, Spikes]
    frames: list[npt.NDArray[np.float32]]  # (frames, nodes) of each trace
    diverged: Diverged | None = None


class Simulation:
    """A network in memory, ready to run.

    Parameters
    ----------
    model : what to simulate
    threads : the number of parts into which the cells are cut, a thread for each; no result depends on it
    chunk_steps : the most steps of a chunk; no result depends on it either
    device : "cpu", or "cuda:0" and so on for a CUDA device, where threads only build the network
    exchange : the ranks that share the network, and call all that follows together; default: this process

    Raises NotInstalled or NoSuchDevice before any work is done, and ValueError for less than one thread.
    """

    def __init__(
        self,
        model: Model,
        threads: int = 1,
        chunk_steps: int = CHUNK_STEPS,
        device: str = "cpu",
        exchange: Exchange | None = None,
    ) -> None:
        check_threads(threads)
        self.model = model
        self.threads = threads
        self.layout = lay_out(model)
        self.exchange = exchange or Alone()
        engine = engine_for(device, self.exchange)
        self.engine: Engine = engine(model, self.layout, threads, chunk_steps)
        self.step = 0
        self.shift = 0  # steps since the refractory clocks were last counted from
        self.spike_counts = dict.fromkeys(model.populations, 0)

    @property
    def device(self) -> str:
        """Where it computes: "cpu", or the number and the name of a CUDA device."""
        return self.engine.device

    @property
    def connections(self) -> Connections:
        return self.engine.host.network.connections

    @property
    def structures(self) -> list[Structure]:
        """The distinct structures of the cells, from which the kernels are rendered."""
        return self.engine.host.structures

    @property
    def epoch(self) -> int:
        """Steps from one meeting of all parts to the next; a chunk ends only there, or with the run."""
        return self.engine.host.epoch

    @property
    def suppressed_crossings(self) -> dict[str, int]:
        """Threshold crossings within the refractory time, for each population."""
        return dict(zip(self.model.populations, self.engine.suppressed(), strict=True))

    def values_of(self, population: str, state: str) -> npt.NDArray[np.floating]:
        """One state of all cells of a population, as it is now."""
        return self.engine.values_of(population, state)

    def compile(self, timed: bool = False) -> None:
        """Load the compiled code from the cache, or compile it; runs no step.

        With `timed`, the engine counts how long each phase of its steps takes.
        """
        self.engine.compile(timed)

    def advance(self, most_steps: int | None = None) -> Chunk:
        """Advance by one chunk, which ends at the end of the run or of an epoch; returns what it recorded."""
        first = self.step
        steps = min(self.engine.host.chunk_steps - first % self.epoch, self.model.run.steps - first)
        if most_steps is not None:
            epochs_end = -(-(first + most_steps) // self.epoch) * self.epoch
            steps = min(steps, max(epochs_end - first, 1))
        self.step = self.engine.advance(first, first + steps, self.shift)
        self.shift = self.step - first
        diverged = self._diverged()
        if diverged is not None:
            self.step = round(diverged.t_ms / self.model.run.dt)
        done = self.step - first
        chunk = Chunk(first, done, self.engine.spikes(first, done), self.engine.frames(first, done), diverged)
        self.engine.keep_history(self.shift)
        for name, (steps_of_spikes, _) in chunk.spikes.items():
            self.spike_counts[name] += len(steps_of_spikes)
        return chunk

    def _diverged(self) -> Diverged | None:
        failure = self.engine.failure()
        if failure is None:
            return None
        step, lane = failure
        for name, place in self.layout.places.items():
            node = lane - place.first
            if 0 <= node < place.size:
                return Diverged(name, node, step * self.model.run.dt, self._states_of(name, node))
        raise AssertionError("a failure outside every population")

    def _states_of(self, population: str, node: int) -> dict[str, float]:
        """All states of one cell, as they are now."""
        states = structure_of(self.model, self.model.cell_of(population)).states
        return {each.name: float(self.values_of(population, each.name)[node]) for each in states}

    def snapshot(self) -> dict[str, npt.NDArray[Any]]:
        """The engine's arrays that decide what comes next; not copies."""
        return self.engine.snapshot()

    def restore(
        self, step: int, shift: int, spike_counts: dict[str, int], arrays: dict[str, npt.NDArray[Any]]
    ) -> None:
        """Go on from a snapshot of a simulation of the same network, however that was cut.

        Raises ValueError if the arrays are not those of this network.
        """
        self.engine.restore(arrays)
        self.step, self.shift, self.spike_counts = step, shift, dict(spike_counts)
