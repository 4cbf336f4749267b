"""Progress while a run goes on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from hhsim.report.words import clock, speed

if TYPE_CHECKING:
    from hhsim.running import Progress

LINE_SECONDS = 10.0  # between two lines of progress where there is no terminal
BAR_WIDTH = 24

PHASES = {"build": "building the network", "compile": "compiling"}


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
    done = progress.t_ms - progress.from_ms
    left = progress.wall_s * (progress.duration_ms - progress.t_ms) / done
    return f"{speed(done / 1000, progress.wall_s)}  {clock(left)} left"


def _rates(rates: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {rate:.1f} Hz" for name, rate in rates.items())
