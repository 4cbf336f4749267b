"""The intervals between the spikes of each cell, and how irregular they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hhsim.analysis.trains import Floats, Ints, by_cell


def intervals(times_ms: Floats, nodes: Ints) -> tuple[Floats, Ints]:
    """All intervals between successive spikes of the same cell, and the cell of each.

    Parameters
    ----------
    times_ms, nodes : [spikes], the time and the cell of each spike, in order of time as in a recording

    Returns
    -------
    interval_ms, node : [spikes - cells that fire], cell by cell, and in order of time within each
    """
    return intervals_by_cell(*by_cell(np.asarray(times_ms, np.float64), np.asarray(nodes, np.int64)))


def intervals_by_cell(times_ms: Floats, nodes: Ints) -> tuple[Floats, Ints]:
    """The same for spikes that are in order of cell already."""
    same = nodes[1:] == nodes[:-1]
    return np.diff(times_ms)[same], nodes[1:][same]


def variation(interval_ms: Floats, node: Ints, size: int) -> Floats:
    """CV of each cell's intervals: their standard deviation over their mean; 1 for a Poisson process.

    `interval_ms` and `node` are as from `intervals`, for cells 0 to `size` - 1. [size]; NaN for a cell with
    fewer than two intervals. Softky & Koch (1993), J Neurosci 13:334; the deviation is that of the intervals
    at hand (divided by n), as in Elephant and SciPy.
    """
    count = np.bincount(node, minlength=size)
    mean = _ratio(np.bincount(node, interval_ms, size), count)
    squares = (interval_ms - mean[node]) ** 2
    variance = _ratio(np.bincount(node, squares, size), count)
    return _ratio(np.sqrt(variance), np.where(count > 1, mean, 0))


def local_variation(interval_ms: Floats, node: Ints, size: int) -> Floats:
    """LV of each cell's intervals: 3 times the mean of ((a - b) / (a + b))² over neighbours a and b.

    As the CV, it is 1 for a Poisson process and 0 for a clock, but slow changes of the rate do not raise it.
    Arguments and result as for `variation`. Shinomoto, Shima & Tanji (2003), Neural Comput 15:2823, eq. 2.2.
    """
    same = node[1:] == node[:-1]
    cell = node[1:][same]
    terms, sums = np.diff(interval_ms)[same], (interval_ms[1:] + interval_ms[:-1])[same]
    np.divide(terms, sums, out=terms, where=sums > 0)
    terms *= terms
    return _ratio(3 * np.bincount(cell, terms, size), np.bincount(cell, minlength=size))


def _ratio(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """a / b, NaN where b is 0."""
    ratio = np.full(len(a), np.nan)
    np.divide(a, b, out=ratio, where=b > 0)
    return ratio
