"""Where the traces of two recordings differ, and by how much; in constant memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from hhsim.recording import Trace

WINDOWS = 10  # into which the time is cut
BLOCK = 1 << 20  # values that are compared at once
ROUNDING = (
    1e-12  # relative; a window may begin a rounding error after the frame that it is meant to begin with
)
FINEST = 10**6  # largest number of frames after which two traces meet again


@dataclass(frozen=True)
class FirstValue:
    """The first value in which two traces differ; a value that is no number is None."""

    t_ms: float
    node: int
    a: float | None
    b: float | None


@dataclass(frozen=True)
class Apart:
    """How far two traces are apart in a window, in their unit; None where nothing could be compared."""

    start_ms: float
    stop_ms: float
    largest: float | None
    rms: float | None


@dataclass(frozen=True)
class TraceComparison:
    """Two traces at the times and of the cells that both have."""

    population: str
    variable: str
    unit: str
    cells: int
    frames: int
    first: FirstValue | None
    differing: int  # values that differ by more than was allowed
    not_finite: int  # of these, those that are infinite or no number in one of the two: not in what follows
    largest: float | None
    largest_t_ms: float | None
    largest_node: int | None
    rms: float | None
    windows: list[Apart]


def compare_traces(
    key: tuple[str, str],
    a: Trace,
    b: Trace,
    *,
    start_ms: float,
    stop_ms: float,
    nodes: tuple[int, int] | None,
    atol: float,
) -> TraceComparison:
    """Compare the frames from `start_ms` to before `stop_ms` of the cells that both traces have.

    Values differ if they are more than `atol` apart; two that are no number are the same. Where one trace has
    a frame more often, those at common times are compared.
    """
    shared, in_a, in_b = np.intersect1d(a.nodes, b.nodes, assume_unique=True, return_indices=True)
    if nodes is not None:
        chosen = (shared >= nodes[0]) & (shared < nodes[1])
        shared, in_a, in_b = shared[chosen], in_a[chosen], in_b[chosen]
    sums = _Sums(start_ms, stop_ms)
    first: FirstValue | None = None
    frames = 0
    if len(shared):
        for times, x, y in _blocks(a, b, in_a, in_b, start_ms, stop_ms):
            frames += len(times)
            wrong = sums.add(times, shared, x, y, atol)
            if first is None and wrong.any():
                row, column = (int(i) for i in np.unravel_index(np.argmax(wrong), wrong.shape))
                found = (_number(x[row, column]), _number(y[row, column]))
                first = FirstValue(float(times[row]), int(shared[column]), *found)
    largest, largest_t_ms, largest_node = sums.largest or (None, None, None)
    return TraceComparison(
        population=key[0],
        variable=key[1],
        unit=a.units,
        cells=len(shared),
        frames=frames,
        first=first,
        differing=sums.differing,
        not_finite=sums.not_finite,
        largest=largest,
        largest_t_ms=largest_t_ms,
        largest_node=largest_node,
        rms=sums.apart(0, WINDOWS).rms,
        windows=[sums.apart(i, i + 1) for i in range(WINDOWS)],
    )


class _Sums:
    """What is gathered of differences, for each of WINDOWS windows."""

    def __init__(self, start_ms: float, stop_ms: float) -> None:
        self.edges = np.linspace(start_ms, stop_ms, WINDOWS + 1)
        self.differing = self.not_finite = 0
        self.largest: tuple[float, float, int] | None = None  # a difference, its time and cell
        self._largest = np.full(WINDOWS, -1.0)
        self._squares = np.zeros(WINDOWS)
        self._values = np.zeros(WINDOWS, np.int64)

    def add(
        self,
        times: NDArray[np.float64],
        cells: NDArray[np.int64],
        x: NDArray[np.float32],
        y: NDArray[np.float32],
        atol: float,
    ) -> NDArray[np.bool_]:
        """Gather some frames of both, [frames, cells]; returns which values differ."""
        same = (x == y) | (np.isnan(x) & np.isnan(y))
        finite = same | (np.isfinite(x) & np.isfinite(y))
        apart = np.zeros(x.shape)
        np.subtract(x, y, out=apart, where=finite & ~same, dtype=np.float64)
        np.abs(apart, out=apart)
        wrong: NDArray[np.bool_] = ~finite | (apart > atol)
        self.differing += int(wrong.sum())
        self.not_finite += int((~finite).sum())
        row, column = (int(i) for i in np.unravel_index(np.argmax(apart), apart.shape))
        if finite.any() and (self.largest is None or apart[row, column] > self.largest[0]):
            self.largest = (float(apart[row, column]), float(times[row]), int(cells[column]))
        windows = np.searchsorted(self.edges[1:-1], times * (1 + ROUNDING), side="right")
        values = finite.sum(axis=1)
        np.add.at(self._values, windows, values)
        np.add.at(self._squares, windows, np.square(apart).sum(axis=1))
        np.maximum.at(self._largest, windows, np.where(values > 0, apart.max(axis=1), -1.0))
        return wrong

    def apart(self, first: int, end: int) -> Apart:
        """What there is to say of the windows from `first` to before `end`."""
        part = slice(first, end)
        values = int(self._values[part].sum())
        largest = float(self._largest[part].max()) if values else None
        rms = math.sqrt(float(self._squares[part].sum()) / values) if values else None
        return Apart(float(self.edges[first]), float(self.edges[end]), largest, rms)


def _blocks(
    a: Trace, b: Trace, in_a: NDArray[np.int64], in_b: NDArray[np.int64], start_ms: float, stop_ms: float
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]]:
    """Times in ms and values of the frames of both, [frames, cells], in blocks of constant size."""
    fine, coarse = sorted((a.every_ms, b.every_ms))
    ratio = Fraction(coarse / fine).limit_denominator(FINEST)
    strides = {fine: ratio.numerator, coarse: ratio.denominator}
    stride_a, stride_b = strides[a.every_ms], strides[b.every_ms]
    every = a.every_ms * stride_a
    before_a, before_b = (round(each.start_ms / each.every_ms) for each in (a, b))
    first = math.ceil(start_ms / every * (1 - ROUNDING))
    first = max(first, -(-before_a // stride_a), -(-before_b // stride_b))
    most = min(-(-(before_a + a.frames) // stride_a), -(-(before_b + b.frames) // stride_b))
    last = min(most, math.ceil(stop_ms / every * (1 - ROUNDING)))
    rows = max(1, BLOCK // max(len(a.nodes), len(b.nodes)))
    for begin in range(first, last, rows):
        end = min(begin + rows, last)
        parts = []
        for trace, columns, stride, before in ((a, in_a, stride_a, before_a), (b, in_b, stride_b, before_b)):
            low = int(columns[0])
            frames = range(begin * stride - before, (end - 1) * stride + 1 - before, stride)
            parts.append(trace.read(frames, slice(low, int(columns[-1]) + 1))[:, columns - low])
        yield np.arange(begin, end, dtype=np.float64) * np.float64(every), parts[0], parts[1]


def _number(value: np.float32) -> float | None:
    return float(value) if np.isfinite(value) else None
