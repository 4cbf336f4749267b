"""The output that a config asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hhsim.channels.states import states_of
from hhsim.config import Loaded
from hhsim.errors import FileFailed
from hhsim.model import Model
from hhsim.recording import Positions, Recorder, TraceColumns
from hhsim.recording.owners import check_recording
from hhsim.simulation.checkpoint import container, store
from hhsim.system.machine import describe_machine, versions

if TYPE_CHECKING:
    from hhsim.simulation.simulation import Simulation

Numbers = npt.NDArray[np.int64]


def check_place(output: Path, model: Model, overwrite: bool) -> None:
    """Refuse a place for the output of `model`, before any work is done.

    Raises OutputExists, and FileFailed for a place that cannot be written or is another recording's, even
    with `overwrite`. Without it, also where the checkpoint of an earlier run is left whose output is gone:
    somebody may have moved that.
    """
    if container.is_checkpoint(output):
        raise FileFailed(str(output), "is the checkpoint of a run: choose another name")
    if output.name.endswith(store.ENDINGS):
        raise FileFailed(str(output), "would be called like a checkpoint: choose another name")
    check_recording(output, [trace.variable for trace in model.traces], overwrite)
    if not overwrite and store.exists(output):
        checkpoint = store.checkpoint_path(output)
        raise FileFailed(
            str(checkpoint if checkpoint.exists() else store.previous_path(output)),
            f"is the checkpoint of an earlier run, whose output {output.name} is gone; "
            "choose another name, or replace it with --force",
        )


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
    simulation: Simulation,
    *,
    overwrite: bool = False,
    resume: Positions | None = None,
) -> Recorder:
    """Create the output that a config asks for, or go on with it from earlier positions."""
    model = loaded.model
    return Recorder(
        output,
        populations={name: model.populations[name].size for name in model.record_spikes},
        traces=[
            TraceColumns(
                trace.population,
                trace.variable,
                range(*trace.nodes),
                trace.every,
                states_of(model.cell_of(trace.population))[trace.variable].written_unit,
            )
            for trace in model.traces
        ],
        dt=model.run.dt,
        duration=model.run.steps * model.run.dt,
        resolved_config=loaded.resolved,
        facts=_facts(loaded, simulation),
        overwrite=overwrite,
        resume=resume,
    )


def _facts(loaded: Loaded, simulation: Simulation) -> dict[str, str | int | float]:
    run = loaded.model.run
    facts: dict[str, str | int | float] = {
        "title": loaded.model.title,
        "source": loaded.source,
        "seed": run.seed,
        "threads": simulation.threads,
        "method": run.method,
        "precision": run.precision,
        "device": simulation.device,
    }
    facts |= {f"machine.{name}": value for name, value in describe_machine().items()}
    facts |= {f"versions.{name}": value for name, value in versions().items()}
    return facts | {"ranks": simulation.exchange.ranks}
