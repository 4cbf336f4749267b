"""A whole run: from a config to a closed file and a summary."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from hhsim import __version__
from hhsim.config import Loaded, load, parse
from hhsim.engines.choice import require
from hhsim.engines.exchange import Alone, Exchange
from hhsim.engines.exchange.sharing import shared_config, threads_of
from hhsim.errors import (
    Diverged,
    FileFailed,
    GuardStopped,
    HhsimError,
    Interrupted,
    OutOfTime,
    check_threads,
)
from hhsim.jit.compiling import Compiling, listening
from hhsim.model import RunSettings, usual_precision
from hhsim.recording import Recorder
from hhsim.recording.space import bytes_of_traces, require_space
from hhsim.simulation import memory
from hhsim.simulation.checkpoint import store
from hhsim.simulation.checkpoint.continuing import check_fits, find, go_on
from hhsim.simulation.checkpoint.keeper import EVERY_SECONDS, Keeper, Policy
from hhsim.simulation.checkpoint.store import Checkpoint
from hhsim.simulation.earlier import check_unsaved, finished, stored_config
from hhsim.simulation.guards import Watch
from hhsim.simulation.loop import simulate
from hhsim.simulation.output import Unrecorded, check_place, open_recorder
from hhsim.simulation.simulation import Simulation
from hhsim.simulation.summary import Clock, Note, Progress, Summary, Watcher
from hhsim.system.plainfile import require_name
from hhsim.system.stopping import noted


def run(
    config: str | os.PathLike[str] | Loaded,
    *,
    output: str | os.PathLike[str] = "out.h5",
    threads: int | None = None,
    device: str = "cpu",
    seed: int | None = None,
    duration: str | None = None,
    precision: str | None = None,
    overrides: Sequence[str] = (),
    overwrite: bool = False,
    resume: bool = False,
    checkpoint_every_s: float | None = None,
    max_wall_s: float = math.inf,
    watch: Watcher | None = None,
    note: Note | None = None,
    since: float | None = None,
    exchange: Exchange | None = None,
) -> Summary:
    """Simulate a config and record what it asks for.

    Parameters
    ----------
    config : path of a TOML file, or what `hhsim.config.load` made of one
    output : the HDF5 file to write (SONATA)
    threads : default: the processors that this process may use; the result does not depend on it. With
        ranks, it is their number in each of them.
    device : "cpu", or "cuda", "cuda:1" and so on, with the extra `cuda`; a config that names no precision is
        run in float32 there
    seed, duration, precision : as in the config's [run] ("500 ms", "float32"), and instead of what it says
    overrides : further keys as in `--set`, such as `projection.0.weight="7 nS"`
    overwrite : whether an existing output may be replaced
    resume : go on from the checkpoint of an earlier run on this output, to the same bits; from the beginning
        if nothing has begun, or if it was killed before its first checkpoint. A longer duration extends a
        run whose end was saved.
    checkpoint_every_s : wall seconds between two checkpoints; if given, the end is saved as well. Default: 15
        minutes. A run that is stopped by a signal, a guard or `max_wall_s` is always saved.
    max_wall_s : stop in time before so many seconds have passed since the start
    watch : called after each chunk of steps with the progress
    note : called with a sentence for each thing that is odd about going on
    since : the moment (`time.perf_counter()`) from which the startup and `max_wall_s` count; default: now
    exchange : the ranks that share the network, each of which calls this; rank 0 alone reads the config,
        reads and writes files, and tells of progress. The result does not depend on it.

    Raises
    ------
    ConfigRefused, OutputExists, FileFailed, NotEnoughMemory, NotEnoughSpace, NoSuchDevice, NotInstalled,
    CheckpointRefused
        before any work is done
    Diverged, GuardStopped
        when a potential is no longer finite, or a guard of the config stopped the run
    Interrupted, OutOfTime
        on SIGINT, SIGTERM and SIGUSR1 (in the main thread), and when the wall time is nearly over

    Whatever is raised after the first step, the output holds everything up to then, and all but Diverged
    leave a checkpoint of that moment.
    """
    check_threads(threads)
    clock = Clock(time.perf_counter() if since is None else since)
    exchange = exchange or Alone()
    writes = exchange.rank == 0
    place = Path(output)
    require(device)
    require_name(place)
    found = _find(place, note) if resume and writes else None
    settings = {"seed": seed, "duration": duration, "precision": precision}
    given = {key: value for key, value in settings.items() if value is not None}
    if not isinstance(config, Loaded):
        path = Path(os.fspath(config))

        def load_it() -> Loaded:
            earlier = _settings_of(place, found) if resume else None
            return load(
                path,
                overrides,
                run=given,
                default_seed=None if earlier is None else earlier.seed,
                default_precision=usual_precision(device) if earlier is None else earlier.precision,
            )

        loaded = shared_config(exchange, load_it)
    elif given or overrides:
        late = [*given, *(["overrides"] if overrides else [])]
        raise TypeError(f"{', '.join(late)}: the config is loaded already")
    else:
        loaded = config
    model = loaded.model
    if found is not None:
        check_fits(found, loaded, place)
    done = finished(place, loaded) if resume and writes else None
    if done is not None:
        clock.lap("startup")
        done = _nothing_left(done, loaded, place, clock)
    if told := exchange.share(done.to_json() if done else ""):
        return done or Summary(**json.loads(told))
    if writes and found is None:
        if resume and place.exists():
            end_ms = check_unsaved(place, loaded)
            overwrite = True
            if note is not None:
                note(f"{place} ends at {end_ms:g} ms, before its first checkpoint: the run begins anew")
        check_place(place, model, overwrite)
    require_space(model, place, bytes_of_traces(model), existing=overwrite or found is not None)

    threads = threads_of(exchange, threads)
    memory.require(model, threads, exchange.ranks, exchange.on_host)
    clock.lap("startup")
    tell = watch or (lambda progress: None)
    duration_ms = model.run.steps * model.run.dt

    def compiles(news: Compiling) -> None:
        doing = "waiting for another process that compiles" if news.elsewhere else "compiling"
        what = f"{doing} {news.what}, about {news.about_s:.0f} s"
        tell(Progress("compile", 0.0, duration_ms, what=what))

    with listening(compiles):
        tell(Progress("build", 0.0, duration_ms))
        simulation = Simulation(model, threads, device=device, exchange=exchange)
        clock.lap("build")
        # Numba keeps no code for a device that could be loaded.
        tell(Progress("load" if device == "cpu" else "compile", 0.0, duration_ms))
        simulation.compile()
        clock.lap("compile")
    every_s = EVERY_SECONDS if checkpoint_every_s is None else checkpoint_every_s
    policy = Policy(every_s, max_wall_s, checkpoint_every_s is not None)
    return _record(loaded, simulation, place, overwrite, found, policy, clock, tell, note)


def _nothing_left(done: Summary, loaded: Loaded, output: Path, clock: Clock) -> Summary:
    """Of a run that had come to its end before: what it did, and that this call simulated nothing."""
    return replace(
        done,
        config=loaded.source,
        output=str(output),
        wall_s=clock.seconds(),
        realtime_factor=None,
        ns_per_neuron_step=None,
        peak_rss_bytes=memory.peak_bytes(),
        resumed_at_ms=done.steps * loaded.model.run.dt,
        checkpoint=str(store.checkpoint_path(output)) if store.exists(output) else None,
    )


def _find(output: Path, note: Note | None) -> Checkpoint | None:
    found = find(output)
    if found is None:
        return None
    checkpoint, remark = found
    if remark and note is not None:
        note(remark)
    return checkpoint


def _settings_of(output: Path, found: Checkpoint | None) -> RunSettings | None:
    """Those of the run that is to go on: its config may have left its seed to chance."""
    if found is not None:
        return parse(found.config).model.run
    stored = stored_config(output)
    return None if stored is None else parse(stored[0]).model.run


def _record(
    loaded: Loaded,
    simulation: Simulation,
    output: Path,
    overwrite: bool,
    checkpoint: Checkpoint | None,
    policy: Policy,
    clock: Clock,
    tell: Watcher,
    note: Note | None,
) -> Summary:
    """From the first step of this process to the closed file."""
    model = simulation.model
    exchange = simulation.exchange
    guards = Watch(simulation)
    if exchange.most(checkpoint is not None):
        go_on(simulation, checkpoint, output, note or (lambda text: None))
        guards.restore(json.loads(exchange.share(json.dumps(dict(checkpoint.guards) if checkpoint else {}))))
    first_step = simulation.step
    with noted() as pending, ExitStack() as files:
        recorder = None
        if exchange.rank == 0:
            positions = None if checkpoint is None else checkpoint.positions
            recorder = files.enter_context(
                open_recorder(
                    loaded,
                    output,
                    simulation.threads,
                    overwrite,
                    positions,
                    simulation.device,
                    exchange.ranks,
                )
            )
            if checkpoint is None:
                store.remove(output)
            else:
                store.drop_damaged(output)
        keeper = Keeper(policy, output, simulation, recorder, guards, loaded.resolved, clock.began)
        clock.lap("write")
        stopped: HhsimError | None = None
        try:
            simulate(simulation, recorder or Unrecorded(), clock, pending, tell, guards, keeper)
            keeper.finish()
        except (GuardStopped, Interrupted, OutOfTime) as error:
            keeper.save()
            stopped = error
        except Diverged as error:
            stopped = error
        except FileFailed as error:
            saved = store.checkpoint_path(output)
            if exchange.rank or not saved.exists() or error.path == str(saved):
                raise
            raise FileFailed(error.path, f"{error.reason}; {saved.name} is as it was") from error
        summary = _summary(loaded, simulation, recorder, clock, output, stopped is None, first_step)
        if recorder is not None:
            t_ms = simulation.step * model.run.dt
            recorder.close(summary.complete, t_ms, summary.wall_s, summary.to_json())
    if stopped is not None:
        raise stopped
    clock.lap("write")
    return replace(summary, wall_s=clock.seconds())


def _summary(
    loaded: Loaded,
    simulation: Simulation,
    recorder: Recorder | None,
    clock: Clock,
    output: Path,
    complete: bool,
    first_step: int,
) -> Summary:
    model, exchange = loaded.model, simulation.exchange
    checksums: dict[str, str] = {}
    if recorder is not None:
        recorder.flush(simulation.step * model.run.dt)
        checksums = recorder.sha256()
    clock.lap("write")
    seconds = simulation.step * model.run.dt / 1000
    neurons = sum(population.size for population in model.populations.values())
    simulated, steps = clock.laps["simulate"], simulation.step - first_step
    own_seconds = steps * model.run.dt / 1000
    return Summary(
        config=loaded.source,
        output=str(output),
        seed=model.run.seed,
        threads=simulation.threads,
        device=simulation.device,
        precision=model.run.precision,
        method=model.run.method,
        neurons=neurons,
        synapses=exchange.total(simulation.connections.synapses),
        steps=simulation.step,
        biological_s=seconds,
        wall_s=clock.seconds(),
        realtime_factor=simulated / own_seconds if steps else None,
        ns_per_neuron_step=simulated / (steps * neurons) * 1e9 if steps else None,
        peak_rss_bytes=exchange.most(memory.peak_bytes()),
        spikes=dict(simulation.spike_counts),
        rate_hz={
            name: simulation.spike_counts[name] / population.size / seconds if seconds else 0.0
            for name, population in model.populations.items()
        },
        suppressed_crossings=simulation.suppressed_crossings,
        spikes_sha256=checksums,
        complete=complete,
        resumed_at_ms=first_step * model.run.dt if first_step else None,
        checkpoint=str(store.checkpoint_path(output)) if store.exists(output) else None,
        version=__version__,
        ranks=exchange.ranks,
    )
