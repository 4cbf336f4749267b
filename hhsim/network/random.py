"""Random numbers keyed by what they are for, never by who draws them or when.

The generator is Philox4x64-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as
1, 2, 3", SC'11): a function that turns a key of 128 bits and a counter of 256 bits into 256 random bits.
There is no state to share or to store. Here the key is (seed, purpose and identity) and the counter holds
the ids of what is drawn for, such as (source, target, ordinal), and the number of the draw. NumPy's
`Philox` is the same function, but adds one to its counter before each block.

Functions that take `bits` turn one 64-bit draw into a number; those that take `u` want a double from [0, 1).
They run the same, bit for bit, with the JIT on and off.
"""

from __future__ import annotations

import hashlib
import math
from enum import IntEnum
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from hhsim.errors import ValueRefused
from hhsim.jit.options import JIT_DISABLED, compiled, compiled_inline, intrinsic, types
from hhsim.model import Constant, Normal, Uniform, Value, constant

MASK = 2**64 - 1
IDENTITY_BITS = 56
TO_53_BITS = np.uint64(11)
ULP = 2.0**-53
TWO_PI = 2.0 * math.pi
ZERO = np.uint64(0)

_M0 = np.uint64(0xD2E7470EE14C6C93)
_M1 = np.uint64(0xCA5A826395121157)
_W0 = np.uint64(0x9E3779B97F4A7C15)
_W1 = np.uint64(0xBB67AE8584CAA73B)


class Purpose(IntEnum):
    """What a stream of numbers is for. The numbers are part of every result: add, never renumber."""

    INITIAL = 1
    PARAMETER = 2
    CONNECT = 3
    WEIGHT = 4
    DELAY = 5
    POISSON = 6
    AMPLITUDE = 7


def seed_key(seed: int) -> np.uint64:
    """The first half of a key."""
    return np.uint64(seed & MASK)


def stream_key(purpose: Purpose, identity: int) -> np.uint64:
    """The second half of a key: a purpose, and the number of what it is for, such as a projection's."""
    if not 0 <= identity < 1 << IDENTITY_BITS:
        raise ValueError(f"the identity {identity} does not fit {IDENTITY_BITS} bits")
    return np.uint64(int(purpose) << IDENTITY_BITS | identity)


def identify(*names: str) -> int:
    """A number for names, such as those of a population and a state, the same on every machine."""
    digest = hashlib.blake2b("\0".join(names).encode(), digest_size=IDENTITY_BITS // 8).digest()
    return int.from_bytes(digest, "little")


if JIT_DISABLED:

    def multiply(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
        """The high and the low 64 bits of a product."""
        product = int(a) * int(b)
        return np.uint64(product >> 64), np.uint64(product & MASK)

    def add(a: np.uint64, b: np.uint64) -> np.uint64:
        """A sum modulo 2^64, without NumPy's warning."""
        return np.uint64((int(a) + int(b)) & MASK)

else:

    @intrinsic  # type: ignore[untyped-decorator]
    def multiply(typing: Any, a: Any, b: Any) -> Any:
        """The high and the low 64 bits of a product: one `mul` instruction on x86-64."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            half = arguments[0].type
            wide = type(half)(128)
            product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
            high = builder.trunc(builder.lshr(product, wide(64)), half)
            return context.make_tuple(builder, signature.return_type, (high, builder.trunc(product, half)))

        return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), generate

    @compiled_inline
    def add(a: np.uint64, b: np.uint64) -> np.uint64:
        """A sum modulo 2^64."""
        return a + b


Block = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


@compiled
def philox(
    key0: np.uint64, key1: np.uint64, c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64
) -> Block:
    """The four times 64 random bits that belong to a key and a counter (all uint64)."""
    for _ in range(10):
        high0, low0 = multiply(_M0, c0)
        high1, low1 = multiply(_M1, c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0
        key0 = add(key0, _W0)
        key1 = add(key1, _W1)
    return c0, c1, c2, c3


@compiled_inline
def uniform(bits: np.uint64) -> float:
    """A double from [0, 1), a multiple of 2^-53."""
    return np.float64(np.int64(bits >> TO_53_BITS)) * ULP


@compiled_inline
def bounded(bits: np.uint64, n: int) -> np.int64:
    """An integer from [0, n), by a multiplication: no number is off its share by more than n / 2^64."""
    return np.int64(multiply(bits, np.uint64(n))[0])


@compiled_inline
def exponential(bits: np.uint64) -> float:
    """From the exponential distribution of mean 1."""
    return -math.log(1.0 - uniform(bits))


@compiled_inline
def normal(bits: np.uint64, more_bits: np.uint64) -> float:
    """From the standard normal distribution (Box & Muller 1958; the cosine)."""
    return math.sqrt(-2.0 * math.log(1.0 - uniform(bits))) * math.cos(TWO_PI * uniform(more_bits))


NORMAL, UNIFORM = 0, 1  # kinds of `value_from`


@compiled_inline
def value_from(block: Block, kind: int, a: float, b: float, low: float, high: float) -> float:
    """A value of one synapse or cell: normal(mean a, sd b) or uniform on [a, b), clipped to [low, high]."""
    share = normal(block[0], block[1]) if kind == NORMAL else uniform(block[0])
    scale = b if kind == NORMAL else b - a
    value: float = min(max(a + scale * share, low), high)
    return value


def distribution(value: Value) -> tuple[int, float, float, float, float]:
    """The arguments of `value_from` after the block, for a value that is no constant."""
    match value:
        case Normal(mean, sd, low, high):
            return NORMAL, mean, sd, low, high
        case Uniform(low, high):
            return UNIFORM, low, high, low, high
        case Constant():
            raise ValueError("a constant is not drawn")
        case _:
            assert_never(value)


@compiled
def _draw(
    key0: np.uint64,
    key1: np.uint64,
    first: int,
    terms: tuple[int, float, float, float, float],
    values: npt.NDArray[np.float64],
) -> None:
    for i in range(values.size):
        values[i] = value_from(philox(key0, key1, np.uint64(first + i), ZERO, ZERO, ZERO), *terms)


def in_precision(values: npt.NDArray[np.float64], precision: str, where: str) -> npt.NDArray[Any]:
    """Values in the precision of a run. Raises ValueRefused, with `where` they are from, if one is infinite
    there."""
    with np.errstate(over="ignore", under="ignore"):
        held = values.astype(precision)
    if not np.isfinite(held).all():
        raise ValueRefused(where, float(values[~np.isfinite(held)][0]), precision)
    return held


def draw_values(
    seed: int, purpose: Purpose, identity: int, value: Value, first_id: int, count: int
) -> npt.NDArray[np.float64]:
    """One draw for each of the global ids first_id ... first_id + count - 1.

    The value of an id does not depend on the range in which it is asked for.
    """
    common = constant(value)
    if common is not None:
        return np.full(count, float(common))
    values = np.empty(count)
    _draw(seed_key(seed), stream_key(purpose, identity), first_id, distribution(value), values)
    return values
