"""Runs of hhsim and of its peers, each a process of its own, and what they took."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hhsim

HERE = Path(__file__).parent
PEERS = ("brian2", "braincell", "nest", "neuron")


@dataclass(frozen=True)
class Outcome:
    """What one program did with one circuit."""

    facts: dict[str, Any]  # program, version, method, precision, threads, dt_ms, tolerance, duration_ms, ...
    times_ms: np.ndarray  # of the spikes of the last repeat
    cells: np.ndarray  # numbered through, as in `circuit.Circuit`

    @property
    def steps(self) -> set[tuple[int, int]]:
        """Spikes as (time in steps, cell)."""
        return set(
            zip(
                np.rint(self.times_ms / self.facts["dt_ms"]).astype(int).tolist(),
                self.cells.tolist(),
                strict=True,
            )
        )


def export(config: Path, folder: Path, *settings: str, seed: int | None = None) -> Path:
    """The circuit of a config as SONATA files, for all programs alike."""
    command = ["export", str(config), "-o", str(folder)]
    for setting in settings:
        command += ["--set", setting]
    if seed is not None:
        command += ["--seed", str(seed)]
    _run([sys.executable, "-m", "hhsim.cli", *command])
    return folder


def run_hhsim(
    circuit: Path,
    duration_ms: float,
    *,
    threads: int,
    precision: str = "float64",
    method: str | None = None,
    dt_ms: float = 0.1,
    repeats: int = 1,
) -> Outcome:
    """A process for each repeat; `seconds` are what it says of stepping alone, `before_s` of all else."""
    output = circuit / "hhsim.h5"
    command = ["run", str(circuit / "config.toml"), "-o", str(output), "--force", "--json", "-q"]
    command += ["--duration", f"{duration_ms!r} ms", "--precision", precision, "--threads", str(threads)]
    command += ["--set", f'run.dt="{dt_ms!r} ms"']
    if method:
        command += ["--set", f'run.method="{method}"']
    told = [json.loads(_run([sys.executable, "-m", "hhsim.cli", *command])) for _ in range(repeats)]
    with hhsim.open(output) as recording:
        first = dict(
            zip(recording.populations, np.cumsum([0, *recording.populations.values()]), strict=False)
        )
        trains = [(spikes.times_ms, spikes.nodes + first[name]) for name, spikes in recording.spikes.items()]
    facts = {
        "program": "hhsim",
        "version": hhsim.__version__,
        "method": told[0]["method"],
        "precision": precision,
        "threads": threads,
        "dt_ms": dt_ms,
        "tolerance": None,
        "duration_ms": duration_ms,
        "seconds": [each["wall_s"]["simulate"] for each in told],
        "before_s": statistics.median(each["wall_s"]["total"] - each["wall_s"]["simulate"] for each in told),
        "spikes": sum(told[0]["spikes"].values()),
    }
    return Outcome(facts, np.concatenate([t for t, _ in trains]), np.concatenate([c for _, c in trains]))


def run_peer(peer: str, circuit: Path, duration_ms: float, *, threads: int, **options: object) -> Outcome:
    """`peer` is one of PEERS; `options` are those of `circuit.arguments`."""
    out = circuit / f"{peer}-result"
    command = [sys.executable, str(HERE / f"run_{peer}.py"), str(circuit), "--out", str(out)]
    command += ["--duration", repr(duration_ms), "--threads", str(threads)]
    for name, value in options.items():
        if value is not None:
            command += [f"--{name}", str(value)]
    _run(command)
    with np.load(out / "spikes.npz") as spikes:
        return Outcome(
            json.loads((out / "result.json").read_text()), spikes["times_ms"].copy(), spikes["cells"].copy()
        )


def _run(command: list[str]) -> str:
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nfailed:\n{done.stderr[-3000:]}")
    return done.stdout


def per_second(facts: dict[str, Any]) -> float:
    """Median wall seconds for each biological second."""
    return statistics.median(facts["seconds"]) * 1000 / facts["duration_ms"]
