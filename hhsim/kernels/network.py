"""The arrays of a network as one nested tuple, which the kernels of every device start from."""

from __future__ import annotations

from typing import Any, NamedTuple

from hhsim.network.connections import Connections
from hhsim.state.build import Cells
from hhsim.state.inboxes import Inboxes
from hhsim.state.log import Log
from hhsim.state.samples import Samples
from hhsim.state.shares import Shares


class Network(NamedTuple):
    """What a process holds of a network: all of it, or some blocks of cells with all that arrives there."""

    cells: Cells
    connections: Connections
    inboxes: Inboxes
    inputs: Any  # the arrays of each kind (`hhsim.inputs.build.Inputs`)
    samples: Samples
    log: Log
    shares: Shares
