"""Which states are recorded when, and the memory that a chunk of steps puts them in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.channels.structure import structure_of
from hhsim.model import Model
from hhsim.network.layout import LANES, Layout
from hhsim.state.build import Cells

FRAME_BYTES = 32 << 20  # the most memory for the samples of a chunk


class Samples(NamedTuple):
    """States that are recorded. Trace t samples every `every[t]` steps into rows of `width[t]` numbers."""

    places: npt.NDArray[np.int64]  # index in the state of each sampled number
    cuts: npt.NDArray[np.int64]  # (traces, parts + 1): part p samples places[cuts[t, p] : cuts[t, p + 1]]
    every: npt.NDArray[np.int64]  # (traces,) steps
    width: npt.NDArray[np.int64]  # (traces,)
    offsets: npt.NDArray[np.int64]  # (traces,) where the chunk's frames begin in `frames`
    frames: npt.NDArray[np.float32]


def steps_of_traces(model: Model) -> npt.NDArray[np.int64]:
    """The steps from one sample to the next, of each trace."""
    return np.array([round(trace.every / model.run.dt) for trace in model.traces], np.int64)


def limit_chunk(model: Model, chunk_steps: int) -> int:
    """The steps of a chunk, at most `chunk_steps`, whose samples fit into FRAME_BYTES."""
    if not model.traces:
        return chunk_steps
    width = sum(last - first for first, last in (trace.nodes for trace in model.traces))
    return min(chunk_steps, max(FRAME_BYTES // (4 * width), 1) * int(steps_of_traces(model).min()))


def build_samples(model: Model, layout: Layout, cells: Cells, cuts: list[int], chunk_steps: int) -> Samples:
    """The samples of chunks of up to `chunk_steps` steps, by cells that are cut into parts at `cuts`.

    The cuts need not cover the whole network: what lies outside of them is not sampled.
    """
    traces = model.traces
    places, part_cuts, widths = [], np.zeros((len(traces), len(cuts)), np.int64), []
    at = 0
    for i, trace in enumerate(traces):
        structure = structure_of(model, model.cell_of(trace.population))
        lanes = layout.places[trace.population].first + np.arange(*trace.nodes)
        lanes = lanes[(lanes >= cuts[0] * LANES) & (lanes < cuts[-1] * LANES)]
        row = structure.rows[trace.variable]
        starts = cells.starts[lanes // LANES].astype(np.int64)
        places.append(starts + row * LANES + lanes % LANES)
        part_cuts[i] = at + np.searchsorted(lanes, np.array(cuts) * LANES)
        widths.append(lanes.size)
        at += lanes.size
    every, width = steps_of_traces(model), np.array(widths, np.int64)
    rows = -(-chunk_steps // every) + 1
    offsets = np.concatenate([[0], np.cumsum(rows * width)]).astype(np.int64)
    return Samples(
        np.concatenate([np.zeros(0, np.int64), *places]),
        part_cuts,
        every,
        width,
        offsets[:-1],
        np.zeros(int(offsets[-1]), np.float32),
    )


def frames_of(samples: Samples, first: int, steps: int) -> list[npt.NDArray[np.float32]]:
    """What was sampled in `steps` steps from `first` on, the beginning of a chunk: (frames, nodes) each."""
    frames = []
    for offset, every, width in zip(samples.offsets, samples.every, samples.width, strict=True):
        count = -(-(first + steps) // every) - -(-first // every)
        frames.append(samples.frames[offset : offset + count * width].reshape(count, width))
    return frames
