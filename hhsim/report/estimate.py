"""What a run would take, as a short table: memory, disk and time, and what they consist of."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from hhsim.report.words import compared, number, seconds, shares, size, two_digits, wrap

if TYPE_CHECKING:
    from hhsim.simulation.estimate import Estimate

LABELS = 12  # columns

Row = tuple[str, str, str]  # what, how much, and what there is to say of it


def show_estimate(estimate: Estimate) -> None:
    """Print what a run would take, on stdout."""
    about = "" if estimate.synapses_exact else "about "
    click.echo(
        f"{estimate.config}: {number(estimate.neurons)} cells, {about}{number(estimate.synapses)} synapses, "
        f"{seconds(estimate.biological_s)} in {number(estimate.steps)} steps"
    )
    click.echo()
    labels = max(LABELS, *(len(name) + 6 for name in estimate.spikes))
    for label, value, remark in (*_memory(estimate), *_disk(estimate), *_time(estimate)):
        line = f"  {label:{labels}}{value:>9}   {remark}".rstrip()
        click.echo(click.style(line, dim=True) if label.startswith(" ") else line)
    click.echo()
    click.echo(wrap(f"  {_grounds(estimate)}", 2, sys.stdout))


def _memory(estimate: Estimate) -> Iterator[Row]:
    told = estimate.memory_bytes
    each = "" if estimate.ranks == 1 else " in each rank"
    yield "memory", size(told["total"]), f"at most{each}; {size(told['available'])} are free"
    yield "  state", size(told["state"]), ""
    yield "  network", size(told["network"]), ""
    yield "  buffers", size(told["buffers"]), ""
    yield "  overhead", size(told["overhead"]), ""


def _disk(estimate: Estimate) -> Iterator[Row]:
    told = estimate.disk_bytes
    yield "disk", size(told["total"]), f"{size(told['free'])} are free"
    yield "  traces", size(told["traces"]), ""
    yield "  spikes", size(told["spikes"]), ""
    for name, count in estimate.spikes.items():
        yield f"    {name}", number(count), f"{estimate.rate_hz[name]:.2f} Hz"


def _time(estimate: Estimate) -> Iterator[Row]:
    told = estimate.wall_s
    yield "time", seconds(told["total"]), ""
    for name in ("startup", "build", "compile"):
        yield f"  {name}", seconds(told[name]), ""
    factor = estimate.realtime_factor
    pace = f"{compared(factor)}, {two_digits(factor)} s per biological s"
    yield "  simulate", seconds(told["simulate"]), pace
    yield "    step", f"{estimate.ns_per_neuron_step:,.1f} ns", "for each cell"
    yield "  write", seconds(told["write"]), ""


def _grounds(estimate: Estimate) -> str:
    """What the guesses come from."""
    tried = estimate.probe
    threads = shares(estimate.ranks, estimate.threads)
    if tried.cells < estimate.neurons:
        what = (
            f"{number(tried.cells)} of the {number(estimate.neurons)} cells, "
            "each with as many synapses on average"
        )
    else:
        what = "the network itself"
    if tried.steps == estimate.steps:
        when, rates = "the whole time of", ""
    else:
        when = f"the first {tried.biological_ms:g} ms of"
        seen = ", ".join(f"{name} {rate:.1f} Hz" for name, rate in tried.rate_hz.items())
        rates = f"; what comes later is taken to be as in the second half of them ({seen})"
    return f"Time and spikes are judged from {when} {what}, tried with {threads}{rates}. Nothing was written."
