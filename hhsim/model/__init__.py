"""A network described in plain numbers: what a config means once its units are gone.

Units are coherent throughout hhsim: ms, mV, nS, pF, pA and 1/ms, so that no formula holds a conversion
factor (nS·mV = pA, pA·ms/pF = mV). All classes are immutable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from hhsim.model.cells import CellType, Mechanism, Population, SpikeRule, SpikeRuleName
from hhsim.model.inputs.base import Arrival, Input
from hhsim.model.inputs.poisson import PoissonInput
from hhsim.model.inputs.step_current import StepCurrent
from hhsim.model.rules import (
    AllToAll,
    EdgesFromFile,
    Ends,
    FixedIndegree,
    FixedOutdegree,
    OneToOne,
    PairwiseBernoulli,
    Rule,
)
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
    in_file,
    mean,
)

__all__ = [
    "AllToAll",
    "CellType",
    "Constant",
    "EdgesFromFile",
    "Ends",
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
    "mean",
    "usual_precision",
]


AnyInput = TypeVar("AnyInput", bound=Input)


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

    def ends_of(self, projection: Projection) -> Ends:
        """The cells that a projection joins."""
        targets = set(projection.targets)
        return Ends(
            self.populations[projection.source].size,
            sum(self.populations[name].size for name in targets),
            projection.source in targets,
        )

    def expected_synapses(self, projection: Projection) -> float | None:
        """How many synapses a projection has, or has on average; None if only its edges file can tell."""
        return projection.rule.expected(self.ends_of(projection))
