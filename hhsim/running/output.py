"""The output that a config asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from hhsim.config import Loaded
from hhsim.machine import describe_machine, versions
from hhsim.recording import Positions, Recorder, TraceColumns

Numbers = npt.NDArray[np.int64]


class Unrecorded:
    """What a rank records that writes no file: nothing."""

    def append_spikes(self, population: str, steps: Numbers, nodes: Numbers) -> None:
        pass

    def append_frames(self, trace_index: int, frames: npt.NDArray[np.float32]) -> None:
        pass

    def flush(self, t_ms: float) -> None:
        pass


Output = Recorder | Unrecorded


def open_recorder(
    loaded: Loaded,
    output: Path,
    threads: int,
    overwrite: bool,
    resume: Positions | None = None,
    device: str = "cpu",
    ranks: int = 1,
) -> Recorder:
    """Create the output that a config asks for, or go on with it from earlier positions."""
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
        facts=_facts(loaded, threads, device) | {"ranks": ranks},
        overwrite=overwrite,
        resume=resume,
    )


def unit_of(variable: str) -> str:
    """The unit in which a state is recorded; gates are shares of 1."""
    if variable == "v":
        return "mV"
    return "nS" if variable.startswith("g.") else "1"


def _facts(loaded: Loaded, threads: int, device: str) -> dict[str, str | int | float]:
    run = loaded.model.run
    facts: dict[str, str | int | float] = {
        "title": loaded.model.title,
        "source": loaded.source,
        "seed": run.seed,
        "threads": threads,
        "method": run.method,
        "precision": run.precision,
        "device": device,
    }
    facts |= {f"machine.{name}": value for name, value in describe_machine().items()}
    return facts | {f"versions.{name}": value for name, value in versions().items()}
