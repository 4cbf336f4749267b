"""Traces: a variable of some cells over time, one above the other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib
import numpy as np

from hhsim.plotting.scales import inches, pixels, tick_sparsely
from hhsim.plotting.style import SMALL
from hhsim.plotting.view import Floats, Ints, View
from hhsim.recording import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 10  # cells in a panel
ROW_INCHES = 0.2  # height that a cell needs
CROWDED = 0.15  # strokes from bottom to top for each pixel, beyond which lines are finer
PIECE = 1 << 18  # frames that are read at a time


class Row(NamedTuple):
    """A cell of which a trace is drawn."""

    population: str
    node: int
    trace: Trace
    column: int  # of the trace


def traced(view: View) -> dict[str, list[Row]]:
    """For each recorded variable the selected cells of all populations, `v` first."""
    rows: dict[str, list[Row]] = {}
    order = list(view.selection.cells)
    keys = [key for key in view.recording.traces if key[0] in order]
    for population, variable in sorted(keys, key=lambda key: order.index(key[0])):
        cells = view.selection.cells[population]
        trace = view.recording.trace(population, variable)
        first, last = frames_of(trace, view)
        columns = np.flatnonzero((trace.nodes >= cells.start) & (trace.nodes < cells.stop))
        if last > first and len(columns):
            found = [Row(population, int(trace.nodes[i]), trace, int(i)) for i in columns]
            rows.setdefault(variable, []).extend(found)
    return dict(sorted(rows.items(), key=lambda item: item[0] != "v"))


def frames_of(trace: Trace, view: View) -> tuple[int, int]:
    """The first frame in the window, and the first after it; both ends of the window are in."""
    slack = view.dt_ms / 2
    first, last = np.searchsorted(trace.t_ms, (view.start_ms - slack, view.stop_ms + slack))
    return int(first), int(last)


def draw_traces(axes: Axes, view: View, variable: str, rows: list[Row]) -> str:
    """Draw `variable` of some cells, or of one with an axis of its own; says which are not shown."""
    width = max(1, int(pixels(axes)[0]))
    shown = spread(rows, max(1, min(MOST_ROWS, int(inches(axes)[1] / ROW_INCHES))))
    lines = [envelope(row, view, width) for row in shown]
    low, high = _range(lines)
    units = shown[0].trace.units
    unit = view.time_unit[0]
    pitch = 1.08 * (high - low) if len(shown) > 1 else 0.0
    sweeps = max(float(np.abs(np.diff(_finite(values))).sum()) for _, values in lines) / (high - low)
    stroke = 0.35 if sweeps > CROWDED * width else 0.6  # pt
    for i, (row, (times, values)) in enumerate(zip(shown, lines, strict=True)):
        axes.plot(times / unit, values + i * pitch, color=view.pens[row.population].colour, lw=stroke)
    margin = 0.04 * (high - low)
    axes.set_ylim(low - margin, high + (len(shown) - 1) * pitch + margin)
    label = variable if units == "1" else f"{variable} ({units})"
    axes.set_ylabel(label, parse_math=False)
    if len(shown) > 1:
        middles = [float(np.median(_finite(values))) if _finite(values).size else low for _, values in lines]
        places = [middle + i * pitch for i, middle in enumerate(middles)]
        _label_rows(axes, view, shown, places)
        _scale_bar(axes, low, high, units)
    else:
        tick_sparsely(axes.yaxis, 5)
    if len(shown) == 1:
        return f"{shown[0].population} {shown[0].node}" + (f" of {len(rows)} cells" if len(rows) > 1 else "")
    return f"{len(shown)} of {len(rows):,} cells" if len(shown) < len(rows) else ""


def spread(rows: list[Row], most: int) -> list[Row]:
    """At most `most` of `rows`: of each population, as far as there is room, cells spread evenly."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.population, []).append(row)
    shares = dict.fromkeys(groups, 0)
    for _ in range(min(most, len(rows))):
        open_ = [name for name in groups if shares[name] < len(groups[name])]
        least = min(open_, key=lambda name: (shares[name] > 0, shares[name] / len(groups[name])))
        shares[least] += 1
    return [
        group[i * len(group) // shares[name]] for name, group in groups.items() for i in range(shares[name])
    ]


def envelope(row: Row, view: View, bins: int) -> tuple[Floats, Floats]:
    """Times in ms and values of a trace: all of them, or the lowest and the highest in each of `bins` bins.

    Each point is a recorded one, and no peak is lost.
    """
    first, last = frames_of(row.trace, view)
    per_bin = max(1, -(-(last - first) // bins))
    if per_bin <= 2:
        per_bin = 1
    frames, values = [], []
    length = max(PIECE // per_bin, 1) * per_bin
    for start in range(first, last, length):
        part = range(start, min(start + length, last))
        read = row.trace.read(part, slice(row.column, row.column + 1))[:, 0].astype(np.float64)
        kept = np.arange(len(read)) if per_bin == 1 else _extremes(read, per_bin)
        frames.append(start + kept)
        values.append(read[kept])
    return row.trace.t_ms[np.concatenate(frames)], np.concatenate(values)


def _extremes(values: Floats, per_bin: int) -> Ints:
    """Where the lowest and the highest value of each bin are, in order; the last bin may be shorter.

    NaN is neither, unless there is nothing else.
    """
    short = -len(values) % per_bin
    bins = np.concatenate([values, np.full(short, np.nan)]).reshape(-1, per_bin)
    lowest = np.where(np.isnan(bins), np.inf, bins).argmin(axis=1)
    highest = np.where(np.isnan(bins), -np.inf, bins).argmax(axis=1)
    starts = np.arange(len(bins)) * per_bin
    places: Ints = np.sort(np.stack([starts + lowest, starts + highest], axis=1), axis=1).ravel()
    return places


def _range(lines: list[tuple[Floats, Floats]]) -> tuple[float, float]:
    """The lowest and the highest of all values, at least a little apart."""
    values = np.concatenate([_finite(values) for _, values in lines])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    least = max(1e-3 * max(abs(low), abs(high)), 1e-9)
    return (low, high) if high - low >= least else ((low + high - least) / 2, (low + high + least) / 2)


def _finite(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def _label_rows(axes: Axes, view: View, rows: list[Row], places: list[float]) -> None:
    names = [f"{row.population} {row.node}" for row in rows]
    axes.set_yticks(places, names, parse_math=False)
    axes.tick_params(axis="y", length=0)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(view.pens[row.population].colour)
    axes.spines["left"].set_visible(False)
    axes.grid(False, axis="y")


def _scale_bar(axes: Axes, low: float, high: float, units: str) -> None:
    """A round length at the right of the lowest trace, as the rows have no axis of their own."""
    decade = 10.0 ** math.floor(math.log10(high - low))
    length = max(decade * factor for factor in (1, 2, 5) if decade * factor <= (high - low) * 1.0001)
    place = axes.get_yaxis_transform()  # x from 0 to 1, y as the data
    colour = matplotlib.rcParams["text.color"]
    axes.plot([1.02, 1.02], [low, low + length], transform=place, clip_on=False, color=colour, lw=1)
    text = f"{length:g}" if units == "1" else f"{length:g} {units}"
    side: dict[str, Any] = {"rotation": 90, "va": "bottom", "fontsize": SMALL, "parse_math": False}
    axes.text(1.035, low, text, transform=place, **side)
