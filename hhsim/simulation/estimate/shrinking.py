"""A smaller network in which each cell has as much to do as in the whole one.

It has the same types of cells and, on average, as many synapses for each cell; so the cells fire at about
the same rates, and a step costs about as much for each cell.
"""

from __future__ import annotations

from dataclasses import replace

from hhsim.model import Model, Population, in_file
from hhsim.model.resizing import resized


def can_shrink(model: Model) -> bool:
    """Whether `shrunk` keeps all of a network: what stands in files cannot be cut to size."""
    populations = model.populations.values()
    states = (value for population in populations for value in population.initial.values())
    return not (
        any(projection.rule.in_file for projection in model.projections)
        or any(in_file(value) for value in states)
    )


def shrunk(model: Model, share: float) -> Model:
    """`model` with a share of the cells of each population, at least one each.

    Synapses and initial values from files are left out: ask `can_shrink` first. A rule that finds too few
    cells to choose from chooses them more than once.
    """
    sizes = {name: max(round(population.size * share), 1) for name, population in model.populations.items()}
    without_files = replace(
        model,
        populations={name: _without_files(population) for name, population in model.populations.items()},
        projections=tuple(each for each in model.projections if not each.rule.in_file),
    )
    return resized(without_files, sizes).model


def _without_files(population: Population) -> Population:
    initial = {name: value for name, value in population.initial.items() if not in_file(value)}
    return replace(population, initial=initial)
