"""Options that several commands share, and the config that they describe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hhsim.config import Loaded


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


channels_option = click.option(
    "--channels",
    multiple=True,
    type=click.Path(),
    metavar="FILE.py",
    help="Python file that declares channels or receptors of your own. It is executed. Can be repeated.",
)
setting_options = _options(
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help='Replace a value of the config, as in projection.0.weight="7 nS". Can be repeated.',
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        metavar="NUMBER",
        envvar="HHSIM_SEED",
        show_envvar=True,
        help="Replace the config's seed.",
    ),
    click.option("--duration", metavar="TIME", help='Replace the config\'s duration, as in "500 ms".'),
)
config_options = _options(
    click.argument("config", type=click.Path()),
    setting_options,
    click.option(
        "--precision",
        type=click.Choice(["float64", "float32"]),
        envvar="HHSIM_PRECISION",
        show_envvar=True,
        help="Replace the config's precision.",
    ),
    channels_option,
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 256),
    metavar="NUMBER",
    envvar="HHSIM_THREADS",
    show_envvar=True,
    help="Threads; as many as there are processors if left out.",
)


def quantity(unit: str) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """A callback for an option with a number and a unit, as in a config; it becomes a float in `unit`."""

    def convert(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
        from hhsim.config.units import NotAQuantity, read

        if value is None:
            return None
        try:
            return float(read(value, unit)[0])
        except NotAQuantity as error:
            raise click.BadParameter(str(error), context, parameter) from None

    return convert


def _nodes(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    first, _, end = value.partition(":")
    if not (first.isdecimal() and end.isdecimal()):
        raise click.BadParameter(f'"{value}" is no range of cells such as 0:50', context, parameter)
    return int(first), int(end)


selection_options = _options(
    click.option(
        "--start",
        "start_ms",
        callback=quantity("ms"),
        metavar="TIME",
        help='Look at what comes after, as in "100 ms".',
    ),
    click.option(
        "--stop", "stop_ms", callback=quantity("ms"), metavar="TIME", help="Look at what comes before."
    ),
    click.option(
        "--nodes",
        callback=_nodes,
        metavar="FIRST:END",
        help="Look at these cells of each population, as in 0:50.",
    ),
    click.option(
        "--population",
        "populations",
        multiple=True,
        metavar="NAME",
        help="Look at this population. Can be repeated.",
    ),
)


def load_config(
    config: str,
    overrides: tuple[str, ...],
    seed: int | None,
    duration: str | None,
    precision: str | None,
    channels: tuple[str, ...],
) -> Loaded:
    """The config that `config_options` describe."""
    from hhsim.channels import declare_from
    from hhsim.config import load

    for path in channels:
        declare_from(path)
    settings = {"seed": seed, "duration": duration, "precision": precision}
    given = {key: value for key, value in settings.items() if value is not None}
    return load(config, overrides, run=given)


def before_numba() -> None:
    """To be called before Numba is imported: `--threads` may ask for more than the environment allows."""
    if "numba" not in sys.modules:
        os.environ.pop("NUMBA_NUM_THREADS", None)  # Numba would take it for an upper bound
