"""The power spectra of the populations' rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hhsim.analysis import power_spectrum
from hhsim.errors import SelectionRefused
from hhsim.plotting.maps import MOST_LINES, draw_map
from hhsim.plotting.names import say_nothing_there
from hhsim.plotting.scales import tick_decades
from hhsim.plotting.view import Floats, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BIN_MS = 1.0  # frequencies up to 500 Hz


def check_spectrum(view: View) -> None:
    """Raise SelectionRefused if the window is too short for a spectrum."""
    bin_steps = _bin_steps(view)
    if not len(power_spectrum(np.zeros(view.steps // bin_steps), bin_steps * view.dt_ms)[0]):
        raise SelectionRefused(
            f"a window of {view.steps * view.dt_ms:g} ms is too short for a spectrum of rates "
            f"in bins of {bin_steps * view.dt_ms:g} ms"
        )


def draw_spectra(axes: Axes, view: View) -> str:
    """Draw the power of each population's rate over frequency, and what independent cells would have."""
    bin_ms = _bin_steps(view) * view.dt_ms
    mapped = len(view.populations) > MOST_LINES
    levels = []
    powers: list[Floats] = []
    for name, cells in view.populations.items():
        rate = view.rate(name, _bin_steps(view))[1]
        frequency, power = power_spectrum(rate, bin_ms)
        resolution = float(frequency[1])
        # of 0 there is no logarithm, and half the sampling rate has half the power, as it is its own negative
        inner = (frequency > 0) & (frequency < 499.9 / bin_ms)
        powers.append(power[inner])
        if not np.any(power > 0):
            continue
        level_of = 2 * float(rate.mean()) / len(cells)  # of that many independent Poisson processes
        levels.append(level_of)
        if mapped:
            continue
        pen = view.pens[name]
        axes.plot(frequency[inner], power[inner], color=pen.colour, ls=pen.dashes, lw=0.8)
        axes.axhline(level_of, color=pen.colour, lw=0.5, ls=(0, (1, 2)))
    axes.set_xlabel("frequency (Hz)")
    if not mapped:
        axes.set_ylabel("power (Hz²/Hz)")
    axes.set_xscale("log")
    axes.set_xlim(resolution * 0.9, 500 / bin_ms * 1.05)
    tick_decades(axes.xaxis)
    if not levels:
        axes.set_yticks([])
        say_nothing_there(axes, "no spikes")
        return ""
    if mapped:
        middles = frequency[inner]
        edges = np.append(middles - resolution / 2, middles[-1] + resolution / 2)
        draw_map(axes, list(view.populations), edges, powers, "power (Hz²/Hz)", log=True)
        return ""
    axes.set_yscale("log")
    tick_decades(axes.yaxis)
    return "dotted: independent Poisson cells"


def _bin_steps(view: View) -> int:
    return max(1, round(BIN_MS / view.dt_ms))
