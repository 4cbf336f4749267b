"""Whether more threads make a run slower than one, beside other programs that want the same processors.

    python scripts/busy_machine.py [--repeats 7] [--busy 0,2,4,8] [--threads 1,2,4]     a table in Markdown

Networks are those of configs/coba.toml and configs/coba_100k.toml, with delays of 0 and 1 ms. Each is built
once for every number of threads; then all of them advance by the same piece of biological time in turn, over
and over, beside so many processes that do nothing but count. A cell of the table holds the median over the
repeats of the time with so many threads over that with one, the least and the most of it, and the processors
that the threads kept busy.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hhsim.config import load
from hhsim.simulation.loop import FIRST_STEPS, next_steps
from hhsim.simulation.simulation import Simulation

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
PIECES = {"coba.toml": 5000, "coba_100k.toml": 200}  # steps of a repeat: about as long as a short run
DELAYS_MS = (0, 1)
WARM_STEPS = 500  # of the beginning, when cells fire together


@contextmanager
def beside(count: int) -> Iterator[None]:
    """While it lasts, `count` processes are busy."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def advance(simulation: Simulation, steps: int) -> tuple[float, float]:
    """Advance in chunks as long as a run takes them; returns the seconds of wall and of processors."""
    begin, cpu = time.perf_counter(), time.process_time()
    end = simulation.step + steps
    most = FIRST_STEPS
    while simulation.step < end:
        chunk_begin = time.perf_counter()
        chunk = simulation.advance(min(most, end - simulation.step))
        most = next_steps(chunk, time.perf_counter() - chunk_begin)
    return time.perf_counter() - begin, time.process_time() - cpu


def simulations(config: str, delay_ms: int, threads: Sequence[int], steps: int) -> dict[int, Simulation]:
    """One for each number of threads, ready to advance by `steps`."""
    delays = [f'projection.{i}.delay="{delay_ms} ms"' for i in range(2)]
    model = load(CONFIGS / config, delays, run={"duration": f"{(steps + 100) * 0.1:g} ms"}).model
    built = {each: Simulation(model, each) for each in threads}
    for simulation in built.values():
        simulation.compile()
    return built


def measure(config: str, delay_ms: int, threads: Sequence[int], busy: Sequence[int], repeats: int) -> None:
    """Print a row of the table for each number of busy processes."""
    piece = PIECES[config]
    all_steps = WARM_STEPS + piece * repeats * len(busy)
    built = simulations(config, delay_ms, threads, all_steps)
    for simulation in built.values():
        advance(simulation, WARM_STEPS)
    for count in busy:
        wall: dict[int, list[float]] = {each: [] for each in threads}
        cpu: dict[int, list[float]] = {each: [] for each in threads}
        with beside(count):
            for _ in range(repeats):
                for each, simulation in built.items():
                    seconds, used = advance(simulation, piece)
                    wall[each].append(seconds)
                    cpu[each].append(used / seconds)
        one = threads[0]
        cells = [f"{1000 * statistics.median(wall[one]):.0f} ms ({statistics.median(cpu[one]):.2f})"]
        for each in threads[1:]:
            ratios = sorted(a / b for a, b in zip(wall[each], wall[one], strict=True))
            shown = f"**{statistics.median(ratios):.2f}** ({ratios[0]:.2f}–{ratios[-1]:.2f}; "
            cells.append(f"{shown}{statistics.median(cpu[each]):.2f})")
        print("|", " | ".join([config, f"{delay_ms} ms", str(count), *cells]), "|", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs with several threads beside busy processes.")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--busy", default="0,2,4,8", help="numbers of busy processes")
    parser.add_argument("--threads", default="1,2,4", help="numbers of threads; the first is compared with")
    parser.add_argument("--configs", default=",".join(PIECES), help="of those that are shipped")
    asked = parser.parse_args()
    threads = [int(each) for each in asked.threads.split(",")]
    busy = [int(each) for each in asked.busy.split(",")]
    heads = [f"{each} threads" if each > 1 else "1 thread" for each in threads]
    print("| network | delays | busy processes |", " | ".join(heads), "|")
    print("|---|---|---:|" + "---:|" * len(threads))
    for config, delay_ms in itertools.product(asked.configs.split(","), DELAYS_MS):
        measure(config, delay_ms, threads, busy, asked.repeats)


if __name__ == "__main__":
    main()
