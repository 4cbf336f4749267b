"""What a person sees on the terminal."""

from __future__ import annotations

from hhsim.report.description import show_description, show_notes
from hhsim.report.progress import watching
from hhsim.report.summary import show_summary

__all__ = ["show_description", "show_notes", "show_summary", "watching"]
