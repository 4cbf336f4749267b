"""How fast a network runs: a table by threads, where the time goes, and what the machine could do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from hhsim.report.words import number, seconds, shares, show_rows, show_texts

if TYPE_CHECKING:
    from hhsim.bench import Bench, Comparison, Series
    from hhsim.bench.baseline import Pair
    from hhsim.bench.results import Row

PHASES = ("update", "delivery", "reception", "detection", "waiting", "recording")
OF_PEAK = ["of peak"]  # of the processor
MEANINGS = (
    ("update", "the equations of the cells"),
    ("delivery", "spikes and inputs on their way to their targets, and samples of traces"),
    ("reception", "adding what has arrived to the conductances of each cell"),
    ("detection", "finding out which cells fired"),
    ("waiting", "threads for each other, once a step or once a least delay"),
    ("recording", "all between chunks of steps: collecting, and writing the file"),
)


def show_bench(told: Bench) -> None:
    """Print all measurements on stdout."""
    where = told.machine["processor"] if told.peaks else told.device
    click.echo(f"{told.title or told.source}: {where}, {_processors(told.processors)}")
    for series in told.series:
        click.echo()
        _show_series(told, series)
    click.echo()
    if len(told.series) > 1:
        _show_growth(told)
        click.echo()
    if any(series.rows[0].phases for series in told.series):
        show_rows(MEANINGS)
    most = max(row.threads for series in told.series for row in series.rows)
    if most > told.processors:
        click.echo()
        at_hand = "the only processor" if told.processors == 1 else f"the {told.processors} processors"
        show_texts([f"rows marked * have more threads than there are processors: they share {at_hand}"])


def _show_series(told: Bench, series: Series) -> None:
    size = f"{number(series.neurons)} cells, {number(series.synapses)} synapses, {series.precision}"
    click.echo(click.style(f"{size}, {seconds(series.biological_s)}", bold=True))
    repeats = len(series.rows[0].seconds)
    marks = {row.threads: "*" if row.threads > told.processors else " " for row in series.rows}
    head = ["threads", "s per s", "least .. most", "speed-up", "efficiency", "ns/step", "events/s"]
    lines = [
        [
            f"{row.threads}{marks[row.threads]}",
            _figure(row.median),
            f"{_figure(min(row.seconds))} .. {_figure(max(row.seconds))}",
            f"{series.speedup(row):.2f}",
            f"{series.speedup(row) / row.threads:.0%}",
            _figure(series.ns_per_neuron_step(row)),
            _rate(series.events_per_s(row)),
            *_of_peak(told, series, row),
        ]
        for row in series.rows
    ]
    _show_table(head + OF_PEAK[: len(lines[0]) - len(head)], lines)
    if series.rows[0].phases:
        click.echo()
        _show_table(
            ["threads", *PHASES, "ns/event"],
            [
                [
                    f"{row.threads}{marks[row.threads]}",
                    *(_figure(row.phases[phase] * row.median) for phase in PHASES),
                    _figure(series.ns_per_event(row)) if series.events else "-",
                ]
                for row in series.rows
            ],
        )
    click.echo()
    same = series.same_spikes
    spikes = "the same in every run" if same else click.style("NOT the same in every run", fg="red")
    show_rows(
        [
            ("s per s", f"wall time for a biological second, recording included: median of {repeats} runs"),
            ("spikes", f"{spikes}: {number(series.spikes)}, which reached {number(series.events)} synapses"),
            ("cost", f"{series.cost.flops:.0f} flops and {series.cost.bytes:.0f} bytes for a cell and step"),
        ]
        + ([("peak", _peaks(told, series)), ("bound", _bound(told, series))] if told.peaks else [])
        + (
            [
                ("phases", _about_phases(series)),
                ("ns/event", "time of one processor in delivery, for each synapse that a spike reached"),
            ]
            if series.rows[0].phases
            else []
        )
    )


def _show_growth(told: Bench) -> None:
    """The fastest row of each network beside those of the others."""
    click.echo(click.style("at their fastest", bold=True))
    best = [(series, min(series.rows, key=lambda row: row.median)) for series in told.series]
    _show_table(
        ["cells", "precision", "threads", "s per s", "ns/step", "events/s"] + (OF_PEAK if told.peaks else []),
        [
            [
                number(series.neurons),
                series.precision,
                str(row.threads),
                _figure(row.median),
                _figure(series.ns_per_neuron_step(row)),
                _rate(series.events_per_s(row)),
                *_of_peak(told, series, row),
            ]
            for series, row in best
        ],
    )


def _of_peak(told: Bench, series: Series, row: Row) -> list[str]:
    """The share of the processor's peak; none where another device computed."""
    return [f"{told.share_of_peak(series, row):.0%}"] if told.peaks else []


