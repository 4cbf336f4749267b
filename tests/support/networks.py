"""Small networks for tests, and their synapses as plain lists."""

from __future__ import annotations

import numpy as np

from hhsim.model import Constant, Model, Population, Projection, Rule, RunSettings, Value
from hhsim.network import connections as c
from hhsim.network.build import connect
from hhsim.network.connections import Connections
from hhsim.network.layout import lay_out

ONE, NOUGHT = Constant(1.0), Constant(0.0)

Synapses = list[tuple[int, int, float, int]]  # source, target lane, weight, delay in steps


def network(
    sizes: tuple[int, ...],
    rule: Rule,
    weight: Value | None = ONE,
    delay: Value | None = NOUGHT,
    *,
    seed: int = 1,
    sources: tuple[str, ...] | None = None,
    targets: tuple[str, ...] | None = None,
) -> Model:
    """Populations a, b, ... with one projection of the same kind from each source onto all targets."""
    populations = {
        name: Population(name, "hh", size, {}) for name, size in zip("abcdef", sizes, strict=False)
    }
    names = tuple(populations)
    projections = tuple(
        Projection(name, targets or names, "exc", rule, weight, delay) for name in sources or names
    )
    run = RunSettings(100.0, 0.1, "exponential_euler", "float64", seed)
    return Model("test", run, {}, populations, projections)


def synapses_of(model: Model, parts: int = 1, cuts: list[int] | None = None) -> list[Synapses]:
    """The synapses of each projection, by source, then by part, in the order in which they are kept."""
    layout = lay_out(model)
    return listed(connect(model, layout, cuts or layout.cuts(parts), np.float64, threads=2))


def listed(connections: Connections) -> list[Synapses]:
    result = []
    for projection, about in enumerate(connections.projections):
        rows: list[Synapses] = [[] for _ in range(about[c.SOURCE_SIZE])]
        for part, place in enumerate(connections.places[:, projection]):
            starts = connections.rows(part, projection).astype(int)
            lanes = (
                connections.targets[connections.entries(part, projection)].astype(int) + place[c.FIRST_LANE]
            )
            weights, delays = (
                np.full(lanes.size, connections.uniform_weights[projection]),
                np.full(lanes.size, about[c.DELAY]),
            )
            if place[c.WEIGHT_BASE] >= 0:
                weights = connections.weights[place[c.WEIGHT_BASE] :][: lanes.size]
            if place[c.LAG_BASE] >= 0:
                delays = about[c.DELAY] + connections.lags[place[c.LAG_BASE] :][: lanes.size]
            entries = list(zip(lanes.tolist(), weights.tolist(), delays.tolist(), strict=True))
            for source, row in enumerate(rows):
                row.extend((source, *entry) for entry in entries[starts[source] : starts[source + 1]])
        result.append([entry for row in rows for entry in row])
    return result
