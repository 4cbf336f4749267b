"""What was measured, what follows from it, and the file that keeps it."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hhsim.bench.peak import Peak
from hhsim.bench.roofline import Cost
from hhsim.recording.files import check_output
from hhsim.system.whole import written_whole

FORMAT = 1  # of the file; another number means that an older program cannot compare with it


@dataclass(frozen=True)
class Row:
    """A network with one number of threads."""

    threads: int
    seconds: tuple[float, ...]  # of wall time for each biological second, of each repeat
    phases: Mapping[str, float]  # shares of the time of a run of its own, which looks at a clock; sum 1
    timed_seconds: float  # of that run, for each biological second
    spikes_sha256: tuple[str, ...]  # one for each distinct outcome of the runs: one alone, if all is well

    @cached_property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Series:
    """A network in one precision and size, with each number of threads in turn."""

    network: str  # SHA-256 of its complete config: the same only if everything is the same
    precision: str
    neurons: int
    synapses: int
    steps: int
    biological_s: float  # of each run
    spikes: int
    events: int  # synapses that the spikes reached
    cost: Cost
    rows: tuple[Row, ...]  # the first with one thread

    @property
    def same_spikes(self) -> bool:
        """Every run of every row fired the same spikes, bit for bit."""
        return len({sha for row in self.rows for sha in row.spikes_sha256}) == 1

    def ns_per_neuron_step(self, row: Row) -> float:
        return row.median * self.biological_s / (self.steps * self.neurons) * 1e9

    def events_per_s(self, row: Row) -> float:
        """Synaptic events in a second of wall time."""
        return self.events / (row.median * self.biological_s)

    def ns_per_event(self, row: Row) -> float:
        """Time of one thread in delivery for each synaptic event, of which there are some."""
        seconds = row.phases["delivery"] * row.median * self.biological_s * row.threads
        return seconds / self.events * 1e9

    def speedup(self, row: Row) -> float:
        return self.rows[0].median / row.median

    def flops_per_s(self, row: Row) -> float:
        """Of the cells, by the count of `operations`, over all of the time."""
        return self.cost.flops / self.ns_per_neuron_step(row) * 1e9

    def bytes_per_s(self, row: Row) -> float:
        return self.cost.bytes / self.ns_per_neuron_step(row) * 1e9


@dataclass(frozen=True)
class Bench:
    """A table of measurements and the machine that they hold for."""

    date: str  # ISO 8601, UTC
    title: str
    source: str  # of the config
    device: str  # "cpu", or the number and the name of a CUDA device
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    processors: int  # that the process may use
    cache_bytes: int  # the largest cache of a processor
    series: tuple[Series, ...]
    peaks: tuple[Peak, ...]  # of the processor; empty where another device computes

    def peak(self, series: Series, row: Row) -> Peak:
        """What the machine reaches with the threads of a row, or with all processors if those are fewer."""
        threads = min(row.threads, self.processors)
        return next(p for p in self.peaks if (p.threads, p.precision) == (threads, series.precision))

    def share_of_peak(self, series: Series, row: Row) -> float:
        return series.flops_per_s(row) / self.peak(series, row).flops

    def bound(self, series: Series) -> str:
        """What limits the cells with one thread: "arithmetic", or "memory" where the state leaves the caches
        and memory brings less than the arithmetic could use."""
        peak = self.peak(series, series.rows[0])
        in_cache = series.cost.state_bytes <= self.cache_bytes
        memory_first = series.cost.flops / series.cost.bytes < peak.flops / peak.bandwidth
        return "memory" if memory_first and not in_cache else "arithmetic"

    @property
    def same_spikes(self) -> bool:
        return all(series.same_spikes for series in self.series)

    def to_dict(self) -> dict[str, Any]:
        """Everything, with what follows from it beside each row."""
        told = {"hhsim_bench": FORMAT} | asdict(self)
        for series, of_series in zip(self.series, told["series"], strict=True):
            of_series["same_spikes"] = series.same_spikes
            of_series["bound"] = self.bound(series) if self.peaks else None
            for row, of_row in zip(series.rows, of_series["rows"], strict=True):
                of_row |= {
                    "median": row.median,
                    "ns_per_neuron_step": series.ns_per_neuron_step(row),
                    "events_per_s": series.events_per_s(row),
                    "ns_per_event": series.ns_per_event(row) if row.phases and series.events else None,
                    "speedup": series.speedup(row),
                    "efficiency": series.speedup(row) / row.threads,
                    "share_of_peak": self.share_of_peak(series, row) if self.peaks else None,
                }
        return told


def save(bench: Bench, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write everything as JSON; the file appears whole or not at all. Raises OutputExists and FileFailed."""
    check_output(path, (), overwrite)
    with written_whole(Path(path), overwrite) as hidden:
        hidden.write_text(json.dumps(bench.to_dict(), indent=2, allow_nan=False) + "\n")
