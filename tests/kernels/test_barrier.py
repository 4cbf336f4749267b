"""Threads that wait for each other use no processor, and wait for no part that nobody has begun."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from hhsim.engines.crew import Crew
from hhsim.jit import options as jit
from hhsim.jit.options import compiled
from hhsim.kernels.cpu import meeting
from hhsim.state.shares import LINE, Shares

needs_threads = pytest.mark.skipif(jit.JIT_DISABLED, reason="plain Python has no threads at once")


@compiled
def claim(shares: Shares, part: int, step: int) -> bool:
    return meeting.claim(shares, part, step)


@compiled
def finish(shares: Shares, part: int, step: int) -> None:
    meeting.finish(shares, part, step)


@compiled
def work_through(shares: Shares, worker: int, steps: int, done: np.ndarray) -> int:
    """Do each part once a step, as the loop does, and count; returns how many parts this thread did."""
    parts = shares.cuts.size - 1
    mine = 0
    for k in range(steps):
        for turn in range(parts):
            part = (worker + turn) % parts
            if meeting.claim(shares, part, k):
                mine += 1
                done[part, k] += 1
                meeting.finish(shares, part, k + 1)
        meeting.wait(shares, k + 1)
        for part in range(parts):
            if done[part, k] != 1:  # all that others did is seen
                return -1
    return mine


def shares_of(parts: int, patience: int = jit.SPINS) -> Shares:
    none = np.zeros(0, np.int64)
    progress, bell = np.zeros(parts * LINE, np.int64), np.zeros(4 * LINE, np.int32)
    return Shares(np.arange(parts + 1), none, 0, 1, progress, bell, patience, 0, none)


def test_a_part_is_claimed_once_and_only_where_it_stands() -> None:
    shares = shares_of(2)
    assert claim(shares, 0, 0)
    assert not claim(shares, 0, 0)
    assert not claim(shares, 1, 1)
    finish(shares, 0, 1)
    assert not claim(shares, 0, 0)
    assert claim(shares, 0, 1)


@needs_threads
def test_a_thread_that_waits_for_a_stalled_one_uses_no_processor() -> None:
    shares = shares_of(2)
    meeting.wait(shares_of(1), 0)  # compiled
    assert claim(shares, 0, 0)
    assert claim(shares, 1, 0)
    finish(shares, 0, 1)
    used = []

    def stalled() -> None:
        finish(shares, 1, 1)
        meeting.wait(shares, 1)

    def waiting() -> None:
        begin = time.thread_time()
        meeting.wait(shares, 1)
        used.append(time.thread_time() - begin)

    thread = threading.Thread(target=waiting)
    begin = time.perf_counter()
    thread.start()
    time.sleep(1.0)
    assert thread.is_alive()
    stalled()
    thread.join(30.0)
    assert not thread.is_alive()
    wall = time.perf_counter() - begin
    assert used[0] < 0.1 * wall


@needs_threads
@pytest.mark.parametrize("patience", [0, 1, jit.SPINS])
@pytest.mark.parametrize("parts", [2, 3, 7])
def test_no_wake_up_is_lost(parts: int, patience: int) -> None:
    """Many more meetings than a sleep could be lost in; one that was would take 100 ms."""
    steps = 3000
    shares, done = shares_of(parts, patience), np.zeros((parts, steps), np.int64)
    results: list[int] = []
    threads = [
        threading.Thread(
            target=lambda worker=worker: results.append(work_through(shares, worker, steps, done))
        )
        for worker in range(parts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120.0)
    assert not any(thread.is_alive() for thread in threads)
    assert min(results) >= 0
    assert sum(results) == parts * steps
    assert (done == 1).all()


def test_one_thread_does_all_parts_while_the_others_never_come() -> None:
    shares, done = shares_of(5), np.zeros((5, 100), np.int64)
    assert work_through(shares, 3, 100, done) == 500
    assert work_through(shares, 0, 100, done) == 0  # who comes late has nothing left to do


def test_a_crew_is_one_thread_while_the_machine_is_busy() -> None:
    crew = Crew(4)
    crew.worked(1.0, 3.5)
    assert crew.at_work == 4
    crew.worked(0.004, 0.0)  # too short to judge
    assert crew.at_work == 4
    crew.worked(1.0, 0.3)
    assert crew.at_work == 1
    crew.worked(1.0, 0.5)
    assert crew.at_work == 1
    crew.worked(1.0, 0.99)
    assert crew.at_work == 4


def test_a_crew_of_one_stays_one() -> None:
    crew = Crew(1)
    for cpu_s in (0.1, 0.99):
        crew.worked(1.0, cpu_s)
        assert crew.at_work == 1
