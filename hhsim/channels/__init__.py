"""The physics: every channel and receptor that a config can name.

To add a channel, write one function in one file of this room (or in a file of your own, given with
`--channels`); schema, kernels and tables follow from its declaration.
"""

from __future__ import annotations

from hhsim.channels import leak, potassium, receptors, sodium  # noqa: F401  (each declares its models)
from hhsim.channels.definition import Channel, Parameter, Receptor, channel, receptor
from hhsim.channels.definition import channels as all_channels
from hhsim.channels.definition import receptors as all_receptors
from hhsim.channels.files import declare_from

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
