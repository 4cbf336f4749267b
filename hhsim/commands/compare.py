"""`hhsim diff` and `rerun`: recordings held against each other, and against a run of their own config."""

from __future__ import annotations

import json
import math
from typing import Any

import click

from hhsim.commands.options import (
    before_numba,
    channels_option,
    json_option,
    selection_options,
    source_options,
    taken,
    threads_option,
)
from hhsim.errors import ComparisonFailed


def _finite(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no finite number", context, parameter)
    return value


@click.command(short_help="Show in what two recordings differ, and how they drift apart.")
@click.argument("a", type=click.Path())
@click.argument("b", type=click.Path())
@source_options
@selection_options
@click.option(
    "--atol",
    type=click.FloatRange(min=0),
    default=0.0,
    callback=_finite,
    metavar="NUMBER",
    help="Values of traces that are at most so far apart, in their unit, are taken as the same.",
)
@json_option
def diff(a: str, b: str, atol: float, as_json: bool, **choice: Any) -> None:
    """Show the first spike or value in which recordings A and B differ, and how far they drift apart.

    Exit code 0 if they are equal, 7 if they differ: in a spike, in a value of a trace, in what they hold, or
    in how far they go. Where one goes on for longer, the time that both have is compared; with --stop, what
    comes after it does not count. Their configs may differ, as in dt or precision: differing keys are
    shown, but do not count.

    \b
    hhsim diff float64.h5 float32.h5 --stop "200 ms"
    """
    from hhsim.comparing import compare
    from hhsim.recording import open_pair
    from hhsim.report import show_difference

    with open_pair(a, b, **taken(choice)) as (first, second):
        told = compare(first, second, atol=atol, **choice)
    if as_json:
        click.echo(json.dumps(told.as_data(), indent=2))
    else:
        show_difference(told)
    if not told.equal:
        raise ComparisonFailed(f"{a} and {b} differ")


@click.command(short_help="Run the config that is stored in a recording again.")
@click.argument("recording", type=click.Path(), metavar="FILE")
@click.option("--verify", is_flag=True, help="Compare with FILE; exit code 7 if spikes or traces differ.")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    help="File to write; out.h5 if left out, or nothing that stays with --verify.",
)
@threads_option
@channels_option
@click.option("--force", is_flag=True, help="Replace an output that exists.")
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress.")
def rerun(
    recording: str,
    verify: bool,
    output: str | None,
    threads: int | None,
    channels: tuple[str, ...],
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run the config that is stored in FILE again, on this machine.

    With --verify, the spikes and traces are compared as far as FILE goes; unless -o asks for more, the run
    ends there. The same bits are promised for the same versions on the same type of processor: where they
    differ, it is said in what. Name with --channels the files that the first run had.

    \b
    hhsim rerun out.h5 --verify
    """
    if force and output is None and verify:
        raise click.UsageError("--force has no effect without -o: with --verify, nothing is kept")
    from hhsim.channels import declare_from
    from hhsim.report import show_summary, show_verified, watching
    from hhsim.system.stopping import noted

    for path in channels:
        declare_from(path)
    before_numba()
    from hhsim.comparing import rerun as simulate

    if output is None and not verify:
        output = "out.h5"
    with watching(quiet) as watch:
        told = simulate(
            recording, output=output, threads=threads, verify=verify, overwrite=force, watch=watch
        )
    with noted():  # a signal that comes when all is done changes nothing
        if as_json:
            click.echo(told.to_json())
        elif told.comparison is not None:
            show_verified(told.comparison)
        elif told.summary is not None:
            show_summary(told.summary)
    if told.comparison is not None and not told.comparison.equal:
        raise ComparisonFailed(f"{recording} and its rerun differ")
