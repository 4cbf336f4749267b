"""Pictures of a recording: rasters, rates, traces, intervals and spectra in one figure."""

from __future__ import annotations

import os

from hhsim.errors import PlotRefused

try:
    import matplotlib as _matplotlib  # noqa: F401  (before all that need it)
except ValueError as error:  # it looks at this variable as it is imported
    reason = str(error).partition(";")[0].removeprefix("Key backend: ")
    raise PlotRefused(f"MPLBACKEND={os.environ.get('MPLBACKEND')}: {reason}") from error

from hhsim.plotting.figure import plot
from hhsim.plotting.files import draw, save
from hhsim.plotting.panels import KINDS

__all__ = ["KINDS", "draw", "plot", "save"]
