"""Time whole runs of a config in fresh processes and print medians.

    python scripts/time_runs.py                      # coba.toml: threads 1 and 2, float64 and float32
    python scripts/time_runs.py configs/coba_100k.toml --repeats 3 --threads 2 --precision float64

Each row is a median over the runs with its least and greatest value: `simulate` in wall seconds for each
biological second, `rest` for all else of the process (its start, building, loading compiled code, writing).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

COBA = Path(__file__).parent.parent / "configs" / "coba.toml"


def measure(
    config: str, threads: int, precision: str, duration: str | None, output: Path
) -> dict[str, float]:
    command = [sys.executable, "-m", "hhsim.cli", "run", config, "-o", str(output), "--force", "--json", "-q"]
    command += ["--threads", str(threads), "--precision", precision]
    command += ["--duration", duration] if duration else []
    summary = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    wall = summary["wall_s"]
    return {
        "simulate": wall["simulate"] / summary["biological_s"],
        "rest": wall["total"] - wall["simulate"],
        "build": wall["build"],
        "memory": summary["peak_rss_bytes"] / 1e6,
    }


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):8.3f} ({min(values):.3f}..{max(values):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", default=str(COBA))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--precision", nargs="+", default=["float64", "float32"])
    parser.add_argument("--duration")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    cases = [(threads, precision) for precision in options.precision for threads in options.threads]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "out.h5")

        def run(case: tuple[int, str]) -> dict[str, float]:
            return measure(options.config, *case, options.duration, output)

        for case in cases:
            run(case)  # compiles
        rows: dict[tuple[int, str], list[dict[str, float]]] = {case: [] for case in cases}
        for _ in range(options.repeats):  # in turn: a machine's speed drifts
            for case in cases:
                rows[case].append(run(case))
    print(
        "precision  threads   simulate, s per biological s        rest, s                build, s     "
        "memory, MB"
    )
    for (threads, precision), results in rows.items():
        columns = [spread([result[key] for result in results]) for key in ("simulate", "rest", "build")]
        memory = max(result["memory"] for result in results)
        print(f"{precision:9}  {threads:7}  {'   '.join(columns)}   {memory:8.0f}")


if __name__ == "__main__":
    main()
