"""Everything about numba-cuda in one place: its options and the two kinds of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hhsim.jit.options  # noqa: F401  (it settles what Numba reads as it is imported)

from numba import cuda as cuda  # isort: skip  (others take it from here, so that this comes first)
from numba.cuda.core import config  # isort: skip

# Set by NUMBA_ENABLE_CUDASIM=1: kernels then run in plain Python, each of their threads in a thread of the
# system.
SIMULATED = bool(config.ENABLE_CUDASIM)

# A small network fills no large device; Numba would warn of each launch.
config.CUDA_LOW_OCCUPANCY_WARNINGS = 0


def kernel(function: Callable[..., Any]) -> Any:
    """A kernel. No fast math: its "reassoc" folds away the rounding trick of exp, its "nnan" the guard
    against potentials that are no numbers. Multiplications and additions are still contracted."""
    return cuda.jit(function)


def inline(function: Callable[..., Any]) -> Any:
    """For formulas and pieces of kernels that do not ask which thread they are."""
    return function if SIMULATED else cuda.jit(function, device=True, forceinline=True)


def call(function: Callable[..., Any]) -> Any:
    """For long pieces that a thread seldom needs: a call, so that they do not cost all others registers."""
    return function if SIMULATED else cuda.jit(function, device=True, forceinline=False)
