"""How work ends that had begun: stopped, interrupted, or with another result than was wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hhsim.errors.base import HhsimError


class Diverged(HhsimError):
    """A membrane potential became NaN or infinite."""

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


class WouldDiverge(HhsimError):
    """A potential became NaN or infinite while a network was tried for an estimate."""

    def __init__(self, diverged: Diverged) -> None:
        super().__init__(diverged)
        self.diverged = diverged

    def __str__(self) -> str:
        return f"a run would be stopped: {self.diverged}"


class NothingToMeasure(HhsimError):
    """A network that is to be measured diverges."""


class GuardStopped(HhsimError):
    """A guard of the config stopped the run."""

    def __init__(self, guard: str, population: str, nodes: Sequence[int], t_ms: float, found: str) -> None:
        super().__init__(guard, population, nodes, t_ms, found)
        self.guard = guard  # its key in the config
        self.population = population
        self.nodes = tuple(nodes)  # of the cells that it is about, a few at most; none: all
        self.t_ms = t_ms
        self.found = found  # what was seen, and what is allowed

    def __str__(self) -> str:
        return f"guards.{self.guard}: {self.found}"


class OutOfTime(HhsimError):
    """The run was stopped in time before its wall time was over; it can be continued."""

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

    def __str__(self) -> str:
        return f"interrupted at t = {self.t_ms:g} ms; all outputs are closed and hold everything up to then"


class Stopped(BaseException):
    """The process was asked to stop. Not an Exception, so that nobody takes it for a failure and goes on."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


class FailedElsewhere(HhsimError):
    """Another rank has failed, and says why; this one has nothing to add."""

    def __init__(self, rank: int, exit_code: int) -> None:
        super().__init__(rank, exit_code)
        self.rank = rank
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"rank {self.rank} has failed"


class ComparisonFailed(HhsimError):
    """What was compared is not as it should be."""
