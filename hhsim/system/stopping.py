"""Ctrl-C, SIGTERM and SIGUSR1: how a command ends that is asked to stop.

Before the first step nothing is worth keeping, and the first signal ends the command (`stoppable`). While a
run writes its output, the first signal is only noted (`noted`), so that the file can be closed in order.
A second Ctrl-C or SIGTERM ends the process at once, wherever it is. SIGUSR1 is how batch systems say that the
time will soon be over: it stops the run as the others do, but does not count as a first or second one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from hhsim.errors import HhsimError, Stopped, exit_code_of

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
INSISTENT = (signal.SIGINT, signal.SIGTERM)
_CODES = tuple(128 + number for number in INSISTENT)

# Signals for which Stopped was raised. It may have been lost: what is raised within a callback of a library,
# or where an object is destroyed, Python prints and forgets.
_raised: list[int] = []
_holding = 0  # how many `held` are under way


@contextmanager
def stoppable(told: tuple[type[Exception], ...] = (HhsimError,), last: bool = False) -> Iterator[None]:
    """While it lasts, the first signal raises Stopped, and a second one ends the process.

    Another error than those `told` that leaves it after a signal becomes Stopped: a library may have taken
    the Stopped within it for a failure of its own.

    `last`: the process ends after it. Where it ends because it was asked to, it is deaf to further signals
    from then on: they would end it with a traceback, or as if it had been killed, not with its exit code.

    Python's own handlers wait until compiled code returns, which may take seconds while LLVM is at work; a
    thread that reads of each signal from a pipe does not. Signals that the process was started to ignore, as
    a shell does for jobs in the background, stay ignored.
    """
    before = _handlers()
    if not before:
        yield
        return
    end, start = os.pipe()
    os.set_blocking(start, False)
    previous = signal.set_wakeup_fd(start, warn_on_full_buffer=False)
    insistent = tuple(number for number in before if number in INSISTENT)
    threading.Thread(target=_end_at_second, args=(end, insistent), daemon=True).start()

    def stop(number: int, frame: FrameType | None) -> None:
        _raised.append(number)
        if not _holding:
            raise Stopped(number)

    _raised.clear()
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    except Exception as error:
        if _raised and not isinstance(error, told):
            raise Stopped(_raised[-1]) from error
        raise
    finally:
        asked = last and exit_code_of(sys.exception()) in _CODES
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if asked else handler)
        signal.set_wakeup_fd(previous)
        _raised.clear()
        os.close(start)


@contextmanager
def noted() -> Iterator[list[int]]:
    """While it lasts, the first signal is only noted in the list; after it, all is as it was before.

    SIGUSR1 is noted however often it comes, and whatever came before: it never cuts short what is written.
    An earlier one that was lost stands in the list from the beginning.
    """
    pending = list(_raised)
    before = _handlers()

    def note(number: int, frame: FrameType | None) -> None:
        pending.append(number)
        if number in INSISTENT:
            for each in before.keys() & set(INSISTENT):
                signal.signal(each, before[each])

    for number in before:
        signal.signal(number, note)
    try:
        yield pending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held() -> Iterator[None]:
    """What is within is done as a whole: a signal raises Stopped at its end.

    For what several processes do together: one that left its place would leave the others waiting there.
    """
    global _holding
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = len(_raised)
    _holding += 1
    try:
        yield
    finally:
        _holding -= 1
    if not _holding and len(_raised) > before:
        raise Stopped(_raised[-1])


def _handlers() -> dict[signal.Signals, signal._HANDLER]:
    """What happens at each signal that is not ignored; empty outside the main thread, which alone may ask."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    return {number: handler for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}


def _end_at_second(pipe: int, numbers: tuple[int, ...]) -> None:
    """Read from `pipe` of every signal that comes, until the other end is closed."""
    received = 0
    while byte := os.read(pipe, 1):
        received += byte[0] in numbers
        if received == 2:
            show_cursor = b"\x1b[?25h" if os.isatty(2) else b""
            with suppress(OSError):
                os.write(2, show_cursor + b"\nhhsim: stopped at once\n")
            os._exit(128 + byte[0])
    os.close(pipe)
