"""The rates of populations over time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hhsim.analysis import population_rate
from hhsim.plotting.maps import MOST_LINES, draw_map
from hhsim.plotting.names import say_nothing_there
from hhsim.plotting.scales import tick_sparsely
from hhsim.plotting.view import Floats, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 250  # at most, in a window
SPIKES_IN_BIN = 5  # on average, of the population that fires least
LEAST_BINS = 25  # however few spikes there are
SHORTEST_MS = 1.0  # of a bin, unless steps are longer


def draw_rates(axes: Axes, view: View) -> str:
    """Draw the mean rate of each population's cells; the area below a line is the spikes of a cell."""
    bin_steps = _bin_steps(view)
    unit = view.time_unit[0]
    note = f"bins of {bin_steps * view.dt_ms:g} ms"
    highest = 0.0
    if len(view.populations) > MOST_LINES:
        found = [rate_of(view, name, bin_steps) for name in view.populations]
        draw_map(axes, list(view.populations), found[0][0] / unit, [rate for _, rate in found], "rate (Hz)")
        if not any(rate.any() for _, rate in found):
            say_nothing_there(axes, "no spikes")
        return note
    for name in view.populations:
        edges, rate = rate_of(view, name, bin_steps)
        pen = view.pens[name]
        axes.stairs(rate, edges / unit, baseline=None, color=pen.colour, ls=pen.dashes, lw=0.8)
        highest = max(highest, float(rate.max()))
    axes.set_ylim(0, highest * 1.06 or 1)
    axes.set_ylabel("rate (Hz)")
    if highest:
        tick_sparsely(axes.yaxis, 4)
    else:
        axes.set_yticks([0, 1])
    return note


def rate_of(view: View, population: str, bin_steps: int) -> tuple[Floats, Floats]:
    """The edges and rates of bins that cover all of the window: the last takes in what is left at the end."""
    edges, rate = view.rate(population, bin_steps)
    if not len(rate):
        edges, rate = view.rate(population, view.steps)
    if view.stop_ms - edges[-1] > view.dt_ms / 2:
        begin, width = float(edges[-2]), view.stop_ms - float(edges[-2])
        size = len(view.populations[population])
        rate[-1] = sum(
            float(population_rate(times, begin, view.stop_ms, width, size)[1].sum())
            for times, _ in view.spikes(population, begin)
        )
        edges[-1] = view.stop_ms
    return edges, rate


def _bin_steps(view: View) -> int:
    """A round length, in steps: about BINS in the window, or fewer where spikes are few."""
    window = view.stop_ms - view.start_ms
    fewest = min(view.spike_count(name) for name in view.populations)
    enough = min(window * SPIKES_IN_BIN / max(fewest, 1), window / LEAST_BINS)
    wanted = max(window / BINS, enough, SHORTEST_MS, view.dt_ms)
    decade = 10.0 ** math.floor(math.log10(wanted))
    width = next(decade * factor for factor in (1, 2, 5, 10) if decade * factor >= wanted * 0.999)
    return max(1, min(round(width / view.dt_ms), view.steps))
