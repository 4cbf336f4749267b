"""While code is compiled: one process at a time does it, and whoever wants to know is told.

Of two that start with an empty cache, the second waits for each function that the first compiles, and finds
it on disk then. The lock is the system's own: it goes with the process that holds it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hhsim.system import trust

PATIENCE_S = 120.0  # for one function of another process; then both compile it
LOOK_S = 0.02  # between two looks at the lock


class Compiling(NamedTuple):
    """What is being compiled, or waited for."""

    what: str  # as in "the step of exponential_euler, float64: leak + Na_TM1991 + K_TM1991 ..."
    about_s: float  # of processor time that all of it takes on a usual machine
    elsewhere: bool  # another process does it, and this one waits


_listeners: list[Callable[[Compiling], None]] = []


@contextmanager
def listening(listener: Callable[[Compiling], None]) -> Iterator[None]:
    """While it lasts, `listener` is called when compiling begins, by whichever thread compiles.

    Once for each thing that is compiled, and once for each that is waited for.
    """
    told: set[tuple[str, bool]] = set()

    def once(news: Compiling) -> None:
        if (news.what, news.elsewhere) not in told:
            told.add((news.what, news.elsewhere))
            listener(news)

    _listeners.append(once)
    try:
        yield
    finally:
        _listeners.remove(once)


NETWORK = ("the rules of the network", 3.0)
LOOP = ("the loop over steps", 6.0)
STEP_S = 2.0


def described(function: Callable[..., Any]) -> tuple[str, float]:
    """What a function belongs to, and about how long all of that takes."""
    if function.__module__.startswith("hhsim.network."):
        return NETWORK
    title = (function.__globals__.get("__doc__") or "").partition("\n")[0]
    if function.__name__.startswith("step_"):
        return f"the step of {title}", STEP_S
    return LOOP


class Turn:
    """This process's turn to compile; taken for the outermost function, and kept for those within."""

    def __init__(self) -> None:
        self._depth = 0
        self._descriptor = -1

    def begin(self, folder: Path, function: Callable[..., Any]) -> bool:
        """Take or keep the turn; returns whether it was taken, so that another may have compiled since."""
        self._depth += 1
        if self._depth > 1:
            return False
        what, about_s = described(function)
        try:
            trust.make(folder)
            self._descriptor = os.open(folder / "turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            trust.tighten(self._descriptor)
        except OSError:  # not ours to write: nothing will be kept either
            return False
        until = time.monotonic() + PATIENCE_S
        while not self._lock():
            self._tell(Compiling(what, about_s, True))
            if time.monotonic() > until:
                break
            time.sleep(LOOK_S)
        return True

    def compiles(self, function: Callable[..., Any]) -> None:
        """Tell that this process compiles `function` now."""
        self._tell(Compiling(*described(function), False))

    def end(self) -> None:
        """A function is on disk, or will not be."""
        self._depth = max(self._depth - 1, 0)
        if self._depth == 0:
            self.give_up()

    def give_up(self) -> None:
        """End the turn, whatever is being compiled."""
        self._depth = 0
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _lock(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True

    def _tell(self, news: Compiling) -> None:
        for listener in _listeners:
            listener(news)


turn = Turn()
