"""How runs on several ranks scale here, and what would give out first on machines with many more.

    python scripts/rank_scaling.py [--repeats 3] [--duration "200 ms"]     both, as tables in Markdown

Networks are those of configs/coba_100k.toml with delays of 1 ms, run by `mpiexec -n N hhsim run`; the figure
of each row is the median of the repeats, which take turns, so that a busy machine disturbs all alike. The
costs of a cell and step, of an event and of an exchange are measured, and from them follows the estimate
for 16, 256 and 4096 ranks: it is arithmetic, written out in `estimate`, and nothing in it was run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
CONFIG = HERE.parents[1] / "configs" / "coba_100k.toml"
DENSE = CONFIG.with_name("cortical.toml")
MPIEXEC = Path(sys.executable).with_name("mpiexec")
DELAYS = ('projection.0.delay="1 ms"', 'projection.1.delay="1 ms"')
HHSIM = (sys.executable, "-c", "import sys; from hhsim.cli import main; sys.exit(main())")

RATE_HZ = 20.0  # of each cell, in the estimate
STEPS_PER_S = 10_000
EPOCH_STEPS = 11  # delays of 1 ms and steps of 0.1 ms
STATE_BYTES = 8 * 12  # of a cell, float64: 8 rows of state, and what waits to arrive
TARGET_BYTES = 2.0  # of a synapse of a uniform projection


@dataclass(frozen=True)
class Costs:
    """Of one core, measured here."""

    cell_step_ns: float
    event_ns: float
    exchange_us: float  # of an empty exchange
    spike_ns: float  # that an exchange takes more for each spike in it, which every rank receives


def run(ranks: int, threads: int, duration: str, settings: Sequence[str], folder: str) -> dict[str, Any]:
    """What `hhsim run --json` tells of one run."""
    start = () if ranks == 1 else (str(MPIEXEC), "-n", str(ranks))
    overrides = [word for each in (*DELAYS, *settings) for word in ("--set", each)]
    output = ("-o", f"{folder}/out.h5", "--force", "--json", "-q")
    asked = ("run", str(CONFIG), "--duration", duration, "--threads", str(threads), *overrides, *output)
    done = subprocess.run([*start, *HHSIM, *asked], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def sized(cells: int, degree: int = 80) -> tuple[str, ...]:
    return (
        f"population.exc.size={cells * 4 // 5}",
        f"population.inh.size={cells // 5}",
        f"projection.0.rule.fixed_outdegree={degree}",
        f"projection.1.rule.fixed_outdegree={degree}",
        f'projection.0.weight="{6 * 80 / max(degree, 80):g} nS"',  # the same input whatever the degree
        f'projection.1.weight="{67 * 80 / max(degree, 80):g} nS"',
    )


ROWS = {  # what is run: ranks, threads of each, cells, synapses of each cell
    "1 × 1, 100k": (1, 1, 100_000, 80),
    "1 × 2, 100k": (1, 2, 100_000, 80),
    "2 × 1, 100k": (2, 1, 100_000, 80),
    "1 × 1, 50k": (1, 1, 50_000, 80),
}


def measure(repeats: int, duration: str) -> dict[str, list[dict[str, Any]]]:
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in ROWS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            for name, (ranks, threads, cells, degree) in ROWS.items():
                told[name].append(run(ranks, threads, duration, sized(cells, degree), folder))
    return told


def memory() -> Iterator[str]:
    """What a network takes in each rank beside the program: its peak less that of 1000 cells."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for ranks, threads in ((1, 1), (1, 2), (2, 1)):
            peaks = [
                run(ranks, threads, "2 ms", sized(*size), folder)["peak_rss_bytes"]
                for size in ((1000, 80), (100_000, 1000))
            ]
            found[ranks, threads] = peaks[1] - peaks[0]
    yield "100,000 cells with 1000 synapses each take, beside the program itself:"
    for (ranks, threads), size in found.items():
        yield f"- {ranks} × {threads}: {size / 1e6:.0f} MB in each rank"


def median(told: Sequence[dict[str, Any]]) -> float:
    """Wall seconds of simulation."""
    return statistics.median(each["wall_s"]["simulate"] for each in told)


