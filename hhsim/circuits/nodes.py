"""SONATA nodes files: the values of a population's cells (github.com/AllenInstitute/sonata, "Representing
nodes")."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from hhsim.circuits.table import CHUNK, Quantity, Table
from hhsim.errors import FileFailed
from hhsim.model.state import State
from hhsim.system.hdf5 import foreign, open_plain

NODE_ID, NODE_TYPE = "node_id", "node_type_id"


@contextmanager
def open_nodes(path: Path, population: str) -> Iterator[Table]:
    """The table of a node population; whatever HDF5 has to complain of becomes FileFailed."""
    with foreign(path, "an HDF5 file of cells"), open_plain(path) as file:
        there = file.get("nodes")
        names = list(there) if isinstance(there, h5py.Group) else []
        group = there.get(population) if population in names else None
        if not isinstance(group, h5py.Group):
            known = f"; there are {', '.join(names)}" if names else ""
            raise FileFailed(str(path), f"there are no nodes named {population!r}{known}")
        yield Table(path, group, "node", _first_column(path, group))


def _first_column(path: Path, group: h5py.Group) -> str:
    """A column that every row has."""
    for name in (NODE_ID, NODE_TYPE, "node_group_id", "node_group_index"):
        if name in group:
            return name
    for each in group:
        if each.isdigit() and isinstance(group.get(each), h5py.Group):
            for name in group[each]:
                if isinstance(group[each].get(name), h5py.Dataset):
                    return f"{each}/{name}"
    raise FileFailed(str(path), f"{group.name} has no columns")


def node_values(
    path: Path, population: tuple[str, int], state: State, nodes: range, chunk: int = CHUNK
) -> npt.NDArray[np.float64]:
    """The values of `state`, in its unit, for some cells of a population, given by its name and size.

    Raises FileFailed for a file of another population or size, a cell that comes twice, or a value that a
    config may not say (naming its row, from 0).
    """
    name, size = population
    quantity = Quantity(state.unit, *state.bounds)
    with open_nodes(path, name) as table:
        columns = table.columns(state.name)
        if not columns:
            group = next(iter(table.groups), "0")
            table.refuse(f"has no dataset {table.population.name}/{group}/{state.name}")
        if table.size != size:
            table.refuse(
                f"{table.population.name} holds {table.size} cells, but population {name!r} has {size} cells"
            )
        ids = table.ids(NODE_ID, size) if NODE_ID in table.population else None
        values, seen = np.zeros(len(nodes)), np.zeros(size, bool)
        span = range(size) if ids is not None else nodes
        for start in range(span.start, span.stop, chunk):
            rows = slice(start, min(start + chunk, span.stop))
            cells = np.arange(rows.start, rows.stop)
            if ids is not None:
                cells = table.inside(ids, rows, size, f"cell {{0}}, but population {name!r} has {size} cells")
                _mark(table, cells, seen, start)
            for own in table.by_group(rows):
                column = columns.get(own.group)
                mine = (cells[own.at] >= nodes.start) & (cells[own.at] < nodes.stop)
                if column is None:
                    table.refuse(
                        f"row {start + int(own.at[0])} of {table.population.name} has no {state.name}: "
                        f"there is no dataset {table.population.name}/{own.group}/{state.name}"
                    )
                found = table.values(column, own, start, quantity)
                values[cells[own.at][mine] - nodes.start] = found[mine]
        return values


def _mark(table: Table, cells: npt.NDArray[np.int64], seen: npt.NDArray[np.bool_], start: int) -> None:
    """Refuse a cell that comes twice."""
    first = np.zeros(cells.size, bool)
    first[np.unique(cells, return_index=True)[1]] = True
    again = np.flatnonzero(~first | seen[cells])
    if again.size:
        row = int(again[0])
        where = f"row {start + row} of {table.population.name}/{NODE_ID}"
        table.refuse(f"{where} is cell {cells[row]}, which was there before")
    seen[cells] = True
