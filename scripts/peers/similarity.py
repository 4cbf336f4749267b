"""How alike two simulators are where no spike can be compared with another: by distributions over cells.

Rates, irregularity and correlations of two simulators are compared as in Gutzen et al. (2018, Front.
Neuroinform. 12:90): by an effect size, Cohen's d = difference of the means / pooled standard deviation over
cells, and by the distance of Kolmogorov and Smirnov. Cohen calls 0.2 small and 0.8 large.

Cells of one network are not independent: two runs of the same circuit differ more than thousands of cells
would let one think. The interval therefore comes from how the difference scatters over networks (Student's
t); only for a single network it is that of independent cells, as in Gutzen et al.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from hhsim.analysis.counts import binned
from hhsim.analysis.intervals import intervals_by_cell, local_variation, variation
from hhsim.analysis.populations import BIN_MS, LEAST_INTERVALS, SAMPLE
from hhsim.analysis.synchrony import correlations, sample_cells
from hhsim.analysis.trains import Trains, by_cell

Spikes = tuple[np.ndarray, np.ndarray]  # the time (ms) and the cell of each
LEVEL = 0.95  # of the interval


def compare(pairs: Sequence[tuple[Spikes, Spikes]], size: int, duration_ms: float) -> list[dict[str, object]]:
    """What differs between two simulators that ran the same circuits.

    Parameters
    ----------
    pairs : for each circuit the spikes of the one and of the other, in any order
    size : cells of each circuit, silent ones as well; they are numbered from 0
    duration_ms : of each run

    Returns
    -------
    one row for each statistic: `statistic`, its name; `mean_a` and `mean_b`, over cells, then circuits;
    `effect`, how much larger it is in the first, as Cohen's d; `low` and `high`, its interval of 95 %; `ks`,
    the largest distance between the two distributions over the cells of all circuits, 0 to 1. NaN where too
    few cells fire.
    """
    told = [tuple(_statistics(spikes, size, duration_ms) for spikes in pair) for pair in pairs]
    rows: list[dict[str, object]] = []
    for name in told[0][0]:
        a, b = ([runs[side][name] for runs in told] for side in (0, 1))
        effect, low, high = effect_size(a, b)
        rows.append(
            {
                "statistic": name,
                "mean_a": _mean_of_means(a),
                "mean_b": _mean_of_means(b),
                "effect": effect,
                "low": low,
                "high": high,
                "ks": _distance(np.concatenate(a), np.concatenate(b)),
            }
        )
    return rows


def effect_size(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Cohen's d between samples that belong together in pairs, and the ends of its interval.

    `a[i]` and `b[i]` are the values of the cells of circuit i in the one and in the other. d is the mean over
    circuits of the difference of the means, over the pooled standard deviation within runs. Pairs without two
    values on each side are left out.
    """
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if min(len(x), len(y)) > 1]
    if not pairs:
        return math.nan, math.nan, math.nan
    samples = [sample for pair in pairs for sample in pair]
    freedom = sum(len(x) - 1 for x in samples)
    spread = math.sqrt(sum((len(x) - 1) * x.var(ddof=1) for x in samples) / freedom)
    if spread == 0:
        return math.nan, math.nan, math.nan
    differences = np.array([x.mean() - y.mean() for x, y in pairs]) / spread
    effect, count = float(differences.mean()), len(pairs)
    if count > 1:
        error = differences.std(ddof=1) / math.sqrt(count)
        half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * error)
    else:
        cells = 1 / len(samples[0]) + 1 / len(samples[1])
        half = float(stats.norm.ppf((1 + LEVEL) / 2)) * math.sqrt(cells + effect**2 / (2 * freedom))
    return effect, effect - half, effect + half


def _statistics(spikes: Spikes, size: int, duration_ms: float) -> dict[str, np.ndarray]:
    """The values of one run: for each cell, or each pair of cells, that has one."""
    times_ms, cells = (np.asarray(each) for each in spikes)
    order = np.argsort(times_ms, kind="stable")
    trains = Trains(*by_cell(times_ms[order], cells[order].astype(np.int64)), size, 0.0, duration_ms)
    interval_ms, owner = intervals_by_cell(trains.times_ms, trains.cells)
    enough = np.bincount(owner, minlength=size) >= LEAST_INTERVALS
    return {
        "rate (Hz)": trains.counts() / (duration_ms / 1000),
        "CV": variation(interval_ms, owner, size)[enough],
        "LV": local_variation(interval_ms, owner, size)[enough],
        "correlation": correlations(binned(trains, BIN_MS), sample_cells(np.arange(size), SAMPLE)),
    }


def _mean_of_means(samples: Sequence[np.ndarray]) -> float:
    means = [sample.mean() for sample in samples if len(sample)]
    return float(np.mean(means)) if means else math.nan


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(stats.ks_2samp(a, b, method="asymp").statistic) if len(a) and len(b) else math.nan
