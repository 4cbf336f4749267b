"""Pictures of a recording: rasters, rates, traces, intervals and spectra in one figure."""

from __future__ import annotations

from hhsim.plotting.figure import KINDS, plot
from hhsim.plotting.files import draw, save

__all__ = ["KINDS", "draw", "plot", "save"]
