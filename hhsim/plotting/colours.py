"""The colours of populations: ones that the colour-blind can tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from typing import NamedTuple

import matplotlib

# Okabe & Ito (2008), "Color universal design", without the yellow, which is too light for thin lines, and
# without the black, which is for what is no population. Those that come first differ most.
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = ("solid", (0, (4, 1.5)), (0, (1, 1)))  # where there are more populations than colours


class Pen(NamedTuple):
    """What a population is drawn with."""

    colour: str
    dashes: str | tuple[int, tuple[float, float]]  # for lines


def pens(populations: Iterable[str]) -> dict[str, Pen]:
    """A pen for each population, in the colours of the style in force."""
    colours = matplotlib.rcParams["axes.prop_cycle"].by_key().get("color", OKABE_ITO)
    ways = cycle([Pen(colour, dashes) for dashes in DASHES for colour in colours])
    return {name: next(ways) for name in populations}
