"""From a request to a job: everything that can be refused before any work is done, asked once.

Imports of Numba and h5py stand where they are needed: a config that is refused is refused at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hhsim.config import Loaded, load, parse
from hhsim.engines.choice import require
from hhsim.errors import NoConfig, check_threads
from hhsim.model import usual_precision
from hhsim.simulation.request import ConfigChoice, Request
from hhsim.simulation.summary import Summary
from hhsim.system.plainfile import require_name

if TYPE_CHECKING:
    from hhsim.engines.exchange import Exchange
    from hhsim.simulation.checkpoint.store import Found


@dataclass(frozen=True)
class Job:
    """A run that can begin."""

    request: Request
    loaded: Loaded
    exchange: Exchange
    threads: int  # of each rank
    overwrite: bool  # may the output be replaced: as was asked for, or as nothing of it was saved yet
    found: Found | None  # the checkpoint to go on from; on rank 0 alone
    done: Summary | None  # of an earlier run that came to the end of this job

    @property
    def output(self) -> Path:
        return self.request.output


def prepare(request: Request) -> Job:
    """Check all that a run needs: device, config, output, checkpoint, disk and memory.

    All ranks of the request call this. Rank 0 reads, and tells the others; what is refused on one of them
    ends all.

    Raises
    ------
    ConfigRefused, ChannelRefused, NoConfig
        for a config that cannot be run, or where there is none
    OutputExists, FileFailed, NotEnoughSpace
        for a place where the output cannot be, and for an earlier output or checkpoint that is damaged
    CheckpointRefused
        when the run to go on was one of another config, or is beyond the end of this one
    NoSuchDevice, NotInstalled, NotEnoughMemory, TooManyCells, TooManySynapses
        when this machine cannot compute it
    ValueError
        for less than one thread
    """
    check_threads(request.threads)
    require(request.device)
    require_name(request.output)
    first = request.exchange is None or request.exchange.rank == 0
    found = _find(request) if first else None
    loaded = _config_on_all_ranks(request, found)

    from hhsim.engines.exchange import Alone
    from hhsim.engines.exchange.sharing import threads_of
    from hhsim.simulation import memory

    exchange = request.exchange or Alone()
    done, overwrite = _at_output(request, loaded, found) if first else (None, request.overwrite)
    told = exchange.share(done.to_json() if done else "")
    if told and done is None:
        done = Summary(**json.loads(told))
    threads = threads_of(exchange, request.threads)
    if done is None:
        memory.require(loaded.model, threads, exchange.ranks, exchange.on_host)
    request.clock.lap("startup")
    return Job(request, loaded, exchange, threads, overwrite, found, done)


def _find(request: Request) -> Found | None:
    """The checkpoint to go on from, read once; None if there is none, or nothing is to go on."""
    if not request.resume:
        return None
    from hhsim.simulation.checkpoint import store

    return store.load(request.output) if store.exists(request.output) else None


def _config_on_all_ranks(request: Request, found: Found | None) -> Loaded:
    """The config, as rank 0 has loaded it."""
    choice = request.config
    if isinstance(choice.config, Loaded):
        return choice.config
    if request.exchange is None:
        return _load(request, found)
    from hhsim.engines.exchange.sharing import shared_config

    if request.exchange.rank > 0:
        _declare(choice)
    return shared_config(request.exchange, lambda: _load(request, found))


def _load(request: Request, found: Found | None) -> Loaded:
    """The config that was chosen. A run that goes on keeps the seed and the precision that it began with."""
    choice, stored = request.config, None
    if request.resume:
        from hhsim.simulation.earlier import stored_config

        stored = stored_config(request.output, found)
    if choice.config is None and stored is None:
        raise NoConfig
    _declare(choice)
    if choice.config is None:
        assert stored is not None
        return parse(stored[0], source=stored[1], overrides=choice.overrides, run=choice.settings)
    assert not isinstance(choice.config, Loaded)
    earlier = None if stored is None else parse(stored[0]).model.run
    return load(
        choice.config,
        choice.overrides,
        run=choice.settings,
        default_seed=None if earlier is None else earlier.seed,
        default_precision=usual_precision(request.device) if earlier is None else earlier.precision,
    )


def _declare(choice: ConfigChoice) -> None:
    if choice.channels:
        from hhsim.channels import declare_from

        for path in choice.channels:
            declare_from(path)


def _at_output(request: Request, loaded: Loaded, found: Found | None) -> tuple[Summary | None, bool]:
    """Rank 0 looks at the place of the output: is all done there, and may what is there be replaced?

    Tells the listeners of the config before what else may be refused.
    """
    from hhsim.recording.space import bytes_of_traces, require_space
    from hhsim.simulation.output import check_place

    output, model, overwrite = request.output, loaded.model, request.overwrite
    if not request.resume:
        check_place(output, model, overwrite)
    request.listeners.accepted(loaded)
    if request.resume:
        done = _done(request, loaded, found)
        if done is not None:
            return done, overwrite
        if found is None:
            overwrite = _begins_anew(request, loaded) or overwrite
            check_place(output, model, overwrite)
    require_space(model, output, bytes_of_traces(model), existing=overwrite or found is not None)
    return None, overwrite


def _done(request: Request, loaded: Loaded, found: Found | None) -> Summary | None:
    """The summary of an earlier run that left nothing to do; refuses a checkpoint that does not fit."""
    from hhsim.simulation.earlier import finished
    from hhsim.simulation.tell import nothing_left

    if found is not None:
        from hhsim.simulation.checkpoint.continuing import check_fits

        if found.remark:
            request.listeners.note(found.remark)
        check_fits(found.checkpoint, loaded, request.output)
    earlier = finished(request.output, loaded)
    return None if earlier is None else nothing_left(request, loaded, earlier)


def _begins_anew(request: Request, loaded: Loaded) -> bool:
    """Whether an earlier run was killed before its first checkpoint, so that its output may be replaced."""
    from hhsim.simulation.earlier import check_unsaved

    output = request.output
    if not output.exists():
        return False
    end_ms = check_unsaved(output, loaded)
    request.listeners.note(
        f"{output} ends at {end_ms:g} ms, before its first checkpoint: the run begins anew"
    )
    return True
