"""A network described in plain numbers: what a config means once its units are gone.

Units are coherent throughout hhsim: ms, mV, nS, pF, pA and 1/ms, so that no formula holds a conversion
factor (nS·mV = pA, pA·ms/pF = mV). All classes are immutable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, assert_never


@dataclass(frozen=True)
class Constant:
    """The same number for every cell or synapse."""

    value: float


@dataclass(frozen=True)
class Normal:
    """Drawn from a normal distribution, then clipped to [min, max]."""

    mean: float
    sd: float
    min: float = float("-inf")
    max: float = float("inf")


@dataclass(frozen=True)
class Uniform:
    """Drawn evenly from [low, high)."""

    low: float
    high: float


@dataclass(frozen=True)
class FromFile:
    """One number for each cell, from the dataset of the state's name in a SONATA nodes file."""

    path: Path


@dataclass(frozen=True)
class Steady:
    """A gate at its steady state for the initial membrane potential."""


Value = Constant | Normal | Uniform
InitialValue = Constant | Normal | Uniform | FromFile | Steady


def mean(value: Value) -> float:
    """The mean of `value`, clipping left out."""
    match value:
        case Constant(number):
            return number
        case Normal(middle):
            return middle
        case Uniform(low, high):
            return low / 2 + high / 2
        case _:
            assert_never(value)


def constant(value: Value | None) -> float | None:
    """The number that all cells or synapses share; None where each has its own, drawn or from a file."""
    match value:
        case Constant(number):
            return number
        case None | Normal() | Uniform():
            return None
        case _:
            assert_never(value)


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
class Trace:
    """A state of some cells, sampled at t = 0, every, 2·every, ... below the duration."""

    population: str
    variable: str
    nodes: tuple[int, int]  # half-open range
    every: float  # ms


Method = Literal["exponential_euler", "staggered"]
Precision = Literal["float64", "float32"]


@dataclass(frozen=True)
class RunSettings:
    duration: float  # ms
    dt: float  # ms
    method: Method
    precision: Precision
    seed: int

    @property
    def steps(self) -> int:
        return round(self.duration / self.dt)


def usual_precision(device: str) -> Precision:
    """The precision of a config that names none: many graphics processors have few units for float64."""
    return "float32" if device.startswith("cuda") else "float64"


@dataclass(frozen=True)
class Guards:
    """What stops a run, looked at every `every` ms (to the next meeting of the threads)."""

    every: float  # ms
    rate_max: float | None = None  # 1/ms, mean over a population and `every`
    silent_for: float | None = None  # ms without a spike of a population
    v_range: tuple[float, float] | None = None  # mV, of every cell


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
