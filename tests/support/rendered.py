"""Scalar functions of the package as kernels have them: rendered, compiled, and applied in a loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hhsim.formulas.linker import Linker
from hhsim.kernels.render import load

TEXT = '''"""A formula for the tests."""

import numpy as np

from hhsim.jit.intrinsics import scale
from hhsim.jit.options import inline, kernel

real = np.{precision}


{functions}


@kernel
def apply({inputs}, out):
    for i in range(out.shape[1]):
        {results} = {call}
'''


def rendered(function: Callable[..., Any], precision: str, results: int = 1) -> Callable[..., np.ndarray]:
    """`function` for arrays, in compiled code; gives an array of (results, points)."""
    linker = Linker(precision)
    name = linker.add(function)
    arguments = function.__code__.co_varnames[: function.__code__.co_argcount]
    module = load(
        TEXT.format(
            precision=precision,
            functions=linker.text(),
            inputs=", ".join(arguments),
            results=", ".join(f"out[{i}, i]" for i in range(results)),
            call=f"{name}({', '.join(f'{argument}[i]' for argument in arguments)})",
        )
    )

    def apply(*values: Any) -> np.ndarray:
        arrays = [np.ascontiguousarray(x, precision) for x in np.broadcast_arrays(*values)]
        out = np.empty((results, arrays[0].size), precision)
        module.apply(*arrays, out)
        return out

    return apply
