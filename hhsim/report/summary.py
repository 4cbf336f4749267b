"""What a run did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from hhsim.report.words import number, pace, seconds, shares, show_rows

if TYPE_CHECKING:
    from hhsim.recording import Recovered
    from hhsim.simulation.summary import Summary


def show_summary(summary: Summary) -> None:
    """Print what a run did, on stdout."""
    click.echo(f"{summary.output}: {number(summary.neurons)} cells, {number(summary.synapses)} synapses")
    rows = list(_times(summary))
    for name, count in summary.spikes.items():
        suppressed = summary.suppressed_crossings[name]
        extra = f"; {number(suppressed)} more suppressed as refractory" if suppressed else ""
        rows.append((name, f"{summary.rate_hz[name]:.2f} Hz, {number(count)} spikes{extra}"))
    threads = shares(summary.ranks, summary.threads)
    each = "" if summary.ranks == 1 else " in each rank"
    rows += [
        ("with", f"{summary.method}, {summary.precision}, {threads}, seed {summary.seed}"),
        ("memory", f"{summary.peak_rss_bytes / 1e6:,.0f} MB at most{each}"),
    ]
    show_rows(rows)


def _times(summary: Summary) -> Iterator[tuple[str, str]]:
    """What was simulated, now and before, and how long this call took."""
    wall, factor, each = summary.wall_s, summary.realtime_factor, summary.ns_per_neuron_step
    whole = seconds(summary.biological_s)
    if factor is None or each is None:
        yield "all is done", f"{whole}, simulated before; nothing was left to do"
        yield "this time", f"{wall['total']:.2f} s"
        return
    resumed = summary.resumed_at_ms is not None
    since = f" (from {summary.resumed_at_ms:g} ms on)" if resumed else ""
    yield (
        "simulated",
        f"{seconds(summary.simulated_s)}{since} in {seconds(wall['simulate'])}, "
        f"{each:,.1f} ns for each cell and step",
    )
    yield "speed", pace(factor)
    if resumed:
        yield "so far", f"{whole}, to which spikes and rates belong"
    yield (
        "this time" if resumed else "in all",
        f"{wall['total']:.2f} s: startup {wall['startup']:.2f}, build {wall['build']:.2f}, "
        f"compile {wall['compile']:.2f}, write {wall['write']:.2f}",
    )


def show_recovered(found: Recovered) -> None:
    """Print what was found of a recording whose writer was killed, and what was done, on stdout."""
    what = "; ".join(f"{number(count)} spikes of {name}" for name, count in found.spikes.items())
    state = "complete" if found.complete else f"up to {found.stopped_at_ms:g} ms"
    click.echo(f"{found.path}: whole, {state}{f'; {what}' if what else ''}")
    for path in found.finished:
        click.echo(f"  {path}: the flush that was under way was finished")
