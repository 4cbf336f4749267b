"""The arrays of a run: cells in blocks of lanes, arrivals on their way, spikes, inputs and samples.

Each group is a named tuple, so that compiled code takes it as one argument.
"""

from __future__ import annotations

import types
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.cell import Structure, decay_parameters, structure_of, values_of
from hhsim.channels import Channel
from hhsim.errors import FileFailed
from hhsim.hdf5 import foreign, require_plain
from hhsim.model import Constant, FromFile, Model, Population, Steady
from hhsim.network.layout import LANES, Layout
from hhsim.random import Purpose, draw_values, identify

Floats = npt.NDArray[np.float64]


class Cells(NamedTuple):
    """The cells of some blocks of the network, or of all. Each such block b holds its rows (`Structure.rows`)
    from `state[starts[b]]` on, LANES numbers each, in the units of the model: mV, nS, pA; gates are shares
    of 1."""

    state: npt.NDArray[Any]  # real, flat
    starts: npt.NDArray[np.uint64]  # (blocks,)
    kinds: npt.NDArray[np.int64]  # (blocks,) number of the structure
    owners: npt.NDArray[np.int64]  # (blocks,) number of the population
    ends: npt.NDArray[np.int64]  # (blocks,) one past the last lane that holds a cell
    parameters: npt.NDArray[Any]  # real (populations, most parameters), in the order of Structure.parameters
    clock_rows: npt.NDArray[np.int64]  # (populations,) row of the refractory clock
    current_rows: npt.NDArray[np.int64]  # (populations,) row of the outer current, −1 where none is
    refractory: npt.NDArray[np.int64]  # (populations,) steps
    staggered: bool


TICKS = 16  # numbers of a part in `Work.ticks`: more than there are phases, and two cache lines


class Work(NamedTuple):
    """Working memory of each part."""

    marks: npt.NDArray[np.uint8]  # (parts, LANES and more), 1 for each lane that `collect` has to look at
    words: npt.NDArray[np.uint64]  # the same memory, eight lanes at a time
    ticks: npt.NDArray[np.int64]  # (parts, TICKS) time in each phase, counted where the rendering is timed
    reached: npt.NDArray[np.int64]  # (parts,) the step that each part came to in the last call


CACHE_LINE = 64  # bytes; also the widest vector


