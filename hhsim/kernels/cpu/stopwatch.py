"""How long each part is in each phase of its steps: what a timed rendering of the loop calls.

The phases of a part follow one another without a gap, so that they add up to its time in the loop.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hhsim.jit.intrinsics import read_ticks
from hhsim.jit.options import compiled, compiled_inline

PHASES = ("delivery", "reception", "update", "detection", "waiting")
DELIVERY, RECEPTION, UPDATE, DETECTION, WAITING = range(len(PHASES))


@compiled
def now() -> int:
    """The moment, in ticks of the processor's clock; always 0 where it has none that can be read."""
    return read_ticks()


@compiled_inline
def lap(ticks: npt.NDArray[np.int64], phase: int, since: int) -> int:
    """Count the time `since` the last lap as time in `phase`; returns the moment."""
    moment = read_ticks()
    ticks[phase] += moment - since
    return moment
