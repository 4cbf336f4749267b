"""A circuit in Brian2: C++ standalone, OpenMP where there are several threads.

    python run_brian2.py CIRCUIT --out FOLDER --duration 1000 --threads 2

Needs a C++ compiler. `--method` is one of Brian2's state updaters of fixed step (`exponential_euler` if left
out, `euler`, `rk2`, `rk4`), so `--tolerance` is refused. `--threads 1` is built without OpenMP.

Spikes: `level` is Brian2's threshold `v > θ` with its refractory time; `crossing` is `v >= θ`, and a cell is
refractory while it is still there, which makes it an upward crossing. `peak` is refused. To a spike that it
finds at the end of step k Brian2 gives the time k·dt; in spikes.npz it is (k + 1)·dt, as in hhsim.

Seconds are those that the compiled program measures around its own run loop; what else the first run takes
(reading its arrays, making its synapses, writing its results) counts as time before the first step.
Poisson inputs are `PoissonInput`s with one source: at most one spike of a cell in each step, at its end.
"""

from __future__ import annotations

import math
import tempfile

from circuit import Circuit, arguments, number, read_circuit, since_start, write_result

# isort: split
# After `circuit`, whose clock counts the time that Brian2 takes to be imported.
import brian2 as b
import numpy as np

from hhsim.model import Mechanism, PoissonInput

METHODS = ("exponential_euler", "euler", "rk2", "rk4")
# Each with the current that it gives, and with the equations of its gates; {c} is its name in the cell.
CHANNELS = {
    "leak": ("g_{c}*(E_{c} - v)", ""),
    "Na_TM1991": (
        "g_{c}*(m_{c}*m_{c}*m_{c})*h_{c}*(E_{c} - v)",
        """
        u_{c} = v - VT_{c} : volt
        dm_{c}/dt = alpha_m_{c}*(1 - m_{c}) - beta_m_{c}*m_{c} : 1
        dh_{c}/dt = alpha_h_{c}*(1 - h_{c}) - beta_h_{c}*h_{c} : 1
        alpha_m_{c} = 0.32*4/exprel((13*mV - u_{c})/(4*mV))/ms : Hz
        beta_m_{c} = 0.28*5/exprel((u_{c} - 40*mV)/(5*mV))/ms : Hz
        alpha_h_{c} = 0.128*exp((17*mV - u_{c})/(18*mV))/ms : Hz
        beta_h_{c} = 4/(1 + exp((40*mV - u_{c})/(5*mV)))/ms : Hz
        """,
    ),
    "K_TM1991": (
        "g_{c}*(n_{c}*n_{c}*n_{c}*n_{c})*(E_{c} - v)",
        """
        u_{c} = v - VT_{c} : volt
        dn_{c}/dt = alpha_n_{c}*(1 - n_{c}) - beta_n_{c}*n_{c} : 1
        alpha_n_{c} = 0.032*5/exprel((15*mV - u_{c})/(5*mV))/ms : Hz
        beta_n_{c} = 0.5*exp((10*mV - u_{c})/(40*mV))/ms : Hz
        """,
    ),
    "exponential": ("g_{c}*(E_{c} - v)", "dg_{c}/dt = -g_{c}/tau_{c} : siemens"),
}
PARAMETERS = {"g_max": ("g", b.nS), "e_rev": ("E", b.mV), "v_t": ("VT", b.mV), "tau": ("tau", b.ms)}


def check(circuit: Circuit, method: str, tolerance: float | None) -> None:
    """Refuse what Brian2 would not do, or would do otherwise."""
    models = {mechanism.model for mechanism in mechanisms(circuit)}
    spike = circuit.cell.spike
    refused = {
        f"--method: of Brian2's, {', '.join(METHODS)} solve these equations": method not in METHODS,
        "--tolerance: steps are of fixed length here": tolerance is not None,
        f"no equations are written here for {', '.join(models - CHANNELS.keys())}": models - CHANNELS.keys(),
        "the spike rule `peak` asks for the potential before the step, which a threshold of Brian2 does not "
        "know": spike.rule == "peak",
        "a cell that starts above the threshold would spike in Brian2": spike.rule == "crossing"
        and np.any(circuit.states["v"] >= spike.threshold),
    }
    for reason, holds in refused.items():
        if holds:
            raise SystemExit(f"{reason}; this circuit cannot be run")


def mechanisms(circuit: Circuit) -> tuple[Mechanism, ...]:
    return (*circuit.cell.channels, *circuit.receptors)


def equations(circuit: Circuit, driven: bool) -> str:
    """Of one cell, with a current `I` if any is injected."""
    parts = [CHANNELS[one.model] for one in mechanisms(circuit)]
    keys = [one.key for one in mechanisms(circuit)]
    currents = [current.format(c=key) for key, (current, _) in zip(keys, parts, strict=True)]
    gates = [text.format(c=key) for key, (_, text) in zip(keys, parts, strict=True)]
    total = " + ".join(currents + ["I"] * driven)
    return "\n".join([f"dv/dt = ({total})/C : volt", *["I : amp"] * driven, *gates])


