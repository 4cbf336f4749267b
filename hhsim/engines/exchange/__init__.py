"""What processes that share one network tell each other: one process is the default, MPI another way.

A network is cut into a run of blocks for each rank. Whatever ranks do together, they do in the same order,
and all of it begins with a header from each; a rank that fails says so in its next header, which thereby ends
what the others are doing, wherever that is.
"""

from __future__ import annotations

from hhsim.engines.exchange.base import Alone, Exchange, share_out
from hhsim.engines.exchange.opening import open_exchange

__all__ = ["Alone", "Exchange", "open_exchange", "share_out"]
