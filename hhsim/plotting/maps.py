"""Maps: what would be a line for each population, as rows of colour, where lines would hide each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LogNorm, Normalize

from hhsim.plotting.names import name_rows
from hhsim.plotting.scales import inches, tick_decades, tick_sparsely
from hhsim.plotting.view import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 6  # in a panel: as many as there are colours that differ well
COLOURS = "viridis"  # as good for the colour-blind, and in grey
ROW_INCHES, TALLEST = 0.1, 4.0
FULL_COLOUR = 0.995  # quantile of what is above 0, from which on colour is full
BAR_INCHES = 0.06


def map_inches(rows: int, least: float) -> float:
    """How high a panel wants to be: `least` where it has lines."""
    return least if rows <= MOST_LINES else max(least, min(ROW_INCHES * rows + 0.3, TALLEST))


def draw_map(
    axes: Axes, names: Sequence[str], edges: Floats, rows: Sequence[Floats], label: str, log: bool = False
) -> None:
    """Draw `rows` of values, the first at the bottom, between `edges`, all on one scale with a bar beside it.

    Where all is 0 there are only the names.
    On a logarithmic scale values that are not above 0 stay empty.
    """
    values = np.ma.masked_invalid(np.array(rows, np.float64))
    axes.set_ylim(0, len(names))
    name_rows(axes, names)
    if not values.any():
        return
    most = float(values.max())
    full = float(np.quantile(values.compressed()[values.compressed() > 0], FULL_COLOUR))
    norm = Normalize(0, full)
    if log:
        values = np.ma.masked_less_equal(values, 0)
        # Three decades below the highest: what lies lower would leave no colours for the rest.
        norm = LogNorm(min(max(float(values.min()), most / 1e3), most / 10), most, clip=True)
    mesh = axes.pcolormesh(
        edges, np.arange(len(names) + 1), values, cmap=COLOURS, norm=norm, rasterized=True, linewidth=0
    )
    width = BAR_INCHES / max(inches(axes)[0], BAR_INCHES)
    beside = axes.inset_axes((1 + width, 0, width, 1))
    bar = axes.figure.colorbar(mesh, cax=beside, extend="max" if most > full and not log else "neither")
    bar.set_label(label)
    bar.outline.set_visible(False)
    if log:
        tick_decades(bar.ax.yaxis)
    else:
        tick_sparsely(bar.ax.yaxis, 4)
