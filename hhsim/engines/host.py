"""A network in the memory of a process: its arrays, built once for any engine, and what can be read there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hhsim.channels.structure import LONGEST_CHUNK, structure_of
from hhsim.inputs.build import build_inputs
from hhsim.jit.structs import pack, part_of
from hhsim.kernels.network import Network
from hhsim.model import Model
from hhsim.network.build import connect
from hhsim.network.connections import DELAY, Gather, alone
from hhsim.network.layout import LANES, Layout
from hhsim.state import log
from hhsim.state.build import build_cells
from hhsim.state.inboxes import build_inboxes
from hhsim.state.log import FAILED_STEP, build_log, spikes_of
from hhsim.state.samples import build_samples, frames_of, limit_chunk
from hhsim.state.shares import Cut, build_shares

LOG_SPIKES = 1 << 18  # spikes that a portion of the log can hold beside what its cells could fire at most
MOST_EPOCH = 32  # steps between two meetings: enough to forget their cost, and a bound for the log

Spikes = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]  # steps, node ids; by time, then id


class Host:
    """The arrays of a network, or of one rank's share of it, and what a chunk of steps left in them.

    Parameters
    ----------
    cut : how the blocks of this process are cut into parts
    threads : that build the network
    chunk_steps : the most steps between two calls of `keep_history`
    gather : brings together what concerns the whole network from the ranks that share it
    """

    def __init__(
        self,
        model: Model,
        layout: Layout,
        cut: Cut,
        threads: int,
        chunk_steps: int,
        gather: Gather = alone,
    ) -> None:
        self.model = model
        self.layout = layout
        self.blocks = range(cut.cuts[0], cut.cuts[-1])
        real = np.dtype(model.run.precision)
        connections = connect(model, layout, cut.tiles.cuts, real, threads, gather)
        delays = connections.projections[:, DELAY]
        history = int(delays.max(initial=0)) + 1
        self.epoch = min(int(delays.min(initial=MOST_EPOCH)) + 1, MOST_EPOCH)
        self.chunk_steps = (
            max(limit_chunk(model, min(chunk_steps, LONGEST_CHUNK)) // self.epoch, 1) * self.epoch
        )
        cells, self.structures = build_cells(model, layout, self.blocks)
        shares = build_shares(cut, layout.blocks, history, self.epoch)
        portions = shares.bounds.size - 1
        # Whatever fires, every step that is kept has room, and an epoch more, or two for those of other
        # ranks; memory that no spike touches is never taken.
        epochs = 1 if portions == len(cut.cuts) - 1 else 2
        capacity = LOG_SPIKES + int(np.diff(shares.bounds).max()) * (history + epochs * self.epoch)
        self.network = Network(
            cells=cells,
            connections=connections,
            inboxes=build_inboxes(model, layout, connections, self.blocks),
            inputs=build_inputs(model, layout, self.blocks),
            samples=build_samples(model, layout, cells, cut.cuts, self.chunk_steps),
            log=build_log(portions, capacity, history + self.chunk_steps, len(model.populations)),
            shares=shares,
        )
        self.packed = pack(self.network)  # as compiled code takes it

    def spikes(self, first: int, steps: int) -> dict[str, Spikes]:
        """The spikes of `steps` steps from `first` on, where the chunk began, of each population."""
        history = self.network.shares.history
        return {
            name: spikes_of(part_of(self.packed, "log"), history, first, steps, place.first, place.size)
            for name, place in self.layout.places.items()
        }

    def frames(self, first: int, steps: int) -> list[npt.NDArray[np.float32]]:
        """What was sampled in these steps, (frames, own nodes) of each trace: views, until the next chunk."""
        return frames_of(self.network.samples, first, steps)

    def failure(self) -> tuple[int, int] | None:
        """Step and lane of the first potential that is not finite, if there is one."""
        failures = self.network.log.failures
        found = failures[failures[:, FAILED_STEP] >= 0].tolist()
        return min(((step, lane) for step, lane in found), default=None)

    def suppressed(self) -> npt.NDArray[np.int64]:
        """Threshold crossings within the refractory time, (populations,)."""
        total: npt.NDArray[np.int64] = self.network.log.suppressed.sum(axis=0)
        return total

    def values_of(self, population: str, name: str) -> npt.NDArray[np.floating]:
        """One state of the own cells of a population."""
        place, cells = self.layout.places[population], self.network.cells
        row = structure_of(self.model, self.model.cell_of(population)).rows[name]
        own = place.blocks_in(self.blocks)
        starts = cells.starts[own.start : own.stop].astype(np.int64) + row * LANES
        values: npt.NDArray[np.floating] = cells.state[starts[:, None] + np.arange(LANES)].ravel()
        return values[: len(place.nodes_in(self.blocks))]

    def keep_history(self, steps: int) -> None:
        """After a chunk of `steps` steps: keep what delays still reach back to."""
        log.keep_history(self.network.log, self.network.shares.history, steps)
