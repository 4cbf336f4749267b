"""What can go wrong, as types that carry data.

No type here knows of the command line: `hhsim.cli` turns each into words, once. Its exit code stands in the
table of `hhsim.errors.exit_codes`.
"""

from __future__ import annotations

from hhsim.errors.base import HhsimError, HhsimWarning
from hhsim.errors.ended import (
    ComparisonFailed,
    Diverged,
    FailedElsewhere,
    GuardStopped,
    Interrupted,
    NothingToMeasure,
    OutOfTime,
    Stopped,
    WouldDiverge,
)
from hhsim.errors.exit_codes import EXIT_CODES, exit_code_of
from hhsim.errors.lacking import (
    FileFailed,
    NoSuchDevice,
    NotEnoughMemory,
    NotEnoughSpace,
    NoThreads,
    NotInstalled,
    OutputExists,
    TooManyCells,
    TooManySynapses,
    check_threads,
)
from hhsim.errors.refused import (
    CannotScale,
    ChannelRefused,
    CheckpointRefused,
    ConfigRefused,
    DelayTooLong,
    NoConfig,
    PlotRefused,
    Problem,
    SelectionRefused,
    StateRefused,
    ValueRefused,
)

__all__ = [
    "EXIT_CODES",
    "CannotScale",
    "ChannelRefused",
    "CheckpointRefused",
    "ComparisonFailed",
    "ConfigRefused",
    "DelayTooLong",
    "Diverged",
    "FailedElsewhere",
    "FileFailed",
    "GuardStopped",
    "HhsimError",
    "HhsimWarning",
    "Interrupted",
    "NoConfig",
    "NoSuchDevice",
    "NoThreads",
    "NotEnoughMemory",
    "NotEnoughSpace",
    "NotInstalled",
    "NothingToMeasure",
    "OutOfTime",
    "OutputExists",
    "PlotRefused",
    "Problem",
    "SelectionRefused",
    "StateRefused",
    "Stopped",
    "TooManyCells",
    "TooManySynapses",
    "ValueRefused",
    "WouldDiverge",
    "check_threads",
    "exit_code_of",
]
