"""The state of a simulation between two chunks: all that decides what comes next, whatever the threads.

Random numbers need nothing: they are drawn by their keys. Neither does the network, which is built anew and
compared by its fingerprint.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hhsim.network.fingerprint import fingerprint
from hhsim.simulation.simulation import Simulation


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
    arrays = simulation.snapshot()
    suppressed = arrays.pop("suppressed").tolist()
    return Snapshot(
        simulation.step,
        simulation.shift,
        dict(simulation.spike_counts),
        dict(zip(simulation.model.populations, suppressed, strict=True)),
        fingerprint(simulation.connections, simulation.exchange.gather),
        arrays,
    )


def restore(simulation: Simulation, snapshot: Snapshot | None) -> None:
    """Let `simulation`, built from the same config with any threads and ranks, go on from `snapshot`.

    Rank 0 alone needs to have it. Raises ValueError if the arrays are not those of this network.
    """
    facts, arrays = {}, {}
    if snapshot is not None:
        facts = snapshot.facts
        suppressed = np.array(list(snapshot.suppressed.values()), np.int64)
        arrays = {**snapshot.arrays, "suppressed": suppressed}
    facts = json.loads(simulation.exchange.share(json.dumps(facts)))
    simulation.restore(facts["step"], facts["shift"], facts["spike_counts"], arrays)
