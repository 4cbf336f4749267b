"""When a run is saved, and when it has to stop because its time is over."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from hhsim.errors import OutOfTime
from hhsim.recording import Recorder
from hhsim.simulation.checkpoint import snapshot, store
from hhsim.simulation.checkpoint.continuing import origin_of
from hhsim.simulation.guards import Watch
from hhsim.simulation.simulation import Simulation

EVERY_SECONDS = 900.0
SPARE_SECONDS = 0.5  # to close the files in, beside a checkpoint and a chunk


@dataclass(frozen=True)
class Policy:
    """How careful a run is. Seconds are those of the wall clock, counted by a clock that nobody can set."""

    every_s: float = EVERY_SECONDS  # between two checkpoints; infinity: none but when the run is stopped
    most_s: float = math.inf  # for all of the run, its start included
    at_end: bool = False  # save the end as well, so that a longer duration can go on from there


class Keeper:
    """Saves a run from time to time, when it is stopped and, where it has been saved before, at its end."""

    def __init__(
        self,
        policy: Policy,
        output: Path,
        simulation: Simulation,
        recorder: Recorder | None,
        guards: Watch,
        config: str,
        began: float,
    ) -> None:
        """`recorder` is None on ranks that write no file.

        `began` is the moment of `time.perf_counter()` at which the run began, its start included.
        """
        self._policy = policy
        self._output = output
        self._simulation = simulation
        self._recorder = recorder
        self._guards = guards
        self._config = config
        self._began = began
        self._saved = time.perf_counter()
        self._cost_s = 0.0  # of the last checkpoint

    def save(self) -> None:
        """Write a checkpoint of this moment. Raises FileFailed, with the one before still there."""
        begin = time.perf_counter()
        simulation = self._simulation
        state = snapshot.take(simulation)
        if self._recorder is not None:
            self._recorder.flush(simulation.step * simulation.model.run.dt)
            checkpoint = store.Checkpoint(
                state, self._recorder.positions(), self._config, origin_of(simulation), self._guards.state
            )
            store.save(self._output, checkpoint)
            self._recorder.note_checkpoint()
        self._saved = time.perf_counter()
        self._cost_s = self._saved - begin

    def after_chunk(self, chunk_s: float) -> None:
        """Save if it is time to; raise OutOfTime if the next chunk might take too long."""
        now = time.perf_counter()
        over = now - self._began + 2 * chunk_s + 2 * self._cost_s + SPARE_SECONDS > self._policy.most_s
        due = now - self._saved >= self._policy.every_s
        over, due = self._simulation.exchange.tell(over, due)[0].astype(bool).tolist()  # by one clock
        if over:
            raise OutOfTime(self._simulation.step * self._simulation.model.run.dt, self._policy.most_s)
        if due:
            self.save()

    def finish(self) -> None:
        """Save the end of the run, if it has checkpoints or is to have one."""
        there = self._recorder is not None and store.exists(self._output)
        if self._policy.at_end or self._simulation.exchange.most(there):
            self.save()
