"""The same cells and the same synapses for each cell, in a network of another size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import assert_never

from hhsim.errors import CannotScale
from hhsim.model import (
    AllToAll,
    Constant,
    EdgesFromFile,
    FixedIndegree,
    FixedOutdegree,
    FromFile,
    Input,
    Model,
    Normal,
    OneToOne,
    PairwiseBernoulli,
    Projection,
    Rule,
    Steady,
    Trace,
    Uniform,
)


def scaled(model: Model, cells: int) -> Model:
    """The network with about `cells` cells: populations in proportion, rounded; at least a cell of each.

    A cell keeps its numbers of sources and targets: fixed degrees stay, a probability is divided by the
    growth of the sources. Inputs reach the same share of a population; traces keep their number of cells.

    Raises
    ------
    CannotScale
        where a rule or a file is about one size alone, or a smaller network has too few cells to choose from
    """
    total = sum(population.size for population in model.populations.values())
    if cells == total:
        return model
    sizes = {
        name: max(1, round(population.size * cells / total)) for name, population in model.populations.items()
    }
    reasons = tuple(_reasons(model, sizes))
    if reasons:
        raise CannotScale(cells, reasons)
    return replace(
        model,
        populations={
            name: replace(population, size=sizes[name]) for name, population in model.populations.items()
        },
        projections=tuple(
            replace(projection, rule=_rule(model, projection, sizes)) for projection in model.projections
        ),
        inputs=tuple(_input(model, one, sizes) for one in model.inputs),
        traces=tuple(_trace(trace, sizes[trace.population]) for trace in model.traces),
    )


def _rule(model: Model, projection: Projection, sizes: Mapping[str, int]) -> Rule:
    rule = projection.rule
    match rule:
        case PairwiseBernoulli(p):
            return PairwiseBernoulli(p * model.populations[projection.source].size / sizes[projection.source])
        case FixedOutdegree() | FixedIndegree() | OneToOne() | AllToAll() | EdgesFromFile():
            return rule
        case _:
            assert_never(rule)


def _input(model: Model, one: Input, sizes: Mapping[str, int]) -> Input:
    ratio = sizes[one.target] / model.populations[one.target].size
    first, end = (round(node * ratio) for node in one.nodes)
    first = min(first, sizes[one.target] - 1)
    return replace(one, nodes=(first, max(end, first + 1)))


def _trace(trace: Trace, size: int) -> Trace:
    first, end = trace.nodes
    cells = min(end - first, size)
    first = min(first, size - cells)
    return replace(trace, nodes=(first, first + cells))


def _reasons(model: Model, sizes: Mapping[str, int]) -> Iterator[str]:
    for name, population in model.populations.items():
        for state, value in population.initial.items():
            match value:
                case FromFile(path):
                    yield f"population.{name}.initial.{state} has a value for each cell in {path}"
                case Constant() | Normal() | Uniform() | Steady():
                    pass
                case _:
                    assert_never(value)
    for i, projection in enumerate(model.projections):
        reason = _obstacle(model, projection, sizes)
        if reason:
            yield f"projection[{i}].rule: {reason}"


def _obstacle(model: Model, projection: Projection, sizes: Mapping[str, int]) -> str:
    rule = _rule(model, projection, sizes)
    sources = sizes[projection.source]
    targets = sum(sizes[name] for name in set(projection.targets))
    match rule:
        case AllToAll():
            return "with all_to_all the synapses of a cell grow with the network"
        case EdgesFromFile():
            return f"its synapses are those of {rule.path}"
        case PairwiseBernoulli(p):
            if p > 1:
                return (
                    f"a cell has {p * sources:,.0f} sources, more than the {sources:,} cells to choose from"
                )
            return ""
        case OneToOne():
            return ""
        case FixedOutdegree():
            what, choice = "targets", targets
        case FixedIndegree():
            what, choice = "sources", sources
        case _:
            assert_never(rule)
    choice -= not rule.autapses
    if rule.k > choice and not (rule.replacement and choice > 0):
        return f"a cell has {rule.k:,} {what}, more than the {choice:,} cells to choose from"
    return ""
