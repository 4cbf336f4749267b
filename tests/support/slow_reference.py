"""A second implementation of the model, plain and slow, that shares no line with the package.

Written from the equations alone (Brette et al. 2007, benchmark 3, and the order of exponential Euler that
Brian2 and braincell have): NumPy with its own exp, everything in float64, one step after the other. Cells are
numbered through all groups; a spike emitted in step k with a delay of d steps arrives at step k + 1 + d.
Units: ms, mV, nS, pF, pA.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Rates = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # v -> α, β in 1/ms


def exprel(z: Any) -> Any:
    """(eᶻ − 1)/z."""
    z = np.asarray(z, dtype=float)
    return np.where(z == 0, 1.0, np.expm1(z) / np.where(z == 0, 1.0, z))


@dataclass
class Channel:
    """g_max · Π gate^power · (e_rev − v)."""

    g_max: Any
    e_rev: Any
    gates: Mapping[str, tuple[int, Rates]] = field(default_factory=dict)  # name -> (power, rates)


def sodium(g_max: Any = 20000.0, e_rev: Any = 50.0, v_t: Any = -63.0) -> Channel:
    def m(v):
        u = v - v_t
        return 1.28 / exprel((13 - u) / 4), 1.4 / exprel((u - 40) / 5)

    def h(v):
        u = v - v_t
        return 0.128 * np.exp((17 - u) / 18), 4 / (1 + np.exp((40 - u) / 5))

    return Channel(g_max, e_rev, {"m": (3, m), "h": (1, h)})


def potassium(g_max: Any = 6000.0, e_rev: Any = -90.0, v_t: Any = -63.0) -> Channel:
    def n(v):
        u = v - v_t
        return 0.16 / exprel((15 - u) / 5), 0.5 * np.exp((10 - u) / 40)

    return Channel(g_max, e_rev, {"n": (4, n)})


@dataclass
class Group:
    """Cells of one type. States that `initial` leaves out start at 0."""

    size: int
    channels: Mapping[str, Channel]
    receptors: Mapping[str, tuple[Any, Any]]  # name -> (e_rev, tau)
    initial: Mapping[str, Any]
    rule: str = "crossing"
    threshold: float = 0.0
    refractory: int = 0  # steps
    capacitance: Any = 200.0
    current: Callable[[int], Any] = lambda k: 0.0  # pA in step k

    def start(self) -> dict[str, np.ndarray]:
        gates = [f"{key}.{gate}" for key, channel in self.channels.items() for gate in channel.gates]
        names = ["v", *gates, *(f"g.{key}" for key in self.receptors)]
        return {n: np.zeros(self.size) + self.initial.get(n, -65.0 if n == "v" else 0.0) for n in names}

    def spikes(self, v: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the rule holds, and where the potential rises through the threshold."""
        up = (v < self.threshold) & (self.threshold <= new)
        if self.rule == "level":
            return new > self.threshold, (v <= self.threshold) & (self.threshold < new)
        if self.rule == "peak":
            return (new >= self.threshold) & (new < v), up
        return up, up


@dataclass
class Edges:
    """Synapses onto one receptor; sources and targets are numbered through all groups."""

    receptor: str
    sources: Any
    targets: Any
    weights: Any  # nS, one or one for each
    delays: Any = 0  # steps, one or one for each


@dataclass
class Result:
    spikes: list[tuple[int, int]]  # (step, cell), sorted
    states: list[dict[str, np.ndarray]]  # for each group: (steps + 1, size) of each state; row k is at k·dt
    suppressed: list[int]  # for each group


