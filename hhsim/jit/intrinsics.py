"""The few operations that Python cannot say, for compiled code and, with the JIT off, for plain Python."""

from __future__ import annotations

import math
import platform
import time
from typing import Any

import numpy as np

from hhsim.jit.options import JIT_DISABLED, intrinsic, types

if not JIT_DISABLED:
    from llvmlite import ir
    from numba.core import cgutils
    from numba.np.arrayobj import populate_array

if JIT_DISABLED:

    def scale(p: float, t: float, magic: float) -> Any:
        """p · 2ⁿ, where the integer n was left in the low bits of t = n + magic."""
        return type(p)(math.ldexp(float(p), int(t - magic)))

    def local(like: Any, size: int) -> Any:
        """Working memory of `size` numbers of the type of `like`, for the time of a call."""
        return np.zeros(size, type(like))

    def prefetch(array: Any, index: int) -> None:
        """Ask for the cache line of `array[index]`."""

    def atomic_swap(array: Any, index: int, value: int) -> int:
        """Set an element, in one order with all other atomic operations; returns the value before."""
        before = int(array[index])
        array[index] = value
        return before

    def atomic_replace(array: Any, index: int, old: int, new: int) -> bool:
        """Set an element to `new` if it is `old`; returns whether it was: of several threads, to one."""
        same = bool(array[index] == old)
        if same:
            array[index] = new
        return same

    def atomic_load(array: Any, index: int) -> int:
        """The newest value of an element, with everything that was written before it."""
        return int(array[index])

    def sleep_while(array: Any, index: int, value: int) -> None:
        """Sleep until `wake` is called for an int32 element, unless it is no longer `value`; or for less."""

    def wake(array: Any, index: int) -> None:
        """Wake all threads that sleep at an element."""

    def pause() -> None:
        """Rest for a moment within a waiting loop."""

    def read_ticks() -> int:
        """The moment on a clock that goes evenly, at an unknown rate."""
        return time.perf_counter_ns()

else:
    # The number of Linux's system call `futex`; elsewhere a waiting thread offers its processor to others.
    _FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "ppc64le": 221, "s390x": 238}
    _FUTEX_CALL = _FUTEX.get(platform.machine()) if platform.system() == "Linux" else None
    _FUTEX_WAIT, _FUTEX_WAKE = 128, 129  # among the threads of this process
    _LONGEST_SLEEP = 100_000_000  # ns; nobody relies on it

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
    def atomic_swap(typing: Any, array: Any, index: Any, value: Any) -> Any:
        """Set an element, in one order with all other atomic operations; returns the value before."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _element(context, builder, signature.args[0], arguments[0], arguments[1])
            number = context.cast(builder, arguments[2], signature.args[2], signature.args[0].dtype)
            return builder.atomic_rmw("xchg", pointer, number, "seq_cst")

        return array.dtype(array, index, value), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def atomic_replace(typing: Any, array: Any, index: Any, old: Any, new: Any) -> Any:
        """Set an element to `new` if it is `old`; returns whether it was: of several threads, to one."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _element(context, builder, signature.args[0], arguments[0], arguments[1])
            numbers = [
                context.cast(builder, argument, kind, signature.args[0].dtype)
                for argument, kind in zip(arguments[2:], signature.args[2:], strict=True)
            ]
            return builder.extract_value(builder.cmpxchg(pointer, *numbers, "seq_cst", "seq_cst"), 1)

        return types.boolean(array, index, old, new), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def atomic_load(typing: Any, array: Any, index: Any) -> Any:
        """The newest value of an element, with everything that was written before it."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _element(context, builder, signature.args[0], arguments[0], arguments[1])
            return builder.load_atomic(pointer, "seq_cst", signature.args[0].dtype.bitwidth // 8)

        return array.dtype(array, index), generate

    def _call_futex(builder: Any, pointer: Any, operation: int, value: Any, timeout: Any) -> None:
        word, address = ir.IntType(64), builder.ptrtoint(pointer, ir.IntType(64))
        kind = ir.FunctionType(word, [word], var_arg=True)
        call = cgutils.get_or_insert_function(builder.module, kind, "syscall")
        builder.call(call, [word(_FUTEX_CALL), address, word(operation), value, timeout])

    @intrinsic  # type: ignore[untyped-decorator]
    def sleep_while(typing: Any, array: Any, index: Any, value: Any) -> Any:
        """Sleep until `wake` is called for an int32 element, unless it is no longer `value`; or for less.

        A signal ends it, and so do 100 ms. Where the system has no such call, others get the processor.
        """
        assert array.dtype == types.int32

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if _FUTEX_CALL is None:
                _call_void(builder, "sched_yield", [])
                return context.get_dummy_value()
            word = ir.IntType(64)
            pointer = _element(context, builder, signature.args[0], arguments[0], arguments[1])
            timeout = cgutils.alloca_once(builder, word, size=2)
            builder.store(word(0), timeout)
            builder.store(word(_LONGEST_SLEEP), builder.gep(timeout, [word(1)]))
            number = context.cast(builder, arguments[2], signature.args[2], types.int64)
            _call_futex(builder, pointer, _FUTEX_WAIT, number, builder.ptrtoint(timeout, word))
            return context.get_dummy_value()

        return types.void(array, index, value), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def wake(typing: Any, array: Any, index: Any) -> Any:
        """Wake all threads that sleep at an element."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if _FUTEX_CALL is not None:
                word = ir.IntType(64)
                pointer = _element(context, builder, signature.args[0], arguments[0], arguments[1])
                _call_futex(builder, pointer, _FUTEX_WAKE, word((1 << 31) - 1), word(0))
            return context.get_dummy_value()

        return types.void(array, index), generate

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

    @intrinsic  # type: ignore[untyped-decorator]
    def read_ticks(typing: Any) -> Any:
        """The moment on a clock that goes evenly, at an unknown rate; 0 on processors where none is known.

        A few nanoseconds, where a call of the system's clock takes 20 or more.
        """

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            ticks = ir.IntType(64)
            kind = ir.FunctionType(ticks, [])
            if platform.machine() == "x86_64":
                counter = cgutils.get_or_insert_function(builder.module, kind, "llvm.readcyclecounter")
                return builder.call(counter, [])
            if platform.machine() == "aarch64":
                return builder.asm(kind, "mrs $0, cntvct_el0", "=r", [], side_effect=True)
            return ticks(0)

        return types.int64(), generate
