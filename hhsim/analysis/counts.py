"""Spike counts in bins of time: rates of a population, and how much the counts of a cell scatter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hhsim.analysis.trains import Floats, Ints, Trains

ROUNDING_MS = 1e-6  # how far rounding may have moved a time that lies on an edge; much less than any step


def whole_bins(start_ms: float, stop_ms: float, bin_ms: float) -> int:
    """How many bins fit between `start_ms` and `stop_ms`; what is left at the end is in none."""
    return max(0, int((stop_ms - start_ms + ROUNDING_MS) / bin_ms))


def bin_numbers(times_ms: Floats, start_ms: float, bin_ms: float) -> Ints:
    """The bin of each time, from 0. A bin holds its end, but not its start."""
    numbers = times_ms - (start_ms + ROUNDING_MS)
    numbers /= bin_ms
    found: Ints = np.ceil(numbers, out=numbers).astype(np.int64) - 1
    if start_ms == 0:
        found[times_ms == 0] = 0  # other simulators have spikes at the very beginning
    return found


def population_rate(
    times_ms: Floats, start_ms: float, stop_ms: float, bin_ms: float, size: int
) -> tuple[Floats, Floats]:
    """The mean rate of the cells of a population over time.

    Parameters
    ----------
    times_ms : [spikes], in any order; those outside of all bins are left out
    start_ms, stop_ms, bin_ms : the window is cut into whole bins from its start; what is left is in none
    size : cells of the population, silent ones as well

    Returns
    -------
    bin_edges_ms : [bins + 1]
    rate_hz : [bins], spikes per cell and second; all 0 where there are no cells. The rates of parts of a
        population's spikes add up to that of all.
    """
    bins = whole_bins(start_ms, stop_ms, bin_ms)
    numbers = bin_numbers(np.asarray(times_ms, np.float64), start_ms, bin_ms)
    inside = numbers[(numbers >= 0) & (numbers < bins)]
    edges = start_ms + np.arange(bins + 1, dtype=np.float64) * bin_ms
    return edges, np.bincount(inside, minlength=bins) / (max(size, 1) * bin_ms / 1000)


@dataclass(frozen=True)
class BinnedCounts:
    """The spike counts of `size` cells in `bins` bins, all that are not zero."""

    cell: Ints  # [counts], ascending
    bin: Ints  # [counts], ascending within each cell
    count: Ints  # [counts], from 1
    size: int
    bins: int

    def totals(self) -> Floats:
        """The sum over bins of each cell's count, [size]."""
        totals: Floats = np.bincount(self.cell, self.count, self.size).astype(np.float64)
        return totals

    def variances(self) -> Floats:
        """The variance over bins of each cell's count, divided by the number of bins, [size]."""
        squares = np.bincount(self.cell, self.count**2, self.size)
        return (self.bins * squares - self.totals() ** 2) / self.bins**2  # exact above the fraction


def binned(trains: Trains, bin_ms: float) -> BinnedCounts:
    """The counts of `trains` in the whole bins of their window. Raises ValueError if none fits."""
    bins = whole_bins(trains.start_ms, trains.stop_ms, bin_ms)
    if not bins:
        raise ValueError(f"no bin of {bin_ms} ms fits into {trains.duration_ms} ms")
    numbers = bin_numbers(trains.times_ms, trains.start_ms, bin_ms)
    inside = (numbers >= 0) & (numbers < bins)
    cell, number = trains.cells[inside], numbers[inside]
    first = np.ones(len(cell), bool)  # of those of the same cell and bin, which follow each other
    first[1:] = (cell[1:] != cell[:-1]) | (number[1:] != number[:-1])
    places = np.flatnonzero(first)
    count = np.diff(places, append=len(cell))
    return BinnedCounts(cell[places], number[places], count, trains.size, bins)


def fano_factors(counts: BinnedCounts) -> Floats:
    """The variance of each cell's count over its mean, [size]; 1 for a Poisson process.

    The variance is divided by the number of windows less one, without which it would be too small on
    average. NaN for a cell without a spike, and for all with fewer than two windows. Fano (1947), Phys Rev
    72:26.
    """
    factors = np.full(counts.size, np.nan)
    if counts.bins > 1:
        variances = counts.variances() * counts.bins / (counts.bins - 1)
        means = counts.totals() / counts.bins
        np.divide(variances, means, out=factors, where=means > 0)
    return factors
