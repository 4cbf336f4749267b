"""COBAHH in hhsim and in Brian2 (C++ standalone, OpenMP): same synapses, same initial state, one run.

    python -m pip install -e '.[peers]'        # and a C++ compiler
    python scripts/against_brian2.py --threads 2 --repeats 3

The network of `configs/coba.toml` is exported as SONATA files, which both programs read. First both record
the spikes of the first 100 ms, which are compared one by one; then both are timed in turn over the whole
duration, without Brian2's code generation and compilation, and without hhsim's. Where Brian2 needs another
Python or NumPy than hhsim, name that environment's interpreter: `--brian2-python PATH` (with h5py).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

CONFIG = Path(__file__).parent.parent / "configs" / "coba.toml"
EQUATIONS = """
dv/dt = (g_l*(E_l-v) + ge*(0*mV-v) + gi*(-80*mV-v)
         - g_na*(m*m*m)*h*(v-50*mV) - g_k*(n*n*n*n)*(v+90*mV))/C : volt
dm/dt = alpha_m*(1-m)-beta_m*m : 1
dn/dt = alpha_n*(1-n)-beta_n*n : 1
dh/dt = alpha_h*(1-h)-beta_h*h : 1
dge/dt = -ge/(5*ms) : siemens
dgi/dt = -gi/(10*ms) : siemens
alpha_m = 0.32*mV**-1*4*mV/exprel((13*mV-v+VT)/(4*mV))/ms : Hz
beta_m = 0.28*mV**-1*5*mV/exprel((v-VT-40*mV)/(5*mV))/ms : Hz
alpha_h = 0.128*exp((17*mV-v+VT)/(18*mV))/ms : Hz
beta_h = 4./(1+exp((40*mV-v+VT)/(5*mV)))/ms : Hz
alpha_n = 0.032*mV**-1*5*mV/exprel((15*mV-v+VT)/(5*mV))/ms : Hz
beta_n = 0.5*exp((10*mV-v+VT)/(40*mV))/ms : Hz
"""


def brian2(network: Path, milliseconds: float, threads: int, folder: str, repeats: int) -> dict[str, object]:
    """Build once, run `repeats` times; wall seconds of Brian2's own run loop, and the spikes."""
    import brian2 as b

    b.set_device("cpp_standalone", build_on_run=False, directory=folder)
    b.prefs.devices.cpp_standalone.openmp_threads = threads if threads > 1 else 0
    b.defaultclock.dt = 0.1 * b.ms
    names = {
        "g_l": 10 * b.nS,
        "E_l": -60 * b.mV,
        "g_na": 20 * b.uS,
        "g_k": 6 * b.uS,
        "C": 200 * b.pF,
        "VT": -63 * b.mV,
    }
    with h5py.File(network / "nodes.h5") as nodes:
        sizes = {name: group["0/v"].shape[0] for name, group in nodes["nodes"].items()}
        states = {
            s: np.concatenate([nodes[f"nodes/{p}/0/{s}"][:] for p in sizes]) for s in ("v", "g.exc", "g.inh")
        }
    first = dict(zip(sizes, np.cumsum([0, *sizes.values()]), strict=False))
    group = b.NeuronGroup(
        sum(sizes.values()),
        EQUATIONS,
        threshold="v > -20*mV",
        refractory=3 * b.ms,
        method="exponential_euler",
        namespace=names,
    )
    group.v, group.ge, group.gi = states["v"] * b.mV, states["g.exc"] * b.nS, states["g.inh"] * b.nS
    objects: list[object] = [group]
    with h5py.File(network / "edges.h5") as edges:
        for source, effect in (("exc", "ge += 6*nS"), ("inh", "gi += 67*nS")):
            pairs = [(edge["source_node_id"], edge["target_node_id"]) for edge in edges["edges"].values()]
            chosen = [(s, t) for s, t in pairs if s.attrs["node_population"] == source]
            i = np.concatenate([s[:].astype(int) + first[source] for s, _ in chosen])
            j = np.concatenate([t[:].astype(int) + first[t.attrs["node_population"]] for _, t in chosen])
            synapses = b.Synapses(group, group, on_pre=effect)
            synapses.connect(i=i, j=j)
            objects.append(synapses)
    monitor = b.SpikeMonitor(group)
    model = b.Network(*objects, monitor)
    model.run(milliseconds * b.ms)
    begin = time.perf_counter()
    b.device.build(directory=folder, compile=True, run=False)
    building = time.perf_counter() - begin
    seconds = []
    for _ in range(repeats):
        b.device.run(with_output=False)
        seconds.append(float(b.device._last_run_time))
    spikes = np.stack([np.rint(monitor.t / b.ms / 0.1).astype(int), np.asarray(monitor.i)], 1)
    return {"seconds": seconds, "building": building, "spikes": spikes.tolist()}


