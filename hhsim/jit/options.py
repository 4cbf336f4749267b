"""Everything about Numba in one place: its options, its cache folder and its threads.

Import this module before `numba` where you can: some settings are read once, when Numba is imported.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hhsim.errors import FileFailed, HhsimWarning, NoThreads
from hhsim.jit.keys import compiled_key, deciding_key
from hhsim.system import trust
from hhsim.system.folders import hold, sweep
from hhsim.system.stopping import held

LEAST_BYTES = 1 << 16  # that a cache folder must have room for, to be of use

SPINS = 2000  # looks of a thread at what it waits for before it sleeps: 40 to 100 µs, as a sleep takes

MOST_THREADS = 256  # an upper bound costs nothing with OpenMP: threads are made when they are asked for


def available_processors() -> int:
    """Processors that this process may use (a container or `taskset` may allow fewer than there are)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def source_key() -> str:
    """A hash of the sources that decide the bits of a run, and of what compiles them."""
    return deciding_key()


@functools.cache
def cache_folder() -> Path:
    """The folder for compiled code and rendered kernels; made if need be.

    `HHSIM_CACHE_DIR` names it, else `$XDG_CACHE_HOME/hhsim`, else `~/.cache/hhsim`. Where it cannot be
    written, or others can (see `hhsim.system.trust`), a temporary folder serves this process alone, with a
    warning.
    Raises FileFailed if there is no room for that either.
    """
    folder: Path | str = "of the home folder"
    fault = "cannot be written"
    try:
        base = _base_folder().resolve()
        folder = base / compiled_key(base / "keys")
        new = not folder.exists()
        trust.make(folder)
        folder = folder.resolve()
        reason = trust.reason_against(folder)
        if reason is None:
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                file.write(bytes(LEAST_BYTES))
            hold(folder)
            if new:
                sweep(base)
            return folder
        fault = "is not trusted"
    except (OSError, RuntimeError) as error:  # Python raises the latter for who has no home
        reason = getattr(error, "strerror", None) or str(error)
    try:
        temporary = tempfile.mkdtemp(prefix="hhsim-")
    except OSError as error:
        raise FileFailed(str(folder), f"compiled code cannot be kept ({reason}), nor elsewhere") from error
    better = "of your own" if fault == "is not trusted" else "that can"
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    warnings.warn(
        f"the cache folder {folder} {fault} ({reason}): "
        f"this run compiles afresh, and so will the next; set HHSIM_CACHE_DIR to a folder {better}",
        HhsimWarning,
        stacklevel=2,
    )
    return Path(temporary)


def _base_folder() -> Path:
    if base := os.environ.get("HHSIM_CACHE_DIR"):
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hhsim"


def _configure() -> None:
    os.environ.setdefault("NUMBA_NUM_THREADS", str(max(MOST_THREADS, available_processors())))
    import llvmlite.binding as llvm
    from numba.core import config

    config.CACHE_DIR = str(cache_folder() / "numba")
    if "NUMBA_THREADING_LAYER" not in os.environ:
        # With two threads the workqueue layer costs 90 µs a region and OpenMP 2.
        config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
    if not config.CPU_FEATURES and not config.CPU_NAME:
        try:
            features = llvm.get_host_cpu_features().flatten()
        except RuntimeError:  # the host is unknown to LLVM: keep its defaults
            features = ""
        if "+avx512f" in features:
            # LLVM halves the vectors of some processors that have AVX-512, out of care for their clock:
            # measured 7.3 ns a neuron-step so, and 5.6 with whole vectors (float64; 3.0 and 2.1 in float32).
            config.CPU_FEATURES = features + ",-prefer-256-bit"
    # Two vectors of a loop at once: left alone, LLVM takes one to four, and waits or runs out of registers.
    # Measured for 4000 cells, float64 and float32: 3 and 1 % less time with AVX-512, 7 and 10 % with AVX2.
    llvm.set_option("hhsim", "-force-vector-interleave=2")


# Numba's C code takes a signal within its own imports for a failure, and prints it.
with held():
    _configure()

import numba  # noqa: E402
from numba import prange as prange  # noqa: E402  (others take these from here, so that this comes first)
from numba import types as types  # noqa: E402
from numba.extending import intrinsic as intrinsic  # noqa: E402

from hhsim.jit.cache import KernelCache  # noqa: E402  (it imports Numba, too)

JIT_DISABLED = bool(numba.config.DISABLE_JIT)

# No "reassoc": it folds away the rounding trick of exp. No "nnan" and "ninf": they gain nothing measurable
# and would let the compiler forget the test for a potential that is not finite.
ARITHMETIC = {"contract", "arcp"}


