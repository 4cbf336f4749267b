"""A circuit in NEST: `hh_cond_exp_traub`, the model that NEST has for COBAHH.

    python run_nest.py CIRCUIT --out FOLDER --duration 1000 --threads 2

What is NEST's own, whatever the circuit says:

* A spike is where V is at or above V_T + 30 mV and falls, 2 ms apart. A circuit that asks for peaks is held
  to that threshold, and sets the refractory time.
* The solver is GSL's rkf45 with adaptive steps. Its tolerance is written into the model's source, so
  `--tolerance` is refused; dt is the grid on which spikes are seen and arrive.
* A delay is at least one step. Spikes enter g after V has moved: one that is sent at t with the delay d acts
  on V from t + d on.

Poisson input comes through a `poisson_generator`, which draws a train for each of its targets and reaches
them one step late. Currents are `I_e`, set between two stretches of the run.
"""

from __future__ import annotations

import os
import time
from itertools import pairwise

from circuit import Circuit, arguments, number, read_circuit, since_start, write_result

# isort: split
# After `circuit`, whose clock counts the time that NEST takes to be imported.
os.environ["PYNEST_QUIET"] = "1"  # no banner on stdout

import nest
import numpy as np

from hhsim.model import PoissonInput, StepCurrent

PORTS = (("ex", 1.0), ("in", -1.0))  # NEST tells its two receptors apart by the sign of the weight


def check(circuit: Circuit, dt: float, tolerance: float | None, precision: str, method: str | None) -> None:
    """Refuse what NEST would not do, or would do otherwise."""
    _, na, k = circuit.traub_miles()
    spike, v_t = circuit.cell.spike, circuit.parameter(na, "v_t")
    refused = {
        "--method: NEST's hh_cond_exp_traub knows rkf45 alone": method not in (None, "rkf45"),
        "--precision: NEST computes in float64 alone": precision != "float64",
        "--tolerance: that of hh_cond_exp_traub is fixed": tolerance is not None,
        f"hh_cond_exp_traub has {len(PORTS)} receptors": len(circuit.receptors) > len(PORTS),
        "hh_cond_exp_traub has one v_t for both channels": circuit.parameter(k, "v_t") != v_t,
        "hh_cond_exp_traub sees peaks above v_t + 30 mV alone": spike.rule == "peak"
        and spike.threshold != v_t + 30,
        f"in NEST a delay is at least one step of {dt} ms": any(e.delay < dt / 2 for e in circuit.edges),
    }
    for reason, holds in refused.items():
        if holds:
            raise SystemExit(reason)


def parameters(circuit: Circuit) -> dict[str, float]:
    """Those of `hh_cond_exp_traub`, in its units: mV, nS, pF, ms."""
    leak, na, k = circuit.traub_miles()
    values = {
        "C_m": circuit.capacitance,
        "g_L": circuit.parameter(leak, "g_max"),
        "E_L": circuit.parameter(leak, "e_rev"),
        "g_Na": circuit.parameter(na, "g_max"),
        "E_Na": circuit.parameter(na, "e_rev"),
        "g_K": circuit.parameter(k, "g_max"),
        "E_K": circuit.parameter(k, "e_rev"),
        "V_T": circuit.parameter(na, "v_t"),
    }
    if circuit.cell.spike.rule == "peak":
        values["t_ref"] = circuit.cell.spike.refractory
    for receptor, (port, _) in zip(circuit.receptors, PORTS, strict=False):
        values[f"tau_syn_{port}"] = circuit.parameter(receptor.key, "tau")
        values[f"E_{port}"] = circuit.parameter(receptor.key, "e_rev")
    return values


def signs(circuit: Circuit) -> dict[str, float]:
    """The sign that leads a weight to its receptor."""
    return {receptor.key: sign for receptor, (_, sign) in zip(circuit.receptors, PORTS, strict=False)}


