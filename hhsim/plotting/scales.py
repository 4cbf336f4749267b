"""Logarithmic axes whose ticks can be read, however short or long they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.ticker import LogFormatterMathtext, LogLocator, NullFormatter, StrMethodFormatter

if TYPE_CHECKING:
    from matplotlib.axis import Axis

SHORT = 1.7  # decades, up to which there are ticks within each
PLAIN = (1e-3, 1e4)  # numbers between are written out


def tick_decades(axis: Axis) -> None:
    """Put ticks on a logarithmic axis whose limits are set: 1, 2, 5 ... on a short one, else 1, 10 ..."""
    low, high = axis.get_view_interval()
    short = math.log10(high / low) < SHORT
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if short else (1.0,)))
    plain = low >= PLAIN[0] and high <= PLAIN[1]
    axis.set_major_formatter(StrMethodFormatter("{x:g}") if plain or short else LogFormatterMathtext())
    axis.set_minor_formatter(NullFormatter())
