"""`hhsim export-spikes`."""

from __future__ import annotations

from typing import Any

import click

from hhsim.commands.options import selection_options, source_options, taken


@click.command("export-spikes", short_help="Write the spikes of a recording as CSV, NumPy, NIX or NWB.")
@click.argument("recording", type=click.Path(), metavar="FILE")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "npz", "nix", "nwb"]),
    required=True,
    help="csv: a row for each spike; npz: arrays for NumPy; nix and nwb need the extra 'neo'.",
)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(), help="Beside the recording, and named after it."
)
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@source_options
@selection_options
def export_spikes(recording: str, kind: str, output: str | None, force: bool, **choice: Any) -> None:
    """Write the spikes of a recording, or of a part of it, in a format that other programs read.

    Cells are named by their population and their local id in it, from 0. FILE may still be written, or have
    been cut off: then it is what is there up to now.

    \b
    hhsim export-spikes out.h5 --format csv --stop "100 ms" --population exc
    """
    from hhsim.exporting import export_spikes as export
    from hhsim.recording import open_any, select

    with open_any(recording, **taken(choice)) as opened:
        click.echo(export(opened, select(opened, **choice), kind, output, overwrite=force))
