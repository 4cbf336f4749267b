"""The commands. Each parses, calls one function and prints; heavy imports stand inside."""

from __future__ import annotations

import time

STARTED = time.time()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

import click  # noqa: E402

from hhsim import __version__  # noqa: E402
from hhsim.errors import ConfigRefused, FileFailed, HhsimError, NotEnoughMemory, OutputExists  # noqa: E402

if TYPE_CHECKING:
    from hhsim.config import Loaded
    from hhsim.running import Summary

CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "HHSIM", "max_content_width": 100}


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


config_options = _options(
    click.argument("config", type=click.Path(dir_okay=False)),
    click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help='Replace a key of the config, such as projection.0.weight="7 nS". Can be repeated.',
    ),
    click.option("--seed", type=click.IntRange(min=0), help="Replace the config's seed."),
    click.option("--duration", metavar="TIME", help='Replace the config\'s duration, such as "500 ms".'),
    click.option(
        "--precision", type=click.Choice(["float64", "float32"]), help="Replace the config's precision."
    ),
    click.option(
        "--channels",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False),
        metavar="FILE.py",
        help="Python file that declares channels or receptors of your own. It is executed. Can be repeated.",
    ),
)


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="hhsim")
def cli() -> None:
    """Simulate networks of Hodgkin-Huxley point neurons.

    \b
    hhsim run configs/coba.toml       simulate; spikes and traces go to out.h5
    hhsim validate configs/coba.toml  show what a config amounts to, without running it
    """


@cli.command()
@config_options
@click.option("-o", "--output", default="out.h5", show_default=True, type=click.Path(), help="File to write.")
@click.option(
    "--threads", type=click.IntRange(min=1, max=256), help="Threads. [default: the processors there are]"
)
@click.option("--force", is_flag=True, help="Replace an existing output.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no warnings.")
def run(
    config: str,
    overrides: tuple[str, ...],
    seed: int | None,
    duration: str | None,
    precision: str | None,
    channels: tuple[str, ...],
    output: str,
    threads: int | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Simulate CONFIG and write spikes and traces to an HDF5 file (SONATA).

    The same config and seed give the same spikes, bit for bit, with any number of threads.

    \b
    hhsim run configs/coba.toml -o coba.h5 --duration "500 ms" --set run.dt="0.05 ms"
    """
    from hhsim.recording.files import check_output
    from hhsim.report import show_summary, show_warnings, watching

    loaded = _load(config, overrides, seed, duration, precision, channels)
    check_output(output, [trace.variable for trace in loaded.model.traces], force)
    if not quiet:
        show_warnings(loaded.model)
    from hhsim.running import run as simulate

    with watching(loaded.model, quiet) as watch:
        summary = simulate(
            loaded, output=output, threads=threads, overwrite=force, watch=watch, since=_process_start()
        )
    _print(summary, as_json, show_summary)


@cli.command()
@config_options
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def validate(as_json: bool, **settings: Any) -> None:
    """Check CONFIG and show the network that it describes, without running it."""
    from hhsim.advice import warnings
    from hhsim.config import describe

    loaded = _load(**settings)
    description = describe(loaded.model) | {"warnings": list(warnings(loaded.model))}
    if as_json:
        click.echo(json.dumps(description, indent=2))
    else:
        from hhsim.report import show_description

        show_description(loaded.source, description)


@cli.command()
@config_options
def kernel(**settings: Any) -> None:
    """Print the code that CONFIG's cells are compiled from."""
    loaded = _load(**settings)
    from hhsim.cell import structure_of
    from hhsim.rendering import render

    model = loaded.model
    used = [structure_of(model, model.cells[population.cell]) for population in model.populations.values()]
    click.echo(render(list(dict.fromkeys(used))))


@cli.command()
@config_options
@click.option("-o", "--output", required=True, type=click.Path(), help="Folder to write; made if need be.")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def export(output: str, force: bool, **settings: Any) -> None:
    """Write CONFIG's network and its initial state as SONATA files.

    The folder gets nodes.h5, edges.h5 and a config.toml that reads them back to the same run.
    """
    loaded = _load(**settings)
    from hhsim.network.export import export as write

    for path in write(loaded.model, output, overwrite=force):
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


def _print(summary: Summary, as_json: bool, show: Callable[[Summary], None]) -> None:
    if as_json:
        click.echo(summary.to_json())
    else:
        show(summary)


def _process_start() -> float:
    """When this process began: the interpreter's own start counts as waiting, too."""
    try:
        with open("/proc/self/stat") as file:
            ticks = int(file.read().rsplit(")", 1)[1].split()[19])
        with open("/proc/uptime") as file:
            uptime = float(file.read().split()[0])
    except (OSError, IndexError, ValueError):
        return STARTED
    began = time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
    return min(max(began, STARTED - 60), STARTED)


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn errors into messages on stderr and exit codes: here and nowhere else."""
    try:
        yield
    except HhsimError as error:
        click.echo(_words(error), err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("interrupted before the first step; nothing was written", err=True)
        sys.exit(130)
    except MemoryError:
        click.echo("hhsim: this machine has not enough memory for the network", err=True)
        sys.exit(NotEnoughMemory.exit_code)
    except BrokenPipeError:
        sys.exit(1)


def _words(error: HhsimError) -> str:
    if isinstance(error, ConfigRefused):
        count = len(error.problems)
        return f"{error}\n{count} mistake{'s' if count > 1 else ''} found; nothing was run"
    if isinstance(error, OutputExists):
        return f"hhsim: {error}; give another name with -o, or --force to replace it"
    if isinstance(error, FileFailed):
        return f"hhsim: {error}"
    return f"hhsim: {error}"


def main() -> None:
    """The entry point of the command `hhsim`."""
    with _in_words():
        cli(standalone_mode=True)


if __name__ == "__main__":
    main()
