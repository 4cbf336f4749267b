"""`hhsim run`."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from hhsim.commands.options import before_numba, config_options, json_option, load_config, threads_option
from hhsim.errors import NoSuchDevice
from hhsim.stopping import noted

STARTED = time.time()


@click.command(short_help="Simulate CONFIG; spikes and traces go to an HDF5 file.")
@config_options
@click.option("-o", "--output", default="out.h5", show_default=True, type=click.Path(), help="File to write.")
@threads_option
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where to compute."
)
@click.option("--force", is_flag=True, help="Replace an output that exists.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Tell what the run would take: memory, disk, time. Tries it for a second or two; writes nothing.",
)
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress and no notes.")
def run(
    output: str,
    threads: int | None,
    device: str,
    force: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Simulate CONFIG and write its spikes and traces to an HDF5 file (SONATA).

    The same config and seed give the same spikes, bit for bit, with any number of threads.

    \b
    hhsim run configs/coba.toml -o coba.h5 --duration "500 ms" --set run.dt="0.05 ms"
    """
    from hhsim.report import show_estimate, show_notes, show_summary, watching

    if device != "cpu":
        raise NoSuchDevice(f"there is no device {device!r}: this version computes on the cpu alone")
    loaded = load_config(**settings)
    from hhsim.recording.files import check_output

    check_output(output, [trace.variable for trace in loaded.model.traces], force)
    if not quiet:
        show_notes(loaded.model)
    before_numba()
    where: Any = {"output": output, "threads": threads, "overwrite": force, "since": _process_start()}
    if dry_run:
        from hhsim.estimating import estimate

        told = estimate(loaded, **where)
        if as_json:
            click.echo(told.to_json())
        else:
            show_estimate(told)
        return
    from hhsim.running import run as simulate

    with watching(quiet) as watch:
        summary = simulate(loaded, watch=watch, **where)
    with noted():  # a signal that comes when all is done changes nothing
        if as_json:
            click.echo(summary.to_json())
        else:
            show_summary(summary)


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