def scaling(told: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    yield "| | ranks × threads | cells | simulated in | efficiency | memory of a rank |"
    yield "|---|---|---:|---:|---:|---:|"
    alone = median(told["1 × 1, 100k"])
    half = median(told["1 × 1, 50k"])
    for kind, name, ideal in (
        ("strong", "1 × 1, 100k", alone),
        ("strong", "1 × 2, 100k", alone / 2),
        ("strong", "2 × 1, 100k", alone / 2),
        ("weak", "1 × 1, 50k", half),
        ("weak", "2 × 1, 100k", half),
    ):
        seconds, first = median(told[name]), told[name][0]
        yield (
            f"| {kind} | {first['ranks']} × {first['threads']} | {first['neurons']:,} | {seconds:.2f} s | "
            f"{ideal / seconds:.0%} | {first['peak_rss_bytes'] / 1e6:.0f} MB |"
        )
    pairs = zip(told["2 × 1, 100k"], told["1 × 2, 100k"], strict=True)
    ratios = sorted(two["wall_s"]["simulate"] / one["wall_s"]["simulate"] for two, one in pairs)
    spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
    yield f"\n2 ranks × 1 thread take {statistics.median(ratios):.2f} times ({spread}) 1 rank × 2 threads."


def exchanged() -> tuple[float, float]:
    """Microseconds of an empty exchange between 2 ranks, and nanoseconds more for each spike in it."""
    done = subprocess.run(
        [MPIEXEC, "-n", "2", sys.executable, HERE, "--exchange"], capture_output=True, text=True, check=True
    )
    empty_s, full_s, spikes = json.loads(done.stdout)
    return empty_s * 1e6, (full_s - empty_s) / spikes * 1e9


def time_exchange() -> None:
    """On each rank: the median of an exchange of nothing, and of one of many spikes."""
    import time

    import numpy as np

    from hhsim.engines.exchange import open_exchange

    with open_exchange() as exchange:
        medians = []
        for spikes in (0, 50_000):
            parcel, times = np.zeros(EPOCH_STEPS + spikes, np.int32), []
            for _ in range(400):
                begin = time.perf_counter()
                exchange.swap(parcel, 0, -1, -1)
                times.append(time.perf_counter() - begin)
            medians.append(statistics.median(times))
        if exchange.rank == 0:
            print(json.dumps([*medians, 50_000 * exchange.ranks]))


def costs(repeats: int, duration: str) -> Costs:
    """Of a cell and step, and of an event, as `hhsim bench` tells them of a dense network with one thread."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "bench.json"
        asked = ("--threads", "1", "--repeats", str(repeats), "--duration", duration, "--json", str(result))
        subprocess.run([*HHSIM, "bench", str(DENSE), *asked], capture_output=True, check=True)
        row = json.loads(result.read_text())["series"][0]["rows"][0]
    of_cells = 1 - row["phases"]["delivery"] - row["phases"]["recording"]
    return Costs(row["ns_per_neuron_step"] * of_cells, row["ns_per_event"], *exchanged())


def estimate(found: Costs, degree: int = 1000) -> Iterator[str]:
    """A second of a network on many ranks of one core each; 10⁷ cells and 10⁹ cells.

    A latency grows with the logarithm of the ranks (a tree of messages); every rank receives every spike.
    """
    yield (
        f"Measured: {found.cell_step_ns:.1f} ns for a cell and step, {found.event_ns:.2f} ns for an event, "
        f"{found.exchange_us:.0f} µs for an exchange and {found.spike_ns:.2f} ns for each spike in it."
    )
    yield f"Estimated, for {RATE_HZ:g} Hz, {degree} synapses of each cell and delays of 1 ms:\n"
    yield (
        "| ranks | cells | update | delivery | exchange: latency | exchange: volume | scan of all spikes | "
        "synapses of a rank | starts of rows of a rank |"
    )
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for cells in (10**7, 10**9):
        for ranks in (16, 256, 4096):
            own = cells / ranks
            spikes = cells * RATE_HZ  # a second
            exchanges = STEPS_PER_S / EPOCH_STEPS
            levels = max(ranks.bit_length() - 1, 1)
            times = (
                own * STEPS_PER_S * found.cell_step_ns * 1e-9,
                own * degree * RATE_HZ * found.event_ns * 1e-9,
                exchanges * found.exchange_us * 1e-6 * levels,
                spikes * found.spike_ns * 1e-9,
                spikes * SCAN_NS * 1e-9,
            )
            memory = own * degree * TARGET_BYTES, 4.0 * cells
            yield (
                f"| {ranks} | 10{'⁷' if cells == 10**7 else '⁹'} | "
                + " | ".join(f"{figure(each)} s" for each in times)
                + " | "
                + " | ".join(f"{figure(each / 1e9)} GB" for each in memory)
                + " |"
            )


def figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


SCAN_NS = 10.0  # to look up the row of a spike that has no target here: two reads far away in memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--duration", default="200 ms")
    parser.add_argument("--exchange", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.exchange:
        time_exchange()
        return
    told = measure(asked.repeats, asked.duration)
    print("\n".join([*scaling(told), "", *memory(), "", *estimate(costs(asked.repeats, asked.duration))]))


if __name__ == "__main__":
    main()
