"""One figure of a recording: which panels there are, where they stand, and what is said around them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure

from hhsim.errors import PlotRefused, SelectionRefused
from hhsim.plotting.colours import pens
from hhsim.plotting.intervals import draw_intervals
from hhsim.plotting.raster import draw_raster
from hhsim.plotting.rates import draw_rates
from hhsim.plotting.scales import TICK_INCHES, inches, tick_sparsely
from hhsim.plotting.spectrum import check_spectrum, draw_spectra
from hhsim.plotting.style import SMALL, is_set, styled
from hhsim.plotting.traces import Row, draw_traces, traced
from hhsim.plotting.view import View
from hhsim.recording import Recording, Selection, select

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("raster", "rate", "trace", "isi", "psd")
OF_SPIKES = ("raster", "rate", "isi", "psd")

WIDE, NARROW = 7.2, 3.5  # inches: two columns of a journal, and one
RASTER_INCHES, CELL_INCHES, TALLEST_RASTER = 2.6, 0.14, 12.0
RATE_INCHES = 1.1
TRACE_INCHES = 0.9  # at least
DISTRIBUTION_INCHES = 1.7
CHARACTER_PT = 0.52 * SMALL  # width of a character of a note
AROUND_INCHES = 0.7  # for title, foot and labels of the time axis


@dataclass(frozen=True)
class Panel:
    """A panel: what draws it and returns a note, and how high it wants to be."""

    draw: Callable[[Axes], str]
    inches: float
    over_time: bool
    kind: str


def plot(
    recording: Recording,
    selection: Selection | None = None,
    *,
    kinds: Sequence[str] = (),
    style: str | None = None,
    figure: Figure | None = None,
) -> Figure:
    """A figure of a recording, or of what is selected of it.

    Parameters
    ----------
    recording : as from `hhsim.open`; one that is still being written, or was cut off, will do
    selection : as from `hhsim.recording.select`; default: all
    kinds : which panels, of KINDS; default: raster, rate and trace, as far as there is something to show
    style : a style of matplotlib or an .mplstyle file
    figure : an empty figure to draw into; default: a new one, which pyplot does not know of

    Raises
    ------
    PlotRefused
        for a kind or style that is not known
    SelectionRefused
        if there is nothing to show, or the window is too short for a spectrum
    """
    check_kinds(kinds)
    with styled(style):
        chosen = select(recording) if selection is None else selection
        view = View(recording, chosen, pens(chosen.cells))
        if not view.steps:
            raise SelectionRefused(f"{recording.path}: nothing has been recorded yet")
        panels = _panels(view, kinds)
        figure = Figure() if figure is None else figure
        if not is_set(style, "figure.figsize"):
            figure.set_size_inches(_size(panels))
        figure.set_layout_engine("constrained", w_pad=0.04, h_pad=0.04, hspace=0.03, wspace=0.03)
        _say_what_it_is(figure, view)
        _fill(figure, view, panels)
    return figure


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise PlotRefused for a kind of panel that there is not."""
    for kind in kinds:
        if kind not in KINDS:
            raise PlotRefused(f"there is no kind of panel {kind!r}: choose of {', '.join(KINDS)}")


def _panels(view: View, kinds: Sequence[str]) -> list[Panel]:
    """The panels in the order in which they are drawn. Raises SelectionRefused if one cannot be filled."""
    rows = traced(view) if not kinds or "trace" in kinds else {}
    single = all(len(cells) == 1 for cells in view.populations.values())
    if not kinds:
        spiking = () if not view.populations else ("raster",) if single else ("raster", "rate")
        kinds = (*spiking, *(("trace",) if rows else ()))
        if not kinds:
            raise SelectionRefused(f"{view.recording.path}: neither spikes nor traces of these were recorded")
    missing = [kind for kind in kinds if (kind in OF_SPIKES and not view.populations)]
    if missing:
        raise SelectionRefused(f"no spikes of these were recorded, as {missing[0]} needs")
    if "trace" in kinds and not rows:
        raise SelectionRefused("no traces of these were recorded")
    panels = []
    for kind in dict.fromkeys(sorted(kinds, key=KINDS.index)):
        if kind == "raster":
            panels.append(Panel(lambda axes: draw_raster(axes, view), _raster_inches(view), True, kind))
        elif kind == "rate":
            panels.append(Panel(lambda axes: draw_rates(axes, view), RATE_INCHES, True, kind))
        elif kind == "trace":
            panels += [_trace_panel(view, variable, found) for variable, found in rows.items()]
        elif kind == "isi":
            panels.append(Panel(lambda axes: draw_intervals(axes, view), DISTRIBUTION_INCHES, False, kind))
        else:
            check_spectrum(view)
            panels.append(Panel(lambda axes: draw_spectra(axes, view), DISTRIBUTION_INCHES, False, kind))
    return panels


def _trace_panel(view: View, variable: str, rows: list[Row]) -> Panel:
    inches = max(TRACE_INCHES if len(rows) > 1 else 1.6 * TRACE_INCHES, min(0.25 * len(rows), RASTER_INCHES))
    return Panel(lambda axes: draw_traces(axes, view, variable, rows), inches, True, "trace")


def _raster_inches(view: View) -> float:
    cells = sum(len(cells) for cells in view.populations.values())
    crowd = min(len(view.populations) * CELL_INCHES * 1.5, TALLEST_RASTER)
    return max(min(CELL_INCHES * (cells + 1), RASTER_INCHES), crowd)


