"""Whole runs: from a config to a closed file and a summary."""

from __future__ import annotations

from hhsim.running.session import run
from hhsim.running.summary import Clock, Note, Progress, Summary, Watcher

__all__ = ["Clock", "Note", "Progress", "Summary", "Watcher", "run"]
