"""What ranks can say to each other, and how all of them learn that one has failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.errors import FailedElsewhere, exit_code_of
from hhsim.system.stopping import held

WORDS = 8  # of a header: the state of its rank, the size of what follows, and what is told
TOLD = WORDS - 2  # the most numbers that fit into a header
WORKING = -1  # the state of a rank that goes on; one that has ended tells its exit code, from 0 on

Words = npt.NDArray[np.int64]
Work = Callable[[], object]


def _nothing() -> None:
    pass


class Exchange:
    """The ranks of a run, seen from one of them. All verbs are for all ranks, in the same order.

    As a context, it ends together with those of the other ranks: whatever leaves it on one of them becomes
    `FailedElsewhere` on all others, with the same exit code, and the lowest rank that failed keeps its own
    error. Arrays are of one type on all ranks, and have one dimension.
    """

    rank = 0
    ranks = 1
    on_host = 1  # ranks on the same machine
    sharing = 1  # those of them that run on the same processors

    def __init__(self) -> None:
        self._ended = False

    def tell(self, *numbers: int) -> Words:
        """What each rank tells, (ranks, numbers), up to TOLD whole numbers each."""
        return self._begin(0, numbers)[:, 2 : 2 + len(numbers)]

    def gather(self, own: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """The array of each rank, on every rank."""
        return self.swap(own)[1]

    def swap(
        self, own: npt.NDArray[Any], *numbers: int, fill: Work = _nothing
    ) -> tuple[Words, list[npt.NDArray[Any]]]:
        """`tell` and `gather` in one; `fill`, which must not fail, fills `own` as headers are under way."""
        with held():
            headers = self._begin(own.size, numbers, fill)
            sizes = headers[:, 1].tolist()
            flat = self._all(own, sizes) if any(sizes) else own[:0]
        return headers[:, 2 : 2 + len(numbers)], np.split(flat, np.cumsum(sizes)[:-1])

    def to_root(self, own: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """The array of each rank, on rank 0; nothing on the others."""
        with held():
            sizes = self._begin(own.size, ())[:, 1].tolist()
            flat = self._to_root(own, sizes)
        return np.split(flat, np.cumsum(sizes)[:-1]) if self.rank == 0 else []

    def from_root(self, pieces: Sequence[npt.NDArray[Any]], own: npt.NDArray[Any]) -> None:
        """Fill `own` with the piece that rank 0 has for this rank; `pieces` count on rank 0 alone."""
        sizes = self._begin(own.size, ())[:, 1].tolist()
        if self.rank == 0 and sizes != [piece.size for piece in pieces]:
            raise ValueError("the pieces have other sizes")
        flat = np.concatenate([own[:0], *pieces]) if self.rank == 0 else own[:0]
        with held():
            self._begin(0, ())  # rank 0 has not failed
            self._from_root(flat, sizes, own)

    def share(self, text: str) -> str:
        """The text of rank 0, on every rank."""
        data = text.encode() if self.rank == 0 else b""
        return bytes(self.gather(np.frombuffer(data, np.uint8))[0]).decode()

    def total(self, number: int) -> int:
        """The sum over all ranks."""
        return int(self.tell(number).sum())

    def most(self, number: int) -> int:
        """The largest of all ranks."""
        return int(self.tell(number).max())

    def _begin(self, size: int, numbers: Sequence[int], meanwhile: Work = _nothing) -> Words:
        """Exchange headers. Raises FailedElsewhere if another rank has failed."""
        own = np.zeros(WORDS, np.int64)
        own[:2] = WORKING, size
        own[2 : 2 + len(numbers)] = numbers
        with held():
            headers = self._headers(own, meanwhile)
        if (headers[:, 0] != WORKING).any():
            self._leave(headers)
        return headers

    def _leave(self, headers: Words) -> None:
        """Some ranks have ended, while others go on: the first that did not end well is named."""
        self._ended = True
        states = headers[:, 0]
        failed = np.flatnonzero(states > 0)
        if failed.size == 0:
            raise RuntimeError("a rank has ended before the others")
        raise FailedElsewhere(int(failed[0]), int(states[failed[0]]))

    def __enter__(self) -> Exchange:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.ranks == 1 or self._ended:
            return
        self._ended = True
        own = np.zeros(WORDS, np.int64)
        own[0] = exit_code_of(error)
        with held():
            headers = self._headers(own, _nothing)
        failed = np.flatnonzero(headers[:, 0] > 0)
        if failed.size and failed[0] != self.rank:
            raise FailedElsewhere(int(failed[0]), int(headers[failed[0], 0])) from error

    # What each kind of exchange does in its own way. Sizes are those of all ranks.

    def _headers(self, own: Words, meanwhile: Work) -> Words:
        meanwhile()
        return own.reshape(1, -1)

    def _all(self, own: npt.NDArray[Any], sizes: list[int]) -> npt.NDArray[Any]:
        """The arrays of all ranks, one after another."""
        return own

    def _to_root(self, own: npt.NDArray[Any], sizes: list[int]) -> npt.NDArray[Any]:
        """The same, on rank 0 alone."""
        return own

    def _from_root(self, flat: npt.NDArray[Any], sizes: list[int], own: npt.NDArray[Any]) -> None:
        own[:] = flat


class Alone(Exchange):
    """One process with the whole network."""


def share_out(blocks: int, threads: Sequence[int]) -> list[list[int]]:
    """Cut `blocks` evenly among all threads of all ranks: the cuts of each rank, both ends included."""
    parts = sum(threads)
    cuts = [blocks * part // parts for part in range(parts + 1)]
    firsts = np.cumsum([0, *threads]).tolist()
    return [cuts[first : first + own + 1] for first, own in zip(firsts[:-1], threads, strict=True)]
