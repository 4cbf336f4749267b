"""The commands. Each parses, calls one function and prints; heavy imports stand inside."""

from __future__ import annotations

from hhsim.commands.bench import bench
from hhsim.commands.compare import diff, rerun
from hhsim.commands.export_spikes import export_spikes
from hhsim.commands.info import info
from hhsim.commands.network import export, kernel, validate
from hhsim.commands.plot import plot
from hhsim.commands.recover import recover
from hhsim.commands.run import run
from hhsim.commands.stats import stats

COMMANDS = (
    run, bench, validate, info, plot, stats, diff, rerun, recover, export, export_spikes, kernel,
)  # fmt: skip

__all__ = ["COMMANDS"]
