"""The state of a simulation between two chunks: all that decides what comes next, whatever the threads.

Random numbers need nothing: they are drawn by their keys. Neither does the network, which is built anew and
compared by its fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.network.fingerprint import fingerprint
from hhsim.network.layout import LANES
from hhsim.simulation import Simulation


@dataclass(frozen=True)
class Snapshot:
    """A simulation at the beginning of a step."""

    step: int
    shift: int  # steps since the refractory clocks were last counted from
    spike_counts: dict[str, int]
    suppressed: dict[str, int]  # crossings within the refractory time, of each population
    network: int  # fingerprint
    arrays: dict[str, npt.NDArray[Any]]

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "shift": self.shift,
            "spike_counts": self.spike_counts,
            "suppressed": self.suppressed,
            "network": self.network,
        }


def take(simulation: Simulation) -> Snapshot:
    """The state of `simulation`; its arrays are the simulation's own, to be written before it goes on."""
    ends = simulation.log.ends[:, : simulation.plan.history + 1]
    rows = [
        np.concatenate(
            [nodes[low:high] for nodes, (low, high) in zip(simulation.log.nodes, spans, strict=True)]
        )
        for spans in zip(*(pairwise(each.tolist()) for each in ends), strict=True)
    ]
    return Snapshot(
        simulation.step,
        simulation.shift,
        dict(simulation.spike_counts),
        simulation.suppressed_crossings,
        fingerprint(simulation.connections),
        {
            "state": simulation.cells.state,
            "counts": simulation.arrivals.counts,
            "sums": simulation.arrivals.sums,
            "history": np.concatenate([np.zeros(0, np.int32), *rows]),
            "history_ends": np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64),
        },
    )


def restore(simulation: Simulation, snapshot: Snapshot) -> None:
    """Let `simulation`, built from the same config with any number of threads, go on from `snapshot`.

    Raises ValueError if the arrays are not those of this network.
    """
    arrays, log, plan = snapshot.arrays, simulation.log, simulation.plan
    for name, own in (
        ("state", simulation.cells.state),
        ("counts", simulation.arrivals.counts),
        ("sums", simulation.arrivals.sums),
    ):
        if arrays[name].shape != own.shape or arrays[name].dtype != own.dtype:
            raise ValueError(f"{name} has another shape or type")
        own[...] = arrays[name]
    lanes, ends = arrays["history"], arrays["history_ends"]
    if len(ends) != plan.history + 1:
        raise ValueError("the history has another length")
    log.ends[:] = 0
    for part, (first, last) in enumerate(pairwise((plan.cuts * LANES).tolist())):
        at = 0
        for row, (low, high) in enumerate(pairwise(ends.tolist())):
            own = lanes[low:high]
            own = own[(own >= first) & (own < last)]
            log.nodes[part, at : at + len(own)] = own
            at += len(own)
            log.ends[part, row + 1] = at
    log.suppressed[:] = 0
    log.suppressed[0] = list(snapshot.suppressed.values())
    simulation.spike_counts = dict(snapshot.spike_counts)
    simulation.step, simulation.shift = snapshot.step, snapshot.shift
