"""The same cells and the same synapses for each cell, in a network of another size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from hhsim.errors import CannotScale
from hhsim.model import Constant, FromFile, Model, Normal, Steady, Trace, Uniform
from hhsim.model.resizing import resized


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
    larger, obstacles = resized(model, sizes)
    reasons = [*_files(model), *(f"projection[{i}].rule: {text}" for i, text in obstacles.items())]
    if reasons:
        raise CannotScale(cells, tuple(reasons))
    return replace(larger, traces=tuple(_trace(trace, sizes[trace.population]) for trace in model.traces))


def _trace(trace: Trace, size: int) -> Trace:
    first, end = trace.nodes
    cells = min(end - first, size)
    first = min(first, size - cells)
    return replace(trace, nodes=(first, first + cells))


def _files(model: Model) -> Iterator[str]:
    """The initial values that a file gives to each cell."""
    for name, population in model.populations.items():
        for state, value in population.initial.items():
            match value:
                case FromFile(path):
                    yield f"population.{name}.initial.{state} has a value for each cell in {path}"
                case Constant() | Normal() | Uniform() | Steady():
                    pass
                case _:
                    assert_never(value)
