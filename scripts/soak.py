"""Random networks that are stopped in every way at random moments and go on, until all gives the same bits.

    python scripts/soak.py --minutes 10
    python scripts/soak.py --seed 7 --network 123      # once more the one that failed

Each network runs once in one go, and once in pieces: its run is killed, stopped by a signal or by
--max-wall, or ends early and is extended; its newest checkpoint may be damaged; each piece has another
number of threads, other chunks and another time between checkpoints. At the end the spikes (`spikes_sha256`)
and the bits of all traces are those of the first run, and nothing is left over.
"""

from __future__ import annotations

import argparse
import collections
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from drawn_networks import COMPOSITIONS, Drawn, draw
from stoppable_runs import Beacon, Run, differences, restless, spread, warm

from hhsim.errors import FileFailed
from hhsim.simulation.checkpoint.container import read
from hhsim.simulation.checkpoint.store import checkpoint_path, previous_path

MOST_STOPS = 10  # of a network; then it runs to its end
THREADS = [1, 1, 2, 2, 3, 5]
SIGNALS = {
    "SIGKILL": (signal.SIGKILL, -signal.SIGKILL),
    "SIGTERM": (signal.SIGTERM, 143),
    "SIGUSR1": (signal.SIGUSR1, 75),
    "SIGINT": (signal.SIGINT, 130),
}
STOPS = [*3 * ["SIGKILL"], *SIGNALS, "--max-wall"]
GUARD_STOPPED = 4  # or a potential that diverged


def soak(seed: int, number: int, folder: Path) -> dict[str, Any]:
    """Run network `number` in one go and in pieces, and tell what happened."""
    begin = time.monotonic()
    chooser = random.Random(f"{seed}/{number}")
    drawn = draw(chooser, number % len(COMPOSITIONS))
    home = folder / str(number)
    home.mkdir()
    config = home / "network.toml"
    config.write_text(drawn.config)
    whole = home / "whole"
    whole.mkdir()
    code = Run(["run", config, "-q", "--threads", chooser.choice(THREADS)], whole).wait()
    pieces = _Pieces(chooser, drawn, config, home / "pieces", code)
    counts: collections.Counter[str] = pieces.counts
    try:
        if code not in (0, GUARD_STOPPED):
            raise Mismatch(f"in one go it ended with {code}: {(whole / 'stderr').read_text()}")
        pieces.run_all()
        wrong = differences(pieces.output, whole / "out.h5") + pieces.leftovers()
    except Exception as error:  # whatever it is, it should not have happened
        wrong = [str(error) or repr(error)]
    if not wrong:
        shutil.rmtree(home)
    counts["ended by a guard"] += code == GUARD_STOPPED
    return {
        "number": number,
        "about": drawn.about,
        "counts": dict(counts),
        "wrong": wrong,
        "seconds": time.monotonic() - begin,
    }


class Mismatch(Exception):
    """A run that did not end as it should."""


