"""A smaller network in which each cell has as much to do as in the whole one.

It has the same types of cells and, on average, as many synapses for each cell; so the cells fire at about
the same rates, and a step costs about as much for each cell.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from hhsim.model import (
    AllToAll,
    EdgesFromFile,
    FixedIndegree,
    FixedOutdegree,
    Model,
    OneToOne,
    PairwiseBernoulli,
    Population,
    Projection,
    Rule,
    in_file,
)


def can_shrink(model: Model) -> bool:
    """Whether `shrunk` keeps all of a network: what stands in files cannot be cut to size."""
    populations = model.populations.values()
    states = (value for population in populations for value in population.initial.values())
    return not (
        any(in_file(projection.rule) for projection in model.projections)
        or any(in_file(value) for value in states)
    )


def shrunk(model: Model, share: float) -> Model:
    """`model` with a share of the cells of each population, at least one each.

    Synapses and initial values from files are left out: ask `can_shrink` first.
    """
    populations = {
        name: _fewer(population, round(population.size * share))
        for name, population in model.populations.items()
    }
    smaller = replace(model, populations=populations)

    def nodes(population: str, given: tuple[int, int]) -> tuple[int, int]:
        size = populations[population].size
        first = min(round(given[0] * share), size - 1)
        return first, min(max(round(given[1] * share), first + 1), size)

    return replace(
        smaller,
        projections=tuple(
            replace(projection, rule=_as_many(projection, model, smaller))
            for projection in model.projections
            if not in_file(projection.rule)
        ),
        inputs=tuple(replace(one, nodes=nodes(one.target, one.nodes)) for one in model.inputs),
        traces=tuple(replace(trace, nodes=nodes(trace.population, trace.nodes)) for trace in model.traces),
    )


def _fewer(population: Population, size: int) -> Population:
    initial = {name: value for name, value in population.initial.items() if not in_file(value)}
    return replace(population, size=max(size, 1), initial=initial)


def _as_many(projection: Projection, model: Model, smaller: Model) -> Rule:
    """The rule by which a cell of the smaller network has as many synapses as it has in the whole one."""
    all_targets = _targets(projection, model)
    sources, targets = smaller.populations[projection.source].size, _targets(projection, smaller)
    rule = projection.rule
    match rule:
        case PairwiseBernoulli(p) if p * all_targets <= targets:
            return PairwiseBernoulli(p * all_targets / targets)
        case PairwiseBernoulli(p):
            return FixedOutdegree(round(p * all_targets), replacement=True)
        case AllToAll():
            return FixedOutdegree(all_targets, replacement=True)
        case OneToOne():
            return FixedIndegree(1)
        case FixedOutdegree(k) if k >= targets:
            return replace(rule, replacement=True, autapses=True)
        case FixedIndegree(k) if k >= sources:
            return replace(rule, replacement=True, autapses=True)
        case FixedOutdegree() | FixedIndegree() | EdgesFromFile():
            return rule
        case _:
            assert_never(rule)


def _targets(projection: Projection, model: Model) -> int:
    return sum(model.populations[name].size for name in set(projection.targets))
