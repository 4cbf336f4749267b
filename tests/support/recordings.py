"""Recordings for tests, made without a run: from spikes and frames that a test chooses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from hhsim.recording import Recorder, TraceColumns

SIZES = {"exc": 7, "inh": 3}
DT = 0.1
DURATION_MS = 100.0

Spike = tuple[int, int]  # the step at whose end it falls, and its cell


def write(
    path: Path,
    spikes: Mapping[str, Iterable[Spike]] = {},
    frames: np.ndarray | None = None,
    *,
    dt: float = DT,
    duration_ms: float = DURATION_MS,
    every_ms: float = 1.0,
    cells: tuple[int, ...] = (0, 2, 5),
    sizes: Mapping[str, int] = SIZES,
    variable: str = "v",
    config: str = "",
    facts: Mapping[str, str | int | float] = {},
    cut_off: bool = False,
) -> Path:
    """A recording of `spikes` by population, and of `frames` [frames, cells] of `variable` of exc.

    With `cut_off` it is what a killed run leaves.
    """
    traces = [] if frames is None else [TraceColumns("exc", variable, cells, every_ms)]
    place = path.with_name("killed.h5") if cut_off else path
    recorder = Recorder(
        place,
        populations=sizes,
        traces=traces,
        dt=dt,
        duration=duration_ms,
        resolved_config=config,
        facts=facts,
        overwrite=True,
    )
    with recorder:
        for name, train in spikes.items():
            rows = np.array(sorted(train), np.int64).reshape(-1, 2)
            recorder.append_spikes(name, rows[:, 0], rows[:, 1])
        if frames is not None:
            recorder.append_frames(0, np.asarray(frames, np.float32))
        if cut_off:
            recorder.flush(duration_ms / 2)
            path.write_bytes(place.read_bytes())
        recorder.close(True, duration_ms, {"total": 1.0}, "{}")
    if cut_off:
        place.unlink()
    return path
