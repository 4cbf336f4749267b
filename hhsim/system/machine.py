"""The machine that a result was computed on, in words."""

from __future__ import annotations

import platform
from pathlib import Path


def describe_machine() -> dict[str, str]:
    """Its name, its system and its processor."""
    return {"node": platform.node(), "system": platform.platform(), "processor": _processor()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Those of hhsim, of Python and of what it computes with."""
    from importlib.metadata import version

    from hhsim import __version__

    own = {"hhsim": __version__, "python": platform.python_version()}
    return own | {name: version(name) for name in ("numba", "llvmlite", "numpy", "h5py")}
