"""The raster: when each cell fires, as points, or as a density where points would hide each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib
import numpy as np

from hhsim.plotting.names import LINE, say_nothing_there, short
from hhsim.plotting.scales import inches, pixels
from hhsim.plotting.view import Floats, Ints, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS_PER_AREA = 0.7  # on a square of 1 pt × 1 pt, at most; more hide each other
MOST_LEFT_OUT = 10  # thinning shows at least every 10th cell; beyond that, a density tells more
MOST_NAMES = 3  # in a note
LEAST_CELLS = 50  # of a population that thinning must leave
MOST_IN_VECTORS = 4000  # points that are kept as such in PDF and SVG; more are rasterised there
LEAST_BAND = 0.1  # share of the height of a small population, if there are few
FULL_COLOUR = 0.995  # quantile of the density, over pixels with spikes, from which on colour is full


@dataclass(frozen=True)
class Band:
    """The strip of a population in the raster; heights from 0 to 1."""

    cells: range
    bottom: float
    top: float

    def height_of(self, nodes: Ints) -> Floats:
        """Where the middle of each cell's row is."""
        row = (self.top - self.bottom) / len(self.cells)
        return self.bottom + (nodes.astype(np.float64) - self.cells.start + 0.5) * row


def draw_raster(axes: Axes, view: View, tall: float = math.inf) -> str:
    """Draw the spikes of each population in a strip of its own, the first at the bottom.

    It will be at most `tall` inches high. Returns what is to be said of what is not shown; empty if each
    spike is a point.
    """
    bands = bands_of(view.populations)
    unit = view.time_unit[0]
    axes.set_xlim(view.start_ms / unit, view.stop_ms / unit)
    axes.set_ylim(0, 1)
    counts = {name: view.spike_count(name) for name in bands}
    width, height = inches(axes)
    every = thinning(counts, view.populations, POINTS_PER_AREA * width * height * 72**2)
    if every is None:
        for name, band in bands.items():
            _draw_density(axes, view, name, band)
        note = f"density of all {sum(counts.values()):,} spikes, each population on its own scale"
    else:
        shown = _draw_points(axes, view, bands, every)
        note = _what_is_left_out(every, shown, sum(counts.values()))
    _label(axes, view, bands, min(tall, height))
    if not any(counts.values()):
        middle = list(bands.values())[len(bands) // 2]  # not the border of two
        say_nothing_there(axes, "no spikes", (middle.bottom + middle.top) / 2)
    return note


def bands_of(populations: Mapping[str, range]) -> dict[str, Band]:
    """Strips as high as populations are large, but none so thin that it could not be seen."""
    least = min(LEAST_BAND, 0.5 / max(len(populations), 1))
    total = sum(len(cells) for cells in populations.values())
    shares = {name: max(len(cells) / total, least) for name, cells in populations.items()}
    scale = 1 / sum(shares.values())
    bands, bottom = {}, 0.0
    for name, cells in populations.items():
        top = bottom + shares[name] * scale
        bands[name] = Band(cells, bottom, top)
        bottom = top
    return bands


def thinning(counts: Mapping[str, int], cells: Mapping[str, range], most: float) -> dict[str, int] | None:
    """Of each population every how manieth cell is shown, so that there are about `most` points.

    None if that would leave out too many, so that a density should be drawn. Populations of which too few
    cells would be left are shown as they are.
    """
    every = max(1, math.ceil(sum(counts.values()) / max(most, 1)))
    each = {name: every if len(cells[name]) >= LEAST_CELLS * every else 1 for name in counts}
    shown = sum(counts[name] / each[name] for name in counts)
    return None if every > MOST_LEFT_OUT or shown > 2 * most else each


def _draw_points(axes: Axes, view: View, bands: Mapping[str, Band], every: Mapping[str, int]) -> int:
    """Draw the spikes of every how manieth cell; returns how many these are."""
    unit = view.time_unit[0]
    found = {}
    for name, band in bands.items():
        times: list[Floats] = [np.empty(0)]
        heights: list[Floats] = [np.empty(0)]
        for some_times, nodes in view.spikes(name):
            chosen = (nodes - band.cells.start) % every[name] == 0
            times.append(some_times[chosen] / unit)
            heights.append(band.height_of(nodes[chosen]))
        found[name] = np.concatenate(times), np.concatenate(heights)
    shown = sum(len(x) for x, _ in found.values())
    width_pt, height_pt = (72 * inch for inch in inches(axes))
    dot = min(max(math.sqrt(0.25 * width_pt * height_pt / max(shown, 1)), 0.7), 1.8)  # pt
    for name, (x, y) in found.items():
        band = bands[name]
        row = (band.top - band.bottom) * height_pt / len(band.cells) * every[name]  # pt
        stroke = row > 3 or dot > 1  # where there is room, so that spikes that follow closely stay apart
        axes.plot(
            x,
            y,
            linestyle="none",
            marker="|" if stroke else "o",
            markersize=min(max(0.75 * row, 1.6), 12) if stroke else dot,
            markeredgewidth=(0.7 if row > 3 else 0.5) if stroke else 0,
            color=view.pens[name].colour,
            rasterized=shown > MOST_IN_VECTORS,
        )
    return shown


def _draw_density(axes: Axes, view: View, population: str, band: Band) -> None:
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    counts, step_ms, per_row = density(view, population, band, pixels(axes))
    colour = view.pens[population].colour
    shades = LinearSegmentedColormap.from_list(population, [to_rgba(colour, 0), to_rgba(colour, 1)])
    unit = view.time_unit[0]
    end = (view.start_ms + counts.shape[1] * step_ms) / unit
    row = (band.top - band.bottom) / len(band.cells) * per_row
    full = np.quantile(counts[counts > 0], FULL_COLOUR) if counts.any() else 1
    axes.imshow(
        counts,
        cmap=shades,
        vmin=0,
        vmax=full,
        origin="lower",
        aspect="auto",
        extent=(view.start_ms / unit, end, band.bottom, band.bottom + counts.shape[0] * row),
    )


def density(view: View, population: str, band: Band, size_px: tuple[float, float]) -> tuple[Ints, float, int]:
    """Spikes in cells of a grid as fine as pixels, [rows, columns], and what a grid cell spans: ms, cells.

    All grid cells span as many whole steps and cells, so that no pattern arises from the grid.
    """
    width_px, height_px = size_px
    per_column = max(1, math.ceil(view.steps / max(width_px, 1)))
    per_row = max(1, math.ceil(len(band.cells) / max(1.0, (band.top - band.bottom) * height_px)))
    rows, columns = -(-len(band.cells) // per_row), -(-view.steps // per_column)
    counts = np.zeros(rows * columns, np.int64)
    for times, nodes in view.spikes(population):
        step = np.rint((times - view.start_ms) / view.dt_ms).astype(np.int64) - 1
        place = (nodes - band.cells.start) // per_row * columns + step // per_column
        np.add.at(counts, place, 1)
    return counts.reshape(rows, columns), per_column * view.dt_ms, per_row


def _what_is_left_out(every: Mapping[str, int], shown: int, total: int) -> str:
    thinned = {name: number for name, number in every.items() if number > 1}
    if not thinned:
        return ""
    number = max(thinned.values())
    names = [short(name) for name in thinned]
    names = names if len(names) <= MOST_NAMES else [f"{len(names)} of {len(every)} populations"]
    whose = "" if len(thinned) == len(every) else f" of {', '.join(names)}"
    return f"every {_ordinal(number)} cell{whose}: {shown:,} of {total:,} spikes"


def _ordinal(number: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(number, f"{number}th")


def _label(axes: Axes, view: View, bands: Mapping[str, Band], tall: float) -> None:
    """Name each strip at its side, as far as names do not come into each other's way."""
    line = float(axes.yaxis.get_ticklabels()[0].get_fontsize()) * LINE / 72  # inches
    places, texts, names, last = [], [], [], -math.inf
    for name, band in bands.items():
        middle, high = (band.bottom + band.top) / 2, (band.top - band.bottom) * tall
        if (middle - last) * tall >= line:
            last = middle
            places.append(middle)
            names.append(name)
            texts.append(_name(view, name, band.cells, "\n" if high > 2.5 * line else " "))
        if band.top < 0.999:
            axes.axhline(band.top, color=matplotlib.rcParams["axes.edgecolor"], lw=0.4, alpha=0.5, zorder=0.5)
    axes.set_yticks(places, texts, parse_math=False)
    axes.tick_params(axis="y", length=0)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color(view.pens[name].colour)
    axes.spines["left"].set_visible(False)
    axes.grid(False, axis="y")


def _name(view: View, population: str, cells: range, between: str) -> str:
    if len(cells) < view.recording.populations[population]:
        which = f"cell {cells.start}" if len(cells) == 1 else f"cells {cells.start:,} to {cells.stop - 1:,}"
    else:
        which = "1 cell" if len(cells) == 1 else f"{len(cells):,} cells"
    name = short(population)
    return f"{name}{between}{which}" if between == "\n" else f"{name} ({which})"
