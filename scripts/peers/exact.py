"""When the cells of accuracy.toml should spike: their equations solved to 1e-12, and how far others are off.

The equations are written out here once more (Brette et al. 2007, benchmark 3; Traub & Miles 1991), apart from
those of hhsim. Solving takes half a minute; what comes out is kept in exact.npz beside this file and solved
anew if accuracy.toml has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from math import exp, expm1
from pathlib import Path

import numpy as np
from circuit import Circuit
from scipy.integrate import solve_ivp

from hhsim.config import load
from hhsim.model import Constant, Steady

CONFIG = Path(__file__).with_name("accuracy.toml")
KEPT = Path(__file__).with_name("exact.npz")
RULES = ("crossing", "peak")


@dataclass(frozen=True)
class Solution:
    """The spikes of cells that do not know each other, many of which are the same cell."""

    kinds: np.ndarray  # (cells,) which of the distinct cells each is
    times_ms: dict[str, list[np.ndarray]]  # by rule, of each distinct cell


def exprel(z: float) -> float:
    """(e^z - 1)/z"""
    return expm1(z) / z if z else 1.0


def rates(v: float, v_t: float) -> tuple[tuple[float, float], ...]:
    """α and β of m, h and n, 1/ms."""
    u = v - v_t
    return (
        (1.28 / exprel((13 - u) / 4), 1.40 / exprel((u - 40) / 5)),
        (0.128 * exp((17 - u) / 18), 4 / (1 + exp((40 - u) / 5))),
        (0.16 / exprel((15 - u) / 5), 0.5 * exp((10 - u) / 40)),
    )


def right_hand_side(circuit: Circuit, current: float) -> Callable[[float, np.ndarray], list[float]]:
    """d(V, m, h, n)/dt of a cell without synapses that is given a current, pA."""
    value = circuit.parameter
    (g_leak, e_leak), (g_na, e_na), (g_k, e_k) = (
        (value(key, "g_max"), value(key, "e_rev")) for key in ("leak", "na", "k")
    )
    v_t = value("na", "v_t")
    assert v_t == value("k", "v_t")

    def derivative(_: float, state: np.ndarray) -> list[float]:
        v, m, h, n = state.tolist()
        leak, na, k = g_leak * (e_leak - v), g_na * m**3 * h * (e_na - v), g_k * n**4 * (e_k - v)
        gates = zip(rates(v, v_t), (m, h, n), strict=True)
        return [
            (leak + na + k + current) / circuit.capacitance,
            *(alpha * (1 - x) - beta * x for (alpha, beta), x in gates),
        ]

    return derivative


def solve(circuit: Circuit, v: float, current: float, duration: float) -> dict[str, np.ndarray]:
    """The times (ms) of a cell's spikes by each rule, with steady gates at first.

    `crossing`: V comes up to the circuit's threshold. `peak`: V is at a maximum above it.
    """
    derivative = right_hand_side(circuit, current)
    threshold = circuit.cell.spike.threshold

    def above(_: float, state: np.ndarray) -> float:
        return float(state[0] - threshold)

    def slope(t: float, state: np.ndarray) -> float:
        return derivative(t, state)[0]

    above.direction, slope.direction = 1, -1  # type: ignore[attr-defined]
    gates = [alpha / (alpha + beta) for alpha, beta in rates(v, circuit.parameter("na", "v_t"))]
    found = solve_ivp(
        derivative,
        (0.0, duration),
        np.array([v, *gates]),
        method="DOP853",
        rtol=1e-12,
        atol=[1e-10, 1e-13, 1e-13, 1e-13],
        events=(above, slope),
    )
    assert found.success, found.message
    crossings, maxima = found.t_events
    tops = found.y_events[1].reshape(-1, 4)[:, 0]
    return {"crossing": crossings, "peak": maxima[tops > threshold]}


def read_cells(config: Path) -> tuple[Circuit, np.ndarray, float, float]:
    """A circuit without states, the currents of its cells (pA), the first V (mV) and the duration (ms)."""
    model = load(config).model
    ((name, population),) = model.populations.items()
    circuit = Circuit(model, model.cell_of(name), {name: 0}, population.size, {}, [])
    ((_, currents),) = circuit.currents(model.run.dt, model.run.steps)
    v = population.initial["v"]
    assert isinstance(v, Constant)
    assert all(isinstance(population.initial[gate], Steady) for gate in ("na.m", "na.h", "k.n"))
    return circuit, currents, v.value, model.run.duration


def exact_spikes(config: Path = CONFIG, kept: Path | None = KEPT) -> Solution:
    """The spikes of all cells of a config like accuracy.toml: from `kept` if they are there, or solved."""
    circuit, currents, v, duration = read_cells(config)
    distinct, kinds = np.unique(currents, return_inverse=True)
    digest = hashlib.sha256(config.read_bytes()).hexdigest()
    if kept and kept.exists():
        with np.load(kept) as file:
            if str(file["config_sha256"]) == digest:
                times = {rule: [file[f"{rule}_{i}"] for i in range(len(distinct))] for rule in RULES}
                return Solution(kinds, times)
    solved = [solve(circuit, v, float(current), duration) for current in distinct]
    times = {rule: [each[rule] for each in solved] for rule in RULES}
    if kept:
        flat = {f"{rule}_{i}": each for rule in RULES for i, each in enumerate(times[rule])}
        np.savez_compressed(kept, config_sha256=digest, currents_pa=distinct, **flat)
    return Solution(kinds, times)


def spike_time_error(
    times_ms: np.ndarray, cells: np.ndarray, solution: Solution, rule: str = "crossing"
) -> tuple[float, int]:
    """How far a cell's n-th spike is from where it should be, on average (ms); and missing or extra spikes.

    Every first spike is compared with a first one, every second with a second one: a cell that fires too fast
    moves away from its solution more and more. What one of the two has not is no error of time, but counted.
    """
    exact = solution.times_ms[rule]
    table = np.full((len(exact), max(map(len, exact))), np.nan)
    for row, times in zip(table, exact, strict=True):
        row[: len(times)] = times
    expected = np.array([len(times) for times in exact])[solution.kinds]
    order = np.lexsort((times_ms, cells))
    times_ms, cells = np.asarray(times_ms)[order], np.asarray(cells)[order]
    counts = np.bincount(cells, minlength=len(solution.kinds))
    rank = np.arange(len(cells)) - np.repeat(np.cumsum(counts) - counts, counts)
    both = rank < expected[cells]
    errors = np.abs(times_ms[both] - table[solution.kinds[cells[both]], rank[both]])
    unmatched = int(np.abs(counts - expected).sum())
    return float(errors.mean()) if len(errors) else float("nan"), unmatched