def names(circuit: Circuit) -> dict[str, b.Quantity]:
    """What the constants in the equations stand for."""
    values = {"C": circuit.capacitance * b.pF, "theta": circuit.cell.spike.threshold * b.mV}
    for one in mechanisms(circuit):
        for parameter in one.parameters:
            name, unit = PARAMETERS[parameter]
            values[f"{name}_{one.key}"] = circuit.parameter(one.key, parameter) * unit
    return values


def spike_rule(circuit: Circuit) -> dict[str, object]:
    """The arguments of NeuronGroup that say what a spike is."""
    spike = circuit.cell.spike
    if spike.rule == "level":
        refractory = spike.refractory * b.ms if spike.refractory else False
        return {"threshold": "v > theta", "refractory": refractory}
    since = f" or timestep(t - lastspike, dt) < timestep({spike.refractory}*ms, dt)" * bool(spike.refractory)
    return {"threshold": "v >= theta", "refractory": f"v >= theta{since}"}


def cells(circuit: Circuit, method: str, dt: float, steps: int) -> b.NeuronGroup:
    """All cells in their initial state, with their currents."""
    currents = circuit.currents(dt, steps)
    driven = any(current.any() for _, current in currents)
    group = b.NeuronGroup(
        circuit.size,
        equations(circuit, driven),
        method=method,
        namespace=names(circuit),
        **spike_rule(circuit),
    )
    for state, values in circuit.states.items():
        if state == "v":
            group.v = values * b.mV
        elif state.startswith("g."):
            setattr(group, state.replace(".", "_"), values * b.nS)
        else:
            channel, gate = state.split(".")
            setattr(group, f"{gate}_{channel}", values)
    if driven and len(currents) == 1:
        group.I = currents[0][1] * b.pA
    elif driven:
        every = math.gcd(*(begin for begin, _ in currents))  # the longest grid on which all changes lie
        begins = [begin for begin, _ in currents]
        rows = np.searchsorted(begins, np.arange(0, begins[-1] + 1, every), side="right") - 1
        table = np.array([current for _, current in currents])[rows]
        group.namespace["currents"] = b.TimedArray(table * b.pA, dt=every * dt * b.ms)
        group.run_regularly("I = currents(t, i)", dt=every * dt * b.ms, when="start")
    return group


def synapses(circuit: Circuit, group: b.NeuronGroup) -> list[b.Synapses]:
    made = []
    for edges in circuit.edges:
        given = b.Synapses(
            group,
            group,
            on_pre=f"g_{edges.receptor}_post += weight",
            delay=edges.delay * b.ms,
            namespace={"weight": edges.weight * b.nS},
        )
        given.connect(i=edges.sources, j=edges.targets)
        made.append(given)
    return made


def trains(circuit: Circuit, group: b.NeuronGroup) -> list[b.PoissonInput]:
    made = []
    for given in circuit.model.inputs:
        if isinstance(given, PoissonInput):
            chosen = circuit.cells(given)
            stop = f" and t < {given.stop - 1e-6}*ms" if math.isfinite(given.stop) else ""  # t is rounded
            weight = f"int(t >= {given.start - 1e-6}*ms{stop})*{number(given.weight)}*nS"
            part = group[int(chosen[0]) : int(chosen[-1]) + 1]
            made.append(b.PoissonInput(part, f"g_{given.receptor}", 1, given.rate / b.ms, weight))
    return made


def main() -> None:
    options = arguments(__doc__)
    method = options.method or "exponential_euler"
    circuit = read_circuit(options.circuit)
    check(circuit, method, options.tolerance)
    dt, steps = options.dt, round(options.duration / options.dt)
    with tempfile.TemporaryDirectory(prefix="hhsim-brian2-") as folder:
        b.set_device("cpp_standalone", build_on_run=False, directory=folder)
        b.prefs.devices.cpp_standalone.openmp_threads = options.threads if options.threads > 1 else 0
        b.prefs.core.default_float_dtype = np.dtype(options.precision).type
        b.defaultclock.dt = dt * b.ms
        b.seed(options.seed)
        group = cells(circuit, method, dt, steps)
        monitor = b.SpikeMonitor(group)
        network = b.Network(group, *synapses(circuit, group), *trains(circuit, group), monitor)
        network.run(steps * dt * b.ms)
        b.device.build(directory=folder, compile=True, run=False)
        seconds = []
        for repeat in range(options.repeats):
            b.device.run(with_output=False)
            seconds.append(float(b.device._last_run_time))
            if repeat == 0:
                before_s = since_start() - seconds[0]
        if not np.isfinite(np.asarray(group.v)).all():
            raise SystemExit(f"{method} diverged with steps of {dt} ms")
        found = np.rint(np.asarray(monitor.t / b.ms) / dt), np.asarray(monitor.i).copy()
    write_result(
        options,
        program="Brian2",
        version=b.__version__,
        method=method,
        seconds=seconds,
        before_s=before_s,
        times_ms=(found[0] + 1) * dt,
        cells=found[1],
    )


if __name__ == "__main__":
    main()
