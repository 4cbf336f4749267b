"""The panels that a figure can have: which of them a recording fills, and how high each wants to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hhsim.errors import PlotRefused, SelectionRefused
from hhsim.plotting.intervals import draw_intervals
from hhsim.plotting.maps import map_inches
from hhsim.plotting.raster import draw_raster
from hhsim.plotting.rates import draw_rates
from hhsim.plotting.spectrum import check_spectrum, draw_spectra
from hhsim.plotting.traces import Row, draw_traces, traced
from hhsim.plotting.view import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("raster", "rate", "trace", "isi", "psd")
OF_SPIKES = ("raster", "rate", "isi", "psd")

RASTER_INCHES, CELL_INCHES, TALLEST_RASTER = 2.6, 0.14, 12.0
RATE_INCHES = 1.1
TRACE_INCHES = 0.9  # at least
DISTRIBUTION_INCHES = 1.7


@dataclass(frozen=True)
class Panel:
    """A panel: what draws it and returns a note, and how high it wants to be."""

    draw: Callable[[Axes], str]
    inches: float
    over_time: bool
    kind: str


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise PlotRefused for a kind of panel that there is not."""
    for kind in kinds:
        if kind not in KINDS:
            raise PlotRefused(f"there is no kind of panel {kind!r}: choose of {', '.join(KINDS)}")


def panels_of(view: View, kinds: Sequence[str]) -> list[Panel]:
    """The panels in the order in which they are drawn. Raises SelectionRefused if one cannot be filled."""
    rows = traced(view) if not kinds or "trace" in kinds else {}
    single = all(len(cells) == 1 for cells in view.populations.values())
    if not kinds:
        spiking = () if not view.populations else ("raster",) if single else ("raster", "rate")
        kinds = (*spiking, *(("trace",) if rows else ()))
        if not kinds:
            raise SelectionRefused(
                f"{view.recording.path}: neither spikes nor traces of the selected cells are there"
            )
    missing = [kind for kind in kinds if kind in OF_SPIKES and not view.populations]
    if missing:
        whose = " of the selected populations" if view.recording.populations else ""
        raise SelectionRefused(f"no spikes{whose} were recorded, as {missing[0]} needs")
    if "trace" in kinds and not rows:
        raise SelectionRefused("no traces of the selected cells were recorded")
    panels = []
    count = len(view.populations)
    tall = _raster_inches(view)
    flat_inches = map_inches(count, DISTRIBUTION_INCHES)
    for kind in dict.fromkeys(sorted(kinds, key=KINDS.index)):
        if kind == "raster":
            panels.append(Panel(lambda axes: draw_raster(axes, view, tall), tall, True, kind))
        elif kind == "rate":
            panels.append(
                Panel(lambda axes: draw_rates(axes, view), map_inches(count, RATE_INCHES), True, kind)
            )
        elif kind == "trace":
            panels += [_trace_panel(view, variable, found) for variable, found in rows.items()]
        elif kind == "isi":
            panels.append(Panel(lambda axes: draw_intervals(axes, view), flat_inches, False, kind))
        else:
            check_spectrum(view)
            panels.append(Panel(lambda axes: draw_spectra(axes, view), flat_inches, False, kind))
    return panels


def _trace_panel(view: View, variable: str, rows: list[Row]) -> Panel:
    inches = max(TRACE_INCHES if len(rows) > 1 else 1.6 * TRACE_INCHES, min(0.25 * len(rows), RASTER_INCHES))
    return Panel(lambda axes: draw_traces(axes, view, variable, rows), inches, True, "trace")


def _raster_inches(view: View) -> float:
    cells = sum(len(cells) for cells in view.populations.values())
    crowd = min(len(view.populations) * CELL_INCHES * 1.5, TALLEST_RASTER)
    return max(min(CELL_INCHES * (cells + 1), RASTER_INCHES), crowd)
