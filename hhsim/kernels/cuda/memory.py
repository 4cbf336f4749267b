"""Arrays in the memory of the device that was selected."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.kernels.cuda.compiling import cuda


def free_bytes() -> float:
    """Memory of the device that nobody has taken."""
    return float(cuda.current_context().get_memory_info().free)


def send(array: npt.NDArray[Any]) -> Any:
    """A copy of an array on the device; where it is empty, one with a zero, as no memory has no bytes."""
    shape = [max(each, 1) for each in array.shape]
    return cuda.to_device(array if array.size else np.zeros(shape, array.dtype))


def fetch(array: Any, to: npt.NDArray[Any]) -> None:
    """Copy the beginning of an array on the device to all of `to`, in the type of `to`."""
    if to.size:
        to[...] = array[: to.size].copy_to_host()


def replace(array: Any, new: npt.NDArray[Any]) -> None:
    """Copy all of `new`, which has the type of the array on the device, to the beginning of that."""
    if new.size:
        array[: new.size].copy_to_device(np.ascontiguousarray(new))
