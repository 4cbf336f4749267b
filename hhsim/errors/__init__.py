"""What can go wrong, as types that carry data.

No type here knows of the command line: `hhsim.cli` turns each into words and an exit code, once.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral


class HhsimError(Exception):
    """Base of every error that hhsim raises on purpose.

    `exit_code` is what the command line returns for it.
    """

    exit_code = 1


class HhsimWarning(UserWarning):
    """Something that costs time, and that the user can do something about."""


@dataclass(frozen=True)
class Problem:
    """One mistake in a config: where it stands and what is wrong with it."""

    path: str  # key path such as `projection[1].rule`; empty for the file as a whole
    message: str
    line: int | None = None  # counted from 1, where it is known


class ConfigRefused(HhsimError):
    """A config that cannot be run; holds every mistake that was found in it."""

    exit_code = 3

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(source, problems)
        self.source = source
        self.problems = problems

    def __str__(self) -> str:
        lines = []
        for problem in self.problems:
            where = self.source if problem.line is None else f"{self.source}:{problem.line}"
            lines.append(f"{where}: {problem.path + ': ' if problem.path else ''}{problem.message}")
        return "\n".join(lines)


class NoConfig(HhsimError):
    """No config was named, and no earlier run is there whose own could be meant."""

    exit_code = 2

    def __str__(self) -> str:
        return "name a CONFIG: there is no checkpoint to take one from"


class Diverged(HhsimError):
    """A membrane potential became NaN or infinite."""

    exit_code = 4

    def __init__(
        self, population: str, node: int, t_ms: float, values: Mapping[str, float] | None = None
    ) -> None:
        super().__init__(population, node, t_ms, values)
        self.population = population
        self.node = node
        self.t_ms = t_ms
        self.values = dict(values or {})  # of the states of the cell at the end of the chunk of steps

    def __str__(self) -> str:
        text = (
            f"the membrane potential of cell {self.node} of population {self.population!r} "
            f"is no longer a finite number at t = {self.t_ms:g} ms"
        )
        values = ", ".join(f"{name} = {value:g}" for name, value in self.values.items())
        return f"{text} ({values})" if values else text


class GuardStopped(HhsimError):
    """A guard of the config stopped the run."""

    exit_code = 4

    def __init__(self, guard: str, population: str, nodes: Sequence[int], t_ms: float, found: str) -> None:
        super().__init__(guard, population, nodes, t_ms, found)
        self.guard = guard  # its key in the config
        self.population = population
        self.nodes = tuple(nodes)  # of the cells that it is about, a few at most; none: all
        self.t_ms = t_ms
        self.found = found  # what was seen, and what is allowed

    def __str__(self) -> str:
        return f"guards.{self.guard}: {self.found}"


class FileFailed(HhsimError):
    """A file could not be read or written, or holds something else than it should."""

    exit_code = 5

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class OutputExists(FileFailed):
    """The output is there already and may not be overwritten."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "the file exists already")


class NotEnoughMemory(HhsimError):
    """The run would need more memory than this machine has to give."""

    exit_code = 6

    def __init__(
        self, needed_bytes: int, available_bytes: int, what: str, parts: Mapping[str, int] | None = None
    ) -> None:
        """`parts` says what the memory is for, in bytes."""
        super().__init__(needed_bytes, available_bytes, what, parts)
        self.needed_bytes = needed_bytes
        self.available_bytes = available_bytes
        self.what = what
        self.parts = parts or {}

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {size / 1e9:,.2f}" for name, size in self.parts.items())
        return (
            f"{self.what} needs {self.needed_bytes / 1e9:,.2f} GB of memory{f' ({parts})' if parts else ''}, "
            f"but only {self.available_bytes / 1e9:,.2f} GB are free"
        )


class NotEnoughSpace(HhsimError):
    """The output would not fit onto the disk that it is meant for."""

    exit_code = 6

    def __init__(self, needed_bytes: int, free_bytes: int, folder: str, what: str) -> None:
        super().__init__(needed_bytes, free_bytes, folder, what)
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes
        self.folder = folder
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.what} would take {self.needed_bytes / 1e9:,.2f} GB of disk, "
            f"but only {self.free_bytes / 1e9:,.2f} GB are free in the folder {self.folder}"
        )


class NoSuchDevice(HhsimError):
    """The device that was asked for is not there."""

    exit_code = 6


