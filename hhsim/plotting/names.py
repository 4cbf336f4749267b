"""Names in figures: populations may have any, and as many as they like."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import matplotlib

from hhsim.plotting.scales import inches

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST = 24  # characters
LINE = 1.25  # height of a line, in sizes of its font


def short(name: str, longest: int = LONGEST) -> str:
    """A name on one line: cut off where it is long, with a mark for what cannot be printed."""
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def say_nothing_there(axes: Axes, text: str, height: float = 0.5) -> None:
    """Write at a `height` from 0 to 1, clear of all lines, that a panel or its middle shows nothing."""
    ground: dict[str, Any] = {"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 2}
    place: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center", "zorder": 5}
    colour = matplotlib.rcParams["text.color"]
    axes.text(0.5, height, text, color=colour, bbox=ground, fontstyle="italic", **place)


def name_rows(axes: Axes, names: Iterable[str], longest: int = LONGEST) -> None:
    """Name the rows of a map, from 0 upwards and 1 high, every one or every nth, as there is room."""
    every = list(names)
    line = float(axes.yaxis.get_ticklabels()[0].get_fontsize()) * LINE / 72  # inches
    step = max(1, -(-len(every) // max(1, int(inches(axes)[1] / line))))
    shown = range(0, len(every), step)
    axes.set_yticks([i + 0.5 for i in shown], [short(every[i], longest) for i in shown], parse_math=False)
    axes.tick_params(axis="y", length=0 if step == 1 else 1.5)
