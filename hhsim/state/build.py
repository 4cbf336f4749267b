"""The arrays of a run: cells in blocks of lanes, arrivals on their way, spikes, inputs and samples.

Each group is a named tuple, so that compiled code takes it as one argument.
"""

from __future__ import annotations

import types
from typing import Any, NamedTuple, assert_never

import numpy as np
import numpy.typing as npt

from hhsim import mathx
from hhsim.channels import Channel, Receptor
from hhsim.channels.checks import formula_of
from hhsim.channels.methods import leads
from hhsim.channels.structure import Structure, decay_parameters, structure_of, values_of
from hhsim.circuits.nodes import node_values
from hhsim.errors import StateRefused
from hhsim.formulas.grammar import is_straight
from hhsim.model import Constant, FromFile, Model, Normal, Population, Steady, Uniform
from hhsim.network.layout import LANES, Layout
from hhsim.network.random import Purpose, draw_values, identify, in_precision

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


FOREVER = 2.0**53  # steps

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


def on_arrays(definition: Channel | Receptor, *arguments: Any) -> list[Floats]:
    """What the formula of a channel or a receptor gives for arrays of arguments; infinities and NaN are the
    caller's to look for.

    A formula that only computes is applied to whole arrays, with `exp` and its relatives exchanged for array
    versions; one that chooses between values is evaluated number by number, once for each combination.
    """
    function: Any = definition.decay if isinstance(definition, Receptor) else definition.rates
    with np.errstate(all="ignore"):
        if is_straight(function, _SCALAR_FUNCTIONS):
            arrays = types.FunctionType(function.__code__, {**function.__globals__, **_ARRAY_FUNCTIONS})
            results = arrays(*(np.asarray(each, float) for each in arguments))
            return list(results) if isinstance(results, tuple) else [results]
    rows = np.stack(np.broadcast_arrays(*(np.asarray(each, float) for each in arguments)), axis=-1)
    several, which = np.unique(rows.reshape(-1, len(arguments)), axis=0, return_inverse=True)
    formula = formula_of(definition)
    table = np.array([formula(*row) for row in several.tolist()], float)
    return [column[which.ravel()].reshape(rows.shape[:-1]) for column in table.T]


def _exprel(x: Floats) -> Floats:
    x = np.asarray(x, dtype=float)
    return np.where(x == 0, 1.0, np.expm1(x) / np.where(x == 0, 1.0, x))


_ARRAY_FUNCTIONS = {
    "exp": np.exp,
    "exprel": _exprel,
    "exprelr": lambda x: 1 / _exprel(x),
    "ratio": lambda x, e: 1 / _exprel(x),
    "abs": np.abs,
}
_SCALAR_FUNCTIONS = {name: getattr(mathx, name, abs) for name in _ARRAY_FUNCTIONS}


def parameter_values(model: Model, population: Population, name: str, nodes: range | None = None) -> Floats:
    """The values of a cell parameter, such as "na.g_max", for some cells of a population, or all.

    "<receptor>.decay" is the factor of its conductance for a step, or for half a step where the method is
    `staggered`, which lets conductances decay in two halves.
    """
    nodes = range(population.size) if nodes is None else nodes
    key, _, what = name.partition(".")
    receptor = dict(structure_of(model, model.cells[population.cell]).receptors).get(key)
    if receptor is not None and what == "decay":
        dt = model.run.dt * (0.5 if leads(model.run.method) else 1.0)
        names = [f"{key}.{each}" for each in decay_parameters(receptor)]
        given = [parameter_values(model, population, each, nodes) for each in names]
        return np.broadcast_to(on_arrays(receptor, dt, *given)[0], len(nodes)).astype(float)
    value = values_of(model.cells[population.cell])[name]
    identity = identify(population.name, name)
    return draw_values(model.run.seed, Purpose.PARAMETER, identity, value, nodes.start, len(nodes))


def initial_values(model: Model, population: Population, nodes: range | None = None) -> dict[str, Floats]:
    """The initial value of every state of some cells, or all, in the unit of the state.

    A state for which the population has no initial value begins at its `start`.
    """
    nodes = range(population.size) if nodes is None else nodes
    structure = structure_of(model, model.cells[population.cell])
    values: dict[str, Floats] = {}
    for state in structure.states:
        name = state.name
        given = population.initial.get(name, Constant(state.start))
        match given:
            case FromFile(path):
                values[name] = node_values(path, (population.name, population.size), state, nodes)
            case Steady():
                values[name] = _steady(model, population, name, values["v"], nodes)
            case Constant() | Normal() | Uniform():
                identity = identify(population.name, name)
                about = (model.run.seed, Purpose.INITIAL, identity, given)
                values[name] = draw_values(*about, nodes.start, len(nodes))
            case _:
                assert_never(given)
    return values


def _steady(model: Model, population: Population, name: str, v: Floats, nodes: range) -> Floats:
    """The value at which a gate, such as "na.h", rests at each cell's v.

    Raises StateRefused where there is none.
    """
    key, gate = name.split(".")
    channel = dict(structure_of(model, model.cells[population.cell]).channels)[key]
    rates = channel.rates
    assert rates is not None
    arguments = rates.__code__.co_varnames[1 : rates.__code__.co_argcount]
    parameters = [parameter_values(model, population, f"{key}.{argument}", nodes) for argument in arguments]
    which = 2 * list(channel.gates).index(gate)
    alpha, beta = on_arrays(channel, v, *parameters)[which : which + 2]
    with np.errstate(all="ignore"):
        x = np.broadcast_to(alpha / (alpha + beta), v.shape).astype(float)
    if not np.isfinite(x).all():
        cell = int(np.flatnonzero(~np.isfinite(x))[0])
        found = (float(np.broadcast_to(each, v.shape)[cell]) for each in (v, alpha, beta))
        raise StateRefused(population.name, name, *found)
    return x


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
        refractory[owner] = round(min(cell.spike.refractory / model.run.dt, FOREVER))
        given = {"dt": model.run.dt, "threshold": cell.spike.threshold}
        for i, name in enumerate(structure.parameters):
            value = given[name] if name in given else parameter_values(model, population, name, range(1))[0]
            where = f"cell.{cell.name}: {name}"
            parameters[owner, i] = in_precision(np.array([value]), model.run.precision, where)[0]
        clock_rows[owner], current_rows[owner] = structure.rows["clock"], structure.rows.get("current", -1)
        place = layout.places[population.name]
        own = place.blocks_in(mine)
        if not own:
            continue
        nodes = place.nodes_in(mine)
        rows = initial_values(model, population, nodes)
        varying = [name for name in structure.rows if name not in (*rows, "current", "clock")]
        rows |= {name: parameter_values(model, population, name, nodes) for name in varying}
        first, last = int(starts[own.start]), int(starts[own.stop - 1])
        view = state[first : last + len(structure.rows) * LANES].reshape(-1, len(structure.rows), LANES)
        for name, values in rows.items():
            row = in_precision(values, model.run.precision, f"population.{population.name}: {name}")
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
        leads(model.run.method),
    )
    return cells, structures


def build_work(parts: int) -> Work:
    row = 2 * LANES  # bytes: a part's marks, and as much again between them and the next part's
    marks = aligned(parts * row, np.uint8).reshape(parts, row)
    ticks = aligned(parts * TICKS, np.int64).reshape(parts, TICKS)
    return Work(marks, marks.view(np.uint64), ticks, np.zeros(parts, np.int64))
