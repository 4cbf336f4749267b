"""A circuit in NEURON: one section a cell, `pas`, `traub_miles.mod` beside this file, and `ExpSyn`.

    python run_neuron.py CIRCUIT --out FOLDER --duration 1000 --threads 2

The channels are compiled by `nrnivmodl`, so a C++ compiler is needed; that time is counted. Methods:

* fixed (NEURON's usual one): backward Euler for V and `cnexp` for gates and g, dt long.
* crank_nicolson: the same with `secondorder = 2`.
* cvode: steps of each cell's own length (`use_local_dt`); `--tolerance` is its `atol`, `--dt` is unused.

What is NEURON's own, whatever the circuit says: a spike is an upward crossing of the circuit's threshold,
with no refractory time. A delay of zero reaches g before the next step, as in hhsim; with several threads
NEURON asks for delays of two steps or more, and shorter ones are refused. Poisson trains are drawn here,
each from `--seed` and its cell's number, and queued as events before the run.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circuit import Circuit, arguments, number, read_circuit, since_start, write_result

# isort: split
# After `circuit`, whose clock counts the time that NEURON takes to be imported.
os.environ["NEURON_MODULE_OPTIONS"] = "-nogui"  # no notes about a display

import neuron
import numpy as np
from neuron import h

from hhsim.model import PoissonInput, StepCurrent

AREA = 20_000.0  # µm²; circuits hold whole cells' values, so any area does
PER_CM2 = 100.0 / AREA  # pF of a cell → µF/cm², or nS → mS/cm²
METHODS = ("fixed", "crank_nicolson", "cvode")
LONG = 1e9  # ms
GATES = {"na.m": "m", "na.h": "h", "k.n": "n"}


def load_channels() -> None:
    """Compile `traub_miles.mod` into a folder of its own, and load it."""
    source = Path(__file__).with_name("traub_miles.mod")
    compiler = Path(sys.executable).with_name("nrnivmodl")
    with tempfile.TemporaryDirectory(prefix="hhsim-neuron-") as folder:
        done = subprocess.run([compiler, source.parent], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"nrnivmodl failed:\n{done.stdout}{done.stderr}")
        (library,) = Path(folder).glob("*/libnrnmech.*")
        h.nrn_load_dll(str(library))


@dataclass(frozen=True)
class Network:
    """All that NEURON would forget if Python did."""

    segments: list[Any]  # [cells]
    synapses: dict[str, list[Any]]  # for each receptor, [cells]
    connections: list[Any]
    clamps: list[Any]
    times_ms: Any  # of spikes
    cells: Any  # that fired


def build(circuit: Circuit) -> Network:
    value = circuit.parameter
    segments = []
    for cell in range(circuit.size):
        section = h.Section(name=f"cell{cell}")
        section.L = section.diam = math.sqrt(AREA / math.pi)
        section.cm = circuit.capacitance * PER_CM2
        section.insert("pas")
        section.insert("traub_miles")
        segment = section(0.5)
        segment.pas.g = value("leak", "g_max") * PER_CM2 / 1000  # mS → S
        segment.pas.e = value("leak", "e_rev")
        for key in ("na", "k"):
            setattr(segment.traub_miles, f"g_{key}", value(key, "g_max") * PER_CM2 / 1000)
            setattr(segment.traub_miles, f"e_{key}", value(key, "e_rev"))
            setattr(segment.traub_miles, f"v_t_{key}", value(key, "v_t"))
        segments.append(segment)
    synapses: dict[str, list[Any]] = {}
    for receptor in circuit.receptors:
        synapses[receptor.key] = [h.ExpSyn(segment) for segment in segments]
        for synapse in synapses[receptor.key]:
            synapse.tau, synapse.e = value(receptor.key, "tau"), value(receptor.key, "e_rev")
    potentials = [segment._ref_v for segment in segments]
    threshold = circuit.cell.spike.threshold
    connections = []
    for edges in circuit.edges:
        target_of = synapses[edges.receptor]
        for source, target in zip(edges.sources.tolist(), edges.targets.tolist(), strict=True):
            connections.append(
                h.NetCon(
                    potentials[source],
                    target_of[target],
                    threshold,
                    edges.delay,
                    edges.weight / 1000,  # nS → µS
                    sec=segments[source].sec,
                )
            )
    times_ms, cells = h.Vector(), h.Vector()
    for cell, (segment, potential) in enumerate(zip(segments, potentials, strict=True)):
        detector = h.NetCon(potential, None, threshold, LONG, 0, sec=segment.sec)
        detector.record(times_ms, cells, cell)
        connections.append(detector)
    clamps = []
    for given in circuit.model.inputs:
        if isinstance(given, StepCurrent):
            for cell in circuit.cells(given).tolist():
                clamp = h.IClamp(segments[cell])
                clamp.delay, clamp.dur = given.start, min(given.stop, LONG) - given.start
                clamp.amp = number(given.amplitude) / 1000  # pA → nA
                clamps.append(clamp)
    return Network(segments, synapses, connections, clamps, times_ms, cells)


def poisson(
    circuit: Circuit, network: Network, duration: float, seed: int
) -> Iterator[tuple[Any, list[float]]]:
    """A connection for each driven cell, and the times (ms) of its events."""
    for row, given in enumerate(circuit.model.inputs):
        if not isinstance(given, PoissonInput):
            continue
        stop = min(given.stop, duration)
        for cell in circuit.cells(given).tolist():
            random = np.random.default_rng((seed, row, cell))
            count = random.poisson(given.rate * max(stop - given.start, 0))
            connection = h.NetCon(None, network.synapses[given.receptor][cell])
            connection.weight[0] = number(given.weight) / 1000
            yield connection, random.uniform(given.start, stop, count).tolist()


def prepare(circuit: Circuit, network: Network, drive: list[tuple[Any, list[float]]]) -> list[Any]:
    """What `finitialize` is to do each time: set V; then gates and g, and queue the input."""
    states = {name: values.tolist() for name, values in circuit.states.items()}

    def set_potentials() -> None:
        for segment, v in zip(network.segments, states["v"], strict=True):
            segment.v = v

    def set_others() -> None:
        for state, gate in GATES.items():
            for segment, x in zip(network.segments, states[state], strict=True):
                setattr(segment.traub_miles, gate, x)
        for receptor, synapses in network.synapses.items():
            for synapse, g in zip(synapses, states[f"g.{receptor}"], strict=True):
                synapse.g = g / 1000
        for connection, times in drive:
            for at in times:
                connection.event(at)

    # 0: before the mechanisms' INITIAL blocks. 1: after them, before solvers look at the states.
    return [h.FInitializeHandler(0, set_potentials), h.FInitializeHandler(1, set_others)]


def main() -> None:
    options = arguments(__doc__)
    method = options.method or "fixed"
    if method not in METHODS:
        raise SystemExit(f"--method {method}: NEURON is run with {', '.join(METHODS)}")
    if options.precision != "float64":
        raise SystemExit("--precision: NEURON computes in float64 alone")
    if options.tolerance is not None and method != "cvode":
        raise SystemExit("--tolerance: cvode alone has one")
    circuit = read_circuit(options.circuit)
    least = min((edges.delay for edges in circuit.edges), default=LONG)
    if options.threads > 1 and least - options.dt < options.dt:
        raise SystemExit(f"a delay of {least} ms: with several threads NEURON needs at least two steps")
    load_channels()
    network = build(circuit)
    drive = list(poisson(circuit, network, options.duration, options.seed))
    handlers = prepare(circuit, network, drive)
    parallel = h.ParallelContext()
    parallel.nthread(options.threads)
    h.dt = options.dt
    h.secondorder = 2 if method == "crank_nicolson" else 0
    solver = h.CVode()
    if method == "cvode":
        solver.active(True)
        solver.use_local_dt(True)
        if options.tolerance is not None:
            solver.atol(options.tolerance)
    seconds, before_s = [], 0.0
    for repeat in range(options.repeats):
        h.finitialize()
        if repeat == 0:
            before_s = since_start()
        begin = time.perf_counter()
        if method == "cvode":
            solver.solve(options.duration)
        else:  # not by psolve, which refuses a delay of zero
            for _ in range(round(options.duration / options.dt)):
                h.fadvance()
        seconds.append(time.perf_counter() - begin)
    handlers.clear()
    write_result(
        options,
        program="NEURON",
        version=neuron.__version__,
        method=method,
        seconds=seconds,
        before_s=before_s,
        times_ms=network.times_ms.as_numpy(),
        cells=network.cells.as_numpy().astype(np.int64),
    )


if __name__ == "__main__":
    main()
