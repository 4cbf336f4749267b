"""hhsim: fast, reproducible simulation of networks of Hodgkin–Huxley point neurons.

`hhsim.run("configs/coba.toml")` simulates a config and returns a `Summary`;
`hhsim.open("out.h5")` reads what was recorded as NumPy arrays. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Recording", "Summary", "__version__", "open", "run"]

if TYPE_CHECKING:
    from hhsim.recording import Recording
    from hhsim.recording import open_any as open
    from hhsim.simulation.session import run
    from hhsim.simulation.summary import Summary

_HOMES = {
    "Recording": ("hhsim.recording", "Recording"),
    "open": ("hhsim.recording", "open_any"),
    "Summary": ("hhsim.simulation.summary", "Summary"),
    "run": ("hhsim.simulation.session", "run"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hhsim' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
