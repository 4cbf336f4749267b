"""Progress while a run goes on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import TYPE_CHECKING

import click

from hhsim.report.live import BAR_WIDTH, Beat, display, listener, stderr_console
from hhsim.report.words import clock, compared

if TYPE_CHECKING:
    from hhsim.simulation.summary import Progress

LEAST_BAR = 8  # columns, below which a bar tells nothing
MOST_RATES = 4  # populations whose rates are told

PHASES = {"build": "building the network", "load": "loading the compiled code", "compile": "compiling"}


def watching(quiet: bool) -> AbstractContextManager[Callable[[Progress], None] | None]:
    """A watcher of a run's progress: a bar on a terminal, plain lines elsewhere, nothing if `quiet`."""
    return listener(quiet, _bar, _lines)


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.progress import ProgressColumn, Task
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    console = stderr_console()

    class Line(ProgressColumn):
        """All that fits beside each other: how far and how long yet before anything else."""

        def render(self, task: Task) -> Table:
            texts = (task.description, task.fields["left"], task.fields["pace"], task.fields["rates"])
            pace, bar, rates = fitting(console.width, *map(len, texts))
            line = Table.grid(padding=(0, 2, 0, 0))
            cells: list[ProgressBar | Text] = [Text(texts[0], no_wrap=True)]
            if bar:
                total = None if task.total is None else max(task.total, 1e-9)
                cells.append(ProgressBar(total, task.completed, bar, pulse=total is None))
            cells += [Text(text, no_wrap=True) for text in texts[1 : 3 if pace else 2] if text]
            if rates:
                cells.append(Text(texts[3], style="dim", no_wrap=True, overflow="ellipsis"))
            line.add_row(*cells)
            return line

    with display(console, Line()) as shown:
        task = shown.add_task("starting", total=None, left="", pace="", rates="")

        def watch(progress: Progress) -> None:
            if progress.phase != "simulate":
                shown.update(task, description=progress.what or PHASES[progress.phase])
                return
            shown.update(
                task,
                description=_where(progress),
                total=progress.duration_ms,
                completed=progress.t_ms,
                left=_left(progress),
                pace=_pace(progress),
                rates=_rates(progress.rate_hz),
            )

        yield watch


def fitting(width: int, where: int, left: int, pace: int, rates: int) -> tuple[bool, int, bool]:
    """Whether the pace, how many columns of a bar, and whether the rates have room in a line of `width`.

    The others are lengths of texts, with two spaces between. How far and how long yet always come first; the
    rates may be cut off at the end of the line.
    """
    room = width - where - (left + 2 if left else 0) - 1
    shows_pace = bool(pace) and pace + 2 <= room
    room -= pace + 2 if shows_pace else 0
    bar = min(BAR_WIDTH, room - 2)
    bar = bar if bar >= LEAST_BAR else 0
    room -= bar + 2 if bar else 0
    return shows_pace, bar, rates > 0 and room > 2 + LEAST_BAR


def _lines() -> Callable[[Progress], None]:
    beat = Beat()
    told: set[str] = set()

    def watch(progress: Progress) -> None:
        if progress.phase not in told:
            told.add(progress.phase)
            if progress.phase == "compile":
                click.echo("compiling (only the first time: the code is kept)", err=True)
            elif progress.phase == "simulate":
                click.echo(f"simulating {_span(progress)}", err=True)
                beat.restart()
        if progress.phase != "simulate" or progress.t_ms >= progress.duration_ms:
            return
        if progress.t_ms > progress.from_ms and beat.due():
            parts = (_where(progress), _left(progress), _pace(progress), _rates(progress.rate_hz))
            click.echo("  ".join(part for part in parts if part), err=True)

    return watch


def _span(progress: Progress) -> str:
    end = (
        f"{progress.duration_ms:g} ms"
        if progress.duration_ms < 10_000
        else f"{progress.duration_ms / 1000:g} s"
    )
    return f"from {progress.from_ms:g} ms to {end}" if progress.from_ms else end


def _where(progress: Progress) -> str:
    if progress.duration_ms < 10_000:
        return f"{progress.t_ms:4.0f} of {progress.duration_ms:.0f} ms"
    return f"{progress.t_ms / 1000:.1f} of {progress.duration_ms / 1000:g} s"


def _pace(progress: Progress) -> str:
    done = progress.t_ms - progress.from_ms
    return compared(progress.wall_s * 1000 / done) if done > 0 else ""


def _left(progress: Progress) -> str:
    """How long it will take yet, at the pace so far."""
    done = progress.t_ms - progress.from_ms
    if done <= 0:
        return ""
    return f"{clock(progress.wall_s * (progress.duration_ms - progress.t_ms) / done)} left"


def _rates(rates: Mapping[str, float]) -> str:
    parts = [f"{name} {rate:.1f} Hz" for name, rate in islice(rates.items(), MOST_RATES)]
    return "  ".join([*parts, f"{len(rates) - MOST_RATES} more"] if len(rates) > MOST_RATES else parts)
