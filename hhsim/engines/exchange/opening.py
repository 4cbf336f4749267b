"""How a process joins those that were started together with it."""

from __future__ import annotations

import warnings

from hhsim.engines.exchange.base import Alone, Exchange
from hhsim.errors import NoSuchDevice, NotInstalled
from hhsim.system.ranks import launched_ranks, note_joined


def open_exchange() -> Exchange:
    """Join the processes that were started together with this one.

    Raises NotInstalled without mpi4py, and NoSuchDevice if MPI sees other processes than were started: each
    would take itself for all, and write the output of all.
    """
    started = launched_ranks()
    if started == 1:
        return Alone()
    try:
        import mpi4py  # noqa: F401  (says whether it is there; whether MPI is, only its part MPI can say)
    except ImportError as error:
        raise NotInstalled("mpi4py", "mpi") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of mpi4py, where we refuse below
            from hhsim.engines.exchange.mpi import Mpi

        exchange = Mpi()
    except (ImportError, RuntimeError) as error:  # no MPI library, or none that can be loaded
        raise NoSuchDevice(f"this is one of {started} processes, but MPI cannot be used: {error}") from error
    if exchange.ranks != started:
        raise NoSuchDevice(
            f"this is one of {started} processes, but MPI sees {exchange.ranks}: it has to be started by the "
            "mpiexec of the MPI that mpi4py uses (python -m pip install 'hhsim[mpi]' brings one)"
        )
    note_joined()
    return exchange
