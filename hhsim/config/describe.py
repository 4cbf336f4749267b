"""What a config amounts to, in numbers."""

from __future__ import annotations

from typing import Any

from hhsim.channels.states import states_of
from hhsim.model import Model


def describe(model: Model) -> dict[str, Any]:
    """Sizes, states with their units and expected numbers of synapses, as plain data that JSON can hold.

    `synapses` of a projection is an expected number for a random count (a float that need not be whole), and
    None where only the edges file can tell; the total leaves those out and says so in `synapses_known`.
    """
    projections = [
        {
            "source": projection.source,
            "target": list(projection.targets),
            "receptor": projection.receptor,
            "synapses": model.expected_synapses(projection),
        }
        for projection in model.projections
    ]
    counts = [projection["synapses"] for projection in projections]
    return {
        "title": model.title,
        "duration_ms": model.run.duration,
        "dt_ms": model.run.dt,
        "steps": model.run.steps,
        "method": model.run.method,
        "precision": model.run.precision,
        "seed": model.run.seed,
        "neurons": sum(population.size for population in model.populations.values()),
        "synapses": sum(count for count in counts if isinstance(count, int | float)),
        "synapses_known": None not in counts,
        "populations": {
            population.name: {
                "cell": population.cell,
                "size": population.size,
                "states": {
                    name: state.written_unit
                    for name, state in states_of(model.cell_of(population.name)).items()
                },
            }
            for population in model.populations.values()
        },
        "projections": projections,
        "inputs": len(model.inputs),
        "record_spikes": list(model.record_spikes),
        "traces": [
            {
                "population": trace.population,
                "variable": trace.variable,
                "nodes": trace.nodes[1] - trace.nodes[0],
                "frames": 1 + int((model.run.duration - 1e-9) / trace.every),
            }
            for trace in model.traces
        ],
    }
