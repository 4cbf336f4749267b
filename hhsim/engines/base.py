"""What an engine is: the verbs that all of them have, whatever computes."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hhsim.engines.host import Host, Spikes

Arrays = dict[str, npt.NDArray[Any]]


class Engine(Protocol):
    """A network that can be advanced, a chunk of steps at a time.

    Several ranks that share a network call all verbs together.
    """

    device: str  # where it computes: "cpu", or the number and the name of a CUDA device
    host: Host  # the arrays in the memory of this process; what an engine keeps elsewhere may be newer

    def compile(self, timed: bool = False) -> None:
        """Load the compiled code from the cache, or compile it; runs no step.

        With `timed`, steps count how long they are in each phase, where the engine can tell.
        """

    def advance(self, first: int, end: int, shift: int) -> int:
        """Advance from step `first`, where a chunk begins, up to `end`; returns the step that was reached.

        It lies before `end` where the log is full or a potential diverged. `shift` is the steps since the
        refractory clocks were last counted from.
        """

    def phase_ticks(self) -> dict[str, float]:
        """The mean of the ticks of all parts in each phase, where steps are timed; empty if none can tell."""

    def spikes(self, first: int, steps: int) -> dict[str, Spikes]:
        """The spikes of `steps` steps from `first` on, where the chunk began, of each population."""

    def frames(self, first: int, steps: int) -> list[npt.NDArray[np.float32]]:
        """What was sampled in these steps, (frames, nodes) of each trace; overwritten by the next chunk.

        Ranks other than 0 have their own nodes alone.
        """

    def failure(self) -> tuple[int, int] | None:
        """Step and lane of the first potential that is not finite, if there is one."""

    def suppressed(self) -> list[int]:
        """Threshold crossings within the refractory time, in each population."""

    def values_of(self, population: str, name: str) -> npt.NDArray[np.floating]:
        """One state of all cells of a population, as it is now."""

    def keep_history(self, steps: int) -> None:
        """After a chunk of `steps` steps: keep what delays still reach back to."""

    def snapshot(self) -> Arrays:
        """All that decides what comes next, whatever the engine and the cuts (`hhsim.engines.snapshot`)."""

    def restore(self, arrays: Arrays) -> None:
        """Go on from a snapshot of any engine with the same network.

        Raises ValueError if the arrays are not those of this network.
        """
