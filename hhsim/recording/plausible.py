"""What a run cannot have written, whatever it was: found before anyone computes with it.

Spikes have their checksum; the few numbers around them do not, and one flipped bit in the size of a
population would have a reader take all memory for its cells.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_CELLS = 2**31  # of a population, by the config
MOST_STEPS = 2**53


def check_times(dt_ms: float, duration_ms: float, stopped_at_ms: float) -> None:
    """Raise ValueError unless these are times of a run."""
    if not (0 < dt_ms < math.inf and 0 <= duration_ms < MOST_STEPS * dt_ms):
        raise ValueError(f"{duration_ms!r} ms in steps of {dt_ms!r} ms")
    if not 0 <= stopped_at_ms <= duration_ms + dt_ms / 2:
        raise ValueError(f"stopped at {stopped_at_ms!r} of {duration_ms!r} ms")


def populations_in(config: str) -> dict[str, Any]:
    """The section [population] of a stored config; nothing where that is damaged."""
    try:
        found = tomllib.loads(config).get("population")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def check_sizes(sizes: Mapping[str, Any], config: str) -> None:
    """Raise ValueError unless these are sizes of populations, and those of a config that can be read."""
    told = populations_in(config)
    for name, size in sizes.items():
        if not (isinstance(size, int) and 0 < size < MOST_CELLS):
            raise ValueError(f"population {name} of {size!r} cells")
        wanted = told.get(name, {}).get("size", size)
        if size != wanted:
            raise ValueError(f"population {name} of {size} cells, and of {wanted} in the config")


def check_frames(start_ms: float, stop_ms: float, every_ms: float, nodes: NDArray[np.int64]) -> None:
    """Raise ValueError unless these are the times and cells of a trace."""
    if not (math.isfinite(start_ms) and start_ms <= stop_ms < math.inf and 0 < every_ms < math.inf):
        raise ValueError(f"frames from {start_ms!r} to {stop_ms!r} ms, every {every_ms!r} ms")
    if not len(nodes) or nodes[0] < 0 or nodes[-1] >= MOST_CELLS or np.any(np.diff(nodes) <= 0):
        raise ValueError("a trace of cells that are not there")
