"""What progress of any kind needs to be shown: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

LINE_SECONDS = 10.0  # between two lines of progress where there is no terminal
BAR_WIDTH = 24

Told = TypeVar("Told")


@contextmanager
def listener(
    quiet: bool,
    bar: Callable[[], AbstractContextManager[Callable[[Told], None]]],
    lines: Callable[[], Callable[[Told], None]],
) -> Iterator[Callable[[Told], None] | None]:
    """Who shows progress on stderr: a `bar` on a terminal, `lines` elsewhere, nobody if `quiet`."""
    if quiet:
        yield None
    elif sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown"):
        with bar() as watch:
            yield watch
    else:
        yield lines()


def stderr_console() -> Console:
    """The terminal that progress is shown on."""
    from rich.console import Console

    return Console(stderr=True)


def display(console: Console, *columns: ProgressColumn) -> Progress:
    """A line of these columns that is drawn again and again, and goes away at the end."""
    from rich.progress import Progress

    return Progress(*columns, console=console, transient=True)


class Beat:
    """Tells when the next line is due."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Count from now on."""
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether LINE_SECONDS have passed since the last line; if so, this is the moment of a new one."""
        if time.monotonic() - self._last < LINE_SECONDS:
            return False
        self.restart()
        return True
