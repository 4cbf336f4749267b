"""Pictures of a recording: rasters, rates, traces, intervals and spectra in one figure."""

from __future__ import annotations

from hhsim.plotting.figure import plot
from hhsim.plotting.files import draw, save
from hhsim.plotting.panels import KINDS

__all__ = ["KINDS", "draw", "plot", "save"]
