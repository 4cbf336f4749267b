"""The engine for a device: chosen here, once; nobody else asks which it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from hhsim.errors import NoSuchDevice

if TYPE_CHECKING:
    from hhsim.engines.base import Engine
    from hhsim.engines.exchange import Exchange


def require(device: str) -> None:
    """Raise NoSuchDevice or NotInstalled if there is no such device, before any work is done."""
    index = _index(device)
    if index is not None:
        from hhsim.kernels.cuda import devices

        devices.require(index)


def engine_for(device: str, exchange: Exchange) -> Callable[..., Engine]:
    """What builds the engine for "cpu", "cuda" or "cuda:1", on one of the ranks of `exchange`.

    What it builds raises as `require` does; this, NoSuchDevice for several ranks with CUDA devices, or for a
    device of another name.
    """
    index = _index(device)
    if index is not None:
        if exchange.ranks > 1:
            raise NoSuchDevice(f"several ranks compute on the cpu alone, and not on {device}")
        from hhsim.engines.cuda import Cuda

        return partial(Cuda, index=index)
    from hhsim.engines.processor import Processor

    return partial(Processor, exchange=exchange)


def on_processor(device: str) -> bool:
    """Whether threads do the computing."""
    return _index(device) is None


def _index(device: str) -> int | None:
    """The number of a CUDA device; None for the processor."""
    kind, colon, number = device.partition(":")
    if device == "cpu":
        return None
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise NoSuchDevice(f'there is no device "{device}"; there are cpu, cuda and, with a number, cuda:1')
    return int(number or 0)
