"""`hhsim plot`."""

from __future__ import annotations

from typing import Any

import click

from hhsim.commands.options import selection_options, source_options, taken


def _kinds(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(kind.strip() for kind in value.split(",")) if value else ()


@click.command(short_help="Draw a recording: raster, rates, traces, intervals, spectra.")
@click.argument("recording", type=click.Path(), metavar="FILE")
@click.option(
    "--kind",
    "kinds",
    default="",
    callback=_kinds,
    metavar="KIND,...",
    help="Panels: raster, rate, trace, isi, psd. By default the first three, if there is something to show.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FIGURE",
    help="File to write: .png, .pdf or .svg. By default FILE's name with .png, beside it.",
)
@source_options
@selection_options
@click.option("--style", metavar="NAME", help="A style of matplotlib, or an .mplstyle file.")
@click.option("--show", is_flag=True, help="Open a window; without -o, write no file.")
@click.option("--force", is_flag=True, help="Replace a figure that exists.")
def plot(
    recording: str,
    kinds: tuple[str, ...],
    output: str | None,
    style: str | None,
    show: bool,
    force: bool,
    **choice: Any,
) -> None:
    """Draw a recording in one figure: raster and rates, and the traces beside them.

    FILE may still be written, or have been cut off: then it is what is there up to now.

    \b
    hhsim plot out.h5 -o figure.pdf --start "200 ms" --kind raster,rate,psd
    """
    from hhsim.plotting import draw

    how: dict[str, Any] = {
        "kinds": kinds,
        "style": style,
        "show": show,
        "overwrite": force,
        "given": taken(choice),
    }
    target = draw(recording, output, **how, **choice)
    if target is not None:
        click.echo(target)
