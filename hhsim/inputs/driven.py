"""Which cells of a process an input drives, in which steps, and what is drawn for them."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from hhsim.model import AnyInput, Model
from hhsim.network.random import Purpose, draw_values, in_precision
from hhsim.state.build import Cells
from hhsim.state.inboxes import Inboxes
from hhsim.state.shares import Shares

T = TypeVar("T")


class Parts(Protocol):
    """What the kernels of inputs need of the arrays of a network."""

    @property
    def cells(self) -> Cells: ...
    @property
    def inboxes(self) -> Inboxes: ...
    @property
    def shares(self) -> Shares: ...


class Driven(NamedTuple, Generic[AnyInput]):
    """An input, as far as it drives the cells of a process.

    It is known by what it is and not by its place in the config: draws are keyed by its target, its name if
    it has one, and its number among the inputs of its kind that share these.
    """

    input: AnyInput
    names: tuple[str, ...]  # for the keys of its draws; other kinds have the same ones
    nodes: range  # the cells that it drives here, in its population
    lanes: range  # where they stand in the network
    on: int  # step
    off: int  # step
    inbox: int  # where its spikes arrive (`Inboxes.table`); −1 for an input without spikes


def steps_of(time: float, model: Model) -> int:
    """The step at which `time` (ms) is reached, or the end of the run."""
    return max(0, round(min(time / model.run.dt, model.run.steps)))


def drawn(
    one: Driven[AnyInput], key: str, model: Model, purpose: Purpose, identity: int
) -> npt.NDArray[np.float64]:
    """The values of a key of an input for the cells that it drives here.

    Raises NotRepresentable where the precision of the run cannot hold one.
    """
    value = getattr(one.input, key)
    values = draw_values(model.run.seed, purpose, identity, value, one.nodes.start, len(one.nodes))
    return in_precision(values, model.run.precision, f'{key} of the input of "{one.input.target}"')


def joined(values: list[npt.NDArray[np.float64]], model: Model) -> npt.NDArray[Any]:
    """The values of several inputs one after the other, in the precision of the run."""
    return np.concatenate([np.zeros(0), *values]).astype(model.run.precision)
