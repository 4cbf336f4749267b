"""`hhsim bench`."""

from __future__ import annotations

from typing import Any

import click

from hhsim.commands.options import (
    before_numba,
    channels_option,
    device_option,
    load_config,
    setting_options,
    threads_option,
)
from hhsim.errors import ComparisonFailed

PRECISIONS = ("float64", "float32")


def _precisions(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    several = tuple(dict.fromkeys(each.strip() for each in value.split(","))) if value else ()
    for each in several:
        if each not in PRECISIONS:
            raise click.BadParameter(f'"{each}" is neither float64 nor float32', context, parameter)
    return several


def _sizes(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    several = [each.strip().replace("_", "") for each in value.split(",")] if value is not None else []
    for each in several:
        if not (each.isdecimal() and int(each) > 0):
            raise click.BadParameter(f'"{each}" is no number of cells, as in 4000,40000', context, parameter)
    return tuple(map(int, several))


def _share(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    text = value.strip()
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not text.endswith("%") or not 0 <= percent < float("inf"):
        raise click.BadParameter(f'"{value}" is no percentage, as in 10%', context, parameter)
    return percent / 100


@click.command(short_help="Measure how fast CONFIG runs, by threads, size and phase.")
@click.argument("config", required=False, type=click.Path())
@threads_option
@device_option
@click.option(
    "--precision",
    "precisions",
    callback=_precisions,
    metavar="LIST",
    envvar="HHSIM_PRECISION",
    show_envvar=True,
    help="One or both, as in float64,float32; the config's if left out.",
)
@click.option(
    "--sizes",
    callback=_sizes,
    metavar="LIST",
    help="Numbers of cells, as in 4000,40000,400000: the same cells, and as many synapses for each.",
)
@setting_options
@channels_option
@click.option(
    "--repeats",
    type=click.IntRange(1, 1000),
    default=7,
    show_default=True,
    help="Runs that count in each row.",
)
@click.option(
    "--json", "output", type=click.Path(), metavar="FILE", help="Write all that was measured to FILE."
)
@click.option("--force", is_flag=True, help="Replace a FILE that exists.")
@click.option(
    "--compare", "base", type=click.Path(), metavar="BASE.json", help="Compare with what --json wrote before."
)
@click.option(
    "--fail-above",
    "limit",
    callback=_share,
    metavar="PERCENT",
    help="With --compare: exit code 7 where a median has grown by more, as in 10%.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print no progress.")
def bench(
    config: str | None,
    threads: int | None,
    device: str,
    precisions: tuple[str, ...],
    sizes: tuple[int, ...],
    repeats: int,
    output: str | None,
    force: bool,
    base: str | None,
    limit: float | None,
    quiet: bool,
    **settings: Any,
) -> None:
    """Measure how fast CONFIG runs here with 1, 2, 4, ... threads; COBAHH if it is left out.

    Runs take turns and record as `hhsim run` does; each row is a median with its range. A run ends after the
    config's duration, or sooner for large networks unless --duration says otherwise. The spikes must be the
    same in every run, or the exit code is 7.

    \b
    hhsim bench --threads 16 --precision float64,float32
    hhsim bench --sizes 4000,40000,400000 --json here.json
    hhsim bench --compare here.json --fail-above 10%
    """
    if limit is not None and base is None:
        raise click.UsageError("--fail-above needs --compare")
    before_numba()
    from hhsim import bench as room
    from hhsim.report import measuring, show_bench, show_comparison

    loaded = load_config(config or str(room.benchmark_config()), precision=None, device=device, **settings)
    shorten = settings["duration"] is None
    if output is not None:
        room.check_output(output, overwrite=force)
    baseline = None if base is None else room.read_baseline(base)
    cases = room.plan(loaded, threads, precisions=precisions, sizes=sizes, shorten=shorten, device=device)
    if baseline is not None:
        baseline.require((case.network, each) for case in cases for each in case.threads)
    with measuring(quiet) as watch:
        measured = room.bench(cases, repeats=repeats, watch=watch)
    if output is not None:
        room.save(measured, output, overwrite=force)
    show_bench(measured)
    if baseline is not None:
        comparison = room.compare(measured, baseline, limit)
        show_comparison(comparison)
        if comparison.failed:
            raise ComparisonFailed(f"slower than {base} by more than {limit:.0%}")
    if not measured.same_spikes:
        raise ComparisonFailed("the spikes depend on the number of threads; please report it")
