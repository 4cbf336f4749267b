"""Ranks that are threads of one process: the path of a run on many processes, without MPI."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from hhsim.engines.exchange.base import Exchange, Words, Work
from hhsim.errors import FailedElsewhere

Result = TypeVar("Result")


class _Table:
    """What the ranks lay down for each other, and take up once all have."""

    def __init__(self, ranks: int) -> None:
        self.meeting = threading.Barrier(ranks)
        self.laid: list[Any] = [None] * ranks


class Loopback(Exchange):
    """One of several ranks in this process; `run_loopback` makes them."""

    def __init__(self, rank: int, ranks: int, table: _Table) -> None:
        super().__init__()
        self.rank, self.ranks, self.on_host, self.sharing = rank, ranks, ranks, ranks
        self._table = table

    def _lay(self, own: Any) -> list[Any]:
        self._table.laid[self.rank] = own
        self._table.meeting.wait()
        laid = list(self._table.laid)
        self._table.meeting.wait()  # nobody lays the next before all have taken up this
        return laid

    def _headers(self, own: Words, meanwhile: Work) -> Words:
        meanwhile()
        return np.stack(self._lay(own))

    def _all(self, own: npt.NDArray[Any], sizes: list[int]) -> npt.NDArray[Any]:
        return np.concatenate(self._lay(own.copy()))

    def _to_root(self, own: npt.NDArray[Any], sizes: list[int]) -> npt.NDArray[Any]:
        return np.concatenate(self._lay(own.copy()))

    def _from_root(self, flat: npt.NDArray[Any], sizes: list[int], own: npt.NDArray[Any]) -> None:
        begin = sum(sizes[: self.rank])
        own[:] = self._lay(flat)[0][begin : begin + own.size]


def run_loopback(ranks: int, function: Callable[[Exchange], Result]) -> list[Result]:
    """What `function` returns on each of `ranks` ranks, each in a thread of its own.

    Raises what the lowest rank raised that failed by itself.
    """
    table = _Table(ranks)
    results: list[Any] = [None] * ranks
    errors: list[BaseException | None] = [None] * ranks

    def work(rank: int) -> None:
        try:
            with Loopback(rank, ranks, table) as exchange:
                results[rank] = function(exchange)
        except BaseException as error:
            errors[rank] = error

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed = [error for error in errors if error is not None]
    if failed:
        raise next((error for error in failed if not isinstance(error, FailedElsewhere)), failed[0])
    return results
