"""hhsim and its peers side by side: one machine, one run, the same networks.

    python -m pip install -e '.[peers]'        # Python 3.12 and a C++ compiler
    python scripts/side_by_side.py             # everything, about half an hour on two cores
    python scripts/side_by_side.py --only accuracy
    python scripts/side_by_side.py --draw      # figure and tables anew from the figures kept

Circuits are exported by hhsim and given to all: the same synapses, the same initial state. Four parts:

exact       Brian2 and braincell against hhsim: every spike of the first 100 ms
speed       wall seconds for each biological second of COBAHH, against the size of the network
similarity  NEST and NEURON, which find spikes and solve equations in another way: distributions of rates,
            variability and correlations over ten seeds, with effect sizes
accuracy    how far spikes of single cells are from the exact solution, against what they cost

Figures go to scripts/figures/peers.json; scripts/figures/peers.png and the tables of README.md and
scripts/README.md are made from it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "peers"))

from draw import draw, write_readme  # noqa: E402
from exact import exact_spikes, spike_time_error  # noqa: E402
from measure import Outcome, export, per_second, run_hhsim, run_peer  # noqa: E402
from similarity import compare  # noqa: E402

from hhsim.system.machine import describe_machine  # noqa: E402

CONFIGS = HERE.parent / "configs"
KEPT = HERE / "figures" / "peers.json"
SEEDS = range(1, 11)
SIZES = (400, 4000, 40000)

# NEST has no delay shorter than a step, NEURON with several threads none shorter than two.
LEAST_DELAYS = {"brian2": "0 ms", "braincell": "0 ms", "nest": "0.1 ms", "neuron": "0.2 ms"}

# Biological milliseconds that each is timed for, by size: about ten seconds each at most.
WINDOWS_MS: dict[str, dict[int, float]] = {
    "hhsim": {400: 1000.0, 4000: 1000.0, 40000: 1000.0},
    "brian2": {400: 1000.0, 4000: 1000.0, 40000: 200.0},
    "braincell": {400: 1000.0, 4000: 500.0, 40000: 100.0},
    "nest": {400: 1000.0, 4000: 300.0, 40000: 50.0},
    "neuron": {400: 1000.0, 4000: 300.0, 40000: 50.0},
}
SIMILAR_MS = 1000.0


def exact(work: Path, threads: int) -> Iterator[dict[str, Any]]:
    """Spikes that are the same in both, of those of the first 100 ms."""
    for peer, config in (("brian2", "coba"), ("braincell", "coba_braincell")):
        circuit = export(CONFIGS / f"{config}.toml", work / config)
        ours = run_hhsim(circuit, 100.0, threads=threads)
        theirs = run_peer(peer, circuit, 100.0, threads=threads)
        yield {
            "peer": theirs.facts["program"],
            "version": theirs.facts["version"],
            "config": f"{config}.toml",
            "hhsim": len(ours.steps),
            "theirs": len(theirs.steps),
            "common": len(ours.steps & theirs.steps),
        }


def speed(work: Path, threads: int) -> Iterator[dict[str, Any]]:
    """COBAHH with 80 synapses for each cell."""
    for size in SIZES:
        sizes = (f"population.exc.size={size * 4 // 5}", f"population.inh.size={size // 5}")
        p = 80 / size
        rules = [f"projection.{i}.rule.pairwise_bernoulli={p!r}" for i in (0, 1)]
        given = {}
        for delay in dict.fromkeys(LEAST_DELAYS.values()):
            delays = [f'projection.{i}.delay="{delay}"' for i in (0, 1)]
            folder = work / f"coba-{size}-{delay.replace(' ', '')}"
            given[delay] = export(CONFIGS / "coba.toml", folder, *sizes, *rules, *delays)
        for precision in ("float64", "float32"):
            window, circuit = WINDOWS_MS["hhsim"][size], given["0 ms"]
            run_hhsim(circuit, 10.0, threads=threads, precision=precision)  # compiles
            yield _timed(run_hhsim(circuit, window, threads=threads, precision=precision, repeats=5), size)
        for peer, precision in (
            ("brian2", "float64"),
            ("braincell", "float64"),
            ("braincell", "float32"),
            ("nest", "float64"),
            ("neuron", "float64"),
        ):
            circuit, window = given[LEAST_DELAYS[peer]], WINDOWS_MS[peer][size]
            yield _timed(
                run_peer(peer, circuit, window, threads=threads, precision=precision, repeats=3), size
            )


def _timed(outcome: Outcome, size: int) -> dict[str, Any]:
    return {**outcome.facts, "cells": size, "wall_s_per_s": per_second(outcome.facts)}


def similarity(work: Path, threads: int) -> Iterator[dict[str, Any]]:
    """Ten networks for each of the two; what differs between them, in units of its spread."""
    for peer in ("nest", "neuron"):
        pairs = []
        version = ""
        for seed in SEEDS:
            circuit = export(CONFIGS / f"coba_{peer}.toml", work / f"{peer}-{seed}", seed=seed)
            # hhsim's method of second order: exponential Euler at this dt lowers the rates.
            ours = run_hhsim(circuit, SIMILAR_MS, threads=threads, method="staggered")
            # One thread: with several, NEURON allows no delay of zero.
            theirs = run_peer(peer, circuit, SIMILAR_MS, threads=1, seed=seed)
            version = theirs.facts["version"]
            pairs.append(((ours.times_ms, ours.cells), (theirs.times_ms, theirs.cells)))
            print(f"  {peer}, seed {seed}: {len(ours.cells)} and {len(theirs.cells)} spikes", file=sys.stderr)
        for row in compare(pairs, size=4000, duration_ms=SIMILAR_MS):
            yield {"peer": theirs.facts["program"], "version": version, "seeds": len(pairs), **row}


def accuracy(work: Path, threads: int) -> Iterator[dict[str, Any]]:
    """4000 cells without synapses for 500 ms."""
    circuit = export(HERE / "peers" / "accuracy.toml", work / "accuracy")
    solution = exact_spikes()
    steps = (0.1, 0.05, 0.025, 0.0125)

    def row(outcome: Outcome, label: str) -> dict[str, Any]:
        rule = "peak" if outcome.facts["program"] == "NEST" else "crossing"
        error, unmatched = spike_time_error(outcome.times_ms, outcome.cells, solution, rule)
        cost = per_second(outcome.facts)
        return {
            **outcome.facts,
            "label": label,
            "error_ms": error,
            "unmatched": unmatched,
            "wall_s_per_s": cost,
        }

    for precision in ("float64", "float32"):
        for method in ("exponential_euler", "staggered"):
            for dt in steps:
                found = run_hhsim(
                    circuit, 500.0, threads=threads, precision=precision, method=method, dt_ms=dt, repeats=3
                )
                yield row(found, f"hhsim {method}, {precision}")
    for method, usable in (("exponential_euler", steps), ("rk4", steps[1:])):  # rk4 diverges at 0.1 ms
        for dt in usable:
            found = run_peer("brian2", circuit, 500.0, threads=threads, method=method, dt=dt)
            yield row(found, f"Brian2 {method}")
    for dt in steps:
        yield row(run_peer("braincell", circuit, 500.0, threads=threads, dt=dt), "braincell")
    for dt in steps:
        yield row(run_peer("neuron", circuit, 500.0, threads=threads, dt=dt), "NEURON, fixed step")
    for tolerance in (1e-3, 1e-4, 1e-5):
        found = run_peer("neuron", circuit, 500.0, threads=threads, method="cvode", tolerance=tolerance)
        yield row(found, "NEURON, CVODE")
    # For NEST, only the grid on which spikes are found, in whole microseconds: its steps are adaptive.
    for dt in (0.1, 0.05, 0.025, 0.01):
        yield row(run_peer("nest", circuit, 500.0, threads=threads, dt=dt), "NEST, adaptive")


PARTS: dict[str, Callable[[Path, int], Iterator[dict[str, Any]]]] = {
    "exact": exact,
    "speed": speed,
    "similarity": similarity,
    "accuracy": accuracy,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part; can be repeated")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    options = parser.parse_args()
    kept: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in [] if options.draw else options.only or PARTS:
        print(f"{name}:", file=sys.stderr)
        rows: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory(prefix="hhsim-peers-") as work:
            for row in PARTS[name](Path(work), options.threads):
                rows.append(row)
                print(f"  {_short(row)}", file=sys.stderr, flush=True)
        kept[name] = {
            "date": datetime.date.today().isoformat(),
            "machine": {"processor": describe_machine()["processor"], "threads": options.threads},
            "rows": rows,
        }
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    draw(kept, KEPT.with_suffix(".png"))
    for folder in (HERE.parent, HERE):
        write_readme(kept, folder / "README.md")


def _short(row: dict[str, Any]) -> str:
    return "  ".join(f"{key} {value}" for key, value in row.items() if not isinstance(value, list | dict))


if __name__ == "__main__":
    main()
