"""What a run was and did, as a summary; the room `report` puts it into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hhsim import __version__
from hhsim.config import Loaded
from hhsim.simulation import memory
from hhsim.simulation.checkpoint import store
from hhsim.simulation.request import Request
from hhsim.simulation.summary import Summary

if TYPE_CHECKING:
    from hhsim.simulation.prepare import Job
    from hhsim.simulation.simulation import Simulation


def summary_of(
    job: Job, simulation: Simulation, checksums: Mapping[str, str], first_step: int, complete: bool
) -> Summary:
    """The summary of a job whose `simulation` came to its end, all that is spent until now included.

    `checksums` are those of the recorded spikes, `first_step` is the one with which this call began, and
    `complete` says whether it came to the end of the run. All ranks call this.
    """
    model, exchange, clock = job.loaded.model, job.exchange, job.request.clock
    seconds = simulation.step * model.run.dt / 1000
    about = about_run(job, simulation.device)
    simulated, steps = clock.laps["simulate"], simulation.step - first_step
    own_seconds = steps * model.run.dt / 1000
    return Summary(
        **about,
        synapses=exchange.total(simulation.connections.synapses),
        steps=simulation.step,
        biological_s=seconds,
        wall_s=clock.seconds(),
        realtime_factor=simulated / own_seconds if steps else None,
        ns_per_neuron_step=simulated / (steps * about["neurons"]) * 1e9 if steps else None,
        peak_rss_bytes=exchange.most(memory.peak_bytes()),
        spikes=dict(simulation.spike_counts),
        rate_hz=rates(job, simulation.spike_counts, seconds),
        suppressed_crossings=simulation.suppressed_crossings,
        spikes_sha256=checksums,
        complete=complete,
        resumed_at_ms=first_step * model.run.dt if first_step else None,
        checkpoint=_checkpoint(job.request),
        version=__version__,
        ranks=exchange.ranks,
    )


def nothing_left(request: Request, loaded: Loaded, done: Summary) -> Summary:
    """Of a run that had come to its end before: what it did, and that this call simulated nothing."""
    request.clock.lap("startup")
    return replace(
        done,
        config=loaded.source,
        output=str(request.output),
        wall_s=request.clock.seconds(),
        realtime_factor=None,
        ns_per_neuron_step=None,
        peak_rss_bytes=memory.peak_bytes(),
        resumed_at_ms=done.steps * loaded.model.run.dt,
        checkpoint=_checkpoint(request),
    )


def about_run(job: Job, device: str) -> dict[str, Any]:
    """The fields of `About`; `device` is where it was computed, by its full name."""
    model = job.loaded.model
    return {
        "config": job.loaded.source,
        "output": str(job.output),
        "seed": model.run.seed,
        "threads": job.threads,
        "device": device,
        "precision": model.run.precision,
        "method": model.run.method,
        "neurons": sum(population.size for population in model.populations.values()),
    }


def rates(job: Job, counts: Mapping[str, int], seconds: float) -> dict[str, float]:
    """Spikes of each population, for each cell and second of biological time."""
    return {
        name: counts[name] / population.size / seconds if seconds else 0.0
        for name, population in job.loaded.model.populations.items()
    }


def _checkpoint(request: Request) -> str | None:
    """The file from which the run can be continued or extended, if there is one."""
    return str(store.checkpoint_path(request.output)) if store.exists(request.output) else None