class _Pieces:
    """One run of a network in several processes, one after the other."""

    def __init__(self, chooser: random.Random, drawn: Drawn, config: Path, folder: Path, code: int) -> None:
        self.chooser, self.drawn, self.config, self.folder, self.code = chooser, drawn, config, folder, code
        self.output = folder / "out.h5"
        self.counts: collections.Counter[str] = collections.Counter()
        folder.mkdir()

    def run_all(self) -> None:
        extended = self.chooser.random() < 0.4
        durations = [self.chooser.randint(1, self.drawn.steps)] if extended else []
        for steps in [*durations, self.drawn.steps]:
            last = steps == self.drawn.steps
            stops = self.chooser.choices(STOPS, k=self.chooser.randint(0, MOST_STOPS))
            for stop in [*stops, ""]:
                code = self.piece(steps, stop)
                if code == 0 or code == GUARD_STOPPED:
                    break
                self.damage()
            if code == GUARD_STOPPED and self.code == code:
                return
            if code or (last and self.code):
                raise Mismatch(f"ended with {code} instead of {self.code}: {self.words}")
            self.counts["extended"] += not last

    def piece(self, steps: int, stop: str) -> int:
        """Begin or go on, and be stopped on the way, or not; the exit code."""
        saved = checkpoint_path(self.output).exists() or previous_path(self.output).exists()
        anew = self.output.exists() and not saved  # killed before the first checkpoint
        arguments: list[object] = ["run", self.config, "--resume"]
        arguments += ["--duration", f"{round(steps * self.drawn.dt, 6)} ms"]
        arguments += ["--threads", self.chooser.choice(THREADS)]
        arguments += ["--checkpoint-every", self.chooser.choice(["0s", "0s", "0.03s", "1h"])]
        beacon = Beacon()
        options = ["--max-wall", f"{self.chooser.uniform(0.55, 0.9):.3f}s"] if stop == "--max-wall" else []
        longest = max(1, self.drawn.steps // self.chooser.choice([5, 30, 100]))
        flush_every = self.chooser.choice([0.0, 0.01, 2.0])
        noise = str(self.chooser.random())

        def prepare() -> None:
            restless(noise, longest, flush_every)
            beacon.attach()

        run = Run([*arguments, *options], self.folder, prepare)
        expected = {75} if options else set()
        if stop in SIGNALS:
            number, code = SIGNALS[stop]
            expected = {code, -number}  # before the command looks after its signals, or when all is done
            self.wait_for(run, beacon, steps)
            run.send(number)
        code = run.wait()
        self.words = run.words()
        if code not in {0, GUARD_STOPPED, *expected}:
            raise Mismatch(f"hhsim {' '.join(run.arguments)}, {stop or 'not stopped'}: {code}: {self.words}")
        self.counts["resumes"] += saved
        self.counts["begun anew"] += anew
        if code in expected:
            self.counts[stop] += 1
        return code

    def wait_for(self, run: Run, beacon: Beacon, steps: int) -> None:
        """Wait for a random moment: while the run starts, or at a random step."""
        if self.chooser.random() < 0.15:
            time.sleep(self.chooser.uniform(0, 0.15))
            return
        step = self.chooser.randint(0, steps)
        run.until(lambda: beacon.is_open and beacon.step >= step)
        time.sleep(self.chooser.uniform(0, 0.005))

    def damage(self) -> None:
        """Sometimes damage the newest checkpoint, where the one before it is whole."""
        newest = checkpoint_path(self.output)
        if self.chooser.random() > 0.2 or not (is_whole(newest) and is_whole(previous_path(self.output))):
            return
        content = bytearray(newest.read_bytes())
        how = self.chooser.choice(["flip", "cut", "empty", "delete"])
        if how == "flip":
            content[self.chooser.randrange(len(content))] ^= 1 << self.chooser.randrange(8)
        elif how == "cut":
            del content[self.chooser.randrange(len(content)) :]
        newest.write_bytes(b"" if how == "empty" else content)
        if how == "delete":
            newest.unlink()
        self.counts["damaged checkpoints"] += 1

    def leftovers(self) -> list[str]:
        return [f"{path.name} is left" for path in sorted(self.folder.glob(".*"))]


def is_whole(checkpoint: Path) -> bool:
    try:
        read(checkpoint)
    except FileFailed:
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="begin no network after so long (5)")
    parser.add_argument("--networks", type=int, default=10**9, help="the most networks")
    parser.add_argument("--network", type=int, nargs="+", metavar="NUMBER", help="run these alone")
    parser.add_argument("--seed", type=int, default=2007, help="decides about everything but chance (2007)")
    parser.add_argument("--folder", type=Path, help="where to write; default: the folder for temporary files")
    parser.add_argument("--jobs", type=int, default=2, help="networks at a time (2)")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hhsim-soak-", dir=options.folder))
    deadline = time.monotonic() + 60 * options.minutes
    numbers = options.network or range(options.networks)
    total: collections.Counter[str] = collections.Counter()
    for told in spread(tasks(options.seed, numbers, folder, deadline), options.jobs):
        total.update(told["counts"] | {"networks": 1, "mismatches": bool(told["wrong"])})
        what = ", ".join(f"{count} {name}" for name, count in sorted(told["counts"].items()) if count)
        print(f"{told['number']:5} {told['seconds']:5.1f} s  {told['about']}; {what}", flush=True)
        for wrong in told["wrong"]:
            print(f"      MISMATCH: {wrong} (kept in {folder / str(told['number'])};", end=" ")
            print(f"once more: --seed {options.seed} --network {told['number']})", flush=True)
    stops = {name: total.pop(name, 0) for name in dict.fromkeys(STOPS)}
    print(f"\nnetworks {total.pop('networks')}, mismatches {total.pop('mismatches')}", end="; ")
    print(f"stops {sum(stops.values())}: " + ", ".join(f"{n} by {name}" for name, n in stops.items()))
    print(", ".join(f"{name} {count}" for name, count in sorted(total.items())))
    if any(folder.iterdir()):
        return 1
    folder.rmdir()
    return 0


def tasks(seed: int, numbers: Iterable[int], folder: Path, deadline: float) -> Iterator[Callable[[], Any]]:
    """Networks to run; the compiled code of each is loaded here, before it is run elsewhere."""
    loaded: set[int] = set()
    for number in numbers:
        if time.monotonic() > deadline:
            return
        composition = number % len(COMPOSITIONS)
        if composition not in loaded:
            config = folder / "warm.toml"
            config.write_text(draw(random.Random(0), composition).config)
            warm(config)
            config.unlink()
            loaded.add(composition)
        yield partial(soak, seed, number, folder)


if __name__ == "__main__":
    sys.exit(main())