def aligned(size: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Zeros that begin on a cache line: no vector straddles two lines, and no two parts share one.

    Measured for 4000 cells in float64: 7 % less time with one thread, 10 % with two.
    """
    wanted = np.dtype(dtype)
    raw = np.zeros(size * wanted.itemsize + CACHE_LINE, np.uint8)
    begin = -raw.ctypes.data % CACHE_LINE
    return raw[begin : begin + size * wanted.itemsize].view(wanted)


def numeric(function: Any) -> Any:
    """The same formula for NumPy arrays: `exp` and its relatives exchanged for array versions."""
    return types.FunctionType(function.__code__, {**function.__globals__, **_ARRAY_FUNCTIONS})


def _exprel(x: Floats) -> Floats:
    x = np.asarray(x, dtype=float)
    return np.where(x == 0, 1.0, np.expm1(x) / np.where(x == 0, 1.0, x))


_ARRAY_FUNCTIONS = {
    "exp": np.exp,
    "exprel": _exprel,
    "exprelr": lambda x: 1 / _exprel(x),
    "ratio": lambda x, e: 1 / _exprel(x),
    "abs": np.abs,
    "min": np.minimum,
    "max": np.maximum,
}


def parameter_values(model: Model, population: Population, name: str, nodes: range | None = None) -> Floats:
    """The values of a cell parameter, such as "na.g_max", for some cells of a population, or all.

    "<receptor>.decay" is the factor of its conductance for a step, or for half a step where the method is
    `staggered`, which lets conductances decay in two halves.
    """
    nodes = range(population.size) if nodes is None else nodes
    key, _, what = name.partition(".")
    receptor = dict(structure_of(model, model.cells[population.cell]).receptors).get(key)
    if receptor is not None and what == "decay":
        dt = model.run.dt * (0.5 if model.run.method == "staggered" else 1.0)
        names = [f"{key}.{each}" for each in decay_parameters(receptor)]
        given = [parameter_values(model, population, each, nodes) for each in names]
        return np.broadcast_to(numeric(receptor.decay)(dt, *given), len(nodes)).astype(float)
    value = values_of(model.cells[population.cell])[name]
    identity = identify(population.name, name)
    return draw_values(model.run.seed, Purpose.PARAMETER, identity, value, nodes.start, len(nodes))


def initial_values(model: Model, population: Population, nodes: range | None = None) -> dict[str, Floats]:
    """The initial value of every state of some cells, or all, in mV, nS, or shares of 1.

    Gates that the config leaves out start at 0, conductances too; v starts at its value or −65 mV.
    """
    nodes = range(population.size) if nodes is None else nodes
    structure = structure_of(model, model.cells[population.cell])
    values: dict[str, Floats] = {}
    for name in structure.states:
        given = population.initial.get(name, Constant(-65.0 if name == "v" else 0.0))
        if isinstance(given, FromFile):
            values[name] = _from_file(given, population, name, nodes)
        elif isinstance(given, Steady):
            key, gate = name.split(".")
            channel = dict(structure.channels)[key]
            values[name] = _steady(model, population, channel, key, gate, values["v"], nodes)
        else:
            identity = identify(population.name, name)
            about = (model.run.seed, Purpose.INITIAL, identity, given)
            values[name] = draw_values(*about, nodes.start, len(nodes))
    return values


def _steady(
    model: Model, population: Population, channel: Channel, key: str, gate: str, v: Floats, nodes: range
) -> Floats:
    rates = channel.rates
    assert rates is not None
    arguments = rates.__code__.co_varnames[1 : rates.__code__.co_argcount]
    parameters = [parameter_values(model, population, f"{key}.{argument}", nodes) for argument in arguments]
    which = 2 * list(channel.gates).index(gate)
    alpha, beta = numeric(rates)(v, *parameters)[which : which + 2]
    return np.broadcast_to(alpha / (alpha + beta), v.shape).astype(float)


def _from_file(given: FromFile, population: Population, name: str, nodes: range) -> Floats:
    import h5py

    place = f"/nodes/{population.name}/0/{name}"
    with foreign(given.path, "an HDF5 file of cells"), h5py.File(given.path, "r") as file:
        if place not in file:
            raise FileFailed(str(given.path), f"has no dataset {place}")
        dataset = file[place]
        require_plain(dataset)
        if dataset.shape != (population.size,):
            raise FileFailed(
                str(given.path),
                f"{place} holds {dataset.shape} values, but population {population.name!r} has "
                f"{population.size} cells",
            )
        values = np.asarray(dataset[nodes.start : nodes.stop], dtype=float)
    if not np.isfinite(values).all():
        raise FileFailed(str(given.path), f"{place} holds values that are not finite numbers")
    return values


def build_cells(model: Model, layout: Layout, blocks: range | None = None) -> tuple[Cells, list[Structure]]:
    """Lay out the states and varying parameters of the cells of some blocks, or all, in memory.

    Returns also the distinct structures of all cells of the network.
    """
    mine = range(layout.blocks) if blocks is None else blocks
    real = np.dtype(model.run.precision)
    structures: list[Structure] = []
    starts = np.zeros(layout.blocks, np.uint64)
    kinds, owners, ends = (np.zeros(layout.blocks, np.int64) for _ in range(3))
    size = 0
    for owner, population in enumerate(model.populations.values()):
        structure = structure_of(model, model.cells[population.cell])
        if structure not in structures:
            structures.append(structure)
        place = layout.places[population.name]
        for block in place.blocks:
            starts[block], kinds[block], owners[block] = size, structures.index(structure), owner
            ends[block] = min((block + 1) * LANES, place.first + place.size)
            size += len(structure.rows) * LANES if block in mine else 0

    state = aligned(size, real)
    parameters = np.zeros((len(model.populations), max(len(s.parameters) for s in structures)), real)
    clock_rows, current_rows, refractory = (np.zeros(len(model.populations), np.int64) for _ in range(3))
    for owner, population in enumerate(model.populations.values()):
        cell = model.cells[population.cell]
        structure = structure_of(model, cell)
        refractory[owner] = round(cell.spike.refractory / model.run.dt)
        given = {"dt": model.run.dt, "threshold": cell.spike.threshold}
        parameters[owner, : len(structure.parameters)] = [
            given[name] if name in given else parameter_values(model, population, name, range(1))[0]
            for name in structure.parameters
        ]
        clock_rows[owner], current_rows[owner] = structure.rows["clock"], structure.rows.get("current", -1)
        place = layout.places[population.name]
        own = place.blocks_in(mine)
        if not own:
            continue
        nodes = place.nodes_in(mine)
        rows = initial_values(model, population, nodes)
        varying = [name for name in structure.rows if name not in (*structure.states, "current", "clock")]
        rows |= {name: parameter_values(model, population, name, nodes) for name in varying}
        first, last = int(starts[own.start]), int(starts[own.stop - 1])
        view = state[first : last + len(structure.rows) * LANES].reshape(-1, len(structure.rows), LANES)
        for name, row in rows.items():
            # Padding repeats the last cell: its arithmetic stays ordinary, and nobody looks at it.
            padded = np.concatenate([row, np.full(len(own) * LANES - row.size, row[-1])])
            view[:, structure.rows[name], :] = padded.reshape(-1, LANES)
    cells = Cells(
        state,
        starts,
        kinds,
        owners,
        ends,
        parameters,
        clock_rows,
        current_rows,
        refractory,
        model.run.method == "staggered",
    )
    return cells, structures


def build_work(parts: int) -> Work:
    row = 2 * LANES  # bytes: a part's marks, and as much again between them and the next part's
    marks = aligned(parts * row, np.uint8).reshape(parts, row)
    ticks = aligned(parts * TICKS, np.int64).reshape(parts, TICKS)
    return Work(marks, marks.view(np.uint64), ticks, np.zeros(parts, np.int64))