def inline(function: Callable[..., Any]) -> Any:
    """For scalar formulas: one call left in a loop, and nothing in it becomes vector code."""
    return numba.njit(function, forceinline=True, error_model="numpy", fastmath=ARITHMETIC)


def kernel(function: Callable[..., Any]) -> Any:
    """For loops of floating-point work: relaxed arithmetic, no lock of the interpreter, kept on disk."""
    return _kept(numba.njit(function, nogil=True, error_model="numpy", fastmath=ARITHMETIC))


def kernel_parallel(function: Callable[..., Any]) -> Any:
    """A kernel that starts threads."""
    options = {"parallel": True, "nogil": True, "error_model": "numpy", "fastmath": ARITHMETIC}
    return _kept(numba.njit(function, **options))


def compiled(function: Callable[..., Any]) -> Any:
    """For code whose every rounding matters (random numbers) or that has none (integers)."""
    return _kept(numba.njit(function, nogil=True, error_model="numpy"))


def compiled_parallel(function: Callable[..., Any]) -> Any:
    """The same, starting threads."""
    return _kept(numba.njit(function, parallel=True, nogil=True, error_model="numpy"))


def compiled_inline(function: Callable[..., Any]) -> Any:
    """A small piece of `compiled` code that should not cost a call."""
    return numba.njit(function, forceinline=True, error_model="numpy")


def _kept(dispatcher: Any) -> Any:
    """What Numba's `cache=True` does, with our own cache."""
    if not JIT_DISABLED:
        dispatcher._cache = KernelCache(dispatcher.py_func)
    return dispatcher


_alone = threading.RLock()
_started_in: int | None = None  # the process that has started threads


def _forked() -> None:
    """Whoever held the lock is not in the new process."""
    global _alone
    _alone = threading.RLock()


os.register_at_fork(after_in_child=_forked)


@contextmanager
def threads_of_our_own() -> Iterator[None]:
    """To be held by whoever calls a parallel function: of several threads that do, one at a time.

    The threads of a region meet within it, and those of two regions would wait for each other's processors;
    with the workqueue layer, Numba would end the process. Raises NoThreads in a process that was forked from
    one that had threads: those of GNU OpenMP do not live on in it.
    """
    _check_process()
    with _alone:
        yield


def set_threads(threads: int) -> None:
    """Use `threads` threads from now on in this process.

    Raises
    ------
    NoThreads
        when Numba was imported before hhsim with fewer threads (`NUMBA_NUM_THREADS`), has no way to run
        threads, or has run them in the process that this one was forked from.
    """
    global _started_in
    most = int(numba.config.NUMBA_NUM_THREADS)
    if threads > most:
        raise NoThreads(
            f"Numba was started with at most {most} threads; "
            f"set NUMBA_NUM_THREADS={threads} or import hhsim before numba"
        )
    _check_process()
    try:
        with _brief_spinning():
            numba.set_num_threads(threads)
    except ValueError as error:
        asked = numba.config.THREADING_LAYER
        raise NoThreads(f"NUMBA_THREADING_LAYER={asked}, but Numba cannot load this layer") from error
    if _started_in is None and numba.threading_layer() != "omp":
        warnings.warn(
            f"OpenMP is not used (is libgomp installed?) but Numba's layer {numba.threading_layer()!r}: "
            f"starting {threads} threads may take 2 ms instead of 2 µs, each time that they start",
            HhsimWarning,
            stacklevel=2,
        )
    _started_in = os.getpid()


@contextmanager
def _brief_spinning() -> Iterator[None]:
    """Let GNU OpenMP, if this loads it, look a while for what it waits for, and then sleep.

    Left alone it looks 300 000 times where a region begins and ends, some 10 ms, which a busy machine counts
    as work: threads that spun lose the processor to others when there is something to do. Measured beside 8
    busy processes: 250 ms for a region of half a millisecond, so, and 16 ms with this. Programs that hhsim
    starts, and libraries that are loaded later, find the environment as it was.
    """
    name = "GOMP_SPINCOUNT"
    if _started_in is not None or name in os.environ or "OMP_WAIT_POLICY" in os.environ:
        yield
        return
    os.environ[name] = str(SPINS)
    try:
        yield
    finally:
        del os.environ[name]


def _check_process() -> None:
    if _started_in not in (None, os.getpid()) and numba.threading_layer() == "omp":
        raise NoThreads(
            "this process was forked from one that had run a network already, and OpenMP cannot go on in it; "
            'start processes by multiprocessing\'s "spawn", or fork before the first run'
        )
