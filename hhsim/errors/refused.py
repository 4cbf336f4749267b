"""What somebody asked for and cannot have as it was asked for: configs, channels, checkpoints, options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hhsim.errors.base import HhsimError


@dataclass(frozen=True)
class Problem:
    """One mistake in a config: where it stands and what is wrong with it."""

    path: str  # key path such as `projection[1].rule`; empty for the file as a whole
    message: str
    line: int | None = None  # counted from 1, where it is known


class ConfigRefused(HhsimError):
    """A config that cannot be run; holds every mistake that was found in it."""

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

    def __str__(self) -> str:
        return "name a CONFIG: there is no checkpoint to take one from"


class ChannelRefused(HhsimError):
    """A channel or receptor of the user's own that cannot be used as it is written."""

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


class DelayTooLong(HhsimError):
    """A delay has more steps than are kept for a synapse."""

    def __init__(self, projection: int, steps: float, most: int) -> None:
        super().__init__(projection, steps, most)
        self.projection = projection
        self.steps = steps
        self.most = most

    def __str__(self) -> str:
        return f"projection[{self.projection}].delay: {self.steps:.0f} steps are more than {self.most}"


class CheckpointRefused(HhsimError):
    """A run cannot go on from its checkpoint, as something is not what it was."""

    def __init__(self, path: str, reason: str, differences: Sequence[str]) -> None:
        super().__init__(path, reason, differences)
        self.path = path
        self.reason = reason
        self.differences = tuple(differences)

    def __str__(self) -> str:
        return "\n  ".join([f"{self.path} cannot be gone on from: {self.reason}", *self.differences])


class SelectionRefused(HhsimError):
    """What was asked for of a recording is not in it."""


class PlotRefused(HhsimError):
    """A figure that cannot be drawn as it was asked for."""


class CannotScale(HhsimError):
    """A network has parts that say nothing of a network of another size; holds all of them."""

    def __init__(self, cells: int, reasons: tuple[str, ...]) -> None:
        super().__init__(cells, reasons)
        self.cells = cells
        self.reasons = reasons

    def __str__(self) -> str:
        return "\n".join([f"this network cannot become one of {self.cells:,} cells:", *self.reasons])
