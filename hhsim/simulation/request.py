"""What somebody asks for who wants a run, on the command line or in Python: plain data, not checked yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hhsim.config import Loaded
from hhsim.simulation.checkpoint.policy import Policy
from hhsim.simulation.summary import Clock, Note, to_nobody

if TYPE_CHECKING:
    from hhsim.engines.exchange import Exchange


@dataclass(frozen=True)
class ConfigChoice:
    """Which config to run, and what to change in it."""

    config: str | Path | Loaded | None  # a file, or a config loaded before; None: that of the run to go on
    overrides: Sequence[str] = ()  # as `--set` takes them
    settings: Mapping[str, str | int] = field(default_factory=dict)  # keys of [run], to be replaced
    channels: Sequence[str] = ()  # Python files that declare channels of the user's own


@dataclass(frozen=True)
class Listeners:
    """Who is told, on rank 0, of what is odd about a run."""

    note: Note = to_nobody  # a sentence for each thing that is odd about going on
    accepted: Callable[[Loaded], object] = to_nobody  # the config; what else is refused, is refused after it


@dataclass(frozen=True)
class Request:
    """A run that is asked for."""

    config: ConfigChoice
    output: Path
    overwrite: bool = False  # may an output be replaced that exists?
    resume: bool = False  # go on where the run of this output stopped
    threads: int | None = None  # of each rank; None: the processors that it may use
    device: str = "cpu"
    exchange: Exchange | None = None  # the ranks that share the network; None: this process alone
    policy: Policy = field(default_factory=Policy)
    listeners: Listeners = field(default_factory=Listeners)
    clock: Clock = field(default_factory=lambda: Clock(time.perf_counter()))
