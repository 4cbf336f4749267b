"""The physics: every channel and receptor that a config can name.

To add a channel, write one function in one file of this room (or in a file of your own, given with
`--channels`); schema, kernels and tables follow from its declaration.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from hhsim.channels import leak, potassium, receptors, sodium  # noqa: F401  (each declares its models)
from hhsim.channels.definition import Channel, Parameter, Receptor, channel, receptor
from hhsim.channels.definition import channels as all_channels
from hhsim.channels.definition import receptors as all_receptors
from hhsim.errors import FileFailed
from hhsim.plainfile import require_plain_file

__all__ = [
    "Channel",
    "Parameter",
    "Receptor",
    "all_channels",
    "all_receptors",
    "channel",
    "declare_from",
    "receptor",
]


def declare_from(path: str | os.PathLike[str]) -> None:
    """Execute a Python file, so that the channels and receptors that it declares can be named in a config."""
    require_plain_file(path)
    name = f"hhsim_channels_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileFailed(os.fspath(path), "is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise FileFailed(os.fspath(path), f"cannot be executed ({type(error).__name__}: {error})") from error
