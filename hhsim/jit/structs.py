"""Named tuples as compiled code takes them: one address each, whatever they hold.

Numba takes a named tuple of arrays apart wherever it is passed on, seven numbers for each array, and most of
the time of compiling goes there: measured 10 s for a parallel region with nine such tuples, and 1 s with
their address. A `Struct` has the numbers in memory; compiled code finds `cells.state` there as an array when
it asks for it, without a share in its ownership. The same text runs with the tuple itself, JIT or not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from hhsim.jit.options import JIT_DISABLED, intrinsic, types

if not JIT_DISABLED:
    from llvmlite import ir
    from numba import typeof
    from numba.core import cgutils
    from numba.core.datamodel import models, register_default
    from numba.core.imputils import lower_getattr_generic
    from numba.core.typing.templates import AttributeTemplate, infer_getattr
    from numba.extending import NativeValue, unbox
    from numba.np.arrayobj import populate_array

    class StructType(types.Type):  # type: ignore[misc]
        """The type of a struct: the names and types of its fields."""

        def __init__(self, title: str, fields: tuple[tuple[str, Any], ...]) -> None:
            self.fields = dict(fields)
            self.words: dict[str, int] = {}  # where each field begins, in numbers of 64 bits
            at = 0
            for name, kind in fields:
                self.words[name] = at
                at += 1 + (kind.ndim if isinstance(kind, types.Array) else 0)
            # Symbols hold the names of all types of arguments: a short one is quicker to link.
            digest = hashlib.sha256(repr([(name, str(kind)) for name, kind in fields]).encode())
            super().__init__(f"{title}_{digest.hexdigest()[:12]}")

    register_default(StructType)(models.OpaqueModel)

    @infer_getattr
    class _Fields(AttributeTemplate):  # type: ignore[misc]
        key = StructType

        def generic_resolve(self, struct: Any, name: str) -> Any:
            return struct.fields.get(name)

    @lower_getattr_generic(StructType)  # type: ignore[untyped-decorator]
    def _field(context: Any, builder: Any, struct: Any, value: Any, name: str) -> Any:
        kind = struct.fields[name]
        word = ir.IntType(64)
        numbers = builder.bitcast(value, word.as_pointer())

        def load(offset: int, of: Any = word) -> Any:
            place = builder.gep(numbers, [ir.Constant(word, struct.words[name] + offset)])
            loaded = builder.load(builder.bitcast(place, of.as_pointer()))
            # No one changes a struct: what is loaded before a loop need not be loaded again within.
            loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
            return loaded

        if isinstance(kind, StructType):
            return builder.inttoptr(load(0), value.type)
        if not isinstance(kind, types.Array):
            if kind == types.boolean:
                return builder.icmp_unsigned("!=", load(0), ir.Constant(word, 0))
            return load(0, context.get_value_type(kind))
        array = context.make_array(kind)(context, builder)
        width = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
        shape = [load(1 + axis) for axis in range(kind.ndim)]
        strides = [width]
        for length in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], length))
        data = builder.inttoptr(load(0), array.data.type)
        populate_array(array, data=data, shape=shape, strides=strides, itemsize=width, meminfo=None)
        return array._getvalue()

    @unbox(StructType)  # type: ignore[untyped-decorator]
    def _unbox(struct: Any, value: Any, c: Any) -> Any:
        number = c.pyapi.object_getattr_string(value, "address")
        address = c.pyapi.long_as_ulonglong(number)
        c.pyapi.decref(number)
        failed = cgutils.is_not_null(c.builder, c.pyapi.err_occurred())
        return NativeValue(c.builder.inttoptr(address, cgutils.voidptr_t), is_error=failed)

    @intrinsic  # type: ignore[untyped-decorator]
    def call(typing: Any, address: Any, *arguments: Any) -> Any:
        """Call the compiled function at `address` (`address_of`), which returns nothing.

        It must have been compiled for the types of these arguments; a struct is passed as its address.
        """

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kinds = tuple(signature.args[1])
            function = context.call_conv.get_function_type(types.none, kinds)
            pointer = builder.inttoptr(values[0], function.as_pointer())
            own = cgutils.unpack_tuple(builder, values[1], len(kinds))
            context.call_conv.call_function(builder, pointer, types.none, kinds, own)
            return context.get_dummy_value()

        return types.none(address, types.StarArgTuple.from_types(arguments)), generate

else:

    def call(address: Callable[..., None], *arguments: Any) -> None:
        """Call a function."""
        address(*arguments)


class Struct:
    """A named tuple in memory, and the structs of the named tuples within; it must outlive their use.

    Arrays are shared; numbers are as they were.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self.fields = {name: _packed(each) for name, each in value._asdict().items()}
        words: list[np.uint64] = []
        for name, field in self.fields.items():
            words += _words(name, field)
        self._memory = np.array(words, np.uint64)
        self.address = self._memory.ctypes.data
        kinds = tuple((name, typeof(field)) for name, field in self.fields.items())
        self._numba_type_ = StructType(type(value).__name__, kinds)


def pack(value: Any) -> Any:
    """What a compiled function takes in place of a named tuple: a `Struct`, or with the JIT off, itself."""
    return value if JIT_DISABLED else Struct(value)


def part_of(packed: Any, name: str) -> Any:
    """A named tuple within one that was packed, packed."""
    return getattr(packed, name) if JIT_DISABLED else packed.fields[name]


def _packed(value: Any) -> Any:
    return Struct(value) if hasattr(value, "_fields") else value


def _words(name: str, value: Any) -> list[Any]:
    """A field as numbers of 64 bits."""
    if isinstance(value, Struct):
        return [np.uint64(value.address)]
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous:
            raise ValueError(f"{name} is not contiguous")
        return [np.uint64(value.ctypes.data), *map(np.uint64, value.shape)]
    if isinstance(value, float):
        return [np.float64(value).view(np.uint64)]
    return [np.int64(value).view(np.uint64) if not isinstance(value, np.uint64) else value]


def address_of(function: Any, *arguments: Any) -> Any:
    """The address of a compiled function for arguments like these, compiled if need be; for `call`."""
    if JIT_DISABLED:
        return function
    kinds = tuple(typeof(argument) for argument in arguments)
    function.compile(kinds)
    compiled = function.overloads[kinds]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
