"""Write a network as a SONATA circuit: cells with their initial states, edges with weights and delays.

The folder gets `nodes.h5`, `edges.h5` and a `config.toml` that runs the same network from these files. Edges
are sorted by source, then by target, and written in runs, so that memory beyond the network's own is small.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from hhsim.channels.states import states_of
from hhsim.circuits.edges import DELAY, SOURCE, TARGET, UNITS, WEIGHT
from hhsim.circuits.table import CHUNK
from hhsim.config.write import write
from hhsim.errors import FileFailed, OutputExists
from hhsim.model import EdgesFromFile, FromFile, Model, Population, Projection, constant
from hhsim.network import connections as c
from hhsim.network.build import connect
from hhsim.network.connections import Connections
from hhsim.network.layout import Place, lay_out

INDEX = "edge_group_index"
NODES, EDGES, CONFIG = "nodes.h5", "edges.h5", "config.toml"

InitialValues = Callable[[Model, Population], dict[str, npt.NDArray[np.float64]]]


class _Run(NamedTuple):
    """The synapses of some sources."""

    sources: npt.NDArray[np.int64]
    lanes: npt.NDArray[np.int64]  # of the targets
    columns: dict[str, npt.NDArray[np.float64]]  # individual weights (nS) and delays (ms)


def export(
    model: Model, folder: Path, initial_values: InitialValues, *, force: bool = False, chunk: int = CHUNK
) -> None:
    """Write the network of `model` into `folder`, which is made if need be.

    `initial_values(model, population)` gives the states of a population's cells by name. Raises OutputExists
    when one of the files is there and `force` is false, and FileFailed where it cannot be written.
    """
    for name in (NODES, EDGES, CONFIG):
        if (folder / name).exists() and not force:
            raise OutputExists(str(folder / name))
    layout = lay_out(model)
    connections = connect(model, layout, layout.cuts(1), np.float64)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        populations = {}
        with h5py.File(folder / f"{NODES}.part", "w") as file:
            for population in model.populations.values():
                states = initial_values(model, population)
                units = {
                    name: state.unit for name, state in states_of(model.cell_of(population.name)).items()
                }
                _write_nodes(file, population, states, units)
                initial = dict.fromkeys(states, FromFile(Path(NODES)))
                populations[population.name] = replace(population, initial=initial)
        projections: list[Projection] = []
        with h5py.File(folder / f"{EDGES}.part", "w") as file:
            file.create_group("edges")
            for index, projection in enumerate(model.projections):
                for name in sorted(set(projection.targets), key=lambda name: layout.places[name].first):
                    edges = _unused(file["edges"], f"{projection.source}__{name}")
                    runs = _runs(connections, index, model.run.dt, chunk)
                    _write_edges(file["edges"], edges, projection.source, layout.places[name], runs)
                    projections.append(_from_file(projection, name, edges))
        exported = replace(model, populations=populations, projections=tuple(projections))
        (folder / f"{CONFIG}.part").write_text(write(exported), encoding="utf-8")
        for name in (NODES, EDGES, CONFIG):
            os.replace(folder / f"{name}.part", folder / name)
    except OSError as error:
        raise FileFailed(str(folder), f"the circuit cannot be written ({error})") from error
    finally:
        for name in (NODES, EDGES, CONFIG):
            with suppress(OSError):
                (folder / f"{name}.part").unlink()


def _from_file(projection: Projection, target: str, edges: str) -> Projection:
    """The projection onto one of its targets, as it is read back."""
    return replace(
        projection,
        targets=(target,),
        rule=EdgesFromFile(Path(EDGES), edges),
        weight=projection.weight if constant(projection.weight) is not None else None,
        delay=projection.delay if constant(projection.delay) is not None else None,
    )


def _unused(group: Any, name: str) -> str:
    """The name, with a number when it is taken: two projections may join the same populations."""
    names = [name, *(f"{name}__{number}" for number in range(2, len(group) + 2))]
    return next(each for each in names if each not in group)


def _write_nodes(
    file: Any, population: Population, states: dict[str, npt.NDArray[np.float64]], units: Mapping[str, str]
) -> None:
    group = file.create_group(f"nodes/{population.name}")
    _constant(group, "node_type_id", population.size)
    group["node_id"] = np.arange(population.size, dtype=np.uint64)
    group["node_group_index"] = np.arange(population.size, dtype=np.uint64)
    _constant(group, "node_group_id", population.size)
    values = group.create_group("0")
    for name, numbers in states.items():
        dataset = values.create_dataset(name, data=numbers, dtype=np.float64)
        if units[name]:
            dataset.attrs["units"] = units[name]


def _constant(group: Any, name: str, size: int) -> None:
    """A dataset of zeros that takes no room in the file: chunks that were never written."""
    if size:
        group.create_dataset(name, (size,), np.int64, chunks=(min(size, CHUNK),), fillvalue=0)
    else:
        group.create_dataset(name, (0,), np.int64)


def _write_edges(file: Any, edges: str, source: str, target: Place, runs: Iterator[_Run]) -> None:
    """Write the synapses onto one population."""
    group = file.create_group(edges)
    group.create_group("0")
    datasets = {}
    for name, population in ((SOURCE, source), (TARGET, target.name)):
        datasets[name] = group.create_dataset(name, (0,), np.uint64, maxshape=(None,), chunks=(CHUNK // 16,))
        datasets[name].attrs["node_population"] = population
    datasets[INDEX] = group.create_dataset(
        INDEX, (0,), np.uint64, maxshape=(None,), chunks=(CHUNK // 16,), shuffle=True, compression=1
    )
    size = 0
    for run in runs:
        ours = (run.lanes >= target.first) & (run.lanes < target.first + target.size)
        columns: dict[str, npt.NDArray[Any]] = {name: values[ours] for name, values in run.columns.items()}
        columns |= {SOURCE: run.sources[ours], TARGET: run.lanes[ours] - target.first}
        columns[INDEX] = np.arange(size, size + columns[SOURCE].size)
        for name, values in columns.items():
            if name not in datasets:
                datasets[name] = group.create_dataset(
                    f"0/{name}", (0,), np.float64, maxshape=(None,), chunks=(CHUNK // 16,)
                )
                datasets[name].attrs["units"] = UNITS[name]
            datasets[name].resize((size + values.size,))
            datasets[name][size:] = values
        size += columns[SOURCE].size
    _constant(group, "edge_type_id", size)
    _constant(group, "edge_group_id", size)


def _runs(connections: Connections, projection: int, dt: float, chunk: int) -> Iterator[_Run]:
    """The synapses of a projection onto the only part, by source and target; at least one run."""
    about, place = connections.projections[projection], connections.places[0, projection]
    starts = connections.rows(0, projection).astype(np.int64)
    first, sources = 0, int(about[c.SOURCE_SIZE])
    while True:
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + chunk, "right")) - 1)
        last = min(last, sources)
        begin, end = int(starts[first]), int(starts[last])

        def column(array: npt.NDArray[Any], of: int, begin: int = begin, end: int = end) -> npt.NDArray[Any]:
            return array[place[of] + begin : place[of] + end]

        columns = {}
        if place[c.WEIGHT_BASE] != c.NONE:
            columns[WEIGHT] = column(connections.weights, c.WEIGHT_BASE)
        if place[c.LAG_BASE] != c.NONE:
            columns[DELAY] = (about[c.DELAY] + column(connections.lags, c.LAG_BASE)) * dt
        lanes = column(connections.targets, c.SYNAPSE_BASE) + place[c.FIRST_LANE]
        yield _Run(np.repeat(np.arange(first, last), np.diff(starts[first : last + 1])), lanes, columns)
        first = last
        if first >= sources:
            return
