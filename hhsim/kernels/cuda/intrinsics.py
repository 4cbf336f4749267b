"""The few operations that Python cannot say, for a device and for its simulator."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hhsim.kernels.cuda.compiling import SIMULATED, cuda, inline

if SIMULATED:
    from hhsim.network.random import MASK

    def scale(p: Any, t: Any, magic: Any) -> Any:
        """p · 2ⁿ, where the integer n was left in the low bits of t = n + magic."""
        return type(p)(math.ldexp(float(p), int(t - magic)))

    def multiply(a: Any, b: Any) -> Any:
        """The high and the low 64 bits of a product."""
        product = int(a) * int(b)
        return np.uint64(product >> 64), np.uint64(product & MASK)

    def add(a: Any, b: Any) -> Any:
        """A sum modulo 2^64, without NumPy's warning."""
        return np.uint64((int(a) + int(b)) & MASK)

else:
    from llvmlite import ir
    from numba.cuda import libdevice, types
    from numba.cuda.extending import intrinsic

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

    @inline
    def multiply(a: Any, b: Any) -> Any:
        """The high and the low 64 bits of a product."""
        return np.uint64(libdevice.umul64hi(np.int64(a), np.int64(b))), a * b  # bits, whatever their sign

    @inline
    def add(a: Any, b: Any) -> Any:
        """A sum modulo 2^64."""
        return a + b


@cuda.jit(device=True)  # type: ignore[untyped-decorator]
def atomic_add(array: Any, index: Any, value: Any) -> Any:
    """Add to an element for all threads to see; returns the value before."""
    return cuda.atomic.add(array, index, value)


@cuda.jit(device=True)  # type: ignore[untyped-decorator]
def atomic_min(array: Any, index: Any, value: Any) -> None:
    """Let an element be no larger than `value`."""
    cuda.atomic.min(array, index, value)
