"""A circuit in braincell: `SingleCompartment`, its channels, and brainpy's projections; JAX on the CPU.

    python run_braincell.py CIRCUIT --out FOLDER --duration 1000 --threads 2

The network is put together as in braincell's own example of COBAHH, all values being those of a whole cell.
In place of synapses drawn by braincell stand the circuit's, as sparse matrices of brainevent. `--method` is
one of its integrators of fixed step, so `--tolerance` is refused: `ind_exp_euler` if left out (exponential
Euler, each state by itself), `exp_euler` (the exponential of a matrix for each cell), `rk2`, `rk4`, ...

JAX cannot be told how many threads to use, it starts one for each processor that it may use: `--threads` is
how many the process keeps.

Spikes: `crossing` is braincell's own `get_spike`, V < θ <= V'. `level`, `peak` and refractory times, which
braincell does not have, stand in a `get_spike` of our own. A spike found at the end of step k has the time
(k + 1)·dt in spikes.npz, as in hhsim. Poisson inputs are refused.

Seconds are those of one compiled call that loops over all steps and returns who fired in each. To compile it
counts as time before the first step. It is made once to warm up, and then timed, each time from the start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from circuit import Circuit, Edges, arguments, read_circuit, since_start, write_result

# isort: split
# After `circuit`, whose clock counts the time that JAX takes to be imported, and with as
# many processors as told.
# ruff: noqa: E402
OPTIONS = arguments(__doc__)
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: OPTIONS.threads])
os.environ["JAX_PLATFORMS"] = "cpu"

import braincell
import brainevent
import brainpy
import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from hhsim.model import PoissonInput, SpikeRule

MODELS = {"leak", "Na_TM1991", "K_TM1991", "exponential"}
GATES = {"Na_TM1991": {"m": "p", "h": "q"}, "K_TM1991": {"n": "p"}}  # and braincell's names for them
OF_CABLES = {"staggered", "dhs_voltage"}  # integrators that need several compartments


def check(circuit: Circuit, method: str, tolerance: float | None) -> None:
    """Refuse what braincell would not do, or would do otherwise."""
    known = sorted({*braincell.quad.get_registry().names()} - OF_CABLES)
    unknown = {one.model for one in (*circuit.cell.channels, *circuit.receptors)} - MODELS
    refused = {
        f"--method: for cells of one compartment braincell has {', '.join(known)}": method not in known,
        "--tolerance: steps are of fixed length in braincell": tolerance is not None,
        f"nothing is written here for {', '.join(unknown)}": unknown,
        "Poisson inputs are not written for braincell": any(
            isinstance(given, PoissonInput) for given in circuit.model.inputs
        ),
    }
    for reason, holds in refused.items():
        if holds:
            raise SystemExit(f"{reason}; this circuit cannot be run")


class Cells(braincell.SingleCompartment):
    """All cells of the circuit, whose channels are attributes of the circuit's names for them."""

    def __init__(self, circuit: Circuit, method: str) -> None:
        size = circuit.size
        super().__init__(
            size,
            C=circuit.capacitance * u.pF,
            V_th=circuit.cell.spike.threshold * u.mV,
            V_initializer=circuit.states["v"] * u.mV,
            solver=method,
        )
        for one in circuit.cell.channels:
            g_max = circuit.parameter(one.key, "g_max") * u.nS
            e_rev = circuit.parameter(one.key, "e_rev") * u.mV
            if one.model == "leak":
                setattr(self, one.key, braincell.channel.IL(size, g_max=g_max, E=e_rev))
                continue
            ion = braincell.ion.SodiumFixed if one.model == "Na_TM1991" else braincell.ion.PotassiumFixed
            channel = getattr(braincell.channel, one.model)
            v_t = circuit.parameter(one.key, "v_t") * u.mV
            setattr(self, one.key, ion(size, E=e_rev))
            getattr(self, one.key).add(channel=channel(size, g_max=g_max, V_sh=v_t))


class CellsOfAnotherRule(Cells):
    """Cells that spike by one of hhsim's rules that braincell does not have."""

    def __init__(self, circuit: Circuit, method: str, rule: SpikeRule, dt: float) -> None:
        super().__init__(circuit, method)
        self.rule = rule
        self.refractory_steps = round(rule.refractory / dt)

    def init_state(self, batch_size: int | None = None) -> None:
        super().init_state(batch_size)
        self.wait = brainstate.ShortTermState(jnp.zeros(self.varshape, jnp.int32))  # steps until the next

    def get_spike(self, last_V: Any, next_V: Any) -> Any:
        if self.rule.rule == "level":
            found = next_V > self.V_th
        elif self.rule.rule == "crossing":
            found = (last_V < self.V_th) & (next_V >= self.V_th)
        else:
            found = (next_V >= self.V_th) & (next_V < last_V)
        wait = jnp.maximum(self.wait.value - 1, 0)
        found &= wait == 0
        self.wait.value = jnp.where(found, self.refractory_steps, wait)
        return found.astype(self.spike.value.dtype)


