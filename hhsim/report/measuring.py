"""Progress of `hhsim bench`: which run is next, of how many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import click

from hhsim.report.live import BAR_WIDTH, Beat, display, listener, stderr_console
from hhsim.report.words import number, shares

if TYPE_CHECKING:
    from hhsim.bench import Progress


def measuring(quiet: bool) -> AbstractContextManager[Callable[[Progress], None] | None]:
    """A watcher of measurements: a bar on a terminal, plain lines elsewhere, nothing if `quiet`."""
    return listener(quiet, _bar, _lines)


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    columns = (BarColumn(BAR_WIDTH), TimeElapsedColumn(), TextColumn("{task.description}"))
    with display(stderr_console(), *columns) as shown:
        task = shown.add_task("starting", total=None)

        def watch(progress: Progress) -> None:
            shown.update(task, description=_what(progress), total=progress.total, completed=progress.done)

        yield watch


def _lines() -> Callable[[Progress], None]:
    beat = Beat()

    def watch(progress: Progress) -> None:
        if beat.due():
            click.echo(f"run {progress.done + 1} of {progress.total}: {_what(progress)}", err=True)

    return watch


def _what(progress: Progress) -> str:
    return f"{number(progress.neurons)} cells, {progress.precision}, {shares(1, progress.threads)}"
