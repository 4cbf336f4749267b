"""Recordings held against each other, and against a run of their own config."""

from __future__ import annotations

from hhsim.comparing.diff import Comparison, PopulationComparison, compare
from hhsim.comparing.rerun import Rerun, rerun
from hhsim.comparing.spikes import Drift, FirstSpike
from hhsim.comparing.traces import TraceComparison
from hhsim.config import Entry

__all__ = [
    "Comparison",
    "Drift",
    "Entry",
    "FirstSpike",
    "PopulationComparison",
    "Rerun",
    "TraceComparison",
    "compare",
    "rerun",
]
