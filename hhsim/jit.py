"""Everything about Numba in one place: its options, its cache folder, its threads, and the few
operations that Python cannot say.

Import this module before `numba` where you can: some settings are read once, when Numba is imported.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST_THREADS = 256  # an upper bound costs nothing with OpenMP: threads are made when they are asked for


def available_processors() -> int:
    """Processors that this process may use (a container or `taskset` may allow fewer than there are)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def source_key() -> str:
    """A hash of the package's sources and of what compiles them.

    Numba's own cache notices edits in the file of a kernel alone, and would run old physics after a
    change in a channel; a folder for each state of the sources cannot.
    """
    import numba

    digest = hashlib.sha256(f"{sys.version_info[:2]} {numba.__version__}".encode())
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def cache_folder() -> Path:
    """The folder for compiled code and rendered kernels; made if need be.

    `HHSIM_CACHE_DIR` names it, else `$XDG_CACHE_HOME/hhsim`, else `~/.cache/hhsim`. Where none can be
    written, a temporary folder serves this process alone, with a warning.
    """
    base = os.environ.get("HHSIM_CACHE_DIR")
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = (Path(base) if base else Path(cache_home) / "hhsim") / source_key()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        temporary = tempfile.mkdtemp(prefix="hhsim-")
        warnings.warn(
            f"the cache folder {folder} cannot be written ({error.strerror}): "
            "this run compiles afresh, and so will the next; set HHSIM_CACHE_DIR to a folder that can",
            stacklevel=2,
        )
        return Path(temporary)
    return folder


def _configure() -> None:
    os.environ.setdefault("NUMBA_NUM_THREADS", str(max(MOST_THREADS, available_processors())))
    from numba.core import config

    config.CACHE_DIR = str(cache_folder() / "numba")
    if "NUMBA_THREADING_LAYER" not in os.environ:
        # The workqueue layer costs 100 µs a region and OpenMP 2; Numba would fall back in silence.
        config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
    if not config.CPU_FEATURES and not config.CPU_NAME:
        import llvmlite.binding as llvm

        try:
            features = llvm.get_host_cpu_features().flatten()
        except RuntimeError:  # the host is unknown to LLVM: keep its defaults
            return
        if "+avx512f" in features:
            # LLVM halves the vectors of some processors that have AVX-512, out of care for their clock:
            # measured here 7.3 ns a neuron-step so, and 5.6 with whole vectors (float64; 3.0, 2.1 float32).
            config.CPU_FEATURES = features + ",-prefer-256-bit"


_configure()

import numba  # noqa: E402
import numpy as np  # noqa: E402
from llvmlite import ir  # noqa: E402
from numba import prange as prange  # noqa: E402  (others take these from here, so that this comes first)
from numba import types as types  # noqa: E402
from numba.core import cgutils  # noqa: E402
from numba.extending import intrinsic as intrinsic  # noqa: E402
from numba.np.arrayobj import populate_array  # noqa: E402

JIT_DISABLED = bool(numba.config.DISABLE_JIT)

# No "reassoc": it folds away the rounding trick of exp. No "nnan" and "ninf": they gain nothing measurable
# and would let the compiler forget the test for a potential that is not finite.
ARITHMETIC = {"contract", "arcp"}


def inline(function: Callable[..., Any]) -> Any:
    """For scalar formulas: one call left in a loop, and nothing in it becomes vector code."""
    return numba.njit(function, forceinline=True, error_model="numpy", fastmath=ARITHMETIC)


def kernel(function: Callable[..., Any]) -> Any:
    """For loops of floating-point work: relaxed arithmetic, no lock of the interpreter, kept on disk."""
    return numba.njit(function, nogil=True, error_model="numpy", fastmath=ARITHMETIC, cache=True)


def kernel_parallel(function: Callable[..., Any]) -> Any:
    """A kernel that starts threads."""
    return numba.njit(
        function, parallel=True, nogil=True, error_model="numpy", fastmath=ARITHMETIC, cache=True
    )


def compiled(function: Callable[..., Any]) -> Any:
    """For code whose every rounding matters (random numbers) or that has none (integers)."""
    return numba.njit(function, nogil=True, error_model="numpy", cache=True)


def compiled_parallel(function: Callable[..., Any]) -> Any:
    """The same, starting threads."""
    return numba.njit(function, parallel=True, nogil=True, error_model="numpy", cache=True)


def compiled_inline(function: Callable[..., Any]) -> Any:
    """A small piece of `compiled` code that should not cost a call."""
    return numba.njit(function, forceinline=True, error_model="numpy")


def set_threads(threads: int) -> None:
    """Use `threads` threads from now on in this process.

    Raises
    ------
    ValueError
        when Numba was imported before hhsim with fewer threads (`NUMBA_NUM_THREADS`).
    """
    most = int(numba.config.NUMBA_NUM_THREADS)
    if threads > most:
        raise ValueError(
            f"Numba was started with at most {most} threads; "
            f"set NUMBA_NUM_THREADS={threads} or import hhsim before numba"
        )
    numba.set_num_threads(threads)


