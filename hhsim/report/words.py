"""Numbers, rows and notes as people read them."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO

import click


def show_texts(texts: Iterable[str], *, err: bool = False) -> None:
    for text in texts:
        lines = wrap(f"note: {text}", len("note: "), sys.stderr if err else sys.stdout)
        click.echo(click.style("note:", fg="yellow") + lines.removeprefix("note:"), err=err)


def wrap(text: str, indent: int, stream: TextIO) -> str:
    """`text` broken between words where it goes to a terminal, all lines but the first indented."""
    if not stream.isatty():
        return text
    width = max(shutil.get_terminal_size().columns, indent + 20)
    return textwrap.fill(text, width, subsequent_indent=" " * indent, break_on_hyphens=False)


def show_rows(rows: Sequence[tuple[str, str]]) -> None:
    """Print rows of a name and what there is to say of it."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        click.echo(wrap(f"  {name:{width}}  {text}", width + 4, sys.stdout))


def number(value: float) -> str:
    return f"{value:,.0f}"


def seconds(value: float) -> str:
    if 0 < value < 0.9995:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s" if value < 1000 else f"{value:,.0f} s"


def size(value: float) -> str:
    """Bytes, in steps of a thousand."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} TB" if value < 999.5 else f"{value:,.0f} TB"


def shares(ranks: int, threads: int) -> str:
    """Who computed: "2 threads", or "4 ranks of 2 threads"."""
    each = "1 thread" if threads == 1 else f"{threads} threads"
    return each if ranks == 1 else f"{ranks} ranks of {each}"


def pace(factor: float) -> str:
    """A real-time factor (wall seconds for each biological second), and what it means."""
    return f"{two_digits(factor)} s per biological second: {compared(factor)}"


def compared(factor: float) -> str:
    """A real-time factor in words that cannot be read the wrong way round."""
    ratio = two_digits(max(factor, 1 / max(factor, 1e-9)))
    if ratio in ("1", "1.0"):
        return "real time"
    return f"{ratio}x {'slower' if factor > 1 else 'faster'} than real time"


def two_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.2g}"


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
