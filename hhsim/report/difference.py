"""In what two recordings differ, and how far they drift apart."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from hhsim.report.words import number, show_rows, show_texts, wrap

if TYPE_CHECKING:
    from hhsim.comparing import Comparison, Drift, Entry, FirstSpike, PopulationComparison, TraceComparison

MOST_KEYS = 20  # of two configs, that are shown
MOST_LETTERS = 28  # of a value in a config
HEADER = ("time (ms)", "in both", "only A", "only B", "median shift", "max shift", "far")


def show_difference(told: Comparison) -> None:
    """Print a comparison on stdout."""
    click.echo(f"A  {told.a}")
    click.echo(f"B  {told.b}")
    click.echo()
    click.echo(
        click.style(wrap(_verdict(told), 2, sys.stdout), fg="green" if told.equal else "red", bold=True)
    )
    click.echo()
    rows = [("compared", f"{told.start_ms:g} to {told.stop_ms:g} ms")]
    for side, things in (("A", told.only_a), ("B", told.only_b)):
        rows += [(f"only in {side}", what) for what in things]
    for name, population in told.spikes.items():
        rows += _labelled(name, _population(population, told.reach_ms))
    for trace in told.traces:
        rows += _labelled(f"{trace.variable} of {trace.population}", _trace(trace))
    show_rows(rows)
    if told.first_spike is not None:
        click.echo()
        _show_windows(told.windows)
        click.echo()
        show_rows(
            [
                ("shift", "from each spike to the nearest of its cell in the other recording"),
                ("far", f"spikes without such a one within {told.reach_ms:g} ms"),
            ]
        )
    _show_entries("Their configs differ:", told.config)
    _show_entries("They were made on, or with, something different:", told.origins)


def show_verified(told: Comparison) -> None:
    """Print what became of a recording that was run again, on stdout."""
    show_difference(told)
    if told.equal:
        return
    keys = [entry.key for entry in told.origins if entry.key not in ("threads", "machine.node")]
    click.echo()
    if keys:
        text = f"{' and '.join(keys)} are not the same: then the same bits are not promised"
    else:
        text = "versions and machine are the same: the bits ought to be, too; please report this"
    show_texts([text])


def _verdict(told: Comparison) -> str:
    if told.equal:
        return f"equal: {_what_was_compared(told)}"
    spike, trace = told.first_spike, told.first_value
    if spike is not None and (trace is None or trace.first is None or spike.t_ms <= trace.first.t_ms):
        return f"differ from {spike.t_ms:.10g} ms on: {_spike(spike)}"
    if trace is not None and trace.first is not None:
        what = f"{trace.variable} of {trace.population}"
        return f"differ from {trace.first.t_ms:.10g} ms on: {what}, {_value(trace)}"
    for name, population in told.spikes.items():
        if population.cells_a != population.cells_b:
            sizes = f"{number(population.cells_a)} cells in A, {number(population.cells_b)} in B"
            return f"differ: {name} has {sizes}"
    if not told.same_end:
        first, last = ("A", "B") if told.end_a_ms < told.end_b_ms else ("B", "A")
        low, high = sorted((told.end_a_ms, told.end_b_ms))
        return f"equal as far as both go: {first} ends at {low:.10g} ms, {last} at {high:.10g} ms"
    return "equal in all that both hold, but one holds more"


def _what_was_compared(told: Comparison) -> str:
    spikes = sum(population.whole.both for population in told.spikes.values())
    parts = [f"{number(spikes)} spikes"] if told.spikes else []
    if told.traces:
        parts.append("1 trace" if len(told.traces) == 1 else f"{len(told.traces)} traces")
    return " and ".join(parts) or "nothing was recorded"


def _labelled(label: str, texts: Iterator[str]) -> Iterator[tuple[str, str]]:
    for i, text in enumerate(texts):
        yield (label if i == 0 else "", text)


def _population(told: PopulationComparison, reach_ms: float) -> Iterator[str]:
    whole = told.whole
    if told.cells_a != told.cells_b:
        yield f"{number(told.cells_a)} cells in A, {number(told.cells_b)} in B"
    if told.first is None:
        yield f"{number(whole.both)} spikes, the same in both"
        return
    yield (
        f"{number(whole.both + whole.only_a)} spikes in A, {number(whole.both + whole.only_b)} in B; "
        f"{number(whole.both)} in both"
    )
    yield f"part at {told.first.t_ms:.10g} ms: {_spike(told.first)}"
    if whole.median_shift_ms is None:
        yield f"no spike has one of its cell in the other within {reach_ms:g} ms"
    else:
        far = f"; {number(whole.unmatched)} are far" if whole.unmatched else ""
        yield f"shifted by {whole.median_shift_ms:g} ms (median), at most {whole.max_shift_ms:g} ms{far}"


def _spike(first: FirstSpike) -> str:
    return f"cell {first.node} of {first.population} spikes in {first.only_in} alone"


def _trace(told: TraceComparison) -> Iterator[str]:
    cells = "1 cell" if told.cells == 1 else f"{number(told.cells)} cells"
    extent = f"{'1 frame' if told.frames == 1 else number(told.frames) + ' frames'} of {cells}"
    values = told.frames * told.cells
    if told.first is None and not told.largest:
        yield f"{extent}, the same in both" if values else "no cell and time in common"
        return
    if told.first is None:
        yield f"{extent}, within the tolerance"
    else:
        yield f"{number(told.differing)} of {number(values)} values differ"
        yield f"from {told.first.t_ms:.10g} ms on: {_value(told)}"
    if told.not_finite:
        yield f"{number(told.not_finite)} values are no finite number in one of the two"
    if told.largest is not None:
        at = f"at {told.largest_t_ms:.10g} ms in cell {told.largest_node}"
        yield f"at most {told.largest:.3g}{_unit(told)} apart, {at}; rms {told.rms:.3g}{_unit(told)}"
        tenths = ", ".join("–" if window.rms is None else f"{window.rms:.2g}" for window in told.windows)
        yield f"rms by tenths of the time: {tenths}"


def _value(told: TraceComparison) -> str:
    assert told.first is not None
    a, b = ("no number" if value is None else f"{value:.9g}" for value in (told.first.a, told.first.b))
    return f"cell {told.first.node} has {a} in A, {b}{_unit(told)} in B"


def _unit(told: TraceComparison) -> str:
    return "" if told.unit == "1" else f" {told.unit}"


def _show_windows(windows: Sequence[Drift]) -> None:
    table: list[tuple[str, ...]] = [HEADER]
    for window in windows:
        counts = (window.both, window.only_a, window.only_b)
        shifts = (window.median_shift_ms, window.max_shift_ms)
        table.append(
            (
                f"{window.start_ms:.6g} – {window.stop_ms:.6g}",
                *(number(count) for count in counts),
                *("–" if shift is None else f"{shift:.4g} ms" for shift in shifts),
                number(window.unmatched),
            )
        )
    widths = [max(len(row[i]) for row in table) for i in range(len(HEADER))]
    for i, row in enumerate(table):
        line = "  " + "  ".join(f"{text:>{width}}" for text, width in zip(row, widths, strict=True))
        click.echo(click.style(line, bold=i == 0))


def _show_entries(title: str, entries: Sequence[Entry]) -> None:
    if not entries:
        return
    click.echo()
    click.echo(title)
    rows = [(entry.key, f"{_short(entry.a)} in A, {_short(entry.b)} in B") for entry in entries[:MOST_KEYS]]
    show_rows(rows)
    if len(entries) > MOST_KEYS:
        click.echo(f"  and {len(entries) - MOST_KEYS} more, which --json prints")


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"
