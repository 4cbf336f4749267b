"""`hhsim stats`."""

from __future__ import annotations

import json
from typing import Any

import click

from hhsim.commands.options import json_option, quantity, selection_options, source_options, taken


@click.command(short_help="Show how the populations of a recording fire.")
@click.argument("recording", type=click.Path(), metavar="FILE")
@source_options
@selection_options
@click.option(
    "--bin",
    "bin_ms",
    callback=quantity("ms"),
    metavar="TIME",
    help="Count spikes in such bins for synchrony and correlation; 5 ms if left out.",
)
@click.option(
    "--window",
    "window_ms",
    callback=quantity("ms"),
    metavar="TIME",
    help="Count spikes in such windows for the Fano factor; 100 ms if left out.",
)
@json_option
def stats(
    recording: str, as_json: bool, bin_ms: float | None, window_ms: float | None, **choice: Any
) -> None:
    """Show how the populations of a recording fire: rates, regularity, synchrony, rhythm.

    FILE may still be written, or have been cut off: then it is what is there up to now.

    \b
    hhsim stats out.h5 --start "200 ms" --population exc
    """
    from hhsim.analysis import statistics
    from hhsim.recording import open_any, select
    from hhsim.report import show_statistics

    widths = {"bin_ms": bin_ms, "window_ms": window_ms}
    given = {name: width for name, width in widths.items() if width is not None}
    with open_any(recording, **taken(choice)) as opened:
        told = statistics(opened, select(opened, **choice), **given)
    if as_json:
        click.echo(json.dumps(told.to_dict(), indent=2, allow_nan=False))
    else:
        show_statistics(told)
