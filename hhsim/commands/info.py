"""`hhsim info`."""

from __future__ import annotations

import json
from typing import Any

import click

from hhsim.commands.options import json_option, source_options, taken
from hhsim.errors import ComparisonFailed, FileFailed


@click.command(short_help="Show what is in a recording, and check it.")
@click.argument("recording", type=click.Path(), metavar="FILE")
@click.option("--config", "config_alone", is_flag=True, help="Print the stored config alone, as TOML.")
@source_options
@json_option
def info(recording: str, config_alone: bool, as_json: bool, **given: Any) -> None:
    """Show what is in a recording: its spikes and traces, and what it was made with and from.

    The checksums of spikes and traces are computed anew and compared with those that the run stored; exit
    code 7 if they differ. FILE may still be written, or have been cut off: then there is nothing to compare
    with yet. Exit code 5 if a file beside FILE is missing that holds a trace.

    \b
    hhsim info out.h5 --config > again.toml
    """
    if config_alone and as_json:
        raise click.UsageError("--config prints TOML; --json holds the config as well")
    if config_alone:
        from hhsim.recording import open_recording

        with open_recording(recording) as opened:
            click.echo(opened.config, nl=False)
        return
    from hhsim.comparing.info import inspect
    from hhsim.report import faults, show_info

    told = inspect(recording, **taken(given))
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        show_info(told)
    wrong = "; ".join(faults(told))
    if wrong:
        raise ComparisonFailed(f"{recording}: {wrong}")
    for trace in told["traces"]:
        if trace["fault"]:
            raise FileFailed(trace["file"], trace["fault"])
