"""A whole run: from a config to a closed file and a summary."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hhsim import __version__
from hhsim.config import Loaded, load
from hhsim.errors import Diverged, HhsimError, Interrupted
from hhsim.machine import describe_machine, versions
from hhsim.recording import Recorder, TraceColumns, check_output
from hhsim.stopping import noted

if TYPE_CHECKING:
    from hhsim.simulation import Chunk, Simulation

FLUSH_SECONDS = 2.0  # what a kill can cost, in wall time
CHUNK_SECONDS = 0.2  # how long a signal may wait
FIRST_STEPS = 10  # of the first chunk, before it is known how long a step takes


@dataclass(frozen=True)
class Summary:
    """What a run was and did; the object that `hhsim run --json` prints."""

    config: str
    output: str
    seed: int
    threads: int
    device: str
    precision: str
    method: str
    neurons: int
    synapses: int
    steps: int
    biological_s: float
    wall_s: Mapping[str, float]  # startup, build, compile, simulate, write, total
    realtime_factor: float  # wall seconds of simulation for each biological second
    ns_per_neuron_step: float
    peak_rss_bytes: int
    spikes: Mapping[str, int]  # for each population
    rate_hz: Mapping[str, float]
    suppressed_crossings: Mapping[str, int]
    spikes_sha256: Mapping[str, str]  # for each population whose spikes are recorded
    complete: bool
    version: str

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    phase: Literal["build", "compile", "simulate"]
    t_ms: float
    duration_ms: float
    wall_s: float = 0.0  # since the first step
    rate_hz: Mapping[str, float] = field(default_factory=dict)  # of each population over the last chunk


Watcher = Callable[[Progress], None]


def run(
    config: str | os.PathLike[str] | Loaded,
    *,
    output: str | os.PathLike[str] = "out.h5",
    threads: int | None = None,
    seed: int | None = None,
    duration: str | None = None,
    precision: str | None = None,
    overrides: Sequence[str] = (),
    overwrite: bool = False,
    watch: Watcher | None = None,
    since: float | None = None,
) -> Summary:
    """Simulate a config and record what it asks for.

    Parameters
    ----------
    config : path of a TOML file, or what `hhsim.config.load` made of one
    output : the HDF5 file to write (SONATA)
    threads : default: the processors that this process may use; the result does not depend on it
    seed, duration, precision : as in the config's [run] ("500 ms", "float32"), and instead of what it says
    overrides : further keys as in `--set`, such as `projection.0.weight="7 nS"`
    overwrite : whether an existing output may be replaced
    watch : called after each chunk of steps with the progress
    since : the moment (`time.time()`) from which the startup counts; default: now

    Raises
    ------
    ConfigRefused, OutputExists, FileFailed, NotEnoughMemory
        before any work is done
    Diverged
        when a potential is no longer finite; the output holds everything up to then
    Interrupted
        on SIGINT and SIGTERM (in the main thread); the output holds everything up to then
    """
    clock = Clock(time.time() if since is None else since)
    settings = {"seed": seed, "duration": duration, "precision": precision}
    given = {key: value for key, value in settings.items() if value is not None}
    if not isinstance(config, Loaded):
        loaded = load(Path(os.fspath(config)), overrides, run=given)
    elif given or overrides:
        late = [*given, *(["overrides"] if overrides else [])]
        raise TypeError(f"{', '.join(late)}: the config is loaded already")
    else:
        loaded = config
    model = loaded.model
    check_output(output, [trace.variable for trace in model.traces], overwrite)

    from hhsim import jit, memory
    from hhsim.simulation import Simulation

    threads = threads or jit.available_processors()
    memory.require(model, threads)
    clock.lap("startup")
    tell = watch or (lambda progress: None)
    duration_ms = model.run.steps * model.run.dt
    tell(Progress("build", 0.0, duration_ms))
    simulation = Simulation(model, threads)
    clock.lap("build")
    tell(Progress("compile", 0.0, duration_ms))
    simulation.compile()
    clock.lap("compile")

    with noted() as pending, open_recorder(loaded, Path(output), threads, overwrite) as recorder:
        clock.lap("write")
        stopped: HhsimError | None = None
        try:
            simulate(simulation, recorder, clock, pending, tell)
        except (Diverged, Interrupted) as error:
            stopped = error
        summary = _summary(loaded, simulation, recorder, clock, str(output), stopped is None)
        recorder.close(summary.complete, simulation.step * model.run.dt, summary.wall_s, summary.to_json())
    if stopped is not None:
        raise stopped
    clock.lap("write")
    return replace(summary, wall_s=clock.seconds())


def simulate(
    simulation: Simulation,
    recorder: Recorder,
    clock: Clock,
    pending: Sequence[int],
    tell: Watcher,
) -> None:
    """Advance, record, flush and look at signals, until the end of the run."""
    settings = simulation.model.run
    begin = flushed = time.perf_counter()
    most_steps = FIRST_STEPS
    while simulation.step < settings.steps:
        chunk_begin = time.perf_counter()
        chunk = simulation.advance(most_steps)
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
        most_steps = next_steps(chunk, now - chunk_begin)
        tell(_progress(simulation, chunk, now - begin))
        clock.lap("write")
        if chunk.diverged is not None:
            raise chunk.diverged
        if pending and simulation.step < settings.steps:
            raise Interrupted(pending[0], simulation.step * settings.dt)


def next_steps(chunk: Chunk, seconds: float) -> int:
    """Steps that take about CHUNK_SECONDS, judged from the last chunk, at most four times as many."""
    return max(1, min(4 * chunk.steps, int(chunk.steps * CHUNK_SECONDS / max(seconds, 1e-9))))


def _progress(simulation: Simulation, chunk: Chunk, wall_s: float) -> Progress:
    dt = simulation.model.run.dt
    seconds = max(chunk.steps, 1) * dt / 1000
    rates = {
        name: len(steps) / simulation.model.populations[name].size / seconds
        for name, (steps, _) in chunk.spikes.items()
    }
    return Progress("simulate", simulation.step * dt, simulation.model.run.steps * dt, wall_s, rates)


def open_recorder(loaded: Loaded, output: Path, threads: int, overwrite: bool) -> Recorder:
    """Create the output that a config asks for."""
    model = loaded.model
    return Recorder(
        output,
        populations={name: model.populations[name].size for name in model.record_spikes},
        traces=[
            TraceColumns(
                trace.population, trace.variable, range(*trace.nodes), trace.every, unit_of(trace.variable)
            )
            for trace in model.traces
        ],
        dt=model.run.dt,
        duration=model.run.steps * model.run.dt,
        resolved_config=loaded.resolved,
        facts=_facts(loaded, threads),
        overwrite=overwrite,
    )


def unit_of(variable: str) -> str:
    """The unit in which a state is recorded; gates are shares of 1."""
    if variable == "v":
        return "mV"
    return "nS" if variable.startswith("g.") else "1"


def _facts(loaded: Loaded, threads: int) -> dict[str, str | int | float]:
    run = loaded.model.run
    facts: dict[str, str | int | float] = {
        "title": loaded.model.title,
        "source": loaded.source,
        "seed": run.seed,
        "threads": threads,
        "method": run.method,
        "precision": run.precision,
        "device": "cpu",
    }
    facts |= {f"machine.{name}": value for name, value in describe_machine().items()}
    return facts | {f"versions.{name}": value for name, value in versions().items()}


def _summary(
    loaded: Loaded, simulation: Simulation, recorder: Recorder, clock: Clock, output: str, complete: bool
) -> Summary:
    from hhsim import memory

    model = loaded.model
    recorder.flush(simulation.step * model.run.dt)
    checksums = recorder.sha256()
    clock.lap("write")
    seconds = simulation.step * model.run.dt / 1000
    neurons = sum(population.size for population in model.populations.values())
    simulated = clock.laps["simulate"]
    return Summary(
        config=loaded.source,
        output=output,
        seed=model.run.seed,
        threads=simulation.threads,
        device="cpu",
        precision=model.run.precision,
        method=model.run.method,
        neurons=neurons,
        synapses=simulation.connections.synapses,
        steps=simulation.step,
        biological_s=seconds,
        wall_s=clock.seconds(),
        realtime_factor=simulated / seconds if seconds else 0.0,
        ns_per_neuron_step=simulated / (simulation.step * neurons) * 1e9 if simulation.step else 0.0,
        peak_rss_bytes=memory.peak_bytes(),
        spikes=dict(simulation.spike_counts),
        rate_hz={
            name: simulation.spike_counts[name] / population.size / seconds if seconds else 0.0
            for name, population in model.populations.items()
        },
        suppressed_crossings=simulation.suppressed_crossings,
        spikes_sha256=checksums,
        complete=complete,
        version=__version__,
    )


class Clock:
    """Wall time by phase: each lap goes to the phase that has just ended."""

    def __init__(self, started: float) -> None:
        """`started` is a moment of `time.time()`; from now on, a clock that nobody sets is looked at."""
        self._last = self._started = time.perf_counter() - (time.time() - started)
        self.laps = dict.fromkeys(("startup", "build", "compile", "simulate", "write"), 0.0)

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.laps[phase] += now - self._last
        self._last = now

    def seconds(self) -> dict[str, float]:
        """Each phase so far, and their `total`."""
        laps = self.laps | {"total": self._last - self._started}
        return {name: round(value, 6) for name, value in laps.items()}