def simulate(groups: Sequence[Group], edges: Sequence[Edges], steps: int, dt: float, method: str) -> Result:
    firsts = np.cumsum([0, *(group.size for group in groups)])
    states = [group.start() for group in groups]
    records: list[dict[str, list[np.ndarray]]] = [defaultdict(list) for _ in groups]
    free_from = [np.zeros(group.size, int) for group in groups]
    arriving: dict[int, list[tuple[str, np.ndarray]]] = defaultdict(list)
    suppressed = [0] * len(groups)
    spikes = []
    outgoing = [_rows(each, firsts[-1]) for each in edges]

    for k in range(steps + 1):
        for record, state in zip(records, states, strict=True):
            for name, values in state.items():
                record[name].append(values.copy())
        if k == steps:
            break
        for receptor, added in arriving.pop(k, []):
            for i, state in enumerate(states):
                if f"g.{receptor}" in state:
                    state[f"g.{receptor}"] += added[firsts[i] : firsts[i + 1]]
        emitted = []
        for i, group in enumerate(groups):
            old = states[i]["v"].copy()
            step = _staggered if method == "staggered" else _exponential_euler
            step(group, states[i], k, dt)
            spike, up = group.spikes(old, states[i]["v"])
            free = k >= free_from[i]
            suppressed[i] += int((up & ~free).sum())
            own = np.flatnonzero(spike & free)
            free_from[i][own] = k + group.refractory
            emitted += (own + firsts[i]).tolist()
        spikes += [(k, cell) for cell in emitted]
        for each, rows in zip(edges, outgoing, strict=True):
            for cell in emitted:
                for target, weight, delay in rows[cell]:
                    added = np.zeros(firsts[-1])
                    np.add.at(added, target, weight)
                    arriving[k + 1 + delay].append((each.receptor, added))
    return Result(spikes, [{n: np.array(v) for n, v in record.items()} for record in records], suppressed)


def _rows(edges: Edges, cells: int) -> list[list[tuple[np.ndarray, np.ndarray, int]]]:
    """For each source and each delay: targets and weights."""
    sources, targets = np.asarray(edges.sources, int), np.asarray(edges.targets, int)
    weights, delays = (np.broadcast_to(x, sources.shape) for x in (edges.weights, edges.delays))
    rows: list[list[tuple[np.ndarray, np.ndarray, int]]] = [[] for _ in range(cells)]
    for source in np.unique(sources):
        for delay in np.unique(delays[sources == source]):
            own = (sources == source) & (delays == delay)
            rows[source].append((targets[own], weights[own], int(delay)))
    return rows


def _relax(group: Group, state: Mapping[str, np.ndarray], v: np.ndarray, dt: float) -> dict[str, np.ndarray]:
    """Every gate after dt at the potential v."""
    new = {}
    for key, channel in group.channels.items():
        for gate, (_, rates) in channel.gates.items():
            alpha, beta = rates(v)
            x = state[f"{key}.{gate}"]
            new[f"{key}.{gate}"] = x + dt * exprel(-dt * (alpha + beta)) * (alpha * (1 - x) - beta * x)
    return new


def _membrane(group: Group, state: Mapping[str, np.ndarray], k: int, dt: float) -> np.ndarray:
    """V after dt with every conductance as `state` has it."""
    v = state["v"]
    whole, current = np.zeros(group.size), np.zeros(group.size) + group.current(k)
    open_ = [(state[f"g.{key}"], e_rev) for key, (e_rev, _) in group.receptors.items()]
    for key, channel in group.channels.items():
        g = np.zeros(group.size) + channel.g_max
        for gate, (power, _) in channel.gates.items():
            g = g * state[f"{key}.{gate}"] ** power
        open_.append((g, channel.e_rev))
    for g, e_rev in open_:
        whole = whole + g
        current = current + g * (e_rev - v)
    return v + dt * exprel(-dt * whole / group.capacitance) * current / group.capacitance


def _decay(group: Group, state: dict[str, np.ndarray], dt: float) -> None:
    for key, (_, tau) in group.receptors.items():
        state[f"g.{key}"] = state[f"g.{key}"] * np.exp(-dt / tau)


def _exponential_euler(group: Group, state: dict[str, np.ndarray], k: int, dt: float) -> None:
    """Every right-hand side at the old state."""
    gates = _relax(group, state, state["v"], dt)
    state["v"] = _membrane(group, state, k, dt)
    state.update(gates)
    _decay(group, state, dt)


def _staggered(group: Group, state: dict[str, np.ndarray], k: int, dt: float) -> None:
    """Gates live half a step ahead of V; conductances are taken at the middle of the step."""
    state.update(_relax(group, state, state["v"], dt / 2 if k == 0 else dt))
    _decay(group, state, dt / 2)
    state["v"] = _membrane(group, state, k, dt)
    _decay(group, state, dt / 2)
