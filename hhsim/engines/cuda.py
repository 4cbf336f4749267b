"""The engine of a CUDA device: all cells in one part, chunks of steps without a word to the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.engines.processor import Processor
from hhsim.errors import NotEnoughMemory
from hhsim.inputs.build import CELLS, OFFSET, WEIGHTED
from hhsim.kernels.cuda import devices, memory
from hhsim.kernels.cuda import tables as t
from hhsim.kernels.render import compiling, load
from hhsim.kernels.render.device import render_for_device
from hhsim.model import Model
from hhsim.network.connections import WEIGHT_BASE
from hhsim.network.layout import LANES, Layout
from hhsim.state.arrivals import BASE, RING, SUMS, WIDTH

LOG_SPIKES = 1 << 20  # spikes of a chunk that the device has room for, beside those that it has to keep


class Cuda(Processor):
    """A network on a device. The arrays that it shares with `Processor` are those of one part in the host's
    memory: log and samples as they were after the last chunk, the state where it was asked for.

    `threads` build the network.
    """

    def __init__(self, model: Model, layout: Layout, threads: int, chunk_steps: int, index: int = 0) -> None:
        devices.require(index)
        devices.select(index)
        super().__init__(model, layout, threads, chunk_steps, whole=True)
        self.index = index
        self.device = f"cuda:{index} ({devices.name_of(index)})"
        sums = np.zeros(self.arrivals.sums.shape)  # float64 holds every sum of units
        self.arrivals = self.arrivals._replace(sums=sums)
        self._units = t.units_of(self.connections, self.trains)
        self._state_is_old = False
        self._send(model)

    def _send(self, model: Model) -> None:
        """Bring everything to the device."""
        tables = t.build_tables(
            self.layout,
            self.cells,
            self.connections,
            self.arrivals,
            self.currents,
            self.samples,
            self._units,
            self.plan.history,
            self._capacity(),
        )
        self._ledger = np.zeros(t.SUPPRESSED + len(model.populations) + self.log.ends.shape[1], np.int64)
        own = {
            "state": self.cells.state,
            "numbers": tables.numbers,
            "tables": tables.tables,
            "targets": self.connections.targets,
            "row_starts": self.connections.row_starts,
            "weights": self._whole_weights(),
            "lags": self.connections.lags,
            "ledger": self._ledger,
        }
        room = {
            "counts": (self.arrivals.counts.size, np.uint32),
            "sums": (self.arrivals.sums.size, np.int64),
            "spikes": (self._capacity(), np.int32),
            "frames": (self.samples.frames.size, np.float32),
        }
        needed = sum(array.nbytes for array in own.values())
        needed += sum(size * np.dtype(kind).itemsize for size, kind in room.values())
        free = memory.free_bytes()
        if needed > free:
            raise NotEnoughMemory(needed, int(free), f"the network on {self.device}")
        self._on_device: dict[str, Any] = {name: memory.send(array) for name, array in own.items()}
        self._on_device |= {name: memory.take(size, kind) for name, (size, kind) in room.items()}
        weights = self.trains.weights.astype(np.int64)
        for table in self.trains.table:
            if table[WEIGHTED]:
                each = slice(table[OFFSET], table[OFFSET] + table[CELLS])
                weights[each] = t.whole(self.trains.weights[each], self._units[table[0]])
        trains = self.trains._replace(weights=weights)
        self._trains = type(trains)(*map(memory.send, trains))

    def _capacity(self) -> int:
        """Room for spikes: what a chunk may bring, and what the steps that are kept could at most."""
        lanes = self.layout.lanes
        kept = 0
        for place, refractory in zip(self.layout.places.values(), self.cells.refractory, strict=True):
            kept += place.size * -(-self.plan.history // max(int(refractory), 1))
        return min(LOG_SPIKES + kept + 2 * lanes, int(self.log.nodes.shape[1]))

    def _whole_weights(self) -> npt.NDArray[Any]:
        """The individual weights as whole numbers of the units of their channels."""
        weights = self.connections.weights
        kind = np.int32 if weights.dtype == np.float32 else np.int64
        whole = np.zeros(weights.size, kind)
        for number, place in enumerate(self.connections.places[0]):
            if place[WEIGHT_BASE] >= 0:
                own = t.weights_of(self.connections, number)
                base = place[WEIGHT_BASE]
                whole[base : base + own.size] = t.whole(own, self._units[number])
        return whole

    def compile(self, timed: bool = False) -> None:
        """Compile the kernels, and record the launches of a step; runs no step."""
        from hhsim.kernels.cuda.launching import Launch, Steps, shape_of_lanes, shape_of_teams
        from hhsim.kernels.cuda.poisson import bring_trains
        from hhsim.kernels.cuda.scatter import scatter

        on = self._on_device
        names = ("tables", "targets", "row_starts", "weights", "lags", "counts", "sums", "spikes", "ledger")
        launches = [Launch(scatter, *shape_of_teams(), tuple(on[name] for name in names))]
        if len(self.trains.table):
            cells = int(self.trains.table[:, CELLS].max())
            arguments = (on["tables"], self._trains, on["counts"], on["sums"], on["ledger"])
            launches.append(Launch(bring_trains, *shape_of_lanes(cells, LANES), arguments))
        update = load(render_for_device(self.structures)).update
        taken = ("state", "numbers", "tables", "counts", "sums", "spikes", "ledger", "frames")
        shape = shape_of_lanes(self.layout.lanes, LANES)
        launches.append(Launch(update, *shape, tuple(on[name] for name in taken)))
        self._write_ledger(0, 0, failure=0)  # so that no kernel does anything
        with compiling(self.structures):
            self._recorded = Steps(launches, self.index)
        self.spikes(0, 0)

    def advance(self, first: int, end: int, shift: int) -> int:
        """Advance from step `first`, where a chunk begins, up to `end`; returns the step that was reached.

        It lies before `end` where the log is full or a potential diverged.
        """
        self._write_ledger(first, shift)
        self._recorded.run(end - first)
        memory.fetch(self._on_device["ledger"], self._ledger)
        reached = int(self._ledger[t.SCATTER_STEP])
        self._fetch_log(first, reached - first)
        memory.fetch(self._on_device["frames"], self.samples.frames)
        self._state_is_old = True
        return reached

    def phase_ticks(self) -> dict[str, float]:
        """None: kernels have no clock that the host could read."""
        return {}

    def _write_ledger(self, first: int, shift: int, failure: int = t.NO_FAILURE) -> None:
        """Tell the device where the next chunk begins."""
        rows = self.plan.history + 1
        ends = t.SUPPRESSED + len(self.model.populations)
        self._ledger[: t.SUPPRESSED] = first, -1, first, shift, failure
        self._ledger[t.SUPPRESSED : ends] = self.log.suppressed[0]
        self._ledger[ends : ends + rows] = self.log.ends[0, :rows]
        memory.replace(self._on_device["ledger"], self._ledger)

    def _fetch_log(self, first: int, steps: int) -> None:
        """Bring the spikes of a chunk to the host; within a step the device has them in any order."""
        rows = self.plan.history + steps
        ends = t.SUPPRESSED + len(self.model.populations)
        self.log.suppressed[0] = self._ledger[t.SUPPRESSED : ends]
        self.log.ends[0, : rows + 1] = self._ledger[ends : ends + rows + 1]
        count = int(self.log.ends[0, rows])
        if count:
            lanes = np.empty(count, np.int32)
            memory.fetch(self._on_device["spikes"], lanes)
            row = np.repeat(np.arange(rows), np.diff(self.log.ends[0, : rows + 1]))
            self.log.nodes[0, :count] = lanes[np.lexsort((lanes, row))]
        failure = int(self._ledger[t.FAILURE])
        if failure != t.NO_FAILURE:
            self.log.failures[0] = first + (failure >> t.LANE_BITS), failure & ((1 << t.LANE_BITS) - 1)

    def keep_history(self, steps: int) -> None:
        """After a chunk of `steps` steps: keep what delays still reach back to."""
        super().keep_history(steps)
        self._send_history()

    def _send_history(self) -> None:
        count = self.log.ends[0, self.plan.history]
        memory.replace(self._on_device["spikes"], self.log.nodes[0, :count])

    def values_of(self, population: str, name: str) -> npt.NDArray[np.floating]:
        """One state of all cells of a population, as it is now."""
        self._fetch_state()
        return super().values_of(population, name)

    def _fetch_state(self) -> None:
        if self._state_is_old:
            memory.fetch(self._on_device["state"], self.cells.state)
            self._state_is_old = False

    def snapshot(self) -> dict[str, npt.NDArray[np.generic]]:
        """As on the processor, but with sums of weights in float64, which holds them exactly."""
        self._fetch_state()
        memory.fetch(self._on_device["counts"], self.arrivals.counts)
        memory.fetch(self._on_device["sums"], self.arrivals.sums)
        self.arrivals.sums[...] *= self._unit_of_sums()
        return super().snapshot()

    def restore(self, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
        """Go on from a snapshot of any engine with the same network; raises ValueError if it has another."""
        super().restore(arrays)
        memory.replace(self._on_device["state"], self.cells.state)
        memory.replace(self._on_device["counts"], self.arrivals.counts.astype(np.uint32))
        memory.replace(self._on_device["sums"], t.whole(self.arrivals.sums, self._unit_of_sums()))
        self._send_history()
        self._state_is_old = False

    def _unit_of_sums(self) -> npt.NDArray[np.float64]:
        """The unit of each number in `Arrivals.sums`."""
        units = np.ones(self.arrivals.sums.size)
        for channel, unit in zip(self.arrivals.channels, self._units, strict=True):
            if channel[SUMS]:
                units[channel[BASE] : channel[BASE] + channel[WIDTH] * channel[RING]] = unit
        return units
