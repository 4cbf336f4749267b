"""Whether this process was started as one of several, as mpiexec and srun start them."""

from __future__ import annotations

import os
from importlib.util import find_spec

from hhsim.errors import NoSuchDevice, NotInstalled
from hhsim.exchange.base import Alone, Exchange

# What tells a process how many there are, and which it is: Hydra and PMI, Open MPI, PMIx, a step of Slurm.
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_SIZE", "SLURM_STEP_NUM_TASKS")
_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID")


def launched_ranks() -> int:
    """Processes that were started together with this one, itself included."""
    return max((_number(name) for name in _SIZES), default=1) or 1


def launched_rank() -> int:
    """Which of them this one is, from 0."""
    return max(_number(name) for name in _RANKS) if launched_ranks() > 1 else 0


def _number(name: str) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else 0


def open_exchange() -> Exchange:
    """Join the processes that were started together with this one.

    Raises NotInstalled without mpi4py, and NoSuchDevice if MPI sees other processes than were started: each
    would take itself for all, and write the output of all.
    """
    started = launched_ranks()
    if started == 1:
        return Alone()
    if find_spec("mpi4py") is None:
        raise NotInstalled("mpi4py", "mpi")
    from hhsim.exchange.mpi import Mpi

    try:
        exchange = Mpi()
    except (ImportError, RuntimeError) as error:  # no MPI library, or none that can be loaded
        raise NoSuchDevice(f"this is one of {started} processes, but MPI cannot be used: {error}") from error
    if exchange.ranks != started:
        raise NoSuchDevice(
            f"this is one of {started} processes, but MPI sees {exchange.ranks}: mpiexec belongs to another "
            "MPI than mpi4py; start it with the mpiexec of the MPI that mpi4py was installed with"
        )
    return exchange