def _bound(told: Bench, series: Series) -> str:
    """The lower of the two roofs over the cells, and why."""
    state = f"the state, {series.cost.state_bytes / 1e6:,.1f} MB,"
    if series.cost.state_bytes <= told.cache_bytes:
        return f"{told.bound(series)}: {state} stays within the caches"
    if told.bound(series) == "memory":
        return f"memory: {state} is beyond the caches, and its bytes take longer than its flops"
    return f"arithmetic: {state} is beyond the caches, but its flops take longer than its bytes"


def _peaks(told: Bench, series: Series) -> str:
    """What the machine reaches, with one thread and with the most that were measured."""
    found = [peak for peak in told.peaks if peak.precision == series.precision]
    ends = found[:1] + found[1:][-1:]
    return ", ".join(
        f"{peak.flops / 1e9:,.0f} Gflop/s and {peak.bandwidth / 1e9:,.0f} GB/s with {shares(1, peak.threads)}"
        for peak in ends
    )


def _about_phases(series: Series) -> str:
    told = _figure(series.rows[0].timed_seconds)
    return f"shares of a run with clocks in its loop ({told} s per s with 1 thread), times the median"


def show_comparison(told: Comparison) -> None:
    """Print how measurements differ from those of a file, on stdout."""
    click.echo()
    old = told.baseline
    click.echo(click.style(f"against {old.path} of {old.date}, hhsim {old.version}", bold=True))
    head = ["threads", "cells", "precision", "then", "now", "ratio", ""]
    _show_table(
        head,
        [
            [
                f"{pair.threads} ",
                number(pair.neurons),
                pair.precision,
                _spread(pair.before),
                _spread(pair.after),
                f"{pair.ratio:.2f}",
                _verdict(told, pair),
            ]
            for pair in told.pairs
        ],
    )
    notes = []
    if any(told.slower(pair) and pair.overlap for pair in told.pairs):
        notes.append("slower?: the ranges overlap, so that it may be noise; more --repeats would tell")
    if not told.same_machine:
        notes.append(f"another machine: {old.processor}")
    if not all(pair.same_spikes for pair in told.pairs):
        notes.append("the spikes are others than then: another version or another machine rounds differently")
    show_texts(notes)


def _verdict(told: Comparison, pair: Pair) -> str:
    if not told.slower(pair):
        return ""
    return "slower?" if pair.overlap else "slower"


def _spread(values: Sequence[float]) -> str:
    import statistics

    return f"{_figure(statistics.median(values))} ({_figure(min(values))} .. {_figure(max(values))})"


def _show_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    for line in [head, *lines]:
        text = "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        click.echo(f"  {click.style(text, dim=True) if line is head else text}")


def _figure(value: float) -> str:
    """Three digits or more, and no exponent."""
    decimals = 3 if value < 9.995 else 2 if value < 99.95 else 0
    return f"{value:,.{decimals}f}"


def _rate(value: float) -> str:
    """Events a second, with three digits and a prefix."""
    for power, prefix in ((9, "G"), (6, "M"), (3, "k")):
        if value >= 0.9995 * 10**power:
            return f"{value / 10**power:.3g} {prefix}"
    return number(value)


def _processors(count: int) -> str:
    return "1 processor" if count == 1 else f"{count} processors"
