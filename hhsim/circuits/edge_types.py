"""SONATA's table of edge types: columns parted by spaces, a value for all edges of a type."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hhsim.errors import FileFailed
from hhsim.system.hdf5 import foreign
from hhsim.system.plainfile import require_plain_file

ID, POPULATION = "edge_type_id", "population"
MISSING = ("", "NULL", "NAN", "NONE", "NA", "N/A")  # in any case


class EdgeTypes(NamedTuple):
    """The types of one edge population, by ascending number."""

    path: Path
    ids: npt.NDArray[np.int64]
    values: dict[str, npt.NDArray[np.float64]]  # by column; NaN where a type has none
    others: tuple[str, ...]  # columns that were not asked for


def read_edge_types(path: Path, edges: str, columns: dict[str, bool]) -> EdgeTypes:
    """The types of the edge population `edges`: numbers that must not be negative, from the named columns
    (True: whole ones).

    Raises FileFailed for a file that is no such table, or a value that is refused, with its line.
    """
    require_plain_file(path)
    with foreign(path, "a table of edge types"), path.open(encoding="utf-8-sig", newline="") as file:
        lines = [(number, line.strip("\r\n")) for number, line in enumerate(file, 1) if line.strip()]
    if not lines:
        raise FileFailed(str(path), "is empty; a table of edge types begins with the names of its columns")
    header = _cells(path, *lines[0])
    if ID not in header:
        raise FileFailed(str(path), f"has no column {ID} (columns are parted by spaces)")
    found: dict[int, list[float]] = {}
    wanted = [name for name in columns if name in header]
    for number, line in lines[1:]:
        row = dict(zip(header, _cells(path, number, line, len(header)), strict=True))
        if POPULATION in row and row[POPULATION] not in (edges, "NULL", ""):
            continue
        where = f"line {number}: {ID}"
        key = _number(path, where, row[ID])
        if key != np.rint(key) or abs(key) >= 2**63:
            raise FileFailed(str(path), f"{where} {row[ID]} is not a whole number")
        if int(key) in found:
            raise FileFailed(str(path), f"{where} {int(key)} is given twice")
        values = []
        for name in wanted:
            value = np.nan
            if row[name].upper() not in MISSING:
                value = _number(path, f"line {number}: {name}", row[name])
                if value < 0:
                    raise FileFailed(
                        str(path), f"line {number}: {name} is {row[name]}; it must not be negative"
                    )
                if columns[name] and value != np.rint(value):
                    raise FileFailed(str(path), f"line {number}: {name} {row[name]} is not a whole number")
            values.append(value)
        found[int(key)] = values
    ids = np.array(sorted(found), np.int64)
    table = np.array([found[int(key)] for key in ids], float).reshape(len(ids), len(wanted))
    others = tuple(name for name in header if name not in (ID, POPULATION, *columns))
    return EdgeTypes(path, ids, {name: table[:, i] for i, name in enumerate(wanted)}, others)


def _cells(path: Path, number: int, line: str, count: int | None = None) -> list[str]:
    """The cells of a line. Several spaces part cells like one, unless only empty cells make up the number."""
    try:
        exact = next(csv.reader([line], delimiter=" ", strict=True))
        cells = next(csv.reader([line.strip()], delimiter=" ", skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise FileFailed(str(path), f"line {number}: {error}") from None
    if count is None or len(cells) == count:
        return cells
    if len(exact) == count:
        return exact
    raise FileFailed(str(path), f"line {number} has {len(cells)} cells, and the first line has {count}")


def _number(path: Path, where: str, cell: str) -> float:
    try:
        value = np.nan if "_" in cell else float(cell)  # Python takes 1_0 for ten
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise FileFailed(str(path), f"{where} {cell!r} is not a finite number")
    return value
