"""Guards: what stops a run whose network does what nobody wants to wait for.

They look at fixed steps, which depend neither on threads nor on how fast the machine is, so that a run stops
at the same moment wherever it is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hhsim.errors import GuardStopped
from hhsim.model import Guards
from hhsim.simulation.simulation import Chunk, Simulation

MOST_NAMED = 5  # cells that a message names


class Watch:
    """Looks at a simulation after each of its chunks."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._guards: Guards | None = simulation.model.guards
        names = simulation.model.populations
        self._window_step = 0  # at which the rates are counted from
        self._window_spikes = dict.fromkeys(names, 0)  # before it
        self._last_spike = dict.fromkeys(names, 0)  # step

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that a continued run stops at the same moment."""
        return {
            "window_step": self._window_step,
            "window_spikes": self._window_spikes,
            "last_spike": self._last_spike,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._window_step = state["window_step"]
        self._window_spikes = dict(state["window_spikes"])
        self._last_spike = dict(state["last_spike"])

    def steps_left(self) -> int | None:
        """Steps until the guards look again; None where there are none."""
        if self._guards is None:
            return None
        return self._next_look(self._guards) - self._simulation.step

    def _next_look(self, guards: Guards) -> int:
        every = round(guards.every / self._simulation.model.run.dt)
        epoch = self._simulation.epoch  # a chunk ends only where the threads meet
        step = (self._window_step // every + 1) * every
        return -(-step // epoch) * epoch

    def look(self, chunk: Chunk) -> None:
        """Raise GuardStopped if the chunk ends where the guards look, and they see something."""
        for name, (steps, _) in chunk.spikes.items():
            if len(steps):
                self._last_spike[name] = int(steps[-1])
        guards, simulation = self._guards, self._simulation
        if guards is None or simulation.step < self._next_look(guards):
            return
        t_ms = simulation.step * simulation.model.run.dt
        try:
            if guards.rate_max is not None:
                self._rates(guards.rate_max, t_ms)
            if guards.silent_for is not None:
                self._silence(guards.silent_for, t_ms)
            if guards.v_range is not None:
                self._potentials(*guards.v_range, t_ms)
        finally:  # who goes on after a stop does so as if nothing had been seen
            self._window_step = simulation.step
            self._window_spikes = dict(simulation.spike_counts)

    def _rates(self, most: float, t_ms: float) -> None:
        dt = self._simulation.model.run.dt
        begin = self._window_step * dt
        for name, population in self._simulation.model.populations.items():
            spikes = self._simulation.spike_counts[name] - self._window_spikes[name]
            rate = spikes / population.size / (t_ms - begin)
            if rate > most:
                found = (
                    f"population {name!r} fired at {rate * 1000:.4g} Hz from {begin:g} to {t_ms:g} ms, "
                    f"and {most * 1000:g} Hz are allowed"
                )
                raise GuardStopped("rate_max", name, (), t_ms, found)

    def _silence(self, longest: float, t_ms: float) -> None:
        dt = self._simulation.model.run.dt
        for name, step in self._last_spike.items():
            since = (step + 1) * dt if self._simulation.spike_counts[name] else 0.0
            if t_ms - since >= longest:
                what = f"the last one was at {since:g} ms" if since else "there was none at all"
                found = f"population {name!r} has had no spike for {longest:g} ms at t = {t_ms:g} ms: {what}"
                raise GuardStopped("silent_for", name, (), t_ms, found)

    def _potentials(self, low: float, high: float, t_ms: float) -> None:
        simulation = self._simulation
        for name, place in simulation.layout.places.items():
            v = simulation.values_of(name, "v")
            outside = np.flatnonzero(~((v >= low) & (v <= high)))
            if outside.size:
                first = outside[:MOST_NAMED].tolist()
                values = ", ".join(f"{node}: {v[node]:.4g}" for node in first)
                more = f", and {outside.size - len(first):,} more" if outside.size > len(first) else ""
                found = (
                    f"v of {outside.size:,} of the {place.size:,} cells of population {name!r} is outside "
                    f"{low:g} to {high:g} mV at t = {t_ms:g} ms (cell: mV: {values}{more})"
                )
                raise GuardStopped("v_range", name, first, t_ms, found)