class Matrix(brainstate.nn.Module):
    """From who fired in one population to what arrives at every cell."""

    def __init__(self, edges: Edges, first: int, sources: int, targets: int) -> None:
        super().__init__()
        self.in_size, self.out_size = sources, targets
        order = np.argsort(edges.sources, kind="stable")
        ends = np.cumsum(np.bincount(edges.sources - first, minlength=sources))
        weight = jnp.asarray([edges.weight]) * u.nS
        columns = jnp.asarray(edges.targets[order], jnp.int32)
        starts = jnp.asarray(np.concatenate([[0], ends]), jnp.int32)
        self.synapses = brainevent.CSR((weight, columns, starts), shape=(sources, targets))

    def update(self, spikes: Any) -> Any:
        # A delay comes out of floating-point arithmetic: its neighbours' spikes are there, times 1e-16.
        return brainevent.BinaryArray(spikes > 0.5) @ self.synapses


def silent(circuit: Circuit) -> list[Edges]:
    """No synapses, for each receptor that has none and yet a g."""
    none = np.zeros(0, np.int64)
    population = next(iter(circuit.first))
    keys = [one.key for one in circuit.receptors if circuit.states[f"g.{one.key}"].any()]
    reached = {edges.receptor for edges in circuit.edges}
    return [Edges(population, key, 0.0, 0.0, none, none) for key in keys if key not in reached]


class Network(brainstate.nn.Module):
    def __init__(self, circuit: Circuit, method: str, dt: float, steps: int) -> None:
        super().__init__()
        rule = circuit.cell.spike
        if rule.rule == "crossing" and not rule.refractory:
            self.cells = Cells(circuit, method)
        else:
            self.cells = CellsOfAnotherRule(circuit, method, rule, dt)
        self.sources, self.projections = [], []
        for edges in (*circuit.edges, *silent(circuit)):
            first, size = circuit.first[edges.source], circuit.model.populations[edges.source].size
            self.sources.append(slice(first, first + size))
            self.projections.append(self.projection(circuit, edges, first, size, dt))
        currents = circuit.currents(dt, steps)
        begins = [begin for begin, _ in currents]
        self.current_of_step = np.searchsorted(begins, np.arange(steps), side="right") - 1
        self.currents = jnp.asarray(np.array([current for _, current in currents])) * u.pA

    def projection(self, circuit: Circuit, edges: Edges, first: int, size: int, dt: float) -> Any:
        """Those to the same receptor share its g."""
        key = edges.receptor
        tau = circuit.parameter(key, "tau")
        # In each step g decays before spikes are added to it and it acts; in hhsim afterwards.
        g = circuit.states[f"g.{key}"] * np.exp(dt / tau)
        return brainpy.state.AlignPostProj(
            comm=Matrix(edges, first, size, circuit.size),
            syn=brainpy.state.Expon.desc(circuit.size, tau=tau * u.ms, g_initializer=g * u.nS),
            out=brainpy.state.COBA.desc(E=circuit.parameter(key, "e_rev") * u.mV),
            post=self.cells,
            label=key,
            delay=edges.delay * u.ms if edges.delay else None,
        )

    def start(self, circuit: Circuit) -> None:
        """All states as the circuit has them."""
        brainstate.nn.init_all_states(self)
        for one in circuit.cell.channels:
            for gate, name in GATES.get(one.model, {}).items():
                state = getattr(getattr(self.cells, one.key).channels["channel"], name)
                values = circuit.states.get(f"{one.key}.{gate}", np.zeros(circuit.size))
                state.value = jnp.asarray(values, state.value.dtype)

    def update(self, k: Any, current: Any) -> Any:
        with brainstate.environ.context(i=k, t=k * brainstate.environ.get_dt()):
            spikes = self.cells.spike.value
            for sources, projection in zip(self.sources, self.projections, strict=True):
                projection(spikes[sources])
            return self.cells(self.currents[current]) > 0


def runner(network: Network, steps: int) -> Callable[[], Any]:
    """A call that takes all steps from the state in which the network is now, every time; it is compiled."""
    loop = brainstate.transform.jit(
        lambda k, current: brainstate.transform.for_loop(network.update, k, current)
    )
    inputs = jnp.arange(steps), jnp.asarray(network.current_of_step)
    beginning = [(state, state.value) for state in network.states().values()]
    loop.compile(*inputs)

    def run() -> Any:
        for state, value in beginning:
            state.value = value
        return jax.block_until_ready(loop(*inputs))

    return run


def main() -> None:
    method = OPTIONS.method or "ind_exp_euler"
    circuit = read_circuit(OPTIONS.circuit)
    check(circuit, method, OPTIONS.tolerance)
    dt, steps = OPTIONS.dt, round(OPTIONS.duration / OPTIONS.dt)
    brainstate.environ.set(precision=64 if OPTIONS.precision == "float64" else 32, dt=dt * u.ms)
    network = Network(circuit, method, dt, steps)
    network.start(circuit)
    run = runner(network, steps)
    before_s = since_start()
    run()  # JAX compiles a second time at its first call
    seconds = []
    for _ in range(OPTIONS.repeats):
        begin = time.perf_counter()
        spikes = run()
        seconds.append(time.perf_counter() - begin)
    if not np.isfinite(network.cells.V.value.to_decimal(u.mV)).all():
        raise SystemExit(f"{method} diverged with steps of {dt} ms")
    found, cells = np.nonzero(np.asarray(spikes))
    write_result(
        OPTIONS,
        program="braincell",
        version=braincell.__version__,
        method=method,
        seconds=seconds,
        before_s=before_s,
        times_ms=(found + 1) * dt,
        cells=cells,
    )


if __name__ == "__main__":
    main()
