"""The power spectrum of a population's rate, and its highest peak."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from hhsim.analysis.trains import Floats

SEGMENTS = 8  # for a short signal, as in Elephant; a long one has more
LONGEST_SEGMENT_MS = 1000.0  # a resolution of 1 Hz
SHORTEST_SEGMENT = 8  # bins
AT_ONCE = 1000  # segments that are transformed together: more take memory and no less time
CHANCE = 0.01  # of a peak in what has none


def power_spectrum(rate_hz: Floats, bin_ms: float) -> tuple[Floats, Floats]:
    """The one-sided power spectral density of a rate.

    Welch's method (1967, IEEE Trans Audio Electroacoust 15:70): the mean over segments that overlap by half,
    each less its mean and under a Hann window. There are 8 segments, or more of 1 s each.

    Parameters
    ----------
    rate_hz : [bins], as from `population_rate`
    bin_ms : length of a bin

    Returns
    -------
    frequency_hz : [frequencies], from 0 to half the sampling rate
    power : [frequencies], Hz²/Hz. Its integral is the variance of the rate; N independent Poisson processes
        of rate r give 2 r / N. Both are empty for fewer than 8 bins.
    """
    length, count = _segments(len(rate_hz), bin_ms)
    if not count:
        return np.empty(0), np.empty(0)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    views = np.lib.stride_tricks.sliding_window_view(np.asarray(rate_hz, np.float64), length)
    segments = views[:: _hop(length)]
    power = np.zeros(length // 2 + 1)
    for first in range(0, count, AT_ONCE):
        some = segments[first : first + AT_ONCE]
        transforms = np.fft.rfft((some - some.mean(axis=1, keepdims=True)) * window)
        power += np.sum(np.abs(transforms) ** 2, axis=0)
    power *= (bin_ms / 1000) / (count * np.sum(window**2))
    power[1 : (length + 1) // 2] *= 2  # each stands for its negative frequency, too, but for 0 and Nyquist's
    return np.fft.rfftfreq(length, bin_ms / 1000).astype(np.float64), power


def resolution_hz(bins: int, bin_ms: float) -> float | None:
    """Between two frequencies of the spectrum of so many bins; None if they are too few for one."""
    length, count = _segments(bins, bin_ms)
    return 1000 / (length * bin_ms) if count else None


@dataclass(frozen=True)
class Peak:
    """The highest peak of a spectrum."""

    frequency_hz: float
    over_median: float  # its power over the median of all frequencies above 0


def spectrum_peak(rate_hz: Floats, bin_ms: float) -> Peak | None:
    """The highest peak of the rate's power spectrum, or None if nothing stands out.

    A peak is higher than its neighbours, which the lowest and the highest frequency cannot be, and so high
    over the median that a flat spectrum, as of independent Poisson processes, would reach it in one of a
    hundred recordings: its estimates scatter as chi-squared with about 36 K² / (19 K - 1) degrees of freedom
    for K segments (Welch 1967), whose quantiles are those of Wilson & Hilferty (1931, PNAS 17:684).
    """
    frequency, power = power_spectrum(rate_hz, bin_ms)
    frequency, power = frequency[1:], power[1:]
    if len(power) < 3 or not np.any(power > 0):
        return None
    inner = power[1:-1]
    tops = 1 + np.flatnonzero((inner > power[:-2]) & (inner >= power[2:]))
    if not len(tops):
        return None
    highest = int(tops[np.argmax(power[tops])])
    median = max(float(np.median(power)), float(power.max()) * 1e-12)  # rounding is no spectrum
    over_median = float(power[highest]) / median
    count = _segments(len(rate_hz), bin_ms)[1]
    if over_median < _threshold(count, len(power)):
        return None
    return Peak(float(frequency[highest]), over_median)


def _segments(bins: int, bin_ms: float) -> tuple[int, int]:
    """The bins of a segment, and how many there are."""
    length = min(int(bins / (0.5 * (SEGMENTS + 1))), round(LONGEST_SEGMENT_MS / bin_ms))
    length = max(length, SHORTEST_SEGMENT)
    return length, max(0, 1 + (bins - length) // _hop(length))


def _hop(length: int) -> int:
    return length - length // 2


def _threshold(segments: int, frequencies: int) -> float:
    """What the highest of so many estimates of the same power exceeds by CHANCE, over their median."""
    freedom = 36 * segments**2 / (19 * segments - 1)
    centre = 1 - 2 / (9 * freedom)
    z = NormalDist().inv_cdf(1 - CHANCE / frequencies)
    return float(((centre + z * (2 / (9 * freedom)) ** 0.5) / centre) ** 3)
