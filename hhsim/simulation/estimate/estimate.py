"""What a run would take: cells and synapses, memory, disk and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from hhsim import __version__
from hhsim.errors import WouldDiverge
from hhsim.model import Model
from hhsim.network.build import expected_synapses
from hhsim.recording.sizes import FILE_BYTES, spike_bytes
from hhsim.recording.space import bytes_of_traces, require_space
from hhsim.simulation import memory
from hhsim.simulation.estimate.probe import Probe, probe
from hhsim.simulation.prepare import Job
from hhsim.simulation.summary import About
from hhsim.simulation.tell import about_run, rates

# What writing takes, checksums and waiting for the disk included: 0.02 s, and a second for 200 MB more.
WRITE_SECONDS = 0.02
WRITE_BYTES_PER_SECOND = 200e6


@dataclass(frozen=True)
class Tried:
    """What a guess of time and spikes comes from."""

    cells: int
    synapses: int
    steps: int
    biological_ms: float
    wall_s: float
    build_s: float
    rate_hz: Mapping[str, float]  # of each population within the second half


@dataclass(frozen=True)
class Estimate(About):
    """What a run would take; the object that `hhsim run --dry-run --json` prints.

    Names are those of `hhsim.simulation.summary.Summary` where they mean the same.
    """

    synapses: int
    synapses_exact: bool  # or an expectation, from probabilities
    steps: int
    biological_s: float
    memory_bytes: Mapping[str, int]  # state, network, buffers, overhead, total, available
    disk_bytes: Mapping[str, int]  # spikes, traces, total, free
    wall_s: Mapping[str, float]  # startup, build, compile, simulate, write, total
    realtime_factor: float
    ns_per_neuron_step: float
    spikes: Mapping[str, int]  # expected of each population
    rate_hz: Mapping[str, float]  # the same as rates, over the whole run
    probe: Tried
    version: str
    ranks: int = 1


def estimate(job: Job) -> Estimate:
    """What a job would take, from its size and from a try of a second or two; writes nothing.

    All ranks call this; memory is that of each of them.

    Raises
    ------
    NotEnoughSpace
        when the spikes that are expected do not fit beside the traces
    WouldDiverge
        when a potential is no longer finite within the try
    """
    model, exchange, clock = job.loaded.model, job.exchange, job.request.clock
    tried = probe(model, job.threads, job.request.device, exchange)
    if tried.diverged is not None:
        raise WouldDiverge(tried.diverged)
    run = model.run
    left, seconds = run.steps - tried.steps, run.steps * run.dt / 1000
    spikes = {
        name: tried.spikes[name] + round(left * tried.spikes_per_step[name]) for name in model.populations
    }
    needed = memory.needed(model, job.threads, exchange.ranks)
    disk = _disk(job, spikes)
    wall = {
        "startup": clock.laps["startup"],
        "build": tried.build_s,
        "compile": tried.compile_s,
        "simulate": tried.first_s + left * tried.step_s,
        "write": WRITE_SECONDS + disk["total"] / WRITE_BYTES_PER_SECOND,
    }
    synapses, exact = _synapses(model, tried)
    about = about_run(job, tried.device)
    return Estimate(
        **about,
        synapses=synapses,
        synapses_exact=exact,
        steps=run.steps,
        biological_s=seconds,
        memory_bytes=asdict(needed) | {"total": needed.total, "available": memory.available_bytes()},
        disk_bytes=disk,
        wall_s={name: round(value, 6) for name, value in (wall | {"total": sum(wall.values())}).items()},
        realtime_factor=wall["simulate"] / seconds,
        ns_per_neuron_step=wall["simulate"] / (run.steps * about["neurons"]) * 1e9,
        spikes=spikes,
        rate_hz=rates(job, spikes, seconds),
        probe=_tried(model, tried),
        version=__version__,
        ranks=exchange.ranks,
    )


def _disk(job: Job, spikes: Mapping[str, int]) -> dict[str, int]:
    """Bytes of the recorded spikes and traces, their total, and what is free. Raises NotEnoughSpace."""
    model = job.loaded.model
    disk = {
        "spikes": sum(spike_bytes(spikes[name]) for name in model.record_spikes),
        "traces": bytes_of_traces(model),
    }
    total = sum(disk.values()) + FILE_BYTES
    return disk | {"total": total, "free": require_space(model, job.output, total, job.overwrite)}


def _tried(model: Model, tried: Probe) -> Tried:
    return Tried(
        cells=tried.cells,
        synapses=tried.synapses,
        steps=tried.steps,
        biological_ms=tried.steps * model.run.dt,
        wall_s=round(tried.wall_s, 6),
        build_s=round(tried.build_s, 6),
        rate_hz={
            name: count / model.populations[name].size / model.run.dt * 1000
            for name, count in tried.spikes_per_step.items()
        },
    )


def _synapses(model: Model, tried: Probe) -> tuple[int, bool]:
    """The number of synapses, and whether it is exact: counted in the whole network, or set by its rules."""
    if tried.cells == sum(population.size for population in model.populations.values()):
        return tried.synapses, True
    expected = sum(expected_synapses(model, index) for index in range(len(model.projections)))
    return round(expected), not any(one.rule.drawn for one in model.projections)
