"""A network described in plain numbers: what a config means once its units are gone.

Units are coherent throughout hhsim: ms, mV, nS, pF, pA and 1/ms, so that no formula holds a conversion
factor (nS·mV = pA, pA·ms/pF = mV). All classes are immutable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from hhsim.model.cells import CellType, Mechanism, Population, SpikeRule, SpikeRuleName
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


@dataclass(frozen=True)
class Projection:
    source: str
    targets: tuple[str, ...]
    receptor: str
    rule: Rule
    weight: Value | None  # nS; None: from the edges file (`syn_weight`)
    delay: Value | None  # ms; None: from the edges file (`delay`)


@dataclass(frozen=True)
class PoissonInput:
    """An independent Poisson train for each cell from `start` to `stop`."""

    target: str
    nodes: tuple[int, int]  # half-open range
    start: float  # ms
    stop: float  # ms; infinity: to the end
    rate: float  # 1/ms
    weight: Value  # nS
    receptor: str
    name: str = ""


@dataclass(frozen=True)
class StepCurrent:
    """A constant current from `start` to `stop`."""

    target: str
    nodes: tuple[int, int]
    start: float  # ms
    stop: float  # ms
    amplitude: Value  # pA
    name: str = ""


Input = PoissonInput | StepCurrent


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

    @property
    def poisson_inputs(self) -> tuple[PoissonInput, ...]:
        """Those inputs that are Poisson trains, by name; those of one name in the order of the config."""
        return tuple(sorted(self._inputs_by_kind[0], key=lambda one: one.name))

    @property
    def step_currents(self) -> tuple[StepCurrent, ...]:
        """Those inputs that are step currents, by name; those of one name in the order of the config."""
        return tuple(sorted(self._inputs_by_kind[1], key=lambda one: one.name))

    @property
    def _inputs_by_kind(self) -> tuple[tuple[PoissonInput, ...], tuple[StepCurrent, ...]]:
        trains: list[PoissonInput] = []
        currents: list[StepCurrent] = []
        for one in self.inputs:
            match one:
                case PoissonInput():
                    trains.append(one)
                case StepCurrent():
                    currents.append(one)
                case _:
                    assert_never(one)
        return tuple(trains), tuple(currents)

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
