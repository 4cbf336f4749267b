"""The measurement: whole runs, in turn over all rows, and one of each that tells the phases apart.

A run is what `hhsim run` does between building and closing its file: the same loop, recording included. The
rows take turns, since the speed of a machine drifts.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from hhsim.bench import peak
from hhsim.bench.results import Bench, Row, Series
from hhsim.bench.roofline import cost_of
from hhsim.bench.scaling import scaled
from hhsim.bench.traffic import synaptic_events
from hhsim.config import Loaded
from hhsim.config.write import write
from hhsim.engines.choice import on_processor, require
from hhsim.errors import Diverged, NothingToMeasure, check_threads
from hhsim.jit import options as jit
from hhsim.kernels.cpu import stopwatch
from hhsim.model import Model
from hhsim.recording import open_recording
from hhsim.simulation import memory
from hhsim.simulation.loop import simulate
from hhsim.simulation.output import open_recorder
from hhsim.simulation.simulation import Simulation
from hhsim.simulation.summary import Clock
from hhsim.system import machine

REPEATS = 7
NEURON_STEPS = 40_000_000  # of a run, unless its duration was asked for: a second of COBAHH
LEAST_STEPS = 1000  # nor fewer: a network needs time to get into its stride
WARM_STEPS = 50  # of the runs that are not counted

PHASES = (*stopwatch.PHASES, "recording")  # the last: all outside the loop over steps


@dataclass(frozen=True)
class Progress:
    """How many runs are done, and which comes next."""

    done: int
    total: int
    neurons: int
    precision: str
    threads: int


@dataclass(frozen=True)
class Case:
    """A network in one precision and size, to be measured with each of several numbers of threads."""

    loaded: Loaded
    threads: tuple[int, ...]
    device: str = "cpu"

    @property
    def model(self) -> Model:
        return self.loaded.model

    @property
    def neurons(self) -> int:
        return sum(population.size for population in self.model.populations.values())

    @property
    def network(self) -> str:
        """The same only where all is that decides how fast it is, but the threads."""
        where = "" if on_processor(self.device) else self.device
        return hashlib.sha256((write(self.model) + where).encode()).hexdigest()


@dataclass(frozen=True)
class Run:
    """One run of a case."""

    seconds: float  # wall time of simulation and recording
    phases: dict[str, float]  # seconds, where the run was timed
    sha256: str  # of all spikes
    synapses: int
    spikes: int
    events: int
    device: str


Watcher = Callable[[Progress], None]


def row_threads(most: int) -> tuple[int, ...]:
    """1, 2, 4, ... up to `most`, and `most` itself."""
    powers = [1 << i for i in range(most.bit_length())]
    return tuple(dict.fromkeys([*powers, most]))


def plan(
    loaded: Loaded,
    threads: int | None = None,
    *,
    precisions: Sequence[str] = (),
    sizes: Sequence[int] = (),
    shorten: bool = True,
    device: str = "cpu",
) -> list[Case]:
    """What there is to measure: the config in each precision and size (default: its own).

    Rows go up to `threads` (default: the processors that this process may use). With `shorten`, runs of large
    networks end before the config's duration. The spikes of all populations are recorded. On a device other
    than the processor threads only build the network, so that there is one row.

    Raises
    ------
    CannotScale, NotEnoughMemory, TooManyCells, NoSuchDevice, NotInstalled
        before any work is done
    """
    model = loaded.model
    own = sum(population.size for population in model.populations.values())
    require(device)
    check_threads(threads)
    most = jit.available_processors() if threads is None else threads
    rows = row_threads(most) if on_processor(device) else (most,)
    cases = []
    for size in dict.fromkeys(sizes or [own]):
        network = scaled(model, size)
        for precision in dict.fromkeys(precisions or [model.run.precision]):
            cells = sum(population.size for population in network.populations.values())
            enough = max(LEAST_STEPS, NEURON_STEPS // cells)
            steps = min(model.run.steps, enough) if shorten else model.run.steps
            run = replace(model.run, precision=precision, duration=steps * model.run.dt)  # type: ignore[arg-type]
            prepared = replace(network, run=run, record_spikes=tuple(network.populations))
            memory.require(prepared, rows[-1])
            cases.append(Case(replace(loaded, model=prepared, resolved=write(prepared)), rows, device))
    return cases


def bench(cases: Sequence[Case], *, repeats: int = REPEATS, watch: Watcher | None = None) -> Bench:
    """Measure all cases and the peaks of the machine.

    Raises
    ------
    NothingToMeasure
        when a potential is no longer finite
    FileFailed
        when there is no room for a recording in the folder for temporary files
    """
    rows = [(case, threads) for case in cases for threads in case.threads]
    done, total = 0, len(rows) * (repeats + 2)
    runs: dict[tuple[str, int], list[Run]] = {(case.network, threads): [] for case, threads in rows}
    timed: dict[tuple[str, int], Run] = {}
    with tempfile.TemporaryDirectory(prefix="hhsim-bench-") as folder:
        for turn in range(-1, repeats + 1):
            for case, threads in rows:
                if watch is not None:
                    watch(Progress(done, total, case.neurons, case.model.run.precision, threads))
                done += 1
                key = (case.network, threads)
                if turn < 0:
                    device = _warm_up(case, threads, Path(folder))
                elif turn < repeats:
                    runs[key].append(_run(case.loaded, threads, case.device, Path(folder)))
                else:
                    timed[key] = _run(case.loaded, threads, case.device, Path(folder), timed=True)
    processors = jit.available_processors()
    local = [(case, threads) for case, threads in rows if on_processor(case.device)]
    peaks = peak.measure(
        sorted({min(threads, processors) for _, threads in local}),
        list(dict.fromkeys(case.model.run.precision for case, _ in local)),
        memory.available_bytes(),
    )
    return Bench(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        title=cases[0].model.title,
        source=cases[0].loaded.source,
        device=device,
        machine=machine.describe_machine(),
        versions=machine.versions(),
        processors=processors,
        cache_bytes=peak.largest_cache_bytes(),
        series=tuple(_series(case, runs, timed) for case in cases),
        peaks=tuple(peaks),
    )


def _series(case: Case, runs: dict[tuple[str, int], list[Run]], timed: dict[tuple[str, int], Run]) -> Series:
    settings = case.model.run
    biological_s = settings.steps * settings.dt / 1000
    rows = []
    for threads in case.threads:
        of_row, looked = runs[case.network, threads], timed[case.network, threads]
        rows.append(
            Row(
                threads,
                tuple(run.seconds / biological_s for run in of_row),
                {name: seconds / looked.seconds for name, seconds in looked.phases.items()},
                looked.seconds / biological_s,
                tuple(dict.fromkeys(run.sha256 for run in (*of_row, looked))),
            )
        )
    first = runs[case.network, case.threads[0]][0]
    return Series(
        network=case.network,
        precision=settings.precision,
        neurons=case.neurons,
        synapses=first.synapses,
        steps=settings.steps,
        biological_s=biological_s,
        spikes=first.spikes,
        events=first.events,
        cost=cost_of(case.model),
        rows=tuple(rows),
    )


def _warm_up(case: Case, threads: int, folder: Path) -> str:
    """Compile what is not compiled yet, start the threads, and use everything once; returns the device."""
    settings = case.model.run
    short = replace(settings, duration=min(settings.steps, WARM_STEPS) * settings.dt)
    for timed in (False, True):
        run = _run(
            replace(case.loaded, model=replace(case.model, run=short)), threads, case.device, folder, timed
        )
    return run.device


def _run(loaded: Loaded, threads: int, device: str, folder: Path, timed: bool = False) -> Run:
    model = loaded.model
    path = folder / "run.h5"
    simulation = Simulation(model, threads, device=device)
    simulation.compile(timed)
    with open_recorder(loaded, path, simulation, overwrite=True) as recorder:
        clock = Clock(time.perf_counter())
        begin, first_tick = time.perf_counter(), stopwatch.now()
        try:
            simulate(simulation, recorder, clock)
        except Diverged as diverged:
            raise NothingToMeasure(f"{diverged}: there is nothing to measure") from diverged
        recorder.flush(simulation.step * model.run.dt)
        seconds, ticks = time.perf_counter() - begin, stopwatch.now() - first_tick
        checksums = recorder.sha256()
        recorder.close(True, simulation.step * model.run.dt)
    phases = {}
    counted = simulation.engine.phase_ticks()
    if timed and ticks and counted:
        phases = {name: count * seconds / ticks for name, count in counted.items()}
        phases["recording"] = max(seconds - sum(phases.values()), 0.0)
    fired = {}
    with open_recording(path) as recording:
        for name, population in model.populations.items():
            fired[name] = np.zeros(population.size, np.int64)
            for _, nodes in recording.spikes[name].pieces():
                fired[name] += np.bincount(nodes, minlength=population.size)
    return Run(
        seconds,
        phases,
        hashlib.sha256(repr(sorted(checksums.items())).encode()).hexdigest(),
        simulation.connections.synapses,
        sum(simulation.spike_counts.values()),
        synaptic_events(model, simulation.connections, fired),
        simulation.device,
    )
