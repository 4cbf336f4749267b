"""The commands. Each parses, calls one function and prints; heavy imports stand inside."""

from __future__ import annotations

import time

STARTED = time.time()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

import click  # noqa: E402

from hhsim import __version__  # noqa: E402
from hhsim.errors import (  # noqa: E402
    ConfigRefused,
    Diverged,
    HhsimError,
    Interrupted,
    NoSuchDevice,
    NotEnoughMemory,
    OutputExists,
)
from hhsim.stopping import Stopped, noted, stoppable  # noqa: E402

if TYPE_CHECKING:
    from hhsim.cell import Structure
    from hhsim.config import Loaded

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


config_options = _options(
    click.argument("config", type=click.Path()),
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
    click.option(
        "--precision",
        type=click.Choice(["float64", "float32"]),
        envvar="HHSIM_PRECISION",
        show_envvar=True,
        help="Replace the config's precision.",
    ),
    click.option(
        "--channels",
        multiple=True,
        type=click.Path(),
        metavar="FILE.py",
        help="Python file that declares channels or receptors of your own. It is executed. Can be repeated.",
    ),
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="hhsim")
@click.pass_context
def cli(context: click.Context) -> None:
    """Simulate networks of Hodgkin-Huxley point neurons.

    \b
    hhsim run configs/coba.toml        simulate; spikes and traces go to out.h5
    hhsim validate configs/coba.toml   show what a config describes, without running it
    """
    if os.environ.get("NO_COLOR"):
        context.color = False


@cli.command(short_help="Simulate CONFIG; spikes and traces go to an HDF5 file.")
@config_options
@click.option("-o", "--output", default="out.h5", show_default=True, type=click.Path(), help="File to write.")
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    metavar="NUMBER",
    envvar="HHSIM_THREADS",
    show_envvar=True,
    help="Threads; as many as there are processors if left out.",
)
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where to compute."
)
@click.option("--force", is_flag=True, help="Replace an output that exists.")
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress and no notes.")
def run(
    output: str,
    threads: int | None,
    device: str,
    force: bool,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Simulate CONFIG and write its spikes and traces to an HDF5 file (SONATA).

    The same config and seed give the same spikes, bit for bit, with any number of threads.

    \b
    hhsim run configs/coba.toml -o coba.h5 --duration "500 ms" --set run.dt="0.05 ms"
    """
    from hhsim.report import show_notes, show_summary, watching

    if device != "cpu":
        raise NoSuchDevice(f"there is no device {device!r}: this version computes on the cpu alone")
    loaded = _load(**settings)
    from hhsim.recording.files import check_output

    check_output(output, [trace.variable for trace in loaded.model.traces], force)
    if not quiet:
        show_notes(loaded.model)
    if "numba" not in sys.modules:
        os.environ.pop("NUMBA_NUM_THREADS", None)  # Numba would take it for an upper bound
    from hhsim.running import run as simulate

    with watching(quiet) as watch:
        summary = simulate(
            loaded, output=output, threads=threads, overwrite=force, watch=watch, since=_process_start()
        )
    with noted():  # a signal that comes when all is done changes nothing
        if as_json:
            click.echo(summary.to_json())
        else:
            show_summary(summary)


@cli.command(short_help="Check CONFIG and show what it describes.")
@config_options
@json_option
def validate(as_json: bool, **settings: Any) -> None:
    """Check CONFIG and show the network that it describes, without running it."""
    from hhsim.advice import warnings
    from hhsim.config import describe
    from hhsim.report import show_description

    loaded = _load(**settings)
    description = describe(loaded.model) | {"warnings": list(warnings(loaded.model))}
    if as_json:
        click.echo(json.dumps(description, indent=2))
    else:
        show_description(loaded.source, description)


@cli.command(short_help="Print the code that CONFIG's cells are compiled from.")
@config_options
def kernel(**settings: Any) -> None:
    """Print the Python code that is made from CONFIG's channels and compiled."""
    loaded = _load(**settings)
    from hhsim.cell import structure_of
    from hhsim.rendering import render

    structures: list[Structure] = []
    for population in loaded.model.populations.values():
        structure = structure_of(loaded.model, loaded.model.cells[population.cell])
        if structure not in structures:
            structures.append(structure)
    click.echo(render(structures))


@cli.command(short_help="Write CONFIG's network and initial state as SONATA files.")
@config_options
@click.option(
    "-o", "--output", required=True, metavar="FOLDER", type=click.Path(), help="Made if it is not there."
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
def export(output: str, force: bool, **settings: Any) -> None:
    """Write CONFIG's network and its initial state as SONATA files.

    FOLDER gets nodes.h5, edges.h5 and a config.toml that runs them: the spikes are the same.
    """
    loaded = _load(**settings)
    from hhsim.exporting import export as write

    for path in write(loaded, output, overwrite=force):
        click.echo(path)


def _load(
    config: str,
    overrides: tuple[str, ...],
    seed: int | None,
    duration: str | None,
    precision: str | None,
    channels: tuple[str, ...],
) -> Loaded:
    from hhsim.channels import declare_from
    from hhsim.config import load

    for path in channels:
        declare_from(path)
    settings = {"seed": seed, "duration": duration, "precision": precision}
    given = {key: value for key, value in settings.items() if value is not None}
    return load(config, overrides, run=given)


def _process_start() -> float:
    """When this process began (`time.time()`): the start of the interpreter is waiting, too."""
    try:
        with open("/proc/self/stat") as file:
            ticks = int(file.read().rsplit(")", 1)[1].split()[19])
        with open("/proc/uptime") as file:
            uptime = float(file.read().split()[0])
    except (OSError, IndexError, ValueError):
        return STARTED
    began = time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
    return min(max(began, STARTED - 60), STARTED)


def _words(error: HhsimError) -> str:
    """What a person needs to know of an error."""
    if isinstance(error, ConfigRefused):
        count = len(error.problems)
        return f"{error}\nhhsim: {count} mistake{'s' if count > 1 else ''} in the config; nothing was run"
    if isinstance(error, OutputExists):
        return f"hhsim: {error}; choose another name with -o, or replace it with --force"
    if isinstance(error, Interrupted):
        return f"hhsim: interrupted at t = {error.t_ms:g} ms; the output holds everything up to then"
    if isinstance(error, Diverged):
        return f"hhsim: {error}; the output holds everything up to then"
    return f"hhsim: {error}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `hhsim`: runs it and returns its exit code.

    All errors become words on stderr here, and nowhere else.
    """
    try:
        with stoppable():
            cli.main(arguments, prog_name="hhsim", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as request:
        return request.exit_code
    except HhsimError as error:
        click.echo(_words(error), err=True)
        return error.exit_code
    except Stopped as stopped:
        click.echo("hhsim: interrupted before anything was written", err=True)
        return stopped.exit_code
    except MemoryError:
        click.echo("hhsim: this machine has not enough memory for the network", err=True)
        return NotEnoughMemory.exit_code
    except Exception:
        traceback.print_exc()
        click.echo("hhsim: this is a mistake in hhsim, not in your config; please report it", err=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
