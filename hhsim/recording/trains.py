"""Spikes of a SONATA file that another program wrote: read whole, checked, and put in order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from hhsim.errors import FileFailed
from hhsim.recording.streams import SLAB, rows_of
from hhsim.system.hdf5 import attribute, members, require_plain

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

IN_MS = {"ms": 1.0, "s": 1e3, "us": 1e-3, "µs": 1e-3, "ns": 1e-6}
IN_MS |= {"millisecond": 1.0, "second": 1e3, "sec": 1e3, "microsecond": 1e-3, "nanosecond": 1e-6}
IN_MS |= {"milliseconds": 1.0, "seconds": 1e3, "microseconds": 1e-3, "msec": 1.0}
# ms; steps that simulators use, each tried before the finer ones
STEPS = (0.1, 0.05, 0.04, 0.025, 0.02, 0.0125, 0.01, 0.005, 0.0025, 0.002, 0.001, 0.0005, 0.0001)
FINEST_MS = 1e-6  # to which times are rounded that are multiples of none of them
LAST_MS = 1e12  # 30 years: what lies beyond is damage, and its steps could not be counted
LEAST_BITS = 2**59  # of what cell and step may need together
ID_NAMES = ("node_ids", "gids")


@dataclass
class Train:
    """The spikes of one population as they stand in the file."""

    path: Path
    place: str  # the group in the file
    times_ms: Floats
    ids: Ints
    slack: float  # relative rounding error of the times
    units: str | None  # as they are said

    @property
    def bound(self) -> int:
        """One more than the largest id."""
        return int(self.ids.max()) + 1 if len(self.ids) else 0

    def fit(self, dt_ms: float) -> int | None:
        """The first row at a time that is no multiple of `dt_ms`; None if there is none."""
        for first in range(0, len(self.times_ms), SLAB):
            times = self.times_ms[first : first + SLAB]
            off = np.abs(times - np.rint(times / dt_ms) * dt_ms) > self.slack * times + 1e-9
            if off.any():
                return first + int(np.argmax(off))
        return None

    def sort(self, dt_ms: float) -> None:
        """Put times on multiples of `dt_ms`, and spikes in order by time, then id; in place."""
        steps = np.rint(self.times_ms / dt_ms).astype(np.int64)
        bound = max(self.bound, 1)
        if len(steps) and int(steps.max()) < (2**63 - 1) // bound - 1:
            steps *= bound
            steps += self.ids  # one number for both: 10^7 sort in less than a second
            steps.sort()
            np.divmod(steps, bound, out=(steps, self.ids))
        else:
            order = np.lexsort((self.ids, steps))
            steps, self.ids = steps[order], self.ids[order]
        np.multiply(steps, dt_ms, out=self.times_ms)


def read_trains(path: Path, spikes: h5py.Group, unnamed: str) -> dict[str, Train]:
    """The spikes of each population under `/spikes`; the old layout without populations has one, `unnamed`.

    Raises FileFailed, with row and value, for times that are negative, no number or beyond LAST_MS, and for
    ids that are negative or no whole number; ValueError for what is no spikes.
    """
    if "timestamps" in spikes:
        return {unnamed: _read(path, spikes)}
    return {name: _read(path, group) for name, group in members(spikes) if _is_spikes(group)}


def _is_spikes(group: object) -> bool:
    return isinstance(group, h5py.Group) and "timestamps" in group


def _read(path: Path, group: h5py.Group) -> Train:
    source = group["timestamps"]
    name = next((name for name in ID_NAMES if name in group), None)
    if name is None:
        raise ValueError(f"{group.name} has no node_ids")
    named = group[name]
    count = rows_plain(source)
    if count != rows_plain(named):
        raise ValueError(f"{group.name} has {count} timestamps and {len(named)} {name}")
    units = text_of(source, "units") or text_of(group, "units")
    factor = factor_of(units, source.name)
    times = np.empty(count, np.float64)
    ids = np.empty(count, np.int64)
    for first in range(0, count, SLAB):
        part = slice(first, min(first + SLAB, count))
        values = source[part]
        times[part] = values
        possible = (times[part] >= 0) & (times[part] <= LAST_MS / factor)
        _refuse(path, source.name, first, values, ~possible, "time")
        values = named[part]
        _refuse(path, named.name, first, values, _no_ids(values), "cell")
        ids[part] = values
    times *= factor
    slack = 1.2e-7 if source.dtype.itemsize < 8 and source.dtype.kind == "f" else 1e-12
    return Train(path, str(group.name), times, ids, slack, units)


def rows_plain(dataset: h5py.Dataset) -> int:
    """The length of a column of numbers; raises ValueError for anything else."""
    require_plain(dataset)
    if dataset.ndim != 1 or dataset.dtype.kind not in "iuf":
        raise ValueError(f"{dataset.name} is no column of numbers")
    if dataset.chunks is None:
        return rows_of(dataset)  # what is compressed may well be longer than the file
    if dataset.size and not dataset.id.get_num_chunks():
        raise ValueError(f"{dataset.name} claims {dataset.size} rows, of which none was written")
    return len(dataset)


def _no_ids(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        wrong: NDArray[np.bool_] = ~((values >= 0) & (values < 2**53) & (values == np.floor(values)))  # type: ignore[operator]
    elif values.dtype.kind == "i":
        wrong = values < 0  # type: ignore[operator]
    else:
        wrong = values >= 2**63  # type: ignore[operator]
    return wrong


def _refuse(
    path: Path, name: str, first: int, values: NDArray[np.generic], wrong: NDArray[np.bool_], what: str
) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        raise FileFailed(str(path), f"row {first + at} of {name}: {values[at]} is no {what} of a spike")


def text_of(source: h5py.Dataset | h5py.Group, name: str) -> str | None:
    """An attribute that is a text, or the only one of a list; None where there is none."""
    if name not in source.attrs:
        return None
    value = attribute(source, name)
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size == 1 else value
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def factor_of(units: str | None, name: str) -> float:
    """How many ms a unit of time is; ms if none is said. Raises ValueError for one that is not known."""
    factor = IN_MS.get((units or "ms").strip())
    if factor is None:
        raise ValueError(f"{name} is in {units!r}, which is no unit of time such as ms or s")
    return factor


def common_step(trains: list[Train]) -> float | None:
    """The longest of STEPS, ms, of which all times are multiples; None if there is none."""
    return next((step for step in STEPS if all(train.fit(step) is None for train in trains)), None)


def finest_step(end_ms: float, bound: int) -> float:
    """A resolution, ms, by which cell and time still fit into one number."""
    step = FINEST_MS
    while end_ms / step * max(bound, 1) > LEAST_BITS and step < 0.1:
        step *= 10
    return step


def whole_ms(t_ms: float) -> float:
    """The next whole ms at or after a time."""
    return float(math.ceil(t_ms - 1e-9))
