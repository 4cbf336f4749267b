"""Where the spikes of two recordings differ, and how far the trains drift apart; in constant memory.

Times are counted in ticks: the longest time of which the steps of both recordings are multiples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from hhsim.recording import Recording

Ids = NDArray[np.int64]

WINDOWS = 10  # into which the time is cut
REACH_MS = 50.0  # how far a spike of the same cell is looked for
BLOCK = 1 << 18  # spikes that are compared at once, at least
MOST_BINS = 100_000  # of the histogram of shifts in a window
FINEST = 10**6  # ticks in a step, at most
FAR = 2**62  # ticks: farther than any spike


@dataclass(frozen=True)
class FirstSpike:
    """The first spike that only one of two recordings has."""

    t_ms: float
    population: str
    node: int
    only_in: str  # "A" or "B"


@dataclass(frozen=True)
class Drift:
    """The spikes in a window of time, and how far each is from the nearest of its cell in the other.

    `unmatched` spikes have none within REACH_MS; the shifts are those of all others in both recordings, 0 for
    spikes in both, and None if there are none.
    """

    start_ms: float
    stop_ms: float
    both: int
    only_a: int
    only_b: int
    unmatched: int
    median_shift_ms: float | None
    max_shift_ms: float | None


class Ticks:
    """The common measure of time of two recordings between `start_ms` and `stop_ms`."""

    def __init__(self, a: Recording, b: Recording, start_ms: float, stop_ms: float) -> None:
        cells = max([1, *(each.bound(name) for each in (a, b) for name in each.populations)])
        fine, coarse = sorted((a.dt_ms, b.dt_ms))
        steps = max(a.duration_ms, b.duration_ms, REACH_MS) / fine + 1
        finest = max(1, min(FINEST, int(2**60 / (steps * cells))))  # cell and tick fit into 64 bits
        ratio = Fraction(min(coarse / fine, 2.0**60)).limit_denominator(finest)
        in_step = {fine: ratio.denominator, coarse: ratio.numerator}
        self.in_a, self.in_b = in_step[a.dt_ms], in_step[b.dt_ms]  # ticks in a step of each
        self.ms = fine / ratio.denominator
        self.start, self.stop = round(start_ms / self.ms), round(stop_ms / self.ms)
        self.before = self.start if self.start else -1  # all in the window come after it
        self.reach = round(min(REACH_MS / self.ms, 2.0**60 / cells))  # cell and tick fit into 64 bits

    def time_ms(self, tick: int) -> float:
        """When `tick` is, as it is written in the recording of finer steps (the same if both have one dt)."""
        return tick * self.ms


class Tally:
    """Counts of spikes and of their shifts in WINDOWS windows of time."""

    def __init__(self, ticks: Ticks) -> None:
        self._ticks = ticks
        self._coarse = max(1, -(-ticks.reach // MOST_BINS))  # ticks in a bin
        self._bins = ticks.reach // self._coarse + 1
        self.counts = np.zeros((4, WINDOWS), np.int64)  # both, only A, only B, unmatched
        self._histogram = np.zeros((WINDOWS, self._bins), np.int64)
        self._largest = np.full(WINDOWS, -1, np.int64)  # ticks

    def add(self, times: Ids, shifts: Ids, in_a: bool) -> None:
        """Count spikes of A or of B at `times`, `shifts` away from the nearest in the other (ticks)."""
        ticks = self._ticks
        windows = (times - ticks.start - 1) * WINDOWS // (ticks.stop - ticks.start)
        np.maximum(windows, 0, out=windows)  # of a spike at 0, which other simulators have
        near = shifts <= ticks.reach
        if in_a:
            self.counts[0] += np.bincount(windows[shifts == 0], minlength=WINDOWS)
        self.counts[1 if in_a else 2] += np.bincount(windows[shifts > 0], minlength=WINDOWS)
        self.counts[3] += np.bincount(windows[~near], minlength=WINDOWS)
        places = windows[near] * self._bins + shifts[near] // self._coarse
        self._histogram += np.bincount(places, minlength=self._histogram.size).reshape(self._histogram.shape)
        np.maximum.at(self._largest, windows[near], shifts[near])

    def merge(self, other: Tally) -> None:
        """Add what another population counted."""
        self.counts += other.counts
        self._histogram += other._histogram
        self._largest = np.maximum(self._largest, other._largest)

    def whole(self) -> Drift:
        """All windows as one."""
        return self._drift(slice(0, WINDOWS))

    def windows(self) -> list[Drift]:
        return [self._drift(slice(i, i + 1)) for i in range(WINDOWS)]

    def _drift(self, part: slice) -> Drift:
        ticks = self._ticks
        start, stop = (
            (ticks.start + i * (ticks.stop - ticks.start) / WINDOWS) * ticks.ms
            for i in (part.start, part.stop)
        )
        sums = np.cumsum(self._histogram[part].sum(axis=0))
        median = int(np.searchsorted(sums, (sums[-1] + 1) // 2)) * self._coarse if sums[-1] else None
        largest = int(self._largest[part].max())
        both, only_a, only_b, unmatched = self.counts[:, part].sum(axis=1).tolist()
        return Drift(
            start_ms=_rounded(start),
            stop_ms=_rounded(stop),
            both=both,
            only_a=only_a,
            only_b=only_b,
            unmatched=unmatched,
            median_shift_ms=None if median is None else _rounded(median * ticks.ms),
            max_shift_ms=None if largest < 0 else _rounded(largest * ticks.ms),
        )


def compare_spikes(
    a: Recording, b: Recording, population: str, ticks: Ticks, nodes: tuple[int, int] | None
) -> tuple[Tally, FirstSpike | None]:
    """Compare the trains of a population; raises FileFailed if one was changed after its run.

    A spike is in both if the same cell has one at the same time in the other.
    """
    tally = Tally(ticks)
    first: FirstSpike | None = None
    if ticks.stop <= ticks.start:
        return tally, None
    trains = [
        _Train(recording, population, steps, ticks, nodes)
        for recording, steps in ((a, ticks.in_a), (b, ticks.in_b))
    ]
    for low, high in _resolvable(trains, ticks):
        keys = _keys([train.held for train in trains], ticks)
        found = []
        for this, other, name in ((0, 1, "A"), (1, 0, "B")):
            times, cells = trains[this].held
            now = slice(*np.searchsorted(times, (low, high), side="right").tolist())
            shifts = _distances(keys[this][now], np.sort(keys[other]))
            tally.add(times[now], shifts, in_a=this == 0)
            if first is None and shifts.any():
                at = now.start + int(np.argmax(shifts > 0))
                found.append((int(times[at]), int(cells[at]), name))
        if found:
            tick, node, name = min(found)
            first = FirstSpike(ticks.time_ms(tick), population, node, name)
        for train in trains:
            train.drop(high - ticks.reach)
    return tally, first


class _Train:
    """The spikes of one recording on their way past: those held are not yet, or still, needed."""

    def __init__(
        self,
        recording: Recording,
        population: str,
        scale: int,
        ticks: Ticks,
        nodes: tuple[int, int] | None,
    ) -> None:
        spikes = recording.spikes[population]
        first = 0
        if ticks.start > 0:  # a step earlier, as the window need not begin with a step of this recording
            first = spikes.rows(ticks.start * ticks.ms - recording.dt_ms, recording.duration_ms).start
        self._pieces = spikes.pieces(range(first, len(spikes)))
        self._recording = recording
        self._population = population
        self._scale = scale
        self._ticks = ticks
        self._nodes = nodes
        self._parts: list[tuple[Ids, Ids]] = []
        self.count = 0
        self.known_to = ticks.before  # all spikes up to here are held, or were

    def grow(self) -> None:
        """Hold a piece more."""
        piece = next(self._pieces, None)
        if piece is None:
            self.known_to = self._ticks.stop
            return
        times = np.rint(piece[0] / self._recording.dt_ms).astype(np.int64) * self._scale
        self.known_to = min(int(times[-1]) - 1, self._ticks.stop)  # more may come at the last one's time
        cells = self._recording.ids(self._population, piece[1])
        keep = (times > self._ticks.before) & (times <= self._ticks.stop)
        if self._nodes is not None:
            keep &= (cells >= self._nodes[0]) & (cells < self._nodes[1])
        self._parts.append((times[keep], cells[keep]))
        self.count += len(self._parts[-1][0])

    @property
    def held(self) -> tuple[Ids, Ids]:
        """Times in ticks and cells of all that is held, by time."""
        if len(self._parts) != 1:
            empty = np.empty(0, np.int64)
            times, cells = zip((empty, empty), *self._parts, strict=True)
            self._parts = [(np.concatenate(times), np.concatenate(cells))]
        return self._parts[0]

    def drop(self, tick: int) -> None:
        """Give up what is held of times before `tick`."""
        times, cells = self.held
        first = int(np.searchsorted(times, tick))
        self._parts = [(times[first:], cells[first:])]
        self.count = len(times) - first


def _resolvable(trains: list[_Train], ticks: Ticks) -> Iterator[tuple[int, int]]:
    """Spans (low, high] one after the other around which the trains hold all spikes within reach."""
    low = ticks.before
    while low < ticks.stop:
        kept = sum(train.count for train in trains)
        while True:
            behind = min(trains, key=lambda train: train.known_to)
            finished = behind.known_to >= ticks.stop
            high = ticks.stop if finished else behind.known_to - ticks.reach
            # at least as many new ones as old ones, so that each is looked at a few times only
            if finished or (high > low and sum(train.count for train in trains) >= max(BLOCK, 2 * kept)):
                break
            behind.grow()
        yield low, high
        low = high


def _keys(trains: list[tuple[Ids, Ids]], ticks: Ticks) -> list[Ids]:
    """Cell and time as one number, with cells farther apart than the reach."""
    times = [times for times, _ in trains if len(times)]
    base = min((int(each[0]) for each in times), default=0)
    span = max((int(each[-1]) for each in times), default=0) - base + ticks.reach + 1
    return [cells * span + (times - base) for times, cells in trains]


def _distances(keys: Ids, others: Ids) -> Ids:
    """How far each key is from the nearest of `others`, which are sorted."""
    if not len(others):
        return np.full(len(keys), FAR, np.int64)
    after = np.searchsorted(others, keys)
    left = np.abs(keys - others[np.maximum(after - 1, 0)])
    right = np.abs(others[np.minimum(after, len(others) - 1)] - keys)
    nearest: Ids = np.minimum(left, right)
    return nearest


def _rounded(value_ms: float) -> float:
    """Without the noise of binary fractions, as in 0.30000000000000004."""
    return float(f"{value_ms:.12g}")