def hhsim(network: Path, milliseconds: float, threads: int, output: Path) -> tuple[float, np.ndarray]:
    """One run as a process of its own: its `simulate` seconds, and its spikes."""
    command = ["run", str(network / "config.toml"), "-o", str(output), "--threads", str(threads)]
    command += ["--duration", f"{milliseconds} ms", "--force", "--json", "-q"]
    result = subprocess.run([sys.executable, "-m", "hhsim.cli", *command], check=True, capture_output=True)
    import hhsim as package

    with package.open(output) as recording:
        sizes, spikes = recording.populations, recording.spikes
        first = dict(zip(sizes, np.cumsum([0, *sizes.values()]), strict=False))
        found = np.concatenate([np.stack([spikes[p].steps, spikes[p].nodes + first[p]], 1) for p in sizes])
    return json.loads(result.stdout)["wall_s"]["simulate"], found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--milliseconds", type=float, default=1000.0)
    parser.add_argument("--brian2-python", default=sys.executable)
    parser.add_argument(
        "--only-brian2", nargs=3, help=argparse.SUPPRESS
    )  # a process of its own for each build
    options = parser.parse_args()
    if options.only_brian2:
        network, milliseconds, folder = options.only_brian2
        result = brian2(Path(network), float(milliseconds), options.threads, folder, options.repeats)
        Path(folder, "result.json").write_text(json.dumps(result))
        return
    work = Path(tempfile.mkdtemp(prefix="hhsim-brian2-"))
    try:
        compare(work, options.threads, options.repeats, options.milliseconds, options.brian2_python)
    finally:
        shutil.rmtree(work)


def compare(work: Path, threads: int, repeats: int, milliseconds: float, python: str) -> None:
    network = work / "network"
    export = [sys.executable, "-m", "hhsim.cli", "export", str(CONFIG), "-o", str(network)]
    subprocess.run(export, check=True, capture_output=True)

    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def peer(duration: float, times: int) -> dict[str, list]:
        folder = work / f"brian2-{duration:g}-{times}"
        folder.mkdir()
        command = [python, __file__, "--only-brian2", str(network), str(duration), str(folder)]
        subprocess.run(
            [*command, "--threads", str(threads), "--repeats", str(times)],
            check=True,
            stdout=subprocess.DEVNULL,
            env=bare,
        )
        return json.loads((folder / "result.json").read_text())

    theirs = {tuple(row) for row in peer(100.0, 1)["spikes"]}
    # A spike of step k is one that Brian2 finds at the end of step k, whose time it calls k·dt.
    ours = {tuple(row) for row in hhsim(network, 100.0, threads, work / "check.h5")[1].tolist()}
    print(f"first 100 ms: {len(ours)} spikes in hhsim, {len(theirs)} in Brian2, {len(ours & theirs)} in both")

    hhsim(network, milliseconds, threads, work / "out.h5")  # compiles
    result = peer(milliseconds, repeats)
    seconds = [hhsim(network, milliseconds, threads, work / "out.h5")[0] for _ in range(repeats)]
    scale = 1000 / milliseconds
    us, them = statistics.median(seconds) * scale, statistics.median(result["seconds"]) * scale
    print(f"threads {threads}, {repeats} runs each, medians, wall seconds for each biological second:")
    print(f"  hhsim   {us:8.3f}")
    print(f"  Brian2  {them:8.3f}   (and {result['building']:.1f} s of code generation and compilation)")
    print(f"  ratio   {them / us:8.1f}")


if __name__ == "__main__":
    main()
