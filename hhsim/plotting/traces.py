"""Traces: a variable of some cells over time, one above the other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib
import numpy as np

from hhsim.plotting.names import say_nothing_there, short
from hhsim.plotting.raster import MOST_IN_VECTORS
from hhsim.plotting.scales import inches, pixels, tick_sparsely
from hhsim.plotting.style import SMALL
from hhsim.plotting.view import Floats, Ints, View
from hhsim.recording import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 10  # cells in a panel
ROW_INCHES = 0.2  # height that a cell needs
CROWDED = 0.15  # strokes from bottom to top for each pixel, beyond which lines are finer
COARSE_MS = 0.3  # between frames, beyond which the peak of an action potential may lie between two
TICK_PT = 3.0  # of a spike
FEW_FRAMES, DOT_PT = 3, 2.0  # so few are dots
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
        columns = np.flatnonzero((trace.nodes >= cells.start) & (trace.nodes < cells.stop))
        if len(columns):
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
    rows_of_any = [row for row in rows if np.diff(frames_of(row.trace, view))[0] > 0]
    if not rows_of_any:
        axes.set_yticks([])
        axes.set_ylabel(_label_of(variable, rows[0].trace.units), parse_math=False)
        say_nothing_there(axes, "no frames")
        return ""
    rows = rows_of_any
    shown = spread(rows, max(1, min(MOST_ROWS, int(inches(axes)[1] / ROW_INCHES))))
    lines = [envelope(row, view, width) for row in shown]
    low, high = _range(lines)
    units = shown[0].trace.units
    unit = view.time_unit[0]
    few = max(len(times) for times, _ in lines) <= FEW_FRAMES
    # lines need no more than their height; dots must be seen to belong to the name beside them
    pitch = (3 if few else 1.08) * (high - low) if len(shown) > 1 else 0.0
    sweeps = max(float(np.abs(np.diff(_finite(values))).sum()) for _, values in lines) / (high - low)
    stroke = 0.35 if sweeps > CROWDED * width else 0.6  # pt
    for i, (row, (times, values)) in enumerate(zip(shown, lines, strict=True)):
        colour = view.pens[row.population].colour
        dots: dict[str, Any] = {"marker": "o", "ms": DOT_PT, "clip_on": False} if few else {}
        axes.plot(times / unit, values + i * pitch, color=colour, lw=stroke, **dots)
    margin = 0.04 * (high - low)
    axes.set_ylim(low - margin, high + (len(shown) - 1) * pitch + margin)
    axes.set_ylabel(_label_of(variable, units), parse_math=False)
    if len(shown) > 1:
        middles = [float(np.median(_finite(values))) if _finite(values).size else low for _, values in lines]
        places = [middle + i * pitch for i, middle in enumerate(middles)]
        if min(np.diff(places)) < pitch / 2:  # names would come into each other's way
            places = [(low + high) / 2 + i * pitch for i in range(len(shown))]
        _label_rows(axes, view, shown, places)
        _scale_bar(axes, low, high, units)
    else:
        tick_sparsely(axes.yaxis, 5)
    notes = [_which(shown, rows)]
    if variable == "v":
        notes.append(_mark_spikes(axes, view, shown, [high + i * pitch for i in range(len(shown))]))
    return "; ".join(note for note in notes if note)


def _label_of(variable: str, units: str) -> str:
    return variable if units == "1" else f"{variable} ({units})"


def _which(shown: list[Row], rows: list[Row]) -> str:
    if len(shown) == 1:
        name = f"{short(shown[0].population)} {shown[0].node}"
        return f"{name} of {len(rows)} cells" if len(rows) > 1 else name
    return f"{len(shown)} of {len(rows):,} cells" if len(shown) < len(rows) else ""


def _mark_spikes(axes: Axes, view: View, rows: list[Row], tops: list[float]) -> str:
    """Where frames are too far apart for the peaks of spikes: a tick for each, and a note."""
    spacings = [_spacing(row.trace) for row in rows]
    if max(spacings) <= COARSE_MS:
        return ""
    unit = view.time_unit[0]
    marked = False
    for name in dict.fromkeys(row.population for row in rows):
        if name not in view.populations:
            continue
        mine = {row.node: top for row, top in zip(rows, tops, strict=True) if row.population == name}
        nodes = np.array(sorted(mine))
        heights = np.array([mine[node] for node in nodes])
        times, places = [], []
        for some_times, some_nodes in view.spikes(name):
            chosen = np.isin(some_nodes, nodes)
            times.append(some_times[chosen])
            places.append(heights[np.searchsorted(nodes, some_nodes[chosen])])
        if sum(map(len, times)):
            marked = True
            ticks: dict[str, Any] = {"marker": "|", "ms": TICK_PT, "mew": 0.6, "ls": "none"}
            x, y = np.concatenate(times) / unit, np.concatenate(places)
            axes.plot(x, y, color=view.pens[name].colour, rasterized=len(x) > MOST_IN_VECTORS, **ticks)
    return f"frames every {max(spacings):g} ms miss peaks" + ("; ticks: spikes" if marked else "")


def _spacing(trace: Trace) -> float:
    return float(f"{trace.t_ms[1] - trace.t_ms[0]:.6g}") if len(trace.t_ms) > 1 else 0.0


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
    names = [f"{short(row.population)} {row.node}" for row in rows]
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
