"""What a person sees: progress while a run goes on, and what it did."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from hhsim.model import Model
    from hhsim.running import Progress, Summary

LINE_SECONDS = 10.0  # between two lines of progress where there is no terminal
BAR_WIDTH = 24

PHASES = {"build": "building the network", "compile": "compiling"}


def show_notes(model: Model) -> None:
    """Print what is odd about a network, on stderr."""
    from hhsim.advice import warnings

    _show_notes(warnings(model), err=True)


def _show_notes(texts: Iterable[str], *, err: bool = False) -> None:
    for text in texts:
        lines = _wrap(f"note: {text}", len("note: "), sys.stderr if err else sys.stdout)
        click.echo(click.style("note:", fg="yellow") + lines.removeprefix("note:"), err=err)


def _wrap(text: str, indent: int, stream: TextIO) -> str:
    """`text` broken between words where it goes to a terminal, all lines but the first indented."""
    if not stream.isatty():
        return text
    width = max(shutil.get_terminal_size().columns, indent + 20)
    return textwrap.fill(text, width, subsequent_indent=" " * indent, break_on_hyphens=False)


@contextmanager
def watching(quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A watcher of a run's progress: a bar on a terminal, plain lines elsewhere, nothing if `quiet`."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as watch:
            yield watch
    else:
        yield _lines()


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Display
    from rich.table import Column

    whole = Column(no_wrap=True)
    rest = Column(no_wrap=True, overflow="ellipsis")
    columns = (
        TextColumn("{task.description}", table_column=whole),
        BarColumn(BAR_WIDTH),
        TextColumn("{task.fields[pace]}", table_column=whole),
        TextColumn("{task.fields[rates]}", style="dim", table_column=rest),
    )
    with Display(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("starting", total=None, pace="", rates="")

        def watch(progress: Progress) -> None:
            if progress.phase != "simulate":
                display.update(task, description=PHASES[progress.phase])
                return
            display.update(
                task,
                description=_where(progress),
                total=progress.duration_ms,
                completed=progress.t_ms,
                pace=_pace(progress),
                rates=_rates(progress.rate_hz),
            )

        yield watch


def _lines() -> Callable[[Progress], None]:
    last = time.monotonic()

    def watch(progress: Progress) -> None:
        nonlocal last
        if progress.phase != "simulate" or progress.t_ms >= progress.duration_ms:
            return
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            parts = (_where(progress), _pace(progress), _rates(progress.rate_hz))
            click.echo("  ".join(parts), err=True)

    return watch


def _where(progress: Progress) -> str:
    if progress.duration_ms < 10_000:
        return f"{progress.t_ms:4.0f} of {progress.duration_ms:.0f} ms"
    return f"{progress.t_ms / 1000:.1f} of {progress.duration_ms / 1000:g} s"


def _pace(progress: Progress) -> str:
    """The speed, and how long it will take yet."""
    left = progress.wall_s * (progress.duration_ms / progress.t_ms - 1)
    return f"{_speed(progress.t_ms / 1000, progress.wall_s)}  {_clock(left)} left"


def _speed(biological_s: float, wall_s: float) -> str:
    """Biological time for each second of wall time."""
    return f"{biological_s / max(wall_s, 1e-9):.2g}x real time"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _rates(rates: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {rate:.1f} Hz" for name, rate in rates.items())


def show_summary(summary: Summary) -> None:
    """Print what a run did, on stdout."""
    wall = summary.wall_s
    click.echo(f"{summary.output}: {_count(summary.neurons)} cells, {_count(summary.synapses)} synapses")
    rows = [
        (
            "simulated",
            f"{_time(summary.biological_s)} in {_time(wall['simulate'])}: "
            f"{_speed(summary.biological_s, wall['simulate'])}, "
            f"{summary.ns_per_neuron_step:.1f} ns for each cell and step",
        ),
        (
            "in all",
            f"{wall['total']:.2f} s: startup {wall['startup']:.2f}, build {wall['build']:.2f}, "
            f"compile {wall['compile']:.2f}, write {wall['write']:.2f}",
        ),
    ]
    for name, count in summary.spikes.items():
        suppressed = summary.suppressed_crossings[name]
        extra = f"; {_count(suppressed)} more suppressed as refractory" if suppressed else ""
        rows.append((name, f"{summary.rate_hz[name]:.2f} Hz, {_count(count)} spikes{extra}"))
    threads = "1 thread" if summary.threads == 1 else f"{summary.threads} threads"
    rows += [
        ("with", f"{summary.method}, {summary.precision}, {threads}, seed {summary.seed}"),
        ("memory", f"{summary.peak_rss_bytes / 1e6:,.0f} MB at most"),
    ]
    _show(rows)


def _show(rows: Sequence[tuple[str, str]]) -> None:
    """Print rows of a name and what there is to say of it."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        click.echo(_wrap(f"  {name:{width}}  {text}", width + 4, sys.stdout))


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _time(seconds: float) -> str:
    if 0 < seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"


def show_description(source: str, description: Mapping[str, Any]) -> None:
    """Print what a config describes, on stdout."""
    about = description
    click.echo(f"{source}: {about['title']}" if about["title"] else source)
    click.echo()
    known = "" if about["synapses_known"] else ", and those of the edges files"
    rows = [
        ("network", f"{_count(about['neurons'])} cells, about {_count(about['synapses'])} synapses{known}"),
        (
            "run",
            f"{_time(about['duration_ms'] / 1000)} in {_count(about['steps'])} steps of "
            f"{about['dt_ms']:g} ms, {about['method']}, {about['precision']}, seed {about['seed']}",
        ),
    ]
    for name, population in about["populations"].items():
        states = ", ".join(
            f"{state} ({unit})" if unit != "1" else state for state, unit in population["states"].items()
        )
        rows.append((name, f"{_count(population['size'])} cells of type {population['cell']}: {states}"))
    for projection in about["projections"]:
        count = projection["synapses"]
        synapses = "the synapses of a file" if count is None else f"about {_count(count)} synapses"
        targets = " and ".join(projection["target"])
        joins = f"{projection['source']} to {targets}, {projection['receptor']}"
        rows.append(("projection", f"{joins}: {synapses}"))
    if about["inputs"]:
        rows.append(("inputs", str(about["inputs"])))
    rows.append(("records", ", ".join(_recorded(about)) or "nothing"))
    _show(rows)
    _show_notes(about["warnings"])


def _recorded(about: Mapping[str, Any]) -> Iterator[str]:
    if about["record_spikes"]:
        yield f"the spikes of {' and '.join(about['record_spikes'])}"
    for trace in about["traces"]:
        cells = "1 cell" if trace["nodes"] == 1 else f"{_count(trace['nodes'])} cells"
        yield f"{trace['variable']} of {cells} of {trace['population']} ({_count(trace['frames'])} frames)"
