"""How the populations of a recording fire: a row for each number, a column for each population."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from hhsim.report.words import number, show_rows

if TYPE_CHECKING:
    from hhsim.analysis import PopulationStatistics, RecordingStatistics

UNDEFINED = "–"
GAP = 2  # spaces between columns
PLAIN_WIDTH = 80  # columns, where there is no terminal

Row = tuple[str, list[str]]  # a label, and a cell for each population


def show_statistics(told: RecordingStatistics) -> None:
    """Print the statistics of a recording on stdout."""
    end = "" if told.complete or told.foreign else " (the run goes on, or was cut off)"
    click.echo(f"{told.recording}: {told.start_ms:g} to {told.stop_ms:g} ms{end}")
    if all(one.spikes is None for one in told.populations.values()):
        click.echo("  no spikes were recorded")
        return
    names = list(told.populations)
    rows = _rows(told.least_intervals, list(told.populations.values()))
    margin = 2 + max(len(label) for label, _ in rows)
    widths = [GAP + max(len(name), *(len(cells[i]) for _, cells in rows)) for i, name in enumerate(names)]
    for columns in _blocks(widths, margin):
        click.echo()
        click.echo(click.style(_line("", names, columns, widths, margin), bold=True))
        for label, cells in rows:
            line = _line(label, cells, columns, widths, margin)
            click.echo(click.style(line, dim=True) if label.startswith(" ") else line)
    click.echo()
    undefined = any(UNDEFINED in cells for _, cells in rows)
    show_rows(_definitions(told) + [(UNDEFINED, "too little to tell it from")] * undefined)


def _rows(least_intervals: int, told: Sequence[PopulationStatistics]) -> list[Row]:
    return [
        ("cells", [number(one.cells) for one in told]),
        ("spikes", [_whole(one.spikes) for one in told]),
        ("mean rate (Hz)", [_figure(one.rate_hz) for one in told]),
        ("  sd over cells", [_figure(one.rate_sd_hz) for one in told]),
        ("  quartiles", [_quartiles(one) for one in told]),
        ("  median", [_figure(one.rate_quartiles_hz and one.rate_quartiles_hz[1]) for one in told]),
        ("  highest", [_figure(one.rate_max_hz) for one in told]),
        ("silent cells", [_percent(one.silent_fraction) for one in told]),
        ("CV of intervals", [_figure(one.cv) for one in told]),
        ("LV of intervals", [_figure(one.lv) for one in told]),
        (f"  cells with {least_intervals} or more", [_whole(one.interval_cells) for one in told]),
        ("Fano factor", [_figure(one.fano) for one in told]),
        ("  cells that fire", [_whole(one.fano_cells) for one in told]),
        ("synchrony χ", [_figure(one.chi) for one in told]),
        ("  if independent", [_figure(one.chi_independent) for one in told]),
        ("correlation", [_figure(one.correlation) for one in told]),
        ("  sd over pairs", [_figure(one.correlation_sd) for one in told]),
        ("  pairs", [_whole(one.correlation_pairs) for one in told]),
        ("spectrum peak (Hz)", [_peak(one) for one in told]),
        ("  over the median", [_over_median(one) for one in told]),
        ("  resolution (Hz)", [_figure(one.spectrum_resolution_hz) for one in told]),
    ]


def _definitions(told: RecordingStatistics) -> list[tuple[str, str]]:
    bin_ = f"{told.bin_ms:g} ms"
    return [
        ("CV", "sd over mean of a cell's intervals; Poisson 1, clock 0"),
        ("LV", "of neighbouring intervals alone; Poisson 1, clock 0"),
        ("Fano factor", f"variance over mean of a cell's counts in {told.window_ms:g} ms; Poisson 1"),
        ("synchrony χ", f"sd of the mean count over that of single cells, in {bin_}"),
        ("correlation", f"Pearson's, of counts in {bin_}, in a fixed random sample"),
        ("spectrum peak", f"of the mean rate in {told.spectrum_bin_ms:g} ms; none if chance explains it"),
    ]


def _blocks(widths: Sequence[int], margin: int) -> Iterator[list[int]]:
    """The columns that fit beside each other, at least one at a time."""
    screen = shutil.get_terminal_size().columns if sys.stdout.isatty() else PLAIN_WIDTH
    block: list[int] = []
    for column, width in enumerate(widths):
        if block and margin + sum(widths[i] for i in block) + width > screen:
            yield block
            block = []
        block.append(column)
    yield block


def _line(
    label: str, cells: Sequence[str], columns: Sequence[int], widths: Sequence[int], margin: int
) -> str:
    return f"{'  ' + label:{margin}}" + "".join(f"{cells[i]:>{widths[i]}}" for i in columns)


def _whole(value: int | None) -> str:
    return UNDEFINED if value is None else number(value)


def _percent(value: float | None) -> str:
    return UNDEFINED if value is None else f"{100 * value:.1f} %"


def _quartiles(told: PopulationStatistics) -> str:
    if told.rate_quartiles_hz is None:
        return UNDEFINED
    lower, _, upper = told.rate_quartiles_hz
    return f"{_figure(lower)} to {_figure(upper)}"


def _peak(told: PopulationStatistics) -> str:
    return "none" if _flat(told) else _figure(told.peak_hz)


def _over_median(told: PopulationStatistics) -> str:
    return "" if _flat(told) else _figure(told.peak_over_median)


def _flat(told: PopulationStatistics) -> bool:
    """Is there a spectrum, but nothing that stands out of it?"""
    return told.spectrum_resolution_hz is not None and told.peak_hz is None


def _figure(value: float | None) -> str:
    """A number with three significant digits, and no exponent."""
    if value is None:
        return UNDEFINED
    if abs(value) < 1e-6:
        return "0"
    rounded = float(f"{value:.3g}")
    decimals = min(max(2 - math.floor(math.log10(abs(rounded))), 0), 6)
    return f"{value:,.{decimals}f}"
