"""What a person sees on the terminal."""

from __future__ import annotations

from hhsim.report.bench import show_bench, show_comparison
from hhsim.report.description import show_description, show_note, show_notes
from hhsim.report.difference import show_difference, show_verified
from hhsim.report.estimate import show_estimate
from hhsim.report.info import faults, show_info
from hhsim.report.measuring import measuring
from hhsim.report.progress import watching
from hhsim.report.statistics import show_statistics
from hhsim.report.summary import show_recovered, show_summary

__all__ = [
    "faults",
    "measuring",
    "show_bench",
    "show_comparison",
    "show_description",
    "show_difference",
    "show_estimate",
    "show_info",
    "show_note",
    "show_notes",
    "show_recovered",
    "show_statistics",
    "show_summary",
    "show_verified",
    "watching",
]