if JIT_DISABLED:
    import math

    def scale(p: float, t: float, magic: float) -> Any:
        """p · 2ⁿ, where the integer n was left in the low bits of t = n + magic."""
        return type(p)(math.ldexp(float(p), int(t - magic)))

    def local(like: Any, size: int) -> Any:
        """Working memory of `size` numbers of the type of `like`, for the time of a call."""
        return np.zeros(size, type(like))

    def borrow(arrays: Any) -> Any:
        """The same arrays, without a share in their ownership."""
        return arrays

    def prefetch(array: Any, index: int) -> None:
        """Ask for the cache line of `array[index]`."""

    def atomic_add(array: Any, index: int, value: int) -> int:
        """Add to an element for all threads to see; returns the value before."""
        before = int(array[index])
        array[index] += value
        return before

    def atomic_load(array: Any, index: int) -> int:
        """The newest value of an element, with everything that was written before it."""
        return int(array[index])

    def pause() -> None:
        """Rest for a moment within a waiting loop."""

    def yield_processor() -> None:
        """Let another thread have this processor."""

else:

    def _element(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
        data = context.make_array(array_type)(context, builder, array).data
        return builder.gep(data, [index])

    def _call_void(builder: Any, name: str, arguments: list[Any]) -> None:
        function = builder.module.globals.get(name)
        if function is None:
            signature = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
            function = ir.Function(builder.module, signature, name)
        builder.call(function, arguments)

    @intrinsic  # type: ignore[untyped-decorator]
    def scale(typing: Any, p: Any, t: Any, magic: Any) -> Any:
        """p · 2ⁿ, where the integer n was left in the low bits of t = n + magic."""
        double = p == types.float64
        integer = ir.IntType(64 if double else 32)
        mantissa = 52 if double else 23

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            p_bits = builder.bitcast(arguments[0], integer)
            n = builder.shl(builder.bitcast(arguments[1], integer), ir.Constant(integer, mantissa))
            return builder.bitcast(builder.add(p_bits, n), arguments[0].type)

        return p(p, t, magic), generate

    @intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
    def local(typing: Any, like: Any, size: Any) -> Any:
        """Working memory of `size` numbers (a literal) of the type of `like`, for the time of a call.

        It lies on the stack, where the compiler sees that nothing else points to it: with memory from
        outside it would guard each loop by comparisons of addresses, and give up on loops of many arrays.
        """
        count = size.literal_value
        array_type = types.Array(like, 1, "C")

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            element = context.get_value_type(like)
            width = context.get_constant(types.intp, context.get_abi_sizeof(element))
            memory = cgutils.alloca_once(builder, element, size=count)
            memory.align = 64  # a cache line, and the widest vector
            array = context.make_array(array_type)(context, builder)
            populate_array(
                array,
                data=memory,
                shape=[context.get_constant(types.intp, count)],
                strides=[width],
                itemsize=width,
                meminfo=None,
            )
            return array._getvalue()

        return array_type(like, size), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def borrow(typing: Any, arrays: Any) -> Any:
        """The same arrays (a named tuple), without a share in their ownership.

        Whoever owns an array counts references to it with atomic instructions, at each use of a tuple that
        holds it, and all threads at the same address: measured 60 of 200 ms with one thread. The caller's
        references must outlive the loan.
        """

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (value,) = arguments
            for i, kind in enumerate(arrays.types):
                if isinstance(kind, types.Array):
                    array = context.make_array(kind)(context, builder, builder.extract_value(value, i))
                    array.meminfo = cgutils.get_null_value(array.meminfo.type)
                    array.parent = cgutils.get_null_value(array.parent.type)
                    value = builder.insert_value(value, array._getvalue(), i)
            return value

        return arrays(arrays), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def prefetch(typing: Any, array: Any, index: Any) -> Any:
        """Ask for the cache line of `array[index]`."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _element(context, builder, signature.args[0], arguments[0], arguments[1])
            byte = builder.bitcast(pointer, ir.IntType(8).as_pointer())
            flags = [ir.Constant(ir.IntType(32), value) for value in (0, 3, 1)]  # read, keep, data
            _call_void(builder, "llvm.prefetch.p0", [byte, *flags])
            return context.get_dummy_value()

        return types.void(array, index), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def atomic_add(typing: Any, array: Any, index: Any, value: Any) -> Any:
        """Add to an element for all threads to see; returns the value before."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _element(context, builder, signature.args[0], arguments[0], arguments[1])
            number = context.cast(builder, arguments[2], signature.args[2], signature.args[0].dtype)
            return builder.atomic_rmw("add", pointer, number, "acq_rel")

        return array.dtype(array, index, value), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def atomic_load(typing: Any, array: Any, index: Any) -> Any:
        """The newest value of an element, with everything that was written before it."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _element(context, builder, signature.args[0], arguments[0], arguments[1])
            return builder.load_atomic(pointer, "acquire", signature.args[0].dtype.bitwidth // 8)

        return array.dtype(array, index), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def pause(typing: Any) -> Any:
        """Rest for a moment within a waiting loop."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if platform.machine() == "x86_64":
                _call_void(builder, "llvm.x86.sse2.pause", [])
            elif platform.machine() == "aarch64":
                _call_void(builder, "llvm.aarch64.hint", [ir.Constant(ir.IntType(32), 1)])
            return context.get_dummy_value()

        return types.void(), generate

    yield_processor = types.ExternalFunction("sched_yield", types.int32())
