"""How many synaptic events the spikes of a run make: one for each synapse of the cell that fired."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from hhsim.model import Model
from hhsim.network.connections import Connections

Counts = npt.NDArray[np.int64]


def out_degrees(connections: Connections, projection: int) -> Counts:
    """The synapses that each source of a projection has, onto all parts together."""
    parts = range(connections.places.shape[0])
    rows = [np.diff(connections.rows(part, projection).astype(np.int64)) for part in parts]
    return np.asarray(np.sum(rows, axis=0), np.int64)


def synaptic_events(model: Model, connections: Connections, fired: Mapping[str, Counts]) -> int:
    """The events of all spikes; `fired` says by population how often each cell did.

    Those whose delay reaches beyond the end of the run are counted too; spikes of Poisson inputs are not.
    """
    return sum(
        int(fired[projection.source] @ out_degrees(connections, number))
        for number, projection in enumerate(model.projections)
    )
