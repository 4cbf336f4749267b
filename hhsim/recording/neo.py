"""A recording as objects of Neo. Imports Neo, hence to be imported only where it is asked for."""

from __future__ import annotations

import math
from typing import Any

import neo
import numpy as np
import quantities as pq
from neo.core.spiketrainlist import SpikeTrainList
from numpy.typing import NDArray

from hhsim.recording.reader import Recording
from hhsim.recording.selection import Selection, selected_spikes


def to_neo(recording: Recording, selection: Selection, traces: bool) -> neo.Block:
    """See `Recording.to_neo`."""
    block = neo.Block(name=recording.path.stem, file_origin=str(recording.path))
    block.annotate(
        dt_ms=recording.dt_ms,
        complete=recording.complete,
        config=recording.config,
        **{key: value for key, value in recording.facts.items() if key in ("title", "seed", "method")},
    )
    segment = neo.Segment(name=f"{selection.start_ms:g} to {selection.stop_ms:g} ms")
    segment.block = block
    block.segments.append(segment)
    segment.spiketrains = _trains(recording, selection, segment)
    if traces:
        segment.analogsignals.extend(_signals(recording, selection))
    return block


class _Trains(SpikeTrainList):  # type: ignore[misc]
    """Spike trains that are cut out of the flat arrays in one go.

    Neo 0.14 would look through all spikes for each train, and check each train anew: 1 s for 4000 cells with
    150 000 spikes, and hours for a million.
    """

    def _spiketrains_from_array(self) -> None:
        ids = np.asarray(self._channel_id_array)
        order = np.argsort(ids, kind="stable")
        whole = neo.SpikeTrain(self._spike_time_array[order], **self._spiketrain_metadata)
        cuts = np.searchsorted(ids[order], np.arange(len(self._all_channel_ids) + 1)).tolist()
        annotations = self._annotations
        self._items = []
        for i, (population, node) in enumerate(
            zip(annotations["population"], annotations["node_id"], strict=True)
        ):
            train = whole[cuts[i] : cuts[i + 1]]
            train.annotations = {"population": population, "node_id": node, "channel_id": i}
            train.segment = self.segment
            self._items.append(train)


def _trains(recording: Recording, selection: Selection, segment: neo.Segment) -> SpikeTrainList:
    """A train for each selected cell, population after population; channels are numbered through."""
    times: list[NDArray[np.float64]] = [np.empty(0)]
    channels: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    populations: list[str] = []
    node_ids: list[int] = []
    for name, cells in selection.cells.items():
        if name in recording.populations:
            for some_times, some_nodes in selected_spikes(recording, name, selection):
                times.append(some_times)
                channels.append(some_nodes + (len(node_ids) - cells.start))
            populations += [name] * len(cells)
            node_ids += recording.ids(name, np.array(cells, np.int64)).tolist()
    all_times, all_channels = np.concatenate(times), np.concatenate(channels)
    order = np.argsort(all_times, kind="stable")
    trains = _Trains.from_spike_time_array(
        all_times[order],
        all_channels[order],
        all_channel_ids=list(range(len(node_ids))),
        units="ms",
        t_start=selection.start_ms * pq.ms,
        # k * dt may round to just above the end of the window that it belongs to
        t_stop=max(selection.stop_ms, float(all_times.max(initial=0.0))) * pq.ms,
        population=populations,
        node_id=node_ids,
    )
    trains.segment = segment
    return trains


def _signals(recording: Recording, selection: Selection) -> list[neo.AnalogSignal]:
    """A signal for each trace of the selected populations, of those of the selected cells that it has."""
    signals = []
    for (population, variable), trace in recording.traces.items():
        cells = selection.cells.get(population, range(0))
        columns = slice(*np.searchsorted(trace.nodes, (cells.start, cells.stop)).tolist())
        first, end = (_frame(t, trace.every_ms) for t in (selection.start_ms, selection.stop_ms))
        before = _frame(trace.start_ms, trace.every_ms)
        first, end = max(first, before), max(end, before)
        data = trace.read(range(first - before, end - before), columns)
        if data.size:
            nodes: Any = trace.nodes[columns]
            signals.append(
                neo.AnalogSignal(
                    data,
                    units=pq.dimensionless if trace.units == "1" else trace.units,
                    sampling_period=trace.every_ms * pq.ms,
                    t_start=first * trace.every_ms * pq.ms,
                    name=f"{population}.{variable}",
                    array_annotations={"node_id": nodes},
                    population=population,
                    variable=variable,
                )
            )
    return signals


def _frame(t_ms: float, every_ms: float) -> int:
    """The first frame at `t_ms` or later."""
    return math.ceil(round(t_ms / every_ms, 6))
