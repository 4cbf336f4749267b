"""A network described in plain numbers: what a config means once its units are gone.

Units are coherent throughout hhsim: ms, mV, nS, pF, pA and 1/ms, so that no formula holds a conversion
factor (nS·mV = pA, pA·ms/pF = mV). All classes are immutable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, assert_never

from hhsim.model.cells import CellType, Mechanism, Population, SpikeRule, SpikeRuleName
from hhsim.model.input import Arrival, Input
from hhsim.model.inputs.poisson import PoissonInput
from hhsim.model.inputs.step_current import StepCurrent
from hhsim.model.run import Guards, Method, Precision, RunSettings, Trace, usual_precision
from hhsim.model.values import (
    Constant,
    FromFile,
    InitialValue,
    Normal,
    Steady,
    Uniform,
    Value,
    constant,
    mean,
)

__all__ = [
    "AllToAll",
    "CellType",
    "Constant",
    "EdgesFromFile",
    "FixedIndegree",
    "FixedOutdegree",
    "FromFile",
    "Guards",
    "InitialValue",
    "Input",
    "Mechanism",
    "Method",
    "Model",
    "Normal",
    "OneToOne",
    "PairwiseBernoulli",
    "PoissonInput",
    "Population",
    "Precision",
    "Projection",
    "Rule",
    "RunSettings",
    "SpikeRule",
    "SpikeRuleName",
    "Steady",
    "StepCurrent",
    "Trace",
    "Uniform",
    "Value",
    "constant",
    "in_file",
    "is_random",
    "mean",
    "usual_precision",
]


AnyInput = TypeVar("AnyInput", bound=Input)


@dataclass(frozen=True)
class PairwiseBernoulli:
    p: float


@dataclass(frozen=True)
class FixedOutdegree:
    """Each source has `k` targets in the union of the target populations."""

    k: int
    replacement: bool = False
    autapses: bool = True


@dataclass(frozen=True)
class FixedIndegree:
    """Each target has `k` sources."""

    k: int
    replacement: bool = False
    autapses: bool = True


@dataclass(frozen=True)
class OneToOne:
    pass


@dataclass(frozen=True)
class AllToAll:
    pass


@dataclass(frozen=True)
class EdgesFromFile:
    """The edges of the population `edges` in a SONATA edges file, and the table of their types."""

    path: Path
    edges: str
    edge_types: Path | None = None


Rule = PairwiseBernoulli | FixedOutdegree | FixedIndegree | OneToOne | AllToAll | EdgesFromFile


def is_random(rule: Rule) -> bool:
    """Whether the number of synapses that `rule` makes is drawn."""
    match rule:
        case PairwiseBernoulli():
            return True
        case FixedOutdegree() | FixedIndegree() | OneToOne() | AllToAll() | EdgesFromFile():
            return False
        case _:
            assert_never(rule)


def in_file(given: Rule | InitialValue) -> bool:
    """Whether synapses or initial values stand in a file, which fixes the sizes of the populations."""
    match given:
        case EdgesFromFile() | FromFile():
            return True
        case PairwiseBernoulli() | FixedOutdegree() | FixedIndegree() | OneToOne() | AllToAll():
            return False
        case Constant() | Normal() | Uniform() | Steady():
            return False
        case _:
            assert_never(given)


@dataclass(frozen=True)
class Projection:
    source: str
    targets: tuple[str, ...]
    receptor: str
    rule: Rule
    weight: Value | None  # nS; None: from the edges file (`syn_weight`)
    delay: Value | None  # ms; None: from the edges file (`delay`)


@dataclass(frozen=True)
class Model:
    """Everything that decides what a run computes."""

    title: str
    run: RunSettings
    cells: Mapping[str, CellType]
    populations: Mapping[str, Population]  # in the order of the config
    projections: tuple[Projection, ...] = ()
    inputs: tuple[Input, ...] = ()
    record_spikes: tuple[str, ...] = ()  # names of populations
    traces: tuple[Trace, ...] = field(default=())
    guards: Guards | None = None

    def cell_of(self, population: str) -> CellType:
        return self.cells[self.populations[population].cell]

    def inputs_of(self, kind: type[AnyInput]) -> tuple[AnyInput, ...]:
        """The inputs of a kind, by name; those of one name in the order of the config."""
        own = [one for one in self.inputs if type(one) is kind]
        return tuple(sorted(own, key=lambda one: one.name))

    @property
    def arriving_inputs(self) -> tuple[tuple[Input, Arrival], ...]:
        """The inputs whose spikes arrive at receptors: kind by kind, those of a kind as in `inputs_of`."""
        ordered = sorted(self.inputs, key=lambda one: (one.kind, one.name))
        return tuple((one, arrival) for one in ordered if (arrival := one.arrival) is not None)

    def expected_synapses(self, projection: Projection) -> float | None:
        """How many synapses a projection has, or has on average; None if only its edges file can tell."""
        sources = self.populations[projection.source].size
        targets = sum(self.populations[name].size for name in set(projection.targets))
        rule = projection.rule
        match rule:
            case PairwiseBernoulli(p):
                return p * sources * targets
            case FixedOutdegree(k):
                return k * sources
            case FixedIndegree(k):
                return k * targets
            case OneToOne():
                return sources
            case AllToAll():
                return sources * targets
            case EdgesFromFile():
                return None
            case _:
                assert_never(rule)
