"""A number by which two networks can be told apart, however they are cut."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from hhsim.jit.options import compiled_inline, compiled_parallel, prange
from hhsim.network.connections import (
    FIRST_LANE,
    LAG_BASE,
    ROW_BASE,
    SOURCE_SIZE,
    SYNAPSE_BASE,
    WEIGHT_BASE,
    Connections,
    Gather,
    alone,
)
from hhsim.network.random import add, multiply

_MULTIPLIER = np.uint64(0xD2E7470EE14C6C93)  # those of Philox
_ODD = np.uint64(0x9E3779B97F4A7C15)


def fingerprint(connections: Connections, gather: Gather = alone) -> int:
    """64 bits that depend on every synapse with its weight and delay, but not on parts or their order.

    `gather` brings together what the processes have that share the network.
    """
    weights = connections.weights.view(np.uint32 if connections.weights.itemsize == 4 else np.uint64)
    sums = _sums(
        connections.targets,
        connections.row_starts,
        weights,
        connections.lags,
        connections.places,
        connections.projections,
    )
    shares = np.stack(gather(sums.sum(axis=0, dtype=np.uint64)))
    digest = hashlib.sha256(shares.sum(axis=0, dtype=np.uint64).tobytes())
    digest.update(connections.uniform_weights.tobytes())
    digest.update(connections.projections.tobytes())
    return int.from_bytes(digest.digest()[:8], "little")


@compiled_inline
def _mix(word: np.uint64) -> np.uint64:
    """Every bit of the result depends on every bit of `word`."""
    high, low = multiply(add(word, _ODD), _MULTIPLIER)
    high, low = multiply(high ^ low, _MULTIPLIER)
    return high ^ low


@compiled_parallel
def _sums(
    targets: npt.NDArray[np.uint32],
    row_starts: npt.NDArray[np.uint32],
    weights: npt.NDArray[np.uint64],
    lags: npt.NDArray[np.uint16],
    places: npt.NDArray[np.int64],
    projections: npt.NDArray[np.int64],
) -> npt.NDArray[np.uint64]:
    """For each part and projection the sum of a hash of each of its synapses."""
    sums = np.zeros(places.shape[:2], np.uint64)
    for part in prange(places.shape[0]):
        for projection in range(places.shape[1]):
            place = places[part, projection]
            total = np.uint64(0)
            for source in range(projections[projection, SOURCE_SIZE]):
                row = place[ROW_BASE] + source
                for own in range(np.int64(row_starts[row]), np.int64(row_starts[row + 1])):
                    target = np.int64(targets[place[SYNAPSE_BASE] + own]) + place[FIRST_LANE]
                    word = np.uint64(source) << np.uint64(32) ^ np.uint64(target)
                    if place[WEIGHT_BASE] >= 0:
                        word = _mix(word) ^ np.uint64(weights[place[WEIGHT_BASE] + own])
                    if place[LAG_BASE] >= 0:
                        word = _mix(word) ^ np.uint64(lags[place[LAG_BASE] + own])
                    total = add(total, _mix(word))
            sums[part, projection] = total
    return sums
