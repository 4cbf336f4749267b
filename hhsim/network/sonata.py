"""SONATA edges files, read in pieces (github.com/AllenInstitute/sonata, "Representing edges").

Read are /edges/<name>/source_node_id and target_node_id, and of group "0" the columns syn_weight (nS) and
delay (ms) when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from hhsim.errors import FileFailed
from hhsim.hdf5 import foreign, open_plain, require_plain

CHUNK = 1 << 20  # edges held at a time
SOURCE, TARGET, GROUP = "source_node_id", "target_node_id", "edge_group_id"
WEIGHT, DELAY = "0/syn_weight", "0/delay"
UNITS = {WEIGHT: "nS", DELAY: "ms"}


class Edges(NamedTuple):
    """A run of edges in the order of the file."""

    sources: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64] | None  # nS
    delays: npt.NDArray[np.float64] | None  # ms


@contextmanager
def _open(path: Path, edges: str) -> Iterator[Any]:
    """The group of an edge population; whatever HDF5 has to complain of becomes FileFailed."""
    with foreign(path, "an HDF5 file of edges"), open_plain(path) as file:
        group = file.get(f"edges/{edges}")
        if not isinstance(group, h5py.Group):
            there = file.get("edges")
            names = ", ".join(there) if isinstance(there, h5py.Group) else ""
            raise FileFailed(
                str(path),
                f"there are no edges named {edges!r}" + (f"; there are {names}" if names else ""),
            )
        yield group


def _column(path: Path, group: Any, name: str, size: int | None) -> Any:
    """A one-dimensional dataset of numbers, of the right length and unit."""
    dataset = group.get(name)
    where = f"{group.name}/{name}"
    if not isinstance(dataset, h5py.Dataset):
        raise FileFailed(str(path), f"there is no dataset {where}")
    require_plain(dataset)
    kinds = "fiu" if name in UNITS else "iu"
    if dataset.ndim != 1 or dataset.dtype.kind not in kinds:
        raise FileFailed(str(path), f"{where} is not a list of {'numbers' if name in UNITS else 'node ids'}")
    if size is not None and dataset.shape[0] != size:
        raise FileFailed(str(path), f"{where} has {dataset.shape[0]} entries where {SOURCE} has {size}")
    unit = _text(dataset, "units")
    if name in UNITS and unit is not None and unit != UNITS[name]:
        raise FileFailed(str(path), f"{where} is in {unit}, and {UNITS[name]} is expected")
    return dataset


def _text(dataset: Any, attribute: str) -> str | None:
    """An attribute, which some writers store as bytes."""
    if attribute not in dataset.attrs:
        return None
    require_plain(dataset.attrs.get_id(attribute))
    value = dataset.attrs[attribute]
    return value.decode() if isinstance(value, bytes) else value


def count_edges(path: Path, edges: str) -> int:
    """How many edges a population has."""
    with _open(path, edges) as group:
        return int(_column(path, group, SOURCE, None).shape[0])


def read_edges(
    path: Path,
    edges: str,
    source: tuple[str, int],
    target: tuple[str, int],
    weights: bool,
    delays: bool,
    chunk: int = CHUNK,
) -> Iterator[Edges]:
    """The edges between two populations, each given by its name and size, in runs of at most `chunk`.

    Raises FileFailed for a file that is no HDF5, lacks a dataset, belongs to other populations, or holds
    an edge that points outside of them (naming its row, from 0).
    """
    with _open(path, edges) as group:
        columns = {SOURCE: _column(path, group, SOURCE, None)}
        size = columns[SOURCE].shape[0]
        for name, wanted in ((TARGET, True), (WEIGHT, weights), (DELAY, delays)):
            if wanted:
                columns[name] = _column(path, group, name, size)
        for name, (population, _) in ((SOURCE, source), (TARGET, target)):
            named = _text(columns[name], "node_population")
            if named is not None and named != population:
                raise FileFailed(
                    str(path), f"{columns[name].name} counts cells of {named!r}, not of {population!r}"
                )
        if GROUP in group:
            columns[GROUP] = _column(path, group, GROUP, size)
        for start in range(0, size, chunk):
            rows = slice(start, start + chunk)
            if GROUP in columns and np.any(columns[GROUP][rows]):
                raise FileFailed(
                    str(path), f"{group.name} has edges of several groups; only group 0 can be read"
                )
            ids = [
                _inside(path, columns[name], rows, population)
                for name, population in ((SOURCE, source), (TARGET, target))
            ]
            weight, delay = (
                _finite(path, columns[name], rows) if name in columns else None for name in (WEIGHT, DELAY)
            )
            yield Edges(ids[0], ids[1], weight, delay)


def _inside(path: Path, column: Any, rows: slice, population: tuple[str, int]) -> npt.NDArray[np.int64]:
    """Node ids, all of them in the population."""
    name, size = population
    ids = column[rows]
    outside = np.flatnonzero((ids < 0) | (ids >= size))
    if outside.size:
        row = int(outside[0])
        raise FileFailed(
            str(path),
            f"row {rows.start + row} of {column.name} is cell {ids[row]}, "
            f"but population {name!r} has {size} cells",
        )
    return ids.astype(np.int64)  # type: ignore[no-any-return]


def _finite(path: Path, column: Any, rows: slice) -> npt.NDArray[np.float64]:
    """Weights or delays, none of them negative or NaN."""
    values = column[rows].astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(values) & ((values >= 0) | (not column.name.endswith(DELAY)))))
    if wrong.size:
        row = int(wrong[0])
        raise FileFailed(str(path), f"row {rows.start + row} of {column.name} is {values[row]}")
    return values  # type: ignore[no-any-return]
