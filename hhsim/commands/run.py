"""`hhsim run`."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hhsim.commands.options import (
    all_setting_options,
    before_numba,
    device_option,
    json_option,
    replaced,
    threads_option,
    wall_time,
)
from hhsim.errors import HhsimWarning, NoConfig
from hhsim.system.ranks import launched_ranks
from hhsim.system.stopping import noted

if TYPE_CHECKING:
    from hhsim.config import Loaded
    from hhsim.engines.exchange import Exchange
    from hhsim.simulation.request import ConfigChoice
    from hhsim.simulation.summary import Summary

STARTED = time.perf_counter()


@click.command(short_help="Simulate CONFIG; spikes and traces go to an HDF5 file.")
@click.argument("config", type=click.Path(), required=False)
@all_setting_options
@click.option("-o", "--output", default="out.h5", show_default=True, type=click.Path(), help="File to write.")
@threads_option
@device_option
@click.option("--force", is_flag=True, help="Replace an output that exists.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on from the checkpoint beside the output, to the same bits; begin if there is none yet.",
)
@click.option(
    "--checkpoint-every",
    metavar="TIME",
    callback=wall_time,
    help="Wall time between two checkpoints, as in 5min; 15min if left out. Saves the end of the run, too.",
)
@click.option(
    "--max-wall",
    metavar="TIME",
    callback=wall_time,
    help="Stop with a checkpoint (exit code 75) before so much wall time is over, as in 3h50m.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Tell what the run would take: memory, disk, time. Tries it for a second or two; writes nothing.",
)
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress and no notes.")
def run(
    config: str | None,
    output: str,
    threads: int | None,
    device: str,
    force: bool,
    resume: bool,
    checkpoint_every: float | None,
    max_wall: float | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Simulate CONFIG and write its spikes and traces to an HDF5 file (SONATA).

    The same config and seed give the same spikes, bit for bit, with any number of threads, in one go or in
    several. A run that is stopped (Ctrl-C, SIGTERM, SIGUSR1, --max-wall, a guard) is saved in a checkpoint
    beside the output, from which --resume goes on; CONFIG may then be left out. With a longer --duration,
    --resume extends a run whose end was saved. Under mpiexec the processes share the network, to the same
    bits again (python -m pip install 'hhsim[mpi]').

    \b
    hhsim run configs/coba.toml -o coba.h5 --duration "500 ms" --set run.dt="0.05 ms"
    hhsim run configs/coba.toml -o coba.h5 --max-wall 3h50m --resume
    mpiexec -n 4 hhsim run configs/coba.toml -o coba.h5
    """
    if resume and (force or dry_run):
        raise click.UsageError("--resume goes with neither --force nor --dry-run")
    if config is None and not resume:
        raise click.UsageError(str(NoConfig()))
    from hhsim.report import show_estimate, show_note, show_notes, show_summary, watching
    from hhsim.simulation.checkpoint.policy import Policy
    from hhsim.simulation.prepare import prepare
    from hhsim.simulation.request import Listeners, Request
    from hhsim.simulation.summary import Clock

    with _without_config_is_usage(), joined() as exchange:
        tells = exchange is None or exchange.rank == 0
        quiet = quiet or not tells
        before_numba()
        job = prepare(
            Request(
                _choice(config, **settings),
                Path(output),
                overwrite=force,
                resume=resume,
                threads=threads,
                device=device,
                exchange=exchange,
                policy=Policy.of(checkpoint_every, max_wall),
                listeners=Listeners() if quiet else Listeners(show_note, show_notes),
                clock=Clock(_process_start()),
            )
        )
        if dry_run:
            from hhsim.simulation.estimate import estimate

            expected = estimate(job)
            if tells:
                click.echo(expected.to_json()) if as_json else show_estimate(expected)
            return
        from hhsim.simulation.execute import execute

        with watching(quiet) as watch:
            summary = execute(job, watch)
    with noted():  # a signal that comes when all is done changes nothing
        if tells:
            click.echo(_json(summary, job.loaded)) if as_json else show_summary(summary)


@contextmanager
def _without_config_is_usage() -> Iterator[None]:
    """Tell of a run without any config as of a command that was not understood."""
    try:
        yield
    except NoConfig as error:
        raise click.UsageError(str(error)) from None


def _choice(config: str | None, channels: tuple[str, ...], **settings: Any) -> ConfigChoice:
    """The config that the command line describes."""
    from hhsim.simulation.request import ConfigChoice

    overrides, run = replaced(**settings)
    return ConfigChoice(config, overrides, run, channels)


def _json(summary: Summary, loaded: Loaded) -> str:
    """The summary, with what is odd about the config, if anything is."""
    advice = {"warnings": list(loaded.advice)} if loaded.advice else {}
    return json.dumps(asdict(summary) | advice, indent=2)


@contextmanager
def joined() -> Iterator[Exchange | None]:
    """The processes that were started together with this one, by mpiexec or srun; None if there are none."""
    if launched_ranks() == 1:
        yield None
        return
    from hhsim.engines.exchange import open_exchange

    with open_exchange() as exchange, warnings.catch_warnings():
        if exchange.rank > 0:
            warnings.simplefilter("ignore", HhsimWarning)  # rank 0 says the same
        yield exchange


def _process_start() -> float:
    """When this process began (`time.perf_counter()`): the start of the interpreter is waiting, too."""
    try:
        with open("/proc/self/stat") as file:
            ticks = int(file.read().rsplit(")", 1)[1].split()[19])
        with open("/proc/uptime") as file:
            uptime = float(file.read().split()[0])
    except (OSError, IndexError, ValueError):
        return STARTED
    began = time.perf_counter() - uptime + ticks / os.sysconf("SC_CLK_TCK")
    return min(max(began, STARTED - 60), STARTED)
