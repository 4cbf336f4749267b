"""What the machine can do, measured on the spot: multiplications with additions, and bytes from memory.

The two ceilings of the roofline model (Williams, Waterman & Patterson 2009, Commun. ACM 52:65-76). The
kernels here call no function of another file, so that Numba's own look at this file keeps their cache right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.jit.options import kernel_parallel, prange, set_threads

LANES = 512  # numbers of a thread: they stay in the L1 cache
CHAIN = 16  # multiply-adds on a number between its load and its store
ROUNDS = 5000  # a call takes about a millisecond
LOOKS, TRIAD_LOOKS = 25, 7  # the best of so many counts
MOST_TRIAD_BYTES = 768 << 20
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


@dataclass(frozen=True)
class Peak:
    """What `threads` threads reach together."""

    threads: int
    precision: str
    flops: float  # a second: a multiplication and an addition in one instruction are two
    bandwidth: float  # bytes a second, of the triad a = b + s·c over `triad_bytes`
    triad_bytes: int


@kernel_parallel
def multiply_add(numbers: npt.NDArray[Any], rounds: int, factor: Any, summand: Any) -> None:
    """x ← x · factor + summand, CHAIN · rounds times for each number; a row of `numbers` to a thread.

    Vectors of a row do not depend on each other: as many are under way as the processor can hold.
    """
    for part in prange(numbers.shape[0]):
        row = numbers[part]
        for _ in range(rounds):
            for i in range(LANES):
                x = row[i]
                for _link in range(CHAIN):
                    x = x * factor + summand
                row[i] = x


@kernel_parallel
def triad(a: npt.NDArray[Any], b: npt.NDArray[Any], c: npt.NDArray[Any], factor: Any) -> None:
    """a ← b + factor · c, as in STREAM (McCalpin 1995, IEEE TCCA Newsletter, December: 19-25)."""
    for i in prange(a.size):
        a[i] = b[i] + factor * c[i]


def measure(threads: Sequence[int], precisions: Sequence[str], available_bytes: int) -> list[Peak]:
    """The peak of each number of threads (ascending) in each precision.

    The arrays of the triad leave most of the memory free.
    """
    peaks: list[Peak] = []
    for precision in precisions:
        real = np.dtype(precision).type
        size = triad_bytes(available_bytes) // 3 // real().itemsize
        set_threads(max(threads))
        a, b, c = (np.empty(size, precision) for _ in range(3))
        for array in (a, b, c):
            triad(array, array, array, real(0))
        for each in threads:
            set_threads(each)
            numbers = np.ones((each, LANES), precision)
            seconds = _least_seconds(LOOKS, multiply_add, numbers, ROUNDS, real(0.999), real(0.001))
            flops = 2.0 * CHAIN * ROUNDS * LANES * each / seconds
            bandwidth = 3.0 * a.nbytes / _least_seconds(TRIAD_LOOKS, triad, a, b, c, real(0.5))
            if peaks and peaks[-1].precision == precision:  # more threads can do what fewer did
                flops, bandwidth = max(flops, peaks[-1].flops), max(bandwidth, peaks[-1].bandwidth)
            peaks.append(Peak(each, precision, flops, bandwidth, 3 * a.nbytes))
    return peaks


def triad_bytes(available_bytes: int) -> int:
    """Four times the largest cache, which cannot hold the arrays then, as far as memory and time allow."""
    return min(4 * largest_cache_bytes(), MOST_TRIAD_BYTES, available_bytes // 4)


def largest_cache_bytes() -> int:
    """The last-level cache of the first processor; a guess of 32 MB where the system does not tell."""
    sizes = [32 << 20] if not CACHES.is_dir() else [0]
    for path in CACHES.glob("index*/size"):
        text = path.read_text().strip()
        number, unit = text.rstrip("KMG"), text[-1:]
        sizes.append(int(number) << {"K": 10, "M": 20, "G": 30}.get(unit, 0))
    return max(sizes) or 32 << 20


def _least_seconds(looks: int, kernel: Callable[..., None], *arguments: Any) -> float:
    kernel(*arguments)  # compiles, and wakes the threads
    seconds = []
    for _ in range(looks):
        begin = time.perf_counter()
        kernel(*arguments)
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
