"""A job carried out: the network is built, advanced and recorded, up to the closed file."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace

from hhsim.errors import Diverged, FileFailed, GuardStopped, HhsimError, Interrupted, OutOfTime
from hhsim.jit.compiling import Compiling, listening
from hhsim.recording import Recorder
from hhsim.simulation.checkpoint import store
from hhsim.simulation.checkpoint.continuing import go_on
from hhsim.simulation.checkpoint.keeper import Keeper
from hhsim.simulation.guards import Watch
from hhsim.simulation.loop import Between, simulate
from hhsim.simulation.output import Unrecorded, open_recorder
from hhsim.simulation.prepare import Job
from hhsim.simulation.simulation import Simulation
from hhsim.simulation.summary import Progress, Summary, Watcher, to_nobody
from hhsim.simulation.tell import summary_of
from hhsim.system.stopping import noted


def execute(job: Job, watch: Watcher | None = None) -> Summary:
    """Simulate what was prepared, and record it; all ranks call this.

    `watch` is told of the progress: of each phase, and after each chunk of steps.

    Raises
    ------
    CheckpointRefused
        before the first step, when code or network are not those of the checkpoint
    FileFailed
        when the output or a checkpoint cannot be written
    Diverged, GuardStopped
        when a potential is no longer finite, or a guard of the config stopped the run
    Interrupted, OutOfTime
        on SIGINT, SIGTERM and SIGUSR1 (in the main thread), and when the wall time is nearly over

    Whatever is raised after the first step, the output holds everything up to then, and all but Diverged
    leave a checkpoint of that moment.
    """
    if job.done is not None:
        return job.done
    watch = watch or to_nobody
    return _record(job, _built(job, watch), watch)


def _built(job: Job, watch: Watcher) -> Simulation:
    """The network in memory, and its code compiled."""
    device, clock = job.request.device, job.request.clock
    duration_ms = job.loaded.model.run.steps * job.loaded.model.run.dt

    def compiles(news: Compiling) -> None:
        doing = "waiting for another process that compiles" if news.elsewhere else "compiling"
        what = f"{doing} {news.what}, about {news.about_s:.0f} s"
        watch(Progress("compile", 0.0, duration_ms, what=what))

    with listening(compiles):
        watch(Progress("build", 0.0, duration_ms))
        simulation = Simulation(job.loaded.model, job.threads, device=device, exchange=job.exchange)
        clock.lap("build")
        # Numba keeps no code for a device that could be loaded.
        watch(Progress("load" if device == "cpu" else "compile", 0.0, duration_ms))
        simulation.compile()
        clock.lap("compile")
    return simulation


def _record(job: Job, simulation: Simulation, watch: Watcher) -> Summary:
    """From the first step of this process to the closed file."""
    clock = job.request.clock
    guards = Watch(simulation)
    _go_on(job, simulation, guards)
    first_step = simulation.step
    with noted() as pending, ExitStack() as files:
        recorder = None
        if job.exchange.rank == 0:
            recorder = files.enter_context(_opened(job, simulation))
            _tidy_checkpoints(job)
        keeper = Keeper(job, simulation, recorder, guards)
        clock.lap("write")
        stopped: HhsimError | None = None
        try:
            between = Between(pending, watch, guards, keeper)
            simulate(simulation, recorder or Unrecorded(), clock, between)
            keeper.finish()
        except (GuardStopped, Interrupted, OutOfTime) as error:
            keeper.save()
            stopped = error
        except Diverged as error:
            stopped = error
        except FileFailed as error:
            saved = store.checkpoint_path(job.output)
            if job.exchange.rank or not saved.exists() or error.path == str(saved):
                raise
            raise FileFailed(error.path, f"{error.reason}; {saved.name} is as it was") from error
        checksums = _checksums(job, simulation, recorder)
        summary = summary_of(job, simulation, checksums, first_step, complete=stopped is None)
        if recorder is not None:
            t_ms = simulation.step * simulation.model.run.dt
            recorder.close(summary.complete, t_ms, summary.wall_s, summary.to_json())
    if stopped is not None:
        raise stopped
    clock.lap("write")
    return replace(summary, wall_s=clock.seconds())


def _go_on(job: Job, simulation: Simulation, guards: Watch) -> None:
    """Put network and guards where the checkpoint was taken, if there is one; rank 0 has it."""
    checkpoint = None if job.found is None else job.found.checkpoint
    if not job.exchange.most(checkpoint is not None):
        return
    go_on(simulation, checkpoint, job.output, job.request.listeners.note)
    seen = dict(checkpoint.guards) if checkpoint else {}
    guards.restore(json.loads(job.exchange.share(json.dumps(seen))))


def _opened(job: Job, simulation: Simulation) -> Recorder:
    """The output: a new one, or that of the run to go on as it was at the checkpoint."""
    positions = None if job.found is None else job.found.checkpoint.positions
    return open_recorder(job.loaded, job.output, simulation, overwrite=job.overwrite, resume=positions)


def _tidy_checkpoints(job: Job) -> None:
    """Keep of the checkpoints what the run goes on from; to be called while it has the output open."""
    if job.found is None:
        store.remove(job.output)
    elif job.found.remark:
        store.drop_newest(job.output)


def _checksums(job: Job, simulation: Simulation, recorder: Recorder | None) -> dict[str, str]:
    """SHA-256 of the recorded spikes of each population; none on ranks that record nothing."""
    checksums: dict[str, str] = {}
    if recorder is not None:
        recorder.flush(simulation.step * simulation.model.run.dt)
        checksums = recorder.sha256()
    job.request.clock.lap("write")
    return checksums
