"""SONATA edges files, read in pieces (github.com/AllenInstitute/sonata, "Representing edges").

Read are /edges/<name>/source_node_id and target_node_id, and of the groups the columns syn_weight and delay,
when they are asked for, and nsyns: for how many synapses a row stands. What a group lacks, a table of edge
types may have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from hhsim.circuits.edge_types import ID, EdgeTypes, read_edge_types
from hhsim.circuits.table import CHUNK, Quantity, Table, text_of
from hhsim.errors import FileFailed
from hhsim.model import EdgesFromFile
from hhsim.system.hdf5 import foreign, open_plain

SOURCE, TARGET = "source_node_id", "target_node_id"
WEIGHT, DELAY, NSYNS = "syn_weight", "delay", "nsyns"
UNITS = {WEIGHT: "nS", DELAY: "ms"}
MOST_SYNAPSES = 2.0**53  # of a row: beyond, a float is no count


class Edges(NamedTuple):
    """A run of synapses in the order of the file."""

    sources: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64] | None  # nS
    delays: npt.NDArray[np.float64] | None  # ms


class Wanted(NamedTuple):
    """What is asked of the edges beside whom they join."""

    weights: bool
    delays: bool
    longest: float = np.inf  # ms, of the delays

    @property
    def columns(self) -> dict[str, Quantity]:
        weight, delay = Quantity(UNITS[WEIGHT], 0.0), Quantity(UNITS[DELAY], 0.0, self.longest)
        return {
            **({WEIGHT: weight} if self.weights else {}),
            **({DELAY: delay} if self.delays else {}),
        }


@contextmanager
def open_edges(rule: EdgesFromFile) -> Iterator[Table]:
    """The table of an edge population; whatever HDF5 has to complain of becomes FileFailed."""
    path = rule.path
    with foreign(path, "an HDF5 file of edges"), open_plain(path) as file:
        there = file.get("edges")
        names = list(there) if isinstance(there, h5py.Group) else []
        group = there.get(rule.edges) if rule.edges in names else None
        if not isinstance(group, h5py.Group):
            known = f"; there are {', '.join(names)}" if names else ""
            raise FileFailed(str(path), f"there are no edges named {rule.edges!r}{known}")
        yield Table(path, group, "edge", SOURCE)


def types_of(rule: EdgesFromFile, columns: Iterable[str]) -> EdgeTypes | None:
    """The table of edge types that belongs to the edges, with these columns; None if there is none."""
    if rule.edge_types is None:
        return None
    return read_edge_types(rule.edge_types, rule.edges, {name: name == NSYNS for name in columns})


def count_synapses(rule: EdgesFromFile) -> int:
    """How many synapses a population of edges has, nsyns counted. Raises FileFailed as `read_edges` does."""
    with foreign(rule.path, "an HDF5 file of edges"):
        stamps = [path.stat() for path in (rule.path, rule.edge_types) if path is not None]
    return _count(rule, *((stamp.st_mtime_ns, stamp.st_size, stamp.st_ino) for stamp in stamps))


@lru_cache(maxsize=64)
def _count(rule: EdgesFromFile, *stamps: tuple[int, ...]) -> int:
    """Counted once for each state of the files, as `stamps` tell it."""
    with open_edges(rule) as table:
        reader = _Reader(table, types_of(rule, [NSYNS]), Wanted(False, False))
        if not reader.counted:
            return table.size
        return sum(
            int(reader.read(slice(start, start + CHUNK))[NSYNS].sum())
            for start in range(0, table.size, CHUNK)
        )


def read_edges(
    rule: EdgesFromFile,
    source: tuple[str, int],
    target: tuple[str, int],
    wanted: Wanted,
    chunk: int = CHUNK,
) -> Iterator[Edges]:
    """The synapses between two populations, each given by its name and size, in runs of at most `chunk`.

    Raises FileFailed for a file that is no HDF5, lacks a dataset, belongs to other populations, or holds
    what a config may not say: an edge that points outside of its populations, a negative conductance
    (naming its row, from 0).
    """
    with open_edges(rule) as table:
        ends = [table.ids(name, table.size) for name in (SOURCE, TARGET)]
        for column, (population, _) in zip(ends, (source, target), strict=True):
            named = text_of(column, "node_population")
            if named and named != population:
                table.refuse(f"{column.name} counts cells of {named!r}, not of {population!r}")
        reader = _Reader(table, types_of(rule, [*wanted.columns, NSYNS]), wanted)
        for start in range(0, table.size, chunk):
            rows = slice(start, start + chunk)
            ids = [
                table.inside(column, rows, size, f"cell {{0}}, but population {name!r} has {size} cells")
                for column, (name, size) in zip(ends, (source, target), strict=True)
            ]
            values = reader.read(rows)
            edges = Edges(ids[0], ids[1], values.get(WEIGHT), values.get(DELAY))
            yield from _repeated(edges, values[NSYNS], chunk) if reader.counted else (edges,)


def _repeated(edges: Edges, times: npt.NDArray[np.float64], chunk: int) -> Iterator[Edges]:
    """Each edge as often as it has synapses."""
    ends = np.cumsum(times.astype(np.int64))
    for start in range(0, int(ends[-1]), chunk):
        numbers = np.arange(start, min(start + chunk, int(ends[-1])))
        of = np.searchsorted(ends, numbers, "right")
        yield Edges(
            edges.sources[of],
            edges.targets[of],
            None if edges.weights is None else edges.weights[of],
            None if edges.delays is None else edges.delays[of],
        )


class _Reader:
    """Columns of an edge population, from its groups or else from its types."""

    def __init__(self, table: Table, types: EdgeTypes | None, wanted: Wanted) -> None:
        self.table = table
        self.types = types
        self.quantities = {**wanted.columns, NSYNS: Quantity("", 0.0, MOST_SYNAPSES)}
        self.columns = {name: table.columns(name) for name in self.quantities}
        self.counted = bool(self.columns[NSYNS]) or (types is not None and NSYNS in types.values)
        self.type_ids = None if types is None else table.ids(ID, table.size)
        if not self.counted:
            del self.quantities[NSYNS]

    def read(self, rows: slice) -> dict[str, npt.NDArray[np.float64]]:
        """The values of some rows."""
        start, stop, _ = rows.indices(self.table.size)
        kinds = self._kinds(rows)
        values = {name: np.empty(stop - start) for name in self.quantities}
        for own in self.table.by_group(rows):
            for name, quantity in self.quantities.items():
                column = self.columns[name].get(own.group)
                if column is None:
                    values[name][own.at] = self._of_types(name, own, start, kinds)
                else:
                    values[name][own.at] = self.table.values(column, own, start, quantity)
                    if name == NSYNS:
                        self._require_whole(column, own, values[name])
        return values

    def _kinds(self, rows: slice) -> npt.NDArray[np.intp] | None:
        """Where the types of some rows stand in the table of types."""
        if self.types is None or self.type_ids is None:
            return None
        ids = self.table.whole_numbers(self.type_ids, rows)
        at = np.searchsorted(self.types.ids, ids)
        known = np.zeros(ids.size, bool)
        inside = at < self.types.ids.size
        known[inside] = self.types.ids[at[inside]] == ids[inside]
        if not known.all():
            row = int(np.flatnonzero(~known)[0])
            self.table.refuse(
                f"row {rows.start + row} of {self.type_ids.name} is {int(ids[row])}, and "
                f"{self.types.path} has no such type"
            )
        return at

    def _of_types(
        self, name: str, own: Any, start: int, kinds: npt.NDArray[np.intp] | None
    ) -> npt.NDArray[np.float64]:
        where = f"{self.table.population.name}/{own.group}/{name}"
        given = self.types.values.get(name) if self.types is not None else None
        if given is None or kinds is None or self.types is None:
            if name == NSYNS:
                return np.ones(own.at.size)
            beside = (
                f', nor does {self.types.path} have a column "{name}"'
                if self.types is not None
                else '; where a table of edge types has it, add edge_types = "….csv" to the rule'
            )
            self.table.refuse(f"there is no dataset {where}{beside}")
        values: npt.NDArray[np.float64] = given[kinds[own.at]]
        missing = np.flatnonzero(np.isnan(values))
        if missing.size and name == NSYNS:
            values[missing] = 1.0
        elif missing.size:
            row = int(own.at[missing[0]])
            kind = int(self.types.ids[kinds[row]])
            self.table.refuse(
                f"row {start + row} of {self.table.population.name} has no {name}: there is no dataset "
                f"{where}, and edge type {kind} of {self.types.path} has none"
            )
        most = self.quantities[name].most
        beyond = np.flatnonzero(values > most)
        if beyond.size:
            row = int(own.at[beyond[0]])
            kind = int(self.types.ids[kinds[row]])
            self.table.refuse(
                f"row {start + row} of {self.table.population.name}: the {name} of edge type {kind} in "
                f"{self.types.path} is {values[beyond[0]]:g}; it must be at most {most:g}"
            )
        return values

    def _require_whole(self, column: Any, own: Any, values: npt.NDArray[np.float64]) -> None:
        found = values[own.at]
        wrong = np.flatnonzero(found != np.rint(found))
        if wrong.size:
            what = f"row {own.places[wrong[0]]} of {column.name} is {found[wrong[0]]}"
            self.table.refuse(f"{what}, which is not a whole number")
