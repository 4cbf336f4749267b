"""What is told of a run: while it goes on, and of all of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal


@dataclass(frozen=True)
class About:
    """What is said of a run that was, and of one that is estimated."""

    config: str
    output: str
    seed: int
    threads: int
    device: str
    precision: str
    method: str
    neurons: int

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


@dataclass(frozen=True)
class Summary(About):
    """What a run was and did; the object that `hhsim run --json` prints."""

    synapses: int
    steps: int
    biological_s: float  # from the beginning, in whatever number of calls
    wall_s: Mapping[str, float]  # of this call: startup, build, compile, simulate, write, total
    realtime_factor: float | None  # wall seconds of simulation for each biological second simulated now
    ns_per_neuron_step: float | None  # None, both: this call simulated nothing, as all was done
    peak_rss_bytes: int
    spikes: Mapping[str, int]  # for each population
    rate_hz: Mapping[str, float]
    suppressed_crossings: Mapping[str, int]
    spikes_sha256: Mapping[str, str]  # for each population whose spikes are recorded
    complete: bool
    resumed_at_ms: float | None  # where this call went on from; None: from the beginning
    checkpoint: str | None  # the file from which it can be continued or extended
    version: str
    ranks: int = 1  # processes that shared the network, each with `threads` threads

    @property
    def simulated_s(self) -> float:
        """Biological time that this call simulated."""
        return 0.0 if self.realtime_factor is None else self.biological_s - (self.resumed_at_ms or 0.0) / 1000


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    phase: Literal["build", "load", "compile", "simulate"]  # compile: only if the cache does not hold it
    t_ms: float
    duration_ms: float
    wall_s: float = 0.0  # since the first step of this process
    rate_hz: Mapping[str, float] = field(default_factory=dict)  # of each population over the last chunk
    from_ms: float = 0.0  # where this process began
    what: str = ""  # what is being compiled, and about how long it takes; empty where that is not known


Watcher = Callable[[Progress], None]
Note = Callable[[str], None]  # is told, in a sentence, what the user should know


def to_nobody(told: object) -> None:
    """A Watcher, or a Note, that is for nobody."""


class Clock:
    """Wall time by phase: each lap goes to the phase that has just ended."""

    def __init__(self, started: float) -> None:
        """`started` is a moment of `time.perf_counter()`, a clock that nobody sets."""
        self._last = self._started = started
        self.laps = dict.fromkeys(("startup", "build", "compile", "simulate", "write"), 0.0)

    @property
    def began(self) -> float:
        """The moment of `time.perf_counter()` at which it all began."""
        return self._started

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.laps[phase] += now - self._last
        self._last = now

    def seconds(self) -> dict[str, float]:
        """Each phase so far, and their `total`."""
        laps = self.laps | {"total": self._last - self._started}
        return {name: round(value, 6) for name, value in laps.items()}
