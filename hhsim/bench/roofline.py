"""What a neuron and step cost in operations and in bytes, to be held against the peaks of the machine.

The roofline model: Williams, Waterman & Patterson 2009, Commun. ACM 52:65-76.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hhsim.bench.operations import flops_of_steps
from hhsim.channels.structure import Structure, structure_of
from hhsim.kernels.render import render
from hhsim.model import Model


@dataclass(frozen=True)
class Cost:
    """Means over the cells of a network."""

    flops: float  # for each neuron and step, counted in the rendered text
    bytes: float  # for each neuron and step: states read and written, all other rows read
    state_bytes: int  # of all cells together


def cost_of(model: Model) -> Cost:
    """The cost of the cells alone: what synapses do comes on top."""
    real = np.dtype(model.run.precision).itemsize
    structures: list[Structure] = []
    numbers: list[tuple[int, int]] = []  # size and structure of each population
    for population in model.populations.values():
        structure = structure_of(model, model.cells[population.cell])
        if structure not in structures:
            structures.append(structure)
        numbers.append((population.size, structures.index(structure)))
    flops = flops_of_steps(render(structures))
    cells = sum(size for size, _ in numbers)
    moved = [(len(each.rows) + len(each.states)) * real for each in structures]
    return Cost(
        flops=sum(size * flops[kind] for size, kind in numbers) / cells,
        bytes=sum(size * moved[kind] for size, kind in numbers) / cells,
        state_bytes=sum(size * len(structures[kind].rows) * real for size, kind in numbers),
    )
