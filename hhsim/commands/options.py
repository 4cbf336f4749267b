"""Options that several commands share, and the config that they describe."""

from __future__ import annotations

import os
import re
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
all_setting_options = _options(
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
config_options = _options(click.argument("config", type=click.Path()), all_setting_options)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 256),
    metavar="NUMBER",
    envvar="HHSIM_THREADS",
    show_envvar=True,
    help="Threads (of each rank, under mpiexec); as many as there are processors for them if left out.",
)


def _device(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", value):
        raise click.BadParameter(
            f'"{value}" is neither cpu nor cuda nor, with a number, cuda:1', context, parameter
        )
    return value


device_option = click.option(
    "--device",
    callback=_device,
    default="cpu",
    show_default=True,
    metavar="cpu|cuda[:INDEX]",
    help="Where to compute.",
)


def quantity(unit: str) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """A callback for an option with a number and a unit, as in a config; it becomes a float in `unit`."""

    def convert(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
        from hhsim.model.units import NotAQuantity, read

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
    if value.isdecimal():
        return int(value), int(value) + 1
    first, _, end = value.partition(":")
    if not (first.isdecimal() and end.isdecimal()):
        raise click.BadParameter(
            f'"{value}" is neither a cell such as 5 nor a range of cells such as 0:50', context, parameter
        )
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
        metavar="CELL|FIRST:END",
        help="Look at these cells of each population: 5 is one, 0:50 are fifty.",
    ),
    click.option(
        "--population",
        "populations",
        multiple=True,
        metavar="NAME",
        help="Look at this population. Can be repeated.",
    ),
)


def _sizes(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    sizes = {}
    for value in values:
        name, _, size = value.rpartition("=")
        if not (name and size.isdecimal() and 0 < int(size) < 2**31):
            raise click.BadParameter(f'"{value}" is no size such as exc=3200', context, parameter)
        sizes[name] = int(size)
    return sizes


# What a SONATA file of another program does not say of itself
source_options = _options(
    click.option(
        "--duration",
        "duration_ms",
        callback=quantity("ms"),
        metavar="TIME",
        help="How long a file of another simulator is; up to its last spike if left out.",
    ),
    click.option("--dt", "dt_ms", callback=quantity("ms"), metavar="TIME", help="The steps of such a file."),
    click.option(
        "--size",
        "sizes",
        multiple=True,
        callback=_sizes,
        metavar="POPULATION=NUMBER",
        help="How many cells a population of such a file has. Can be repeated.",
    ),
)


def taken(choice: dict[str, Any]) -> dict[str, Any]:
    """What `source_options` say, taken out of `choice`."""
    given = {name: choice.pop(name) for name in ("duration_ms", "dt_ms", "sizes")}
    for name in ("duration_ms", "dt_ms"):
        if given[name] is not None and not 0 < given[name] < float("inf"):
            raise click.UsageError(f"--{name.removesuffix('_ms')} is a time above 0")
    return given


def wall_time(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A callback for an option with a time of days, such as "3h50m"; it becomes seconds."""
    if value is None:
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)", value)
    if not parts or "".join(number + unit for number, unit in parts) != value.replace(" ", ""):
        raise click.BadParameter(f'"{value}" is no time such as 90s, 5min or 3h50m', context, parameter)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


_SECONDS = {"d": 86400, "h": 3600, "min": 60, "m": 60, "s": 1}


def load_config(config: str, channels: tuple[str, ...], device: str = "cpu", **settings: Any) -> Loaded:
    """The config that `config_options` describe; `settings` are the other `setting_options`."""
    from hhsim.channels import declare_from
    from hhsim.config import load
    from hhsim.model import usual_precision

    for path in channels:
        declare_from(path)
    overrides, given = replaced(**settings)
    return load(config, overrides, run=given, default_precision=usual_precision(device))


def replaced(
    overrides: tuple[str, ...], seed: int | None, duration: str | None, precision: str | None
) -> tuple[tuple[str, ...], dict[str, str | int]]:
    """What to change in a config: texts as `--set` takes them, and keys of [run]."""
    from hhsim.config import sets

    settings = {"seed": seed, "duration": duration, "precision": precision}
    given = {
        key: value
        for key, value in settings.items()
        if value is not None and not (_of_environment(key) and any(sets(o, ("run", key)) for o in overrides))
    }
    return overrides, given


def _of_environment(option: str) -> bool:
    """Whether the value of an option comes from a variable, which `--set` on the command line precedes."""
    source = click.get_current_context().get_parameter_source(option)
    return source is click.core.ParameterSource.ENVIRONMENT


def before_numba() -> None:
    """To be called before Numba is imported: `--threads` may ask for more than the environment allows."""
    if "numba" not in sys.modules:
        os.environ.pop("NUMBA_NUM_THREADS", None)  # Numba would take it for an upper bound
