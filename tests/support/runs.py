"""Runs of the package for tests: a model in, spikes and traces out, in any cut and with any chunks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from places import ROOT

from hhsim.engines.crew import Crew
from hhsim.engines.exchange import Exchange
from hhsim.errors import Diverged
from hhsim.model import Model
from hhsim.simulation.simulation import Simulation

# The section [cell.hh] of coba.toml.
_COBA = (ROOT / "configs" / "coba.toml").read_text()
COBA_CELL = _COBA[_COBA.index("[cell.hh]") : _COBA.index("[population.exc]")]


@dataclass
class Outcome:
    spikes: dict[str, list[tuple[int, int]]]  # (step, node) of each population
    frames: list[np.ndarray]  # (frames, nodes) of each trace
    suppressed: dict[str, int]
    diverged: Diverged | None
    simulation: Simulation

    def state(self, population: str, variable: str) -> np.ndarray:
        """A state of every cell at the end, in the precision of the run."""
        return self.simulation.values_of(population, variable)

    def sha256(self) -> str:
        """Of every spike and of the bits of every state."""
        digest = hashlib.sha256(repr(sorted(self.spikes.items())).encode())
        for population in self.simulation.model.populations:
            digest.update(self.state(population, "v").tobytes())
        for frames in self.frames:
            digest.update(frames.tobytes())
        return digest.hexdigest()


def run(
    model: Model,
    threads: int = 1,
    chunk_steps: int = 1000,
    most_steps: tuple[int | None, ...] = (None,),
    at_once: int | None = None,
    device: str = "cpu",
    exchange: Exchange | None = None,
) -> Outcome:
    """Run `model` to its end or its divergence; `most_steps` are taken in turn.

    `at_once`: of the threads, how many there really are; one takes over the part of another.
    """
    simulation = Simulation(model, threads, chunk_steps, device, exchange)
    simulation.compile()
    if at_once is not None:
        simulation.engine.crew = Crew(at_once)
    spikes: dict[str, list[tuple[int, int]]] = {name: [] for name in model.populations}
    frames: list[list[np.ndarray]] = [[] for _ in model.traces]
    diverged = None
    calls = 0
    while simulation.step < model.run.steps and diverged is None:
        chunk = simulation.advance(most_steps[calls % len(most_steps)])
        calls += 1
        for name, (steps, nodes) in chunk.spikes.items():
            spikes[name] += zip(steps.tolist(), nodes.tolist(), strict=True)
        for all_frames, new in zip(frames, chunk.frames, strict=True):
            all_frames.append(new.copy())
        diverged = chunk.diverged
    joined = [np.concatenate(each) for each in frames]
    return Outcome(spikes, joined, simulation.suppressed_crossings, diverged, simulation)
