"""`hhsim recover`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from hhsim.commands.options import json_option


@click.command(short_help="Make a recording whole whose writer was killed.")
@click.argument("recording", type=click.Path(), metavar="FILE")
@json_option
def recover(recording: str, as_json: bool) -> None:
    """Finish the flush during which the writer of FILE was killed, and check that all of FILE can be read.

    Everything up to the last flush is there, at most two seconds before the end. A recording that is whole
    is left as it is. To go on with the run itself: hhsim run --resume -o FILE.
    """
    from pathlib import Path

    from hhsim.recording import recover as make_whole
    from hhsim.report import show_recovered

    found = make_whole(Path(recording))
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    else:
        show_recovered(found)