class NoThreads(HhsimError):
    """The threads that a run needs cannot be had in this process."""

    exit_code = 6


class ComparisonFailed(HhsimError):
    """What was compared is not as it should be."""

    exit_code = 7


class SelectionRefused(HhsimError):
    """What was asked for of a recording is not in it."""

    exit_code = 2


class PlotRefused(HhsimError):
    """A figure that cannot be drawn as it was asked for."""

    exit_code = 2


class NotInstalled(HhsimError):
    """A package that only some uses need is not there."""

    exit_code = 6

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return f"this needs {self.package}: python -m pip install 'hhsim[{self.extra}]'"


class CheckpointRefused(HhsimError):
    """A run cannot go on from its checkpoint, as something is not what it was."""

    exit_code = 3

    def __init__(self, path: str, reason: str, differences: Sequence[str]) -> None:
        super().__init__(path, reason, differences)
        self.path = path
        self.reason = reason
        self.differences = tuple(differences)

    def __str__(self) -> str:
        return "\n  ".join([f"{self.path} cannot be gone on from: {self.reason}", *self.differences])


class OutOfTime(HhsimError):
    """The run was stopped in time before its wall time was over; it can be continued."""

    exit_code = 75

    def __init__(self, t_ms: float, most_s: float) -> None:
        super().__init__(t_ms, most_s)
        self.t_ms = t_ms
        self.most_s = most_s

    def __str__(self) -> str:
        return f"stopped at t = {self.t_ms:g} ms, before {self.most_s:g} s of wall time were over"


class Interrupted(HhsimError):
    """The run was stopped by a signal; the outputs are closed and hold all up to `t_ms`."""

    def __init__(self, signal_number: int, t_ms: float) -> None:
        super().__init__(signal_number, t_ms)
        self.signal_number = signal_number
        self.t_ms = t_ms
        self.exit_code = 75 if signal_number == signal.SIGUSR1 else 128 + signal_number

    def __str__(self) -> str:
        return f"interrupted at t = {self.t_ms:g} ms; all outputs are closed and hold everything up to then"


class FailedElsewhere(HhsimError):
    """Another rank has failed, and says why; this one has nothing to add."""

    def __init__(self, rank: int, exit_code: int) -> None:
        super().__init__(rank, exit_code)
        self.rank = rank
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"rank {self.rank} has failed"


class ChannelRefused(HhsimError):
    """A channel or receptor of the user's own that cannot be used as it is written."""

    exit_code = 3

    def __init__(self, path: str, line: int | None, reason: str, model: str = "") -> None:
        """`path` is its file; `model` says which, such as `channel "Kdr"`."""
        super().__init__(path, line, reason, model)
        self.path = path
        self.line = line
        self.reason = reason
        self.model = model

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return ": ".join(part for part in (where, self.model, self.reason) if part)


class ValueRefused(HhsimError):
    """A value that was drawn, or read, is beyond what the precision of the run can hold."""

    exit_code = 3

    def __init__(self, where: str, value: float, precision: str) -> None:
        super().__init__(where, value, precision)
        self.where = where
        self.value = value
        self.precision = precision

    def __str__(self) -> str:
        found = f"a value of {self.value:g}" if abs(self.value) != float("inf") else "an infinite value"
        return f"{self.where}: {found} was drawn, which is more than {self.precision} can hold"


class StateRefused(HhsimError):
    """A gate is to begin at its steady value, but has none at the potential of its cell."""

    exit_code = 3

    def __init__(self, population: str, state: str, v: float, alpha: float, beta: float) -> None:
        super().__init__(population, state, v, alpha, beta)
        self.population = population
        self.state = state
        self.v = v  # mV
        self.alpha = alpha  # 1/ms
        self.beta = beta

    def __str__(self) -> str:
        return (
            f'population.{self.population}.initial: "{self.state}" has no steady value at v = {self.v:g} mV, '
            f"where its rates are {self.alpha:g} and {self.beta:g} per ms"
        )


def check_threads(threads: int | None) -> None:
    """Raises ValueError for a number of threads that is none; None leaves it to hhsim."""
    if threads is not None and (
        isinstance(threads, bool) or not isinstance(threads, Integral) or threads < 1
    ):
        raise ValueError(f"threads must be a whole number from 1 on, found {threads!r}")
