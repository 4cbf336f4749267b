"""A model with other numbers of cells, each of which has as much to do as before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from hhsim.model import Model


class ResizedModel(NamedTuple):
    """A model of another size, and what in it is only near to what was asked for."""

    model: Model
    obstacles: Mapping[int, str]  # by the number of the projection


def resized(model: Model, sizes: Mapping[str, int]) -> ResizedModel:
    """`model` with `sizes` cells in its populations, at least one in each.

    Rules are resized so that a cell keeps its numbers of sources and targets; inputs and traces are about
    the same share of a population. Initial values from files stay as they are.
    """
    populations = {
        name: replace(population, size=sizes[name]) for name, population in model.populations.items()
    }
    result = replace(model, populations=populations)
    rules = [each.rule.resized(model.ends_of(each), result.ends_of(each)) for each in model.projections]

    def nodes(population: str, given: tuple[int, int]) -> tuple[int, int]:
        size = sizes[population]
        ratio = size / model.populations[population].size
        first = min(round(given[0] * ratio), size - 1)
        return first, min(max(round(given[1] * ratio), first + 1), size)

    result = replace(
        result,
        projections=tuple(
            replace(each, rule=new.rule) for each, new in zip(model.projections, rules, strict=True)
        ),
        inputs=tuple(replace(each, nodes=nodes(each.target, each.nodes)) for each in model.inputs),
        traces=tuple(replace(each, nodes=nodes(each.population, each.nodes)) for each in model.traces),
    )
    return ResizedModel(result, {i: new.obstacle for i, new in enumerate(rules) if new.obstacle})
