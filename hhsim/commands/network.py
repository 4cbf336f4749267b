"""`hhsim validate`, `export` and `kernel`: what a config describes, without running it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from hhsim.commands.options import config_options, device_option, json_option, load_config

if TYPE_CHECKING:
    from hhsim.channels.structure import Structure


@click.command(short_help="Check CONFIG and show what it describes.")
@config_options
@json_option
def validate(as_json: bool, **settings: Any) -> None:
    """Check CONFIG and show the network that it describes, without running it."""
    from hhsim.config import describe
    from hhsim.report import show_description

    loaded = load_config(**settings)
    description = describe(loaded.model) | {"warnings": list(loaded.advice)}
    if as_json:
        click.echo(json.dumps(description, indent=2))
    else:
        show_description(loaded.source, description)


@click.command(short_help="Print the code that CONFIG's cells are compiled from.")
@config_options
@device_option
def kernel(device: str, **settings: Any) -> None:
    """Print the Python code that is made from CONFIG's channels and compiled."""
    loaded = load_config(device=device, **settings)
    from hhsim.channels.structure import structure_of
    from hhsim.kernels.render import renderer_for

    structures: list[Structure] = []
    for population in loaded.model.populations.values():
        structure = structure_of(loaded.model, loaded.model.cells[population.cell])
        if structure not in structures:
            structures.append(structure)
    click.echo(renderer_for(device)(structures))


@click.command(short_help="Write CONFIG's network and initial state as SONATA files.")
@config_options
@click.option(
    "-o", "--output", required=True, metavar="FOLDER", type=click.Path(), help="Made if it is not there."
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
def export(output: str, force: bool, **settings: Any) -> None:
    """Write CONFIG's network and its initial state as SONATA files.

    FOLDER gets nodes.h5, edges.h5 and a config.toml that runs them: the spikes are the same.
    """
    loaded = load_config(**settings)
    from hhsim.exporting.export import export as write

    for path in write(loaded, output, overwrite=force):
        click.echo(path)
