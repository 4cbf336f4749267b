"""What a person sees: progress while a run goes on, and what it did."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hhsim.model import Model
    from hhsim.running import Progress, Summary

LINE_SECONDS = 10.0  # between two lines of progress where there is no terminal


def show_warnings(model: Model) -> None:
    """Print what is odd about a network, on stderr."""
    from hhsim.advice import warnings

    for text in warnings(model):
        click.echo(click.style("note: ", fg="yellow") + text, err=True)


@contextmanager
def watching(model: Model, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A watcher of a run's progress: a bar on a terminal, plain lines elsewhere, nothing if `quiet`."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar(model) as watch:
            yield watch
    else:
        yield _lines()


def _rates(rates: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {rate:.1f} Hz" for name, rate in rates.items())


def _speed(progress: Progress) -> str:
    """Biological time for each second of wall time."""
    return f"{progress.t_ms / 1000 / max(progress.wall_s, 1e-9):.3g}x real time"


@contextmanager
def _bar(model: Model) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (
        TextColumn("{task.fields[time]}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:3.0f} %  {task.fields[speed]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[rates]}", style="dim"),
    )
    duration = model.run.steps * model.run.dt
    with Display(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("", total=duration, time="preparing", speed="", rates="")

        def watch(progress: Progress) -> None:
            display.update(
                task,
                completed=progress.t_ms,
                time=f"{progress.t_ms:.0f} of {duration:.0f} ms",
                speed=_speed(progress),
                rates=_rates(progress.rate_hz),
            )

        yield watch


def _lines() -> Callable[[Progress], None]:
    last = time.monotonic()

    def watch(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last < LINE_SECONDS:
            return
        last = time.monotonic()
        left = progress.wall_s * (progress.duration_ms / progress.t_ms - 1)
        click.echo(
            f"{progress.t_ms:.0f} of {progress.duration_ms:.0f} ms  {_speed(progress)}  "
            f"{left:.0f} s left  {_rates(progress.rate_hz)}",
            err=True,
        )

    return watch


def show_summary(summary: Summary) -> None:
    """Print what a run did, on stdout."""
    wall = summary.wall_s
    faster = 1 / summary.realtime_factor if summary.realtime_factor else 0.0
    click.echo(f"{summary.config}: {_count(summary.neurons)} neurons, {_count(summary.synapses)} synapses")
    click.echo(
        f"  simulated  {summary.biological_s:g} s in {wall['simulate']:.2f} s "
        f"({faster:.3g}x real time, {summary.ns_per_neuron_step:.1f} ns a neuron and step)"
    )
    click.echo(
        f"  waited     {wall['total']:.2f} s in all: startup {wall['startup']:.2f}, build {wall['build']:.2f}, "
        f"compile {wall['compile']:.2f}, write {wall['write']:.2f}"
    )
    width = max(map(len, summary.spikes))
    for name, count in summary.spikes.items():
        suppressed = summary.suppressed_crossings[name]
        extra = f"; {_count(suppressed)} crossings within the refractory time" if suppressed else ""
        click.echo(f"  {name:{width}}  {_count(count)} spikes, {summary.rate_hz[name]:.2f} Hz{extra}")
    click.echo(
        f"  {summary.method}, {summary.precision}, {summary.threads} threads, seed {summary.seed}, "
        f"memory {summary.peak_rss_bytes / 1e6:.0f} MB"
    )
    click.echo(f"  written to {summary.output}")


def _count(number: float) -> str:
    return f"{number:,.0f}"


def show_description(source: str, description: Mapping[str, Any]) -> None:
    """Print what a config amounts to, on stdout."""
    about = description
    known = "" if about["synapses_known"] else " and those of the edge files"
    click.echo(f"{source}: {about['title']}" if about["title"] else source)
    click.echo(
        f"  {_count(about['neurons'])} neurons, about {_count(about['synapses'])} synapses{known}\n"
        f"  {about['duration_ms']:g} ms in {_count(about['steps'])} steps of {about['dt_ms']:g} ms, "
        f"{about['method']}, {about['precision']}, seed {about['seed']}"
    )
    for name, population in about["populations"].items():
        states = ", ".join(f"{state} [{unit}]" for state, unit in _states(population["states"]))
        click.echo(f"  population {name}: {_count(population['size'])} cells {population['cell']!r}: {states}")
    for projection in about["projections"]:
        count = projection["synapses"]
        synapses = "synapses from a file" if count is None else f"about {_count(count)} synapses"
        targets = ", ".join(projection["target"])
        click.echo(f"  {projection['source']} to {targets}: {synapses} on {projection['receptor']!r}")
    for trace in about["traces"]:
        first, last = trace["nodes"]
        click.echo(
            f"  records {trace['variable']} of {trace['population']} {first}..{last - 1} every {trace['every_ms']:g} ms"
        )
    for text in about["warnings"]:
        click.echo(click.style("note: ", fg="yellow") + text)


def _states(states: Any) -> Iterator[tuple[str, str]]:
    return iter(states.items()) if isinstance(states, Mapping) else iter(states)
