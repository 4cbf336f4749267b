"""When a run is saved, and when it has to stop because its time is over."""

from __future__ import annotations

import time

from hhsim.errors import OutOfTime
from hhsim.recording import Recorder
from hhsim.simulation.checkpoint import snapshot, store
from hhsim.simulation.checkpoint.continuing import origin_of
from hhsim.simulation.guards import Watch
from hhsim.simulation.prepare import Job
from hhsim.simulation.simulation import Simulation

SPARE_SECONDS = 0.5  # to close the files in, beside a checkpoint and a chunk


class Keeper:
    """Saves a run from time to time, when it is stopped and, where it has been saved before, at its end."""

    def __init__(self, job: Job, simulation: Simulation, recorder: Recorder | None, guards: Watch) -> None:
        """`recorder` is None on ranks that write no file."""
        self._job = job
        self._simulation = simulation
        self._recorder = recorder
        self._guards = guards
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
                state,
                self._recorder.positions(),
                self._job.loaded.resolved,
                origin_of(simulation),
                self._guards.state,
            )
            store.save(self._job.output, checkpoint)
            self._recorder.note_checkpoint()
        self._saved = time.perf_counter()
        self._cost_s = self._saved - begin

    def after_chunk(self, chunk_s: float) -> None:
        """Save if it is time to; raise OutOfTime if the next chunk might take too long."""
        now, policy = time.perf_counter(), self._job.request.policy
        passed_s = now - self._job.request.clock.began
        over = passed_s + 2 * chunk_s + 2 * self._cost_s + SPARE_SECONDS > policy.most_s
        due = now - self._saved >= policy.every_s
        over, due = self._simulation.exchange.tell(over, due)[0].astype(bool).tolist()  # by one clock
        if over:
            raise OutOfTime(self._simulation.step * self._simulation.model.run.dt, policy.most_s)
        if due:
            self.save()

    def finish(self) -> None:
        """Save the end of the run, if it has checkpoints or is to have one."""
        there = self._recorder is not None and store.exists(self._job.output)
        if self._job.request.policy.at_end or self._simulation.exchange.most(there):
            self.save()