def build(circuit: Circuit, dt: float, threads: int, seed: int, start: float) -> tuple[object, object]:
    """A fresh network whose inputs count from `start` (ms); its cells, numbered from 1, and the recorder."""
    nest.ResetKernel()
    nest.set(resolution=dt, local_num_threads=threads, rng_seed=seed)
    cells = nest.Create("hh_cond_exp_traub", circuit.size, parameters(circuit))
    recorder = nest.Create("spike_recorder", params={"origin": start})
    nest.Connect(cells, recorder)
    sign = signs(circuit)
    for edges in circuit.edges:
        here = np.ones(len(edges.sources))
        weights = {"weight": here * edges.weight * sign[edges.receptor], "delay": here * edges.delay}
        nest.Connect(edges.sources + 1, edges.targets + 1, "one_to_one", weights)
    for given in circuit.model.inputs:
        if isinstance(given, PoissonInput):
            values = {"rate": given.rate * 1000, "origin": start, "start": given.start}  # 1/ms → Hz
            if np.isfinite(given.stop):
                values["stop"] = given.stop
            generator = nest.Create("poisson_generator", params=values)
            weight = number(given.weight) * sign[given.receptor]
            targets = nest.NodeCollection(circuit.cells(given) + 1)
            nest.Connect(generator, targets, "all_to_all", {"weight": weight, "delay": dt})
    return cells, recorder


def conduct(circuit: Circuit, cells: object, dt: float) -> None:
    """Give the cells their initial g, which NEST lets nobody set: spikes of that weight do it.

    They are in g two steps later, when V and the gates are set.
    """
    generator = nest.Create("spike_generator", params={"spike_times": [dt]})
    for key, sign in signs(circuit).items():
        g = circuit.states[f"g.{key}"]
        filled = np.flatnonzero(g)
        if len(filled):
            sources = np.full(len(filled), generator.tolist()[0])
            here = {"weight": sign * g[filled], "delay": np.full(len(filled), dt)}
            nest.Connect(sources, filled + 1, "one_to_one", here)
    cells.V_m = -100.0  # far from a spike
    nest.Simulate(2 * dt)


def states(circuit: Circuit) -> dict[str, np.ndarray]:
    """Initial V and gates under NEST's names."""
    _, na, k = circuit.traub_miles()
    names = {"V_m": "v", "Act_m": f"{na}.m", "Inact_h": f"{na}.h", "Act_n": f"{k}.n"}
    return {name: circuit.states[state] for name, state in names.items()}


def stretches(circuit: Circuit, duration: float, dt: float) -> list[tuple[float, np.ndarray]]:
    """Lengths (ms) of time in which currents stay as they are, and the current of each cell, pA."""
    currents = [given for given in circuit.model.inputs if isinstance(given, StepCurrent)]
    ends = [min(t, duration) for given in currents for t in (given.start, given.stop)]
    times = sorted({round(t / dt) for t in (0.0, duration, *ends)})
    found = []
    for begin, end in pairwise(times):
        total = np.zeros(circuit.size)
        for given in currents:
            if given.start < (begin + 0.5) * dt < given.stop:
                total[circuit.cells(given)] += number(given.amplitude)
        found.append(((end - begin) * dt, total))
    return found


def main() -> None:
    options = arguments(__doc__)
    nest.verbosity = nest.VerbosityLevel.ERROR
    circuit = read_circuit(options.circuit)
    check(circuit, options.dt, options.tolerance, options.precision, options.method)
    given_g = any(circuit.states[f"g.{receptor.key}"].any() for receptor in circuit.receptors)
    start = 2 * options.dt if given_g else 0.0
    parts = stretches(circuit, options.duration, options.dt)
    seconds, before_s = [], 0.0
    for repeat in range(options.repeats):
        cells, recorder = build(circuit, options.dt, options.threads, options.seed, start)
        if given_g:
            conduct(circuit, cells, options.dt)
        for name, values in states(circuit).items():
            setattr(cells, name, values)
        cells.I_e = parts[0][1]
        nest.Prepare()
        if repeat == 0:
            before_s = since_start()
        begin = time.perf_counter()
        for length, current in parts:
            if len(parts) > 1:
                cells.I_e = current
            nest.Run(length)
        seconds.append(time.perf_counter() - begin)
        nest.Cleanup()
    events = recorder.events
    write_result(
        options,
        program="NEST",
        version=nest.__version__,
        method="rkf45",
        seconds=seconds,
        before_s=before_s,
        times_ms=events["times"] - start,
        cells=events["senders"] - 1,
    )


if __name__ == "__main__":
    main()
