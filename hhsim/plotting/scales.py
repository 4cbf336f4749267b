"""The sizes of panels, and ticks that can be read, however small or long an axis is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.ticker import LogFormatterMathtext, LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

SHORT = 1.7  # decades, up to which there are ticks within each
PLAIN = (1e-3, 1e4)  # numbers between are written out
TICK_INCHES = 0.38  # between two on a time axis, at least: room for four digits


def inches(axes: Axes) -> tuple[float, float]:
    """Width and height of a panel before its labels have taken their room."""
    width, height = axes.bbox.size
    return float(width) / axes.figure.dpi, float(height) / axes.figure.dpi


def pixels(axes: Axes) -> tuple[float, float]:
    width, height = axes.bbox.size
    return float(width), float(height)


def tick_sparsely(axis: Axis, most: int) -> None:
    """Put about `most` ticks at round numbers."""
    axis.set_major_locator(MaxNLocator(nbins=max(most, 1), steps=[1, 2, 5, 10]))


def tick_decades(axis: Axis) -> None:
    """Put ticks on a logarithmic axis whose limits are set: 1, 2, 5 ... on a short one, else 1, 10 ..."""
    low, high = axis.get_view_interval()
    short = math.log10(high / low) < SHORT
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if short else (1.0,)))
    plain = low >= PLAIN[0] and high <= PLAIN[1]
    axis.set_major_formatter(StrMethodFormatter("{x:g}") if plain or short else LogFormatterMathtext())
    axis.set_minor_formatter(NullFormatter())
