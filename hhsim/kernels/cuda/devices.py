"""Whether there is a device to compute on."""

from __future__ import annotations

from importlib.util import find_spec

from hhsim.errors import NoSuchDevice, NotInstalled


def require(index: int) -> None:
    """Raise NotInstalled without numba-cuda, and NoSuchDevice where no device has this number."""
    if find_spec("numba_cuda") is None:
        raise NotInstalled("numba-cuda", "cuda")
    from hhsim.kernels.cuda.compiling import cuda

    try:
        found = len(cuda.gpus)
    except cuda.CudaSupportError as error:
        reason = " ".join(str(error).split()).removeprefix("Error at driver init: ").rstrip(": ")
        text = "there is no CUDA device here, or no driver for it; --device cpu computes without"
        raise NoSuchDevice(f"{text} ({reason})") from None
    if index >= found:
        there = ", ".join(f"cuda:{number}" for number in range(found)) or "none"
        raise NoSuchDevice(f"there is no device cuda:{index}; of CUDA devices there is {there}")


def select(index: int) -> None:
    """Compute on this device from now on, in this thread."""
    from hhsim.kernels.cuda.compiling import cuda

    cuda.select_device(index)


def name_of(index: int) -> str:
    """What the maker calls a device."""
    from hhsim.kernels.cuda.compiling import cuda

    name = getattr(cuda.get_current_device(), "name", "simulator")
    return name.decode() if isinstance(name, bytes) else str(name)
