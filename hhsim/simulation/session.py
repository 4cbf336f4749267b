"""`hhsim.run`: a whole run in one call, from a config to a closed file and a summary."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hhsim.config import Loaded
from hhsim.simulation.checkpoint.policy import Policy
from hhsim.simulation.execute import execute
from hhsim.simulation.prepare import prepare
from hhsim.simulation.request import ConfigChoice, Listeners, Request
from hhsim.simulation.summary import Clock, Note, Summary, Watcher, to_nobody

if TYPE_CHECKING:
    from hhsim.engines.exchange import Exchange


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
    settings = {"seed": seed, "duration": duration, "precision": precision}
    given = {key: value for key, value in settings.items() if value is not None}
    if isinstance(config, Loaded):
        if late := [*given, *(["overrides"] if overrides else [])]:
            raise TypeError(f"{', '.join(late)}: the config is loaded already")
        choice = ConfigChoice(config)
    else:
        choice = ConfigChoice(Path(os.fspath(config)), overrides, given)
    request = Request(
        choice,
        Path(output),
        overwrite=overwrite,
        resume=resume,
        threads=threads,
        device=device,
        exchange=exchange,
        policy=Policy.of(checkpoint_every_s, max_wall_s),
        listeners=Listeners(note or to_nobody),
        clock=Clock(time.perf_counter() if since is None else since),
    )
    return execute(prepare(request), watch)
