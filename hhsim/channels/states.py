"""The states of a cell: of its membrane, its channels and its receptors, in the order of its memory."""

from __future__ import annotations

from collections.abc import Iterable

from hhsim.channels import Channel, Receptor, all_channels, all_receptors
from hhsim.model import CellType
from hhsim.model.state import State

MEMBRANE = State("v", "mV", start=-65.0, must_be_given=True)


def states_of_parts(
    channels: Iterable[tuple[str, Channel]], receptors: Iterable[tuple[str, Receptor]]
) -> tuple[State, ...]:
    """The states of a cell with these channels and receptors, each with its key in the cell."""
    return (
        MEMBRANE,
        *(state for key, channel in channels for state in channel.states(key)),
        *(state for key, receptor in receptors for state in receptor.states(key)),
    )


def states_of(cell: CellType) -> dict[str, State]:
    """The states of `cell` by their names: the membrane's, the gates', then the receptors'."""
    states = states_of_parts(
        ((channel.key, all_channels()[channel.model]) for channel in cell.channels),
        ((receptor.key, all_receptors()[receptor.model]) for receptor in cell.receptors),
    )
    return {state.name: state for state in states}