def _columns(panels: Sequence[Panel]) -> list[list[Panel]]:
    """Panels over time: traces beside a raster that is high enough, else all in one column."""
    over_time = [panel for panel in panels if panel.over_time]
    spiking = [panel for panel in over_time if panel.kind != "trace"]
    traces = [panel for panel in over_time if panel.kind == "trace"]
    if traces and spiking and spiking[0].kind == "raster" and spiking[0].inches > RASTER_INCHES / 2:
        return [spiking, traces]
    return [over_time] if over_time else []


def _size(panels: Sequence[Panel]) -> tuple[float, float]:
    columns = _columns(panels)
    flat = [panel for panel in panels if not panel.over_time]
    height = max((sum(panel.inches for panel in column) for column in columns), default=0.0)
    height += DISTRIBUTION_INCHES + 0.3 if flat else 0
    return WIDE if columns or len(flat) > 1 else NARROW, height + AROUND_INCHES


def _fill(figure: Figure, view: View, panels: Sequence[Panel]) -> None:
    """Place the panels, those over time above the others, and draw them."""
    columns = _columns(panels)
    flat = [panel for panel in panels if not panel.over_time]
    width = max(len(columns), min(len(flat), 2))
    above = max((sum(panel.inches for panel in column) for column in columns), default=0.0)
    heights = [*([above] if columns else []), *([DISTRIBUTION_INCHES] if flat else [])]
    grid = figure.add_gridspec(
        len(heights), width, height_ratios=heights, width_ratios=(3, 2) if len(columns) == 2 else (1,) * width
    )
    placed: list[tuple[Panel, Axes]] = []
    shared = None
    for i, column in enumerate(columns):
        cell = grid[0, i] if len(columns) == 2 else grid[0, :]
        inner = cell.subgridspec(len(column), 1, height_ratios=[panel.inches for panel in column])
        for j, panel in enumerate(column):
            axes = figure.add_subplot(inner[j], sharex=shared)
            shared = shared or axes
            last = j == len(column) - 1
            axes.tick_params(labelbottom=last)
            if last:
                axes.set_xlabel(f"time ({view.time_unit[1]})")
            placed.append((panel, axes))
    for i, panel in enumerate(flat):
        placed.append((panel, figure.add_subplot(grid[-1, i] if len(flat) == 2 else grid[-1, :])))
    if shared is not None:
        unit = view.time_unit[0]
        shared.set_xlim(view.start_ms / unit, view.stop_ms / unit)
        tick_sparsely(shared.xaxis, int(min(inches(axes)[0] for _, axes in placed) / TICK_INCHES))
    for panel, axes in placed:
        note = panel.draw(axes)
        lines = textwrap.wrap(note, max(20, int(inches(axes)[0] * 72 / CHARACTER_PT))) or [" "]
        # never empty, so that panels beside each other begin at the same height
        axes.set_title("\n".join(lines), loc="right", fontsize=SMALL, alpha=0.7, parse_math=False)
    _name_lines(placed)


def _name_lines(placed: Sequence[tuple[Panel, Axes]]) -> None:
    """A legend where no raster names the populations."""
    drawn = [axes for panel, axes in placed if panel.kind in ("rate", "isi", "psd")]
    if drawn and not any(panel.kind == "raster" for panel, _ in placed):
        handles, names = drawn[0].get_legend_handles_labels()
        columns = min(len(names), 6)
        for text in (
            drawn[0]
            .legend(
                handles,
                names,
                loc="lower left",
                bbox_to_anchor=(0, 1),
                ncols=max(columns, 1),
                handlelength=1.2,
                columnspacing=1,
                borderpad=0,
                borderaxespad=0.3,
            )
            .get_texts()
        ):
            text.set_parse_math(False)


def _say_what_it_is(figure: Figure, view: View) -> None:
    """The title, and at the foot where the data come from."""
    recording = view.recording
    title = str(recording.facts.get("title") or recording.path.stem)
    figure.suptitle(title, x=0.012, ha="left", parse_math=False)
    width = int(figure.get_figwidth() * 72 / CHARACTER_PT)
    text = _lines(provenance(recording), width)
    colour = matplotlib.rcParams["text.color"]
    figure.supxlabel(
        text, x=0.012, ha="left", fontsize=SMALL - 0.5, color=colour, alpha=0.6, parse_math=False
    )


def _lines(parts: Sequence[str], width: int) -> str:
    """`parts` beside each other, broken between them, or within one that is longer than a line."""
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]}  ·  {part}" if lines[-1] else part
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines += textwrap.wrap(part, width, break_on_hyphens=False)
    return "\n".join(line for line in lines if line)


def provenance(recording: Recording) -> list[str]:
    """What made a recording, how far it came, and the beginning of its checksums."""
    facts = recording.facts
    parts = [recording.path.name]
    if recording.seed is not None:
        parts.append(f"seed {recording.seed}")
    if "hhsim" in recording.versions:
        parts.append(f"hhsim {recording.versions['hhsim']}")
    how = [str(facts[key]) for key in ("method", "precision") if key in facts]
    parts.append(", ".join([*how[:1], f"dt {recording.dt_ms:g} ms", *how[1:]]))
    parts.append(_how_far(recording))
    if recording.checksums:
        sums = ", ".join(f"{name} {value[:8]}" for name, value in recording.checksums.items())
        parts.append(f"SHA-256 of spikes: {sums}")
    return parts


def _how_far(recording: Recording) -> str:
    if recording.complete:
        return f"complete, {_time(recording.duration_ms)}"
    reached = f"{_time(recording.stopped_at_ms)} of {_time(recording.duration_ms)}"
    closed = bool(recording.checksums)  # written last; without spikes there is none
    return f"cut off at {reached}" if closed else f"{reached}: still being written, or cut off"


def _time(ms: float) -> str:
    return f"{ms:g} ms" if ms < 10_000 else f"{ms / 1000:g} s"
