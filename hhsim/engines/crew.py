"""How many threads advance the parts of a network, on a machine that others use as well."""

from __future__ import annotations

LEAST_S = 0.005  # of wall time, before a look: a few turns of the system's scheduler
FEW = 0.6  # of a processor for all threads: with less, they wait for each other's turns
FREE = 0.8  # of a processor for one thread: with more, there may be room for others


class Crew:
    """Threads at work: all of them, or one where the machine is so busy that several gain nothing.

    One that does not run keeps nobody waiting, as another takes over its part; but each has to come by where
    a chunk begins and ends, and one that loses its processor within a part holds up all. Results do not
    depend on it.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.at_work = threads
        self._wall_s = self._cpu_s = 0.0

    def worked(self, wall_s: float, cpu_s: float) -> None:
        """Note that those at work took `cpu_s` of processors within `wall_s`; now and then, think again."""
        self._wall_s += wall_s
        self._cpu_s += cpu_s
        if self._wall_s < LEAST_S:
            return
        processors = self._cpu_s / self._wall_s
        if self.at_work > 1 and processors < FEW:
            self.at_work = 1
        elif self.at_work == 1 and processors > FREE:
            self.at_work = self.threads
        self._wall_s = self._cpu_s = 0.0
