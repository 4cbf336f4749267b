"""What the command line returns for each error: one table, for the ranks of a run as well.

Ranks tell each other the exit code of what ended them, so that the table stands below the command line.
"""

from __future__ import annotations

import signal

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
from hhsim.errors.lacking import (
    FileFailed,
    NoSuchDevice,
    NotEnoughMemory,
    NotEnoughSpace,
    NoThreads,
    NotInstalled,
    TooManyCells,
    TooManySynapses,
)
from hhsim.errors.refused import (
    CannotScale,
    ChannelRefused,
    CheckpointRefused,
    ConfigRefused,
    DelayTooLong,
    NoConfig,
    PlotRefused,
    SelectionRefused,
    StateRefused,
    ValueRefused,
)

GO_ON = 75  # the same command with --resume goes on: EX_TEMPFAIL of sysexits.h

# The types of each code; whatever is in none is a mistake of hhsim, 1. Signals have their own codes.
EXIT_CODES: dict[int, tuple[type[BaseException], ...]] = {
    2: (CannotScale, NoConfig, PlotRefused, SelectionRefused),
    3: (ChannelRefused, CheckpointRefused, ConfigRefused, DelayTooLong, StateRefused, ValueRefused),
    4: (Diverged, GuardStopped, NothingToMeasure, WouldDiverge),
    5: (FileFailed,),
    6: (
        *(MemoryError, NotEnoughMemory, NotEnoughSpace, TooManyCells, TooManySynapses),
        *(NoSuchDevice, NoThreads, NotInstalled),
    ),
    7: (ComparisonFailed,),
    GO_ON: (OutOfTime,),
}


def exit_code_of(error: BaseException | None) -> int:
    """The exit code of the command, or of the rank, that `error` ends; 0 if nothing went wrong."""
    if error is None:
        return 0
    if isinstance(error, FailedElsewhere):
        return error.exit_code
    if isinstance(error, Interrupted | Stopped):
        return GO_ON if error.signal_number == signal.SIGUSR1 else 128 + error.signal_number
    return next((code for code, kinds in EXIT_CODES.items() if isinstance(error, kinds)), 1)
