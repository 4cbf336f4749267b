"""Whether this process was started as one of several, as mpiexec and srun start them."""

from __future__ import annotations

import os

# What tells a process how many there are, and which it is: Hydra and PMI, Open MPI, PMIx, a step of Slurm.
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_SIZE", "SLURM_STEP_NUM_TASKS")
_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID")

_joined = False


def launched_ranks() -> int:
    """Processes that were started together with this one, itself included."""
    return max(1, *(_number(name) for name in _SIZES))


def launched_rank() -> int:
    """Which of them this one is, from 0."""
    return max(_number(name) for name in _RANKS) if launched_ranks() > 1 else 0


def _number(name: str) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else 0


def note_joined() -> None:
    """From now on the processes know of each other, and an error is told by the one that it happens to."""
    global _joined
    _joined = True


def may_speak() -> bool:
    """Is this the process to tell an error? Before they know of each other, all have the same to tell."""
    return _joined or launched_rank() == 0
