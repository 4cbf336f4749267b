"""The engine of a CUDA device: all cells in one part, chunks of steps without a word to the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.engines import snapshot
from hhsim.engines.base import Arrays
from hhsim.engines.exchange import Alone
from hhsim.engines.host import Host, Spikes
from hhsim.errors import NoSuchDevice, NotEnoughMemory
from hhsim.inputs.poisson import CELLS, INBOX, OFFSET, WEIGHTED, Trains
from hhsim.jit import options as jit
from hhsim.kernels.cuda import devices, memory
from hhsim.kernels.cuda import tables as t
from hhsim.kernels.cuda.arrays import Arrays as DeviceArrays
from hhsim.kernels.render import compiling, load
from hhsim.kernels.render.device import render_for_device
from hhsim.model import Model
from hhsim.network.build import Tiles
from hhsim.network.connections import WEIGHT_BASE
from hhsim.network.layout import LANES, Layout
from hhsim.state.inboxes import BASE, RING, SUMS, WIDTH
from hhsim.state.shares import Cut

LOG_SPIKES = 1 << 20  # spikes of a chunk that the device has room for, beside those that it has to keep


class Cuda:
    """An engine (`hhsim.engines.base`) that computes on a device.

    The arrays of `host` are those of one part: log and samples as they were after the last chunk, the state
    where it was asked for. `threads` build the network.
    """

    def __init__(self, model: Model, layout: Layout, threads: int, chunk_steps: int, index: int = 0) -> None:
        for one in model.inputs:
            if one.kind not in t.INPUT_KINDS:
                raise NoSuchDevice(f"no device computes {one} yet")
        devices.require(index)
        devices.select(index)
        jit.set_threads(threads)
        whole = [0, layout.blocks]
        self.host = Host(model, layout, Cut(whole, Tiles(whole, [0, 1]), 0), threads, chunk_steps)
        self.network = self.host.network
        self.index = index
        self.device = f"cuda:{index} ({devices.name_of(index)})"
        self._units = t.units_of(self.network.connections, self.network.inputs.poisson)
        self._state_is_old = False
        self._send()

    def _send(self) -> None:
        """Bring everything to the device."""
        network = self.network
        tables = t.build_tables(self.host.layout, network, self._units, self._capacity())
        populations = len(self.host.model.populations)
        self._ledger = np.zeros(t.SUPPRESSED + populations + network.log.ends.shape[1], np.int64)
        synapses, inboxes = network.connections, network.inboxes
        arrays = DeviceArrays(
            state=network.cells.state,
            numbers=tables.numbers,
            tables=tables.tables,
            ledger=self._ledger,
            targets=synapses.targets,
            row_starts=synapses.row_starts,
            lags=synapses.lags,
            weights=self._whole_weights(),
            counts=np.zeros(inboxes.counts.size, np.uint32),
            sums=np.zeros(inboxes.sums.size, np.int64),
            spikes=np.zeros(self._capacity(), np.int32),
            frames=np.zeros(network.samples.frames.size, np.float32),
        )
        needed = sum(array.nbytes for array in arrays)
        free = memory.free_bytes()
        if needed > free:
            raise NotEnoughMemory(needed, int(free), f"the network on {self.device}")
        self._arrays = DeviceArrays(*map(memory.send, arrays))
        self._trains = Trains(*map(memory.send, self._whole_trains()))

    def _capacity(self) -> int:
        """Room for spikes: what a chunk may bring, and what the steps that are kept could at most."""
        layout, network = self.host.layout, self.network
        kept = 0
        for place, refractory in zip(layout.places.values(), network.cells.refractory, strict=True):
            kept += place.size * -(-network.shares.history // max(int(refractory), 1))
        return min(LOG_SPIKES + kept + 2 * layout.lanes, int(network.log.lanes.shape[1]))

    def _whole_trains(self) -> Trains:
        """The Poisson inputs, with individual weights in whole numbers of the units of their inboxes."""
        trains: Trains = self.network.inputs.poisson
        weights = trains.weights.astype(np.int64)
        for table in trains.table:
            if table[WEIGHTED]:
                own = slice(table[OFFSET], table[OFFSET] + table[CELLS])
                weights[own] = t.whole(trains.weights[own], self._units[table[INBOX]])
        return trains._replace(weights=weights)

    def _whole_weights(self) -> npt.NDArray[Any]:
        """The individual weights as whole numbers of the units of their inboxes."""
        connections = self.network.connections
        weights = connections.weights
        kind = np.int32 if weights.dtype == np.float32 else np.int64
        whole = np.zeros(weights.size, kind)
        for number, place in enumerate(connections.places[0]):
            if place[WEIGHT_BASE] >= 0:
                own = t.weights_of(connections, number)
                base = place[WEIGHT_BASE]
                whole[base : base + own.size] = t.whole(own, self._units[number])
        return whole

    def compile(self, timed: bool = False) -> None:
        """Compile the kernels, and record the launches of a step; runs no step."""
        from hhsim.kernels.cuda.launching import Launch, Steps, shape_of_lanes, shape_of_teams
        from hhsim.kernels.cuda.poisson import bring_trains
        from hhsim.kernels.cuda.scatter import scatter

        launches = [Launch(scatter, *shape_of_teams(), (self._arrays,))]
        inputs = self.network.inputs.poisson.table
        if len(inputs):
            shape = shape_of_lanes(int(inputs[:, CELLS].max()), LANES)
            launches.append(Launch(bring_trains, *shape, (self._arrays, self._trains)))
        update = load(render_for_device(self.host.structures)).update
        launches.append(Launch(update, *shape_of_lanes(self.host.layout.lanes, LANES), (self._arrays,)))
        self._write_ledger(0, 0, failure=0)  # so that no kernel does anything
        with compiling(self.host.structures):
            self._recorded = Steps(launches, self.index)
        self.spikes(0, 0)

    def advance(self, first: int, end: int, shift: int) -> int:
        """Advance from step `first` up to `end`; returns the step that was reached."""
        self._write_ledger(first, shift)
        self._recorded.run(end - first)
        memory.fetch(self._arrays.ledger, self._ledger)
        reached = int(self._ledger[t.SCATTER_STEP])
        self._fetch_log(first, reached - first)
        memory.fetch(self._arrays.frames, self.network.samples.frames)
        self._state_is_old = True
        return reached

    def phase_ticks(self) -> dict[str, float]:
        """None: kernels have no clock that the host could read."""
        return {}

    def _write_ledger(self, first: int, shift: int, failure: int = t.NO_FAILURE) -> None:
        """Tell the device where the next chunk begins."""
        log = self.network.log
        rows = self.network.shares.history + 1
        ends = t.SUPPRESSED + log.suppressed.shape[1]
        self._ledger[: t.SUPPRESSED] = first, -1, first, shift, failure
        self._ledger[t.SUPPRESSED : ends] = log.suppressed[0]
        self._ledger[ends : ends + rows] = log.ends[0, :rows]
        memory.replace(self._arrays.ledger, self._ledger)

    def _fetch_log(self, first: int, steps: int) -> None:
        """Bring the spikes of a chunk to the host; within a step the device has them in any order."""
        log = self.network.log
        rows = self.network.shares.history + steps
        ends = t.SUPPRESSED + log.suppressed.shape[1]
        log.suppressed[0] = self._ledger[t.SUPPRESSED : ends]
        log.ends[0, : rows + 1] = self._ledger[ends : ends + rows + 1]
        count = int(log.ends[0, rows])
        if count:
            lanes = np.empty(count, np.int32)
            memory.fetch(self._arrays.spikes, lanes)
            row = np.repeat(np.arange(rows), np.diff(log.ends[0, : rows + 1]))
            log.lanes[0, :count] = lanes[np.lexsort((lanes, row))]
        failure = int(self._ledger[t.FAILURE])
        if failure != t.NO_FAILURE:
            log.failures[0] = first + (failure >> t.LANE_BITS), failure & ((1 << t.LANE_BITS) - 1)

    def spikes(self, first: int, steps: int) -> dict[str, Spikes]:
        """The spikes of a chunk, of each population."""
        return self.host.spikes(first, steps)

    def frames(self, first: int, steps: int) -> list[npt.NDArray[np.float32]]:
        """What was sampled in a chunk, (frames, nodes) of each trace."""
        return self.host.frames(first, steps)

    def failure(self) -> tuple[int, int] | None:
        """Step and lane of the first potential that is not finite, if there is one."""
        return self.host.failure()

    def suppressed(self) -> list[int]:
        """Threshold crossings within the refractory time, in each population."""
        return [int(total) for total in self.host.suppressed()]

    def keep_history(self, steps: int) -> None:
        """After a chunk of `steps` steps: keep what delays still reach back to."""
        self.host.keep_history(steps)
        self._send_history()

    def _send_history(self) -> None:
        log = self.network.log
        memory.replace(self._arrays.spikes, log.lanes[0, : log.ends[0, self.network.shares.history]])

    def values_of(self, population: str, name: str) -> npt.NDArray[np.floating]:
        """One state of all cells of a population, as it is now."""
        self._fetch_state()
        return self.host.values_of(population, name)

    def _fetch_state(self) -> None:
        if self._state_is_old:
            memory.fetch(self._arrays.state, self.network.cells.state)
            self._state_is_old = False

    def snapshot(self) -> Arrays:
        """As on the processor, but with sums of weights in float64, which holds sums of units exactly."""
        self._fetch_state()
        memory.fetch(self._arrays.counts, self.network.inboxes.counts)
        sums = np.zeros(self.network.inboxes.sums.shape)
        memory.fetch(self._arrays.sums, sums)
        arrays = snapshot.take(self.host, Alone(), [self.host.blocks])
        return {
            **arrays,
            "sums": sums * self._unit_of_sums(),
            "suppressed": np.array(self.suppressed(), np.int64),
        }

    def restore(self, arrays: Arrays) -> None:
        """Go on from a snapshot; raises ValueError for that of another network."""
        snapshot.put_back(self.host, Alone(), [self.host.blocks], arrays)
        memory.replace(self._arrays.state, self.network.cells.state)
        memory.replace(self._arrays.counts, self.network.inboxes.counts.astype(np.uint32))
        memory.replace(self._arrays.sums, t.whole(arrays["sums"], self._unit_of_sums()))
        self._send_history()
        self._state_is_old = False

    def _unit_of_sums(self) -> npt.NDArray[np.float64]:
        """The unit of each number in `Inboxes.sums`."""
        inboxes = self.network.inboxes
        units = np.ones(inboxes.sums.size)
        for inbox, unit in zip(inboxes.table, self._units, strict=True):
            if inbox[SUMS]:
                units[inbox[BASE] : inbox[BASE] + inbox[WIDTH] * inbox[RING]] = unit
        return units
