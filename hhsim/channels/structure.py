"""What a cell type is made of, and where each of its numbers stands in memory.

A `Structure` decides the text of a compiled step; the values of its parameters do not. Two populations with
the same structure run the same code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from hhsim.channels import Channel, Receptor, all_channels, all_receptors
from hhsim.channels.states import states_of_parts
from hhsim.model import CellType, Method, Model, Precision, SpikeRuleName, Value, constant
from hhsim.model.state import State

LONGEST_CHUNK = 1 << 22  # steps
HUGE = 1e30  # mV; no potential comes near, and what is not a number is not below it either


@dataclass(frozen=True)
class Structure:
    """Channels, receptors and rules of a cell type, without the values of its parameters."""

    channels: tuple[tuple[str, Channel], ...]  # (key in the cell, definition)
    receptors: tuple[tuple[str, Receptor], ...]
    rule: SpikeRuleName
    method: Method
    precision: Precision
    varying: tuple[str, ...]  # parameters that have a value for each cell: "capacitance", "na.g_max"
    driven: bool  # some of its cells get a current from outside

    @cached_property
    def states(self) -> tuple[State, ...]:
        """The states: v, then those of the channels, then those of the receptors."""
        return states_of_parts(self.channels, self.receptors)

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The row of each number in a block: states, refractory clock, outer current, varying parameters.

        `clock` is the step, counted from the start of the chunk, from which the next spike is possible: a
        whole number, exact in the precision of the run (`longest_refractory`).
        """
        current = ("current",) if self.driven else ()
        states = (state.name for state in self.states)
        names = (*states, "clock", *current, *self._kernel_parameters(True))
        return {name: row for row, name in enumerate(names)}

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that are one number for the whole population, in the order of its vector."""
        return ("dt", "threshold", *self._kernel_parameters(False))

    def _kernel_parameters(self, varying: bool) -> Iterator[str]:
        """What a step reads beside the states: `<receptor>.decay` in place of what it is computed from."""
        for name in ("capacitance", *(f"{key}.{name}" for key, c in self.channels for name in c.parameters)):
            if (name in self.varying) == varying:
                yield name
        for key, receptor in self.receptors:
            if (f"{key}.e_rev" in self.varying) == varying:
                yield f"{key}.e_rev"
            if any(f"{key}.{name}" in self.varying for name in decay_parameters(receptor)) == varying:
                yield f"{key}.decay"


def longest_refractory(precision: str) -> int:
    """The most steps of a refractory time that the clock can count exactly from any step of a chunk."""
    return (1 << (53 if precision == "float64" else 24)) - LONGEST_CHUNK


def decay_parameters(receptor: Receptor) -> tuple[str, ...]:
    """The parameters that the decay of a receptor depends on."""
    code = receptor.decay.__code__
    return code.co_varnames[1 : code.co_argcount]


def values_of(cell: CellType) -> dict[str, Value]:
    """The value or distribution of each parameter of `cell` by its full name, such as "na.g_max"."""
    values: dict[str, Value] = {"capacitance": cell.capacitance}
    for mechanism in (*cell.channels, *cell.receptors):
        for name, value in mechanism.parameters.items():
            values[f"{mechanism.key}.{name}"] = value
    return values


def structure_of(model: Model, cell: CellType) -> Structure:
    """The structure of `cell` as `model` runs it."""
    varying = tuple(name for name, value in values_of(cell).items() if constant(value) is None)
    return Structure(
        tuple((channel.key, all_channels()[channel.model]) for channel in cell.channels),
        tuple((receptor.key, all_receptors()[receptor.model]) for receptor in cell.receptors),
        cell.spike.rule,
        model.run.method,
        model.run.precision,
        varying,
        any(one.flows and model.populations[one.target].cell == cell.name for one in model.inputs),
    )


def identifier(name: str) -> str:
    """`name` as a name in Python: "na.g_max" becomes na_g_max."""
    plain = re.sub(r"\W", "_", name)
    return plain if plain.isidentifier() else f"_{plain}"
