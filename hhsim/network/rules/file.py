"""The synapses of a SONATA edges file, with the weights and delays that it gives them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hhsim.circuits.edges import Wanted, count_synapses, read_edges
from hhsim.errors import ConfigRefused, Problem
from hhsim.model import Model
from hhsim.model.rules import EdgesFromFile
from hhsim.network import connections as c
from hhsim.network import synapses
from hhsim.network.connections import Connections
from hhsim.network.plan import BEGIN, END, PART, SHIFT, Plan
from hhsim.network.rules import InFile, Numbers


def place_edges(
    model: Model,
    index: int,
    plan: Plan,
    row_starts: npt.NDArray[np.uint32],
    built: Connections | None,
) -> None:
    """Count the edges of projection `index` in `row_starts`; store them, too, where `built` is given.

    Raises ConfigRefused for several target populations, FileFailed for a file that cannot be used, and
    DelayTooLong.
    """
    spec, pieces = model.projections[index], plan.pieces
    rule = spec.rule
    assert isinstance(rule, EdgesFromFile)
    if len(spec.targets) != 1:
        problem = Problem(f"projection[{index}].target", "edges from a file lead to one population")
        raise ConfigRefused(model.title or "config", (problem,))
    source, target = ((name, model.populations[name].size) for name in (spec.source, *spec.targets))
    longest = (synapses.MOST_STEPS + 0.5) * model.run.dt
    wanted = Wanted(spec.weight is None, spec.delay is None, longest)
    for edges in read_edges(rule, source, target, wanted):
        if len(pieces) == 0:
            continue
        last = len(pieces) - 1
        of = pieces[np.minimum(np.searchsorted(pieces[:, END], edges.targets, "right"), last)]
        ours = (of[:, BEGIN] <= edges.targets) & (edges.targets < of[:, END])
        part, lanes = of[ours, PART], (edges.targets + of[:, SHIFT])[ours]
        at = np.empty(part.size, np.int64)
        synapses.take_places(plan.row_bases[part] + edges.sources[ours] + 1, row_starts, at)
        if built is None:
            continue
        bases = built.places[part, index]
        built.targets[bases[:, c.SYNAPSE_BASE] + at] = lanes
        if edges.weights is not None:
            built.weights[bases[:, c.WEIGHT_BASE] + at] = edges.weights[ours]
        if edges.delays is not None:
            steps = np.rint(edges.delays[ours] / model.run.dt)
            synapses.check_steps(float(steps.max(initial=0.0)), index)
            built.lags[bases[:, c.LAG_BASE] + at] = steps


def _numbers(rule: EdgesFromFile) -> Numbers:
    return Numbers()


WAY = InFile(_numbers, count_synapses, place_edges)
