"""One figure of a recording: which panels there are, where they stand, and what is said around them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hhsim.errors import SelectionRefused
from hhsim.plotting.colours import pens
from hhsim.plotting.maps import MOST_LINES
from hhsim.plotting.names import LINE, short
from hhsim.plotting.panels import RASTER_INCHES, Panel, check_kinds, panels_of
from hhsim.plotting.scales import TICK_INCHES, inches, tick_sparsely
from hhsim.plotting.style import SMALL, is_set, styled
from hhsim.plotting.view import View
from hhsim.recording import Recording, Selection, select

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE, NARROW = 7.2, 3.5  # inches: two columns of a journal, and one
LEAST_FOR_COLUMNS = 5.0  # inches of width that panels beside each other over time need
CHARACTER_PT = 0.52 * SMALL  # width of a character of a note
TITLE_SCALE = 1.75  # a bold character of the title is wider by
LEFT = 0.012  # share of the width, from where on there is text
LEGEND_INCHES = SMALL * 1.5 / 72  # of height for each line of the legend
LEGEND_LINE_PT = 24  # a line of the legend and the space around it
MOST_SUMS = 4  # checksums at the foot
AROUND_INCHES = 0.7  # for title, foot and labels of the time axis


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
        panels = panels_of(view, kinds)
        figure = Figure() if figure is None else figure
        if not is_set(style, "figure.figsize"):
            width, height = _size(panels)
            figure.set_size_inches(width, height + _legend_lines(view, panels, width) * LEGEND_INCHES)
        _say_what_it_is(figure, view)
        lines = _legend_lines(view, panels, figure.get_figwidth())
        below = 1 - lines * LEGEND_INCHES / figure.get_figheight()  # the title stands above, at the very top
        pads = {"w_pad": 0.04, "h_pad": 0.04, "hspace": 0.03, "wspace": 0.03}
        figure.set_layout_engine("constrained", rect=(0, 0, 1, max(below, 0.5)), **pads)
        if lines:
            _draw_legend(figure, view)
        _fill(figure, view, panels)
    return figure


def _columns(panels: Sequence[Panel], width: float) -> list[list[Panel]]:
    """Panels over time: traces beside a raster, if it is high and the figure wide enough, else one column."""
    over_time = [panel for panel in panels if panel.over_time]
    spiking = [panel for panel in over_time if panel.kind != "trace"]
    traces = [panel for panel in over_time if panel.kind == "trace"]
    tall = bool(spiking) and spiking[0].kind == "raster" and spiking[0].inches > RASTER_INCHES / 2
    if traces and tall and width >= LEAST_FOR_COLUMNS:
        return [spiking, traces]
    return [over_time] if over_time else []


def _size(panels: Sequence[Panel]) -> tuple[float, float]:
    columns = _columns(panels, WIDE)
    flat = [panel for panel in panels if not panel.over_time]
    height = max((sum(panel.inches for panel in column) for column in columns), default=0.0)
    height += max((panel.inches + 0.2 for panel in flat), default=0.0)
    return WIDE if columns or len(flat) > 1 else NARROW, height + AROUND_INCHES


def _fill(figure: Figure, view: View, panels: Sequence[Panel]) -> None:
    """Place the panels, those over time above the others, and draw them."""
    columns = _columns(panels, figure.get_figwidth())
    flat = [panel for panel in panels if not panel.over_time]
    width = max(len(columns), min(len(flat), 2))
    above = max((sum(panel.inches for panel in column) for column in columns), default=0.0)
    heights = [*([above] if columns else []), *([flat[0].inches] if flat else [])]
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
    notes = []
    for panel, axes in placed:
        width_pt = inches(axes)[0] * 72
        notes.append(textwrap.wrap(panel.draw(axes), max(20, int(width_pt / CHARACTER_PT))))
    tops = [0, len(columns[0])] if len(columns) == 2 else []
    highest = max((len(notes[i]) for i in tops), default=0)
    for i, ((_, axes), lines) in enumerate(zip(placed, notes, strict=True)):
        # as many lines at the tops of both columns, so that these begin at the same height
        lines = [" "] * max(1 - len(lines), highest - len(lines) if i in tops else 0) + lines
        axes.set_title("\n".join(lines), loc="right", fontsize=SMALL, alpha=0.7, parse_math=False)


def _legend_lines(view: View, panels: Sequence[Panel], width: float) -> int:
    """Lines of a legend in a figure of `width` inches; 0 where a raster or a map names the populations."""
    kinds = {panel.kind for panel in panels}
    names = view.populations
    if not kinds & {"rate", "isi", "psd"} or "raster" in kinds or len(names) > MOST_LINES:
        return 0
    return -(-len(names) // _legend_columns(view, width))


def _legend_columns(view: View, width: float) -> int:
    widest = max(len(short(name)) for name in view.populations) * CHARACTER_PT + LEGEND_LINE_PT
    return max(1, min(len(view.populations), int(width * 72 * (1 - 2 * LEFT) / widest)))


def _draw_legend(figure: Figure, view: View) -> None:
    """Name the lines of all panels below the title, where it takes nothing of the panels' width."""
    ways = [view.pens[name] for name in view.populations]
    title_lines = figure.get_suptitle().count("\n") + 1
    title_pt = title_lines * LINE * float(matplotlib.rcParams["figure.titlesize"]) + 6
    legend = figure.legend(
        [Line2D([], [], color=pen.colour, ls=pen.dashes) for pen in ways],
        [short(name) for name in view.populations],
        ncols=_legend_columns(view, figure.get_figwidth()),
        loc="upper left",
        bbox_to_anchor=(LEFT, 1 - title_pt / 72 / figure.get_figheight()),
        handlelength=1.6,
        columnspacing=1.2,
        borderpad=0,
        borderaxespad=0,
        labelspacing=0.3,
    )
    legend.set_in_layout(False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _say_what_it_is(figure: Figure, view: View) -> None:
    """The title, and at the foot where the data come from."""
    recording = view.recording
    title = str(recording.facts.get("title") or recording.name.rpartition(".")[0] or recording.name)
    across = int(figure.get_figwidth() * 72 / (CHARACTER_PT * TITLE_SCALE))
    title = textwrap.fill(short(title, 4 * across), across)
    figure.suptitle(title, x=LEFT, ha="left", parse_math=False)
    width = int(figure.get_figwidth() * 72 / CHARACTER_PT)
    text = _lines(provenance(recording), width)
    colour = matplotlib.rcParams["text.color"]
    figure.supxlabel(text, x=LEFT, ha="left", fontsize=SMALL - 0.5, color=colour, alpha=0.6, parse_math=False)


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
    parts = [recording.name]
    if recording.seed is not None:
        parts.append(f"seed {recording.seed}")
    if "hhsim" in recording.versions:
        parts.append(f"hhsim {recording.versions['hhsim']}")
    how = [str(facts[key]) for key in ("method", "precision") if key in facts]
    parts.append(", ".join([*how[:1], f"dt {recording.dt_ms:g} ms", *how[1:]]))
    parts.append(_how_far(recording))
    if recording.checksums:
        sums = [f"{short(name)} {value[:8]}" for name, value in recording.checksums.items()]
        more = [f"{len(sums) - MOST_SUMS} more"] if len(sums) > MOST_SUMS else []
        parts.append(f"SHA-256 of spikes: {', '.join(sums[:MOST_SUMS] + more)}")
    return parts


def _how_far(recording: Recording) -> str:
    if recording.foreign:
        return f"not written by hhsim, {_time(recording.duration_ms)}"
    if recording.complete:
        return f"complete, {_time(recording.duration_ms)}"
    reached = f"{_time(recording.stopped_at_ms)} of {_time(recording.duration_ms)}"
    closed = bool(recording.checksums)  # written last; without spikes there is none
    return f"cut off at {reached}" if closed else f"{reached}: still being written, or cut off"


def _time(ms: float) -> str:
    return f"{ms:g} ms" if ms < 10_000 else f"{ms / 1000:g} s"
