"""The statistics of each population of a recording."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hhsim.analysis.counts import binned, fano_factors, population_rate, whole_bins
from hhsim.analysis.intervals import intervals_by_cell, local_variation, variation
from hhsim.analysis.spectrum import resolution_hz, spectrum_peak
from hhsim.analysis.synchrony import chi, correlations, sample_cells
from hhsim.analysis.trains import Floats, Trains, read_trains
from hhsim.errors import SelectionRefused
from hhsim.recording import Recording, Selection, select

BIN_MS = 5.0  # of counts that are compared between cells
WINDOW_MS = 100.0  # of counts that are compared within a cell
SPECTRUM_BIN_MS = 1.0  # frequencies up to 500 Hz
MOST_BINS = 10**8  # in which the rate of a population is counted: 28 hours of 1 ms, in about 2 GB
LEAST_INTERVALS = 5  # of a cell whose CV and LV are told
SAMPLE = 200  # cells of which each pair is correlated


@dataclass(frozen=True)
class PopulationStatistics:
    """What the spikes of one population tell; None is what they do not, or cannot, tell."""

    cells: int
    spikes: int | None = None  # None, as all below, if spikes of this population were not recorded
    rate_hz: float | None = None  # mean over cells
    rate_sd_hz: float | None = None  # standard deviation over cells
    rate_quartiles_hz: tuple[float, float, float] | None = None  # over cells: lower, median, upper
    rate_max_hz: float | None = None
    silent_fraction: float | None = None  # of the cells
    cv: float | None = None  # mean over cells with LEAST_INTERVALS intervals
    lv: float | None = None  # mean over the same cells
    interval_cells: int | None = None  # how many these are
    fano: float | None = None  # mean over cells that fire
    fano_cells: int | None = None  # how many these are
    chi: float | None = None  # synchrony
    chi_independent: float | None = None  # what it would be if each cell fired on its own
    correlation: float | None = None  # mean over pairs of a sample of cells
    correlation_sd: float | None = None  # standard deviation over these pairs
    correlation_pairs: int | None = None  # how many these are
    peak_hz: float | None = None  # frequency of the highest peak of the rate's spectrum, if one stands out
    peak_over_median: float | None = None  # its power over the median of the spectrum
    spectrum_resolution_hz: float | None = None  # between two of its frequencies; None if it has none


@dataclass(frozen=True)
class RecordingStatistics:
    """The statistics of a recording's populations, and what they were computed with."""

    recording: str
    complete: bool  # did the run come to its end?
    foreign: bool  # did another program write it? Then `complete` is not known, and false
    start_ms: float
    stop_ms: float
    bin_ms: float  # of chi and correlation
    window_ms: float  # of fano
    spectrum_bin_ms: float
    least_intervals: int  # of a cell whose CV and LV are told
    populations: Mapping[str, PopulationStatistics]

    def to_dict(self) -> dict[str, Any]:
        """All as Python's own types, for JSON."""
        return asdict(self)


def statistics(
    recording: Recording,
    selection: Selection | None = None,
    *,
    bin_ms: float = BIN_MS,
    window_ms: float = WINDOW_MS,
) -> RecordingStatistics:
    """The statistics of each population of a recording, or of what is selected of it.

    Parameters
    ----------
    recording : as from `hhsim.open`; one that is still being written, or was cut off, will do
    selection : as from `hhsim.recording.select`; default: all
    bin_ms : in which spikes are counted for synchrony and correlation
    window_ms : in which they are counted for the Fano factor

    Both are rounded to whole steps of the run, but at least one; the result says what was used.

    Raises
    ------
    SelectionRefused
        for a bin or window that is not a positive length of time, and for more than MOST_BINS bins
    FileFailed
        where the file is damaged
    """
    step = recording.dt_ms
    bin_, window, spectrum_bin = (_whole_steps(width, step) for width in (bin_ms, window_ms, SPECTRUM_BIN_MS))
    chosen = select(recording) if selection is None else selection
    if (chosen.stop_ms - chosen.start_ms) / min(bin_, spectrum_bin) > MOST_BINS:
        raise SelectionRefused(
            f"{chosen.start_ms:g} to {chosen.stop_ms:g} ms is too long to count spikes in bins of "
            f"{min(bin_, spectrum_bin):g} ms (at most {MOST_BINS:,}): take a part with --start and --stop"
        )
    populations = {}
    for name, cells in chosen.cells.items():
        if name in recording.populations:
            trains = read_trains(recording, name, chosen)
            populations[name] = _of_trains(trains, cells.start, bin_, window, spectrum_bin)
        else:
            populations[name] = PopulationStatistics(len(cells))
    return RecordingStatistics(
        recording=str(recording.path),
        complete=recording.complete,
        foreign=recording.foreign,
        start_ms=chosen.start_ms,
        stop_ms=chosen.stop_ms,
        bin_ms=bin_,
        window_ms=window,
        spectrum_bin_ms=spectrum_bin,
        least_intervals=LEAST_INTERVALS,
        populations=populations,
    )


