"""How long the intervals between the spikes of a cell are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hhsim.analysis import intervals
from hhsim.plotting.maps import MOST_LINES, draw_map
from hhsim.plotting.names import say_nothing_there
from hhsim.plotting.scales import tick_decades, tick_sparsely
from hhsim.plotting.view import Floats, Ints, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS_PER_DECADE = 12


def draw_intervals(axes: Axes, view: View) -> str:
    """Draw the distribution of each population's intervals over their logarithm; each area is 1."""
    edges = edges_of(view)
    counts = {name: interval_counts(view, name, edges) for name in view.populations}
    totals = {name: int(count.sum()) for name, count in counts.items()}
    shares = {name: count / np.diff(np.log10(edges)) / max(totals[name], 1) for name, count in counts.items()}
    mapped = len(counts) > MOST_LINES
    if mapped:
        draw_map(axes, list(shares), edges, list(shares.values()), "share per decade")
    else:
        for name, share in shares.items():
            pen = view.pens[name]
            axes.stairs(share, edges, baseline=None, color=pen.colour, ls=pen.dashes, lw=0.8)
    axes.set_xscale("log")
    seen = np.flatnonzero(np.sum(list(counts.values()), axis=0))
    if len(seen):
        axes.set_xlim(edges[max(seen[0] - 1, 0)], edges[min(seen[-1] + 2, len(edges) - 1)])
    else:
        axes.set_xlim(edges[0], edges[-1])
        say_nothing_there(axes, "no cell fires twice")
    tick_decades(axes.xaxis)
    axes.set_xlabel("interval between spikes (ms)")
    if not mapped:
        axes.set_ylim(bottom=0)
        tick_sparsely(axes.yaxis, 4)
        axes.set_ylabel("share per decade")
    total = sum(totals.values())
    return "1 interval" if total == 1 else f"{total:,} intervals"


def edges_of(view: View) -> Floats:
    """Edges in ms from half a step to the length of the window, growing evenly, but in whole steps.

    Intervals are whole steps: edges halfway between leave no bin short of one.
    """
    decades = np.log10(max(view.steps, 2))
    steps = np.unique(np.rint(np.logspace(0, decades, int(np.ceil(decades * BINS_PER_DECADE)) + 1)))
    return (np.append(steps, steps[-1] + 1) - 0.5) * view.dt_ms


def interval_counts(view: View, population: str, edges_ms: Floats) -> Ints:
    """How many intervals lie between `edges_ms`, [edges - 1]; spikes are read in pieces."""
    cells = view.populations[population]
    last = np.full(len(cells), np.nan)  # when each cell fired last, ms
    counts = np.zeros(len(edges_ms) - 1, np.int64)
    for times, nodes in view.spikes(population):
        here = nodes - cells.start
        before = np.unique(here)
        before = before[~np.isnan(last[before])]
        lengths, _ = intervals(np.concatenate([last[before], times]), np.concatenate([before, here]))
        counts += np.histogram(lengths, edges_ms)[0]
        last[here] = times  # of a cell that fires twice, the later one stays
    return counts
