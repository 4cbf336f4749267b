"""How much the cells of a population fire together."""

from __future__ import annotations

import math

import numpy as np

from hhsim.analysis.counts import BinnedCounts
from hhsim.analysis.trains import Floats, Ints

SAMPLE_KEY = 0x6868_7369_6D  # any number, but for ever the same
BLOCK = 4096  # bins of the sample that are held at a time


def chi(counts: BinnedCounts) -> float:
    """The synchrony χ of a population: 1 if all cells do the same, about 1/√size if each fires on its own.

    χ² is the variance over time of the cells' mean signal, over the mean of the variances of the signals of
    all cells (Golomb & Rinzel 1993, Phys Rev E 48:4810; Golomb & Hansel 2000, Neural Comput 12:1095). They
    take the potential for the signal; here it is the spike count in bins, as few potentials are recorded.
    NaN if no count varies.
    """
    single = counts.variances().sum()
    if not single > 0:
        return math.nan
    together = np.bincount(counts.bin, counts.count, counts.bins).var()
    return math.sqrt(together / (counts.size * single))


def sample_cells(nodes: Ints, number: int) -> Ints:
    """At most `number` of `nodes`, chosen at random, but always the same: by a fixed random rank of each id.

    `nodes` are local ids, ascending; so is the choice.
    """
    if len(nodes) <= number:
        return nodes
    ranks = np.random.Philox(key=SAMPLE_KEY).random_raw(int(nodes[-1]) + 1)[nodes]
    return np.sort(nodes[np.argpartition(ranks, number)[:number]])


def correlations(counts: BinnedCounts, cells: Ints) -> Floats:
    """Pearson's coefficient of the counts of each pair of `cells`, [pairs].

    Cells whose count is the same in all bins have none, and are left out.
    """
    cells = cells[counts.variances()[cells] > 0]
    row_of = np.full(counts.size, -1)
    row_of[cells] = np.arange(len(cells))
    chosen = np.flatnonzero(row_of[counts.cell] >= 0)
    chosen = chosen[np.argsort(counts.bin[chosen], kind="stable")]
    row, column, count = row_of[counts.cell[chosen]], counts.bin[chosen], counts.count[chosen]
    products = np.zeros((len(cells), len(cells)))  # summed over bins: whole numbers, exact in any order
    for start in range(0, counts.bins, BLOCK):
        low, high = np.searchsorted(column, (start, start + BLOCK))
        block = np.zeros((len(cells), BLOCK))
        block[row[low:high], column[low:high] - start] = count[low:high]
        products += block @ block.T
    totals = counts.totals()[cells]
    covariance = counts.bins * products - np.outer(totals, totals)
    variance = np.diag(covariance)
    first, second = np.triu_indices(len(cells), 1)
    coefficients: Floats = covariance[first, second] / np.sqrt(variance[first] * variance[second])
    return coefficients