def _of_trains(
    trains: Trains, first: int, bin_ms: float, window_ms: float, spectrum_bin_ms: float
) -> PopulationStatistics:
    """The statistics of cells from local id `first` on."""
    told: dict[str, Any] = {"cells": trains.size, "spikes": len(trains.times_ms)}
    if trains.size and trains.duration_ms > 0:
        told |= _rates(trains) | _regularity(trains) | _scatter(trains, window_ms)
        told |= _togetherness(trains, first, bin_ms) | _rhythm(trains, spectrum_bin_ms)
    return PopulationStatistics(**told)


def _rates(trains: Trains) -> dict[str, Any]:
    counts = trains.counts()
    rates = counts / (trains.duration_ms / 1000)
    return {
        "rate_hz": _mean(rates),
        "rate_sd_hz": float(rates.std()),
        "rate_quartiles_hz": tuple(np.percentile(rates, (25, 50, 75)).tolist()),
        "rate_max_hz": float(rates.max()),
        "silent_fraction": _mean(counts == 0),
    }


def _regularity(trains: Trains) -> dict[str, Any]:
    interval_ms, cell = intervals_by_cell(trains.times_ms, trains.cells)
    enough = np.bincount(cell, minlength=trains.size) >= LEAST_INTERVALS
    return {
        "cv": _mean(variation(interval_ms, cell, trains.size)[enough]),
        "lv": _mean(local_variation(interval_ms, cell, trains.size)[enough]),
        "interval_cells": int(np.count_nonzero(enough)),
    }


def _scatter(trains: Trains, window_ms: float) -> dict[str, Any]:
    if not whole_bins(trains.start_ms, trains.stop_ms, window_ms):
        return {"fano_cells": 0}
    factors = fano_factors(binned(trains, window_ms))
    factors = factors[~np.isnan(factors)]
    return {"fano": _mean(factors), "fano_cells": len(factors)}


def _togetherness(trains: Trains, first: int, bin_ms: float) -> dict[str, Any]:
    if not whole_bins(trains.start_ms, trains.stop_ms, bin_ms):
        return {"correlation_pairs": 0}
    counts = binned(trains, bin_ms)
    firing = np.flatnonzero(trains.counts())
    pairs = correlations(counts, sample_cells(firing + first, SAMPLE) - first)
    return {
        "chi": _told(chi(counts)),
        "chi_independent": 1 / math.sqrt(trains.size),
        "correlation": _mean(pairs),
        "correlation_sd": float(pairs.std()) if len(pairs) else None,
        "correlation_pairs": len(pairs),
    }


def _rhythm(trains: Trains, bin_ms: float) -> dict[str, Any]:
    if not len(trains.times_ms):
        return {}
    rate = population_rate(trains.times_ms, trains.start_ms, trains.stop_ms, bin_ms, trains.size)[1]
    peak = spectrum_peak(rate, bin_ms)
    return {
        "peak_hz": peak.frequency_hz if peak else None,
        "peak_over_median": peak.over_median if peak else None,
        "spectrum_resolution_hz": resolution_hz(len(rate), bin_ms),
    }


def _mean(values: Floats | np.ndarray[Any, np.dtype[np.bool_]]) -> float | None:
    """The mean of the values that there are, or None where there are none."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else None


def _told(value: float) -> float | None:
    return None if math.isnan(value) else value


def _whole_steps(width_ms: float, dt_ms: float) -> float:
    if not 0 < width_ms < math.inf:
        raise SelectionRefused(f"spikes cannot be counted in bins of {width_ms:g} ms")
    return round(max(1, round(width_ms / dt_ms)) * dt_ms, 9)  # 0.3, not 0.30000000000000004
