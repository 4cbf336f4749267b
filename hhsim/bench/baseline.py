"""Measurements of another time, or of another machine or version, and what has become slower since."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hhsim.bench.results import FORMAT, Bench
from hhsim.errors import FileFailed
from hhsim.system.failures import file_errors
from hhsim.system.plainfile import require_plain_file

Key = tuple[str, int]  # the network (`Series.network`) and the number of threads


@dataclass(frozen=True)
class BaselineRow:
    seconds: tuple[float, ...]
    spikes_sha256: tuple[str, ...]


@dataclass(frozen=True)
class Baseline:
    """What a file of `hhsim bench --json` holds, as far as it is compared."""

    path: str
    date: str
    processor: str
    version: str
    rows: dict[Key, BaselineRow]

    def require(self, keys: Iterable[Key]) -> None:
        """Raise FileFailed unless it has one of `keys`: a comparison of nothing would always pass."""
        if not self.rows.keys() & set(keys):
            raise FileFailed(
                self.path,
                "has no measurement of the same network, precision, size, duration and number of threads",
            )


@dataclass(frozen=True)
class Pair:
    """A row then and now; seconds of wall time for each biological second."""

    precision: str
    neurons: int
    threads: int
    before: tuple[float, ...]
    after: tuple[float, ...]
    same_spikes: bool

    @property
    def ratio(self) -> float:
        """Of the medians: above 1, it takes longer now."""
        return statistics.median(self.after) / statistics.median(self.before)

    @property
    def overlap(self) -> bool:
        """Some run now was as fast as some run then: the difference may be noise."""
        return min(self.after) <= max(self.before) and min(self.before) <= max(self.after)


@dataclass(frozen=True)
class Comparison:
    baseline: Baseline
    same_machine: bool
    limit: float | None  # the share by which a median may grow; None: by any
    pairs: tuple[Pair, ...]

    def slower(self, pair: Pair) -> bool:
        return self.limit is not None and pair.ratio > 1 + self.limit

    @property
    def failed(self) -> bool:
        return any(self.slower(pair) for pair in self.pairs)


def compare(bench: Bench, baseline: Baseline, limit: float | None = None) -> Comparison:
    """Hold the rows that both have against each other, by their medians."""
    pairs = []
    for series in bench.series:
        for row in series.rows:
            old = baseline.rows.get((series.network, row.threads))
            if old is not None:
                same = old.spikes_sha256 == row.spikes_sha256
                pairs.append(
                    Pair(series.precision, series.neurons, row.threads, old.seconds, row.seconds, same)
                )
    return Comparison(baseline, baseline.processor == bench.machine["processor"], limit, tuple(pairs))


def read_baseline(path: str | os.PathLike[str]) -> Baseline:
    """Read what `hhsim bench --json` wrote. Raises FileFailed for anything else."""
    name = os.fspath(path)
    require_plain_file(path)
    with file_errors(path):
        data = Path(path).read_bytes()
    try:
        told = json.loads(data)
    except ValueError as error:
        raise FileFailed(name, f"is no JSON: {error}") from error
    if not isinstance(told, dict) or "hhsim_bench" not in told:
        raise FileFailed(name, "was not written by hhsim bench --json")
    if told["hhsim_bench"] != FORMAT:
        raise FileFailed(
            name, f"has format {told['hhsim_bench']!r}; this version of hhsim reads format {FORMAT}"
        )
    try:
        rows = {
            (_text(series["network"]), _threads(row["threads"])): BaselineRow(
                _seconds(row["seconds"]), tuple(map(_text, row["spikes_sha256"]))
            )
            for series in told["series"]
            for row in series["rows"]
        }
        return Baseline(
            name,
            _text(told["date"]),
            _text(told["machine"]["processor"]),
            _text(told["versions"]["hhsim"]),
            rows,
        )
    except KeyError as error:
        raise FileFailed(name, f"is damaged: {error.args[0]!r} is missing") from error
    except (TypeError, ValueError) as error:
        raise FileFailed(name, f"is damaged: {error}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} stands where a text is due")
    return value


def _threads(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{value!r} is no number of threads")
    return value


def _seconds(value: Any) -> tuple[float, ...]:
    numbers = value if isinstance(value, list) else []
    good = [
        isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) and x > 0 for x in numbers
    ]
    if not good or not all(good):
        raise ValueError(f"{value!r} is no list of seconds")
    return tuple(float(x) for x in numbers)
