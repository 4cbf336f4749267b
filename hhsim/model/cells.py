"""Types of cells, made of channels and receptors, and populations of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hhsim.model.values import InitialValue, Value

SpikeRuleName = Literal["level", "crossing", "peak"]


@dataclass(frozen=True)
class SpikeRule:
    """What counts as a spike between the old potential V and the new one V'.

    `level`: V' > threshold. `crossing`: V < threshold <= V'. `peak`: V' >= threshold and V' < V.
    After a spike at step k the next is possible at step k + round(refractory / dt).
    """

    rule: SpikeRuleName
    threshold: float  # mV
    refractory: float = 0.0  # ms


@dataclass(frozen=True)
class Mechanism:
    """A channel or a receptor of a cell: a model's name with values for its parameters."""

    key: str  # the name it has in this cell, such as "na"
    model: str  # the name of its definition, such as "Na_TM1991"
    parameters: Mapping[str, Value]


@dataclass(frozen=True)
class CellType:
    name: str
    capacitance: Value  # pF
    channels: tuple[Mechanism, ...]
    receptors: tuple[Mechanism, ...]
    spike: SpikeRule
    area: float | None = field(default=None, compare=False)  # um^2, if the config says; unused


@dataclass(frozen=True)
class Population:
    name: str
    cell: str  # name of a CellType
    size: int
    initial: Mapping[str, InitialValue]  # by state: "v", "na.m", "g.exc"; gates that are left out start at 0
