"""Whether this process can compute on a CUDA device, or in the simulator of one."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import pytest


@cache
def why_not() -> str | None:
    """None if there is a device, or the simulator stands in for one (NUMBA_ENABLE_CUDASIM=1)."""
    if find_spec("numba_cuda") is None:
        return "no CUDA device (numba-cuda is not installed)"
    from hhsim.kernels.cuda.compiling import cuda

    return None if cuda.is_available() else "no CUDA device"


def simulated() -> bool:
    from hhsim.kernels.cuda import compiling

    return compiling.SIMULATED


def on_device(function):
    """Marks a test `gpu`; it says why where it is skipped."""
    reason = why_not()
    return pytest.mark.gpu(pytest.mark.skipif(reason is not None, reason=f"skipped: {reason}")(function))
