"""What the rates of gates tell of a cell: steps that are too coarse, and cells that fire on their own."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping

from hhsim.channels import Channel, all_channels, all_receptors
from hhsim.channels.checks import formula_of
from hhsim.model import CellType, Mechanism, Model, mean

# Steps in units of the fastest gate's time constant beyond which a warning is due. The intervals of a COBAHH
# cell that fires by itself are 3.6 % too long at dt = 0.1 ms (3.2 time constants), which everybody uses,
# 5.8 % at 0.2 ms and 10 % at 0.5 ms with exponential Euler; 0.3 %, 0.6 % and 2.5 % with staggered.
COARSE = {"exponential_euler": 5.0, "staggered": 15.0}

COARSE_FOR_RECEPTOR = 0.2  # of its time constant: the charge of a spike is then 10 % too large

FARTHEST = 1000.0  # mV: reversal potentials beyond it are followed no further

_WATCHED = 500.0  # ms for which an isolated cell is watched
_STEP = 0.1  # ms


def fastest_gate(cell: CellType) -> tuple[str, float, float] | None:
    """The gate with the shortest time constant 1/(α + β) between the lowest and the highest reversal
    potential of `cell`: its state, the time constant in ms, and the potential in mV where it has it."""
    reversals = [mean(m.parameters["e_rev"]) for m in (*cell.channels, *cell.receptors)]
    best: tuple[str, float, float] | None = None
    inside = [min(max(each, -FARTHEST), FARTHEST) for each in reversals]
    low, high = math.floor(min(inside, default=0.0)), math.ceil(max(inside, default=0.0))
    for channel in _gated(cell):
        for v in range(low, high + 1):
            for gate, (alpha, beta) in channel.rates(v).items():
                tau = 1 / (alpha + beta) if alpha + beta > 0 else math.inf
                if 0 < tau < (math.inf if best is None else best[1]):
                    best = (f"{channel.key}.{gate}", tau, v)
    return best


def spontaneous_rate(cell: CellType) -> float:
    """How often a cell with mean parameters fires with no input at all, Hz; 0 if it rests.

    It starts at the mean of its channels' reversal potentials below the threshold, with steady gates, and is
    watched for 500 ms with the staggered method at 0.1 ms: the rate is that of its first interval.
    """
    channels = [_Running(channel) for channel in cell.channels]
    capacitance = mean(cell.capacitance)
    below = [c.e_rev for c in channels if c.e_rev < cell.spike.threshold]
    if not below:
        return 0.0
    v = sum(below) / len(below)
    for channel in channels:
        channel.settle(v)
    spikes: list[float] = []
    still = 0.0  # how long the potential has hardly moved, ms
    t = 0.0
    while t < _WATCHED and still < 50.0 and len(spikes) < 2:
        for channel in channels:
            channel.advance(v)
        conductance = sum(channel.g for channel in channels)
        current = sum(channel.g * (channel.e_rev - v) for channel in channels)
        if conductance == 0.0:
            return 0.0
        change = -math.expm1(-_STEP * conductance / capacitance) * current / conductance
        if v < cell.spike.threshold <= v + change:
            spikes.append(t + _STEP * (cell.spike.threshold - v) / change)
        still = still + _STEP if abs(change) < 1e-5 else 0.0
        v += change
        t += _STEP
    return 1000.0 / (spikes[1] - spikes[0]) if len(spikes) == 2 else 0.0


def resting_conductance(cell: CellType) -> float:
    """The conductance of all channels of a cell with mean parameters at rest, nS; NaN where it has no value.

    Rest is taken to be where the channels without gates reverse, or, without any, the mean of the reversal
    potentials below the threshold.
    """
    try:
        channels = [_Running(channel) for channel in cell.channels]
        leaks = [c for c in channels if not c.definition.gates and c.g > 0]
        below = [c.e_rev for c in channels if c.e_rev < cell.spike.threshold]
        if leaks:
            v = sum(c.g * c.e_rev for c in leaks) / sum(c.g for c in leaks)
        elif below:
            v = sum(below) / len(below)
        else:
            return math.nan
        for channel in channels:
            channel.settle(v)
        return sum(channel.g for channel in channels)
    except (ArithmeticError, ValueError):  # parameters beyond everything: the run itself will tell
        return math.nan


class _Gated:
    """The gates of one channel of a cell, with its mean parameters."""

    def __init__(self, mechanism: Mechanism, definition: Channel) -> None:
        self.key = mechanism.key
        self.definition = definition
        self._arguments: list[float] = []
        if definition.rates is not None:
            names = list(inspect.signature(definition.rates).parameters)[1:]
            self._arguments = [mean(mechanism.parameters[name]) for name in names]

    def rates(self, v: float) -> Mapping[str, tuple[float, float]]:
        """α and β of each gate at `v`, 1/ms; NaN or infinite where they have no value."""
        if self.definition.rates is None:
            return {}
        flat = formula_of(self.definition)(v, *self._arguments)
        return {gate: (flat[2 * i], flat[2 * i + 1]) for i, gate in enumerate(self.definition.gates)}


class _Running(_Gated):
    """A channel in time."""

    def __init__(self, mechanism: Mechanism) -> None:
        super().__init__(mechanism, all_channels()[mechanism.model])
        self.e_rev = mean(mechanism.parameters["e_rev"])
        self._g_max = mean(mechanism.parameters["g_max"])
        self._gates = dict.fromkeys(self.definition.gates, 0.0)

    @property
    def g(self) -> float:
        """Conductance, nS."""
        powers = self.definition.gates
        return self._g_max * math.prod(x ** powers[gate] for gate, x in self._gates.items())

    def settle(self, v: float) -> None:
        self._gates = {gate: alpha / (alpha + beta) for gate, (alpha, beta) in self.rates(v).items()}

    def advance(self, v: float) -> None:
        for gate, (alpha, beta) in self.rates(v).items():
            steady = alpha / (alpha + beta)
            self._gates[gate] = steady + (self._gates[gate] - steady) * math.exp(-_STEP * (alpha + beta))


def _gated(cell: CellType) -> list[_Gated]:
    definitions = all_channels()
    return [_Gated(c, definitions[c.model]) for c in cell.channels if definitions[c.model].gates]


def coarse(cell: CellType, model: Model) -> Iterator[str]:
    """Time constants that the step is too long for."""
    dt = model.run.dt
    gate = fastest_gate(cell)
    if gate is not None and dt > COARSE[model.run.method] * gate[1]:
        state, tau, v = gate
        yield (
            f'dt = {dt:g} ms is coarse for cells of type "{cell.name}": {dt / tau:.0f} times the fastest '
            f"time constant, {tau:.2g} ms ({state} at {v:g} mV); spikes come too late"
        )
    definitions = all_receptors()
    for receptor in cell.receptors:
        for name, value in receptor.parameters.items():
            tau = mean(value)
            if definitions[receptor.model].parameters[name].unit == "ms" and dt > COARSE_FOR_RECEPTOR * tau:
                yield (
                    f'dt = {dt:g} ms is coarse for receptor "{receptor.key}" of cells of type '
                    f'"{cell.name}", whose {name} is {tau:g} ms'
                )


def spontaneous(cell: CellType) -> Iterator[str]:
    """A cell that fires without any input."""
    try:
        rate = spontaneous_rate(cell)
    except (ArithmeticError, ValueError):  # parameters beyond everything: the run itself will tell
        return
    if rate > 0.0:
        definitions = all_channels()
        leaks = [c for c in cell.channels if not definitions[c.model].gates]
        reason = ""
        if leaks:
            values = " and ".join(f"{mean(c.parameters['e_rev']):g} mV of the {c.key}" for c in leaks)
            reason = f": with e_rev = {values} they have no rest"
        what = f'cells of type "{cell.name}" fire on their own'
        yield f"{what}, without any input (about {rate:.2g} Hz){reason}"
