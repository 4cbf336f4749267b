"""Reports of a SONATA file that another program wrote, as traces: a value of each cell, at its soma."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from hhsim.recording.contents import Trace, _reading
from hhsim.recording.plausible import check_frames
from hhsim.recording.trains import ID_NAMES, factor_of, rows_plain, text_of
from hhsim.system.hdf5 import require_plain


class ForeignTrace(Trace):
    """One variable of some cells over time; of several elements of a cell the one numbered 0, its soma."""

    def __init__(self, path: Path, group: h5py.Group) -> None:
        """Raises ValueError for what is no report, or has a cell with many elements of which none is 0."""
        self._path = path
        self._data = group["data"]
        mapping = group["mapping"] if "mapping" in group else group["data"].parent["mapping"]
        require_plain(self._data)
        if self._data.ndim != 2 or self._data.dtype.kind not in "iuf":
            raise ValueError(f"{self._data.name} is no table of numbers")
        clock = mapping["time"]
        if rows_plain(clock) != 3:
            raise ValueError(f"{clock.name} is not start, stop and step")
        said = text_of(clock, "units")
        start, stop, every = (float(t) * factor_of(said, clock.name) for t in clock[:])
        named = next((name for name in ID_NAMES if name in mapping), None)
        if named is None:
            raise ValueError(f"{mapping.name} has no node_ids")
        rows_plain(mapping[named])
        ids = np.asarray(mapping[named][:], np.int64)
        columns = _somata(mapping, ids, self._data.shape[1])
        self.elements_left_out = self._data.shape[1] - len(columns)
        order = np.argsort(ids, kind="stable")
        self.nodes, self._columns = ids[order], columns[order]
        check_frames(start, stop, every, self.nodes)
        self.every_ms = every
        self.start_ms = start
        self.frames = len(self._data)
        self.t_ms = start + np.arange(self.frames, dtype=np.float64) * np.float64(every)
        self.units = text_of(self._data, "units") or "1"
        told = text_of(self._data, "variable") or text_of(self._data, "variable_name")
        self.variable = told or ("v" if self.units == "mV" else "value")

    @property
    def data(self) -> NDArray[np.float32]:
        """The state at each time in `t_ms`, [frames, nodes]."""
        return self.read(range(self.frames))

    def read(self, frames: range, columns: slice = slice(None)) -> NDArray[np.float32]:
        """The state in some frames, [frames, nodes], of the cells `nodes[columns]`."""
        chosen = self._columns[columns]
        if not len(chosen):
            return np.empty((len(frames), 0), np.float32)
        low, high = int(chosen.min()), int(chosen.max()) + 1
        with _reading(self._path, self._data):
            part = slice(frames.start, min(frames.stop, self.frames), frames.step)
            return np.asarray(self._data[part, low:high][:, chosen - low], np.float32)


def _somata(mapping: h5py.Group, ids: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """The column of each cell."""
    name = next((name for name in ("index_pointers", "index_pointer") if name in mapping), None)
    if name is None:
        if len(ids) != width:
            raise ValueError(f"{mapping.name} has no index_pointers for {width} columns of {len(ids)} cells")
        return np.arange(width)
    rows_plain(mapping[name])
    first = np.asarray(mapping[name][:], np.int64)
    if len(first) == len(ids):
        first = np.append(first, width)
    if len(first) != len(ids) + 1 or first[0] < 0 or first[-1] > width or np.any(np.diff(first) <= 0):
        raise ValueError(f"{mapping.name}/{name} does not name columns of {len(ids)} cells")
    if np.all(np.diff(first) == 1):
        return first[:-1]
    elements = next((name for name in ("element_ids", "element_id") if name in mapping), None)
    if elements is None or rows_plain(mapping[elements]) != width:
        raise ValueError(f"{mapping.name} has no element_ids for cells with several columns")
    numbers = np.asarray(mapping[elements][:])
    columns = first[:-1].copy()
    for i in range(len(ids)):
        mine = numbers[first[i] : first[i + 1]]
        if len(mine) > 1:
            somata = np.flatnonzero(mine == 0)
            if not len(somata):
                raise ValueError(f"cell {ids[i]} has {len(mine)} elements, of which none is its soma (0)")
            columns[i] += somata[0]
    return columns
