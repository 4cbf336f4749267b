"""What a run would take: cells and synapses, memory, disk and time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hhsim import __version__
from hhsim.config import Loaded
from hhsim.engines.choice import require
from hhsim.errors import Diverged, HhsimError, check_threads
from hhsim.model import Model
from hhsim.recording.sizes import FILE_BYTES, spike_bytes
from hhsim.recording.space import bytes_of_traces, require_space
from hhsim.simulation.output import check_place

if TYPE_CHECKING:
    from hhsim.engines.exchange import Exchange
    from hhsim.simulation.estimate.probe import Probe

# What writing takes, checksums and waiting for the disk included: 0.02 s, and a second for 200 MB more.
WRITE_SECONDS = 0.02
WRITE_BYTES_PER_SECOND = 200e6


class WouldDiverge(HhsimError):
    """A potential became NaN or infinite while a network was tried for an estimate."""

    exit_code = Diverged.exit_code

    def __init__(self, diverged: Diverged) -> None:
        super().__init__(diverged)
        self.diverged = diverged

    def __str__(self) -> str:
        return f"a run would be stopped: {self.diverged}"


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
class Estimate:
    """What a run would take; the object that `hhsim run --dry-run --json` prints.

    Names are those of `hhsim.simulation.summary.Summary` where they mean the same.
    """

    config: str
    output: str
    seed: int
    threads: int
    device: str
    precision: str
    method: str
    neurons: int
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

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


def estimate(
    loaded: Loaded,
    *,
    output: str | os.PathLike[str] = "out.h5",
    threads: int | None = None,
    device: str = "cpu",
    overwrite: bool = False,
    since: float | None = None,
    exchange: Exchange | None = None,
) -> Estimate:
    """What a run of a config would take, from its size and from a try of a second or two; writes nothing.

    The parameters are those of `hhsim.run`. Memory is that of each rank of `exchange`.

    Raises
    ------
    OutputExists, FileFailed, NotEnoughMemory, NotEnoughSpace, NoSuchDevice, NotInstalled
        where a run is not possible; all that can be told without a try is told before it
    WouldDiverge
        when a potential is no longer finite within the try
    """
    check_threads(threads)
    began = time.perf_counter() if since is None else since
    model = loaded.model
    if exchange is None or exchange.rank == 0:
        check_place(Path(output), model, overwrite)
    require(device)

    from hhsim.engines.exchange import Alone
    from hhsim.engines.exchange.sharing import threads_of
    from hhsim.simulation import memory

    exchange = exchange or Alone()
    threads = threads_of(exchange, threads)
    memory.require(model, threads, exchange.ranks, exchange.on_host)
    needed = memory.needed(model, threads, exchange.ranks)
    traces = bytes_of_traces(model)
    require_space(model, output, traces, overwrite)

    from hhsim.simulation.estimate.probe import probe

    startup_s = time.perf_counter() - began
    tried = probe(model, threads, device, exchange)
    if tried.diverged is not None:
        raise WouldDiverge(tried.diverged)
    run = model.run
    left = run.steps - tried.steps
    cells = sum(population.size for population in model.populations.values())
    spikes = {
        name: tried.spikes[name] + round(left * tried.spikes_per_step[name]) for name in model.populations
    }
    disk = {"spikes": sum(spike_bytes(spikes[name]) for name in model.record_spikes), "traces": traces}
    total = disk["spikes"] + traces + FILE_BYTES
    free = require_space(model, output, total, overwrite)
    wall = {
        "startup": startup_s,
        "build": tried.build_s,
        "compile": tried.compile_s,
        "simulate": tried.first_s + left * tried.step_s,
        "write": WRITE_SECONDS + total / WRITE_BYTES_PER_SECOND,
    }
    seconds = run.steps * run.dt / 1000
    synapses, exact = _synapses(model, tried)
    return Estimate(
        config=loaded.source,
        output=os.fspath(output),
        seed=run.seed,
        threads=threads,
        device=tried.device,
        precision=run.precision,
        method=run.method,
        neurons=cells,
        synapses=synapses,
        synapses_exact=exact,
        steps=run.steps,
        biological_s=seconds,
        memory_bytes=asdict(needed) | {"total": needed.total, "available": memory.available_bytes()},
        disk_bytes=disk | {"total": total, "free": free},
        wall_s={name: round(value, 6) for name, value in (wall | {"total": sum(wall.values())}).items()},
        realtime_factor=wall["simulate"] / seconds,
        ns_per_neuron_step=wall["simulate"] / (run.steps * cells) * 1e9,
        spikes=spikes,
        rate_hz={name: count / model.populations[name].size / seconds for name, count in spikes.items()},
        probe=_tried(model, tried),
        version=__version__,
        ranks=exchange.ranks,
    )


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
    from hhsim.network.build import expected_synapses

    if tried.cells == sum(population.size for population in model.populations.values()):
        return tried.synapses, True
    expected = sum(expected_synapses(model, index) for index in range(len(model.projections)))
    return round(expected), not any(one.rule.drawn for one in model.projections)
