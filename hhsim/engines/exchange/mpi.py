"""Ranks that are processes of MPI. The only module that knows mpi4py; buffers of numbers alone are sent."""

from __future__ import annotations

import os
import zlib
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from mpi4py import MPI
from mpi4py.util.dtlib import from_numpy_dtype

from hhsim.engines.exchange.base import WORDS, Exchange, Words, Work


class Mpi(Exchange):
    """All processes of MPI_COMM_WORLD."""

    def __init__(self) -> None:
        super().__init__()
        self._world = MPI.COMM_WORLD
        self.rank, self.ranks = self._world.rank, self._world.size
        host = zlib.crc32(MPI.Get_processor_name().encode())
        allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        mine = np.array([host, zlib.crc32(repr(allowed).encode())], np.int64)
        places = np.zeros((self.ranks, 2), np.int64)
        self._world.Allgather(mine, places)
        self.on_host = int((places[:, 0] == host).sum())
        self.sharing = int((places == mine).all(axis=1).sum())
        # MPI looks for messages without pause, which others that wait for the same processor pay for.
        self._crowded = self.sharing > max(len(allowed), 1)

    def _wait(self, request: Any) -> None:
        while self._crowded and not request.Test():
            os.sched_yield()
        request.Wait()

    def _headers(self, own: Words, meanwhile: Work) -> Words:
        received = np.empty((self.ranks, WORDS), np.int64)
        request = self._world.Iallgather(own, received)
        meanwhile()
        self._wait(request)
        return received

    def _all(self, own: npt.NDArray[Any], sizes: list[int]) -> npt.NDArray[Any]:
        received = np.empty(sum(sizes), own.dtype)
        self._wait(self._world.Iallgatherv(own, self._spread(received, sizes)))
        return received

    def _to_root(self, own: npt.NDArray[Any], sizes: list[int]) -> npt.NDArray[Any]:
        received = np.empty(sum(sizes) if self.rank == 0 else 0, own.dtype)
        self._wait(self._world.Igatherv(own, self._spread(received, sizes) if self.rank == 0 else None))
        return received

    def _from_root(self, flat: npt.NDArray[Any], sizes: list[int], own: npt.NDArray[Any]) -> None:
        self._wait(self._world.Iscatterv(self._spread(flat, sizes) if self.rank == 0 else None, own))

    def _spread(self, flat: npt.NDArray[Any], sizes: list[int]) -> list[Any]:
        """How MPI is told where the pieces of all ranks stand in `flat`."""
        begins = np.cumsum([0, *sizes[:-1]]).tolist()
        return [flat, sizes, begins, from_numpy_dtype(flat.dtype)]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, MPI.Exception):  # nothing can be said any more
            os.write(2, f"hhsim: rank {self.rank} of {self.ranks}: MPI failed: {error}\n".encode())
            self._world.Abort(1)
        super().__exit__(kind, error, trace)
