"""Spikes as NumPy's arrays in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from hhsim.recording import Recording, Selection, selected_spikes


def write(recording: Recording, selection: Selection, path: Path) -> None:
    """Write `<population>.times_ms` and `<population>.nodes` (local ids) in order of time, and `metadata`.

    The metadata are JSON. Holds the spikes of one population at a time in memory, twice.
    """
    arrays: dict[str, Any] = {"metadata": np.array(json.dumps(_metadata(recording, selection)))}
    for name in selection.cells:
        if name in recording.populations:
            pieces = [(np.empty(0), np.empty(0, np.int64)), *selected_spikes(recording, name, selection)]
            arrays[f"{name}.times_ms"] = np.concatenate([times for times, _ in pieces])
            arrays[f"{name}.nodes"] = np.concatenate([recording.ids(name, nodes) for _, nodes in pieces])
    with path.open("wb") as file:
        np.savez(file, **arrays)


def _metadata(recording: Recording, selection: Selection) -> dict[str, Any]:
    return {
        "recording": str(recording.path),
        "complete": recording.complete,
        "seed": recording.seed,
        "dt_ms": recording.dt_ms,
        "start_ms": selection.start_ms,
        "stop_ms": selection.stop_ms,
        "cells": {
            name: [cells.start, cells.stop]
            for name, cells in selection.cells.items()
            if name in recording.populations
        },
        "config": recording.config,
    }
