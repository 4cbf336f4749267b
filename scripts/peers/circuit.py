"""What every peer is given and gives back: a circuit as `hhsim export` writes it; spikes and seconds.

Each `run_*.py` beside this file is a process of its own that reads a circuit, builds it in its simulator's
own terms, runs it and leaves `result.json` and `spikes.npz`. Populations are put one after the other, in the
order of the config: a cell has one number throughout.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from hhsim.config import load
from hhsim.model import CellType, Constant, EdgesFromFile, Mechanism, Model, PoissonInput, StepCurrent

STARTED = time.perf_counter()


@dataclass(frozen=True)
class Edges:
    """The synapses of one receptor from one population to all others."""

    source: str  # population
    receptor: str
    weight: float  # nS
    delay: float  # ms
    sources: np.ndarray  # (synapses,) numbers of the cells
    targets: np.ndarray


@dataclass(frozen=True)
class Circuit:
    model: Model
    cell: CellType
    first: dict[str, int]  # the number of each population's first cell
    size: int
    states: dict[str, np.ndarray]  # (size,) initial values of v (mV), na.m, na.h, k.n, g.exc (nS), ...
    edges: list[Edges]  # one for each source population and receptor

    def parameter(self, key: str, name: str) -> float:
        """A parameter of a channel or a receptor, in mV, nS or ms."""
        mechanism = next(m for m in (*self.cell.channels, *self.cell.receptors) if m.key == key)
        return number(mechanism.parameters[name])

    @property
    def receptors(self) -> tuple[Mechanism, ...]:
        return self.cell.receptors

    @property
    def capacitance(self) -> float:
        """pF"""
        return number(self.cell.capacitance)

    def cells(self, given: PoissonInput | StepCurrent) -> np.ndarray:
        """The numbers of the cells that an input goes to."""
        return self.first[given.target] + np.arange(*given.nodes)

    def currents(self, dt: float, steps: int) -> list[tuple[int, np.ndarray]]:
        """The injected current of each cell (pA, (size,)), and the step from which it stays so: from 0 on."""
        inputs = [given for given in self.model.inputs if isinstance(given, StepCurrent)]
        edges = [[round(min(time / dt, steps)) for time in (given.start, given.stop)] for given in inputs]
        found = []
        for begin in sorted({0, *(step for pair in edges for step in pair)} - {steps}):
            total = np.zeros(self.size)
            for given, (on, off) in zip(inputs, edges, strict=True):
                if on <= begin < off:
                    total[self.cells(given)] += number(given.amplitude)
            found.append((begin, total))
        return found


def number(value: object) -> float:
    if not isinstance(value, Constant):
        raise SystemExit(f"{value}: the peers are given constants alone")
    return value.value


def read_circuit(folder: Path) -> Circuit:
    """The circuit in a folder that `hhsim export` wrote, of one cell type."""
    model = load(folder / "config.toml").model
    sizes = {name: population.size for name, population in model.populations.items()}
    first = dict(zip(sizes, np.cumsum([0, *sizes.values()]).tolist(), strict=False))
    (cell,) = {id(model.cell_of(name)): model.cell_of(name) for name in sizes}.values()
    states: dict[str, np.ndarray] = {}
    with h5py.File(folder / "nodes.h5") as file:
        for state in model.populations[next(iter(sizes))].initial:
            states[state] = np.concatenate([file[f"nodes/{name}/0/{state}"][:] for name in sizes])
    found: dict[tuple[str, str, float, float], list[tuple[np.ndarray, np.ndarray]]] = {}
    with h5py.File(folder / "edges.h5") as file:
        for projection in model.projections:
            assert isinstance(projection.rule, EdgesFromFile)
            group = file["edges"][projection.rule.edges]
            (target,) = projection.targets
            pairs = (
                group["source_node_id"][:].astype(np.int64) + first[projection.source],
                group["target_node_id"][:].astype(np.int64) + first[target],
            )
            key = (
                projection.source,
                projection.receptor,
                number(projection.weight),
                number(projection.delay),
            )
            found.setdefault(key, []).append(pairs)
    edges = [
        Edges(*key, np.concatenate([s for s, _ in pairs]), np.concatenate([t for _, t in pairs]))
        for key, pairs in found.items()
    ]
    return Circuit(model, cell, first, sum(sizes.values()), states, edges)


def arguments(description: str) -> argparse.Namespace:
    """What every peer is told on its command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("circuit", type=Path, help="folder that `hhsim export` wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for result.json and spikes.npz")
    parser.add_argument("--duration", type=float, required=True, metavar="MS")
    parser.add_argument("--dt", type=float, default=0.1, metavar="MS")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--precision", choices=("float64", "float32"), default="float64")
    parser.add_argument("--method", help="one of the simulator's solvers; its usual one if left out")
    parser.add_argument("--tolerance", type=float, help="of an adaptive solver")
    parser.add_argument("--seed", type=int, default=1, help="of the simulator's own Poisson trains")
    return parser.parse_args()


def write_result(
    options: argparse.Namespace,
    *,
    program: str,
    version: str,
    method: str,
    seconds: list[float],
    before_s: float,
    times_ms: np.ndarray,
    cells: np.ndarray,
) -> None:
    """Leave what a run gave.

    `seconds` are the wall seconds of each repeat, of stepping alone; `before_s` those from the start of the
    process to the first step of the first (import, building, code generation, compilation). Spikes are those
    of the last repeat.
    """
    order = np.lexsort((cells, times_ms))
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez(options.out / "spikes.npz", times_ms=np.asarray(times_ms)[order], cells=np.asarray(cells)[order])
    result = {
        "program": program,
        "version": version,
        "method": method,
        "precision": options.precision,
        "threads": options.threads,
        "dt_ms": options.dt,
        "tolerance": options.tolerance,
        "duration_ms": options.duration,
        "seconds": seconds,
        "before_s": before_s,
        "spikes": len(cells),
    }
    (options.out / "result.json").write_text(json.dumps(result, indent=2))


def since_start() -> float:
    """Wall seconds since this process began to import."""
    return time.perf_counter() - STARTED
