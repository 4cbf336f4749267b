"""The arrays of all inputs, kind by kind.

Each kind that `hhsim.model.inputs` declares has a module of its name in this room, with a named tuple of its
arrays and

- `build(inputs, model)`, which makes them of a list of `Driven` inputs;
- for a kind that flows: `changes(k, own)`, whether its current becomes another at step k, and
  `flow(part, k, own, network)`, which adds it to the outer current of the cells of a part; it is called
  wherever the current of any kind changes;
- for all others: `arrive(part, k, first_step, own, network)`, which brings the spikes of step k to the
  inboxes; a chunk begins at `first_step`.

`own` are the arrays of the kind. Arrays hold nothing that a checkpoint would need: they are entered at any
step.
"""

from __future__ import annotations

from collections import Counter, namedtuple
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from hhsim.inputs.driven import Driven, steps_of
from hhsim.model import AnyInput, Model
from hhsim.model.inputs import KINDS
from hhsim.network.layout import Layout

MODULES = {name: import_module(f"hhsim.inputs.{name}") for name in KINDS}

Inputs: Any = namedtuple("Inputs", tuple(MODULES))  # type: ignore[misc]  # a field for each kind


def build_inputs(model: Model, layout: Layout, blocks: range | None = None) -> Any:
    """The `Inputs` of the cells of some blocks, or all."""
    mine = range(layout.blocks) if blocks is None else blocks
    inbox = len(model.projections)
    arrays = []
    for name, kind in KINDS.items():
        inputs = []
        for one, names in _identified(model.inputs_of(kind)):
            arrives = one.arrival is not None
            place = layout.places[one.target]
            nodes = _intersection(range(*one.nodes), place.nodes_in(mine))
            inputs.append(
                Driven(
                    input=one,
                    names=names,
                    nodes=nodes,
                    lanes=range(place.first + nodes.start, place.first + nodes.stop),
                    on=steps_of(one.start, model),
                    off=steps_of(one.stop, model),
                    inbox=inbox if arrives else -1,
                )
            )
            inbox += arrives
        arrays.append(MODULES[name].build(inputs, model))
    return Inputs(*arrays)


def _identified(inputs: Iterable[AnyInput]) -> Iterable[tuple[AnyInput, tuple[str, ...]]]:
    """The inputs of a kind, each with the names by which its draws are keyed."""
    earlier: Counter[tuple[str, ...]] = Counter()
    for one in inputs:
        own = (one.target, one.name) if one.name else (one.target,)
        yield one, (*own, str(earlier[own]))
        earlier[own] += 1


def _intersection(nodes: range, there: range) -> range:
    """Those of `nodes` that are in `there`."""
    first = min(max(nodes.start, there.start), nodes.stop)
    return range(first, max(first, min(nodes.stop, there.stop)))
