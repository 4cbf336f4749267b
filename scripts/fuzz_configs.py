"""Drawn configs through every command: no exit code 1, no traceback, no warning of a library, no hang.

    python scripts/fuzz_configs.py --configs 10000 --first 0

Each config is validated. Every third one is well-formed and, with `--every` N, one in N of those is run;
what it leaves goes through info, stats, diff, export-spikes, plot, export and rerun. A fault is printed with
the number of its config, from which it can be made again: `--first NUMBER --configs 1 --every 1 --show`.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import os
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from drawn_configs import config

from hhsim.cli import main

MOST_SECONDS = 60.0  # of a command; the first of each composition compiles
HANGS = 120  # seconds
CODES = {
    "validate": {0, 3},
    "run": {0, 3, 4, 6},
    "diff": {0, 7},
    "export": {0, 3, 6},
    "rerun": {0, 4, 5},  # 5: nothing was written before it diverged
    "plot": {0, 2},  # 2: a window that is too short for a spectrum
}


class Answer(NamedTuple):
    """What a command did."""

    arguments: list[str]
    code: object  # the exit code, or the name of an exception that came out
    out: str
    err: str
    seconds: float

    def fault(self) -> str | None:
        """What is wrong with it; None where nothing is."""
        allowed = CODES.get(self.arguments[0], {0})
        if self.code not in allowed:
            return f"exit code {self.code}"
        for word in ("Traceback", "Warning", "mistake in hhsim"):
            if word in self.err:
                return word
        if self.code == 0 and "nan" in self.out.lower().replace("resonan", ""):
            return "nan in the output"
        if self.seconds > MOST_SECONDS:
            return f"{self.seconds:.0f} seconds"
        return None


def answer(*arguments: str) -> Answer:
    """Run `hhsim ARGUMENTS` in this process."""
    out, err = io.StringIO(), io.StringIO()
    begin = time.perf_counter()
    faulthandler.dump_traceback_later(HANGS, exit=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("always", RuntimeWarning)
        warnings.simplefilter("always", UserWarning)
        try:
            code: object = main(list(arguments))
        except BaseException as error:
            code = f"{type(error).__name__}: {error}"
    faulthandler.cancel_dump_traceback_later()
    return Answer(list(arguments), code, out.getvalue(), err.getvalue(), time.perf_counter() - begin)


def answers(number: int, run: bool, plot: bool) -> Iterator[Answer]:
    """All that is asked about the config with this number, in the current folder."""
    Path("c.toml").write_bytes(config(number))
    told = answer("validate", "c.toml")
    yield told
    if not run:
        return
    shutil.rmtree("exported", ignore_errors=True)
    output, before = ("a.h5", "b.h5") if number % 2 else ("b.h5", "a.h5")
    for path in Path().glob(f"{output[0]}.*h5"):
        path.unlink()
    ran = answer("run", "c.toml", "-q", "--threads", "1", "-o", output)
    yield ran
    if told.code == 3:
        yield ran._replace(code=f"{ran.code} after 3" if ran.code != 3 else 3)
    if not Path(output).exists():
        return
    yield answer("info", output)
    yield answer("stats", output)
    yield answer("stats", output, "--json")
    yield answer("diff", output, output)
    if Path(before).exists():
        yield answer("diff", before, output)
    yield answer("export-spikes", output, "--format", "csv", "--force")
    yield answer("rerun", output, "--verify", "-q", "--threads", "2")
    if plot:
        yield answer("plot", output, "-o", "drawn.png", "--force")
        yield answer("plot", output, "-o", "drawn.png", "--force", "--kind", "raster,rate,trace,isi,psd")
        yield answer("export", "c.toml", "-o", "exported")
        yield answer("run", "c.toml", "--dry-run", "--threads", "1", "-o", "dry.h5")


def study(first: int, configs: int, every: int, plots: int, show: bool) -> int:
    """Push configs through; returns the number of distinct faults."""
    codes: Counter[tuple[str, object]] = Counter()
    faults: Counter[str] = Counter()
    runs = 0
    begin = time.perf_counter()
    for number in range(first, first + configs):
        run = number % 3 == 0 and number // 3 % every == 0
        runs += run
        for told in answers(number, run, run and runs % plots == 0):
            codes[told.arguments[0], told.code] += 1
            fault = told.fault()
            if show:
                print(f"{' '.join(told.arguments)}: {told.code}, {told.seconds:.1f} s\n{told.out}{told.err}")
            if fault is not None:
                last = (told.err.strip().splitlines() or [""])[-2:]
                key = f"{told.arguments[0]}: {fault}: {' | '.join(last)[:300]}"
                if not faults[key]:
                    print(f"config {number}: {key}", flush=True)
                faults[key] += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = time.perf_counter() - begin
    print(f"{configs} configs, {runs} of them run, in {seconds:.0f} s, {peak:.0f} MB at most")
    for (command, code), count in sorted(codes.items(), key=str):
        print(f"  {command}: {code} {count} times")
    print(f"{len(faults)} faults, {sum(faults.values())} times")
    return len(faults)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--configs", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=1, help="one in so many of the well-formed ones is run")
    parser.add_argument(
        "--plots", type=int, default=10, help="one in so many runs is drawn and exported, too"
    )
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.exit(1 if study(**vars(options)) else 0)
