"""A SONATA population as a table: rows whose columns lie in groups (developer guide, "Representing nodes",
"Representing edges").

A row has its values at place <kind>_group_index of group <kind>_group_id; without these, row r has them at
place r of the only group. Everything is read in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import h5py
import numpy as np
import numpy.typing as npt

from hhsim.errors import FileFailed
from hhsim.model import units
from hhsim.system.hdf5 import attribute, require_plain

CHUNK = 1 << 20  # rows held at a time
GAP = 1 << 16  # values that are skipped rather than read, where none of them is wanted
LIBRARY = "@library"  # of a group: the texts that its columns of the same names count (libsonata)
NO_UNIT = ("", "1", "dimensionless", "unitless")


class Quantity(NamedTuple):
    """What a column holds: its unit here, and what a config would allow."""

    unit: str  # "" for plain numbers
    least: float = -np.inf
    most: float = np.inf


class Rows(NamedTuple):
    """Some rows that lie in one group."""

    group: str
    at: npt.NDArray[np.intp]  # which of the rows asked for
    places: npt.NDArray[np.int64]  # in the group's columns
    whole: bool  # the places are a run of ascending numbers


class Table:
    """An open population, such as /edges/<name>."""

    def __init__(self, path: Path, population: Any, kind: str, id_name: str) -> None:
        self.path = path
        self.population = population
        self.id_name = id_name  # the column that tells how many rows there are
        self.groups = {
            name: group
            for name in population
            if name.isascii() and name.isdigit() and isinstance(group := population.get(name), h5py.Group)
        }
        self.size = int(self.ids(id_name, None).shape[0])
        ids, index = f"{kind}_group_id", f"{kind}_group_index"
        self._group_ids = self.ids(ids, self.size) if ids in population else None
        self._index = self.ids(index, self.size) if index in population else None
        if self._group_ids is None and len(self.groups) > 1:
            self.refuse(
                f"{population.name} has {len(self.groups)} groups, but no {ids} to tell whose is which"
            )
        if self._index is None and len(self.groups) > 1:
            self.refuse(f"{population.name} has {len(self.groups)} groups, but no {index} to tell the places")
        self._only = next(iter(self.groups), "0")

    def refuse(self, reason: str) -> NoReturn:
        """Raise FileFailed for the file of this table."""
        raise FileFailed(str(self.path), reason)

    def ids(self, name: str, size: int | None) -> Any:
        """A dataset of whole numbers, one for each row."""
        dataset = self.population.get(name)
        where = f"{self.population.name}/{name}"
        if not isinstance(dataset, h5py.Dataset):
            self.refuse(f"there is no dataset {where}")
        self._require_list(dataset, where, size, "whole numbers")
        return dataset

    def _require_list(self, dataset: Any, where: str, size: int | None, kind: str) -> None:
        """Refuse a dataset that is not one list of numbers, of `size` if that is known."""
        require_plain(dataset)
        if dataset.ndim != 1 or dataset.dtype.kind not in "iuf":
            self.refuse(f"{where} is not a list of {kind}")
        if size is not None and dataset.shape[0] != size:
            self.refuse(f"{where} has {dataset.shape[0]} entries where {self.id_name} has {size}")

    def whole_numbers(self, dataset: Any, rows: slice) -> npt.NDArray[Any]:
        """Some rows of `ids`; those stored as floats are checked to be whole."""
        values = dataset[rows]
        if values.dtype.kind == "f":
            wrong = np.flatnonzero(~(np.isfinite(values) & (values == np.rint(values))))
            if wrong.size:
                row = int(wrong[0])
                what = f"row {rows.start + row} of {dataset.name} is {values[row]}"
                self.refuse(f"{what}, which is not a whole number")
        return values  # type: ignore[no-any-return]

    def inside(self, dataset: Any, rows: slice, size: int, beyond: str) -> npt.NDArray[np.int64]:
        """Some rows of `ids`, all from 0 to below `size`; `beyond` words what is wrong with another."""
        values = self.whole_numbers(dataset, rows)
        outside = np.flatnonzero((values < 0) | (values >= size))
        if outside.size:
            row = int(outside[0])
            number = int(values[row])
            self.refuse(f"row {rows.start + row} of {dataset.name} is {beyond.format(number)}")
        return values.astype(np.int64)

    def column(self, group: str, name: str) -> Any | None:
        """A column of a group; None where it has none."""
        dataset = self.groups[group].get(name) if group in self.groups else None
        if dataset is None:
            return None
        where = f"{self.population.name}/{group}/{name}"
        if not isinstance(dataset, h5py.Dataset):
            self.refuse(f"{where} is no dataset")
        library = self.groups[group].get(LIBRARY)
        if isinstance(library, h5py.Group) and name in library:
            self.refuse(f"{where} counts entries of {library.name}/{name}, and numbers are expected")
        self._require_list(dataset, where, self.size if self._index is None else None, "numbers")
        return dataset

    def columns(self, name: str) -> Mapping[str, Any]:
        """A column in each group that has it."""
        found = {group: self.column(group, name) for group in self.groups}
        return {group: column for group, column in found.items() if column is not None}

    def by_group(self, rows: slice) -> Iterator[Rows]:
        """Where some rows have their values."""
        start, stop, _ = rows.indices(self.size)
        if self._index is None:
            places = np.arange(start, stop, dtype=np.int64)
        else:
            highest = np.iinfo(np.int64).max
            places = self.inside(self._index, rows, highest, "{0}, which is no place in a group")
        if self._group_ids is None:
            yield _rows(self._only, np.arange(stop - start), places)
            return
        ids = self.whole_numbers(self._group_ids, rows)
        for number in np.unique(ids):
            group = str(int(number))
            at = np.flatnonzero(ids == number)
            if group not in self.groups and (self.groups or number != 0):
                there = ", ".join(self.groups) or "none"
                self.refuse(
                    f"row {start + int(at[0])} of {self._group_ids.name} is {group}, but "
                    f"{self.population.name} has no such group; there are {there}"
                )
            yield _rows(group, at, places[at])

    def values(self, column: Any, rows: Rows, first: int, quantity: Quantity) -> npt.NDArray[np.float64]:
        """The values of some rows, of which the first asked for is row `first`, in the unit wanted."""
        size = column.shape[0]
        beyond = np.flatnonzero(rows.places >= size)
        if beyond.size:
            row = int(beyond[0])
            self.refuse(
                f"row {first + int(rows.at[row])} of {self.population.name} has its values at place "
                f"{rows.places[row]} of group {rows.group}, but {column.name} has {size} entries"
            )
        raw = _take(column, rows)
        values = self._converted(column, raw.astype(np.float64), quantity.unit)
        bad = np.flatnonzero(~(np.isfinite(values) & (values >= quantity.least) & (values <= quantity.most)))
        if bad.size:
            own = int(bad[0])
            place, row = int(rows.places[own]), first + int(rows.at[own])
            unit = self.unit(column) or quantity.unit
            found = f"row {place} of {column.name} is {raw[own]:g}" + (f" {unit}" if unit else "")
            if place != row:
                found += f" (of row {row} of {self.population.name})"
            self.refuse(f"{found}; it {_must(values[own], quantity)}")
        return values

    def unit(self, column: Any) -> str | None:
        """The attribute `units`; None where it is missing or empty."""
        unit = text_of(column, "units")
        if unit is None and "units" in column.attrs:
            self.refuse(f"the attribute units of {column.name} is not a text")
        return unit or None

    def _converted(
        self, column: Any, values: npt.NDArray[np.float64], wanted: str
    ) -> npt.NDArray[np.float64]:
        factor = self.factor(column, wanted)
        if factor == 1:
            return values
        with np.errstate(over="ignore"):
            return values * float(factor.numerator) / float(factor.denominator)

    def factor(self, column: Any, wanted: str) -> Fraction:
        """By how much the numbers of a column are multiplied to be in the unit wanted."""
        unit = self.unit(column)
        if unit is None or unit == wanted or (not wanted and unit in NO_UNIT):
            return Fraction(1)
        if not wanted:
            self.refuse(f"{column.name} is in {unit}, and plain numbers are expected")
        try:
            factor = units.factor(unit, wanted)
        except units.NotAQuantity as error:
            raise FileFailed(str(self.path), f"units of {column.name}: {error}") from None
        if factor is None:
            self.refuse(f"{column.name} is in {unit}, and {units.kind(wanted)} is expected")
            raise AssertionError
        return factor


def _must(value: float, quantity: Quantity) -> str:
    """What a value that was refused should be."""
    if not np.isfinite(value):
        return "must be a finite number"
    if quantity.unit:
        most = f"must be at most {quantity.most:g} {quantity.unit}"
        return "must not be negative" if value < quantity.least else most
    return f"must lie between {quantity.least:g} and {quantity.most:g}"


def _rows(group: str, at: npt.NDArray[np.intp], places: npt.NDArray[np.int64]) -> Rows:
    return Rows(group, at, places, bool(np.all(np.diff(places) == 1)))


def _take(column: Any, rows: Rows) -> npt.NDArray[Any]:
    """column[rows.places]: read in stretches, in the order of the file, of at most CHUNK values each."""
    places = rows.places
    if not places.size:
        return np.empty(0, column.dtype)
    if rows.whole:
        return column[int(places[0]) : int(places[-1]) + 1]  # type: ignore[no-any-return]
    order = np.argsort(places, kind="stable")
    ascending = places[order]
    values = np.empty(places.size, column.dtype)
    begin = 0
    while begin < ascending.size:
        first = int(ascending[begin])
        end = int(np.searchsorted(ascending, first + CHUNK))
        gaps = np.flatnonzero(np.diff(ascending[begin:end]) > GAP)
        if gaps.size:
            end = begin + int(gaps[0]) + 1
        stretch = column[first : int(ascending[end - 1]) + 1]
        values[order[begin:end]] = stretch[ascending[begin:end] - first]
        begin = end
    return values


def text_of(source: Any, name: str) -> str | None:
    """An attribute that is a text, of fixed or free length, alone or as the only one of a list."""
    if name not in source.attrs:
        return None
    value = attribute(source, name)
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size == 1 else None
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return value.strip("\0").strip() if isinstance(value, str) else None
